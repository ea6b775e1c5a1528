/* SPDX-License-Identifier: ISC */
/* Corrupt files of a mirror's store, fetched again from where they came. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/download.h"
#include "archive/store_internal.h"
#include "archive/verify_internal.h"
#include "os/file.h"
#include "util/array.h"
#include "util/fd.h"

/* Objects that are lost, and whose bytes a release still has in a file of its
 * own: one that was never a hard link, or whose object alone is gone. Nobody
 * else need have them, then. */

struct salvage {
	struct verify_scan *x;
	struct why *why;
};

static int
salvage_compare(const void *a, const void *b)
{
	const struct verify_rot *x = a, *y = b;

	return memcmp(x->digest, y->digest, DIGEST_SIZE);
}

static struct verify_rot *
find_lost(const struct verify_scan *x, const uint8_t digest[DIGEST_SIZE])
{
	struct verify_rot key = { .path = NULL }, *rot;

	memcpy(key.digest, digest, DIGEST_SIZE);
	rot = bsearch(&key, x->rot, x->n_rot, sizeof(*x->rot), salvage_compare);
	return rot != NULL && rot->lost ? rot : NULL;
}

/* Of equal ones the one that has a path stays. */
static void
drop_twins(struct verify_scan *x)
{
	size_t kept = 0;

	qsort(x->rot, x->n_rot, sizeof(*x->rot), salvage_compare);
	for (size_t i = 0; i < x->n_rot; i++) {
		if (kept == 0 ||
		    salvage_compare(&x->rot[kept - 1], &x->rot[i]) != 0)
			x->rot[kept++] = x->rot[i];
		else if (x->rot[kept - 1].path == NULL)
			x->rot[kept - 1].path = x->rot[i].path;
	}
	x->n_rot = kept;
}

/* The corrupt object itself, by another name. */
static bool
is_object(const struct store *s, const uint8_t digest[DIGEST_SIZE],
    const struct stat *file)
{
	int fd = store_object_fd(s, digest);
	struct stat object;
	bool same;

	same = fd != -1 && fstat(fd, &object) == 0 &&
	       object.st_dev == file->st_dev && object.st_ino == file->st_ino;
	if (fd != -1)
		(void)close(fd);
	return same;
}

/* From fd's start into the object's place, where nothing is. *kept: it is there, of
 * its hash. False and why: the store cannot be written to. */
static bool
copy(struct store *s, int fd, const uint8_t digest[DIGEST_SIZE], bool *kept,
    struct why *why)
{
	struct store_object *o = store_object_new(s, why);
	uint8_t chunk[VERIFY_CHUNK];
	enum store_kept result;
	ssize_t n = -1;

	if (o == NULL)
		return false;
	if (lseek(fd, 0, SEEK_SET) == 0)
		while ((n = fd_read(fd, chunk, sizeof(chunk))) > 0)
			if (!store_object_put(
				o, slice_of(chunk, (size_t)n), why)) {
				store_object_drop(&o);
				return false;
			}
	if (n != 0) {
		store_object_drop(&o);
		return true;
	}
	result = store_object_keep(&o, digest, NULL, why);
	*kept = result == STORE_KEPT;
	return result != STORE_WRITE_FAILED;
}

/* False and why: the store cannot be written to. */
static bool
try_file(const struct salvage *v, int release, const char *path,
    struct verify_rot *rot)
{
	struct store *s = v->x->store;
	uint8_t got[DIGEST_SIZE];
	bool ok = true, kept = false;
	uint64_t size;
	struct stat st;
	int fd;

	if (file_open_beneath(release, path, &fd, &st) != FILE_OPENED)
		return true;
	if (S_ISREG(st.st_mode) && !is_object(s, rot->digest, &st) &&
	    verify_hash(fd, got, &size) && digest_equal(got, rot->digest))
		ok = store_discard(s, rot->digest, v->why) &&
		     copy(s, fd, rot->digest, &kept, v->why);
	(void)close(fd);
	rot->lost = !kept;
	return ok;
}

static bool
search_release(
    void *arg, uint64_t serial, const struct manifest *m, enum verify_news news)
{
	struct salvage *v = arg;
	bool ok = true;
	int release;

	(void)news;
	if (m == NULL)
		return true;
	release = store_release_fd(v->x->store, serial);
	for (size_t i = 0; ok && release != -1 && i < m->n; i++) {
		struct verify_rot *rot = find_lost(v->x, m->entry[i].digest);

		if (rot != NULL)
			ok = try_file(v, release, m->entry[i].path, rot);
	}
	if (release != -1)
		(void)close(release);
	return ok;
}

/* Looks again at what is corrupt, each hash once from now on: another run may
 * have been here before the lock was ours, and what cannot be opened now
 * (*closed of them) may be sound. What is lost is put back where a release has
 * it in a file of its own. False and why: local trouble. */
static bool
verify_salvage(struct verify_scan *x, size_t *closed, struct why *why)
{
	struct salvage v = { .x = x, .why = why };
	bool any = false;

	if (x->n_rot == 0)
		return true;
	drop_twins(x);
	for (size_t i = 0; i < x->n_rot; i++) {
		struct verify_rot *rot = &x->rot[i];
		enum verify_object what;
		uint64_t size;

		what = verify_object(x->store, rot->digest, &size);
		rot->lost = what == VERIFY_OBJECT_CORRUPT ||
			    what == VERIFY_OBJECT_ABSENT;
		*closed += what == VERIFY_OBJECT_CLOSED;
		any = any || rot->lost;
	}
	return !any || verify_releases(x, search_release, &v, why);
}

struct mending {
	struct verify_scan *x;
	struct verify_others others;
	size_t closed; /* objects that cannot be opened */
};

/* What is to be fetched; the corrupt form is removed. */
static bool
plan(struct mending *r, struct download *d, struct why *why)
{
	struct verify_scan *x = r->x;

	if (!verify_salvage(x, &r->closed, why))
		return false;
	for (size_t i = 0; i < x->n_rot; i++) {
		const struct verify_rot *rot = &x->rot[i];

		if (!rot->lost)
			continue;
		if (!store_discard(x->store, rot->digest, why))
			return false;
		if (!download_add(d, rot->digest, rot->path))
			return why_memory(why);
	}
	download_drop_twins(d);
	return true;
}

/* Whether other bytes are no wonder: somebody serves a later serial. NULL: nobody. */
static const char *
who_moved_on(struct mending *r)
{
	const struct verify *v = r->x->v;
	const char *who = NULL;
	struct buf text = { 0 };
	struct why why;
	struct manifest m;

	sources_revive(&r->others.sources);
	for (size_t i = 0; i < r->others.sources.n && who == NULL; i++) {
		struct source *s = &r->others.sources.at[i];

		if (!verify_fetch(&r->others, s, &text, &why) ||
		    manifest_open(buf_view(&text), &v->ring, NULL, &m, &why) !=
			MANIFEST_GOOD)
			continue;
		if (m.serial > v->manifest.serial &&
		    strcmp(m.origin, v->manifest.origin) == 0)
			who = s->base;
		manifest_fini(&m);
	}
	buf_fini(&text);
	return who;
}

/* What each source said last; nothing, when all that they said was no. */
static void
quote(const struct sources *s, struct why *why)
{
	bool any = false;

	for (size_t i = 0; i < s->n; i++) {
		if (s->at[i].said.text[0] == '\0')
			continue;
		any = true;
		why_set(why, "%s; %s: %s", why->text, s->at[i].base,
		    s->at[i].said.text);
	}
	if (!any)
		why_set(why, "%s; no source has them", why->text);
}

/* Some of it could not be brought: why, and what that makes. */
static enum result
lacking_report(struct mending *r, const struct download *d, struct why *why)
{
	const char *later = d->others > 0 ? who_moved_on(r) : NULL;

	why_set(why, "%zu of %zu files could not be fetched again%s",
	    d->failures + r->closed, d->n_missing + r->closed,
	    r->closed > 0 ? "; an object cannot be opened" : "");
	if (later != NULL)
		why_set(why, "%s; %s has a later serial: run carnation mirror",
		    why->text, later);
	else if (d->failures > 0)
		quote(&r->others.sources, why);
	return d->others > 0 && later == NULL ? RESULT_REFUSED : RESULT_FAILED;
}

struct relink {
	struct store *store;
	struct why *why;
};

/* Sound objects get their names back. Without its list a release has none to give. */
static bool
relink(
    void *arg, uint64_t serial, const struct manifest *m, enum verify_news news)
{
	struct relink *l = arg;
	(void)serial;
	(void)news;
	return m == NULL || store_relink(l->store, m, l->why);
}

/* Whether each object of the current release is there; what was not sound has been
 * taken away, unless it cannot be opened. */
static bool
repair_is_whole(const struct verify_scan *x)
{
	bool whole = true;

	for (size_t i = 0; whole && i < x->n_rot; i++) {
		int fd;

		if (x->rot[i].path == NULL)
			continue;
		fd = store_object_fd(x->store, x->rot[i].digest);
		whole = fd != -1;
		if (whole)
			(void)close(fd);
	}
	return whole;
}

static bool
restore_archive(struct verify_scan *x, struct why *why)
{
	return !x->v->archive_faulty || !repair_is_whole(x) ||
	       store_build(
		   x->store, &x->v->manifest, buf_view(&x->v->text), why);
}

/* What has been brought counts, whether or not all was. */
static enum result
repair(struct mending *r, struct download *d, struct why *why)
{
	enum download_result brought;
	struct relink l = { .store = r->x->store, .why = why };
	bool linked, archived;
	struct why unsaid;

	if (!plan(r, d, why))
		return RESULT_LOCAL;
	brought = download_run(d, why);
	if (brought == DOWNLOAD_LOCAL)
		return RESULT_LOCAL;
	linked = verify_releases(r->x, relink, &l, why);
	archived = restore_archive(r->x, linked ? why : &unsaid);
	if (!linked || !archived)
		return RESULT_LOCAL;
	if (brought != DOWNLOAD_WHOLE || r->closed > 0)
		return lacking_report(r, d, why);
	return RESULT_GOOD;
}

/* All of it; the lock is held. */
static enum result
repair_locked(struct verify_scan *x, struct why *why)
{
	enum result result = RESULT_LOCAL;
	struct mending r = { .x = x };

	/* A good copy is at hand: it waits for nothing else. */
	if (x->manifest_faulty &&
	    !store_put_manifest(
		x->store, x->v->manifest.serial, buf_view(&x->v->text), why))
		return RESULT_LOCAL;
	if (verify_others_open(&r.others, x, why)) {
		struct download d = { .fetcher = &r.others.fetcher,
			.sources = &r.others.sources,
			.store = x->store,
			.largest = x->largest,
			.all = UINT64_MAX };

		result = repair(&r, &d, why);
		download_fini(&d);
	}
	verify_others_close(&r.others);
	return result;
}

enum result
verify_repair(struct verify_scan *x, struct why *why)
{
	switch (store_lock(x->store, why)) {
	case STORE_BUSY:
		return RESULT_FAILED;
	case STORE_LOCK_FAILED:
		return RESULT_LOCAL;
	case STORE_LOCKED:
		break;
	}
	if (store_current(x->store) != x->v->manifest.serial) {
		why_set(why, "another release came during the run: run this "
			     "again");
		return RESULT_FAILED;
	}
	return repair_locked(x, why);
}

/* ------------------------------------------------- the list, and a mirror's run */

/* Whatever else is on a line is nobody's hash. */
static bool
discard_listed(struct store *s, struct slice list, struct why *why)
{
	uint8_t digest[DIGEST_SIZE];
	struct slice line;
	uint64_t size;
	bool ok = true;

	while (ok && slice_line(&list, &line))
		if (digest_parse(line, digest) &&
		    verify_object(s, digest, &size) == VERIFY_OBJECT_CORRUPT)
			ok = store_discard(s, digest, why);
	return ok;
}

/* One whose manifest is lost has no files to fetch. False: out of memory. */
static bool
add_release(struct repair *r, const struct store *s, const struct state *st,
    uint64_t serial)
{
	struct manifest *grown = array_grow(r->release, r->n, sizeof(*grown));
	struct why unused;

	if (grown == NULL)
		return false;
	r->release = grown;
	r->n += state_open_release(s, st, serial, &grown[r->n], &unused);
	return true;
}

static bool
add_releases(struct repair *r, const struct store *s, const struct state *st,
    struct why *why)
{
	size_t n;
	uint64_t *serial = store_releases(s, &n);
	bool ok = serial != NULL || n == 0;

	if (!ok)
		store_fault(s, why, STORE_RELEASES, NULL);
	for (size_t i = 0; ok && i < n; i++)
		ok = add_release(r, s, st, serial[i]) || why_memory(why);
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

/* What is not there, by its hash: other releases' paths are not the origin's. */
static bool
plan_releases(const struct repair *r, struct download *d)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct manifest *m = &r->release[i];

		if (m->largest > d->largest)
			d->largest = m->largest;
		for (size_t j = 0; j < m->n; j++)
			if (!store_has(d->store, m->entry[j].digest) &&
			    !download_add(d, m->entry[j].digest, NULL))
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
	enum download_result result = DOWNLOAD_LOCAL;
	struct download d = {
		.fetcher = f, .sources = sources, .store = s, .all = UINT64_MAX
	};
	bool ok;

	*lacking = 0;
	if (!r->recorded)
		return true;
	if (plan_releases(r, &d))
		result = download_run(&d, why);
	else
		why_memory(why);
	*lacking = d.failures;
	download_fini(&d);
	ok = result != DOWNLOAD_LOCAL && relink_releases(r, s, why);
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
