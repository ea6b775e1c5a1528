/* SPDX-License-Identifier: ISC */
/* A store: objects by their hash, releases made of hard links to them, and the
 * link `current` (carnation-mirror(7)). The same for origin and mirror. Everything is
 * opened beneath the store by descriptors, and never through a symbolic link that
 * lies in it. Whatever the umask: directories 0755, objects 0444, other files 0644.
 * Depends on util, os, manifest and ustar.
 *
 * A run that takes a release over does, under the lock and in this order:
 * store_build, store_switch, state_write. Killed between any two of them, the next
 * run with the same manifest finds each step done, or does it. A publisher's next
 * serial is one more than the highest of the state's and of store_releases(). */
#ifndef ARCHIVE_STORE_H
#define ARCHIVE_STORE_H

#include <sys/stat.h>

#include "archive/manifest.h"
#include "capsule/store_layout.h"
#include "util/result.h"
#include "util/why.h"

enum {
	STORE_KEEP = 3,            /* newest releases that a mirror keeps */
	STORE_BACK_S = 30 * 86400, /* how far back a mirror can always go */
	STORE_SUPERSEDED_S = 120, /* a release may still be served so long after
				   * the switch to another: not pruned before */
	STORE_DIRECTORIES_MAX = 100000, /* of one release */
};

/* Objects, releases, current, state, lock, tmp. */
struct store;

/* Opens the store at path, or makes one there (create) when there is nothing or an
 * empty directory. NULL and why ("PATH: ..."). */
struct store *store_open(const char *path, bool create, struct why *why);
void store_close(struct store **s);

/* Takes the lock that publish, mirror, rollback, prune and repair hold, and removes
 * what an interrupted run has left (tmp/, unfinished releases). RESULT_FAILED and
 * why: somebody has it; RESULT_LOCAL. Given back by store_close. What writes, below,
 * wants it held. */
enum result store_lock(struct store *s, struct why *why);

/* STORE itself, to open things beneath. Borrowed. */
int store_fd(const struct store *s);

/* Bytes of disk that it takes to take a release over, above what is used now: the
 * objects that are to come (to_come bytes, n files), and its archive, which holds all
 * its files again while the archive before it is still there. So N bytes of pages
 * need 2 N, and 3 N while they change. */
uint64_t store_need(const struct store *s, const struct manifest *m,
    uint64_t to_come, size_t n);

/* ------------------------------------------------------------ objects */

/* Whether the object is there and to be trusted: linked into a release, hence
 * synced before a switch, and verify's to judge; one that is not is hashed once more,
 * and removed (when the lock is held) when it is not what its name says. One that
 * cannot be read is not to be trusted, and stays. */
bool store_has(struct store *s, const uint8_t digest[DIGEST_SIZE]);

/* An object's description: more than one link, and it is in a release. False and
 * errno; EINVAL: it is not a regular file. */
bool store_object_stat(
    const struct store *s, const uint8_t digest[DIGEST_SIZE], struct stat *st);

/* An object to read, and its description (may be NULL); the caller's. -1 and errno.
 * Its bytes are not checked. */
int store_object_fd(
    const struct store *s, const uint8_t digest[DIGEST_SIZE], struct stat *st);

/* Takes a corrupt object away; releases keep theirs until store_relink. */
bool store_discard(
    struct store *s, const uint8_t digest[DIGEST_SIZE], struct why *why);

/* A new object, written as bytes come, hashed meanwhile: a file in tmp/. Several may
 * be under way, but none while releases are built or removed. */
struct store_object;
struct store_object *store_object_new(struct store *s, struct why *why);
bool
store_object_put(struct store_object *o, struct slice bytes, struct why *why);

/* Moves it to its place when its hash is the expected one (NULL: whatever it is).
 * digest (may be NULL) tells its hash. One of that hash and size that some release
 * links to is kept instead. Frees o whatever comes. */
enum store_kept { STORE_KEPT, STORE_OTHER_HASH, STORE_WRITE_FAILED };
enum store_kept store_object_keep(struct store_object **o,
    const uint8_t *expected, uint8_t digest[DIGEST_SIZE], struct why *why);

/* Gives up: nothing of it stays. Harmless on NULL. */
void store_object_drop(struct store_object **o);

/* Calls visit for each object that is there, in no order; links is how many releases'
 * names it has (0: in none). Return false to end. False then, or when objects/
 * cannot be read (why says so; it is empty when visit ended it). */
typedef bool
store_visit(void *arg, const uint8_t digest[DIGEST_SIZE], uint64_t links);
bool store_objects(
    const struct store *s, store_visit *visit, void *arg, struct why *why);

/* ----------------------------------------------------------- releases */

/* Builds releases/<serial> of a manifest whose objects are all there: hard links and
 * the manifest's bytes at mirror/MANIFEST, synced; then the archive at
 * mirror/capsule.tar, which is not waited for; not yet current. One that is there already is
 * built again and replaced; but one that is current, or that somebody holds, is
 * repaired in place when its manifest is the same (each file that is not its
 * object becomes it, in one step; the archive is written again); another is an
 * error. False and why, and nothing of it stays; an object that is corrupt (or
 * missing) is then reported and removed, so that the next run fetches it again. */
bool store_build(struct store *s, const struct manifest *m, struct slice bytes,
    struct why *why);

/* Whether a release has this manifest, each file that it lists (the object itself by
 * another name, as many bytes as it says in all), and, the current one, an archive.
 * Names, sizes and links alone: what the bytes are is for verify. */
bool store_release_is_whole(
    const struct store *s, const struct manifest *m, struct slice bytes);

/* Makes each file of a release its object again where it is not and the object is
 * there: for releases that are not to be built again. */
bool store_relink(struct store *s, const struct manifest *m, struct why *why);

/* Writes a release's mirror/MANIFEST, when that is damaged: without it, store_build
 * takes the release for another. */
bool store_put_manifest(
    struct store *s, uint64_t serial, struct slice bytes, struct why *why);

/* Makes current point to releases/<serial>, in one step: symlink, rename, sync. The
 * release that was current counts as superseded from now on. All others lose their
 * archives: before a switch to an older one, build it again. */
bool store_switch(struct store *s, uint64_t serial, struct why *why);

/* The serial that current leads to. 0 and errno: to no release that is there
 * (file_is_absent), or it cannot be determined. */
uint64_t store_current(const struct store *s);

enum store_decision {
	STORE_GOES,
	STORE_IS_NEW,
	STORE_IS_OLD, /* kept to go back to, by back_s */
	STORE_IS_SERVED,
	STORE_IS_RECENT, /* superseded or built less than STORE_SUPERSEDED_S ago */
	STORE_IS_HELD, /* it would go, but somebody has a lock on it */
};

struct store_release {
	uint64_t serial;
	/* Seconds since it was superseded or built. One that is far ahead is a clock
	 * that was wrong, and no reason to keep a release forever. */
	int64_t age;
	enum store_decision decision; /* store_judge's */
};

/* The releases that are there, ascending by serial; *n of them; the caller frees.
 * NULL: there are none (*n is 0), or they cannot all be listed (*n is not 0, and
 * errno says why): never some of them alone. */
struct store_release *store_releases(const struct store *s, size_t *n);

/* Appends the bytes of a release's file (of MANIFEST_PATH: up to MANIFEST_MAX). False
 * and errno. */
bool store_read(
    const struct store *s, uint64_t serial, const char *path, struct buf *out);

/* releases/<serial>, to open beneath; the caller's. -1 and errno. */
int store_release_fd(const struct store *s, uint64_t serial);

/* ------------------------------------------------------------- pruning */

/* What store_prune keeps, besides the current release and the recent ones. */
struct store_keeping {
	unsigned newest; /* so many of the highest serials */
	/* With seconds here two more stay: the oldest that was superseded in the
	 * last so many, and the newest that was before. So however many come at
	 * once (a thief of the key publishes, say), what was served so long ago,
	 * or the first since, is still there. 0: not. */
	int64_t back_s;
	/* Those above were taken back: they do not count as the newest, and go.
	 * 0: none were. */
	uint64_t highest;
};

/* Decides of n releases, ascending by serial, from serials and ages alone. */
void store_judge(struct store_release *list, size_t n, uint64_t current,
    const struct store_keeping *keep);

/* What store_prune came to, also when it failed half-way: the releases that were
 * there, those that STORE_GOES were removed. */
struct store_pruned {
	struct store_release *release;
	size_t n;
	unsigned objects; /* how many were removed */
};

/* Removes all other releases; then objects of no release, and the archives of
 * releases that are not current. out may be NULL; out->release is the caller's to
 * free. A release on which somebody holds a flock (a server does, shared, on what it
 * may still serve) is left for the next time. */
bool store_prune(struct store *s, const struct store_keeping *keep,
    struct store_pruned *out, struct why *why);

/* Removes these releases, whatever else would keep them (never the current one),
 * waiting up to wait_s seconds for those who hold a lock on one; those still held
 * stay in serial[], *n of them. Then objects of no release. False and why. */
bool store_retract(struct store *s, uint64_t *serial, size_t *n,
    unsigned wait_s, struct why *why);

#endif
