/* SPDX-License-Identifier: ISC */
/* Canonical base64 (RFC 4648 4, 3.5): no line ends, no blanks, padded, unused
 * bits zero. Depends on util and OpenSSL. */
#ifndef TLS_BASE64_H
#define TLS_BASE64_H

#include "util/buf.h"

enum { BASE64_BYTES_MAX = 128 }; /* enough for keys and signatures */

/* Length of the base64 text of size bytes. */
#define BASE64_SIZE(size) (((size) + 2) / 3 * 4)

/* Appends the text of bytes, at most BASE64_BYTES_MAX, or nothing. */
bool base64_encode(struct slice bytes, struct buf *out);

/* Decodes text to exactly size bytes (at most BASE64_BYTES_MAX); false when it
 * is not what base64_encode makes of so many. */
bool base64_decode(struct slice text, uint8_t *out, size_t size);

#endif
