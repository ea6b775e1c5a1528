/* SPDX-License-Identifier: ISC */
/* What the files of a store's code share. Depends on store. */
#ifndef ARCHIVE_STORE_INTERNAL_H
#define ARCHIVE_STORE_INTERNAL_H

#include "archive/store.h"
#include "util/why.h"

enum {
	STORE_DIR_MODE = 0755,
	STORE_OBJECT_MODE = 0444,
	STORE_FILE_MODE = 0644,
	STORE_LOCK_MODE = 0600, /* who can open it can hold it */
	STORE_NAME_SIZE = 64,   /* of names that we make: in tmp/, releases/ */
	STORE_CHUNK = 64 * 1024,
	STORE_FOLDERS = 256, /* of objects/ */
};

struct store {
	char *path; /* for messages */
	int root, objects, releases;
	int tmp, lock; /* -1 until store_lock */
	/* When the lock was taken, by the file system's clock: what was written
	 * later was written by this run. */
	struct timespec since;
	unsigned long made; /* names in tmp/ so far */
	bool *folder; /* STORE_FOLDERS: it is there, and no link to elsewhere */
};

/* Appends "PATH/name: what"; what NULL: errno's words. Keeps errno, returns false. */
bool store_fault(
    const struct store *s, struct why *why, const char *name, const char *what);

/* ---------------------------------------------------------------- store.c */

/* A directory, not through a link; -1 and errno. */
int store_dir_open(int dir, const char *name);

/* The same, made when it is not there (*made then, may be NULL). */
int store_dir_make(int dir, const char *name, bool *made);

/* A regular file to read, not through a link; st may be NULL; -1 and errno. */
int store_file_open(int dir, const char *name, struct stat *st);

/* A name that nobody has in tmp/. */
void
store_tmp_name(struct store *s, const char *kind, char name[STORE_NAME_SIZE]);

/* A new file in tmp/ and its name; -1 and errno. */
int store_tmp_file(struct store *s, char name[STORE_NAME_SIZE]);

/* Writes dir/name: tmp, sync, rename, sync. False and errno; nothing has changed. */
bool store_put_file(struct store *s, int dir, const char *name,
    struct slice bytes, mode_t mode);

/* Moves dir/name (of any kind) to tmp/, to be swept. True when it is not there. */
bool store_throw(struct store *s, int dir, const char *name);

/* Removes all that lies in tmp/. False and errno. */
bool store_sweep(struct store *s);

/* --------------------------------------------------------- store_object.c */

/* store_fault of an object. */
bool store_object_fault(const struct store *s, struct why *why,
    const uint8_t digest[DIGEST_SIZE], const char *what);

/* Whether dir/name is the object that st describes, by another name. */
bool store_is_linked(const struct stat *object, int dir, const char *name);

/* Makes dir/name a name of the object, in one step, whatever lay there; an object
 * that has all the names that the file system allows is copied first. It must have
 * been opened: linkat takes a symbolic link for itself. False and why. */
bool store_link(struct store *s, const uint8_t digest[DIGEST_SIZE], int dir,
    const char *name, struct why *why);

/* ---------------------------------------------------------- store_prune.c */

/* What a release's directory is called: "42". */
void store_serial_name(uint64_t serial, char name[STORE_NAME_SIZE]);

/* Whether somebody has a lock on a release (a server that may still serve it, a
 * verify). If not, we have it, until the descriptor is closed. False also on a file
 * system without locks, which has no holders either, and for -1. */
bool store_is_held(int release);

/* Takes a release away from those who open it by its name, and moves it to tmp/, to
 * be swept. *held: then it stays, and nothing has failed. False and errno. */
bool store_throw_release(struct store *s, uint64_t serial, bool *held);

/* Removes the archives of all releases but the current one, as far as that can be
 * done. */
void store_drop_archives(struct store *s);

#endif
