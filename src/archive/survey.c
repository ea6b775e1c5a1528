/* SPDX-License-Identifier: ISC */
#include "archive/survey.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/store.h"
#include "archive/survey_look.h"
#include "os/file.h"
#include "util/clock.h"

static bool
add_key(struct survey *s, const struct signify_key *key, bool retired)
{
	for (size_t i = 0; i < s->n_keys; i++) {
		if (!signify_key_equal(&s->key[i], key))
			continue;
		s->retired[i] = s->retired[i] && retired;
		return true;
	}
	if (s->n_keys == SURVEY_KEYS_MAX)
		return false;
	s->retired[s->n_keys] = retired;
	s->key[s->n_keys++] = *key;
	return true;
}

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
	for (size_t i = 0; i < st->n_keys; i++)
		(void)add_key(s, &st->key[i].key, st->key[i].retired);
	s->serial = st->serial;
	s->created = st->created;
	memcpy(s->digest, st->manifest, sizeof(s->digest));
	begin_with(s, st->origin);
}

/* mirrors.gmi of the current release; a capsule need not have one. */
static bool
read_list(struct survey *s, const struct store *store, struct buf *why)
{
	uint64_t serial = store_current(store);
	int root = serial == 0 ? -1 : store_release_fd(store, serial);
	struct stat st;
	struct buf page;
	bool ok = true;
	int fd;

	if (root == -1) {
		(void)buf_str(why, "nothing is published or mirrored here yet");
		return false;
	}
	buf_init(&page, SURVEY_LIST_MAX);
	if (file_open_beneath(root, SURVEY_LIST, &fd, &st) == FILE_OPENED) {
		ok = file_read(fd, &page);
		if (!ok)
			(void)buf_printf(
			    why, SURVEY_LIST ": %s", strerror(errno));
		(void)close(fd);
	}
	(void)close(root);
	survey_add_links(s, buf_view(&page));
	buf_fini(&page);
	return ok;
}

static bool
prepare_store(struct survey *s, const char *path, struct buf *why)
{
	struct store *store = store_open(path, false, why);
	struct state *st = calloc(1, sizeof(*st));
	bool ok = false;

	if (store == NULL)
		goto out;
	if (st == NULL) {
		(void)buf_str(why, "out of memory");
		goto out;
	}
	switch (state_read(store, st, why)) {
	case STATE_BROKEN:
		goto out;
	case STATE_NONE:
		(void)buf_str(why, "nothing is published or mirrored here yet");
		goto out;
	case STATE_READ:
		break;
	}
	take_state(s, st);
	ok = read_list(s, store, why);
out:
	free(st);
	store_close(&store);
	return ok;
}

/* ---------------------------------------------------------------- from a URL */

static bool
on_trust(void *arg, struct source *source, const struct cert *c)
{
	(void)arg;
	(void)source;
	(void)c;
	return true; /* what counts is signed */
}

/* The list of mirrors that m vouches for. */
static bool
fetch_list(struct survey *s, struct courier *c, struct source *source,
    const struct manifest *m, struct buf *why)
{
	const struct manifest_entry *e = manifest_find(m, SURVEY_LIST);
	uint8_t digest[DIGEST_SIZE];
	struct buf page;
	bool ok;

	if (e == NULL)
		return true;
	buf_init(&page, SURVEY_LIST_MAX);
	ok = survey_ask(c, source, SURVEY_LIST, &page, why) == ERRAND_DONE;
	if (ok) {
		digest_sha256(buf_view(&page), digest);
		ok = digest_equal(digest, e->digest);
		if (!ok)
			(void)buf_str(
			    why, SURVEY_LIST " is not what was signed");
	}
	if (ok)
		survey_add_links(s, buf_view(&page));
	buf_fini(&page);
	return ok;
}

static bool
prepare_url(
    struct survey *s, const char *url, struct courier *c, struct buf *why)
{
	struct source source = { 0 };
	struct buf text;
	struct manifest m;
	bool ok = false;

	if (!manifest_origin(slice_str(url), source.base)) {
		(void)buf_str(why, "not the URL of a capsule");
		return false;
	}
	c->trust = on_trust;
	buf_init(&text, MANIFEST_MAX);
	if (survey_ask(c, &source, MANIFEST_PATH, &text, why) == ERRAND_DONE &&
	    manifest_open(buf_view(&text), s->key, s->n_keys, NULL, &m, NULL,
		why) == MANIFEST_GOOD) {
		begin_with(s, m.origin);
		survey_add(s, source.base, SLICE(""));
		ok = fetch_list(s, c, &source, &m, why);
		manifest_fini(&m);
	}
	buf_fini(&text);
	return ok;
}

/* ------------------------------------------------------------------- the run */

static enum survey_result
run(struct survey *s, struct courier *c, const struct survey_options *o,
    struct buf *page, struct buf *why)
{
	if (o->store != NULL && !prepare_store(s, o->store, why))
		return SURVEY_LOCAL;
	if (o->store == NULL && !prepare_url(s, o->url, c, why))
		return SURVEY_FAILED;
	for (size_t i = 0; i < s->n && !courier_stopped(c); i++)
		survey_look(s, c, &s->look[i]);
	if (courier_stopped(c)) {
		(void)buf_str(why, "interrupted");
		return SURVEY_FAILED;
	}
	return survey_page(s, clock_wall(), page) ? SURVEY_WELL : SURVEY_ILL;
}

enum survey_result
survey_run(const struct survey_options *o, struct buf *page, struct buf *why)
{
	struct survey *s = calloc(1, sizeof(*s));
	struct courier c = { .stop = o->stop };
	enum survey_result result = SURVEY_FAILED;

	if (s != NULL)
		s->look = calloc(SURVEY_MAX, sizeof(*s->look));
	if (s == NULL || s->look == NULL) {
		(void)buf_str(why, "out of memory");
		goto out;
	}
	for (size_t i = 0; i < o->n_keys; i++)
		if (!add_key(s, &o->keys[i], false)) {
			(void)buf_str(why, "too many keys");
			goto out;
		}
	if (courier_open(&c, why))
		result = run(s, &c, o, page, why);
	courier_close(&c);
out:
	if (s != NULL)
		free(s->look);
	free(s);
	return result;
}
