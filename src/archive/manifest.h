/* SPDX-License-Identifier: ISC */
/* The manifest: a signed list of hashes of all that a capsule consists of, at
 * mirror/MANIFEST (carnation-mirror(7), mirroring.md 1).
 * Depends on util, proto and tls (signify, digest); no descriptor, no clock. */
#ifndef ARCHIVE_MANIFEST_H
#define ARCHIVE_MANIFEST_H

#include "tls/digest.h"
#include "tls/signify.h"

#define MANIFEST_PATH "mirror/MANIFEST"
#define MANIFEST_ARCHIVE "mirror/capsule.tar"

enum {
	MANIFEST_MAX = 16 << 20,     /* bytes of a manifest, signature included */
	MANIFEST_FILES_MAX = 100000, /* entries we ever hold */
	MANIFEST_PART_MAX = 255,     /* bytes between two slashes */
	MANIFEST_ORIGIN_MAX = 512,   /* bytes of an origin's URL */
};

struct manifest_entry {
	uint8_t digest[DIGEST_SIZE];
	char *path; /* checked: manifest_name_fault says NULL of it */
};

struct manifest {
	char origin[MANIFEST_ORIGIN_MAX]; /* "gemini://host[:port]/" */
	uint64_t serial;                  /* from 1 */
	int64_t created;                  /* seconds since 1970 */
	int64_t refresh;                  /* 0: none (final) */
	bool final;
	uint64_t files, bytes, largest; /* of the files listed */
	bool has_next_key;
	struct signify_key next_key;
	char key_name[SIGNIFY_NAME_MAX]; /* "signed-with", "" when not said: then
					  * line 1 must name NAME.pub of it */
	struct manifest_entry *entry; /* in byte order of paths */
	size_t n;
};

/* What is wrong with a file's name as half a sentence, or NULL: the rules of
 * "Names": relative, no empty, "." or ".." part, no control byte or backslash,
 * UTF-8, parts and URL not too long, nothing under mirror/. */
const char *manifest_name_fault(struct slice name);

/* Reads the signed part (all behind line 2). False and why, with the line
 * ("line 12: ..."): anything unsorted, twice, malformed, a name that is also
 * another's directory, counts that do not agree (files; bytes and largest are
 * the publisher's word, largest <= bytes). */
bool manifest_parse(struct slice text, struct manifest *out, struct buf *why);
void manifest_fini(struct manifest *m);

/* Appends the part that is signed. m must be sound. */
bool manifest_format(const struct manifest *m, struct buf *out);

enum manifest_result {
	MANIFEST_GOOD,
	MANIFEST_UNSIGNED, /* no such signature, or by none of the keys */
	MANIFEST_UNSOUND,  /* signed, and yet breaks the rules */
};

/* The whole file: signature first, by one of n keys (*which), then the content.
 * signed_part (borrowed from text) is what serials are compared over. */
enum manifest_result manifest_open(struct slice text,
    const struct signify_key *keys, size_t n, size_t *which,
    struct manifest *out, struct slice *signed_part, struct buf *why);

const struct manifest_entry *
manifest_find(const struct manifest *m, const char *path);

/* Names that differ in case alone: called with each such pair. */
void manifest_folded(const struct manifest *m,
    void (*told)(void *arg, const char *a, const char *b), void *arg);

/* The URL of a path at base ("gemini://host[:port]/"), percent-encoded; false when it
 * would be longer than a request may be. */
bool manifest_url(const char *base, const char *path, struct buf *out);

/* An origin in its one form, "gemini://host[:port]/" (canonical host, default port
 * left out); false: it is none (another scheme, a path, userinfo, a query). */
bool manifest_origin(struct slice text, char out[MANIFEST_ORIGIN_MAX]);

#endif
