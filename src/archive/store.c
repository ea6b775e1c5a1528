/* SPDX-License-Identifier: ISC */
#include "archive/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "archive/store_internal.h"
#include "os/file.h"
#include "util/fd.h"

bool
store_fault(
    const struct store *s, struct why *why, const char *name, const char *what)
{
	int error = errno;

	why_set(why, "%s%s%s: %s", s->path, name[0] == '\0' ? "" : "/", name,
	    what == NULL ? strerror(error) : what);
	errno = error;
	return false;
}

/* A folder that somebody uses for something else is not made a store; one whose
 * making was interrupted is, and so is a fresh file system's. */
static bool
may_become_store(const struct store *s)
{
	static const char *const known[] = { STORE_OBJECTS, STORE_RELEASES,
		STORE_TMP, STORE_LOCK, "lost+found" };
	struct file_names list;
	const char *name;
	bool ours = true;
	size_t i;

	file_names_open(&list, s->root, ".");
	while (ours && (name = file_names_next(&list)) != NULL) {
		for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (strcmp(name, known[i]) == 0)
				break;
		ours = i < sizeof(known) / sizeof(known[0]);
	}
	/* What was not read to its end may hold anything. */
	return file_names_close(&list) && ours;
}

/* The store's own directory: made, with its parents, when it is not there. */
static bool
store_open_root(struct store *s, bool create, struct why *why)
{
	bool made = false;
	struct stat st;

	if (create && stat(s->path, &st) == -1 && errno == ENOENT) {
		if (!file_make_dirs(s->path, STORE_DIR_MODE))
			return store_fault(s, why, "", NULL);
		made = true;
	}
	s->root = file_root(s->path);
	if (s->root == -1)
		return store_fault(
		    s, why, "", errno == ENOENT ? "no such store" : NULL);
	if (made && fchmod(s->root, STORE_DIR_MODE) == -1)
		return store_fault(s, why, "", NULL);
	if (!create || store_is(s->path) || may_become_store(s))
		return true;
	return store_fault(
	    s, why, "", "neither a store nor an empty directory");
}

/* A part of the store; a link in its place is named as what it is. */
static bool
open_part(
    struct store *s, const char *name, bool make, int *fd, struct why *why)
{
	struct stat st;

	*fd = make ? store_dir_make(s->root, name, NULL)
		   : store_dir_open(s->root, name);
	if (*fd != -1)
		return true;
	if (fstatat(s->root, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISLNK(st.st_mode))
		return store_fault(s, why, name,
		    "symbolic link: a store must be one directory");
	if (errno == ENOENT && !make)
		return store_fault(s, why, "", "not a store");
	return store_fault(s, why, name, NULL);
}

struct store *
store_open(const char *path, bool create, struct why *why)
{
	struct store *s = calloc(1, sizeof(*s));

	if (s == NULL || (s->path = strdup(path)) == NULL ||
	    (s->folder = calloc(STORE_FOLDERS, sizeof(*s->folder))) == NULL) {
		why_set(why, "%s: %s", path, strerror(ENOMEM));
		if (s != NULL)
			free(s->path);
		free(s);
		return NULL;
	}
	s->root = s->objects = s->releases = s->tmp = s->lock = -1;
	while (strlen(s->path) > 1 && s->path[strlen(s->path) - 1] == '/')
		s->path[strlen(s->path) - 1] = '\0';
	if (!store_open_root(s, create, why) ||
	    !open_part(s, STORE_OBJECTS, create, &s->objects, why) ||
	    !open_part(s, STORE_RELEASES, create, &s->releases, why))
		store_close(&s);
	return s;
}

void
store_close(struct store **s)
{
	if (*s == NULL)
		return;
	fd_close((*s)->lock);
	fd_close((*s)->tmp);
	fd_close((*s)->releases);
	fd_close((*s)->objects);
	fd_close((*s)->root);
	free((*s)->folder);
	free((*s)->path);
	free(*s);
	*s = NULL;
}

int
store_fd(const struct store *s)
{
	return s->root;
}

/* The same is in carnation.8, under "mirror". What a file takes besides its bytes in
 * an archive (a header, room up to a whole block, its line in the manifest) and in the
 * release's directories; and what there is once: directories, manifest, trace. */
enum { MEMBER_COST = 1280, SPARE = 256 * 1024 };

uint64_t
store_need(
    const struct store *s, const struct manifest *m, uint64_t to_come, size_t n)
{
	struct statvfs fs;
	uint64_t block =
	    fstatvfs(s->root, &fs) == 0 ? (uint64_t)fs.f_frsize : 4096;

	return to_come + n * block + m->bytes + m->n * MEMBER_COST + SPARE;
}

/* releases/42.new is what store_build was at when it was killed. */
static bool
throw_unfinished(struct store *s)
{
	struct file_names list;
	const char *name;
	bool ok = true;

	file_names_open(&list, s->releases, ".");
	while (ok && (name = file_names_next(&list)) != NULL)
		if (slice_ends(slice_str(name), SLICE(".new")))
			ok = store_throw(s, s->releases, name);
	return file_names_close(&list) && ok;
}

/* Without hard links no release can be made: told before the work. The file made for
 * that also tells what time it is on the file system. */
static bool
has_hard_links(struct store *s, struct why *why)
{
	char file[STORE_NAME_SIZE], link[STORE_NAME_SIZE];
	int fd = store_tmp_file(s, file);
	struct stat st;
	bool ok;

	if (fd == -1 || fstat(fd, &st) == -1) {
		fd_close(fd);
		return store_fault(s, why, STORE_TMP, NULL);
	}
	fd_close(fd);
	s->since = st.st_mtim;
	store_tmp_name(s, "link", link);
	ok = linkat(s->tmp, file, s->tmp, link, 0) == 0 ||
	     store_fault(s, why, "",
		 errno == ENOSPC ? NULL
				 : "the file system has no hard links, which a "
				   "store needs");
	(void)unlinkat(s->tmp, link, 0);
	(void)unlinkat(s->tmp, file, 0);
	return ok;
}

static bool
store_prepare(struct store *s, struct why *why)
{
	if (!open_part(s, STORE_TMP, true, &s->tmp, why))
		return false;
	if (!throw_unfinished(s) || !store_sweep(s))
		return store_fault(s, why, STORE_TMP, NULL);
	return has_hard_links(s, why);
}

enum result
store_lock(struct store *s, struct why *why)
{
	enum { FLAGS = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK };
	bool locked, busy;

	if (s->lock != -1)
		return RESULT_GOOD;
	s->lock = openat(s->root, STORE_LOCK, FLAGS, STORE_LOCK_MODE);
	/* One of another user's stays as it is. */
	if (s->lock != -1)
		(void)fchmod(s->lock, STORE_LOCK_MODE);
	locked = s->lock != -1 && flock(s->lock, LOCK_EX | LOCK_NB) == 0;
	busy = s->lock != -1 && !locked && errno == EWOULDBLOCK;
	if (!locked)
		(void)store_fault(s, why, busy ? "" : STORE_LOCK,
		    busy ? "in use by another run: try again later" : NULL);
	if (locked && store_prepare(s, why))
		return RESULT_GOOD;
	fd_close(s->tmp);
	fd_close(s->lock);
	s->tmp = s->lock = -1;
	return busy ? RESULT_FAILED : RESULT_LOCAL;
}

/* Files and directories of a store: made, put in place, swept away. */

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
		fd_close(fd);
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
	struct stat own;

	if (fd == -1)
		return -1;
	if (st == NULL)
		st = &own;
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
		return fd;
	(void)close(fd);
	errno = EINVAL;
	return -1;
}

void
store_tmp_name(struct store *s, const char *kind, char name[STORE_NAME_SIZE])
{
	(void)snprintf(name, STORE_NAME_SIZE, "%s.%lu", kind, s->made++);
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
	int fd = store_tmp_file(s, tmp), error;

	if (fd == -1)
		return false;
	if (file_fill(fd, NULL, bytes, mode) &&
	    renameat(s->tmp, tmp, dir, name) == 0) {
		(void)fsync(dir);
		return true;
	}
	error = errno;
	(void)unlinkat(s->tmp, tmp, 0);
	errno = error;
	return false;
}

bool
store_throw(struct store *s, int dir, const char *name)
{
	char gone[STORE_NAME_SIZE];

	assert(s->tmp != -1);
	/* Taken by what an earlier run has thrown: the next one. */
	do {
		store_tmp_name(s, "gone", gone);
		if (renameat(dir, name, s->tmp, gone) == 0)
			return true;
	} while (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR ||
		 errno == EISDIR);
	return errno == ENOENT;
}

/* Removes what is in tmp/name, "." or a directory; *found: there was something. One
 * that is not empty is emptied when it lies in tmp/ itself; one in it moves up there
 * first, so that no depth of a hostile tree needs a stack. */
static bool
sweep_round(struct store *s, const char *dir, bool *found)
{
	bool top = strcmp(dir, ".") == 0, ok = true, below;
	struct file_names list;
	const char *name;
	int fd;

	file_names_open(&list, s->tmp, dir);
	while (ok && (name = file_names_next(&list)) != NULL) {
		*found = true;
		fd = dirfd(list.dir);
		if (!S_ISDIR(list.st.st_mode))
			ok = unlinkat(fd, name, 0) == 0 || errno == ENOENT;
		else if (top)
			ok = sweep_round(s, name, &below) &&
			     unlinkat(fd, name, AT_REMOVEDIR) == 0;
		else
			ok = store_throw(s, fd, name);
	}
	return file_names_close(&list) && ok;
}

bool
store_sweep(struct store *s)
{
	bool found = true, ok = true;

	/* Directories that moved up are met in the same round or the next. */
	while (ok && found) {
		found = false;
		ok = sweep_round(s, ".", &found);
	}
	return ok;
}
