/* SPDX-License-Identifier: ISC */
#include "tls/base64.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

enum { TEXT_MAX = BASE64_SIZE(BASE64_BYTES_MAX) };

bool
base64_encode(struct slice bytes, struct buf *out)
{
	uint8_t text[TEXT_MAX + 1]; /* EVP_EncodeBlock adds a NUL */
	bool ok;
	int n;

	assert(bytes.len <= BASE64_BYTES_MAX);
	n = EVP_EncodeBlock(text, bytes.ptr, (int)bytes.len);
	ok = buf_put(out, slice_of(text, (size_t)n));
	OPENSSL_cleanse(text, sizeof(text));
	return ok;
}

bool
base64_decode(struct slice text, uint8_t *out, size_t size)
{
	uint8_t bytes[TEXT_MAX / 4 * 3], again[TEXT_MAX + 1];
	bool ok;

	assert(size <= BASE64_BYTES_MAX);
	if (text.len != BASE64_SIZE(size))
		return false;
	/* EVP_DecodeBlock ignores blanks and unused bits; only text that
	 * encodes back to the same bytes is accepted. */
	ok = EVP_DecodeBlock(bytes, text.ptr, (int)text.len) >= (int)size &&
	     EVP_EncodeBlock(again, bytes, (int)size) == (int)text.len &&
	     memcmp(again, text.ptr, text.len) == 0;
	if (ok)
		memcpy(out, bytes, size);
	OPENSSL_cleanse(bytes, sizeof(bytes));
	OPENSSL_cleanse(again, sizeof(again));
	return ok;
}
