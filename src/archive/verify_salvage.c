/* SPDX-License-Identifier: ISC */
/* Objects that are lost, and whose bytes a release still has in a file of its own:
 * one that was never a hard link, or whose object alone is gone. Nobody else need
 * have them, then. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/verify_internal.h"
#include "os/file.h"
#include "util/fd.h"

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
		if (kept == 0 || salvage_compare(&x->rot[kept - 1], &x->rot[i]) != 0)
			x->rot[kept++] = x->rot[i];
		else if (x->rot[kept - 1].path == NULL)
			x->rot[kept - 1].path = x->rot[i].path;
	}
	x->n_rot = kept;
}

/* The rotten object itself, by another name. */
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

bool
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
		rot->lost = what == VERIFY_OBJECT_ROTTEN ||
			    what == VERIFY_OBJECT_ABSENT;
		*closed += what == VERIFY_OBJECT_CLOSED;
		any = any || rot->lost;
	}
	return !any || verify_releases(x, search_release, &v, why);
}
