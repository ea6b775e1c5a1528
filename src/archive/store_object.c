/* SPDX-License-Identifier: ISC */
/* Objects of a store: files by the SHA-256 of their bytes. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/store_internal.h"
#include "os/file.h"
#include "util/fd.h"

struct store_object {
	struct store *store;
	struct digest digest;
	uint64_t size;
	int fd;
	char name[STORE_NAME_SIZE]; /* in tmp/; "": it is there no more */
};

bool
store_object_fault(const struct store *s, struct why *why,
    const uint8_t digest[DIGEST_SIZE], const char *what)
{
	char path[STORE_PATH_SIZE];

	store_layout_object(digest, path);
	return store_fault(s, why, path, what);
}

/* An object's name beneath s->objects, in path. Its folder (made when that is wanted)
 * is looked at once: the lock keeps others of our kind away, and who else may write
 * here needs no link. NULL and errno. */
static const char *
object_place(const struct store *s, const uint8_t digest[DIGEST_SIZE],
    bool make, char path[STORE_PATH_SIZE])
{
	char *name = path + sizeof(STORE_OBJECTS), *slash;
	int fd;

	store_layout_object(digest, path);
	if (s->folder[digest[0]])
		return name;
	slash = strchr(name, '/');
	*slash = '\0';
	fd = make ? store_dir_make(s->objects, name, NULL)
		  : store_dir_open(s->objects, name);
	*slash = '/';
	if (fd == -1)
		return NULL;
	(void)close(fd);
	s->folder[digest[0]] = true;
	return name;
}

bool
store_object_stat(
    const struct store *s, const uint8_t digest[DIGEST_SIZE], struct stat *st)
{
	char path[STORE_PATH_SIZE];
	const char *name = object_place(s, digest, false, path);

	if (name == NULL ||
	    fstatat(s->objects, name, st, AT_SYMLINK_NOFOLLOW) == -1)
		return false;
	errno = EINVAL;
	return S_ISREG(st->st_mode);
}

int
store_object_fd(
    const struct store *s, const uint8_t digest[DIGEST_SIZE], struct stat *st)
{
	char path[STORE_PATH_SIZE];
	const char *name = object_place(s, digest, false, path);

	return name == NULL ? -1 : store_file_open(s->objects, name, st);
}

bool
store_has(struct store *s, const uint8_t digest[DIGEST_SIZE])
{
	uint8_t got[DIGEST_SIZE];
	struct stat st;
	struct why why;
	bool hashed;
	int fd;

	if (!store_object_stat(s, digest, &st))
		return false;
	if (st.st_nlink > 1)
		return true;
	fd = store_object_fd(s, digest, NULL);
	hashed = fd != -1 && digest_fd(fd, got);
	fd_close(fd);
	if (hashed && digest_equal(got, digest))
		return true;
	if (hashed && s->lock != -1)
		(void)store_discard(s, digest, &why);
	return false;
}

bool
store_discard(
    struct store *s, const uint8_t digest[DIGEST_SIZE], struct why *why)
{
	char path[STORE_PATH_SIZE];
	const char *name = object_place(s, digest, false, path);

	assert(s->lock != -1);
	return (name != NULL && unlinkat(s->objects, name, 0) == 0) ||
	       errno == ENOENT || store_object_fault(s, why, digest, NULL);
}

struct store_object *
store_object_new(struct store *s, struct why *why)
{
	struct store_object *o = calloc(1, sizeof(*o));

	int fd = o == NULL ? -1 : store_tmp_file(s, o->name);

	if (fd == -1) {
		(void)store_fault(s, why, STORE_TMP, NULL);
		free(o);
		return NULL;
	}
	o->store = s;
	o->fd = fd;
	digest_init(&o->digest);
	return o;
}

bool
store_object_put(struct store_object *o, struct slice bytes, struct why *why)
{
	if (!fd_write_all(o->fd, bytes))
		return store_fault(o->store, why, STORE_TMP, NULL);
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
	fd_close(old->fd);
	if (old->name[0] != '\0')
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
	char path[STORE_PATH_SIZE];
	const char *name = object_place(s, digest, true, path);
	struct stat st;

	if (name == NULL)
		return false;
	if (store_object_stat(s, digest, &st) && st.st_nlink > 1 &&
	    (uint64_t)st.st_size == o->size)
		return true;
	if (fchmod(o->fd, STORE_OBJECT_MODE) == -1 ||
	    renameat(s->tmp, o->name, s->objects, name) == -1)
		return false;
	o->name[0] = '\0';
	return true;
}

enum store_kept
store_object_keep(struct store_object **o, const uint8_t *expected,
    uint8_t digest[DIGEST_SIZE], struct why *why)
{
	struct store *s = (*o)->store;
	enum store_kept kept = STORE_KEPT;
	uint8_t got[DIGEST_SIZE];

	if (!digest_end(&(*o)->digest, got)) {
		(void)store_fault(s, why, STORE_TMP, strerror(ENOMEM));
		kept = STORE_WRITE_FAILED;
	} else if (expected != NULL && !digest_equal(expected, got)) {
		kept = STORE_OTHER_HASH;
	} else if (!object_settle(*o, got)) {
		(void)store_object_fault(s, why, got, NULL);
		kept = STORE_WRITE_FAILED;
	}
	/* Some file systems tell only here that the disk was full. */
	if (close((*o)->fd) == -1 && kept == STORE_KEPT) {
		(void)store_object_fault(s, why, got, NULL);
		(void)store_discard(s, got, why);
		kept = STORE_WRITE_FAILED;
	}
	(*o)->fd = -1;
	store_object_drop(o);
	if (digest != NULL)
		memcpy(digest, got, sizeof(got));
	return kept;
}

/* A copy of its own in the place of an object, hashed once more: the old one stays
 * where it is linked. */
static bool
object_copy(struct store *s, const uint8_t digest[DIGEST_SIZE])
{
	uint8_t chunk[STORE_CHUNK];
	int fd = store_object_fd(s, digest, NULL);
	struct why why;
	struct store_object *o = fd == -1 ? NULL : store_object_new(s, &why);
	ssize_t n = -1;

	while (o != NULL && (n = fd_read(fd, chunk, sizeof(chunk))) > 0)
		if (!store_object_put(o, slice_of(chunk, (size_t)n), &why))
			break;
	fd_close(fd);
	if (n == 0 && store_discard(s, digest, &why))
		return store_object_keep(&o, digest, NULL, &why) == STORE_KEPT;
	store_object_drop(&o);
	return false;
}

static bool
object_link(
    struct store *s, const uint8_t digest[DIGEST_SIZE], int dir, const char *to)
{
	char path[STORE_PATH_SIZE];
	const char *name = object_place(s, digest, false, path);

	if (name == NULL)
		return false;
	if (linkat(s->objects, name, dir, to, 0) == 0)
		return true;
	return errno == EMLINK && object_copy(s, digest) &&
	       linkat(s->objects, name, dir, to, 0) == 0;
}

/* No other file has so many names: it is an object that object_copy has left. */
enum { MANY_NAMES = 1000 };

bool
store_is_linked(const struct stat *object, int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) && st.st_size == object->st_size &&
	       ((st.st_ino == object->st_ino && st.st_dev == object->st_dev) ||
		   st.st_nlink >= MANY_NAMES);
}

/* In place of what lies at dir/name. */
static bool
object_replace(struct store *s, const uint8_t digest[DIGEST_SIZE], int dir,
    const char *name)
{
	char tmp[STORE_NAME_SIZE];

	store_tmp_name(s, "link", tmp);
	if (!object_link(s, digest, s->tmp, tmp))
		return false;
	if (renameat(s->tmp, tmp, dir, name) == 0 ||
	    (errno == EISDIR && store_throw(s, dir, name) &&
		renameat(s->tmp, tmp, dir, name) == 0))
		return true;
	(void)unlinkat(s->tmp, tmp, 0);
	return false;
}

bool
store_link(struct store *s, const uint8_t digest[DIGEST_SIZE], int dir,
    const char *name, struct why *why)
{
	struct stat st;

	if (object_link(s, digest, dir, name))
		return true;
	if (file_is_absent(errno))
		return store_object_fault(s, why, digest, "is missing");
	if (errno == EEXIST && store_object_stat(s, digest, &st) &&
	    (store_is_linked(&st, dir, name) ||
		object_replace(s, digest, dir, name)))
		return true;
	if (errno == EPERM && store_object_stat(s, digest, &st) &&
	    st.st_uid != geteuid())
		return store_object_fault(s, why, digest,
		    "belongs to another user, and cannot be linked");
	return store_object_fault(s, why, digest, NULL);
}

/* One of objects/'s folders. *ended: visit wanted no more. */
static bool
visit_folder(const struct store *s, const char *folder, store_visit *visit,
    void *arg, bool *ended)
{
	uint8_t digest[DIGEST_SIZE];
	char hex[DIGEST_HEX_SIZE];
	struct file_names list;
	const char *name;

	file_names_open(&list, s->objects, folder);
	while (!*ended && (name = file_names_next(&list)) != NULL) {
		if (S_ISREG(list.st.st_mode) &&
		    snprintf(hex, sizeof(hex), "%s%s", folder, name) ==
			(int)sizeof(hex) - 1 &&
		    digest_parse(slice_str(hex), digest))
			*ended =
			    !visit(arg, digest, (uint64_t)list.st.st_nlink - 1);
	}
	return file_names_close(&list) || errno == ENOENT;
}

bool
store_objects(
    const struct store *s, store_visit *visit, void *arg, struct why *why)
{
	char folder[sizeof("ab")];
	bool ended = false;

	for (unsigned i = 0; i < STORE_FOLDERS; i++) {
		(void)snprintf(
		    folder, sizeof(folder), "%02x", i % STORE_FOLDERS);
		if (!visit_folder(s, folder, visit, arg, &ended))
			return store_fault(s, why, "objects", NULL);
		if (ended)
			return false;
	}
	return true;
}
