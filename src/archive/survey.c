/* SPDX-License-Identifier: ISC */
#include "archive/survey.h"

#include <stdlib.h>
#include <string.h>

#include "archive/store.h"
#include "archive/survey_look.h"
#include "util/clock.h"

/* The origin has its place: the first. */
static void
begin_with(struct survey *s, const char *origin)
{
	memcpy(s->origin, origin, sizeof(s->origin));
	survey_add(s, s->origin, SLICE(""));
}

/* -------------------------------------------------------------- from a store */

static void
take_state(struct survey *s, const struct state *st)
{
	const struct keyring given = s->ring;

	s->ring = st->ring;
	for (size_t i = 0; i < given.n; i++)
		(void)keyring_pin(&s->ring, &given.key[i].key);
	s->serial = st->serial;
	s->created = st->created;
	memcpy(s->digest, st->manifest, sizeof(s->digest));
	begin_with(s, st->origin);
}

static bool
prepare_store(struct survey *s, const char *path, struct why *why)
{
	struct store *store = store_open(path, false, why);
	struct state *st = calloc(1, sizeof(*st));
	struct buf page;
	bool ok = false;

	buf_init(&page, SOURCES_LIST_MAX);
	if (store == NULL)
		goto out;
	if (st == NULL) {
		why_memory(why);
		goto out;
	}
	switch (state_read(store, st, why)) {
	case STATE_BROKEN:
	case STATE_UNREAD:
		goto out;
	case STATE_NONE:
		why_set(why, "nothing is published or mirrored here yet");
		goto out;
	case STATE_READ:
		break;
	}
	take_state(s, st);
	ok = sources_list(store, &page, why);
	survey_add_links(s, buf_view(&page));
out:
	buf_fini(&page);
	free(st);
	store_close(&store);
	return ok;
}

/* ---------------------------------------------------------------- from a URL */

/* The list of mirrors that m vouches for. */
static bool
fetch_list(struct survey *s, struct fetcher *c, struct source *source,
    const struct manifest *m, struct why *why)
{
	const struct manifest_entry *e = manifest_find(m, SOURCES_LIST);
	uint8_t digest[DIGEST_SIZE];
	struct buf page;
	bool cut, ok;

	if (e == NULL)
		return true;
	buf_init(&page, SOURCES_LIST_MAX);
	ok = fetcher_text(c, source, SOURCES_LIST, SURVEY_FILE_MS, &page, &cut,
		 why) == FETCHER_DONE;
	if (ok) {
		digest_sha256(buf_view(&page), digest);
		ok = digest_equal(digest, e->digest);
		if (!ok)
			why_set(
			    why, "%s", SOURCES_LIST " is not what was signed");
	}
	if (ok)
		survey_add_links(s, buf_view(&page));
	buf_fini(&page);
	return ok;
}

static bool
prepare_url(
    struct survey *s, const char *url, struct fetcher *c, struct why *why)
{
	struct source source = { 0 };
	struct buf text;
	struct manifest m;
	bool cut, ok = false;

	if (!manifest_origin(slice_str(url), source.base))
		return why_set(why, "not the URL of a capsule");
	buf_init(&text, MANIFEST_MAX);
	if (fetcher_text(c, &source, MANIFEST_PATH, SURVEY_FILE_MS, &text, &cut,
		why) == FETCHER_DONE &&
	    manifest_open(buf_view(&text), &s->ring, NULL, &m, why) ==
		MANIFEST_GOOD) {
		begin_with(s, m.origin);
		survey_add(s, source.base, SLICE(""));
		ok = fetch_list(s, c, &source, &m, why);
		manifest_fini(&m);
	}
	buf_fini(&text);
	return ok;
}

/* ------------------------------------------------------------------- the run */

static enum result
survey_steps(struct survey *s, struct fetcher *c,
    const struct survey_options *o, struct buf *page, struct why *why)
{
	if (o->store != NULL && !prepare_store(s, o->store, why))
		return RESULT_LOCAL;
	if (o->store == NULL && !prepare_url(s, o->url, c, why))
		return RESULT_FAILED;
	for (size_t i = 0; i < s->n && !fetcher_stopped(c); i++)
		survey_look(s, c, &s->look[i]);
	if (fetcher_stopped(c)) {
		why_set(why, "interrupted");
		return RESULT_FAILED;
	}
	return survey_page(s, clock_wall(), page) ? RESULT_GOOD : RESULT_FAILED;
}

enum result
survey_run(const struct survey_options *o, struct buf *page, struct why *why)
{
	struct survey *s = calloc(1, sizeof(*s));
	struct fetcher c = { .stop = o->stop };
	enum result result = RESULT_FAILED;

	if (s != NULL)
		s->look = calloc(SURVEY_MAX, sizeof(*s->look));
	if (s == NULL || s->look == NULL) {
		why_memory(why);
		goto out;
	}
	for (size_t i = 0; i < o->n_keys; i++)
		if (!keyring_pin(&s->ring, &o->keys[i])) {
			why_set(why, "too many keys");
			goto out;
		}
	if (fetcher_open(&c, why))
		result = survey_steps(s, &c, o, page, why);
	fetcher_close(&c);
out:
	if (s != NULL)
		free(s->look);
	free(s);
	return result;
}
