/* SPDX-License-Identifier: ISC */
/* SHA-256. Depends on util and OpenSSL. */
#ifndef TLS_DIGEST_H
#define TLS_DIGEST_H

#include "util/slice.h"

enum { DIGEST_SIZE = 32, DIGEST_HEX_SIZE = 2 * DIGEST_SIZE + 1 };

void digest_sha256(struct slice bytes, uint8_t out[DIGEST_SIZE]);

/* Lower case, NUL-terminated. */
void digest_hex(const uint8_t digest[DIGEST_SIZE], char out[DIGEST_HEX_SIZE]);

#endif
