/* SPDX-License-Identifier: ISC */
#include "util/uuid.h"

#include "check.h"

#include <string.h>

/* RFC 9562 6.6 */
static const uint8_t dns[UUID_SIZE] = { 0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad,
	0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8 };

static void
test_the_vector_of_rfc_9562(void **state)
{
	char out[UUID_TEXT_SIZE];

	(void)state;
	uuid_of_name(dns, SLICE("www.example.com"), out);
	assert_string_equal(out, "2ed6657d-e927-568b-95e1-2665a8aea6a2");
}

/* The end of a name may fall anywhere in a block. Others are Python's
 * uuid.uuid5(NAMESPACE_DNS, "x" * n). */
static void
test_lengths(void **state)
{
	static const struct {
		size_t n;
		const char *uuid;
	} rows[] = {
		{ 0, "4ebd0208-8328-5d69-8c44-ec50939c0967" },
		{ 38, "f3ddef67-6e5b-53ca-baa2-12b379ef6ced" },
		{ 39, "2f80c0d1-1c62-579f-8d68-e61ad5592c9b" },
		{ 40, "e56fd57a-7633-5e1d-8f80-70e05ac413e5" },
		{ 47, "a112377b-8258-5ef7-b5b0-d2540bc03abb" },
		{ 48, "83993b6c-dea9-55ca-be5b-9989c85943fc" },
		{ 49, "a0f0b33b-afbf-5cad-b334-d8140d5af575" },
		{ 200, "ddcc691a-b8e2-53e5-b059-6a232874b2eb" },
	};
	char name[200], out[UUID_TEXT_SIZE];

	(void)state;
	memset(name, 'x', sizeof(name));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uuid_of_name(dns, slice_of(name, rows[i].n), out);
		assert_string_equal(out, rows[i].uuid);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_vector_of_rfc_9562),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
