/* SPDX-License-Identifier: ISC */
/* What a mirror remembers of a manifest whose release is current: by the run that
 * switched to it, or by the next one when that was killed before it could. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "archive/mirror_internal.h"
#include "util/clock.h"

static void
keys_handle(struct mirror *m, const struct found *f)
{
	struct slice rest, line;
	struct buf said;

	buf_init(&said, MIRROR_LINES_MAX);
	if (!found_keys(&m->state, f, &said))
		mirror_say(m, MIRROR_WARNING,
		    "no room for the key that is announced: remove some from "
		    "%s/state",
		    m->options->store);
	for (rest = buf_view(&said); slice_line(&rest, &line);)
		mirror_say(m, MIRROR_INFO, "%.*s", SLICE_ARGS(line));
	buf_fini(&said);
}

bool
mirror_remember(struct mirror *m, const struct found *f)
{
	const struct manifest *l = &f->m;
	struct state *st = &m->state;

	st->is_mirror = true;
	memcpy(st->origin, l->origin, sizeof(st->origin));
	if (m->from != NULL)
		memcpy(st->upstream, m->from->base, sizeof(st->upstream));
	st->serial = l->serial;
	memcpy(st->manifest, f->digest, sizeof(st->manifest));
	st->created = l->created;
	st->refresh = l->refresh;
	st->final = l->final;
	st->synced = clock_wall();
	st->checked = st->synced;
	keys_handle(m, f);
	return state_write(m->store, st, &m->out->why);
}

/* The release that is current is held against the state as if it had just come,
 * but for how far ahead it is: that was allowed then. */
static enum mirror_result
finish(struct mirror *m, uint64_t serial, struct found *f)
{
	struct why *why = &m->out->why;
	enum found_result v;

	if (!store_manifest(m->store, serial, &f->text)) {
		why_set(why, "%s", strerror(errno));
		return MIRROR_LOCAL;
	}
	v = found_check(f, &m->state, serial, why);
	if (!found_is_refused(v) && f->m.serial == serial) {
		why_clear(why);
		if (!mirror_remember(m, f))
			return MIRROR_LOCAL;
		mirror_say(m, MIRROR_INFO,
		    "serial %" PRIu64 " is remembered, which an interrupted "
		    "run has taken over",
		    serial);
		return MIRROR_UPDATED;
	}
	if (!found_is_refused(v))
		why_set(why, "its serial is %" PRIu64, f->m.serial);
	return MIRROR_REFUSED;
}

enum mirror_result
mirror_resume(struct mirror *m)
{
	uint64_t serial = store_current(m->store);
	enum mirror_result result;
	struct found f;

	if (serial <= m->state.serial)
		return MIRROR_UPDATED;
	if (m->state.n_keys == 0)
		return mirror_fail(m, MIRROR_LOCAL,
		    "it has a release but no state: give the author's key "
		    "with --key");
	found_init(&f);
	result = finish(m, serial, &f);
	found_fini(&f);
	if (result != MIRROR_REFUSED)
		return result;
	return mirror_fail(m, MIRROR_LOCAL,
	    "release %" PRIu64 " is current, but not in %s/state, and is not "
	    "to be trusted: %s",
	    serial, m->options->store, m->out->why.text);
}
