/* SPDX-License-Identifier: ISC */
/* A store: objects by their hash, releases made of hard links to them, and the
 * link `current` (mirroring.md 2). The same for origin and mirror.
 * Depends on util, os, manifest and ustar. */
#ifndef ARCHIVE_STORE_H
#define ARCHIVE_STORE_H

#include "archive/manifest.h"

enum {
	STORE_KEEP = 3,          /* releases that a mirror keeps */
	STORE_SUPERSEDED_S = 120, /* a release may still be served so long after
				   * the switch to another: not pruned before */
};

/* Objects, releases, current, state, lock, tmp. */
struct store;

/* Opens, or makes (create), the store at path; removes what an interrupted run
 * left in tmp/ and releases/ *.new once it is locked. NULL and why. */
struct store *store_open(const char *path, bool create, struct buf *why);
void store_close(struct store **s);

/* Whether there is a store at path (for serve and verify too). */
bool store_is(const char *path);

/* Takes the lock that publish, mirror, rollback, prune and repair hold; false: somebody has it.
 * Given back by store_close. */
enum store_lock { STORE_LOCKED, STORE_BUSY, STORE_LOCK_FAILED };
enum store_lock store_lock(struct store *s, struct buf *why);

/* ------------------------------------------------------------ objects */

/* Whether the object is there and to be trusted: linked into a release, hence
 * synced before a switch; one that is not is hashed once more, and removed when
 * it is not what its name says. */
bool store_has(struct store *s, const uint8_t digest[DIGEST_SIZE]);

/* Bytes of an object that is there. */
bool store_size(struct store *s, const uint8_t digest[DIGEST_SIZE], uint64_t *size);

/* A new object, written as bytes come, hashed meanwhile. */
struct store_object; /* a file in tmp/ */
struct store_object *store_object_new(struct store *s, struct buf *why);
bool store_object_put(struct store_object *o, struct slice bytes, struct buf *why);
/* Moves it to its place when its hash is the expected one (NULL: whatever it is;
 * then *digest tells). Frees o whatever comes. */
enum store_kept { STORE_KEPT, STORE_OTHER_HASH, STORE_WRITE_FAILED };
enum store_kept store_object_keep(struct store_object **o,
    const uint8_t *expected, uint8_t digest[DIGEST_SIZE], struct buf *why);
void store_object_drop(struct store_object **o);

/* ----------------------------------------------------------- releases */

/* Builds releases/<serial> of a manifest whose objects are all there: hard links, the
 * manifest's bytes at mirror/MANIFEST, the archive at mirror/capsule.tar; synced;
 * not yet current. One that is there already with the same manifest is left. */
bool store_build(struct store *s, const struct manifest *m, struct slice bytes,
    struct buf *why);

/* Makes current point to releases/<serial>: symlink, rename, sync. */
bool store_switch(struct store *s, uint64_t serial, struct buf *why);

/* The serial that current leads to; 0: none. */
uint64_t store_current(const struct store *s);

/* Serials of the releases that are there, ascending; *n of them; the caller
 * frees. */
uint64_t *store_releases(const struct store *s, size_t *n);

/* The manifest's bytes of a release. */
bool store_manifest(const struct store *s, uint64_t serial, struct buf *out);

/* Removes all but the newest keep releases, the current one, and those that may
 * still be served (STORE_SUPERSEDED_S); then objects of no release. Counts. */
bool store_prune(struct store *s, unsigned keep, unsigned *releases,
    unsigned *objects, struct buf *why);

/* A descriptor of STORE, of releases/<serial>: to open beneath. Borrowed / the caller's. */
int store_fd(const struct store *s);
int store_release_fd(const struct store *s, uint64_t serial);

/* Puts an object that was fetched anew in the place of a rotten one, in objects/
 * and in every release that lists it. */
bool store_relink(struct store *s, const uint8_t digest[DIGEST_SIZE], struct buf *why);

/* The file that is served as mirror/trace: written atomically. */
bool store_write_trace(struct store *s, struct slice text, struct buf *why);

#endif
