/* SPDX-License-Identifier: ISC */
/* One mirror, asked: manifest, trace, a file. */
#include "archive/survey_look.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "proto/gemtext.h"

/* ------------------------------------------------------------- whom to ask */

void
survey_add(struct survey *s, const char *base, struct slice label)
{
	struct look *l;

	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->look[i].base, base) == 0)
			return;
	if (s->n == SURVEY_MAX) {
		s->passed_over++;
		return;
	}
	l = &s->look[s->n++];
	*l = (struct look){ 0 };
	(void)snprintf(l->base, sizeof(l->base), "%s", base);
	if (label.len >= sizeof(l->label))
		label.len = sizeof(l->label) - 1;
	while (label.len > 0 && !slice_utf8(label))
		label.len--; /* never half a character */
	if (label.len > 0)
		memcpy(l->label, label.ptr, label.len);
	l->label[label.len] = '\0';
	l->is_origin = strcmp(base, s->origin) == 0;
}

void
survey_add_links(struct survey *s, struct slice page)
{
	struct gemtext g = { .rest = page };
	char base[MANIFEST_ORIGIN_MAX];
	struct gemtext_line line;

	while (gemtext_next(&g, &line))
		if (line.kind == GEMTEXT_LINK &&
		    manifest_origin(line.url, base))
			survey_add(s, base, line.text);
}

/* ------------------------------------------------------------------ asking */

/* The certificate of whom is asked; whose it is matters to no signature. */
static bool
look_trust(void *arg, struct source *source, const struct cert *c)
{
	struct look *l = arg;
	struct target t;
	struct why why;

	l->has_cert = true;
	l->cert_end = cert_not_after(c);
	cert_digest(c, l->cert_digest);
	l->cert_names_it =
	    target_parse(slice_str(source->base), &t, &why) == TARGET_OK &&
	    (t.is_address || cert_names(c, t.host));
	return true;
}

/* --------------------------------------------------------------- manifest */

/* A signed manifest, held against what a survey knows. */
static bool
look_open_manifest(const struct survey *s, struct slice text, struct look *l,
    struct manifest *m, struct why *why)
{
	const struct keyring_key *signer;

	if (manifest_open(text, &s->ring, &signer, m, why) != MANIFEST_GOOD)
		return false;
	l->serial = m->serial;
	l->created = m->created;
	memcpy(l->digest, m->digest, sizeof(l->digest));
	if (strcmp(m->origin, s->origin) != 0)
		why_set(why, "a manifest of %s", m->origin);
	else if (signer->standing == KEYRING_RETIRED && m->serial > s->serial)
		why_set(why, "signed by a key that has been retired");
	else
		return true;
	manifest_fini(m);
	return false;
}

/* False when there is nothing more to look at; why is then kept in l. */
static bool
look_at_manifest(const struct survey *s, struct fetcher *c,
    struct source *source, struct look *l, struct manifest *m)
{
	struct buf text;
	struct why other;
	bool came, cut;

	buf_init(&text, MANIFEST_MAX);
	came = fetcher_text(c, source, MANIFEST_PATH, SURVEY_FILE_MS, &text,
		   &cut, &l->why) == FETCHER_DONE;
	if (!came)
		l->manifest = l->has_cert ? LOOK_UNHEARD : LOOK_UNREACHED;
	else if (look_open_manifest(
		     s, buf_view(&text), l, m, cut ? &other : &l->why))
		l->manifest = LOOK_SIGNED;
	else
		l->manifest = cut ? LOOK_UNHEARD : LOOK_WRONG;
	buf_fini(&text);
	return l->manifest == LOOK_SIGNED;
}

/* ------------------------------------------------------------------- trace */

static void
look_at_trace(struct fetcher *c, struct source *source, struct look *l)
{
	uint8_t memory[TRACE_MAX];
	struct buf text;
	bool cut;

	buf_wrap(&text, memory, sizeof(memory));
	switch (fetcher_text(c, source, MIRROR_TRACE, SURVEY_FILE_MS, &text,
	    &cut, &l->trace_why)) {
	case FETCHER_DONE:
		l->trace_came = trace_parse(buf_view(&text), &l->trace)
				    ? TRACE_READ
				    : TRACE_MALFORMED;
		break;
	case FETCHER_ABSENT:
		l->trace_came = TRACE_ABSENT;
		break;
	default:
		l->trace_came = TRACE_FAILED;
		break;
	}
}

/* ------------------------------------------------------------------ sample */

static bool
on_sample(void *arg, struct slice bytes)
{
	digest_add(arg, bytes);
	return true;
}

/* Asks for one file at a path; whether its bytes are those of e. */
static enum look_sample
sample_fetch(struct fetcher *c, struct source *source, const char *path,
    const struct manifest *m, const struct manifest_entry *e, struct why *why)
{
	const bool all = m->largest <= SURVEY_SAMPLE_MAX;
	uint8_t digest[DIGEST_SIZE];
	struct digest d;
	const struct fetcher_file wanted = { .path = path,
		.max = all ? m->largest : SURVEY_SAMPLE_MAX,
		.total_ms = SURVEY_FILE_MS,
		.body = on_sample,
		.arg = &d };
	enum fetcher_result result;
	bool cut, hashed;

	digest_init(&d);
	result = fetcher_get(c, source, &wanted, &cut, why);
	hashed = digest_end(&d, digest);
	if (result == FETCHER_ABSENT)
		return SAMPLE_ABSENT;
	if (result == FETCHER_TOO_LONG && all)
		return SAMPLE_WRONG; /* longer than any that was signed */
	if (result == FETCHER_TOO_LONG)
		why_set(why, "larger than what is looked at");
	if (result != FETCHER_DONE || !hashed)
		return SAMPLE_FAILED;
	if (digest_equal(digest, e->digest))
		return SAMPLE_RIGHT;
	return cut ? SAMPLE_FAILED : SAMPLE_WRONG;
}

/* Any of n; nobody can know which. */
static size_t
any_of(size_t n)
{
	uint64_t random = 0;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return 0;
	return (size_t)(random % n);
}

/* By its hash first: an answer to that cannot be made up from an older page. */
static void
look_at_sample(struct fetcher *c, struct source *source, struct look *l,
    const struct manifest *m)
{
	char by_hash[MIRROR_OBJECT_SIZE];
	const struct manifest_entry *e;

	if (m->n == 0)
		return;
	e = &m->entry[any_of(m->n)];
	(void)snprintf(l->sample, sizeof(l->sample), "%s", e->path);
	mirror_object(e->digest, by_hash);
	l->sample_came = sample_fetch(c, source, by_hash, m, e, &l->sample_why);
	if (l->sample_came == SAMPLE_ABSENT)
		l->sample_came =
		    sample_fetch(c, source, e->path, m, e, &l->sample_why);
}

void
survey_look(const struct survey *s, struct fetcher *c, struct look *look)
{
	struct source source = { 0 };
	struct manifest m;

	memcpy(source.base, look->base, sizeof(source.base));
	c->trust = look_trust;
	c->arg = look;
	c->timeout_ms = SURVEY_TIMEOUT_MS;
	if (!look_at_manifest(s, c, &source, look, &m))
		return;
	look_at_trace(c, &source, look);
	look_at_sample(c, &source, look, &m);
	manifest_fini(&m);
}
