/* SPDX-License-Identifier: ISC */
/* Objects of a store: files by the SHA-256 of their bytes. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/store_internal.h"
#include "os/file.h"
#include "util/fd.h"

enum { FOLDER_DIGITS = 2, FOLDERS = 256 };

struct store_object {
	struct store *store;
	struct digest digest;
	uint64_t size;
	int fd;
	char name[STORE_NAME_SIZE]; /* in tmp/ */
};

static bool
object_fault(const struct store *s, struct why *why,
    const uint8_t digest[DIGEST_SIZE], const char *what)
{
	char path[STORE_PATH_SIZE];

	store_layout_object(digest, path);
	return store_fault(s, why, path, what);
}

/* The directory objects/ab (made when that is wanted) and the name in it. -1 and
 * errno. */
static int
store_object_dir(const struct store *s, const uint8_t digest[DIGEST_SIZE],
    bool make, char name[DIGEST_HEX_SIZE])
{
	char hex[DIGEST_HEX_SIZE], folder[FOLDER_DIGITS + 1];

	digest_hex(digest, hex);
	memcpy(folder, hex, FOLDER_DIGITS);
	folder[FOLDER_DIGITS] = '\0';
	memcpy(name, hex + FOLDER_DIGITS, sizeof(hex) - FOLDER_DIGITS);
	return make ? store_dir_make(s->objects, folder, NULL)
		    : store_dir_open(s->objects, folder);
}

/* False and errno; EINVAL: it is not a regular file. */
static bool
object_stat(
    const struct store *s, const uint8_t digest[DIGEST_SIZE], struct stat *st)
{
	char name[DIGEST_HEX_SIZE];
	int dir = store_object_dir(s, digest, false, name);
	bool is;

	is = dir != -1 && fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) == 0;
	if (is && !S_ISREG(st->st_mode)) {
		errno = EINVAL;
		is = false;
	}
	store_shut(dir);
	return is;
}

int
store_object_fd(const struct store *s, const uint8_t digest[DIGEST_SIZE])
{
	char name[DIGEST_HEX_SIZE];
	int dir = store_object_dir(s, digest, false, name);
	struct stat st;
	int fd;

	fd = dir == -1 ? -1 : store_file_open(dir, name, &st);
	store_shut(dir);
	return fd;
}

/* *other: it could be read, and is not. */
static bool
is_of_its_hash(
    const struct store *s, const uint8_t digest[DIGEST_SIZE], bool *other)
{
	uint8_t chunk[STORE_CHUNK], got[DIGEST_SIZE];
	int fd = store_object_fd(s, digest);
	struct digest d;
	ssize_t n;
	bool hashed;

	*other = false;
	if (fd == -1)
		return false;
	digest_init(&d);
	while ((n = fd_read(fd, chunk, sizeof(chunk))) != 0) {
		if (n == -1)
			break;
		digest_add(&d, slice_of(chunk, (size_t)n));
	}
	store_shut(fd);
	hashed = digest_end(&d, got) && n == 0;
	*other = hashed && !digest_equal(got, digest);
	return hashed && !*other;
}

bool
store_has(struct store *s, const uint8_t digest[DIGEST_SIZE])
{
	char name[DIGEST_HEX_SIZE];
	struct stat st;
	bool other;
	int dir;

	if (!object_stat(s, digest, &st))
		return false;
	if (st.st_nlink > 1 || is_of_its_hash(s, digest, &other))
		return true;
	if (s->lock != -1 && other) {
		dir = store_object_dir(s, digest, false, name);
		(void)unlinkat(dir, name, 0);
		store_shut(dir);
	}
	return false;
}

bool
store_size(
    const struct store *s, const uint8_t digest[DIGEST_SIZE], uint64_t *size)
{
	struct stat st;

	if (!object_stat(s, digest, &st))
		return false;
	*size = (uint64_t)st.st_size;
	return true;
}

bool
store_discard(
    struct store *s, const uint8_t digest[DIGEST_SIZE], struct why *why)
{
	char name[DIGEST_HEX_SIZE];
	int dir = store_object_dir(s, digest, false, name);
	bool ok;

	assert(s->lock != -1);
	ok = (dir != -1 && unlinkat(dir, name, 0) == 0) || errno == ENOENT;
	store_shut(dir);
	return ok || object_fault(s, why, digest, NULL);
}

struct store_object *
store_object_new(struct store *s, struct why *why)
{
	struct store_object *o = calloc(1, sizeof(*o));

	if (o == NULL) {
		(void)store_fault(s, why, "tmp", strerror(ENOMEM));
		return NULL;
	}
	o->store = s;
	o->fd = store_tmp_file(s, o->name);
	if (o->fd == -1) {
		(void)store_fault(s, why, "tmp", NULL);
		free(o);
		return NULL;
	}
	digest_init(&o->digest);
	return o;
}

bool
store_object_put(struct store_object *o, struct slice bytes, struct why *why)
{
	if (!fd_write_all(o->fd, bytes))
		return store_fault(o->store, why, "tmp", NULL);
	digest_add(&o->digest, bytes);
	o->size += bytes.len;
	return true;
}

void
store_object_drop(struct store_object **o)
{
	struct store_object *old = *o;

	if (old == NULL)
		return;
	store_shut(old->fd);
	(void)unlinkat(old->store->tmp, old->name, 0);
	digest_fini(&old->digest);
	free(old);
	*o = NULL;
}

/* Moves the file to its name. True also when one is there that releases share:
 * another in its place would take its room twice. */
static bool
object_settle(struct store_object *o, const uint8_t digest[DIGEST_SIZE])
{
	struct store *s = o->store;
	char name[DIGEST_HEX_SIZE];
	struct stat st;
	bool ok;
	int dir;

	if (object_stat(s, digest, &st) && st.st_nlink > 1 &&
	    (uint64_t)st.st_size == o->size)
		return true;
	if (fchmod(o->fd, STORE_OBJECT_MODE) == -1)
		return false;
	dir = store_object_dir(s, digest, true, name);
	ok = dir != -1 && renameat(s->tmp, o->name, dir, name) == 0;
	store_shut(dir);
	return ok;
}

enum store_kept
store_object_keep(struct store_object **o, const uint8_t *expected,
    uint8_t digest[DIGEST_SIZE], struct why *why)
{
	enum store_kept kept = STORE_KEPT;
	uint8_t got[DIGEST_SIZE];
	int fd = (*o)->fd;

	if (!digest_end(&(*o)->digest, got)) {
		(void)store_fault((*o)->store, why, "tmp", strerror(ENOMEM));
		store_object_drop(o);
		return STORE_WRITE_FAILED;
	}
	if (digest != NULL)
		memcpy(digest, got, sizeof(got));
	if (expected != NULL && !digest_equal(expected, got)) {
		kept = STORE_OTHER_HASH;
	} else if (!object_settle(*o, got)) {
		(void)object_fault((*o)->store, why, got, NULL);
		kept = STORE_WRITE_FAILED;
	}
	/* Some file systems tell only here that the disk was full. */
	(*o)->fd = -1;
	if (close(fd) == -1 && kept == STORE_KEPT) {
		(void)object_fault((*o)->store, why, got, NULL);
		(void)store_discard((*o)->store, got, why);
		kept = STORE_WRITE_FAILED;
	}
	store_object_drop(o);
	return kept;
}

/* A copy of its own in the place of an object: the old one stays where it is
 * linked. */
static bool
object_copy(struct store *s, const uint8_t digest[DIGEST_SIZE])
{
	uint8_t chunk[STORE_CHUNK];
	char tmp[STORE_NAME_SIZE], name[DIGEST_HEX_SIZE];
	int from = store_object_fd(s, digest);
	int to = from == -1 ? -1 : store_tmp_file(s, tmp);
	int dir = -1;
	bool ok = to != -1;
	ssize_t n = -1;

	while (ok && (n = fd_read(from, chunk, sizeof(chunk))) > 0)
		ok = fd_write_all(to, slice_of(chunk, (size_t)n));
	ok = ok && n == 0 && fchmod(to, STORE_OBJECT_MODE) == 0;
	store_shut(from);
	if (ok)
		dir = store_object_dir(s, digest, false, name);
	ok = dir != -1 && renameat(s->tmp, tmp, dir, name) == 0;
	store_shut(dir);
	if (!ok && to != -1)
		(void)unlinkat(s->tmp, tmp, 0);
	store_shut(to);
	return ok;
}

static bool
link_once(
    struct store *s, const uint8_t digest[DIGEST_SIZE], int dir, const char *to)
{
	char name[DIGEST_HEX_SIZE];
	int from = store_object_dir(s, digest, false, name);
	bool ok = from != -1 && linkat(from, name, dir, to, 0) == 0;

	store_shut(from);
	return ok;
}

bool
store_link(struct store *s, const uint8_t digest[DIGEST_SIZE], int dir,
    const char *name, struct why *why)
{
	struct stat st;

	/* linkat takes a symbolic link for itself: none may be planted. */
	if (!object_stat(s, digest, &st))
		return object_fault(s, why, digest,
		    file_is_absent(errno) || errno == EINVAL ? "is missing"
							     : NULL);
	if (link_once(s, digest, dir, name))
		return true;
	if (errno == EMLINK && object_copy(s, digest) &&
	    link_once(s, digest, dir, name))
		return true;
	if (errno == EPERM && st.st_uid != geteuid())
		return object_fault(s, why, digest,
		    "belongs to another user, and cannot be linked");
	return object_fault(s, why, digest, NULL);
}

/* One of objects/'s folders. *ended: visit wanted no more. */
static bool
visit_folder(const struct store *s, const char *folder, store_visit *visit,
    void *arg, bool *ended)
{
	uint8_t digest[DIGEST_SIZE];
	char hex[DIGEST_HEX_SIZE];
	int fd = store_dir_open(s->objects, folder);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	struct stat st;
	int error = 0;

	if (dir == NULL) {
		store_shut(fd);
		return errno == ENOENT;
	}
	while (!*ended && (errno = 0, entry = readdir(dir)) != NULL) {
		if (snprintf(hex, sizeof(hex), "%s%s", folder, entry->d_name) !=
			(int)sizeof(hex) - 1 ||
		    !digest_parse(slice_str(hex), digest))
			continue;
		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) ==
		    -1) {
			if (errno != ENOENT)
				break;
			continue;
		}
		if (!S_ISREG(st.st_mode))
			continue;
		*ended = !visit(arg, digest, (uint64_t)st.st_nlink - 1);
	}
	if (!*ended)
		error = errno;
	(void)closedir(dir);
	errno = error;
	return error == 0;
}

bool
store_objects(
    const struct store *s, store_visit *visit, void *arg, struct why *why)
{
	char folder[FOLDER_DIGITS + 1];
	bool ended = false;

	for (int i = 0; i < FOLDERS; i++) {
		(void)snprintf(
		    folder, sizeof(folder), "%02x", (unsigned)i % FOLDERS);
		if (!visit_folder(s, folder, visit, arg, &ended))
			return store_fault(s, why, "objects", NULL);
		if (ended)
			return false;
	}
	return true;
}
