/* SPDX-License-Identifier: ISC */
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* The rename itself lasts only when the directory is on the disk as well; a
 * file system that cannot do that is no reason to fail. */
static void
sync_directory_of(const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - path) + 1;
	int fd;

	if (len >= sizeof(dir))
		return;
	memcpy(dir, path, len);
	dir[len] = '\0';
	fd = file_root(len == 0 ? "." : dir);
	if (fd != -1) {
		(void)fsync(fd);
		(void)close(fd);
	}
}

/* A device, pipe or the like must be written to, never renamed over. */
static bool
is_special(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && !S_ISREG(st.st_mode) &&
	       !S_ISLNK(st.st_mode);
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

bool
file_write(const char *path, struct slice bytes, mode_t mode)
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
	if (is_special(path))
		return write_special(path, bytes);
	memcpy(temporary, path, len);
	memcpy(temporary + len, suffix, sizeof(suffix));
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd == -1)
		return false;
	ok = file_write_all(fd, bytes) && fchmod(fd, mode) == 0 &&
	     fsync(fd) == 0;
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

bool
file_create(const char *path, struct slice bytes, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR);
	bool ok;
	int error;

	if (fd == -1)
		return false;
	ok = file_write_all(fd, bytes) && fchmod(fd, mode) == 0 &&
	     fsync(fd) == 0;
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
