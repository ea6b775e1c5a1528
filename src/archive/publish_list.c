/* SPDX-License-Identifier: ISC */
/* The manifest of what is published: made, or taken as it was signed
 * elsewhere. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archive/publish_internal.h"
#include "os/file.h"
#include "util/fd.h"

enum { DAY_S = 24 * 60 * 60, DIFFERENCES_MAX = 5 };

/* Of this release, without its entries. */
static struct manifest
head(const struct publish *p)
{
	const struct publish_options *o = p->o;
	const struct signify_key *next = publish_successor(p);
	struct manifest m = {
		.serial = p->next_serial,
		.created = o->created,
		.final = o->final,
		.refresh = o->final
			       ? 0
			       : o->created + (int64_t)o->refresh_days * DAY_S,
		.has_next_key = next != NULL,
	};

	memcpy(m.origin, p->origin_url, sizeof(m.origin));
	if (next != NULL)
		m.next_key = *next;
	(void)snprintf(m.key_name, sizeof(m.key_name), "%s", o->key_name);
	return m;
}

/* False when out of memory or there are too many. */
static bool
add_files(const struct publish *p, struct manifest *m)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct publish_file *f = &p->file[i];

		if (!manifest_add(m, f->digest, slice_str(f->path)))
			return false;
		m->bytes += f->size;
		if (f->size > m->largest)
			m->largest = f->size;
	}
	m->files = m->n;
	return true;
}

enum result
publish_make_list(struct publish *p, struct report *r)
{
	struct manifest m = head(p);
	struct why why;
	bool ok = false;

	/* Read again as a mirror will: what does not pass is not published. */
	if (p->n > MANIFEST_FILES_MAX)
		why_set(&why, "%zu files, and a manifest lists %d", p->n,
		    MANIFEST_FILES_MAX);
	else if (!add_files(p, &m))
		why_memory(&why);
	else if (!manifest_format(&m, &p->list))
		why_set(&why, "the list would have more than %d MiB",
		    MANIFEST_MAX >> 20);
	else
		ok = manifest_parse(buf_view(&p->list), &p->after, &why);
	manifest_fini(&m);
	if (ok)
		p->plan.after = &p->after;
	else
		report_add(r, REPORT_ERROR, p->o->src, 0,
		    "no manifest can be made of it: %s", why.text);
	return ok ? RESULT_GOOD : RESULT_REFUSED;
}

struct reporting {
	struct report *r;
	unsigned n;
};

static void
difference_report(void *arg, enum change change, const char *path)
{
	struct reporting *t = arg;

	if (++t->n <= DIFFERENCES_MAX)
		report_add(t->r, REPORT_ERROR, NULL, 0,
		    "since the list was written: %s %s", change_text(change),
		    path);
}

/* Whether what was signed is what would be now, but for what its maker chose. */
static bool
is_ours(const struct publish *p, const struct manifest *m, struct report *r)
{
	const struct manifest *own = &p->after;
	struct reporting t = { .r = r };
	struct changes c;

	if (m->serial != own->serial) {
		report_add(r, REPORT_ERROR, NULL, 0,
		    "the signed list is of serial %llu, and the next one is "
		    "%llu",
		    (unsigned long long)m->serial,
		    (unsigned long long)own->serial);
		return false;
	}
	if (strcmp(m->origin, own->origin) != 0) {
		report_add(r, REPORT_ERROR, NULL, 0, "the signed list is of %s",
		    m->origin);
		return false;
	}
	c = changes_between(m, own, difference_report, &t);
	if (changes_none(&c) && m->bytes == own->bytes &&
	    m->largest == own->largest)
		return true;
	report_add(r, REPORT_ERROR, NULL, 0,
	    "the signed list is not of what the folder holds now: write and "
	    "sign another (--unsigned)");
	return false;
}

enum result
publish_take_sealed(struct publish *p, struct report *r)
{
	const struct publish_options *o = p->o;
	const struct keyring_key *signer;
	struct keyring given = { .n = 0 };
	struct slice name, part;
	struct manifest m = { 0 };
	struct why why;
	uint8_t signature[SIGNIFY_SIGNATURE_SIZE];

	if (o->sealed.len == 0)
		return RESULT_GOOD;
	if (o->key != NULL)
		(void)keyring_pin(&given, o->key);
	else
		given = p->state.ring;
	if (manifest_open(o->sealed, &given, &signer, &m, &why) !=
	    MANIFEST_GOOD) {
		report_add(
		    r, REPORT_ERROR, NULL, 0, "the signed list: %s", why.text);
		return RESULT_REFUSED;
	}
	p->signer = signer->key;
	if (!is_ours(p, &m, r)) {
		manifest_fini(&m);
		return RESULT_REFUSED;
	}
	manifest_fini(&p->after);
	p->after = m;
	buf_reset(&p->list);
	return signify_split(o->sealed, &name, signature, &part) &&
		       buf_put(&p->list, part)
		   ? publish_accept_sealed(p, r)
		   : RESULT_LOCAL;
}

enum result
publish_seal(struct publish *p, struct report *r)
{
	const struct publish_options *o = p->o;
	bool ok;

	if (o->sealed.len > 0) {
		ok = buf_put(&p->sealed, o->sealed);
	} else {
		p->signer = *o->key;
		ok = signify_sign(o->secret, o->key_name, buf_view(&p->list),
			 &p->sealed) &&
		     buf_put(&p->sealed, buf_view(&p->list));
	}
	if (ok)
		return RESULT_GOOD;
	report_add(r, REPORT_ERROR, NULL, 0,
	    "the list cannot be signed: out of memory, or it is longer than "
	    "%d MiB",
	    MANIFEST_MAX >> 20);
	return RESULT_LOCAL;
}

/* Into the store: objects, the release, the switch. */

/* From SRC's file into an object. */
static enum result
copy_bytes(const struct publish *p, const struct publish_file *f,
    struct store_object *o, struct report *r, struct why *why)
{
	uint8_t bytes[PUBLISH_READ_SIZE];
	int fd = publish_file_open(p, f, r);
	bool kept = true;
	ssize_t n = 0;

	if (fd == -1)
		return RESULT_FAILED;
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
	return kept && n != -1 ? RESULT_GOOD : RESULT_LOCAL;
}

static enum result
fill(const struct publish *p, const struct publish_file *f,
    struct store_object *o, struct report *r, struct why *why)
{
	if (f->made == NULL)
		return copy_bytes(p, f, o, r, why);
	if (store_object_put(o, buf_view(f->made), why))
		return RESULT_GOOD;
	report_add(r, REPORT_ERROR, NULL, 0, "%s", why->text);
	return RESULT_LOCAL;
}

static enum result
store_file(struct publish *p, const struct publish_file *f, struct report *r,
    struct why *why)
{
	struct store_object *o = store_object_new(p->store, why);
	enum result result;

	if (o == NULL) {
		report_add(r, REPORT_ERROR, NULL, 0, "%s", why->text);
		return RESULT_LOCAL;
	}
	result = fill(p, f, o, r, why);
	if (result != RESULT_GOOD) {
		store_object_drop(&o);
		return result;
	}
	switch (store_object_keep(&o, f->digest, NULL, why)) {
	case STORE_KEPT:
		return RESULT_GOOD;
	case STORE_OTHER_HASH:
		publish_problem(p, r, REPORT_ERROR, f->path, 0,
		    "has changed while it was being published; nothing is "
		    "published: begin again");
		return RESULT_FAILED;
	case STORE_WRITE_FAILED:
		break;
	}
	report_add(r, REPORT_ERROR, NULL, 0, "%s", why->text);
	return RESULT_LOCAL;
}

enum result
publish_store_files(struct publish *p, struct report *r)
{
	enum result result = RESULT_GOOD;
	struct why why;

	for (size_t i = 0; i < p->n && result == RESULT_GOOD; i++)
		if (!store_has(p->store, p->file[i].digest))
			result = store_file(p, &p->file[i], r, &why);
	/* Also those that the store had before: see publish.h. */
	for (size_t i = 0; i < p->n && result == RESULT_GOOD; i++)
		if (!publish_file_unchanged(p, &p->file[i], r))
			result = RESULT_FAILED;
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
	st->checked = st->heard = st->synced = p->o->now;
}

enum result
publish_release(struct publish *p, struct report *r)
{
	const struct manifest *m = &p->after;
	struct why why;
	bool ok;

	keyring_accept(&p->state.ring, &p->signer,
	    m->has_next_key ? &m->next_key : NULL, NULL);
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
	return ok ? RESULT_GOOD : RESULT_LOCAL;
}
