/* SPDX-License-Identifier: ISC */
#include "tls/signer_input.h"

#include <string.h>

enum {
	/* RFC 8446 4.4.3: spaces, a text with its NUL, a digest. */
	TLS13_SPACES = 64,
	TLS13_SHA256 = 32,
	TLS13_SHA384 = 48,
	/* RFC 8422 5.4: the randoms, then ServerECDHParams. */
	TLS12_RANDOMS = 64,
	TLS12_NAMED_CURVE = 3,
	TLS12_HEAD = TLS12_RANDOMS + 4, /* type, curve, length */
	POINT_UNCOMPRESSED = 4,
};

static const char tls13_context[] = "TLS 1.3, server CertificateVerify";

static bool
input_is_tls13(struct slice in)
{
	size_t head = TLS13_SPACES + sizeof(tls13_context);

	if (in.len != head + TLS13_SHA256 && in.len != head + TLS13_SHA384)
		return false;
	for (size_t i = 0; i < TLS13_SPACES; i++)
		if (in.ptr[i] != ' ')
			return false;
	return memcmp(in.ptr + TLS13_SPACES, tls13_context,
		   sizeof(tls13_context)) == 0;
}

/* The length of a point of a named curve that we offer (the groups of ctx.c);
 * 0: of no such curve. */
static size_t
curve_point(unsigned curve)
{
	static const struct {
		unsigned curve;
		size_t point;
	} rows[] = {
		{ 23, 65 }, /* secp256r1 */
		{ 24, 97 }, /* secp384r1 */
		{ 29, 32 }, /* x25519 */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (rows[i].curve == curve)
			return rows[i].point;
	return 0;
}

static bool
input_is_tls12(struct slice in)
{
	enum { X25519_POINT = 32 };
	const uint8_t *p = in.ptr + TLS12_RANDOMS;
	size_t point;

	if (in.len <= TLS12_HEAD || p[0] != TLS12_NAMED_CURVE)
		return false;
	point = curve_point((unsigned)p[1] << 8 | p[2]);
	return point != 0 && p[3] == point && in.len == TLS12_HEAD + point &&
	       (point == X25519_POINT || p[4] == POINT_UNCOMPRESSED);
}

enum signer_input
signer_input_check(struct slice input)
{
	return input_is_tls13(input)   ? SIGNER_INPUT_TLS13
	       : input_is_tls12(input) ? SIGNER_INPUT_TLS12
				       : SIGNER_INPUT_UNKNOWN;
}

static bool
request_is_sign(const struct signing_request *in, struct signer_request *out)
{
	bool digested = in->digest != SIGNING_NO_DIGEST;

	if (in->scheme == SIGNING_NO_SCHEME || in->scheme >= SIGNING_SCHEMES ||
	    in->digest >= SIGNING_DIGESTS ||
	    digested == (in->scheme == SIGNING_EDDSA))
		return false;
	out->slot = in->slot;
	out->scheme = (enum signing_scheme)in->scheme;
	out->digest = (enum signing_digest)in->digest;
	out->kind = signer_input_check(out->input);
	/* RFC 8446 4.2.3: not with the old padding. */
	return out->kind != SIGNER_INPUT_UNKNOWN &&
	       !(out->kind == SIGNER_INPUT_TLS13 &&
		   out->scheme == SIGNING_RSA_PKCS1);
}

bool
signer_request_parse(struct slice packet, struct signer_request *out)
{
	struct signing_request in;

	memset(out, 0, sizeof(*out));
	memset(&in, 0, sizeof(in));
	if (packet.len >= sizeof(in.sequence))
		memcpy(&out->sequence, packet.ptr, sizeof(in.sequence));
	if (packet.len < SIGNING_REQUEST_HEAD || packet.len > sizeof(in))
		return false;
	memcpy(&in, packet.ptr, SIGNING_REQUEST_HEAD);
	out->input = slice_skip(packet, SIGNING_REQUEST_HEAD);
	if (in.zero != 0)
		return false;
	switch (in.op) {
	case SIGNING_PING:
		out->op = SIGNING_PING;
		return in.slot == 0 && in.scheme == 0 && in.digest == 0 &&
		       out->input.len == 0;
	case SIGNING_SIGN:
		out->op = SIGNING_SIGN;
		return request_is_sign(&in, out);
	default:
		return false;
	}
}
