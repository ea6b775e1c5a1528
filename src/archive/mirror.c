/* SPDX-License-Identifier: ISC */
#include "archive/mirror.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "archive/mirror_internal.h"
#include "client/socks.h"
#include "util/clock.h"
#include "util/log.h"

/* ---------------------------------------------------------- what is remembered */

/* What a mirror remembers of a manifest whose release is current: by the run
 * that switched to it, or by the next one when that was killed before it could.
 * */
bool
mirror_remember(const struct mirror_work *w, const struct found *f,
    const struct source *from, struct why *why)
{
	struct state *st = w->state;
	struct slice rest, line;
	struct buf said;

	st->is_mirror = true;
	if (from != NULL)
		memcpy(st->upstream, from->base, sizeof(st->upstream));
	st->tried = clock_wall();
	buf_init(&said, MIRROR_LINES_MAX);
	state_accept(st, &f->m, &f->signer.key, st->tried, &said);
	for (rest = buf_view(&said); slice_line(&rest, &line);)
		log_info("%.*s", SLICE_ARGS(line));
	buf_fini(&said);
	return state_write(w->store, st, why);
}

/* The manifest of a release that is there, held against the state as if it had just
 * come, but for how far ahead it is: that was allowed then. False and why. */
static bool
release_found(const struct mirror_work *w, uint64_t serial, struct found *f,
    struct why *why)
{
	if (!store_read(w->store, serial, MANIFEST_PATH, &f->text))
		return why_set(why, "%s", strerror(errno));
	if (found_check(f, NULL, w->state,
		serial > w->state->serial ? serial : 0, why) > FOUND_BEHIND)
		return false;
	return f->m.serial == serial ||
	       why_set(
		   why, "wrong serial in its manifest: %" PRIu64, f->m.serial);
}

/* When a run was killed between the switch and the state, current is ahead of
 * what is remembered: does what that run could not. False and why: no pinned key
 * opens that release. */
static bool
mirror_resume(const struct mirror_work *w, struct why *why)
{
	uint64_t serial = store_current(w->store);
	const char *store = w->options->store;
	struct found f;
	bool found, done;

	if (serial <= w->state->serial)
		return true;
	if (w->state->ring.n == 0)
		return why_set(why,
		    "%s has a release but no state: carnation mirror URL %s "
		    "--key KEY, with the author's key",
		    store, store);
	found_init(&f);
	found = release_found(w, serial, &f, why);
	done = found && mirror_remember(w, &f, NULL, why);
	found_fini(&f);
	if (done)
		log_info("serial %" PRIu64
			 " is in the store, but was not remembered: now it "
			 "is",
		    serial);
	if (found)
		return done;
	log_info(
	    w->state->serial == 0
		? "with the key that signed it: carnation mirror URL %s --key "
		  "KEY"
		: "if its key is the author's: carnation mirror %s --add-key "
		  "KEY",
	    store);
	return why_at(why,
	    "release %" PRIu64 " is current, but not in %s/" STORE_STATE
	    ", and is not to be trusted",
	    serial, store);
}

/* The first run's words are missing. */
static enum result
no_words(const struct mirror_options *o, struct why *why)
{
	if (o->url != NULL)
		why_set(why, "missing the author's public key: use --key");
	else
		why_set(why,
		    "nothing is mirrored in it yet: carnation mirror URL %s "
		    "--key KEY",
		    o->store);
	return RESULT_USAGE;
}

/* The key that was given is pinned when there is none yet. An interrupted run is
 * finished between: it may be the key which that one learned. */
static enum result
settle_key(const struct mirror_work *w, struct why *why)
{
	const struct signify_key *k = w->options->key;
	struct keyring *ring = &w->state->ring;

	if (ring->n == 0 && k != NULL)
		(void)keyring_pin(ring, k);
	if (!mirror_resume(w, why))
		return RESULT_LOCAL;
	if (ring->n == 0)
		return no_words(w->options, why);
	if (k == NULL || keyring_find(ring, k) != NULL)
		return RESULT_GOOD;
	why_set(why,
	    "the store pins other keys than the one given; to trust that as "
	    "well: carnation mirror %s --add-key KEY",
	    w->options->store);
	return RESULT_LOCAL;
}

static void
place_replace(char out[MANIFEST_ORIGIN_MAX], const char *given)
{
	if (given != NULL)
		(void)manifest_origin(slice_str(given), out);
}

static void
text_replace(char out[STATE_TEXT_MAX], const char *given)
{
	if (given != NULL)
		(void)snprintf(out, STATE_TEXT_MAX, "%s", given);
}

/* What was given replaces what is remembered; written when a good manifest came. */
static void
take_options(const struct mirror_options *o, struct state *st)
{
	place_replace(st->url, o->url);
	place_replace(st->origin, o->origin);
	if (o->host != NULL)
		(void)hostname_canonical(slice_str(o->host), st->host);
	text_replace(st->contact, o->contact);
	text_replace(st->proxy, o->proxy);
	if (o->n_also > 0)
		st->n_also = o->n_also;
	for (size_t i = 0; i < o->n_also; i++)
		place_replace(st->also[i], o->also[i]);
	if (o->max_file != 0)
		st->max_file = o->max_file;
	if (o->max_bytes != 0)
		st->max_bytes = o->max_bytes;
	if (o->max_files != 0)
		st->max_files = o->max_files;
	if (o->limit_rate != MIRROR_AS_BEFORE)
		st->limit_rate = o->limit_rate;
	if (o->strict_tls || o->lax_tls)
		st->strict_tls = o->strict_tls;
	if (o->stale_after != 0)
		st->stale_after = o->stale_after;
	if (st->url[0] == '\0') /* of a run that did not remember it yet */
		memcpy(st->url, st->origin, sizeof(st->url));
}

/* The store, locked, and what it remembers. */
static enum result
mirror_open_store(struct mirror_work *w, struct why *why)
{
	const struct mirror_options *o = w->options;
	struct state *st = w->state;
	enum result result;

	/* No store is created that nothing can be put into. */
	if (o->key == NULL && !store_is(o->store))
		return no_words(o, why);
	w->store = store_open(o->store, true, why);
	if (w->store == NULL)
		return RESULT_LOCAL;
	result = store_lock(w->store, why);
	if (result != RESULT_GOOD)
		return result;
	if (state_read(w->store, st, why) >= STATE_BROKEN)
		return RESULT_LOCAL;
	if (st->serial != 0 && !st->is_mirror) {
		why_set(why,
		    "%s is an author's store: carnation publish writes to it",
		    o->store);
		return RESULT_LOCAL;
	}
	result = settle_key(w, why);
	if (st->serial != 0)
		memcpy(w->origin, st->origin, sizeof(w->origin));
	if (result == RESULT_GOOD)
		take_options(o, st);
	if (result != RESULT_GOOD || st->url[0] != '\0')
		return result;
	return no_words(o, why);
}

/* -------------------------------------------------------------- the run */

/* Nothing is new; but what is served may be corrupt: a release that lacks
 * something is one that is not there. */
static enum result
mirror_mend(const struct mirror_work *w, struct mirror_found *f, bool recorded,
    struct mirror_outcome *out)
{
	uint64_t serial = store_current(w->store);
	struct mirror_found own = { .from = f->from };
	enum result result = RESULT_GOOD;
	struct why why;

	if (serial == 0) {
		why_set(&out->why,
		    "no release is there, and no source has serial %" PRIu64,
		    w->state->serial);
		return RESULT_FAILED;
	}
	found_init(&own.found);
	/* The manifest that came is needed when that of the release is gone. */
	if (f->found.m.serial != serial)
		f = &own;
	if (f == &own && !release_found(w, serial, &own.found, &why))
		log_warn("the manifest of release %" PRIu64
			 " is of no use: %s: "
			 "carnation rollback %s, or wait for the next release",
		    serial, why.text, w->options->store);
	else if (recorded || !store_release_is_whole(w->store, &f->found.m,
				 buf_view(&f->found.text)))
		result = mirror_take(w, f, true, out);
	found_fini(&own.found);
	return result;
}

/* What a manifest that is good comes to. */
static enum result
mirror_follow(const struct mirror_work *w, struct mirror_found *f,
    enum mirror_answer answer, struct mirror_outcome *out)
{
	enum result result = RESULT_LOCAL;
	size_t n_missing = 0;
	bool recorded;

	if (repair_discard(w->store, &recorded, &out->why))
		result = answer == ANSWER_NEWER
			     ? mirror_take(w, f, false, out)
			     : mirror_mend(w, f, recorded, out);
	if (result == RESULT_GOOD && recorded &&
	    !repair_releases(w->store, w->state, w->fetcher, w->sources,
		&n_missing, &out->why))
		result = RESULT_LOCAL;
	if (n_missing > 0)
		log_warn("older releases lack %zu file%s, which no source has",
		    n_missing, n_missing == 1 ? "" : "s");
	return result;
}

/* Another origin that was named counts from its first release on. */
static bool
origin_return(const struct mirror_work *w, struct why *why)
{
	char *named = w->state->origin;

	if (w->origin[0] == '\0' || strcmp(named, w->origin) == 0)
		return true;
	why_set(why, "no news of %s; it stays a copy of %s", named, w->origin);
	memcpy(named, w->origin, sizeof(w->origin));
	return false;
}

static enum result
mirror_go(const struct mirror_work *w, struct mirror_found *f,
    struct mirror_outcome *out)
{
	enum mirror_answer answer;
	enum result result;

	answer = mirror_find(w, false, f, &out->why);
	out->serial = f->serial;
	if (f->from != NULL)
		memcpy(out->source, f->from->base, sizeof(out->source));
	if (answer == ANSWER_REFUSED)
		return RESULT_REFUSED;
	if (answer == ANSWER_NONE)
		return fetcher_stop_result(w->fetcher);
	why_clear(&out->why);
	if (answer == ANSWER_NEWER) {
		w->state->is_mirror = true;
		memcpy(w->state->origin, f->found.m.origin,
		    sizeof(w->state->origin));
	} else {
		out->serial = w->state->serial;
		if (!origin_return(w, &out->why))
			return RESULT_REFUSED;
	}
	result = mirror_follow(w, f, answer, out);
	/* From others than the origin, a newer manifest counts with its files:
	 * without them it could keep each run quiet. */
	if (answer == ANSWER_NEWER &&
	    (result == RESULT_GOOD || result == RESULT_LOCAL))
		f->heard = clock_wall();
	return result;
}

/* Says that the author was not heard for long, whatever the run came to. */
static enum result
age_judge(const struct mirror_work *w, enum result result, struct why *why)
{
	const struct state *st = w->state;
	int64_t now = clock_wall(), days = (now - st->heard) / 86400;
	char heard[CLOCK_RFC3339_SIZE];

	if (!state_is_stale(st, now))
		return result;
	clock_rfc3339(st->heard, heard);
	if (result != RESULT_GOOD && result != RESULT_FAILED) {
		log_error("its author was last heard on %.10s (--stale-after)",
		    heard);
		return result;
	}
	if (why->text[0] != '\0')
		log_error("%s", why->text);
	why_set(why,
	    "its author was last heard on %.10s, %" PRId64 " days ago "
	    "(--stale-after)",
	    heard, days);
	return RESULT_STALE;
}

/* What an end writes: the time, options that were given, and the trace, which must
 * also say that the copy has become stale when nobody answers any more. A first run
 * that came to nothing leaves nothing. */
static enum result
mirror_note(const struct mirror_work *w, const struct mirror_found *f,
    enum result result, struct mirror_outcome *out)
{
	struct state *st = w->state;
	struct why why;

	if (!out->switched)
		(void)origin_return(w, &why);
	st->tried = clock_wall();
	if (st->heard > st->tried)
		st->heard = st->tried; /* the clock was ahead then */
	if (f->heard > st->heard)
		st->heard = f->heard;
	if (result == RESULT_GOOD)
		st->checked = st->tried;
	/* An update was remembered as soon as it was there. */
	if (!out->switched && st->is_mirror &&
	    !state_write(w->store, st, &why)) {
		why_set(&out->why, "%s", why.text);
		return RESULT_LOCAL;
	}
	/* The release and the state count; a trace that is old does no harm. */
	if (store_current(w->store) != 0 &&
	    !trace_write(w->store, st, st->tried, &why))
		log_warn("the trace is not written: %s", why.text);
	return age_judge(w, result, &out->why);
}

static enum result
mirror_steps(struct mirror_work *w, struct mirror_outcome *out)
{
	const struct state *st = w->state;
	struct mirror_found f;
	struct proxy proxy;
	enum result result;

	result = mirror_open_store(w, &out->why);
	out->before = st->serial;
	if (result != RESULT_GOOD)
		return result;
	if (st->proxy[0] != '\0' && !proxy_parse(st->proxy, &proxy, &out->why))
		return RESULT_USAGE;
	w->fetcher->proxy = st->proxy[0] != '\0' ? &proxy : NULL;
	w->fetcher->rate.per_s = st->limit_rate;
	if (!fetcher_open(w->fetcher, &out->why))
		return RESULT_LOCAL;
	sources_of(w->sources, w->store, w->state);
	result = mirror_go(w, &f, out);
	result = mirror_note(w, &f, result, out);
	found_fini(&f.found);
	return result;
}

void
mirror_run(const struct mirror_options *options, struct mirror_outcome *out)
{
	uint64_t began_ms = clock_ms();
	struct state state = { 0 };
	struct sources sources = { 0 };
	struct mirror_work w = {
		.options = options, .state = &state, .sources = &sources
	};
	struct fetcher fetcher = {
		.trust = mirror_trust, .arg = &w, .stop = options->stop
	};
	uint64_t deadline_s = options->deadline_s;

	if (deadline_s == 0)
		deadline_s = MIRROR_DEADLINE_S;
	fetcher.deadline_ms = began_ms + deadline_s * 1000;
	w.fetcher = &fetcher;
	*out = (struct mirror_outcome){ 0 };
	(void)snprintf(out->origin, sizeof(out->origin), "%s", options->store);
	place_replace(out->origin, options->url);
	out->result = mirror_steps(&w, out);
	/* For the last line, whatever happened. */
	out->requests = fetcher.requests;
	out->resumed = fetcher.resumed;
	out->bytes = fetcher.bytes;
	out->ms = clock_ms() - began_ms;
	out->serving = w.store == NULL ? 0 : store_current(w.store);
	if (state.origin[0] != '\0')
		memcpy(out->origin, state.origin, sizeof(state.origin));
	out->overdue =
	    state.refresh != 0 && !state.final && clock_wall() > state.refresh;
	fetcher_close(&fetcher);
	store_close(&w.store);
}
