/* SPDX-License-Identifier: ISC */
/* The manifest: a signed list of hashes of all that a capsule consists of, at
 * mirror/MANIFEST (carnation-mirror(7)).
 * Depends on util, proto and tls (signify, digest); no descriptor, no clock. */
#ifndef ARCHIVE_MANIFEST_H
#define ARCHIVE_MANIFEST_H

#include "archive/keyring.h"
#include "capsule/store_layout.h"
#include "tls/digest.h"
#include "util/why.h"

enum {
	MANIFEST_MAX = 16 << 20,     /* bytes of a manifest, with signature */
	MANIFEST_FILES_MAX = 100000, /* entries we ever hold */
	MANIFEST_PART_MAX = 255,     /* bytes between two slashes */
	MANIFEST_ORIGIN_MAX = 512,   /* bytes of an origin's URL, with NUL */
};

/* The largest serial, and count of bytes: what every JSON reader holds. */
#define MANIFEST_NUMBER_MAX ((UINT64_C(1) << 53) - 1)

/* The last moment that the time in an archive's header can tell (2242). */
#define MANIFEST_CREATED_MAX ((INT64_C(1) << 33) - 1)

struct manifest_entry {
	uint8_t digest[DIGEST_SIZE];
	char
	    *path; /* allocated; checked: manifest_name_fault says NULL of it */
};

struct manifest {
	char origin[MANIFEST_ORIGIN_MAX]; /* "gemini://host[:port]/" */
	uint64_t serial;                  /* from 1 to MANIFEST_NUMBER_MAX */
	int64_t created; /* since 1970, up to MANIFEST_CREATED_MAX */
	int64_t refresh; /* after created; 0: none (always when final) */
	bool final;
	uint64_t files, bytes, largest; /* of the files listed */
	bool has_next_key;
	struct signify_key next_key;
	char key_name[SIGNIFY_NAME_MAX]; /* "signed-with", "" when not said:
					  * then line 1 must name NAME.pub of it
					  */
	struct manifest_entry *entry;    /* in byte order of paths */
	size_t n;
	uint8_t digest[DIGEST_SIZE]; /* SHA-256 of the signed part, when it was
				      * read: what serials are compared over */
};

/* What is wrong with a file's name as half a sentence, or NULL. The rules of
 * "Names": relative, no empty, "." or ".." part, no control byte or backslash,
 * UTF-8, parts and URL not too long (at the shortest of hosts; manifest_url
 * knows for a certain one), nothing under mirror/ nor of that name. */
const char *manifest_name_fault(struct slice name);

/* Adds an entry behind the others, with a copy of path, which must be sound; n
 * grows, the counts are the caller's. False when out of memory or there are
 * MANIFEST_FILES_MAX. */
bool manifest_add(
    struct manifest *m, const uint8_t digest[DIGEST_SIZE], struct slice path);

/* What is wrong with the entries as they stand, one after the other, or NULL:
 * not in byte order, one twice, a name that is also another's directory, a URL
 * that is too long at the origin. *at is then the entry. For who writes one;
 * manifest_parse asks it too. */
const char *manifest_order_fault(const struct manifest *m, size_t *at);

/* Reads the signed part (all after line 2). False and why, with the line ("line
 * 12: ..."): anything unsorted, twice, malformed, a name that is also another's
 * directory, counts that do not agree (files; bytes and largest are the
 * publisher's word, largest <= bytes). Header lines come in the order of
 * carnation-mirror(7); "# name: value" lines of unknown names are passed over.
 * out need not be freed when it is false. */
bool manifest_parse(struct slice text, struct manifest *out, struct why *why);
void manifest_fini(struct manifest *m);

/* Appends the part that is signed. m must be sound; files is n. */
bool manifest_format(const struct manifest *m, struct buf *out);

enum manifest_result {
	MANIFEST_GOOD,
	MANIFEST_UNSIGNED, /* no such signature, or by none of the keys */
	MANIFEST_UNSOUND,  /* signed, and yet breaks the rules */
};

/* The whole file: signature first, by one of the ring's keys, retired ones too
 * (*signer, borrowed from it; may be NULL), then the content. Only when the result
 * is MANIFEST_GOOD, *signer is set and out is to be freed. */
enum manifest_result
manifest_open(struct slice text, const struct keyring *ring,
    const struct keyring_key **signer, struct manifest *out, struct why *why);

/* The entry of that path, or NULL. Borrowed. */
const struct manifest_entry *
manifest_find(const struct manifest *m, const char *path);

/* Names that differ in case alone (simple folding by the character in ASCII
 * and, where the system has the locale C.UTF-8, beyond): called with each such
 * pair of neighbours. For warnings: without memory there are none. */
void manifest_folded(const struct manifest *m,
    void (*handle)(void *arg, const char *a, const char *b), void *arg);

/* Appends the URL of a path at base ("gemini://host[:port]/"), percent-encoded, to
 * out (may be NULL); false when it would be longer than a request may be. */
bool manifest_url(const char *base, struct slice path, struct buf *out);

/* An origin in its one form, "gemini://host[:port]/" (canonical host, default
 * port left out); false: it is none (another scheme, a path, userinfo, a
 * query). */
bool manifest_origin(struct slice text, char out[MANIFEST_ORIGIN_MAX]);

/* "example.org:1966" of "gemini://example.org:1966/", borrowed. */
struct slice manifest_place(const char *origin);

/* ---- what changed between two manifests */

enum change {
	CHANGE_ADDED,
	CHANGE_CHANGED, /* the same name, other bytes */
	CHANGE_GONE,
};

struct changes {
	uint64_t added, changed, gone;
	uint64_t kept; /* the same name, the same bytes */
};

/* Called for each difference, in byte order of paths. path is borrowed from one of
 * the manifests. */
typedef void change_reporter(void *arg, enum change change, const char *path);

/* Compares what two manifests list, counting. before may be NULL: all was added.
 * handle may be NULL. */
struct changes changes_between(const struct manifest *before,
    const struct manifest *after, change_reporter *handle, void *arg);

/* Whether both list the same. */
bool changes_none(const struct changes *c);

/* "added", "changed", "gone". */
const char *change_text(enum change change);

#endif
