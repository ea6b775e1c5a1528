/* SPDX-License-Identifier: ISC */
/* Whether a copy of a capsule is all that its author signed, and nothing else:
 * a store, a directory, an archive, or what a host serves. Every file is hashed
 * again, and nothing is changed but a store's list of what is wrong. Putting that
 * right is a run's work: here is what it takes. Depends on util, os, manifest,
 * ustar, store, state and download. */
#ifndef ARCHIVE_VERIFY_H
#define ARCHIVE_VERIFY_H

#include <sys/stat.h>

#include "archive/keyring.h"
#include "archive/manifest.h"
#include "util/result.h"
#include "util/why.h"

struct fetcher;
struct sources;
struct state;
struct store;

/* What is reported about a file. */
enum verify_news {
	VERIFY_CHANGED,
	VERIFY_MISSING,
	VERIFY_EXTRA,      /* there, and not signed */
	VERIFY_UNREADABLE, /* there, and we may not read it */
	VERIFY_REPAIRED,   /* never by verify itself */
	VERIFY_NEWS,
	VERIFY_SOUND = VERIFY_NEWS, /* nothing to report */
};

/* All borrowed. */
struct verify_options {
	const struct keyring *ring; /* any key of it may have signed; an empty
				     * one: a store's own, retired ones too */
	/* Of each file that is not as it should be; NULL: nobody hears it. path is
	 * not fit for a terminal as it is. */
	void (*report)(void *arg, enum verify_news news, const char *path);
	void *arg;
};

/* What came of it. Zeroed at first. */
struct verify_outcome {
	bool opened; /* the manifest was good: the next three are known */
	struct manifest manifest;
	struct signify_key signer;
	bool sound; /* all of it was looked at and is as signed */
	/* How many of each were reported, of a store's current release (of the
	 * copy), and of older ones and their objects. */
	uint64_t current[VERIFY_NEWS], older[VERIFY_NEWS];
	uint64_t *serial; /* of the older ones that are not sound, ascending */
	size_t n_serials;
	bool is_mirror; /* the store is a mirror's */
	bool wrong;     /* something in it has to be fetched again */
	struct why why; /* "": nothing but what was reported */
};

/* All return RESULT_GOOD; RESULT_FAILED: network, or another run came between (see
 * why); RESULT_USAGE: a key must be given; RESULT_REFUSED: not what the author
 * signed (see what was reported, or why); RESULT_LOCAL: disk, permissions (see why,
 * or what was reported). verify_fini is due in any case. */

/* A tree with mirror/MANIFEST; mirror/capsule.tar, when there, must hold the
 * same. mirror/trace and mirror/objects/ are not looked at. */
enum result verify_dir(const struct verify_options *o, const char *path,
    struct verify_outcome *out);

/* An archive as mirror/capsule.tar is; memory does not grow with its files. */
enum result verify_archive(const struct verify_options *o, const char *path,
    struct verify_outcome *out);

/* What is served at base ("gemini://host[:port]/"): the manifest and each file that
 * it lists, one after the other. SIGPIPE must be ignored. */
enum result verify_host(const struct verify_options *o, const char *base,
    struct verify_outcome *out);

/* A store: each of its releases as a directory, each object of any of them. The
 * archive is the current release's alone. What has to be fetched again is then
 * listed in STORE/wrong, if we may write and no other run is at work; why says so
 * when we may not. */
enum result verify_store(const struct verify_options *o, const char *path,
    struct verify_outcome *out);

/* One release of an open store, as verify_dir, without its archive. */
enum result verify_release(const struct verify_options *o,
    const struct store *s, uint64_t serial, struct verify_outcome *out);

void verify_fini(struct verify_outcome *out);

/* ------------------------------------------------- what it found wrong */

enum {
	/* Bytes of STORE/wrong: what does not fit is found the next time. */
	VERIFY_WRONG_MAX = MANIFEST_FILES_MAX * DIGEST_HEX_SIZE,
};

/* The releases of a store that has a list of wrong objects. Zeroed. */
struct repair {
	bool recorded; /* there is such a list */
	struct manifest *release;
	size_t n;
};

/* Before a run takes over a release: removes the objects on that list that are
 * wrong indeed (they are hashed again), so that they are fetched. The lock must
 * be held. False and why. repair_fini is due in any case. */
bool repair_discard(
    struct repair *r, struct store *s, const struct state *st, struct why *why);

/* After it: fetches what the releases lack still (f NULL: from nobody), gives each
 * file its object again, and removes the list (it stays when the fetching was stopped). *lacking
 * counts what no source has. Nothing is done without a list. False and why: the
 * store cannot be written to. */
bool repair_releases(struct repair *r, struct store *s, struct fetcher *f,
    struct sources *sources, size_t *lacking, struct why *why);

void repair_fini(struct repair *r);

/* Puts the store at path right with what is served at base, its current manifest
 * too: for a store that mirrors nothing. RESULT_GOOD: its current release is whole.
 * Else why. SIGPIPE must be ignored. */
enum result verify_repair(const char *path, const char *base, struct why *why);

/* ------------------------------------------------- what its files share */

/* Reports and counts. */
void verify_report(const struct verify_options *o, uint64_t counts[VERIFY_NEWS],
    enum verify_news news, const char *path);

/* Of all that was reported, once all was looked at. */
enum result verify_conclude(struct verify_outcome *out);

/* A copy's manifest into out. */
enum result verify_open_copy(const struct verify_options *o, struct slice text,
    struct verify_outcome *out);

/* What to call a file that could not be opened or read, from errno: VERIFY_MISSING
 * when it is not there, VERIFY_CHANGED when something else is, VERIFY_UNREADABLE when
 * it may be there and good. */
enum verify_news verify_news_of(int error);

/* VERIFY_SOUND when the bytes of fd, from its start, are of that hash; errno tells
 * why they are VERIFY_UNREADABLE. */
enum verify_news verify_bytes(int fd, const uint8_t digest[DIGEST_SIZE]);

/* An object; *wrong: it is to be fetched again. *st is zeroed when it cannot be
 * opened. */
enum verify_news verify_object(const struct store *s,
    const uint8_t digest[DIGEST_SIZE], struct stat *st, bool *wrong);

/* A list of files as it was signed. verify_list_fini is due in any case. */
struct verify_list {
	struct buf text;
	struct manifest m;
	const struct keyring_key
	    *signer; /* borrowed from the ring; NULL: none is
					   * open, and why said so */
};

/* A release's, by one of ring: the one that the store took over, as far as st
 * remembers it. VERIFY_SOUND, or why it is not open. */
enum verify_news verify_open_release(const struct store *s,
    const struct state *st, const struct keyring *ring, uint64_t serial,
    struct verify_list *l, struct why *why);

/* The same of l->text, wherever it came from. */
bool verify_open_list(const struct state *st, const struct keyring *ring,
    uint64_t serial, struct verify_list *l, struct why *why);

void verify_list_fini(struct verify_list *l);

enum verify_place {
	VERIFY_COPY,
	VERIFY_CURRENT, /* nothing else may be under mirror/, and the archive must
			 * be there */
	VERIFY_OLDER,   /* the same, and an archive is not looked at */
};

/* Receives what is in a tree. */
struct verify_visit {
	/* What is listed, open to be read, and described; fd -1: not to be read
	 * for what news says. */
	void (*file)(void *arg, const struct manifest_entry *e, int fd,
	    const struct stat *st, enum verify_news news);
	/* What is not, and the archive when it is not as it should be. */
	void (*other)(void *arg, enum verify_news news, const char *path);
	void *arg;
};

/* Each entry of m beneath root, which is the caller's; the archive; then what is
 * there besides. text is m's. False and why: local trouble. */
bool verify_tree(const struct manifest *m, struct slice text, int root,
    enum verify_place place, const struct verify_visit *visit, struct why *why);

#endif
