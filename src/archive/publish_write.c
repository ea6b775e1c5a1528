/* SPDX-License-Identifier: ISC */
/* Into the store: objects, the release, the switch. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "archive/publish_internal.h"
#include "archive/trace.h"
#include "util/fd.h"

/* From SRC's file into an object. */
static enum publish_result
copy_bytes(const struct publish *p, const struct publish_file *f,
    struct store_object *o, struct report *r, struct why *why)
{
	uint8_t bytes[PUBLISH_READ_SIZE];
	int fd = publish_file_open(p, f, r);
	bool kept = true;
	ssize_t n = 0;

	if (fd == -1)
		return PUBLISH_FAILED;
	while (kept && (n = fd_read(fd, bytes, sizeof(bytes))) != 0) {
		if (n == -1)
			break;
		kept = store_object_put(o, slice_of(bytes, (size_t)n), why);
	}
	if (n == -1)
		publish_problem(p, r, REPORT_ERROR, f->path, 0,
		    "cannot be read: %s", strerror(errno));
	(void)close(fd);
	if (!kept)
		report_add(r, REPORT_ERROR, NULL, 0, "%s", why->text);
	return kept && n != -1 ? PUBLISH_GOOD : PUBLISH_LOCAL;
}

static enum publish_result
fill(const struct publish *p, const struct publish_file *f,
    struct store_object *o, struct report *r, struct why *why)
{
	if (f->made == NULL)
		return copy_bytes(p, f, o, r, why);
	if (store_object_put(o, buf_view(f->made), why))
		return PUBLISH_GOOD;
	report_add(r, REPORT_ERROR, NULL, 0, "%s", why->text);
	return PUBLISH_LOCAL;
}

static enum publish_result
store_file(struct publish *p, const struct publish_file *f, struct report *r,
    struct why *why)
{
	struct store_object *o = store_object_new(p->store, why);
	enum publish_result result;

	if (o == NULL) {
		report_add(r, REPORT_ERROR, NULL, 0, "%s", why->text);
		return PUBLISH_LOCAL;
	}
	result = fill(p, f, o, r, why);
	if (result != PUBLISH_GOOD) {
		store_object_drop(&o);
		return result;
	}
	switch (store_object_keep(&o, f->digest, NULL, why)) {
	case STORE_KEPT:
		return PUBLISH_GOOD;
	case STORE_OTHER_HASH:
		publish_problem(p, r, REPORT_ERROR, f->path, 0,
		    "has changed while it was being published; nothing is "
		    "published: begin again");
		return PUBLISH_FAILED;
	case STORE_WRITE_FAILED:
		break;
	}
	report_add(r, REPORT_ERROR, NULL, 0, "%s", why->text);
	return PUBLISH_LOCAL;
}

enum publish_result
publish_store_files(struct publish *p, struct report *r)
{
	enum publish_result result = PUBLISH_GOOD;
	struct why why;

	for (size_t i = 0; i < p->n && result == PUBLISH_GOOD; i++)
		if (!store_has(p->store, p->file[i].digest))
			result = store_file(p, &p->file[i], r, &why);
	/* Also those that the store had before: see publish.h. */
	for (size_t i = 0; i < p->n && result == PUBLISH_GOOD; i++)
		if (!publish_file_unchanged(p, &p->file[i], r))
			result = PUBLISH_FAILED;
	return result;
}

/* The state as the new serial makes it. */
static void
note_serial(struct publish *p)
{
	const struct manifest *m = &p->after;
	struct state *st = &p->state;

	st->is_mirror = false;
	st->upstream[0] = '\0';
	memcpy(st->origin, m->origin, sizeof(st->origin));
	memcpy(st->host, p->origin.host, sizeof(st->host));
	st->serial = m->serial;
	digest_sha256(buf_view(&p->list), st->manifest);
	st->created = m->created;
	st->refresh = m->refresh;
	st->final = m->final;
	st->checked = st->synced = p->o->now;
}

enum publish_result
publish_release(struct publish *p, struct report *r)
{
	enum publish_result result = publish_turn_keys(p, r);
	struct why why;
	bool ok;

	if (result != PUBLISH_GOOD)
		return result;
	note_serial(p);
	/* The state before the switch: what anybody may have seen under a serial
	 * is never published again under the same. */
	ok = store_build(p->store, &p->after, buf_view(&p->sealed), &why) &&
	     state_write(p->store, &p->state, &why) &&
	     store_switch(p->store, p->after.serial, &why);
	if (!ok)
		report_add(r, REPORT_ERROR, NULL, 0, "%s", why.text);
	else if (!trace_write(p->store, &p->state, p->o->now, &why))
		report_add(r, REPORT_WARNING, NULL, 0,
		    "published, but the trace is an old one: %s", why.text);
	return ok ? PUBLISH_GOOD : PUBLISH_LOCAL;
}
