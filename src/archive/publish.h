/* SPDX-License-Identifier: ISC */
/* Publishing: a folder of pages becomes the next release of a store, signed
 * (carnation-mirror(7)). First a plan, which writes nothing and says what would change;
 * then, when it pleases, the release.
 *
 * The folder is never written to. Its feed and text copy are made in memory, from the
 * same files. Every file must be the same one, of the same times (its inode's change
 * too), when the plan begins, when it has been hashed, and when its bytes lie in the
 * store under that hash: what the linter read, what the copy was made of and what
 * is signed are then the same bytes. Else nothing is published.
 * Depends on store, state, manifest and capsule. */
#ifndef ARCHIVE_PUBLISH_H
#define ARCHIVE_PUBLISH_H

#include "archive/manifest.h"
#include "capsule/feed.h"
#include "util/result.h"

enum {
	PUBLISH_REFRESH_DAYS = 365,
	PUBLISH_REFRESH_DAYS_MAX = 36500,
};

/* What a mirror takes by default: more is worth a warning. */
#define PUBLISH_FILE_USUAL (UINT64_C(64) << 20)
#define PUBLISH_BYTES_USUAL (UINT64_C(4) << 30)

/* All borrowed, as long as the publish lives. */
struct publish_options {
	const char *src, *store;
	const char *certs; /* where certificates lie; NULL: not known */
	const struct signify_secret *secret; /* NULL: nothing is signed here */
	const struct signify_key
	    *key;             /* of secret; or what sealed must be signed
					* with. NULL: one that the store pins */
	const char *key_name; /* as in NAME.pub; "": not said */
	struct slice sealed;  /* a manifest signed elsewhere; empty: none */
	const struct feed_origin *origin; /* NULL: as the store remembers */
	struct slice author; /* of the feed; empty: see feed_atom */
	bool final;
	unsigned refresh_days;
	const struct signify_key *next_key; /* NULL: none */
	const char *const *levels; /* of the linter's checks: lint_set_text */
	size_t n_levels;
	bool strict;     /* anything left out is refused */
	uint64_t serial; /* of the release; 0: the one after the last */
	/* Paths beneath the root: every release that has one of these files, or
	 * the same bytes elsewhere, is removed. */
	const char *const *retract;
	size_t n_retract;
	bool look_only;  /* there will be no publish_commit: lock nothing */
	int64_t created; /* what the list says it was made at */
	int64_t now;     /* seconds since 1970 */
};

/* How publishing ended: RESULT_FAILED: mistakes in the pages, or try again later;
 * RESULT_USAGE: options that do not fit the store; RESULT_REFUSED: names,
 * omissions, keys, another list; RESULT_LOCAL: disk, permissions, a wrong
 * directory. */

/* A page that goes though pages of the last release link to it. */
struct publish_loss {
	const char *path;
	const char *page; /* the first that links there */
	unsigned line;
	size_t links; /* how many there are */
};

struct publish_plan {
	struct manifest before; /* the last serial's; serial 0: none */
	struct manifest after;  /* what is to be published */
	struct buf list;        /* its text to be signed */
	struct changes changes;
	struct publish_loss *loss;
	size_t n_losses;
	uint64_t
	    final_serial; /* said to be the last one, and is not; 0: none */
	size_t lint_warnings, left_out;
	bool
	    other_key; /* it is signed by the successor, which retires others */
	const uint64_t *retracted; /* serials of releases that go */
	size_t n_retracted;
	bool published; /* publish_commit has switched to it */
};

struct publish; /* opaque */

/* Whether text is a level that a check may have here, else why: an error that
 * makes a release invalid stays one. */
bool publish_level_check(const char *text, struct why *why);

/* Works it all out. Every problem goes to r. A store that exists is locked, unless
 * look_only. *p is to be freed in any case; *plan is p's, and complete when the result
 * is good. */
enum result publish_prepare(const struct publish_options *o, struct publish **p,
    const struct publish_plan **plan, struct report *r);

/* Writes the release and switches to it. */
enum result publish_commit(struct publish *p, struct report *r);

/* Then removes what was retracted, now or before. With o->retract it waits up to
 * STORE_SUPERSEDED_S for servers to let go of it, and what they still hold is an
 * error; it is removed by the next one. */
enum result publish_clear(struct publish *p, struct report *r);
void publish_free(struct publish **p);

#endif
