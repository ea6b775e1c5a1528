/* SPDX-License-Identifier: ISC */
/* What older releases have and the current one has not: whatever they list is
 * hashed, linked or not, for a mirror serves it by its hash, and a rollback leads
 * to it. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "archive/verify_internal.h"
#include "util/array.h"

/* One release of a store as a tree: before a rollback, and each older one in a
 * scan. */

enum result
verify_release(
    struct verify *v, const struct store *s, uint64_t serial, struct why *why)
{
	enum result result;
	int release;

	buf_init(&v->text, MANIFEST_MAX);
	if (!store_manifest(s, serial, &v->text)) {
		why_errno(why, MANIFEST_PATH);
		return RESULT_LOCAL;
	}
	result = verify_open(v, MANIFEST_PATH, why);
	if (result != RESULT_GOOD)
		return result;
	if (v->manifest.serial != serial) {
		why_set(why, MANIFEST_PATH " is of serial %" PRIu64,
		    v->manifest.serial);
		return RESULT_REFUSED;
	}
	release = store_release_fd(s, serial);
	if (release == -1) {
		why_set(why, "%s", strerror(errno));
		return RESULT_LOCAL;
	}
	v->no_archive = true;
	result = verify_tree(v, release, true, why) ? verify_conclude(v)
						    : RESULT_LOCAL;
	(void)close(release);
	return result;
}

struct older {
	struct verify_scan *x;
	const struct manifest *m;
	uint64_t serial;
	int release;
};

/* Of a file that is its object's other name, or whose object is not sound, the
 * object was reported already. */
static bool
is_reported(const struct older *o, const struct manifest_entry *e)
{
	uint64_t size;

	return verify_is_linked(o->x, o->release, e) ||
	       verify_object(o->x->store, e->digest, &size) !=
		   VERIFY_OBJECT_SOUND;
}

static void
release_report(void *arg, enum verify_news news, const char *path)
{
	const struct older *o = arg;
	const struct manifest_entry *e = manifest_find(o->m, path);
	const char *shown = NULL;
	uint8_t memory[PATH_MAX + 64];
	struct buf text;

	if (e != NULL && is_reported(o, e))
		return;
	if (e != NULL)
		o->x->to_relink = true;
	buf_wrap(&text, memory, sizeof(memory));
	if (buf_printf(&text, "releases/%" PRIu64 "/%s", o->serial, path))
		shown = buf_cstr(&text);
	verify_report(o->x->v, news, shown != NULL ? shown : path);
}

static bool
release_check(struct older *o, struct why *why)
{
	struct verify v = {
		.report = release_report, .arg = o, .manifest = *o->m
	};
	bool ok;

	buf_init(&v.text, MANIFEST_MAX);
	v.mark = calloc(v.manifest.n + 1, sizeof(*v.mark));
	ok = v.mark != NULL && store_manifest(o->x->store, o->serial, &v.text);
	if (!ok)
		why_set(why, "%s", strerror(v.mark == NULL ? ENOMEM : errno));
	v.no_archive = true;
	ok = ok && verify_tree(&v, o->release, true, why);
	if (!ok)
		why_at(why, "releases/%" PRIu64, o->serial);
	free(v.mark);
	buf_fini(&v.text);
	return ok;
}

/* Each file of an older release against its manifest, what is there besides, and
 * its archive; news names them "releases/42/...". Objects must have been checked:
 * what they were reported for is not reported again. One that is pruned meanwhile
 * is passed over. False and why: local trouble. */
static bool
verify_older_files(struct verify_scan *x, uint64_t serial,
    const struct manifest *m, struct why *why)
{
	struct older o = { .x = x, .m = m, .serial = serial };
	bool ok = true;

	o.release = store_release_fd(x->store, serial);
	if (o.release == -1 && errno == ENOENT)
		return true;
	if (o.release == -1)
		return why_set(
		    why, "releases/%" PRIu64 ": %s", serial, strerror(errno));
	/* So that prune leaves it until it has been read; one that prune is
	 * removing is no longer kept. */
	if (flock(o.release, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		ok = release_check(&o, why);
	(void)close(o.release);
	return ok;
}

/* All that releases list which were looked at so far: sorted, each once. */
struct known {
	struct verify_scan *x;
	struct why *why;
	uint8_t (*digest)[DIGEST_SIZE];
	size_t n;
	uint8_t (*bad)[DIGEST_SIZE]; /* what of them was reported: sorted */
	size_t n_bad;
};

static int
older_compare(const void *a, const void *b)
{
	return memcmp(a, b, DIGEST_SIZE);
}

static bool
is_known(const struct known *k, size_t n, const uint8_t digest[DIGEST_SIZE])
{
	return n > 0 && bsearch(digest, k->digest, n, sizeof(*k->digest),
			    older_compare) != NULL;
}

static void
older_sort(struct known *k, size_t from)
{
	if (k->n > from)
		qsort(k->digest + from, k->n - from, sizeof(*k->digest),
		    older_compare);
}

/* Appends what m lists and was not known, sorted, each once; older_sort(k, 0)
 * is due then. False: out of memory. */
static bool
learn(struct known *k, const struct manifest *m)
{
	size_t from = k->n, kept = from;
	uint8_t(*grown)[DIGEST_SIZE] =
	    reallocarray(k->digest, k->n + m->n + 1, sizeof(*grown));

	if (grown == NULL)
		return false;
	k->digest = grown;
	for (size_t i = 0; i < m->n; i++)
		if (!is_known(k, from, m->entry[i].digest))
			memcpy(grown[k->n++], m->entry[i].digest, DIGEST_SIZE);
	older_sort(k, from);
	for (size_t i = from; i < k->n; i++)
		if (kept == from ||
		    older_compare(grown[i], grown[kept - 1]) != 0)
			memmove(grown[kept++], grown[i], DIGEST_SIZE);
	k->n = kept;
	return true;
}

/* Several releases may list what is reported once. */
static bool
add_bad(struct known *k, const uint8_t digest[DIGEST_SIZE])
{
	uint8_t(*grown)[DIGEST_SIZE] =
	    array_grow(k->bad, k->n_bad, sizeof(*grown));

	if (grown == NULL)
		return false;
	k->bad = grown;
	memcpy(grown[k->n_bad++], digest, DIGEST_SIZE);
	return true;
}

static bool
lists_bad(const struct known *k, const struct manifest *m)
{
	bool bad = false;

	for (size_t i = 0; k->n_bad > 0 && !bad && i < m->n; i++)
		bad = bsearch(m->entry[i].digest, k->bad, k->n_bad,
			  sizeof(*k->bad), older_compare) != NULL;
	return bad;
}

/* Each once, in however many releases it is. */
static bool
check_listed(struct known *k, const struct manifest *m)
{
	struct verify_scan *x = k->x;
	size_t from = k->n, before = k->n_bad;
	bool ok = learn(k, m), sound;

	if (m->largest > x->largest)
		x->largest = m->largest;
	for (size_t i = from; ok && i < k->n; i++) {
		ok = verify_suspect(x, k->digest[i], &sound);
		if (ok && !sound)
			ok = add_bad(k, k->digest[i]);
	}
	older_sort(k, 0);
	if (k->n_bad > before)
		qsort(k->bad, k->n_bad, sizeof(*k->bad), older_compare);
	return ok;
}

bool
verify_open_older(
    const struct verify_scan *x, struct slice text, struct manifest *m)
{
	struct why unused;

	return manifest_open(text, &x->v->ring, NULL, m, &unused) ==
		   MANIFEST_GOOD ||
	       manifest_open(text, &x->state->ring, NULL, m, &unused) ==
		   MANIFEST_GOOD;
}

/* False and why: neither there nor gone, because we lack something. */
static bool
visit_unread(const struct verify_scan *x, uint64_t serial, int error,
    verify_visit *visit, void *arg, struct why *why)
{
	int release = store_release_fd(x->store, serial);

	/* One that was pruned meanwhile is no longer kept. */
	if (release == -1 && errno == ENOENT)
		return true;
	if (release != -1)
		(void)close(release);
	if (error != EMFILE && error != ENFILE && error != ENOMEM)
		return visit(arg, serial, NULL, verify_news_of(error));
	return why_set(why, "releases/%" PRIu64 "/" MANIFEST_PATH ": %s",
	    serial, strerror(error));
}

static bool
visit_older(const struct verify_scan *x, uint64_t serial, verify_visit *visit,
    void *arg, struct why *why)
{
	struct buf text;
	struct manifest m;
	bool ok;

	buf_init(&text, MANIFEST_MAX);
	if (!store_manifest(x->store, serial, &text)) {
		ok = visit_unread(x, serial, errno, visit, arg, why);
	} else if (verify_open_older(x, buf_view(&text), &m)) {
		ok = visit(arg, serial, &m, VERIFY_NEWS);
		manifest_fini(&m);
	} else {
		ok = visit(arg, serial, NULL, VERIFY_CHANGED);
	}
	buf_fini(&text);
	return ok;
}

bool
verify_releases(const struct verify_scan *x, verify_visit *visit, void *arg,
    struct why *why)
{
	const struct manifest *current = &x->v->manifest;
	size_t n;
	uint64_t *serial = store_releases(x->store, &n);
	bool ok = serial != NULL || n == 0;

	if (!ok)
		why_errno(why, "releases");
	for (size_t i = 0; ok && i < n; i++)
		ok = serial[i] == current->serial
			 ? visit(arg, serial[i], current, VERIFY_NEWS)
			 : visit_older(x, serial[i], visit, arg, why);
	free(serial);
	return ok;
}

/* Nobody offers the list of an older release: it stays lost. One that cannot be read
 * may be good, and its release too. */
static void
unlisted_report(struct known *k, uint64_t serial, enum verify_news news)
{
	const char *more = k->why->text[0] != '\0' ? "; " : "";
	uint8_t memory[64];
	struct buf path;

	buf_wrap(&path, memory, sizeof(memory));
	(void)buf_printf(&path, "releases/%" PRIu64 "/" MANIFEST_PATH, serial);
	verify_report(k->x->v, news, buf_cstr(&path));
	if (news == VERIFY_UNREADABLE)
		why_set(k->why,
		    "%s%s%s cannot be read: releases/%" PRIu64
		    " was not verified",
		    k->why->text, more, buf_cstr(&path), serial);
	else
		why_set(k->why,
		    "%s%sreleases/%" PRIu64 " has lost its list of files: do "
		    "not roll back to it; carnation prune can remove it",
		    k->why->text, more, serial);
}

static bool
older_add_serial(struct verify *v, uint64_t serial)
{
	uint64_t *grown = array_grow(v->serial, v->n_serials, sizeof(*grown));

	if (grown == NULL)
		return false;
	v->serial = grown;
	grown[v->n_serials++] = serial;
	return true;
}

static uint64_t
reported_count(const struct verify *v)
{
	uint64_t n = 0;

	for (int i = 0; i < VERIFY_NEWS; i++)
		n += v->reported[i];
	return n;
}

/* A rollback could lead there. */
static bool
check_release(
    void *arg, uint64_t serial, const struct manifest *m, enum verify_news news)
{
	struct known *k = arg;
	struct verify *v = k->x->v;
	uint64_t before = reported_count(v);

	if (m == &v->manifest)
		return true;
	if (m == NULL)
		unlisted_report(k, serial, news);
	else if (!check_listed(k, m) ||
		 !verify_older_files(k->x, serial, m, k->why))
		return false;
	if (reported_count(v) == before && (m == NULL || !lists_bad(k, m)))
		return true;
	return older_add_serial(v, serial);
}

/* One that only a release has whose list is lost; or none has: that one is hashed
 * before it is used. */
static bool
check_unlisted(void *arg, const uint8_t digest[DIGEST_SIZE], uint64_t links)
{
	struct known *k = arg;
	bool sound;

	return links == 0 || is_known(k, k->n, digest) ||
	       verify_suspect(k->x, digest, &sound);
}

bool
verify_older(struct verify_scan *x, struct why *why)
{
	struct known k = { .x = x, .why = why };
	bool ok;

	ok = learn(&k, &x->v->manifest) &&
	     verify_releases(x, check_release, &k, why) &&
	     store_objects(x->store, check_unlisted, &k, why);
	free(k.digest);
	free(k.bad);
	return ok;
}
