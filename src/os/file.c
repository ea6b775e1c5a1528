/* SPDX-License-Identifier: ISC */
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#ifdef SYS_openat2
#include <linux/openat2.h>
#endif

#include "os/file_internal.h"
#include "util/clock.h"
#include "util/fd.h"

enum { LINKS_MAX = 40 }; /* one after the other, as the kernel's own limit */
enum { LOCK_TIMER_US = 100 * 1000 };

/* O_NONBLOCK: a FIFO must not hold us up. */
enum { OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY };

/* A directory on the way that we may search but not read still works where the
 * system has O_PATH. */
#ifdef O_PATH
enum { STEP_FLAGS = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };
#else
enum { STEP_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };
#endif

_Static_assert(sizeof(off_t) == 8, "files over 2 GiB: -D_FILE_OFFSET_BITS=64");

/* openat2 answers EAGAIN when a rename anywhere raced with a path that goes
 * through "..", as links may. */
enum { OPEN_TRIES = 8 };

static bool forced_walk;

int
file_root(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int
openat2_beneath(int root, const char *path)
{
#ifdef SYS_openat2
	/* The C library adds O_LARGEFILE only to its own open calls; without
	 * it, files over 2 GiB cannot be opened on 32-bit systems (open(2)). */
	const struct open_how how = {
		.flags = OPEN_FLAGS | O_LARGEFILE,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
#else
	(void)root;
	(void)path;
	errno = ENOSYS;
	return -1;
#endif
}

bool
file_is_absent(int error)
{
	return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

bool
file_has_openat2(void)
{
	static int known; /* 0: not asked, else 1 or -1 */

	if (known == 0) {
		known = 1;
#ifdef SYS_openat2
		/* A structure of size 0 is invalid: a kernel that has the call
		 * returns EINVAL. */
		if (syscall(SYS_openat2, -1, NULL, NULL, 0) == -1 &&
		    (errno == ENOSYS || errno == EPERM))
			known = -1;
#else
		known = -1;
#endif
	}
	return known == 1;
}

void
file_force_walk(bool force)
{
	forced_walk = force;
}

static enum file_open
open_result(int error)
{
	switch (error) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return FILE_EXHAUSTED;
	case EIO:
		return FILE_FAILED;
	default:
		return FILE_ABSENT;
	}
}

/* Takes fd over: it is passed on only when it is a file or directory to
 * serve. */
static enum file_open
open_check(int fd, int *out, struct stat *st)
{
	int error;

	if (fstat(fd, st) == -1) {
		error = errno;
		close(fd);
		return open_result(error);
	}
	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode)) {
		close(fd);
		return FILE_ABSENT;
	}
	*out = fd;
	return FILE_OPENED;
}

enum file_open
file_open_kernel(int root, const char *path, int *fd, struct stat *st)
{
	int tries = 0;
	int got;

	do {
		got = openat2_beneath(root, path[0] == '\0' ? "." : path);
	} while (got == -1 &&
		 (errno == EINTR || (errno == EAGAIN && ++tries < OPEN_TRIES)));
	return got == -1 ? open_result(errno) : open_check(got, fd, st);
}

static int
openat_retried(int dir, const char *name, int flags)
{
	int fd;

	do {
		fd = openat(dir, name, flags);
	} while (fd == -1 && errno == EINTR);
	return fd;
}

/* Copies the first component of *path into name and moves *path past it and its
 * slashes. False when no file beneath the root can have it. */
static bool
walk_component(const char **path, char name[NAME_MAX + 1])
{
	const char *p = *path;
	size_t len = strcspn(p, "/");

	if (len == 0 || len > NAME_MAX ||
	    (len == 2 && p[0] == '.' && p[1] == '.'))
		return false;
	memcpy(name, p, len);
	name[len] = '\0';
	*path = p + len + strspn(p + len, "/");
	return true;
}

enum file_open
file_open_walk(int root, const char *path, int *fd, struct stat *st)
{
	size_t len = strlen(path);
	bool slash = len > 0 && path[len - 1] == '/';
	char name[NAME_MAX + 1];
	int dir = root;
	int got;
	int error;

	if (len == 0)
		path = ".";
	for (;;) {
		got = -1;
		error = ENOENT;
		if (!walk_component(&path, name))
			break;
		got = openat_retried(dir, name,
		    path[0] != '\0' ? STEP_FLAGS
		    : slash         ? OPEN_FLAGS | O_NOFOLLOW | O_DIRECTORY
				    : OPEN_FLAGS | O_NOFOLLOW);
		error = errno;
		if (got == -1 || path[0] == '\0')
			break;
		if (dir != root)
			close(dir);
		dir = got;
	}
	if (dir != root)
		close(dir);
	return got == -1 ? open_result(error) : open_check(got, fd, st);
}

enum file_open
file_open_beneath(int root, const char *path, int *fd, struct stat *st)
{
	if (!forced_walk && file_has_openat2())
		return file_open_kernel(root, path, fd, st);
	return file_open_walk(root, path, fd, st);
}

bool
file_read_path(const char *path, struct buf *out)
{
	int fd = openat_retried(AT_FDCWD, path, OPEN_FLAGS);
	bool ok;

	if (fd == -1)
		return false;
	ok = fd_read_all(fd, out);
	fd_close(fd);
	return ok;
}

/* The directory that path lies in, opened; -1 and errno. */
static int
path_open_parent(const char *path)
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

/* Run by root, gives the open file or directory at path to the owner and group
 * of the directory that it lies in. False and errno. */
static bool
file_give(int fd, const char *path)
{
	struct stat dir, file;
	int parent;
	bool known;

	if (geteuid() != 0)
		return true;
	parent = path_open_parent(path);
	if (parent == -1)
		return false;
	known = fstat(parent, &dir) == 0 && fstat(fd, &file) == 0;
	close(parent);
	if (!known)
		return false;
	return (file.st_uid == dir.st_uid && file.st_gid == dir.st_gid) ||
	       fchown(fd, dir.st_uid, dir.st_gid) == 0;
}

/* The rename itself lasts only when the directory is on the disk as well; a
 * file system that cannot do that must not make the write fail. */
static void
path_sync_parent(const char *path)
{
	int fd = path_open_parent(path);

	if (fd != -1) {
		fsync(fd);
		close(fd);
	}
}

static bool
special_write(const char *path, struct slice bytes)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	bool ok = fd != -1 && fd_write_all(fd, bytes);

	fd_close(fd);
	return ok;
}

bool
file_fill(int fd, const char *path, struct slice bytes, mode_t mode)
{
	bool ok = fd_write_all(fd, bytes) &&
		  (path == NULL || file_give(fd, path)) &&
		  fchmod(fd, mode) == 0 && fsync(fd) == 0;
	int error = errno;

	if (close(fd) == -1 && ok)
		return false;
	errno = error;
	return ok;
}

/* Fills the file just made as temporary and renames it to path, which may be
 * the same. False and errno, and it is removed. */
static bool
file_complete(int fd, const char *temporary, const char *path,
    struct slice bytes, mode_t mode)
{
	bool ok = file_fill(fd, path, bytes, mode) &&
		  (temporary == path || rename(temporary, path) == 0);
	int error = errno;

	if (ok)
		path_sync_parent(path);
	else
		unlink(temporary);
	errno = error;
	return ok;
}

/* Writes a new file beside path and renames it over path. */
static bool
path_replace(const char *path, struct slice bytes, mode_t mode)
{
	static const char suffix[] = ".XXXXXX";
	char temporary[PATH_MAX];
	size_t len = strlen(path);
	int fd;

	if (len >= sizeof(temporary) - sizeof(suffix)) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(temporary, path, len);
	memcpy(temporary + len, suffix, sizeof(suffix));
	fd = mkostemp(temporary, O_CLOEXEC);
	return fd != -1 && file_complete(fd, temporary, path, bytes, mode);
}

/* Reads one symbolic link at path. False and errno. */
static bool
link_follow(char path[PATH_MAX], const char *link, size_t len)
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
		if (!link_follow(out, link, (size_t)n))
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
		return special_write(path, bytes);
	return file_target(path, target) && path_replace(target, bytes, mode);
}

bool
file_replace(const char *path, struct slice bytes, mode_t mode)
{
	struct stat st;

	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode) &&
	    !S_ISLNK(st.st_mode))
		return special_write(path, bytes);
	return path_replace(path, bytes, mode);
}

bool
file_create(const char *path, struct slice bytes, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR);

	return fd != -1 && file_complete(fd, path, path, bytes, mode);
}

/* O_NOFOLLOW: another user may replace the file in their directory at any
 * moment. */
static bool
dir_make(const char *path, mode_t mode)
{
	bool ok;
	int fd;

	if (mkdir(path, mode) == -1)
		return errno == EEXIST;
	if (geteuid() != 0)
		return true;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	ok = fd != -1 && file_give(fd, path);
	fd_close(fd);
	return ok;
}

bool
file_make_dirs(const char *path, mode_t mode)
{
	char part[PATH_MAX];
	size_t len = strlen(path);
	size_t at;
	struct stat st;

	if (len == 0 || len >= sizeof(part)) {
		errno = len == 0 ? ENOENT : ENAMETOOLONG;
		return false;
	}
	memcpy(part, path, len + 1);
	for (at = 1; at <= len; at++) {
		if (part[at] != '/' && part[at] != '\0')
			continue;
		part[at] = '\0';
		if (!dir_make(part, mode))
			return false;
		part[at] = path[at];
	}
	if (stat(path, &st) == -1)
		return false;
	if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return false;
	}
	return true;
}

static void
on_lock_timer(int number)
{
	(void)number;
}

/* Anybody who can open it can hold it forever. One that asks again and again
 * may never find it free: so this waits in flock(2), which a timer interrupts:
 * more than once, in case it first comes before the wait. */
static bool
lock_wait(int fd)
{
	const struct itimerval often = { { .tv_usec = LOCK_TIMER_US },
		{ .tv_usec = LOCK_TIMER_US } };
	struct sigaction act = { .sa_handler = on_lock_timer }, before;
	struct itimerval timer_before;
	uint64_t end = clock_ms() + FILE_LOCK_WAIT_MS;
	bool locked;
	int error;

	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	sigemptyset(&act.sa_mask);
	if (sigaction(SIGALRM, &act, &before) == -1)
		return false;
	(void)setitimer(ITIMER_REAL, &often, &timer_before);
	do
		locked = flock(fd, LOCK_EX) == 0;
	while (!locked && errno == EINTR && clock_ms() < end);
	error = errno == EINTR ? EWOULDBLOCK : errno;
	(void)setitimer(ITIMER_REAL, &timer_before, NULL);
	(void)sigaction(SIGALRM, &before, NULL);
	errno = error;
	return locked;
}

int
file_lock_dir(const char *path, mode_t mode)
{
	int fd = file_root(path);

	if (fd == -1 && errno == ENOENT && file_make_dirs(path, mode))
		fd = file_root(path);
	if (fd != -1 && !lock_wait(fd)) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* The real path of path, or, for one that does not exist yet, of the nearest
 * parent that does. The caller frees. */
static char *
path_resolve(const char *path)
{
	char *text = strdup(path[0] != '\0' ? path : ".");
	char *real = NULL, *slash;

	/* Without a working directory not even "." is there. */
	while (text != NULL && (real = realpath(text, NULL)) == NULL &&
	       errno == ENOENT && strcmp(text, ".") != 0) {
		slash = strrchr(text, '/');
		if (slash == NULL)
			memcpy(text, ".", sizeof("."));
		else if (slash == text)
			slash[1] = '\0';
		else
			*slash = '\0';
	}
	free(text);
	return real;
}

bool
file_is_inside(const char *path, const char *dir)
{
	bool inside = false;
	char *inner, *outer;
	size_t len;

	errno = 0;
	inner = path_resolve(path);
	if (inner == NULL && errno == ENOMEM)
		return true;
	errno = 0;
	outer = realpath(dir, NULL);
	if (outer == NULL && errno == ENOMEM)
		inside = true;
	if (inner != NULL && outer != NULL) {
		len = strlen(outer);
		inside = strcmp(outer, "/") == 0 ||
			 (strncmp(inner, outer, len) == 0 &&
			     (inner[len] == '/' || inner[len] == '\0'));
	}
	free(inner);
	free(outer);
	return inside;
}
