/* SPDX-License-Identifier: ISC */
/* Files: opened beneath a root and nowhere else; read whole; written
 * atomically. Depends on util. */
#ifndef OS_FILE_H
#define OS_FILE_H

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "util/buf.h"

/* The result of opening a path beneath a root. All that a client must not be
 * able to distinguish is FILE_ABSENT: missing, unreadable, too long, a link out
 * of the root, a FIFO, a device. */
enum file_open {
	FILE_OPENED,
	FILE_ABSENT,
	FILE_EXHAUSTED, /* out of descriptors or memory: try again later */
	FILE_FAILED,    /* EIO and the like */
};

/* A directory to open things beneath; -1 and errno on failure. */
int file_root(const char *path);

/* Opens path (relative, no leading slash; "" is the root itself), a regular
 * file or a directory, read-only, without leaving root by any name, link or
 * race: openat2(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS), or, on kernels and
 * in containers without it, a walk that takes no symbolic link at all.
 * *fd is then the caller's; *st describes it. */
enum file_open
file_open_beneath(int root, const char *path, int *fd, struct stat *st);

/* Whether a call failed with an errno meaning that the name does not exist, or
 * that a link or file is where a directory should be. After any other errno the
 * file may well exist and be valid. */
bool file_is_absent(int error);

/* Reads all of the file at path into out: false when it is longer than out's
 * maximum (errno EFBIG) or cannot be read (errno). */
bool file_read_path(const char *path, struct buf *out);

/* Writes all of bytes to a new file, sets its mode, syncs it and closes fd,
 * also on failure: false and errno. Run by root, it also gives the file to the
 * owner and group of the directory that path (may be NULL) lies in, so that a
 * service's user can read what root made for it. */
bool file_fill(int fd, const char *path, struct slice bytes, mode_t mode);

/* Where path leads: itself, unless it is a symbolic link, be it one to a file
 * that does not exist yet. False and errno: ELOOP; EACCES for a link that the
 * kernel does not follow; no room. */
bool file_target(const char *path, char out[PATH_MAX]);

/* Writes bytes beside path and renames them onto it; mode as in chmod, owner as
 * in file_fill; so do the next two. A symbolic link stays, and what it leads to
 * is written. False and errno on failure, when nothing at path has changed.
 * Into a device or pipe the bytes are written as they are. */
bool file_write(const char *path, struct slice bytes, mode_t mode);

/* The same in a directory that others may fill: a symbolic link at path is
 * replaced by the file. */
bool file_replace(const char *path, struct slice bytes, mode_t mode);

/* The same for a file that does not exist yet: false and EEXIST, and nothing
 * has changed, when anything lies at path. */
bool file_create(const char *path, struct slice bytes, mode_t mode);

/* Makes the directory and its missing parents; run by root, each new one
 * belongs to the owner of its parent. False and errno. */
bool file_make_dirs(const char *path, mode_t mode);

/* Opens the directory at path, made with mode when it is missing, and locks it
 * (flock(2)), waiting until it is free, at most FILE_LOCK_WAIT_MS. -1 and errno;
 * EWOULDBLOCK: it is still held. */
enum { FILE_LOCK_WAIT_MS = 5000 };
int file_lock_dir(const char *path, mode_t mode);

/* True when path, resolved, is dir or lies beneath it, or would once it is
 * made. False also when dir does not exist; true also when out of memory,
 * because callers refuse what is inside. */
bool file_is_inside(const char *path, const char *dir);

/* The names in one directory. */
struct file_names {
	DIR *dir; /* dirfd(3) of it is where they are; NULL: it is not open */
	struct stat st; /* of the last one, as lstat does */
	int error;      /* 0: none so far */
};

/* Begins to list the directory dir/name ("."; dir itself), not through a link. */
void file_names_open(struct file_names *l, int dir, const char *name);

/* The next name but "." and ".."; those that are gone meanwhile are passed over. NULL:
 * there is no other, or the rest cannot be read. */
const char *file_names_next(struct file_names *l);

/* False and errno: not all of them could be read, if any. errno is kept otherwise. */
bool file_names_close(struct file_names *l);

/* Called for each entry below a root: path is relative to it. Return false to
 * end the walk. */
typedef bool file_visit(void *arg, const char *path, const struct stat *st);

enum {
	FILE_WALK_DEPTH_MAX = 64, /* directories deeper than this are skipped */
	FILE_WALK_ENTRIES_MAX = 1000000, /* the walk ends there */
};

/* Visits every entry below root (a descriptor), parents first, in byte order;
 * symbolic links are followed only beneath root. One that cannot be opened
 * there (no right to, a pipe, a link that leads nowhere or out of root) has
 * st_mode 0. A directory is entered once, however many links lead to it: by its
 * own name where it has one here, and after all others by a link's. False when
 * visit returned false, the root cannot be read or memory runs out. */
bool file_walk(int root, file_visit *visit, void *arg);

/* A directory at path, visited before, in which not everything could be
 * examined: no permission, a disk error, a path too long. Directories deeper
 * than the walk goes are not reported. */
typedef void file_unread(void *arg, const char *path);

/* The same for every entry, whatever it is, described as lstat does; no
 * symbolic link is followed. One that cannot be examined has st_mode 0. unread
 * may be NULL. */
bool
file_walk_plain(int root, file_visit *visit, file_unread *unread, void *arg);

#endif
