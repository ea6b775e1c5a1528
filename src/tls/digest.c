/* SPDX-License-Identifier: ISC */
#include "tls/digest.h"

#include <openssl/sha.h>

_Static_assert(DIGEST_SIZE == SHA256_DIGEST_LENGTH, "SHA-256 is 32 bytes");

void
digest_sha256(struct slice bytes, uint8_t out[DIGEST_SIZE])
{
	SHA256(bytes.ptr, bytes.len, out);
}

void
digest_hex(const uint8_t digest[DIGEST_SIZE], char out[DIGEST_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		*out++ = digits[digest[i] >> 4];
		*out++ = digits[digest[i] & 15];
	}
	*out = '\0';
}
