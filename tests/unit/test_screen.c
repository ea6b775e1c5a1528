/* SPDX-License-Identifier: ISC */
#include "client/screen.h"

#include "check.h"

static void
test_screen(void **state)
{
	const struct {
		const char *rule;
		struct slice in;
		const char *out;
	} rows[] = {
		{ "text", SLICE("# a\tb\nc"), "# a\tb\nc" },
		{ "UTF-8", SLICE("\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\xb8"),
		    "\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\xb8" },
		{ "CRLF", SLICE("a\r\nb\r\n"), "a\r\nb\r\n" },
		{ "a bare CR overwrites", SLICE("a\rb\r"), "a\\x0db\\x0d" },
		{ "CR CR LF", SLICE("\r\r\n"), "\\x0d\r\n" },
		{ "escape sequence", SLICE("\x1b[31m"), "\\x1b[31m" },
		{ "NUL, BEL, BS, DEL", SLICE("\0\a\b\x7f"),
		    "\\x00\\x07\\x08\\x7f" },
		{ "C1 in UTF-8",
		    SLICE("\xc2\x9b"
			  "31m"),
		    "\\xc2\\x9b31m" },
		{ "C1 as a byte",
		    SLICE("\x9b"
			  "31m"),
		    "\\x9b31m" },
		{ "not UTF-8", SLICE("\xff\xc3(\xe2\x82"),
		    "\\xff\\xc3(\\xe2\\x82" },
		{ "overlong, surrogate", SLICE("\xc0\xaf\xed\xa0\x80"),
		    "\\xc0\\xaf\\xed\\xa0\\x80" },
		{ "cut at the end", SLICE("a\xf0\x9f\x8c"),
		    "a\\xf0\\x9f\\x8c" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		/* However it is cut into pieces. */
		for (size_t step = 1; step <= rows[i].in.len; step++) {
			struct slice rest = rows[i].in;
			struct screen s = { .n = 0 };
			uint8_t memory[256];
			struct buf out;

			buf_wrap(&out, memory, sizeof(memory));
			while (rest.len > 0) {
				size_t n = rest.len < step ? rest.len : step;

				assert_true(
				    screen_put(&s, slice_head(rest, n), &out));
				rest = slice_skip(rest, n);
			}
			assert_true(screen_end(&s, &out));
			check_slice(buf_view(&out), slice_str(rows[i].out));
		}
	}
}

static void
test_room(void **state)
{
	struct screen s = { .n = 0 };
	uint8_t memory[3];
	struct buf out;

	(void)state;
	buf_wrap(&out, memory, sizeof(memory));
	assert_false(screen_put(&s, SLICE("\x1b"), &out));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_screen),
		cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
