/* SPDX-License-Identifier: ISC */
/* Releases of a store, and which of them is current. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "archive/store_internal.h"
#include "os/file.h"
#include "util/fd.h"

#define RELEASES "releases/"

uint64_t
store_serial_of(const char *name)
{
	uint64_t serial;

	if (name[0] == '0' ||
	    !slice_number(slice_str(name), STORE_SERIAL_MAX, &serial))
		return 0;
	return serial;
}

void
store_serial_name(uint64_t serial, char name[STORE_NAME_SIZE])
{
	(void)snprintf(name, STORE_NAME_SIZE, "%" PRIu64, serial);
}

int
store_release_fd(const struct store *s, uint64_t serial)
{
	char name[STORE_NAME_SIZE];

	store_serial_name(serial, name);
	return store_dir_open(s->releases, name);
}

bool
store_manifest(const struct store *s, uint64_t serial, struct buf *out)
{
	int release = store_release_fd(s, serial);
	int mirror = release == -1 ? -1 : store_dir_open(release, "mirror");
	struct stat st;
	int fd = mirror == -1 ? -1 : store_file_open(mirror, "MANIFEST", &st);
	bool ok = fd != -1 && fd_read_all(fd, out);

	store_shut(fd);
	store_shut(mirror);
	store_shut(release);
	return ok;
}

bool
store_throw_release(struct store *s, const char *name, bool *held)
{
	int fd = store_dir_open(s->releases, name);
	bool thrown;

	*held = false;
	/* Only a directory can be a release. */
	if (fd == -1 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP &&
	    errno != EACCES)
		return false;
	/* Kept until it is gone from its name: who opens it afterwards does not
	 * find it. A file system without locks has no holders either. */
	if (fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == -1 &&
	    errno == EWOULDBLOCK) {
		*held = true;
		store_shut(fd);
		return true;
	}
	thrown = store_throw(s, s->releases, name);
	store_shut(fd);
	return thrown;
}

/* False also when that cannot be told (*unread: errno). */
static bool
is_same_release(
    const struct store *s, uint64_t serial, struct slice bytes, int *unread)
{
	struct buf old;
	bool same;

	*unread = 0;
	buf_init(&old, MANIFEST_MAX);
	same = store_manifest(s, serial, &old);
	if (same)
		same = slice_equal(buf_view(&old), bytes);
	else if (!file_is_absent(errno))
		*unread = errno;
	buf_fini(&old);
	return same;
}

/* Another release stands where one is to be built, and must stay; or one that
 * cannot be read: what says the former. */
static bool
other_fault(struct store *s, struct why *why, const char *name, int unread,
    const char *what)
{
	errno = unread;
	return store_fault(s, why, name, unread != 0 ? NULL : what);
}

static bool
discard_release(struct store *s, const char *name)
{
	return store_throw(s, s->releases, name) && store_sweep(s, false);
}

/* In place of a release that is in use, only the same one will do: its files are
 * made links to their objects again. */
static bool
keep_held(struct store *s, const struct manifest *m, struct slice bytes,
    struct why *why)
{
	unsigned mended;
	int unread;

	if (is_same_release(s, m->serial, bytes, &unread))
		return store_relink(s, m, &mended, why);
	return other_fault(s, why, "releases", unread,
	    "another release of this serial is in use: restart the server, "
	    "then "
	    "try again");
}

/* All of it under a name that is no release's, then on the disk, then there. */
static bool
build_new(struct store *s, const char *name, const struct manifest *m,
    struct slice bytes, struct why *why)
{
	char new[STORE_NAME_SIZE + sizeof(".new")];
	bool ok, held = false;
	int fd;

	(void)snprintf(new, sizeof(new), "%s.new", name);
	fd = store_dir_make(s->releases, new, NULL);
	if (fd == -1)
		return store_fault(s, why, "releases", NULL);
	ok = store_fill(s, fd, true, m, bytes, why);
	store_shut(fd);
	/* What stood there goes only now, when it can be replaced. */
	if (ok &&
	    (syncfs(s->root) == -1 || !store_throw_release(s, name, &held) ||
		(!held && renameat(s->releases, new, s->releases, name) == -1)))
		ok = store_fault(s, why, "releases", NULL);
	else if (ok && held)
		ok = keep_held(s, m, bytes, why);
	if (!ok || held)
		(void)discard_release(s, new);
	else if (!store_sweep(s, false))
		ok = store_fault(s, why, "tmp", NULL);
	return ok;
}

bool
store_build(struct store *s, const struct manifest *m, struct slice bytes,
    struct why *why)
{
	char name[STORE_NAME_SIZE];
	int unread;

	assert(s->lock != -1);
	store_serial_name(m->serial, name);
	/* One that is not served is nobody's to trust: files may have gone from it,
	 * or rotten, since it was built. */
	if (store_current(s) != m->serial) {
		if (!build_new(s, name, m, bytes, why))
			return false;
	} else if (!is_same_release(s, m->serial, bytes, &unread)) {
		return other_fault(s, why, STORE_CURRENT, unread,
		    "another manifest of this serial is being served");
	}
	return fsync(s->releases) == 0 || store_fault(s, why, "releases", NULL);
}

bool
store_restore(struct store *s, const struct manifest *m, struct slice bytes,
    struct why *why)
{
	int release = store_release_fd(s, m->serial);
	bool ok;

	assert(s->lock != -1);
	if (release == -1)
		return store_fault(s, why, "releases", NULL);
	ok = store_fill(s, release, false, m, bytes, why);
	store_shut(release);
	if (ok && syncfs(s->root) == -1)
		ok = store_fault(s, why, "releases", NULL);
	return ok;
}

bool
store_restore_manifest(
    struct store *s, uint64_t serial, struct slice bytes, struct why *why)
{
	int release = store_release_fd(s, serial);
	int mirror =
	    release == -1 ? -1 : store_dir_make(release, "mirror", NULL);
	bool ok;

	assert(s->lock != -1);
	ok = mirror != -1 &&
	     store_put_file(s, mirror, "MANIFEST", bytes, STORE_OBJECT_MODE);
	store_shut(mirror);
	store_shut(release);
	return ok || store_fault(s, why, "releases", NULL);
}

/* Its time tells store_is_recent when it was superseded. */
static bool
mark_superseded(struct store *s, uint64_t serial)
{
	char name[STORE_NAME_SIZE];

	if (serial == 0)
		return true;
	store_serial_name(serial, name);
	return utimensat(s->releases, name, NULL, AT_SYMLINK_NOFOLLOW) == 0;
}

bool
store_switch(struct store *s, uint64_t serial, struct why *why)
{
	char target[sizeof(RELEASES) + STORE_NAME_SIZE];
	char tmp[STORE_NAME_SIZE];
	uint64_t old = store_current(s);
	int release = store_release_fd(s, serial);

	assert(s->lock != -1);
	if (release == -1)
		return store_fault(s, why, "releases", NULL);
	store_shut(release);
	if (old == serial)
		return true;
	(void)snprintf(target, sizeof(target), RELEASES "%" PRIu64, serial);
	store_tmp_name(s, STORE_CURRENT, tmp);
	if (!mark_superseded(s, old) || symlinkat(target, s->tmp, tmp) == -1)
		return store_fault(s, why, STORE_CURRENT, NULL);
	if (renameat(s->tmp, tmp, s->root, STORE_CURRENT) == -1) {
		(void)store_fault(s, why, STORE_CURRENT, NULL);
		(void)unlinkat(s->tmp, tmp, 0);
		return false;
	}
	return fsync(s->root) == 0 || store_fault(s, why, STORE_CURRENT, NULL);
}

uint64_t
store_current(const struct store *s)
{
	char target[sizeof(RELEASES) + STORE_NAME_SIZE];
	ssize_t n =
	    readlinkat(s->root, STORE_CURRENT, target, sizeof(target) - 1);
	uint64_t serial;
	int fd;

	/* What is not a link is not a release either. */
	if (n == -1 && errno != EINVAL)
		return 0;
	target[n > 0 ? n : 0] = '\0';
	errno = ENOENT;
	if (!slice_starts(slice_str(target), SLICE(RELEASES)))
		return 0;
	serial = store_serial_of(target + sizeof(RELEASES) - 1);
	if (serial == 0)
		return 0;
	fd = store_release_fd(s, serial);
	if (fd == -1)
		return 0;
	(void)close(fd);
	return serial;
}

static int
compare_serials(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* One serial more; false when memory is short. */
static bool
release_add_serial(uint64_t **list, size_t *n, size_t *room, uint64_t serial)
{
	uint64_t *more;

	if (*n == *room) {
		*room = *room == 0 ? 16 : *room * 2;
		more = reallocarray(*list, *room, sizeof(**list));
		if (more == NULL)
			return false;
		*list = more;
	}
	(*list)[(*n)++] = serial;
	return true;
}

/* All of dir's that are releases; false and errno. */
static bool
list_releases(DIR *dir, uint64_t **list, size_t *n)
{
	const struct dirent *entry;
	size_t room = 0;
	uint64_t serial;
	struct stat st;

	while (errno = 0, (entry = readdir(dir)) != NULL) {
		serial = store_serial_of(entry->d_name);
		if (serial == 0)
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &st,
			AT_SYMLINK_NOFOLLOW) == -1) {
			if (errno != ENOENT) /* just pruned */
				return false;
			continue;
		}
		if (!S_ISDIR(st.st_mode))
			continue;
		if (!release_add_serial(list, n, &room, serial))
			return false;
	}
	return errno == 0;
}

uint64_t *
store_releases(const struct store *s, size_t *n)
{
	int fd = store_dir_open(s->releases, ".");
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	uint64_t *list = NULL;
	int error;

	*n = 0;
	if (dir != NULL && list_releases(dir, &list, n)) {
		(void)closedir(dir);
		if (*n > 0)
			qsort(list, *n, sizeof(*list), compare_serials);
		return list;
	}
	error = errno;
	if (dir == NULL)
		store_shut(fd);
	else
		(void)closedir(dir);
	free(list);
	*n = 1;
	errno = error;
	return NULL;
}

bool
store_highest(const struct store *s, uint64_t *serial)
{
	size_t n;
	uint64_t *list = store_releases(s, &n);
	bool ok = list != NULL || n == 0;

	if (ok)
		*serial = n == 0 ? 0 : list[n - 1];
	free(list);
	return ok;
}

bool
store_write_trace(struct store *s, struct slice text, struct why *why)
{
	return store_put_file(s, s->root, STORE_TRACE, text, STORE_FILE_MODE) ||
	       store_fault(s, why, STORE_TRACE, NULL);
}
