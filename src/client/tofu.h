/* SPDX-License-Identifier: ISC */
/* Trust on first use: the key that a server showed once is the one it must show
 * until its certificate expires. Kept in a text file, a line each:
 * "example.org:1965 <SHA-256 of the public key> 2099-12-31T23:59:59Z".
 * Depends on util, os, tls. */
#ifndef CLIENT_TOFU_H
#define CLIENT_TOFU_H

#include "client/target.h"
#include "tls/cert.h"
#include "tls/digest.h"

enum {
	TOFU_FILE_MAX = 4 << 20,
	TOFU_PLACE_SIZE = HOSTNAME_SIZE + sizeof("[]:65535"),
};

enum tofu {
	TOFU_REFUSED,
	TOFU_ACCEPTED,
	TOFU_NEW, /* accepted: first seen, and now remembered */
};

/* What the judgement needs to know of a certificate. */
struct tofu_shown {
	uint8_t certificate[DIGEST_SIZE], key[DIGEST_SIZE];
	int64_t from, until; /* seconds since 1970 */
};

/* Fills place with what t is called in the file, and shown with what c says. False
 * when c is for another host: that is appended to said. */
bool tofu_describe(const struct target *t, const struct cert *c,
    char place[TOFU_PLACE_SIZE], struct tofu_shown *shown, struct buf *said);

/* Judges what place shows by file, which is made, mode 0600, when there is none (NULL:
 * there is no place for one); another process may do so at the same time. now:
 * seconds since 1970. What a person should know is appended to said, a line or
 * several, nothing when all is as it was. place may come from another process: one
 * that no target has is refused. */
enum tofu tofu_judge(const char *file, const char place[TOFU_PLACE_SIZE],
    const struct tofu_shown *shown, int64_t now, struct buf *said);

#endif
