/* SPDX-License-Identifier: ISC */
/* file_names, file_walk() and file_walk_plain() of os/file.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"
#include "util/fd.h"
#include "util/list.h"

void
file_names_open(struct file_names *l, int dir, const char *name)
{
	int fd = openat(dir, name,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	l->dir = fd == -1 ? NULL : fdopendir(fd);
	l->error = l->dir == NULL ? errno : 0;
	if (l->dir == NULL)
		fd_close(fd);
}

const char *
file_names_next(struct file_names *l)
{
	const struct dirent *e;

	while (l->dir != NULL && (errno = 0, e = readdir(l->dir)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (fstatat(dirfd(l->dir), e->d_name, &l->st,
			AT_SYMLINK_NOFOLLOW) == 0)
			return e->d_name;
		if (errno != ENOENT)
			break;
	}
	if (l->dir != NULL)
		l->error = errno;
	return NULL;
}

bool
file_names_close(struct file_names *l)
{
	int error = errno;

	if (l->dir != NULL)
		(void)closedir(l->dir);
	errno = l->error != 0 ? l->error : error;
	return l->error == 0;
}

/* A directory on the way down: its names, and the position among them. No
 * descriptor is held while its children are visited. */
struct level {
	char **names;
	size_t n;
	size_t next;
	size_t path_len; /* of the directory's own path, with its '/' */
};

struct inode {
	dev_t dev;
	ino_t ino;
};

struct walk {
	int root;
	file_visit *visit;
	file_unread *unread; /* may be NULL */
	void *arg;
	bool plain;   /* nothing is followed, everything visited */
	size_t depth; /* levels in use */
	struct level levels[FILE_WALK_DEPTH_MAX + 1];
	char path[PATH_MAX];
	void *entered;      /* tree of struct inode */
	struct level later; /* paths of links to directories */
	size_t visited;
};

static int
names_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
level_fini(struct level *l)
{
	while (l->n > 0)
		free(l->names[--l->n]);
	free(l->names);
	*l = (struct level){ 0 };
}

static bool
level_add(struct level *l, const char *name)
{
	char **grown = array_grow(l->names, l->n, sizeof(*grown));

	if (grown == NULL)
		return false;
	l->names = grown;
	l->names[l->n] = strdup(name);
	if (l->names[l->n] == NULL)
		return false;
	l->n++;
	return true;
}

/* Takes fd over, an open directory. */
static bool
level_read(struct level *l, int fd)
{
	DIR *dir = fdopendir(fd);
	struct dirent *e;
	bool ok = true;

	*l = (struct level){ 0 };
	if (dir == NULL) {
		close(fd);
		return false;
	}
	while (ok && (errno = 0, e = readdir(dir)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			ok = level_add(l, e->d_name);
	ok = ok && errno == 0;
	closedir(dir);
	if (!ok)
		level_fini(l);
	else if (l->n > 0)
		qsort(l->names, l->n, sizeof(*l->names), names_compare);
	return ok;
}

static int
inode_compare(const void *a, const void *b)
{
	const struct inode *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return (x->ino > y->ino) - (x->ino < y->ino);
}

/* Whether a directory is new: links may lead to it again and again. */
static bool
walk_is_new(struct walk *w, const struct stat *st)
{
	struct inode *p = malloc(sizeof(*p));
	void *node;

	if (p == NULL)
		return false;
	*p = (struct inode){ st->st_dev, st->st_ino };
	node = tsearch(p, &w->entered, inode_compare);
	if (node == NULL || *(struct inode **)node != p) {
		free(p);
		return false;
	}
	return true;
}

/* Goes down into the directory open at fd, which it takes over, unless it is
 * too deep. False: it is a cycle, has a path too long, or cannot be read.
 * Either way it is skipped. */
static bool
walk_enter(struct walk *w, int fd, const struct stat *st)
{
	size_t len = strlen(w->path);

	bool deep = w->depth > FILE_WALK_DEPTH_MAX;

	if (deep || !walk_is_new(w, st) || len + 1 >= sizeof(w->path)) {
		close(fd);
		return deep;
	}
	if (!level_read(&w->levels[w->depth], fd))
		return false;
	if (len > 0)
		w->path[len++] = '/';
	w->levels[w->depth].path_len = len;
	w->depth++;
	return true;
}

static void
walk_unread(const struct walk *w)
{
	if (w->unread != NULL)
		w->unread(w->arg, w->path);
}

/* Visits the entry at w->path without following links. False when visit ends
 * the walk. */
static bool
walk_look(struct walk *w)
{
	struct stat st;
	int fd;

	if (fstatat(w->root, w->path, &st, AT_SYMLINK_NOFOLLOW) == -1)
		st = (struct stat){ 0 };
	if (!w->visit(w->arg, w->path, &st))
		return false;
	if (S_ISDIR(st.st_mode) &&
	    (file_open_beneath(w->root, w->path, &fd, &st) != FILE_OPENED ||
		!walk_enter(w, fd, &st)))
		walk_unread(w);
	return true;
}

static bool
walk_at_link(const struct walk *w)
{
	struct stat st;

	return fstatat(w->root, w->path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISLNK(st.st_mode);
}

/* Enters the next deferred directory. */
static bool
walk_resume(struct walk *w)
{
	struct level *later = &w->later;
	struct stat st;
	int fd;

	while (w->depth == 0 && later->next < later->n) {
		const char *path = later->names[later->next++];

		memcpy(w->path, path, strlen(path) + 1);
		if (file_open_beneath(w->root, path, &fd, &st) == FILE_OPENED)
			walk_enter(w, fd, &st);
	}
	return w->depth > 0;
}

/* The next entry of the deepest level. False when visit ends the walk. */
static bool
walk_step(struct walk *w)
{
	struct level *l = &w->levels[w->depth - 1];
	const char *name = l->names[l->next++];
	struct stat st;
	size_t len;
	int fd;

	w->visited++;
	len = strlen(name);
	if (len >= sizeof(w->path) - l->path_len) {
		w->path[l->path_len > 0 ? l->path_len - 1 : 0] = '\0';
		walk_unread(w);
		return true;
	}
	memcpy(w->path + l->path_len, name, len + 1);
	if (w->plain)
		return walk_look(w);
	if (file_open_beneath(w->root, w->path, &fd, &st) != FILE_OPENED) {
		st = (struct stat){ 0 };
		return w->visit(w->arg, w->path, &st);
	}
	if (!w->visit(w->arg, w->path, &st)) {
		close(fd);
		return false;
	}
	/* A directory has its own name before those that links give it. */
	if (S_ISDIR(st.st_mode) && !walk_at_link(w)) {
		walk_enter(w, fd, &st);
		return true;
	}
	close(fd);
	return !S_ISDIR(st.st_mode) || level_add(&w->later, w->path);
}

static bool
walk(int root, file_visit *visit, file_unread *unread, void *arg, bool plain)
{
	struct walk *w = calloc(1, sizeof(*w));
	struct stat st;
	bool ok = false;
	int fd;

	if (w == NULL)
		return false;
	*w = (struct walk){
		.root = root,
		.visit = visit,
		.unread = unread,
		.arg = arg,
		.plain = plain,
	};
	if (file_open_beneath(root, "", &fd, &st) == FILE_OPENED)
		walk_enter(w, fd, &st);
	ok = w->depth > 0;
	while (ok && w->visited < FILE_WALK_ENTRIES_MAX && walk_resume(w)) {
		if (w->levels[w->depth - 1].next < w->levels[w->depth - 1].n)
			ok = walk_step(w);
		else
			level_fini(&w->levels[--w->depth]);
	}
	while (w->depth > 0)
		level_fini(&w->levels[--w->depth]);
	level_fini(&w->later);
	tdestroy(w->entered, free);
	free(w);
	return ok;
}

bool
file_walk(int root, file_visit *visit, void *arg)
{
	return walk(root, visit, NULL, arg, false);
}

bool
file_walk_plain(int root, file_visit *visit, file_unread *unread, void *arg)
{
	return walk(root, visit, unread, arg, true);
}
