/* SPDX-License-Identifier: ISC */
#include "util/uuid.h"

#include <stdio.h>
#include <string.h>

enum { SHA1_WORDS = 5, SHA1_BLOCK = 64, SHA1_ROUNDS = 80 };

/* FIPS 180-4. RFC 9562 requires it; nothing else may use it. */
struct sha1 {
	uint32_t state[SHA1_WORDS];
	uint8_t block[SHA1_BLOCK];
	uint64_t length; /* bytes so far */
};

static uint32_t
sha1_rotate(uint32_t x, unsigned by)
{
	return x << by | x >> (32 - by);
}

/* The function of a round, with its constant. */
static uint32_t
sha1_mix(unsigned round, uint32_t b, uint32_t c, uint32_t d)
{
	if (round < 20)
		return ((b & c) | (~b & d)) + UINT32_C(0x5a827999);
	if (round < 40)
		return (b ^ c ^ d) + UINT32_C(0x6ed9eba1);
	if (round < 60)
		return ((b & c) | (b & d) | (c & d)) + UINT32_C(0x8f1bbcdc);
	return (b ^ c ^ d) + UINT32_C(0xca62c1d6);
}

static void
sha1_block(struct sha1 *s)
{
	uint32_t w[SHA1_ROUNDS], v[SHA1_WORDS], next;

	for (unsigned i = 0; i < 16; i++)
		w[i] = (uint32_t)s->block[4 * i] << 24 |
		       (uint32_t)s->block[4 * i + 1] << 16 |
		       (uint32_t)s->block[4 * i + 2] << 8 | s->block[4 * i + 3];
	for (unsigned i = 16; i < SHA1_ROUNDS; i++)
		w[i] =
		    sha1_rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	memcpy(v, s->state, sizeof(v));
	for (unsigned i = 0; i < SHA1_ROUNDS; i++) {
		next = sha1_rotate(v[0], 5) + sha1_mix(i, v[1], v[2], v[3]) +
		       v[4] + w[i];
		v[4] = v[3];
		v[3] = v[2];
		v[2] = sha1_rotate(v[1], 30);
		v[1] = v[0];
		v[0] = next;
	}
	for (unsigned i = 0; i < SHA1_WORDS; i++)
		s->state[i] += v[i];
}

static void
sha1_add(struct sha1 *s, struct slice bytes)
{
	for (size_t i = 0; i < bytes.len; i++) {
		s->block[s->length % SHA1_BLOCK] = bytes.ptr[i];
		if (++s->length % SHA1_BLOCK == 0)
			sha1_block(s);
	}
}

/* A one bit, zeros, and the length in bits. */
static void
sha1_end(struct sha1 *s)
{
	const uint64_t bits = s->length * 8;
	uint8_t length[8];

	sha1_add(s, SLICE("\x80"));
	while (s->length % SHA1_BLOCK != SHA1_BLOCK - sizeof(length))
		sha1_add(s, SLICE("\0"));
	for (unsigned i = 0; i < sizeof(length); i++)
		length[i] = (uint8_t)(bits >> (56 - 8 * i));
	sha1_add(s, slice_of(length, sizeof(length)));
}

void
uuid_of_name(
    const uint8_t space[UUID_SIZE], struct slice name, char out[UUID_TEXT_SIZE])
{
	struct sha1 s = { .state = { 0x67452301, 0xefcdab89, 0x98badcfe,
			      0x10325476, 0xc3d2e1f0 } };
	uint32_t *v = s.state;

	sha1_add(&s, slice_of(space, UUID_SIZE));
	sha1_add(&s, name);
	sha1_end(&s);
	/* The version, and the variant of RFC 9562. */
	v[1] = (v[1] & UINT32_C(0xffff0fff)) | UINT32_C(0x5000);
	v[2] = (v[2] & UINT32_C(0x3fffffff)) | UINT32_C(0x80000000);
	snprintf(out, UUID_TEXT_SIZE, "%08x-%04x-%04x-%04x-%04x%08x", v[0],
	    v[1] >> 16, v[1] & 0xffff, v[2] >> 16, v[2] & 0xffff, v[3]);
}
