/* SPDX-License-Identifier: ISC */
/* Whether a copy of a capsule is all that its author signed, and nothing else:
 * a store, a directory, an archive, or what a host serves. Every file is hashed
 * again. A mirror's store is mended on the way. Depends on util, os, manifest,
 * ustar, store, state and download. */
#ifndef ARCHIVE_VERIFY_H
#define ARCHIVE_VERIFY_H

#include "archive/manifest.h"
#include "util/result.h"
#include "util/why.h"

/* What is reported about a file. */
enum verify_news {
	VERIFY_CHANGED,
	VERIFY_MISSING,
	VERIFY_EXTRA,      /* there, and not signed */
	VERIFY_UNREADABLE, /* there, and we may not read it */
	VERIFY_REPAIRED,
	VERIFY_NEWS,
};

/* How verifying ended: RESULT_FAILED: network, lock (see why); RESULT_USAGE: a key
 * must be given; RESULT_REFUSED: not what the author signed (see news, or why);
 * RESULT_LOCAL: disk, permissions (see why, or news). */

/* Zeroed but for the first three, which are borrowed. */
struct verify {
	struct keyring ring; /* any of these keys may have signed */
	/* Of each file that is not as it should be; path is not fit for a
	 * terminal as it is. */
	void (*report)(void *arg, enum verify_news news, const char *path);
	void *arg;

	/* The answer. */
	bool opened; /* the manifest was good: what follows is known */
	struct manifest manifest;
	struct signify_key signer;
	uint64_t reported[VERIFY_NEWS]; /* how many of each */
	uint64_t older[VERIFY_NEWS]; /* of those: of a store's older releases */
	bool sound; /* what the manifest lists is as signed, or is so again */
	uint64_t *serial; /* of older releases that are not, ascending */
	size_t n_serials;

	/* Private. */
	struct buf text;     /* the manifest's bytes */
	uint8_t *mark;       /* one for each entry */
	bool no_archive;     /* an older release needs none */
	bool archive_faulty; /* as was reported, and to be made again */
	bool in_older;       /* what is reported now is of an older release */
};

/* A tree with mirror/MANIFEST; mirror/capsule.tar, when there, must hold the
 * same. mirror/trace and mirror/objects/ are not looked at. */
enum result verify_dir(struct verify *v, const char *path, struct why *why);

/* An archive as mirror/capsule.tar is, in a file; memory does not grow with it. */
enum result verify_archive(struct verify *v, const char *path, struct why *why);

/* What is served at base ("gemini://host[:port]/"): the manifest and each file that
 * it lists, one after the other. SIGPIPE must be ignored. */
enum result verify_host(struct verify *v, const char *base, struct why *why);

/* A store: each of its releases as a directory, each object of any of them.
 * Without keys those that it pins count, retired ones too. What is corrupt in a
 * mirror's store (not in an author's) is fetched again and put back in every
 * release; then all is verified again. SIGPIPE must be ignored. */
enum result verify_store(struct verify *v, const char *path, struct why *why);

/* One release of an open store, with its archive, as verify_dir; nothing is mended.
 * Keys must be given. */
struct store;
enum result verify_release(
    struct verify *v, const struct store *s, uint64_t serial, struct why *why);

/* Frees the answer. */
void verify_fini(struct verify *v);

/* ------------------------------------------------- what it found wrong */

struct fetcher;
struct sources;
struct state;

/* The releases of a store that has a list of wrong objects, STORE/wrong. Zeroed. */
struct repair {
	bool recorded; /* there is such a list */
	struct manifest *release;
	size_t n;
};

/* Before a run takes over a release: removes the objects on that list that are
 * wrong indeed (they are hashed again), so that they are fetched. False and why.
 * repair_fini is due in any case. */
bool repair_discard(
    struct repair *r, struct store *s, const struct state *st, struct why *why);

/* After it: fetches what the releases lack still, gives each file its object
 * again, and removes the list (it stays when the fetching was stopped). *lacking
 * counts what no source has. Nothing is done without a list. False and why: the
 * store cannot be written to. */
bool repair_releases(struct repair *r, struct store *s, struct fetcher *f,
    struct sources *sources, size_t *lacking, struct why *why);

void repair_fini(struct repair *r);

#endif
