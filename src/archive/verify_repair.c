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
#include "util/fd.h"

/* ----------------------------------------------------------------- a host */

enum { TRIES = 2 };

struct host {
	struct verify_work *work;
	struct fetcher fetcher;
	struct source source;
};

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
		.max = h->work->out->list.m.largest,
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
		verify_report(h->work, news, e->path);
	return true;
}

static enum result
host_check_all(struct host *h)
{
	struct verify_outcome *out = h->work->out;
	const struct manifest *m = &out->list.m;
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
host_open(struct host *h)
{
	struct why *why = &h->work->out->why;
	enum fetcher_result got;
	enum result result;
	bool cut;

	got = fetcher_text(&h->fetcher, &h->source, MANIFEST_PATH,
	    &h->work->out->list.text, &cut, why);
	if (got != FETCHER_DONE) {
		why_at(why, "%s" MANIFEST_PATH, h->source.base);
		if (got == FETCHER_STOPPED)
			return RESULT_LOCAL;
		return got == FETCHER_FAILED ? RESULT_FAILED : RESULT_REFUSED;
	}
	result = verify_open_copy(h->work);
	if (result != RESULT_REFUSED || !cut)
		return result;
	/* The rest may come another time. */
	why_set(why, "%s; no close_notify came: it may be cut", why->text);
	return RESULT_FAILED;
}

enum result
verify_host(struct verify_work *w, const char *base)
{
	struct host h = { .work = w };
	enum result result = RESULT_LOCAL;

	(void)snprintf(h.source.base, sizeof(h.source.base), "%s", base);
	if (fetcher_open(&h.fetcher, &w->out->why))
		result = host_open(&h);
	if (result == RESULT_GOOD)
		result = host_check_all(&h);
	fetcher_close(&h.fetcher);
	return result;
}

/* ------------------------------ the list of what is wrong, and a run's part */

bool
repair_discard(struct store *s, bool *recorded, struct why *why)
{
	int fd = store_file_open(
	    store_fd(s), STORE_WRONG, &(struct stat){ .st_ino = 0 });
	struct verify_object o;
	struct slice line, rest;
	struct buf list;
	bool ok;

	*recorded = fd != -1 || errno != ENOENT;
	if (!*recorded)
		return true;
	buf_init(&list, VERIFY_WRONG_MAX);
	/* Too long, a directory, a link: nothing that we wrote. Whatever else is on
	 * a line is nobody's hash. */
	ok = (fd != -1 && fd_read_all(fd, &list)) || errno == EFBIG ||
	     errno == EINVAL || errno == ELOOP ||
	     store_fault(s, why, STORE_WRONG, NULL);
	fd_close(fd);
	for (rest = buf_view(&list); ok && slice_line(&rest, &line);) {
		if (!digest_parse(line, o.digest))
			continue;
		verify_look(s, &o);
		ok = !o.wrong || store_discard(s, o.digest, why);
	}
	buf_fini(&list);
	return ok;
}

/* What a release lacks: by its hash, for only the current one's paths are those of a
 * source. */
static bool
repair_release(struct store *s, const struct manifest *m, struct fetcher *f,
    struct sources *sources, size_t *n_missing, struct why *why)
{
	struct download d = { .fetcher = f, .sources = sources, .store = s };
	bool ok = download_plan(&d, m) || why_memory(why);
	bool older = store_current(s) != m->serial;

	for (size_t i = 0; older && i < d.n_missing; i++)
		d.missing[i].path = NULL;
	if (ok && f != NULL)
		ok = download_run(&d, why);
	*n_missing += f != NULL ? d.failures : d.n_missing;
	download_fini(&d);
	return ok && store_relink(s, m, why);
}

bool
repair_releases(struct store *s, const struct state *st, struct fetcher *f,
    struct sources *sources, size_t *n_missing, struct why *why)
{
	struct verify_list l = { .m.serial = 0 };
	size_t n;
	uint64_t current = store_current(s);
	struct store_release *list = store_releases(s, &n);
	bool ok = list != NULL || n == 0;
	struct why unused;

	*n_missing = 0;
	if (!ok)
		store_fault(s, why, STORE_RELEASES, NULL);
	/* The current one first: it may bring what others lack. One whose
	 * manifest is lost has no files to fetch, and what was retracted is not
	 * brought back. */
	for (size_t i = 0; ok && i <= n; i++) {
		uint64_t serial = i == 0 ? current : list[i - 1].serial;

		ok = (i > 0 && serial == current) ||
		     state_retracts(st, serial) ||
		     verify_open_release(s, st, &st->ring, serial, &l,
			 &unused) != VERIFY_SOUND ||
		     repair_release(s, &l.m, f, sources, n_missing, why);
	}
	verify_list_fini(&l);
	free(list);
	if (ok && (f == NULL || !fetcher_stopped(f)))
		ok = (store_throw(s, store_fd(s), STORE_WRONG) &&
			 store_sweep(s)) ||
		     store_fault(s, why, STORE_WRONG, NULL);
	return ok;
}

/* --------------------------------------------- a store that mirrors nothing */

/* The current release's manifest: the store's own, or the same from the source. */
static enum result
heal_manifest(struct store *s, const struct state *st, struct fetcher *f,
    struct source *from, struct verify_list *l, struct why *why)
{
	uint64_t serial = store_current(s);
	bool cut;

	if (verify_open_release(s, st, &st->ring, serial, l, why) ==
	    VERIFY_SOUND)
		return RESULT_GOOD;
	buf_reset(&l->text);
	if (fetcher_text(f, from, MANIFEST_PATH, &l->text, &cut, why) ==
		FETCHER_DONE &&
	    verify_open_list(st, &st->ring, serial, l, why))
		return store_put_manifest(s, serial, buf_view(&l->text), why)
			   ? RESULT_GOOD
			   : RESULT_LOCAL;
	why_at(why, "%s" MANIFEST_PATH, from->base);
	return RESULT_FAILED;
}

enum result
verify_repair(const char *path, const char *base, struct why *why)
{
	struct store *s = store_open(path, false, why);
	struct state st;
	struct fetcher f = { .tls = NULL };
	struct sources from = { .n = 0 };
	struct verify_list l = { .m.serial = 0 };
	enum result result = RESULT_LOCAL;
	size_t n_missing;
	bool recorded;

	if (s == NULL)
		return RESULT_LOCAL;
	sources_add(&from, base);
	result = store_lock(s, why);
	if (result == RESULT_GOOD &&
	    (state_read(s, &st, why) != STATE_READ || !fetcher_open(&f, why)))
		result = RESULT_LOCAL;
	if (result == RESULT_GOOD)
		result = heal_manifest(s, &st, &f, &from.at[0], &l, why);
	if (result == RESULT_GOOD &&
	    (!repair_discard(s, &recorded, why) ||
		!repair_releases(s, &st, &f, &from, &n_missing, why)))
		result = RESULT_LOCAL;
	if (result == RESULT_GOOD &&
	    !store_build(s, &l.m, buf_view(&l.text), why))
		result = n_missing > 0 ? RESULT_FAILED : RESULT_LOCAL;
	verify_list_fini(&l);
	fetcher_close(&f);
	store_close(&s);
	return result;
}
