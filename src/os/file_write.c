/* SPDX-License-Identifier: ISC */
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINKS_MAX = 40 }; /* one after the other, as the kernel's own limit */

bool
file_write_all(int fd, struct slice bytes)
{
	ssize_t n;

	while (bytes.len > 0) {
		n = write(fd, bytes.ptr, bytes.len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes = slice_skip(bytes, (size_t)n);
	}
	return true;
}

/* The directory that path lies in, opened; -1 and errno. */
static int
open_directory_of(const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - path) + 1;

	if (len >= sizeof(dir)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(dir, path, len);
	dir[len] = '\0';
	return file_root(len == 0 ? "." : dir);
}

bool
file_give(int fd, const char *path)
{
	struct stat dir, file;
	int parent;
	bool known;

	if (geteuid() != 0)
		return true;
	parent = open_directory_of(path);
	if (parent == -1)
		return false;
	known = fstat(parent, &dir) == 0 && fstat(fd, &file) == 0;
	(void)close(parent);
	if (!known)
		return false;
	return (file.st_uid == dir.st_uid && file.st_gid == dir.st_gid) ||
	       fchown(fd, dir.st_uid, dir.st_gid) == 0;
}

/* The rename itself lasts only when the directory is on the disk as well; a
 * file system that cannot do that must not make the write fail. */
static void
sync_directory_of(const char *path)
{
	int fd = open_directory_of(path);

	if (fd != -1) {
		(void)fsync(fd);
		(void)close(fd);
	}
}

static bool
write_special(const char *path, struct slice bytes)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	bool ok = fd != -1 && file_write_all(fd, bytes);

	if (fd != -1)
		(void)close(fd);
	return ok;
}

/* Writes a new file beside path and renames it over path. */
static bool
replace(const char *path, struct slice bytes, mode_t mode)
{
	static const char suffix[] = ".XXXXXX";
	char temporary[PATH_MAX];
	size_t len = strlen(path);
	bool ok;
	int error;
	int fd;

	if (len >= sizeof(temporary) - sizeof(suffix)) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(temporary, path, len);
	memcpy(temporary + len, suffix, sizeof(suffix));
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd == -1)
		return false;
	ok = file_write_all(fd, bytes) && file_give(fd, path) &&
	     fchmod(fd, mode) == 0 && fsync(fd) == 0;
	error = errno;
	if (close(fd) == -1 && ok) {
		error = errno;
		ok = false;
	}
	if (ok && rename(temporary, path) == -1) {
		error = errno;
		ok = false;
	}
	if (!ok) {
		(void)unlink(temporary);
		errno = error;
		return false;
	}
	sync_directory_of(path);
	return true;
}

/* Reads one symbolic link at path. False and errno. */
static bool
follow_link(char path[PATH_MAX], const char *link, size_t len)
{
	const char *slash = strrchr(path, '/');
	size_t at = 0;

	if (link[0] != '/' && slash != NULL)
		at = (size_t)(slash - path) + 1;
	if (len >= PATH_MAX - at) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(path + at, link, len);
	path[at + len] = '\0';
	return true;
}

bool
file_target(const char *path, char out[PATH_MAX])
{
	char link[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (strlen(path) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(out, path, strlen(path) + 1);
	/* The kernel first: it knows links that must not be followed. */
	if (stat(path, &st) == -1 && errno != ENOENT)
		return false;
	for (int i = 0; i < LINKS_MAX; i++) {
		n = readlink(out, link, sizeof(link));
		if (n == -1)
			return errno == EINVAL || errno == ENOENT;
		if (!follow_link(out, link, (size_t)n))
			return false;
	}
	errno = ELOOP;
	return false;
}

bool
file_write(const char *path, struct slice bytes, mode_t mode)
{
	char target[PATH_MAX];
	struct stat st;

	/* A device, pipe or the like must never be replaced. Where a link in
	 * /proc leads, only the kernel knows. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return write_special(path, bytes);
	return file_target(path, target) && replace(target, bytes, mode);
}

bool
file_replace(const char *path, struct slice bytes, mode_t mode)
{
	struct stat st;

	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode) &&
	    !S_ISLNK(st.st_mode))
		return write_special(path, bytes);
	return replace(path, bytes, mode);
}

bool
file_create(const char *path, struct slice bytes, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR);
	bool ok;
	int error;

	if (fd == -1)
		return false;
	ok = file_write_all(fd, bytes) && file_give(fd, path) &&
	     fchmod(fd, mode) == 0 && fsync(fd) == 0;
	error = errno;
	if (close(fd) == -1 && ok) {
		error = errno;
		ok = false;
	}
	if (!ok) {
		(void)unlink(path);
		errno = error;
		return false;
	}
	sync_directory_of(path);
	return true;
}
