/* SPDX-License-Identifier: ISC */
#include "check.h"

#include "support/random.h"
#include "tls/signer_input.h"

enum { ROUNDS = 50000, SPACES = 64, RANDOMS = 64 };

static const char context[] = "TLS 1.3, server CertificateVerify";

static void
random_fill(uint8_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)random_below(256);
}

static size_t
random_tls13(uint8_t *out)
{
	size_t digest = random_below(2) == 0 ? 32 : 48;

	memset(out, ' ', SPACES);
	memcpy(out + SPACES, context, sizeof(context));
	random_fill(out + SPACES + sizeof(context), digest);
	return SPACES + sizeof(context) + digest;
}

static size_t
random_tls12(uint8_t *out)
{
	static const struct {
		uint8_t curve, point;
	} curves[] = { { 29, 32 }, { 23, 65 }, { 24, 97 } };
	size_t i = random_below(3);

	random_fill(out, RANDOMS);
	out[RANDOMS] = 3;
	out[RANDOMS + 1] = 0;
	out[RANDOMS + 2] = curves[i].curve;
	out[RANDOMS + 3] = curves[i].point;
	random_fill(out + RANDOMS + 4, curves[i].point);
	if (curves[i].point != 32)
		out[RANDOMS + 4] = 4;
	return RANDOMS + 4 + (size_t)curves[i].point;
}

/* A request that is taken; its length. */
static size_t
random_request(struct signing_request *r)
{
	bool old = random_below(2) == 0;

	r->op = SIGNING_SIGN;
	r->slot = (uint32_t)random_below(2000);
	r->zero = 0;
	r->sequence = random_below(1000);
	do
		r->scheme = (uint8_t)(1 + random_below(SIGNING_SCHEMES - 1));
	while (!old && r->scheme == SIGNING_RSA_PKCS1);
	r->digest = r->scheme == SIGNING_EDDSA
			? SIGNING_NO_DIGEST
			: (uint8_t)(1 + random_below(SIGNING_DIGESTS - 1));
	return SIGNING_REQUEST_HEAD +
	       (old ? random_tls12(r->input) : random_tls13(r->input));
}

static bool
taken(const struct signing_request *r, size_t len)
{
	struct signer_request out;

	return signer_request_parse(slice_of(r, len), &out);
}

/* A random value of a byte that is above most. */
static uint8_t
random_above(unsigned most)
{
	return (uint8_t)(most + 1 + random_below(255 - most));
}

static void
prop_fields_out_of_range(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct signing_request r, bad;
		size_t len = random_request(&r);

		assert_true(taken(&r, len));
		assert_false(taken(&r, len - 1));
		assert_false(taken(&r, len + 1));
		bad = r;
		bad.op = random_above(SIGNING_SIGN);
		assert_false(taken(&bad, len));
		bad.op = (uint8_t)random_below(SIGNING_SIGN);
		assert_false(taken(&bad, len));
		bad = r;
		bad.scheme = random_above(SIGNING_SCHEMES - 1);
		assert_false(taken(&bad, len));
		bad.scheme = SIGNING_NO_SCHEME;
		assert_false(taken(&bad, len));
		bad = r;
		bad.digest = random_above(SIGNING_DIGESTS - 1);
		assert_false(taken(&bad, len));
		bad.digest = r.digest == SIGNING_NO_DIGEST ? SIGNING_SHA256
							   : SIGNING_NO_DIGEST;
		assert_false(taken(&bad, len));
		bad = r;
		bad.zero = random_above(0);
		assert_false(taken(&bad, len));
	}
}

/* Whatever the bytes: what is taken is one of the two forms, of which only the
 * digest, or the randoms and the point, are free. */
static void
prop_damaged_requests(void **state)
{
	size_t n = 0;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		uint8_t memory[sizeof(struct signing_request) + 8];
		struct signing_request r;
		struct signer_request out;
		struct buf b;

		buf_wrap(&b, memory, sizeof(memory));
		buf_put(&b, slice_of(&r, random_request(&r)));
		random_damage(&b);
		if (!signer_request_parse(buf_view(&b), &out))
			continue;
		n++;
		assert_true(out.kind != SIGNER_INPUT_UNKNOWN);
		assert_true(out.op == SIGNING_SIGN);
		assert_true(out.scheme > SIGNING_NO_SCHEME &&
			    out.scheme < SIGNING_SCHEMES);
		assert_true((out.digest == SIGNING_NO_DIGEST) ==
			    (out.scheme == SIGNING_EDDSA));
		assert_true(
		    out.input.ptr + out.input.len == (uint8_t *)memory + b.len);
		if (out.kind == SIGNER_INPUT_TLS13)
			assert_memory_equal(
			    out.input.ptr + SPACES, context, sizeof(context));
		else
			assert_int_equal(out.input.len,
			    RANDOMS + 4 + out.input.ptr[RANDOMS + 3]);
	}
	assert_in_range(n, 1, ROUNDS - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prop_fields_out_of_range),
		cmocka_unit_test(prop_damaged_requests),
	};

	random_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
