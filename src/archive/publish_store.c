/* SPDX-License-Identifier: ISC */
/* What the store remembers: where it belongs, which serial was the last. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "archive/publish_internal.h"
#include "os/file.h"

static enum result
lock_store(struct publish *p, struct report *r, struct why *why)
{
	switch (store_lock(p->store, why)) {
	case STORE_LOCKED:
		return RESULT_GOOD;
	case STORE_BUSY:
		report_add(r, REPORT_ERROR, p->o->store, 0,
		    "in use by another run: try again later");
		return RESULT_FAILED;
	case STORE_LOCK_FAILED:
		break;
	}
	report_add(r, REPORT_ERROR, NULL, 0, "%s", why->text);
	return RESULT_LOCAL;
}

static enum result
read_state(struct publish *p, struct report *r, struct why *why)
{
	switch (state_read(p->store, &p->state, why)) {
	case STATE_READ:
		return RESULT_GOOD;
	case STATE_NONE:
		if (store_current(p->store) == 0 && file_is_absent(errno))
			return RESULT_GOOD;
		report_add(r, REPORT_ERROR, p->o->store, 0,
		    "its file \"state\" is missing, and with it the keys: put "
		    "it back from a backup, or publish into a new store");
		return RESULT_LOCAL;
	case STATE_BROKEN:
	case STATE_UNREAD:
		break;
	}
	report_add(r, REPORT_ERROR, NULL, 0, "%s", why->text);
	return RESULT_LOCAL;
}

/* The origin that SRC's capsule.conf sets. False when there is none; what may
 * be the reason goes to r. */
static bool
source_origin(
    const struct publish *p, struct feed_origin *out, struct report *r)
{
	const struct conf_text *origin;
	struct publish_root root;
	struct conf_content content;
	bool found = false;
	struct why why;

	if (publish_root_open(&root, p->o->src, "localhost", r) &&
	    host_salvage_content(
		root.hosts, root.host, PUBLISH_CONF_FILE, &content, r)) {
		origin = &content.origin;
		found = origin->text != NULL &&
			feed_origin(slice_str(origin->text), out, &why);
		if (origin->text != NULL && !found)
			report_add(r, REPORT_ERROR, origin->file, origin->line,
			    "origin: %s", why.text);
	}
	publish_root_close(&root);
	return found;
}

static enum result
origin_missing(const struct report *source, struct report *r)
{
	for (size_t i = 0; i < source->n; i++)
		if (source->items[i].level == REPORT_ERROR)
			report_add(r, REPORT_ERROR, source->items[i].file,
			    source->items[i].line, "%s", source->items[i].text);
	report_add(r, REPORT_ERROR, NULL, 0,
	    "missing origin: the first time, set origin in capsule.conf, or "
	    "use --origin gemini://example.org");
	return RESULT_USAGE;
}

/* The origin of the state, if it has one. */
static enum result
known_origin(struct publish *p, struct report *r)
{
	const char *known = p->state.origin;
	struct why why;

	if (known[0] == '\0' || feed_origin(slice_str(known), &p->origin, &why))
		return RESULT_GOOD;
	report_add(r, REPORT_ERROR, p->o->store, 0,
	    "belongs to %s, for which no feed can be made: %s", known,
	    why.text);
	return RESULT_LOCAL;
}

/* Where it is published: what the store remembers, or else what the command
 * line or SRC sets, which must agree. */
static enum result
agree_origin(struct publish *p, const struct feed_origin *said,
    bool from_source, struct report *r)
{
	const char *known = p->state.origin;
	uint8_t memory[MANIFEST_ORIGIN_MAX];
	struct buf url;

	if (known[0] == '\0')
		p->origin = *said;
	buf_wrap(&url, memory, sizeof(memory) - 1);
	if (!feed_origin_put(&p->origin, &url) ||
	    !manifest_origin(buf_view(&url), p->origin_url)) {
		report_add(r, REPORT_ERROR, NULL, 0,
		    "origin URL is not valid in a manifest");
		return RESULT_USAGE;
	}
	if (said == NULL || (said->port == p->origin.port &&
				strcmp(said->host, p->origin.host) == 0))
		return RESULT_GOOD;
	report_add(r, REPORT_ERROR, p->o->store, 0,
	    "belongs to %s: another origin%s needs a store of its own", known,
	    from_source ? ", as in capsule.conf," : "");
	return RESULT_USAGE;
}

static enum result
find_origin(struct publish *p, struct report *r)
{
	const struct feed_origin *said = p->o->origin;
	enum result result = known_origin(p, r);
	struct report source = { 0 };
	struct feed_origin own;

	if (result != RESULT_GOOD)
		return result;
	if (said == NULL && source_origin(p, &own, &source))
		said = &own;
	if (said == NULL && p->state.origin[0] == '\0')
		result = origin_missing(&source, r);
	else
		result = agree_origin(p, said, said == &own, r);
	report_fini(&source);
	return result;
}

static enum result
publish_store_take(struct publish *p, struct report *r, struct why *why)
{
	enum result result = RESULT_GOOD;

	p->store = store_open(p->o->store, false, why);
	if (p->store == NULL) {
		report_add(r, REPORT_ERROR, NULL, 0, "%s", why->text);
		return RESULT_LOCAL;
	}
	if (!p->o->look_only)
		result = lock_store(p, r, why);
	return result != RESULT_GOOD ? result : read_state(p, r, why);
}

/* Whether a store could be made there, as far as it can be seen now. */
static enum result
check_room(const struct publish *p, struct report *r)
{
	int fd = file_root(p->o->store);

	if (fd != -1) {
		(void)close(fd);
		return RESULT_GOOD;
	}
	if (errno == ENOENT)
		return RESULT_GOOD;
	report_add(r, REPORT_ERROR, p->o->store, 0, "%s", strerror(errno));
	return RESULT_LOCAL;
}

enum result
publish_open_store(struct publish *p, struct report *r)
{
	enum result result = RESULT_GOOD;
	struct why why;

	/* One that is not there is made when there is something to put in. */
	if (store_is(p->o->store))
		result = publish_store_take(p, r, &why);
	else
		result = check_room(p, r);
	return result == RESULT_GOOD ? find_origin(p, r) : result;
}

enum result
publish_make_store(struct publish *p, struct report *r)
{
	enum result result = RESULT_LOCAL;
	struct why why;

	if (p->store != NULL)
		return RESULT_GOOD;
	p->store = store_open(p->o->store, true, &why);
	if (p->store == NULL)
		report_add(r, REPORT_ERROR, NULL, 0, "%s", why.text);
	else
		result = lock_store(p, r, &why);
	/* Somebody else may have been the first. */
	if (result == RESULT_GOOD &&
	    state_read(p->store, &p->state, &why) != STATE_NONE) {
		report_add(r, REPORT_ERROR, p->o->store, 0,
		    "another run has just published here: start again");
		result = RESULT_FAILED;
	}
	return result;
}

enum result
publish_find_serial(struct publish *p, struct report *r)
{
	uint64_t highest = 0;

	if (p->store != NULL && !store_highest(p->store, &highest)) {
		report_add(r, REPORT_ERROR, p->o->store, 0, "releases: %s",
		    strerror(errno));
		return RESULT_LOCAL;
	}
	if (p->state.serial > highest)
		highest = p->state.serial;
	p->next_serial = highest + 1;
	return RESULT_GOOD;
}

enum result
publish_read_last(struct publish *p, struct report *r)
{
	uint64_t serial = p->state.serial;
	struct buf text;
	struct why why;

	if (p->store == NULL || serial == 0)
		return RESULT_GOOD;
	if (p->state.final)
		p->plan.final_serial = serial;
	buf_init(&text, MANIFEST_MAX);
	if (!store_manifest(p->store, serial, &text)) {
		buf_reset(&text);
		serial = store_current(p->store);
		(void)store_manifest(p->store, serial, &text);
	}
	/* A corrupt one does not prevent publishing: the serial does not come
	 * from it. */
	if (manifest_open(buf_view(&text), &p->state.ring, NULL, &p->before,
		&why) == MANIFEST_GOOD) {
		p->last_serial = serial;
		p->plan.before = &p->before;
	} else {
		report_add(r, REPORT_WARNING, p->o->store, 0,
		    "the manifest of serial %llu cannot be used (%s), and "
		    "what has changed since is not known; see carnation "
		    "verify",
		    (unsigned long long)serial,
		    text.len == 0 ? "it cannot be read" : why.text);
	}
	buf_fini(&text);
	return RESULT_GOOD;
}
