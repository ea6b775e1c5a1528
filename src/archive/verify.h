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

/* A list of files as it was signed. Zeroed at first; verify_list_fini is due. */
struct verify_list {
	struct buf text;
	struct manifest m; /* serial 0: none is open */
	struct signify_key signer;
};

/* What came of it. Zeroed at first. */
struct verify_outcome {
	struct verify_list list; /* of the copy, or a store's current release */
	bool sound;              /* all of it was looked at and is as signed */
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

/* A copy is: what a host serves ("gemini://host[:port]/": the manifest and each file
 * that it lists, one after the other; SIGPIPE must be ignored); an archive as
 * mirror/capsule.tar is (memory does not grow with its files); a tree with
 * mirror/MANIFEST, whose mirror/capsule.tar, when there, must hold the same, and whose
 * mirror/trace and mirror/objects/ are not looked at; or a store: each of its releases
 * as a tree, and each object of any of them. A store's archive is the current release's
 * alone. What has to be fetched again is then listed in STORE/wrong, if we may write
 * and no other run is at work; why says so when we may not. */
enum result verify_copy(const struct verify_options *o, const char *copy,
    struct verify_outcome *out);

/* One release of an open store, as such a tree, without its archive. */
enum result verify_release(const struct verify_options *o,
    const struct store *s, uint64_t serial, struct verify_outcome *out);

void verify_fini(struct verify_outcome *out);

/* ------------------------------------------------- what it found wrong */

enum {
	/* Bytes of STORE/wrong: what does not fit is found the next time. */
	VERIFY_WRONG_MAX = MANIFEST_FILES_MAX * DIGEST_HEX_SIZE,
};

/* Before a run takes over a release: removes the objects that STORE/wrong lists and
 * that are wrong indeed (they are hashed again), so that they are fetched. *recorded:
 * there is such a list. The lock must be held. False and why. */
bool repair_discard(struct store *s, bool *recorded, struct why *why);

/* After it, when there was a list: fetches what the releases lack still (f NULL: from
 * nobody), gives each file its object again, and removes the list (it stays when the
 * fetching was stopped). *n_missing counts what no source has. False and why: the
 * store cannot be written to. */
bool repair_releases(struct store *s, const struct state *st, struct fetcher *f,
    struct sources *sources, size_t *n_missing, struct why *why);

/* Puts the store at path right with what is served at base, its current manifest
 * too: for a store that mirrors nothing. RESULT_GOOD: its current release is whole.
 * Else why. SIGPIPE must be ignored. */
enum result verify_repair(const char *path, const char *base, struct why *why);

/* ------------------------------------------------- what its files share */

/* An object that a release lists. */
struct verify_object {
	uint8_t digest[DIGEST_SIZE];
	dev_t device;
	ino_t inode;
	enum verify_news news;
	bool looked, reported;
	bool wrong; /* on the list */
};

/* What is looked at. */
struct verify_work {
	const struct verify_options *options;
	struct verify_outcome *out;
	bool older; /* a release that is not current */
	bool bad;   /* something was reported of it */
	const struct manifest *m;
	uint64_t visited; /* of what is there */

	/* Of a store alone. */
	struct store *store;
	struct state *state;
	uint64_t serial;
	struct verify_object *object; /* sorted; no two are the same */
	size_t n;
	struct buf wrong; /* STORE/wrong, as it will be */
};

/* Reports and counts. */
void
verify_report(struct verify_work *w, enum verify_news news, const char *path);

/* The same of a path beneath what is looked at: "releases/42/..." when that is an
 * older release of a store. */
void verify_report_in(
    struct verify_work *w, enum verify_news news, const char *path);

/* Of all that was reported, once all was looked at. */
enum result verify_conclude(struct verify_outcome *out);

/* What to call a file that could not be opened or read, from errno: VERIFY_MISSING
 * when it is not there, VERIFY_CHANGED when something else is, VERIFY_UNREADABLE when
 * it may be there and good. */
enum verify_news verify_news_of(int error);

/* VERIFY_SOUND when what is left to read in fd is of that hash; errno tells why it is
 * VERIFY_UNREADABLE. */
enum verify_news verify_bytes(int fd, const uint8_t digest[DIGEST_SIZE]);

/* An object's bytes, into o. */
void verify_look(const struct store *s, struct verify_object *o);

/* A host, a store: verify_copy's. */
enum result verify_host(struct verify_work *w, const char *base);
enum result verify_store(const struct verify_work *given, const char *path);

/* Of a copy, whose manifest's text is in what comes of it. */
enum result verify_open_copy(struct verify_work *w);

/* A release's, by one of ring: the one that the store took over, as far as st (may be
 * NULL) remembers it. VERIFY_SOUND, or why it is not open. */
enum verify_news verify_open_release(const struct store *s,
    const struct state *st, const struct keyring *ring, uint64_t serial,
    struct verify_list *l, struct why *why);

/* The same of l->text, wherever it came from; serial 0: any. */
bool verify_open_list(const struct state *st, const struct keyring *ring,
    uint64_t serial, struct verify_list *l, struct why *why);

void verify_list_fini(struct verify_list *l);

/* Each entry of l beneath root, which is the caller's; the archive, of a copy when
 * it is there, and of a store's current release; then what is there besides. False
 * and why: not all of it could be looked at. */
bool verify_tree(struct verify_work *w, const struct verify_list *l, int root,
    struct why *why);

/* A file of a store's release, open as fd; -1: for what news says. */
void verify_listed(struct verify_work *w, const struct manifest_entry *e,
    int fd, const struct stat *st, enum verify_news news);

/* A line of what is to be fetched, or made, again. */
void verify_note(struct verify_work *w, const char *line);

#endif
