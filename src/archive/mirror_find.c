/* SPDX-License-Identifier: ISC */
/* Where a mirror asks, and which manifest it goes by. */
#include <inttypes.h>
#include <string.h>

#include "archive/mirror_internal.h"
#include "client/target.h"
#include "util/clock.h"
#include "util/log.h"

/* ---------------------------------------------------------- certificates */

static void
pin_first(
    const struct mirror_work *w, const struct source *s, const struct cert *c)
{
	char whole[CERT_FINGERPRINT_SIZE], key[CERT_FINGERPRINT_SIZE];
	uint8_t digest[CERT_DIGEST_SIZE];
	struct state_pin *p;

	cert_digest(c, digest);
	cert_fingerprint(digest, whole);
	cert_spki_digest(c, digest);
	cert_fingerprint(digest, key);
	log_info("%s: certificate SHA256 %s", s->base, whole);
	log_info("%s: its key     SHA256 %s", s->base, key);
	if (w->state->n_pins == STATE_PINS_MAX)
		return;
	p = &w->state->pin[w->state->n_pins++];
	memcpy(p->source, s->base, sizeof(p->source));
	memcpy(p->certificate, s->certificate, sizeof(p->certificate));
}

bool
mirror_trust(void *arg, struct source *s, const struct cert *c)
{
	const struct mirror_work *w = arg;
	bool strict = w->state->strict_tls;
	struct state_pin *p = w->state->pin, *end = p + w->state->n_pins;
	uint8_t digest[CERT_DIGEST_SIZE];
	char hex[DIGEST_HEX_SIZE], now[CERT_FINGERPRINT_SIZE],
	    before[CERT_FINGERPRINT_SIZE] = "?";

	cert_digest(c, digest);
	digest_hex(digest, hex);
	cert_fingerprint(digest, now);
	if (strcmp(s->certificate, hex) == 0)
		return !s->distrusted;
	memcpy(s->certificate, hex, sizeof(hex));
	while (p < end && strcmp(p->source, s->base) != 0)
		p++;
	if (p == end) {
		pin_first(w, s, c);
		return true;
	}
	if (strcmp(p->certificate, hex) == 0)
		return true;
	if (digest_parse(slice_str(p->certificate), digest))
		cert_fingerprint(digest, before);
	(strict ? log_error : log_warn)(
	    "%s shows another certificate than before: SHA256 %s, not %s",
	    s->base, now, before);
	s->distrusted = strict;
	if (!strict)
		memcpy(p->certificate, hex, sizeof(hex));
	return !strict;
}

/* ------------------------------------------------------------- judgement */

enum mirror_answer
mirror_judge(enum found_result v, bool is_origin)
{
	if (v == FOUND_NEWER)
		return ANSWER_NEWER;
	if (v == FOUND_SAME)
		return ANSWER_SAME;
	if (v == FOUND_KEPT || (v == FOUND_BEHIND && !is_origin))
		return ANSWER_BEHIND;
	return ANSWER_REFUSED;
}

void
mirror_tally_add(
    struct mirror_tally *t, enum mirror_answer answer, bool is_origin)
{
	t->seen[answer] = true;
	t->origin = t->origin || is_origin;
	if ((answer == ANSWER_NEWER || answer == ANSWER_SAME) && is_origin)
		t->heard = true;
	if (answer == ANSWER_BEHIND && is_origin)
		t->returned = true;
}

/* Another mirror may lag, or be kept back, forever: once somebody has nothing
 * new, the origin is asked all the same, and others as long as nobody proves that
 * the author was heard. */
bool
mirror_tally_wants(const struct mirror_tally *t, bool is_origin)
{
	if (t->all)
		return true;
	if (t->seen[ANSWER_NEWER])
		return false;
	return !t->seen[ANSWER_SAME] || !t->heard || (is_origin && !t->origin);
}

enum mirror_answer
mirror_tally_end(const struct mirror_tally *t)
{
	for (int i = ANSWER_NEWER; i > ANSWER_NONE; i--)
		if (t->seen[i] && !(i == ANSWER_REFUSED && t->returned))
			return (enum mirror_answer)i;
	return ANSWER_NONE;
}

bool
mirror_trace_counts(const struct trace *t, const char *origin, const char *own)
{
	return strcmp(t->upstream, origin) == 0 ||
	       (t->upstream[0] != '\0' && own[0] != '\0' &&
		   !base_has_host(t->upstream, own));
}

/* ------------------------------------------------------------- manifests */

struct search {
	const struct mirror_work *w;
	struct mirror_found *out;
	struct mirror_tally tally;
	int64_t now;
	int64_t heard; /* when the author was; 0: not known */
	char origin[MANIFEST_ORIGIN_MAX]; /* known, or of the first manifest */
	struct source *pending; /* has what we have; is that worth anything? */
	/* The refusal that the run ends with when there is nothing better. */
	struct source *refused;
	enum found_result refused_as;
	uint64_t refused_serial;
	struct why *why;
	bool conflict; /* of two that are as good as each other */
};

static void
note_refusal(struct search *g, struct source *s, const struct found *f,
    enum found_result v, const struct why *why)
{
	mirror_tally_add(&g->tally, ANSWER_REFUSED, false);
	log_warn("%s: refused: %s", s->base, why->text);
	if (g->refused != NULL)
		return;
	g->refused = s;
	g->refused_as = v;
	g->refused_serial = f->m.serial;
	why_set(g->why, "%s", why->text);
}

/* f replaces what was found. */
static void
keep(struct search *g, struct source *s, struct found *f)
{
	found_fini(&g->out->found);
	g->out->found = *f;
	g->out->from = s;
	found_init(f);
}

/* Whether the operator has named the host of an origin that is not known yet. */
static bool
origin_is_named(const struct state *st, const char *origin)
{
	struct target t;
	struct why why;

	if (st->origin[0] != '\0')
		return true; /* found_check has compared it */
	if (target_parse(slice_str(origin), &t, &why) != TARGET_OK)
		return false;
	for (size_t i = 0; i < st->n_also; i++)
		if (base_has_host(st->also[i], t.host))
			return true;
	return base_has_host(st->url, t.host);
}

static bool
refuse_origin(const struct search *g, const char *origin, struct why *why)
{
	const struct mirror_work *w = g->w;
	uint8_t memory[SIGNIFY_PUBLIC_TEXT + 1];
	struct buf key;

	buf_wrap(&key, memory, sizeof(memory));
	if (w->state->ring.n == 0 ||
	    !signify_key_text(&w->state->ring.key[0].key, &key))
		buf_reset(&key);
	return why_set(why,
	    "it is a copy of %s, a host that was not named; if that is "
	    "the author's: carnation mirror %s %s --key %s --origin %s",
	    origin, w->state->url, w->options->store, buf_cstr(&key), origin);
}

/* Of all that are newer, the highest is kept. False and why: not f. */
static bool
keep_highest(
    struct search *g, struct source *s, struct found *f, struct why *why)
{
	const struct manifest *best = &g->out->found.m;
	bool other =
	    g->origin[0] != '\0' && strcmp(g->origin, f->m.origin) != 0;

	if (other)
		return why_set(
		    why, "its origin is %s, not %s", f->m.origin, g->origin);
	if (!origin_is_named(g->w->state, f->m.origin))
		return refuse_origin(g, f->m.origin, why);
	memcpy(g->origin, f->m.origin, sizeof(g->origin));
	sources_add_origin(g->w->sources, g->origin);
	if (!g->tally.seen[ANSWER_NEWER] || f->m.serial > best->serial) {
		g->conflict = false;
		keep(g, s, f);
	} else if (f->m.serial == best->serial &&
		   !digest_equal(f->m.digest, best->digest)) {
		g->conflict = true;
		g->refused = NULL; /* this one counts */
		return why_set(why,
		    "%s and %s have different manifests (equivocation)",
		    g->out->from->base, s->base);
	}
	return true;
}

static bool
search_is_origin(const struct search *g, const struct source *s)
{
	return strcmp(s->base, g->origin) == 0;
}

/* A manifest that can be judged; f is taken when it is of use. ended: how it broke
 * off; NULL: it came to its end. */
static void
search_judge(struct search *g, struct source *s, struct found *f,
    const struct why *ended)
{
	const struct mirror_work *w = g->w;
	bool is_origin = search_is_origin(g, s);
	enum mirror_answer answer;
	enum found_result v;
	struct why why;

	v = found_check(f, w->store, w->state, w->options->allow_serial, &why);
	if (v == FOUND_FORGED && ended != NULL) {
		source_strike(s, ended->text, 0);
		log_warn("%s: its manifest %s", s->base, ended->text);
		return;
	}
	if (v == FOUND_SAME && store_current(w->store) == 0)
		v = FOUND_NEWER; /* there is nothing to show for it */
	answer = mirror_judge(v, is_origin);
	if (answer == ANSWER_NEWER && g->tally.all &&
	    !keep_highest(g, s, f, &why))
		answer = ANSWER_REFUSED;
	if (answer == ANSWER_REFUSED) {
		note_refusal(g, s, f, v, &why);
		return;
	}
	mirror_tally_add(&g->tally, answer, is_origin);
	if (is_origin && answer >= ANSWER_SAME)
		g->heard = g->now;
	if (answer == ANSWER_SAME && !is_origin && g->pending == NULL)
		g->pending = s;
	if ((answer == ANSWER_SAME && g->out->from == NULL) ||
	    (answer == ANSWER_NEWER && !g->tally.all))
		keep(g, s, f);
}

/* Fetches the manifest of a source, and judges it. */
static void
source_ask(struct search *g, struct source *s)
{
	const struct mirror_work *w = g->w;
	uint64_t began_ms = clock_ms();
	struct found f;
	struct why why;
	bool cut;

	found_init(&f);
	switch (
	    fetcher_text(w->fetcher, s, MANIFEST_PATH, &f.text, &cut, &why)) {
	case FETCHER_DONE:
		search_judge(g, s, &f, cut ? &why : NULL);
		break;
	case FETCHER_STOPPED:
		if (f.text.failed)
			w->fetcher->local = true;
		break;
	case FETCHER_TOO_LONG:
		why_set(
		    &why, "a manifest of more than %d MiB", MANIFEST_MAX >> 20);
		note_refusal(g, s, &f, FOUND_UNSOUND, &why);
		break;
	case FETCHER_DISTRUSTED:
		note_refusal(g, s, &f, FOUND_UNSOUND, &why);
		break;
	case FETCHER_ABSENT:
	case FETCHER_DENIED:
	case FETCHER_FAILED:
	case FETCHER_GOING:
		source_strike(s, why.text, clock_ms() - began_ms);
		/* The origin may be gone for good: others were heard. */
		if (!g->tally.seen[ANSWER_SAME])
			log_warn("%s: %s", s->base, why.text);
		break;
	}
	mirror_tally_add(&g->tally, ANSWER_NONE, search_is_origin(g, s));
	found_fini(&f);
}

/* A source has what we have, and is not the origin: reads whom it has that
 * from. */
static void
pending_settle(struct search *g)
{
	struct source *s = g->pending;
	const struct mirror_work *w = g->w;
	struct trace trace;
	struct buf text;
	struct why why;
	bool cut;

	g->pending = NULL;
	if (s == NULL || g->tally.heard || fetcher_stopped(w->fetcher))
		return;
	buf_init(&text, TRACE_MAX);
	if (fetcher_text(w->fetcher, s, MIRROR_TRACE, &text, &cut, &why) ==
		FETCHER_DONE &&
	    trace_parse(buf_view(&text), &trace) &&
	    mirror_trace_counts(&trace, g->origin, w->state->host)) {
		/* Mirrors that ask each other, and nobody else, must not keep
		 * each other from noticing. */
		g->heard = trace.heard != 0 && trace.heard < g->now
			       ? trace.heard
			       : g->now;
		g->tally.heard = g->heard > w->state->heard;
	}
	buf_fini(&text);
}

/* What the operator can do about a refusal. */
static void
ways_out_say(const struct search *g)
{
	const char *store = g->w->options->store;

	if (g->w->state->serial == 0)
		return;
	if (g->refused_as == FOUND_FORGED)
		log_info(
		    "if its author has another key now, and you have it from "
		    "them: carnation mirror %s --add-key KEY",
		    store);
	if (g->refused_as == FOUND_BEHIND || g->refused_as == FOUND_FAR_AHEAD)
		log_info("if its author says that this is the right one: "
			 "carnation mirror %s --allow-serial %" PRIu64,
		    store, g->refused_serial);
}

enum mirror_answer
mirror_find(const struct mirror_work *w, bool all, struct mirror_found *out,
    struct why *why)
{
	struct search g = { .w = w,
		.out = out,
		.why = why,
		.now = clock_wall(),
		.tally = { .all = all || w->state->serial == 0 } };
	enum mirror_answer answer;

	*out = (struct mirror_found){ 0 };
	found_init(&out->found);
	why_set(why, "no source answered with a manifest");
	memcpy(g.origin, w->state->origin, sizeof(g.origin));
	/* The list may grow: the first manifest names the origin. */
	for (size_t i = 0; i < w->sources->n; i++) {
		struct source *s = &w->sources->at[i];

		if (!search_is_origin(&g, s))
			pending_settle(&g);
		if (!fetcher_stopped(w->fetcher) && !source_is_out(s) &&
		    mirror_tally_wants(&g.tally, search_is_origin(&g, s)))
			source_ask(&g, s);
	}
	pending_settle(&g);
	out->heard = g.heard;
	out->serial = out->found.m.serial;
	answer = g.conflict ? ANSWER_REFUSED : mirror_tally_end(&g.tally);
	if (fetcher_stopped(w->fetcher)) {
		why_set(why, "%s", fetcher_stop_word(w->fetcher));
		return ANSWER_NONE;
	}
	if (answer == ANSWER_REFUSED) {
		out->from = g.refused;
		out->serial = g.refused_serial;
		ways_out_say(&g);
	}
	return answer;
}
