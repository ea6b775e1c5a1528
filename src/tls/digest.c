/* SPDX-License-Identifier: ISC */
#include "tls/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "util/fd.h"

_Static_assert(DIGEST_SIZE == SHA256_DIGEST_LENGTH, "SHA-256 is 32 bytes");

void
digest_sha256(struct slice bytes, uint8_t out[DIGEST_SIZE])
{
	SHA256(bytes.ptr, bytes.len, out);
}

void
digest_init(struct digest *d)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	*d = (struct digest){ .md = md };
	d->failed =
	    md == NULL || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1;
}

void
digest_add(struct digest *d, struct slice bytes)
{
	if (!d->failed && EVP_DigestUpdate(d->md, bytes.ptr, bytes.len) != 1)
		d->failed = true;
}

bool
digest_end(struct digest *d, uint8_t out[DIGEST_SIZE])
{
	bool ok = !d->failed && d->md != NULL &&
		  EVP_DigestFinal_ex(d->md, out, NULL) == 1;

	if (!ok)
		memset(out, 0, DIGEST_SIZE);
	digest_fini(d);
	return ok;
}

void
digest_fini(struct digest *d)
{
	EVP_MD_CTX_free(d->md);
	*d = (struct digest){ 0 };
}

bool
digest_fd(int fd, uint8_t out[DIGEST_SIZE])
{
	uint8_t chunk[64 * 1024];
	struct digest d;
	ssize_t n;
	bool ok;

	digest_init(&d);
	while ((n = fd_read(fd, chunk, sizeof(chunk))) > 0)
		digest_add(&d, slice_of(chunk, (size_t)n));
	if (n == 0)
		errno = ENOMEM;
	ok = digest_end(&d, out);
	return ok && n == 0;
}

bool
digest_equal(const uint8_t a[DIGEST_SIZE], const uint8_t b[DIGEST_SIZE])
{
	return memcmp(a, b, DIGEST_SIZE) == 0;
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

bool
digest_parse(struct slice hex, uint8_t out[DIGEST_SIZE])
{
	if (hex.len != (size_t)2 * DIGEST_SIZE)
		return false;
	for (size_t i = 0; i < hex.len; i++) {
		uint8_t c = hex.ptr[i];
		int value = hex_value(c);

		if (value == -1 || (c >= 'A' && c <= 'F'))
			return false;
		out[i / 2] =
		    (uint8_t)(i % 2 == 0 ? value << 4 : out[i / 2] | value);
	}
	return true;
}

bool
digest_uuid(
    const uint8_t space[UUID_SIZE], struct slice name, char out[UUID_TEXT_SIZE])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t hash[EVP_MAX_MD_SIZE];
	bool ok = md != NULL && EVP_DigestInit_ex(md, EVP_sha1(), NULL) == 1 &&
		  EVP_DigestUpdate(md, space, UUID_SIZE) == 1 &&
		  EVP_DigestUpdate(md, name.ptr, name.len) == 1 &&
		  EVP_DigestFinal_ex(md, hash, NULL) == 1;

	EVP_MD_CTX_free(md);
	out[0] = '\0';
	if (!ok)
		return false;
	hash[6] = (uint8_t)((hash[6] & 0x0f) | 0x50); /* the version */
	hash[8] = (uint8_t)((hash[8] & 0x3f) | 0x80); /* the variant */
	for (size_t i = 0; i < UUID_SIZE; i++) {
		bool dash = i == 4 || i == 6 || i == 8 || i == 10;

		snprintf(out, 4, "%s%02x", dash ? "-" : "", hash[i]);
		out += dash ? 3 : 2;
	}
	return true;
}
