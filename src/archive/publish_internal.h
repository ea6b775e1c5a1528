/* SPDX-License-Identifier: ISC */
/* What is published, and what is checked before: for archive/publish*.c.
 * Depends on publish and store. */
#ifndef ARCHIVE_PUBLISH_INTERNAL_H
#define ARCHIVE_PUBLISH_INTERNAL_H

#include <sys/stat.h>

#include "archive/publish.h"
#include "archive/store.h"
#include "capsule/inventory.h"

/* ------------------------------------------------------- publish_source.c */

/* Opens dir as the one capsule at that origin; capsule.conf is not yet read. */
struct hosts *publish_root_open(
    const char *dir, const struct feed_origin *origin, struct report *r);
void publish_root_close(struct hosts **root);

struct publish_file {
	const char *path;       /* the inventory's, or the host's */
	const struct buf *made; /* its bytes; NULL: they are SRC's */
	struct stat stamp;      /* of SRC's, as it was listed */
	uint64_t size;
	uint8_t digest[DIGEST_SIZE];
};

/* SRC, and all that the release is made of. Zeroed = closed. */
struct publish_source {
	struct hosts *root;     /* NULL: closed */
	struct inventory pages; /* what SRC serves; nothing under mirror/ */
	struct buf atom, copy;
	struct publish_file *file; /* in byte order of paths */
	size_t n;
	size_t left_out;
};

/* Where it is published: at known, what the store remembers, or else ("") what
 * the command line or SRC sets, which must agree; known is then that. */
enum result publish_find_origin(const struct publish_options *o,
    char known[MANIFEST_ORIGIN_MAX], struct feed_origin *out, struct report *r);

/* Opens SRC, which neither overlaps the store nor holds a key, reads
 * its capsule.conf, and lists its files as they are before anything reads them.
 * To be closed in any case. */
enum result
publish_source_open(struct publish_source *s, const struct publish_options *o,
    const struct feed_origin *origin, struct report *r);

/* Makes feed and text copy, then hashes all files. last is the release that
 * readers have now; NULL: none. */
enum result publish_source_make(struct publish_source *s,
    const struct publish_options *o, const struct feed_origin *origin,
    const struct host *last, struct report *r);

/* Makes an object of each file that the store lacks. Good only when SRC's
 * files are still what was listed. */
enum result publish_source_keep(
    const struct publish_source *s, struct store *store, struct report *r);

/* The file of that path, or NULL. */
const struct publish_file *
publish_source_find(const struct publish_source *s, const char *path);
void publish_source_close(struct publish_source *s);

/* -------------------------------------------------------- publish_check.c */

/* Adds an error about file (may be NULL), and returns result. */
enum result
publish_refuse(struct report *r, enum result result, const char *file,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The key that the new serial announces: the one asked for, or the one that the
 * last serial announced, until it signs; a mirror that missed that serial would
 * refuse it forever. NULL: none. Borrowed. */
const struct signify_key *
publish_successor(const struct publish_options *o, const struct keyring *ring);

/* Whether signer (NULL: not yet known) may sign the next serial, and announce
 * next (NULL: none). *other: it retires those before it. */
enum result publish_check_keys(const struct publish_options *o,
    const struct keyring *ring, const struct signify_key *signer,
    const struct signify_key *next, bool *other, struct report *r);

/* Whether path is among o's retracted ones. */
bool publish_retracts(const struct publish_options *o, const char *path);

/* Runs the linter, and reports links that fail a mirror's readers. */
enum result publish_lint(const struct publish_source *s,
    const struct publish_options *o, size_t *warnings, struct report *r);

/* Whether a mirror could fetch all of it; reports names and sizes that not every
 * mirror takes. */
enum result publish_check_list(const struct publish_source *s,
    const struct manifest *list, struct report *r);

/* Whether m, which was signed, lists what would be published now (own), but for
 * what its maker chose. */
enum result publish_check_sealed(
    const struct manifest *m, const struct manifest *own, struct report *r);

/* The pages that plan->changes say are gone, to which others of the last
 * release (plan->before's) link: the plan's. last's capsule.conf is read. */
enum result publish_find_losses(const struct publish_source *s,
    const struct publish_options *o, struct hosts *last,
    struct publish_plan *plan, struct report *r);

#endif
