/* SPDX-License-Identifier: ISC */
/* What verify needs a network for: a host, looked at as it serves; and what is wrong
 * in a store, fetched again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/download.h"
#include "archive/state.h"
#include "archive/store_internal.h"
#include "archive/verify.h"
#include "util/array.h"
#include "util/fd.h"

/* ----------------------------------------------------------------- a host */

enum { TRIES = 2 };

struct host {
	struct verify_work work;
	struct fetcher fetcher;
	struct source source;
};

/* RESULT_REFUSED: it does not have it, or no end of it. */
static enum result
host_result(enum fetcher_result result)
{
	switch (result) {
	case FETCHER_DONE:
		return RESULT_GOOD;
	case FETCHER_TOO_LONG:
	case FETCHER_ABSENT:
	case FETCHER_DENIED:
		return RESULT_REFUSED;
	case FETCHER_STOPPED:
		return RESULT_LOCAL;
	case FETCHER_FAILED:
	case FETCHER_DISTRUSTED:
	case FETCHER_GOING:
		break;
	}
	return RESULT_FAILED;
}

/* A second time when the network failed it, and we are not to wait for longer than
 * we do. False and why: it was not heard to its end. */
static bool
host_check(struct host *h, const struct manifest_entry *e, struct why *why)
{
	enum fetcher_result result = FETCHER_FAILED;
	enum verify_news news = VERIFY_CHANGED;
	uint8_t got[DIGEST_SIZE];
	struct digest d;
	const struct fetcher_file wanted = { .path = e->path,
		.max = h->work.out->manifest.largest,
		.body = fetcher_to_digest,
		.arg = &d };
	bool cut;

	for (int try = 0; try < TRIES && result == FETCHER_FAILED &&
			  !source_is_out(&h->source);
	     try++) {
		digest_init(&d);
		result =
		    fetcher_get(&h->fetcher, &h->source, &wanted, &cut, why);
		if (digest_end(&d, got) && digest_equal(got, e->digest))
			news = VERIFY_SOUND;
		if (result == FETCHER_DONE && cut && news != VERIFY_SOUND)
			result = FETCHER_FAILED;
	}
	if (result == FETCHER_ABSENT || result == FETCHER_DENIED)
		news = VERIFY_MISSING;
	else if (result != FETCHER_DONE && result != FETCHER_TOO_LONG)
		return false;
	if (news != VERIFY_SOUND)
		verify_report(&h->work, news, e->path);
	return true;
}

static enum result
host_check_all(struct host *h)
{
	struct verify_outcome *out = h->work.out;
	const struct manifest *m = &out->manifest;
	enum result result;
	struct why said;
	size_t i = 0;

	while (i < m->n && host_check(h, &m->entry[i], &said))
		i++;
	result = verify_conclude(out);
	if (i == m->n)
		return result;
	out->sound = false;
	why_set(&out->why, "%s: %s; %zu of %zu files were not looked at",
	    m->entry[i].path, said.text, m->n - i, m->n);
	return result == RESULT_GOOD ? RESULT_FAILED : result;
}

static enum result
host_open(struct host *h, struct buf *text)
{
	struct why *why = &h->work.out->why;
	enum result result;
	bool cut;

	result = host_result(
	    fetcher_manifest(&h->fetcher, &h->source, text, &cut, why));
	if (result != RESULT_GOOD) {
		why_at(why, "%s" MANIFEST_PATH, h->source.base);
		return result;
	}
	result = verify_open_copy(h->work.options, buf_view(text), h->work.out);
	/* The rest may come another time. */
	if (result == RESULT_REFUSED && cut) {
		why_set(
		    why, "%s; no close_notify came: it may be cut", why->text);
		result = RESULT_FAILED;
	}
	return result;
}

enum result
verify_host(const struct verify_options *o, const char *base,
    struct verify_outcome *out)
{
	struct host h = { .work = { .options = o, .out = out } };
	enum result result = RESULT_LOCAL;
	struct buf text;

	if (o->ring->n == 0)
		return RESULT_USAGE;
	(void)snprintf(h.source.base, sizeof(h.source.base), "%s", base);
	buf_init(&text, MANIFEST_MAX);
	if (fetcher_open(&h.fetcher, &out->why)) {
		result = host_open(&h, &text);
		if (result == RESULT_GOOD)
			result = host_check_all(&h);
	}
	fetcher_close(&h.fetcher);
	buf_fini(&text);
	return result;
}

/* -------------------------------- the list of what is wrong, and a run's part */

/* Whatever else is on a line is nobody's hash. */
static bool
discard_listed(struct store *s, struct slice list, struct why *why)
{
	struct verify_object o;
	struct slice line;
	bool ok = true;

	while (ok && slice_line(&list, &line)) {
		if (!digest_parse(line, o.digest))
			continue;
		verify_look(s, &o);
		ok = !o.wrong || store_discard(s, o.digest, why);
	}
	return ok;
}

/* Takes l's manifest over. False: out of memory. */
static bool
add_release(struct repair *r, struct verify_list *l)
{
	struct manifest *grown = array_grow(r->release, r->n, sizeof(*grown));

	if (grown == NULL)
		return false;
	r->release = grown;
	grown[r->n++] = l->m;
	l->signer = NULL;
	return true;
}

/* One whose manifest is lost has no files to fetch. */
static bool
add_releases(struct repair *r, const struct store *s, const struct state *st,
    struct why *why)
{
	struct verify_list l = { .signer = NULL };
	size_t n;
	uint64_t *serial = store_releases(s, &n);
	bool ok = serial != NULL || n == 0;
	struct why unused;

	if (!ok)
		store_fault(s, why, STORE_RELEASES, NULL);
	for (size_t i = 0; ok && i < n; i++)
		ok = verify_open_release(s, st, &st->ring, serial[i], &l,
			 &unused) != VERIFY_SOUND ||
		     add_release(r, &l) || why_memory(why);
	verify_list_fini(&l);
	free(serial);
	return ok;
}

bool
repair_discard(
    struct repair *r, struct store *s, const struct state *st, struct why *why)
{
	struct stat unused;
	struct buf list;
	int fd = store_file_open(store_fd(s), STORE_WRONG, &unused);
	bool ok;

	if (fd == -1 && errno == ENOENT)
		return true;
	r->recorded = true;
	buf_init(&list, VERIFY_WRONG_MAX);
	ok = (fd != -1 && fd_read_all(fd, &list)) ||
	     store_fault(s, why, STORE_WRONG, NULL);
	store_shut(fd);
	ok = ok && discard_listed(s, buf_view(&list), why) &&
	     add_releases(r, s, st, why);
	buf_fini(&list);
	return ok;
}

/* What is not there: by its hash, for only the current release's paths are those of
 * a source. */
static bool
plan_releases(const struct repair *r, struct download *d)
{
	uint64_t current = store_current(d->store);

	for (size_t i = 0; i < r->n; i++) {
		const struct manifest *m = &r->release[i];

		if (m->largest > d->largest)
			d->largest = m->largest;
		for (size_t j = 0; j < m->n; j++)
			if (!store_has(d->store, m->entry[j].digest) &&
			    !download_add(d, m->entry[j].digest,
				m->serial == current ? m->entry[j].path : NULL))
				return false;
	}
	download_drop_twins(d);
	return true;
}

static bool
relink_releases(const struct repair *r, struct store *s, struct why *why)
{
	bool ok = true;

	for (size_t i = 0; ok && i < r->n; i++)
		ok = store_relink(s, &r->release[i], why);
	return ok;
}

bool
repair_releases(struct repair *r, struct store *s, struct fetcher *f,
    struct sources *sources, size_t *lacking, struct why *why)
{
	enum download_result result = DOWNLOAD_WHOLE;
	struct download d = {
		.fetcher = f, .sources = sources, .store = s, .all = UINT64_MAX
	};
	bool ok;

	*lacking = 0;
	if (!r->recorded)
		return true;
	ok = plan_releases(r, &d) || why_memory(why);
	if (ok && f != NULL)
		result = download_run(&d, why);
	*lacking = f != NULL ? d.failures : d.n_missing;
	download_fini(&d);
	ok = ok && result != DOWNLOAD_LOCAL && relink_releases(r, s, why);
	if (ok && result != DOWNLOAD_STOPPED &&
	    unlinkat(store_fd(s), STORE_WRONG, 0) == -1 && errno != ENOENT)
		ok = store_fault(s, why, STORE_WRONG, NULL);
	return ok;
}

void
repair_fini(struct repair *r)
{
	while (r->n > 0)
		manifest_fini(&r->release[--r->n]);
	free(r->release);
	*r = (struct repair){ 0 };
}

/* --------------------------------------------- a store that mirrors nothing */

struct healing {
	struct store *store;
	struct state state;
	struct fetcher fetcher;
	struct sources from; /* one */
	struct repair repair;
	struct verify_list list; /* of the current release */
};

/* The current release's manifest: the store's own, or the same from the source. */
static enum result
heal_manifest(struct healing *h, struct why *why)
{
	uint64_t serial = store_current(h->store);
	const struct state *st = &h->state;
	struct verify_list *l = &h->list;
	struct source *s = &h->from.at[0];
	bool cut;

	if (verify_open_release(h->store, st, &st->ring, serial, l, why) ==
	    VERIFY_SOUND)
		return RESULT_GOOD;
	buf_reset(&l->text);
	if (fetcher_manifest(&h->fetcher, s, &l->text, &cut, why) ==
		FETCHER_DONE &&
	    verify_open_list(st, &st->ring, serial, l, why))
		return store_put_manifest(
			   h->store, serial, buf_view(&l->text), why)
			   ? RESULT_GOOD
			   : RESULT_LOCAL;
	why_at(why, "%s" MANIFEST_PATH, s->base);
	return RESULT_FAILED;
}

static enum result
heal(struct healing *h, struct why *why)
{
	enum result result;
	size_t lacking;

	result = store_lock(h->store, why);
	if (result != RESULT_GOOD)
		return result;
	if (state_read(h->store, &h->state, why) != STATE_READ ||
	    !fetcher_open(&h->fetcher, why))
		return RESULT_LOCAL;
	result = heal_manifest(h, why);
	if (result != RESULT_GOOD)
		return result;
	if (!repair_discard(&h->repair, h->store, &h->state, why) ||
	    !repair_releases(
		&h->repair, h->store, &h->fetcher, &h->from, &lacking, why))
		return RESULT_LOCAL;
	if (store_build(h->store, &h->list.m, buf_view(&h->list.text), why))
		return RESULT_GOOD;
	return lacking > 0 ? RESULT_FAILED : RESULT_LOCAL;
}

enum result
verify_repair(const char *path, const char *base, struct why *why)
{
	struct healing *h = calloc(1, sizeof(*h));
	enum result result = RESULT_LOCAL;

	if (h == NULL) {
		why_memory(why);
		return RESULT_LOCAL;
	}
	sources_add(&h->from, base);
	h->store = store_open(path, false, why);
	if (h->store != NULL)
		result = heal(h, why);
	verify_list_fini(&h->list);
	repair_fini(&h->repair);
	fetcher_close(&h->fetcher);
	store_close(&h->store);
	free(h);
	return result;
}
