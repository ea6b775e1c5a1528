/* SPDX-License-Identifier: ISC */
/* SHA-256, and identifiers made of a name. Depends on util and OpenSSL. */
#ifndef TLS_DIGEST_H
#define TLS_DIGEST_H

#include "util/slice.h"

enum {
	DIGEST_SIZE = 32,
	DIGEST_HEX_SIZE = 2 * DIGEST_SIZE + 1,
	UUID_SIZE = 16,
	UUID_TEXT_SIZE = 37,
};

void digest_sha256(struct slice bytes, uint8_t out[DIGEST_SIZE]);

/* The same, computed incrementally. */
struct digest {
	void *md;    /* OpenSSL's; NULL: nothing is held */
	bool failed; /* reported by digest_end */
};

void digest_init(struct digest *d);
void digest_add(struct digest *d, struct slice bytes);

/* The digest of all that was added; d is then as after digest_fini. False when
 * out of memory, and out is all zero. */
bool digest_end(struct digest *d, uint8_t out[DIGEST_SIZE]);

/* Gives up before the end. Harmless after it, and on a zeroed d. */
void digest_fini(struct digest *d);

/* The digest of all that is left to read in fd. False and errno. */
bool digest_fd(int fd, uint8_t out[DIGEST_SIZE]);

bool digest_equal(const uint8_t a[DIGEST_SIZE], const uint8_t b[DIGEST_SIZE]);

/* Lower case, NUL-terminated. */
void digest_hex(const uint8_t digest[DIGEST_SIZE], char out[DIGEST_HEX_SIZE]);

/* From exactly 64 digits, lower case; false when they are not. */
bool digest_parse(struct slice hex, uint8_t out[DIGEST_SIZE]);

/* The UUID of name in a namespace (RFC 9562 5.5, version 5) as text, lower case,
 * NUL-terminated. It identifies, it protects nothing. False, and out is "", when out
 * of memory. */
bool digest_uuid(const uint8_t space[UUID_SIZE], struct slice name,
    char out[UUID_TEXT_SIZE]);

#endif
