/* SPDX-License-Identifier: ISC */
#include "tls/signer_input.h"

#include <string.h>

#include "check.h"

enum { SPACES = 64, RANDOMS = 64, SHA256_SIZE = 32, SHA384_SIZE = 48 };

static const char server_context[] = "TLS 1.3, server CertificateVerify";
static const char client_context[] = "TLS 1.3, client CertificateVerify";

/* RFC 8446 4.4.3. */
static struct slice
tls13_input(uint8_t out[SIGNING_INPUT_MAX], const char *context, size_t digest)
{
	size_t len = strlen(context) + 1;

	memset(out, ' ', SPACES);
	memcpy(out + SPACES, context, len);
	memset(out + SPACES + len, 'd', digest);
	return slice_of(out, SPACES + len + digest);
}

/* RFC 8422 5.4. */
static struct slice
tls12_input(uint8_t out[SIGNING_INPUT_MAX], unsigned curve, size_t point)
{
	uint8_t *p = out + RANDOMS;

	memset(out, 'r', RANDOMS);
	p[0] = 3;
	p[1] = (uint8_t)(curve >> 8);
	p[2] = (uint8_t)curve;
	p[3] = (uint8_t)point;
	memset(p + 4, 4, point);
	return slice_of(out, RANDOMS + 4 + point);
}

static void
test_tls13(void **state)
{
	static const struct {
		const char *rule;
		const char *context;
		size_t digest;
		enum signer_input want;
	} rows[] = {
		{ "SHA-256", server_context, SHA256_SIZE, SIGNER_INPUT_TLS13 },
		{ "SHA-384", server_context, SHA384_SIZE, SIGNER_INPUT_TLS13 },
		{ "a client's", client_context, SHA256_SIZE,
		    SIGNER_INPUT_UNKNOWN },
		{ "a byte too few", server_context, SHA256_SIZE - 1,
		    SIGNER_INPUT_UNKNOWN },
		{ "a byte too many", server_context, SHA256_SIZE + 1,
		    SIGNER_INPUT_UNKNOWN },
		{ "too few for SHA-384", server_context, SHA384_SIZE - 1,
		    SIGNER_INPUT_UNKNOWN },
		{ "too many for SHA-384", server_context, SHA384_SIZE + 1,
		    SIGNER_INPUT_UNKNOWN },
		{ "SHA-512", server_context, 64, SIGNER_INPUT_UNKNOWN },
		{ "nothing", server_context, 0, SIGNER_INPUT_UNKNOWN },
		{ "another text", "TLS 1.3, server CertificateVerifY",
		    SHA256_SIZE, SIGNER_INPUT_UNKNOWN },
		{ "a shorter text", "TLS 1.3, server CertificateVerif",
		    SHA256_SIZE + 1, SIGNER_INPUT_UNKNOWN },
	};
	uint8_t memory[SIGNING_INPUT_MAX];
	struct slice in;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		in = tls13_input(memory, rows[i].context, rows[i].digest);
		check_row(signer_input_check(in) == rows[i].want, rows[i].rule);
	}
	/* Every space, and the NUL, must be there. */
	for (size_t i = 0; i < SPACES + sizeof(server_context); i++) {
		in = tls13_input(memory, server_context, SHA256_SIZE);
		memory[i] ^= 1;
		assert_int_equal(signer_input_check(in), SIGNER_INPUT_UNKNOWN);
	}
}

static void
test_tls12(void **state)
{
	static const struct {
		const char *rule;
		unsigned curve;
		size_t point;
		enum signer_input want;
	} rows[] = {
		{ "X25519", 29, 32, SIGNER_INPUT_TLS12 },
		{ "P-256", 23, 65, SIGNER_INPUT_TLS12 },
		{ "P-384", 24, 97, SIGNER_INPUT_TLS12 },
		{ "a point of another curve", 29, 65, SIGNER_INPUT_UNKNOWN },
		{ "a short point", 23, 64, SIGNER_INPUT_UNKNOWN },
		{ "a long point", 23, 66, SIGNER_INPUT_UNKNOWN },
		{ "no point", 29, 0, SIGNER_INPUT_UNKNOWN },
		{ "P-521, which we do not offer", 25, 133,
		    SIGNER_INPUT_UNKNOWN },
		{ "X448, nor this", 30, 56, SIGNER_INPUT_UNKNOWN },
		{ "an unknown curve", 0xff1d, 32, SIGNER_INPUT_UNKNOWN },
	};
	uint8_t memory[SIGNING_INPUT_MAX];
	struct slice in;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		in = tls12_input(memory, rows[i].curve, rows[i].point);
		check_row(signer_input_check(in) == rows[i].want, rows[i].rule);
		if (rows[i].want != SIGNER_INPUT_TLS12)
			continue;
		in.len--;
		check_row(signer_input_check(in) == SIGNER_INPUT_UNKNOWN,
		    rows[i].rule);
		in.len += 2;
		check_row(signer_input_check(in) == SIGNER_INPUT_UNKNOWN,
		    rows[i].rule);
	}
	in = tls12_input(memory, 29, 32);
	memory[RANDOMS] = 1; /* an explicit curve */
	assert_int_equal(signer_input_check(in), SIGNER_INPUT_UNKNOWN);
	in = tls12_input(memory, 23, 65);
	memory[RANDOMS + 4] = 2; /* a compressed point */
	assert_int_equal(signer_input_check(in), SIGNER_INPUT_UNKNOWN);
	in = tls12_input(memory, 29, 32);
	memory[RANDOMS + 3] = 31; /* a length that is not the point's */
	assert_int_equal(signer_input_check(in), SIGNER_INPUT_UNKNOWN);
	assert_int_equal(
	    signer_input_check(slice_of(memory, 0)), SIGNER_INPUT_UNKNOWN);
	assert_int_equal(signer_input_check(slice_of(memory, RANDOMS)),
	    SIGNER_INPUT_UNKNOWN);
}

enum form { FORM_TLS13, FORM_TLS12, FORM_NONE, FORM_JUNK };

static size_t
packet_make(struct signing_request *r, enum form form)
{
	struct slice in = SLICE("");

	switch (form) {
	case FORM_TLS13:
		in = tls13_input(r->input, server_context, SHA256_SIZE);
		break;
	case FORM_TLS12:
		in = tls12_input(r->input, 29, 32);
		break;
	case FORM_JUNK:
		memset(r->input, 'x', SHA256_SIZE);
		in.len = SHA256_SIZE;
		break;
	case FORM_NONE:
		break;
	}
	return SIGNING_REQUEST_HEAD + in.len;
}

static void
test_requests(void **state)
{
	static const struct {
		const char *rule;
		struct signing_request head;
		enum form form;
		bool want;
	} rows[] = {
		{ "a ping", { .op = SIGNING_PING }, FORM_NONE, true },
		{ "a ping with something", { .op = SIGNING_PING }, FORM_TLS13,
		    false },
		{ "a ping of a slot", { .op = SIGNING_PING, .slot = 1 },
		    FORM_NONE, false },
		{ "a ping of a digest", { .op = SIGNING_PING, .digest = 1 },
		    FORM_NONE, false },
		{ "a ping of a scheme", { .op = SIGNING_PING, .scheme = 1 },
		    FORM_NONE, false },
		{ "ECDSA", { 0, 7, SIGNING_SIGN, SIGNING_ECDSA, 1, 0, { 0 } },
		    FORM_TLS13, true },
		{ "ECDSA, TLS 1.2",
		    { 0, 0, SIGNING_SIGN, SIGNING_ECDSA, 3, 0, { 0 } },
		    FORM_TLS12, true },
		{ "ECDSA without a digest",
		    { 0, 0, SIGNING_SIGN, SIGNING_ECDSA, 0, 0, { 0 } },
		    FORM_TLS13, false },
		{ "an unknown digest",
		    { 0, 0, SIGNING_SIGN, SIGNING_ECDSA, 4, 0, { 0 } },
		    FORM_TLS13, false },
		{ "a digest of 255",
		    { 0, 0, SIGNING_SIGN, SIGNING_ECDSA, 255, 0, { 0 } },
		    FORM_TLS13, false },
		{ "no scheme", { 0, 0, SIGNING_SIGN, 0, 1, 0, { 0 } },
		    FORM_TLS13, false },
		{ "an unknown scheme", { 0, 0, SIGNING_SIGN, 5, 1, 0, { 0 } },
		    FORM_TLS13, false },
		{ "an unknown scheme, no digest",
		    { 0, 0, SIGNING_SIGN, 5, 0, 0, { 0 } }, FORM_TLS13, false },
		{ "a scheme of 255", { 0, 0, SIGNING_SIGN, 255, 1, 0, { 0 } },
		    FORM_TLS13, false },
		{ "EdDSA", { 0, 0, SIGNING_SIGN, SIGNING_EDDSA, 0, 0, { 0 } },
		    FORM_TLS13, true },
		{ "EdDSA with a digest",
		    { 0, 0, SIGNING_SIGN, SIGNING_EDDSA, 1, 0, { 0 } },
		    FORM_TLS13, false },
		{ "PKCS#1 in TLS 1.2",
		    { 0, 0, SIGNING_SIGN, SIGNING_RSA_PKCS1, 1, 0, { 0 } },
		    FORM_TLS12, true },
		{ "PKCS#1 in TLS 1.3 (RFC 8446 4.2.3)",
		    { 0, 0, SIGNING_SIGN, SIGNING_RSA_PKCS1, 1, 0, { 0 } },
		    FORM_TLS13, false },
		{ "PSS", { 0, 0, SIGNING_SIGN, SIGNING_RSA_PSS, 2, 0, { 0 } },
		    FORM_TLS13, true },
		{ "no operation", { 0, 0, 0, SIGNING_ECDSA, 1, 0, { 0 } },
		    FORM_TLS13, false },
		{ "an unknown operation",
		    { 0, 0, 3, SIGNING_ECDSA, 1, 0, { 0 } }, FORM_TLS13,
		    false },
		{ "something where zero must be",
		    { 0, 0, SIGNING_SIGN, SIGNING_ECDSA, 1, 1, { 0 } },
		    FORM_TLS13, false },
		{ "anything else to sign",
		    { 0, 0, SIGNING_SIGN, SIGNING_ECDSA, 1, 0, { 0 } },
		    FORM_JUNK, false },
		{ "nothing to sign",
		    { 0, 0, SIGNING_SIGN, SIGNING_ECDSA, 1, 0, { 0 } },
		    FORM_NONE, false },
	};
	struct signer_request out;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct signing_request r = rows[i].head;
		size_t len;

		r.sequence = 0x0123456789abcdef;
		len = packet_make(&r, rows[i].form);
		check_row(signer_request_parse(slice_of(&r, len), &out) ==
			      rows[i].want,
		    rows[i].rule);
		check_row(out.sequence == r.sequence, rows[i].rule);
		if (rows[i].want && r.op == SIGNING_SIGN)
			check_row(
			    out.slot == r.slot && out.scheme == r.scheme &&
				out.digest == r.digest &&
				out.input.len == len - SIGNING_REQUEST_HEAD,
			    rows[i].rule);
	}
}

static void
test_lengths(void **state)
{
	uint8_t packet[sizeof(struct signing_request) + 1] = { 0 };
	struct signer_request out;

	(void)state;
	packet[offsetof(struct signing_request, op)] = SIGNING_PING;
	for (size_t len = 0; len <= sizeof(packet); len++) {
		/* Just as long: a sanitizer sees a step too far. */
		uint8_t *copy = test_malloc(len + 1);

		memcpy(copy + 1, packet, len);
		assert_int_equal(
		    signer_request_parse(slice_of(copy + 1, len), &out),
		    len == SIGNING_REQUEST_HEAD);
		test_free(copy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tls13),
		cmocka_unit_test(test_tls12),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
