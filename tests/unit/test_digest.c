/* SPDX-License-Identifier: ISC */
#include "tls/digest.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha256),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
