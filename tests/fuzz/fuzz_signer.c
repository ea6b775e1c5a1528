/* SPDX-License-Identifier: ISC */
/* The input is a packet to the process that holds the keys. What is taken has
 * one of the two forms, told here in other words than there. */
#include <assert.h>
#include <string.h>

#include "tls/signer_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char tls13[] =
    "                                                                "
    "TLS 1.3, server CertificateVerify";

static void
check_tls13(struct slice in)
{
	assert(in.len == sizeof(tls13) + 32 || in.len == sizeof(tls13) + 48);
	assert(memcmp(in.ptr, tls13, sizeof(tls13)) == 0);
}

static void
check_tls12(struct slice in)
{
	static const char x25519[] = "\3\0\35\40", p256[] = "\3\0\27\101\4",
			  p384[] = "\3\0\30\141\4";
	const uint8_t *params = in.ptr + 64;

	assert((in.len == 100 && memcmp(params, x25519, 4) == 0) ||
	       (in.len == 133 && memcmp(params, p256, 5) == 0) ||
	       (in.len == 165 && memcmp(params, p384, 5) == 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct signer_request r;

	if (!signer_request_parse(slice_of(data, size), &r))
		return 0;
	assert(size == SIGNING_REQUEST_HEAD + r.input.len);
	if (r.op == SIGNING_PING) {
		assert(r.input.len == 0);
		return 0;
	}
	assert(r.op == SIGNING_SIGN);
	assert(r.scheme > SIGNING_NO_SCHEME && r.scheme < SIGNING_SCHEMES);
	assert(r.digest < SIGNING_DIGESTS);
	assert((r.digest == SIGNING_NO_DIGEST) == (r.scheme == SIGNING_EDDSA));
	if (r.kind == SIGNER_INPUT_TLS13) {
		check_tls13(r.input);
		assert(r.scheme != SIGNING_RSA_PKCS1);
	} else {
		assert(r.kind == SIGNER_INPUT_TLS12);
		check_tls12(r.input);
	}
	return 0;
}
