/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <string.h>

#include "capsule/plain.h"

static void
test_kept_characters(void **state)
{
	const struct {
		const char *what;
		struct slice text, kept;
	} rows[] = {
		{ "letters", SLICE("aç字"), SLICE("aç字") },
		{ "tab and LF", SLICE("a\tb\nc"), SLICE("a\tb\nc") },
		{ "NUL, ESC, DEL", SLICE("a\0b\x1b[0m\x7f."), SLICE("ab[0m.") },
		{ "C1 as UTF-8",
		    SLICE("a\xc2\x9b"
			  "0m"),
		    SLICE("a0m") },
		{ "other line ends", SLICE("a\rb\x0b\x0c.\xc2\x85!"),
		    SLICE("a b  . !") },
		{ "separators", SLICE("a\xe2\x80\xa8z\xe2\x80\xa9."),
		    SLICE("a z .") },
		{ "overrides, isolates",
		    SLICE("a\xe2\x80\xae"
			  "b\xe2\x81\xa6."),
		    SLICE("ab.") },
		{ "marks stay", SLICE("a\xe2\x80\x8f\xd8\x9c."),
		    SLICE("a\xe2\x80\x8f\xd8\x9c.") },
		{ "joiners stay", SLICE("a\xe2\x80\x8d."),
		    SLICE("a\xe2\x80\x8d.") },
		{ "BOM, no characters",
		    SLICE("\xef\xbb\xbf.\xef\xbf\xbe\xef\xbf\xbf!"),
		    SLICE(".!") },
		{ "no UTF-8", SLICE("a\xff\xc3(\x80z\xc3"), SLICE("a(z") },
		{ "nothing", SLICE(""), SLICE("") },
	};
	uint8_t memory[256];
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_wrap(&out, memory, sizeof(memory));
		check_row(plain_put(&out, rows[i].text), rows[i].what);
		check_slice(buf_view(&out), rows[i].kept);
	}
	assert_true(plain_is_blank(SLICE(" \t\n\x0b\x1b\xff\xe2\x80\xae")));
	assert_true(plain_is_blank(SLICE("")));
	assert_false(plain_is_blank(SLICE("\x1b字")));
	buf_wrap(&out, memory, 2);
	assert_false(plain_put(&out, SLICE("abc")));
}

/* n times c. */
#define TEN(c) c c c c c c c c c c
#define SEVENTY(c) TEN(c) TEN(c) TEN(c) TEN(c) TEN(c) TEN(c) TEN(c)

static void
test_lines(void **state)
{
	static const struct {
		const char *text, *first, *next, *want;
	} rows[] = {
		{ "a  b\tc", "", "", "a b c\n" },
		{ "", "", "", "\n" },
		{ " \x1b", "> ", "> ", ">\n" },
		{ "a", "> ", "> ", "> a\n" },
		{ SEVENTY("x") " y z", "", "", SEVENTY("x") " y\nz\n" },
		{ SEVENTY("x") " yy", "", "", SEVENTY("x") "\nyy\n" },
		{ SEVENTY("ə") " y z", "", "", SEVENTY("ə") " y\nz\n" },
		{ SEVENTY("x") "yz", "* ", "  ", "* " SEVENTY("x") "yz\n" },
		{ "a " SEVENTY("x") "yz b", "* ", "  ",
		    "* a\n  " SEVENTY("x") "yz\n  b\n" },
		{ TEN("字字字字字字字字"), "", "",
		    TEN("字字字字字字字字") "\n" },
	};
	uint8_t memory[1024];
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct plain p = { .out = &out,
			.first = rows[i].first,
			.next = rows[i].next };

		buf_wrap(&out, memory, sizeof(memory));
		plain_words(&p, slice_str(rows[i].text));
		plain_end(&p);
		check_slice(buf_view(&out), slice_str(rows[i].want));
	}
}

static void
test_several_texts_in_one_paragraph(void **state)
{
	uint8_t memory[1024];
	struct buf out;
	struct plain p = { .out = &out, .first = "", .next = "  " };

	(void)state;
	buf_wrap(&out, memory, sizeof(memory));
	plain_words(&p, SLICE(SEVENTY("x")));
	plain_words(&p, SLICE(""));
	plain_words(&p, SLICE("y"));
	plain_words(&p, SLICE("zz"));
	plain_end(&p);
	check_slice(buf_view(&out), SLICE(SEVENTY("x") " y\n  zz\n"));
	assert_int_equal(p.widest, 72);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept_characters),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_several_texts_in_one_paragraph),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
