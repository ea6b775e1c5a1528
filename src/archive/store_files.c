/* SPDX-License-Identifier: ISC */
/* Files and directories of a store: made, put in place, swept away. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archive/store_internal.h"
#include "os/file.h"

/* What was thrown away begins so in tmp/. */
#define THROWN "gone"

int
store_dir_open(int dir, const char *name)
{
	return openat(dir, name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
}

int
store_dir_make(int dir, const char *name, bool *made)
{
	int fd;

	if (made != NULL)
		*made = false;
	fd = store_dir_open(dir, name);
	if (fd != -1 || errno != ENOENT)
		return fd;
	if (mkdirat(dir, name, 0700) == -1 && errno != EEXIST)
		return -1;
	fd = store_dir_open(dir, name);
	if (fd != -1 && fchmod(fd, STORE_DIR_MODE) == -1) {
		store_shut(fd);
		return -1;
	}
	if (made != NULL)
		*made = true;
	return fd;
}

int
store_file_open(int dir, const char *name, struct stat *st)
{
	int fd = openat(dir, name,
	    O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd == -1)
		return -1;
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
		return fd;
	(void)close(fd);
	errno = EINVAL;
	return -1;
}

void
store_shut(int fd)
{
	int error = errno;

	if (fd != -1)
		(void)close(fd);
	errno = error;
}

void
store_tmp_name(struct store *s, const char *kind, char name[STORE_NAME_SIZE])
{
	(void)snprintf(name, STORE_NAME_SIZE, "%s.%ld.%lu", kind,
	    (long)getpid(), s->made++);
}

int
store_tmp_file(struct store *s, char name[STORE_NAME_SIZE])
{
	int fd;

	assert(s->tmp != -1);
	do {
		store_tmp_name(s, "new", name);
		fd = openat(s->tmp, name,
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	} while (fd == -1 && errno == EEXIST);
	return fd;
}

bool
store_put_file(
    struct store *s, int dir, const char *name, struct slice bytes, mode_t mode)
{
	char tmp[STORE_NAME_SIZE];
	int fd = store_tmp_file(s, tmp);
	bool ok;
	int error;

	if (fd == -1)
		return false;
	ok = file_fill(fd, NULL, bytes, mode);
	error = errno;
	if (ok && renameat(s->tmp, tmp, dir, name) == -1) {
		error = errno;
		ok = false;
	}
	if (!ok)
		(void)unlinkat(s->tmp, tmp, 0);
	else
		(void)fsync(dir);
	errno = error;
	return ok;
}

bool
store_throw(struct store *s, int dir, const char *name)
{
	char gone[STORE_NAME_SIZE];

	assert(s->tmp != -1);
	/* Taken by what an earlier run has thrown: the next one. */
	do {
		store_tmp_name(s, THROWN, gone);
		if (renameat(dir, name, s->tmp, gone) == 0)
			return true;
	} while (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR ||
		 errno == EISDIR);
	return errno == ENOENT;
}

/* Removes dir/name; a directory in it moves up to tmp/ first, so that no depth
 * of a hostile tree needs a stack. */
static bool
remove_one(struct store *s, int dir, const char *name)
{
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return true;
	if (errno != EISDIR && errno != EPERM)
		return false;
	if (unlinkat(dir, name, AT_REMOVEDIR) == 0)
		return true;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return false;
	return store_throw(s, dir, name);
}

static bool
is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* All that lies in tmp/name, a directory. */
static bool
empty_one(struct store *s, const char *name)
{
	int fd = store_dir_open(s->tmp, name);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	bool ok = true;

	if (dir == NULL) {
		store_shut(fd);
		return false;
	}
	while (ok && (entry = readdir(dir)) != NULL)
		if (!is_dots(entry->d_name))
			ok = remove_one(s, fd, entry->d_name);
	(void)closedir(dir);
	return ok;
}

static bool
sweep_one(struct store *s, const char *name)
{
	if (unlinkat(s->tmp, name, 0) == 0 || errno == ENOENT)
		return true;
	if (errno != EISDIR && errno != EPERM)
		return false;
	return empty_one(s, name) && unlinkat(s->tmp, name, AT_REMOVEDIR) == 0;
}

bool
store_sweep(struct store *s, bool all)
{
	int fd = store_dir_open(s->tmp, ".");
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	bool ok = true, found = true;

	if (dir == NULL) {
		store_shut(fd);
		return false;
	}
	/* Directories that moved up are met in the same round or the next. */
	while (ok && found) {
		found = false;
		rewinddir(dir);
		while (ok && (entry = readdir(dir)) != NULL) {
			if (is_dots(entry->d_name) ||
			    (!all && !slice_starts(slice_str(entry->d_name),
					 SLICE(THROWN "."))))
				continue;
			found = true;
			ok = sweep_one(s, entry->d_name);
		}
	}
	(void)closedir(dir);
	return ok;
}
