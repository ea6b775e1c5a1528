/* SPDX-License-Identifier: ISC */
/* Base64 (RFC 4648 4) in its one form: no line ends, no blanks, padded, the bits
 * that nothing uses zero. Depends on util and OpenSSL. */
#ifndef TLS_BASE64_H
#define TLS_BASE64_H

#include "util/buf.h"

enum { BASE64_BYTES_MAX = 128 }; /* enough for keys and signatures */

/* Characters that size bytes become. */
#define BASE64_SIZE(size) (((size) + 2) / 3 * 4)

/* Appends the text of bytes, at most BASE64_BYTES_MAX, or nothing. */
bool base64_encode(struct slice bytes, struct buf *out);

/* The size bytes (at most BASE64_BYTES_MAX) that text stands for; false when it is
 * not exactly what base64_encode makes of so many. */
bool base64_decode(struct slice text, uint8_t *out, size_t size);

#endif
