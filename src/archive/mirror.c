/* SPDX-License-Identifier: ISC */
#include "archive/mirror.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "archive/mirror_internal.h"
#include "util/clock.h"

/* What a mirror remembers of a manifest whose release is current: by the run
 * that switched to it, or by the next one when that was killed before it could.
 * */

static void
keys_handle(struct mirror *m, const struct found *f)
{
	struct slice rest, line;
	struct buf said;

	buf_init(&said, MIRROR_LINES_MAX);
	keyring_accept(&m->state.ring, &f->signer.key,
	    f->m.has_next_key ? &f->m.next_key : NULL, &said);
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
	memcpy(st->manifest, l->digest, sizeof(st->manifest));
	st->created = l->created;
	st->refresh = l->refresh;
	st->final = l->final;
	st->synced = clock_wall();
	st->checked = st->heard = st->synced;
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
	v = found_check(f, NULL, &m->state, serial, why);
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
		why_set(
		    why, "wrong serial in its manifest: %" PRIu64, f->m.serial);
	return MIRROR_REFUSED;
}

/* When a run was killed between the switch and the state, current is ahead of
 * what is remembered: does what that run could not. MIRROR_UPDATED: they agree;
 * MIRROR_LOCAL: no pinned key opens that release. Wants the lock, and a key
 * pinned if one is known. */
static enum mirror_result
mirror_resume(struct mirror *m)
{
	uint64_t serial = store_current(m->store);
	enum mirror_result result;
	struct found f;

	if (serial <= m->state.serial)
		return MIRROR_UPDATED;
	if (m->state.ring.n == 0)
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

enum { SAY_MAX = 2048 };

void
mirror_say(
    const struct mirror *m, enum mirror_level level, const char *format, ...)
{
	const struct mirror_listener *l = &m->options->listener;
	char line[SAY_MAX];
	va_list ap;

	va_start(ap, format);
	if (vsnprintf(line, sizeof(line), format, ap) >= 0 && l->say != NULL)
		l->say(l->arg, level, line);
	va_end(ap);
}

enum mirror_result
mirror_fail(
    struct mirror *m, enum mirror_result result, const char *format, ...)
{
	char text[WHY_MAX];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	why_set(&m->out->why, "%s", text);
	return result;
}

static enum mirror_result
no_key(struct mirror *m)
{
	return mirror_fail(
	    m, MIRROR_USAGE, "missing the author's public key: use --key");
}

/* The key that was given is pinned when there is none yet. An interrupted run is
 * finished between: it may be the key which that one learned. */
static enum mirror_result
settle_key(struct mirror *m)
{
	const struct signify_key *k = m->options->key;
	enum mirror_result result;
	struct state *st = &m->state;

	if (st->ring.n == 0 && k != NULL)
		(void)keyring_pin(&st->ring, k);
	result = mirror_resume(m);
	if (result != MIRROR_UPDATED)
		return result;
	if (st->ring.n == 0)
		return no_key(m);
	if (k != NULL && keyring_find(&st->ring, k) == NULL)
		return mirror_fail(m, MIRROR_LOCAL,
		    "the store pins other keys than the one given");
	return MIRROR_UPDATED;
}

static void
take_words(struct mirror *m)
{
	const struct mirror_options *w = m->options;
	struct state *st = &m->state;

	if (w->host != NULL)
		(void)snprintf(st->host, sizeof(st->host), "%s", w->host);
	if (w->contact != NULL)
		(void)snprintf(
		    st->contact, sizeof(st->contact), "%s", w->contact);
	if (st->origin[0] != '\0')
		memcpy(m->out->origin, st->origin, sizeof(st->origin));
	m->out->before = st->serial;
}

/* The store, locked, and what it remembers. */
static enum mirror_result
mirror_open_store(struct mirror *m)
{
	struct why *why = &m->out->why;
	enum mirror_result result;

	/* No store is created that nothing can be put into. */
	if (m->options->key == NULL && !store_is(m->options->store))
		return no_key(m);
	m->store = store_open(m->options->store, true, why);
	if (m->store == NULL)
		return MIRROR_LOCAL;
	switch (store_lock(m->store, why)) {
	case STORE_LOCKED:
		break;
	case STORE_BUSY:
		return mirror_fail(m, MIRROR_LATER,
		    "%s: in use by another run: try again later",
		    m->options->store);
	case STORE_LOCK_FAILED:
		return MIRROR_LOCAL;
	}
	switch (state_read(m->store, &m->state, why)) {
	case STATE_READ:
	case STATE_NONE:
		break;
	case STATE_BROKEN:
	case STATE_UNREAD:
		return MIRROR_LOCAL;
	}
	if (m->state.serial != 0 && !m->state.is_mirror)
		return mirror_fail(m, MIRROR_LOCAL,
		    "%s is an origin's: carnation publish writes to it",
		    m->options->store);
	result = settle_key(m);
	take_words(m);
	return result;
}

/* The release and the state count; a trace that is old does no harm. */
static void
mirror_write_trace(struct mirror *m)
{
	struct why why;

	if (!trace_write(m->store, &m->state, clock_wall(), &why))
		mirror_say(m, MIRROR_WARNING, "the trace is not written: %s",
		    why.text);
}

/* What an end writes: of a good one the time, and the trace, which must also say
 * that the copy has become stale when nobody answers any more. */
static enum mirror_result
mirror_note(struct mirror *m, enum mirror_result result)
{
	bool good = result == MIRROR_SAME || result == MIRROR_UPDATED;

	if (good)
		m->state.checked = m->state.heard = clock_wall();
	/* An update was remembered as soon as it was there. */
	if (result == MIRROR_SAME &&
	    !state_write(m->store, &m->state, &m->out->why))
		return MIRROR_LOCAL;
	if (good || store_current(m->store) != 0)
		mirror_write_trace(m);
	return result;
}

static enum mirror_result
mirror_steps(struct mirror *m)
{
	enum mirror_result result = mirror_open_store(m);

	if (result != MIRROR_UPDATED)
		return result;
	if (!fetcher_open(&m->fetcher, &m->out->why))
		return MIRROR_LOCAL;
	mirror_sources(m);
	result = mirror_find(m);
	if (result == MIRROR_UPDATED)
		result = mirror_take(m);
	return mirror_note(m, result);
}

/* For the last line, whatever happened. */
static void
mirror_sum_up(struct mirror *m, uint64_t began_ms)
{
	struct mirror_outcome *out = m->out;
	const struct state *st = &m->state;

	out->requests = m->fetcher.requests;
	out->resumed = m->fetcher.resumed;
	out->bytes = m->fetcher.bytes;
	out->ms = clock_ms() - began_ms;
	out->serving = m->store == NULL ? 0 : store_current(m->store);
	if (st->origin[0] != '\0')
		memcpy(out->origin, st->origin, sizeof(st->origin));
	if (out->result == MIRROR_SAME)
		out->serial = st->serial;
	out->stale =
	    st->refresh != 0 && !st->final && clock_wall() > st->refresh;
}

void
mirror_run(const struct mirror_options *options, struct mirror_outcome *out)
{
	struct mirror m = { .options = options, .out = out };
	uint64_t began_ms = clock_ms();

	*out = (struct mirror_outcome){ 0 };
	(void)snprintf(out->origin, sizeof(out->origin), "%s", options->url);
	found_init(&m.found);
	m.fetcher.trust = mirror_trust;
	m.fetcher.arg = &m;
	m.fetcher.stop = options->stop;
	out->result = mirror_steps(&m);
	mirror_sum_up(&m, began_ms);
	fetcher_close(&m.fetcher);
	found_fini(&m.found);
	store_close(&m.store);
}
