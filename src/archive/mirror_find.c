/* SPDX-License-Identifier: ISC */
/* Where a mirror asks, and which manifest it goes by. */
#include <stdio.h>
#include <string.h>

#include "archive/mirror_internal.h"
#include "util/clock.h"

/* ------------------------------------------------------------- sources */

void
mirror_sources(struct mirror *m)
{
	sources_add(&m->sources, m->options->url);
	for (size_t i = 0; i < m->options->n_also; i++)
		sources_add(&m->sources, m->options->also[i]);
	sources_add_known(&m->sources, m->store, &m->state);
}

/* ---------------------------------------------------------- certificates */

static struct state_pin *
find_pin(struct state *st, const char *source)
{
	for (size_t i = 0; i < st->n_pins; i++)
		if (strcmp(st->pin[i].source, source) == 0)
			return &st->pin[i];
	return NULL;
}

static void
pin_first(struct mirror *m, const struct source *s, const struct cert *c)
{
	char whole[CERT_FINGERPRINT_SIZE], key[CERT_FINGERPRINT_SIZE];
	uint8_t digest[CERT_DIGEST_SIZE];
	struct state_pin *p;

	cert_digest(c, digest);
	cert_fingerprint(digest, whole);
	cert_spki_digest(c, digest);
	cert_fingerprint(digest, key);
	mirror_say(m, MIRROR_INFO, "%s: certificate SHA256 %s", s->base, whole);
	mirror_say(m, MIRROR_INFO, "%s: its key     SHA256 %s", s->base, key);
	if (m->state.n_pins == STATE_PINS_MAX)
		return;
	p = &m->state.pin[m->state.n_pins++];
	memcpy(p->source, s->base, sizeof(p->source));
	memcpy(p->certificate, s->certificate, sizeof(p->certificate));
}

bool
mirror_trust(void *arg, struct source *s, const struct cert *c)
{
	uint8_t digest[CERT_DIGEST_SIZE];
	struct mirror *m = arg;
	char hex[DIGEST_HEX_SIZE];
	struct state_pin *p;

	cert_digest(c, digest);
	digest_hex(digest, hex);
	if (strcmp(s->certificate, hex) == 0)
		return !s->distrusted;
	memcpy(s->certificate, hex, sizeof(hex));
	p = find_pin(&m->state, s->base);
	if (p == NULL) {
		pin_first(m, s, c);
		return true;
	}
	if (strcmp(p->certificate, hex) == 0)
		return true;
	mirror_say(m, m->options->strict_tls ? MIRROR_ERROR : MIRROR_WARNING,
	    "%s shows another certificate than before: SHA256 %s, not %s",
	    s->base, hex, p->certificate);
	s->distrusted = m->options->strict_tls;
	if (!s->distrusted)
		memcpy(p->certificate, hex, sizeof(hex));
	return !s->distrusted;
}

/* ------------------------------------------------------------ manifests */

struct finding {
	struct mirror *m;
	struct found best; /* of a first run */
	struct source *best_from;
	struct state known; /* with the origin that the first one pins */
	const struct source *refused; /* the first; m->out says what */
	const struct source *same;    /* has what is known, and nothing new */
	bool heard;                   /* somebody answered, whatever it was */
};

enum answer {
	ANSWER_MANIFEST,
	ANSWER_NONE,
	ANSWER_REFUSED,
	ANSWER_STOPPED,
	ANSWER_LOCAL, /* out of memory */
};

/* The bytes of a source's manifest, not yet looked at. */
static enum answer
finding_fetch_manifest(struct mirror *m, struct source *s, struct found *f,
    bool *cut, struct why *why)
{
	uint64_t began_ms = clock_ms();

	switch (fetcher_manifest(&m->fetcher, s, &f->text, cut, why)) {
	case FETCHER_DONE:
		return ANSWER_MANIFEST;
	case FETCHER_STOPPED:
		return f->text.failed ? ANSWER_LOCAL : ANSWER_STOPPED;
	case FETCHER_TOO_LONG:
		why_set(
		    why, "a manifest of more than %d MiB", MANIFEST_MAX >> 20);
		return ANSWER_REFUSED;
	case FETCHER_DISTRUSTED:
		return ANSWER_REFUSED;
	case FETCHER_ABSENT:
	case FETCHER_DENIED:
	case FETCHER_FAILED:
	case FETCHER_GOING:
		break;
	}
	source_strike(s, why->text, clock_ms() - began_ms);
	return ANSWER_NONE;
}

/* Refused: the first such words are the run's, when nobody has better. */
static void
finding_refuse(
    struct finding *g, const struct source *s, uint64_t serial, struct why *why)
{
	struct mirror *m = g->m;

	if (g->refused != NULL || g->same != NULL) {
		mirror_say(m, MIRROR_WARNING, "%s: %s", s->base, why->text);
		return;
	}
	g->refused = s;
	m->out->serial = serial;
	memcpy(m->out->source, s->base, sizeof(m->out->source));
	(void)mirror_fail(m, MIRROR_REFUSED, "%s", why->text);
}

/* A first run keeps the highest; MIRROR_REFUSED: two of one serial differ. */
static enum mirror_result
keep_best(struct finding *g, struct source *s, struct found *f)
{
	struct mirror *m = g->m;

	if (g->known.origin[0] == '\0') {
		memcpy(g->known.origin, f->m.origin, sizeof(f->m.origin));
		sources_add(&m->sources, f->m.origin);
		sources_know_origin(&m->sources, f->m.origin);
	}
	if (g->best_from != NULL && f->m.serial == g->best.m.serial &&
	    !digest_equal(f->m.digest, g->best.m.digest)) {
		m->out->serial = f->m.serial;
		return mirror_fail(m, MIRROR_REFUSED,
		    "%s and %s have different manifests (equivocation)",
		    g->best_from->base, s->base);
	}
	if (g->best_from == NULL || f->m.serial > g->best.m.serial) {
		found_fini(&g->best);
		g->best = *f;
		g->best_from = s;
		found_init(f);
	}
	return MIRROR_LATER;
}

static bool
finding_is_origin(const struct finding *g, const struct source *s)
{
	return strcmp(s->base, g->known.origin) == 0;
}

/* Another mirror may lag, or be kept back, forever: the origin is asked as
 * well, when it was not (MIRROR_LATER). */
static enum mirror_result
same_handle(struct finding *g, const struct source *s)
{
	bool settled = g->same != NULL || finding_is_origin(g, s);

	g->same = s;
	return settled ? MIRROR_SAME : MIRROR_LATER;
}

/* MIRROR_LATER: ask the next one. */
static enum mirror_result
answer_handle(struct finding *g, struct source *s, struct found *f, bool cut,
    struct why *why)
{
	struct mirror *m = g->m;
	enum found_result v =
	    found_check(f, NULL, &g->known, m->options->allow_serial, why);

	if (v == FOUND_FORGED && cut) {
		mirror_say(m, MIRROR_WARNING,
		    "%s: the manifest broke off without close_notify", s->base);
		return MIRROR_LATER;
	}
	if (v == FOUND_SAME && store_current(m->store) == 0)
		v = FOUND_NEWER; /* there is nothing to show for it */
	if (v == FOUND_BEHIND || found_is_refused(v)) {
		if (v == FOUND_EQUIVOCATION)
			g->same = NULL;
		finding_refuse(g, s, f->held ? f->m.serial : 0, why);
		return v == FOUND_EQUIVOCATION ? MIRROR_REFUSED : MIRROR_LATER;
	}
	if (v == FOUND_NEWER && m->state.serial == 0)
		return keep_best(g, s, f);
	if (v == FOUND_SAME)
		return same_handle(g, s);
	g->best = *f;
	g->best_from = s;
	found_init(f);
	return MIRROR_UPDATED;
}

/* MIRROR_LATER: ask the next one. */
static enum mirror_result
source_ask(struct finding *g, struct source *s)
{
	enum mirror_result result = MIRROR_LATER;
	struct mirror *m = g->m;
	struct found f;
	struct why why;
	bool cut;

	found_init(&f);
	switch (finding_fetch_manifest(m, s, &f, &cut, &why)) {
	case ANSWER_MANIFEST:
		g->heard = true;
		result = answer_handle(g, s, &f, cut, &why);
		break;
	case ANSWER_REFUSED:
		finding_refuse(g, s, 0, &why);
		break;
	case ANSWER_NONE:
		/* The origin may be gone for good: others were heard. */
		if (g->same == NULL)
			mirror_say(
			    m, MIRROR_WARNING, "%s: %s", s->base, why.text);
		break;
	case ANSWER_LOCAL:
		result = mirror_fail(m, MIRROR_LOCAL, "out of memory");
		break;
	case ANSWER_STOPPED:
		break;
	}
	found_fini(&f);
	return result;
}

/* The run follows s, whatever was refused before. */
static void
settle_on(struct finding *g, const struct source *s, uint64_t serial)
{
	struct mirror *m = g->m;

	if (g->refused != NULL)
		mirror_say(m, MIRROR_WARNING, "%s: refused: %s",
		    g->refused->base, m->out->why.text);
	why_clear(&m->out->why);
	m->out->serial = serial;
	memcpy(m->out->source, s->base, sizeof(m->out->source));
}

/* Nothing new, but what was refused before is news. */
static enum mirror_result
decide_same(struct finding *g)
{
	if (g->refused != NULL)
		return MIRROR_REFUSED;
	settle_on(g, g->same, g->known.serial);
	return MIRROR_SAME;
}

/* What it comes to when all were asked. */
static enum mirror_result
finding_decide(struct finding *g, enum mirror_result result)
{
	struct mirror *m = g->m;

	if (result == MIRROR_SAME)
		return decide_same(g);
	if (result != MIRROR_LATER && result != MIRROR_UPDATED)
		return result;
	if (fetcher_stopped(&m->fetcher))
		return mirror_fail(m, MIRROR_LATER, "interrupted");
	if (g->best_from == NULL && g->same != NULL)
		return decide_same(g);
	if (g->best_from == NULL)
		return g->refused != NULL ? MIRROR_REFUSED
					  : mirror_fail(m, MIRROR_LATER,
						"no source has a manifest");
	settle_on(g, g->best_from, g->best.m.serial);
	found_fini(&m->found);
	m->found = g->best;
	found_init(&g->best);
	m->from = g->best_from;
	return MIRROR_UPDATED;
}

/* Once somebody has nothing new, the origin alone is worth another request. */
static bool
is_wanted(const struct finding *g, size_t i)
{
	return g->same == NULL || finding_is_origin(g, &g->m->sources.at[i]);
}

enum mirror_result
mirror_find(struct mirror *m)
{
	enum mirror_result result = MIRROR_LATER;
	struct finding g = { .m = m, .known = m->state };

	found_init(&g.best);
	/* The list may grow: the first manifest names the origin. */
	for (size_t i = 0; i < m->sources.n && result == MIRROR_LATER &&
			   !fetcher_stopped(&m->fetcher);
	     i++)
		if (!source_is_out(&m->sources.at[i]) && is_wanted(&g, i))
			result = source_ask(&g, &m->sources.at[i]);
	result = finding_decide(&g, result);
	found_fini(&g.best);
	return result;
}
