/* SPDX-License-Identifier: ISC */
#include "tls/digest.h"

#include <string.h>

#include "check.h"

/* FIPS 180-4's own examples. */
static void
test_sha256(void **state)
{
	const struct {
		struct slice bytes;
		const char *hex;
	} rows[] = {
		{ SLICE("abc"),
		    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61"
		    "f20015ad" },
		{ SLICE(""),
		    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b"
		    "7852b855" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint8_t digest[DIGEST_SIZE];
		char hex[DIGEST_HEX_SIZE];

		digest_sha256(rows[i].bytes, digest);
		digest_hex(digest, hex);
		assert_string_equal(hex, rows[i].hex);
	}
}

/* Whatever the pieces, the same digest. */
static void
test_pieces(void **state)
{
	static uint8_t bytes[100000];
	uint8_t whole[DIGEST_SIZE], pieces[DIGEST_SIZE];

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	digest_sha256(slice_of(bytes, sizeof(bytes)), whole);
	for (size_t step = 1; step <= sizeof(bytes); step = step * 7 + 1) {
		struct slice rest = slice_of(bytes, sizeof(bytes));
		struct digest d;

		digest_init(&d);
		while (rest.len > 0) {
			size_t n = rest.len < step ? rest.len : step;

			digest_add(&d, slice_head(rest, n));
			rest = slice_skip(rest, n);
		}
		digest_add(&d, slice_of(NULL, 0));
		assert_true(digest_end(&d, pieces));
		assert_true(digest_equal(whole, pieces));
		digest_fini(&d);
	}
	pieces[DIGEST_SIZE - 1] ^= 1;
	assert_false(digest_equal(whole, pieces));
}

/* One that was never begun, or was given up, has no digest. */
static void
test_nothing_held(void **state)
{
	uint8_t out[DIGEST_SIZE];
	static const uint8_t zero[DIGEST_SIZE];
	struct digest d = { 0 };

	(void)state;
	digest_fini(&d);
	memset(out, 1, sizeof(out));
	assert_false(digest_end(&d, out));
	assert_memory_equal(out, zero, sizeof(zero));
	digest_init(&d);
	digest_add(&d, SLICE("abc"));
	digest_fini(&d);
	assert_false(digest_end(&d, out));
}

#define HALF "0123456789abcdef0123456789abcdef"

static void
test_parse(void **state)
{
	static const struct {
		const char *rule;
		const char *text;
		bool good;
	} rows[] = {
		{ "64 digits", HALF HALF, true },
		{ "upper case", HALF "0123456789ABCDEF0123456789abcdef",
		    false },
		{ "63", HALF "123456789abcdef0123456789abcdef", false },
		{ "65", HALF HALF "0", false },
		{ "no digit", HALF "0123456789abcdeg0123456789abcdef", false },
		{ "none", "", false },
	};
	uint8_t digest[DIGEST_SIZE];
	char hex[DIGEST_HEX_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		check_row(digest_parse(slice_str(rows[i].text), digest) ==
			      rows[i].good,
		    rows[i].rule);
		if (rows[i].good) {
			digest_hex(digest, hex);
			assert_string_equal(hex, rows[i].text);
		}
	}
}

/* RFC 9562 6.6, and Python's uuid.uuid5(NAMESPACE_DNS, "x" * n). */
static void
test_uuid(void **state)
{
	static const uint8_t dns[UUID_SIZE] = { 0x6b, 0xa7, 0xb8, 0x10, 0x9d,
		0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30,
		0xc8 };
	char out[UUID_TEXT_SIZE];

	(void)state;
	assert_true(digest_uuid(dns, SLICE("www.example.com"), out));
	assert_string_equal(out, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
	assert_true(digest_uuid(dns, SLICE(""), out));
	assert_string_equal(out, "4ebd0208-8328-5d69-8c44-ec50939c0967");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uuid),
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_nothing_held),
		cmocka_unit_test(test_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
