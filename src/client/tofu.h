/* SPDX-License-Identifier: ISC */
/* Trust on first use: the key that a server showed once is the one it must show
 * until its certificate expires. Kept in a text file, a line each:
 * "example.org:1965 <SHA-256 of the public key> 2099-12-31T23:59:59Z".
 * Depends on util, os, tls. */
#ifndef CLIENT_TOFU_H
#define CLIENT_TOFU_H

#include "client/target.h"
#include "tls/cert.h"

enum { TOFU_FILE_MAX = 4 << 20 };

enum tofu {
	TOFU_REFUSED,
	TOFU_ACCEPTED,
	TOFU_NEW, /* accepted: first seen, and now remembered */
};

/* Judges c for t by file, which is made, mode 0600, when there is none (NULL:
 * there is no place for one); another process may do so at the same time. now:
 * seconds since 1970. What a person should know is appended to said, a line or
 * several, nothing when all is as it was. */
enum tofu tofu_judge(const char *file, const struct target *t,
    const struct cert *c, int64_t now, struct buf *said);

#endif
