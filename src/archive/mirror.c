/* SPDX-License-Identifier: ISC */
#include "archive/mirror.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "archive/mirror_internal.h"
#include "archive/trace.h"
#include "util/clock.h"

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

static bool
knows_key(const struct state *st, const struct signify_key *k)
{
	for (size_t i = 0; i < st->n_keys; i++)
		if (signify_key_equal(&st->key[i].key, k))
			return true;
	return false;
}

static enum mirror_result
no_key(struct mirror *m)
{
	return mirror_fail(m, MIRROR_USAGE,
	    "no key is pinned yet: give the author's with --key");
}

/* The key that was given is pinned when there is none yet. An interrupted run is
 * finished between: it may be the key which that one learned. */
static enum mirror_result
settle_key(struct mirror *m)
{
	const struct signify_key *k = m->options->key;
	enum mirror_result result;
	struct state *st = &m->state;

	if (st->n_keys == 0 && k != NULL)
		st->key[st->n_keys++] = (struct state_key){ .key = *k };
	result = mirror_resume(m);
	if (result != MIRROR_UPDATED)
		return result;
	if (st->n_keys == 0)
		return no_key(m);
	if (k != NULL && !knows_key(st, k))
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

	/* No store is begun in vain. */
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
		    "%s is locked: another run is at work", m->options->store);
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
		m->state.checked = clock_wall();
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
