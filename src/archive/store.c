/* SPDX-License-Identifier: ISC */
#include "archive/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "archive/store_internal.h"
#include "os/file.h"

#define STORE_OBJECTS "objects"
#define STORE_RELEASES "releases"
#define STORE_TMP "tmp"
#define STORE_LOCK "lock"

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
may_become_store(const char *path)
{
	static const char *const known[] = { ".", "..", STORE_OBJECTS,
		STORE_RELEASES, STORE_TMP, STORE_LOCK, "lost+found" };
	DIR *dir = opendir(path);
	const struct dirent *entry;
	bool ours = true;
	size_t i;

	if (dir == NULL)
		return false;
	while (ours && (errno = 0, entry = readdir(dir)) != NULL) {
		for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (strcmp(entry->d_name, known[i]) == 0)
				break;
		ours = i < sizeof(known) / sizeof(known[0]);
	}
	/* What was not read to its end may hold anything. */
	ours = ours && errno == 0;
	(void)closedir(dir);
	return ours;
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
		    s, why, "", errno == ENOENT ? "there is no store" : NULL);
	if (made && fchmod(s->root, STORE_DIR_MODE) == -1)
		return store_fault(s, why, "", NULL);
	if (!create || store_is(s->path) || may_become_store(s->path))
		return true;
	return store_fault(
	    s, why, "", "is neither a store nor an empty directory");
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
		    "is a symbolic link: a store must be one directory");
	if (errno == ENOENT && !make)
		return store_fault(s, why, "", "is no store");
	return store_fault(s, why, name, NULL);
}

struct store *
store_open(const char *path, bool create, struct why *why)
{
	struct store *s = calloc(1, sizeof(*s));

	if (s == NULL || (s->path = strdup(path)) == NULL) {
		why_set(why, "%s: %s", path, strerror(ENOMEM));
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
	store_shut((*s)->lock);
	store_shut((*s)->tmp);
	store_shut((*s)->releases);
	store_shut((*s)->objects);
	store_shut((*s)->root);
	free((*s)->path);
	free(*s);
	*s = NULL;
}

bool
store_is(const char *path)
{
	struct stat st;
	int root = file_root(path);
	bool is = false;

	if (root == -1)
		return false;
	is = fstatat(root, STORE_OBJECTS, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	     S_ISDIR(st.st_mode) &&
	     fstatat(root, STORE_RELEASES, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	     S_ISDIR(st.st_mode) &&
	     ((fstatat(root, STORE_LOCK, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		  S_ISREG(st.st_mode)) ||
		 (fstatat(root, STORE_CURRENT, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		     S_ISLNK(st.st_mode)));
	(void)close(root);
	return is;
}

int
store_fd(const struct store *s)
{
	return s->root;
}

/* releases/42.new is what store_build was at when it was killed. */
static bool
throw_unfinished(struct store *s)
{
	int fd = store_dir_open(s->releases, ".");
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	bool ok = true;

	if (dir == NULL) {
		store_shut(fd);
		return false;
	}
	while (ok && (entry = readdir(dir)) != NULL)
		if (slice_ends(slice_str(entry->d_name), SLICE(".new")))
			ok = store_throw(s, s->releases, entry->d_name);
	(void)closedir(dir);
	return ok;
}

/* Without hard links no release can be made: told before the work. */
static bool
has_hard_links(struct store *s, struct why *why)
{
	char file[STORE_NAME_SIZE], link[STORE_NAME_SIZE];
	int fd = store_tmp_file(s, file);
	bool ok;

	if (fd == -1)
		return store_fault(s, why, STORE_TMP, NULL);
	store_shut(fd);
	store_tmp_name(s, "link", link);
	ok = linkat(s->tmp, file, s->tmp, link, 0) == 0 ||
	     (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS &&
		 errno != EMLINK);
	if (!ok)
		(void)store_fault(s, why, "",
		    "lies on a file system without hard links, where no "
		    "store can be");
	(void)unlinkat(s->tmp, link, 0);
	(void)unlinkat(s->tmp, file, 0);
	return ok;
}

/* The lock file, locked; -1 and errno, which is EWOULDBLOCK when somebody has it. */
static int
take_lock(struct store *s)
{
	enum { FLAGS = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK };
	int fd = openat(s->root, STORE_LOCK, FLAGS, STORE_LOCK_MODE);
	struct stat st;

	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == 0 && st.st_uid == geteuid())
		(void)fchmod(fd, STORE_LOCK_MODE);
	if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		store_shut(fd);
		return -1;
	}
	return fd;
}

static bool
store_prepare(struct store *s, struct why *why)
{
	if (!open_part(s, STORE_TMP, true, &s->tmp, why))
		return false;
	if (!throw_unfinished(s) || !store_sweep(s, true))
		return store_fault(s, why, STORE_TMP, NULL);
	return has_hard_links(s, why);
}

enum store_lock
store_lock(struct store *s, struct why *why)
{
	if (s->lock != -1)
		return STORE_LOCKED;
	s->lock = take_lock(s);
	if (s->lock == -1 && errno == EWOULDBLOCK) {
		(void)store_fault(
		    s, why, "", "is locked: another run is at work in it");
		return STORE_BUSY;
	}
	if (s->lock == -1) {
		(void)store_fault(s, why, STORE_LOCK, NULL);
		return STORE_LOCK_FAILED;
	}
	if (store_prepare(s, why))
		return STORE_LOCKED;
	store_shut(s->tmp);
	store_shut(s->lock);
	s->tmp = s->lock = -1;
	return STORE_LOCK_FAILED;
}
