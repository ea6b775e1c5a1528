/* SPDX-License-Identifier: ISC */
#include "tls/base64.h"

#include <string.h>

#include "check.h"

static void
test_decode(void **state)
{
	const struct {
		const char *rule;
		struct slice text;
		size_t size;
		bool good;
	} rows[] = {
		{ "three bytes", SLICE("YWJj"), 3, true },
		{ "two bytes, padded", SLICE("YWI="), 2, true },
		{ "one byte, padded", SLICE("YQ=="), 1, true },
		{ "nothing", SLICE(""), 0, true },
		{ "fewer bytes than asked for", SLICE("YWI="), 3, false },
		{ "more bytes than asked for", SLICE("YWJj"), 2, false },
		{ "bits that nothing uses", SLICE("YWJ="), 2, false },
		{ "more of them", SLICE("YR=="), 1, false },
		{ "no padding", SLICE("YWI"), 2, false },
		{ "a blank before it", SLICE(" YWI"), 2, false },
		{ "a line feed after it", SLICE("YWI\n"), 2, false },
		{ "a blank instead of padding", SLICE("YWI "), 2, false },
		{ "a byte that is none", SLICE("YW*j"), 3, false },
		{ "the URL's alphabet", SLICE("-_-_"), 3, false },
		{ "a NUL", SLICE("YW\0j"), 3, false },
		{ "padding alone", SLICE("===="), 3, false },
		{ "padding inside", SLICE("YQ==YWJj"), 6, false },
		{ "a byte beyond ASCII",
		    SLICE("YW\xff"
			  "j"),
		    3, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint8_t out[8] = { 0 };
		uint8_t memory[16];
		struct buf again;

		check_row(base64_decode(rows[i].text, out, rows[i].size) ==
			      rows[i].good,
		    rows[i].rule);
		if (!rows[i].good) {
			check_row(memcmp(out, "\0\0\0\0\0\0\0", 8) == 0,
			    rows[i].rule);
			continue;
		}
		buf_wrap(&again, memory, sizeof(memory));
		assert_true(base64_encode(slice_of(out, rows[i].size), &again));
		check_slice(buf_view(&again), rows[i].text);
	}
}

/* All sizes there are, there and back. */
static void
test_round_trip(void **state)
{
	uint8_t bytes[BASE64_BYTES_MAX], got[BASE64_BYTES_MAX], memory[512];
	struct buf text;

	(void)state;
	for (size_t n = 0; n < sizeof(bytes); n++)
		bytes[n] = (uint8_t)(n * 37 + 5);
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		buf_wrap(&text, memory, sizeof(memory));
		assert_true(base64_encode(slice_of(bytes, n), &text));
		assert_int_equal(text.len, BASE64_SIZE(n));
		assert_true(base64_decode(buf_view(&text), got, n));
		assert_memory_equal(bytes, got, n);
	}
	/* All or nothing. */
	buf_wrap(&text, memory, 7);
	assert_false(base64_encode(slice_of(bytes, 4), &text));
	assert_int_equal(text.len, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
