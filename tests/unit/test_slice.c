/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <string.h>

static const struct slice none; /* the NULL that an empty view may hold */

static void
test_comparisons(void **state)
{
	(void)state;
	assert_true(slice_equal(none, SLICE("")));
	assert_true(slice_equal(SLICE("a\0b"), slice_of("a\0b", 3)));
	assert_false(slice_equal(SLICE("a\0b"), SLICE("a\0c")));
	assert_false(slice_equal(SLICE("a"), SLICE("ab")));
	assert_true(slice_equal(slice_str("abc"), SLICE("abc")));
	assert_true(slice_equal_nocase(SLICE("GeMiNi"), SLICE("gEmInI")));
	assert_false(slice_equal_nocase(SLICE("gemini"), SLICE("gemin")));
	assert_false(slice_equal_nocase(SLICE("a@"), SLICE("a`")));
	assert_false(slice_equal_nocase(SLICE("\xc3\x89"), SLICE("\xc3\xa9")));
	assert_true(slice_starts(SLICE("abc"), SLICE("ab")));
	assert_true(slice_starts(none, none));
	assert_false(slice_starts(SLICE("a"), SLICE("ab")));
	assert_true(slice_ends(SLICE("abc"), SLICE("bc")));
	assert_false(slice_ends(SLICE("abc"), SLICE("BC")));
	assert_false(slice_ends(SLICE("c"), SLICE("bc")));
	assert_true(slice_ends_nocase(SLICE("x.GMI"), SLICE(".gmi")));
	assert_false(slice_ends_nocase(SLICE("gmi"), SLICE(".gmi")));
}

static void
test_cutting(void **state)
{
	struct slice before, after;
	size_t at = 99;

	(void)state;
	check_slice(slice_skip(SLICE("abc"), 1), SLICE("bc"));
	check_slice(slice_skip(none, 0), SLICE(""));
	check_slice(slice_head(SLICE("abc"), 2), SLICE("ab"));
	assert_true(slice_find(SLICE("abcb"), 'b', &at));
	assert_int_equal(at, 1);
	assert_true(slice_find(SLICE("a\0"), '\0', NULL));
	assert_false(slice_find(SLICE("abc"), 'x', &at));
	assert_false(slice_find(none, 'x', &at));
	assert_int_equal(at, 1);

	assert_true(slice_cut(SLICE("a/b/c"), '/', &before, &after));
	check_slice(before, SLICE("a"));
	check_slice(after, SLICE("b/c"));
	assert_true(slice_cut(after, '/', &before, &after));
	check_slice(before, SLICE("b"));
	check_slice(after, SLICE("c"));
	assert_false(slice_cut(after, '/', &before, &after));
	check_slice(before, SLICE("c"));
	check_slice(after, SLICE(""));
	assert_true(slice_cut(SLICE("/"), '/', &before, &after));
	check_slice(before, SLICE(""));
	check_slice(after, SLICE(""));
}

static void
test_lines(void **state)
{
	struct slice rest = SLICE("one\ntwo\r\n\nbare\rCR\r");
	struct slice line;

	(void)state;
	assert_true(slice_line(&rest, &line));
	check_slice(line, SLICE("one"));
	assert_true(slice_line(&rest, &line));
	check_slice(line, SLICE("two"));
	assert_true(slice_line(&rest, &line));
	check_slice(line, SLICE(""));
	assert_true(slice_line(&rest, &line));
	check_slice(line, SLICE("bare\rCR\r"));
	assert_false(slice_line(&rest, &line));
	rest = none;
	assert_false(slice_line(&rest, &line));
}

static void
test_trim(void **state)
{
	(void)state;
	check_slice(slice_trim(SLICE(" \ta b\t ")), SLICE("a b"));
	check_slice(slice_trim(SLICE(" \t ")), SLICE(""));
	check_slice(slice_trim(SLICE("\na ")), SLICE("\na"));
	check_slice(slice_trim(none), SLICE(""));
}

static void
test_numbers(void **state)
{
	const struct {
		const char *text;
		uint64_t max;
		bool ok;
		uint64_t value;
	} rows[] = {
		{ "0", 0, true, 0 },
		{ "1", 0, false, 0 },
		{ "65535", 65535, true, 65535 },
		{ "65536", 65535, false, 0 },
		{ "00000000000000000000001965", 65535, true, 1965 },
		{ "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, false, 0 },
		{ "99999999999999999999", UINT64_MAX, false, 0 },
		{ "", 9, false, 0 },
		{ "-1", 9, false, 0 },
		{ "+1", 9, false, 0 },
		{ " 1", 9, false, 0 },
		{ "1a", 99, false, 0 },
		{ "9", 5, false, 0 },
		{ "/", 99, false, 0 },
		{ ":", 99, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t n = 0;
		bool ok =
		    slice_number(slice_str(rows[i].text), rows[i].max, &n);

		check_row(ok == rows[i].ok, rows[i].text);
		check_row(n == rows[i].value, rows[i].text);
	}
}

static void
test_runes(void **state)
{
	const struct {
		const char *rule;
		struct slice bytes;
		size_t len;
		uint32_t rune;
	} rows[] = {
		{ "empty", none, 0, 0 },
		{ "NUL is a character", SLICE("\0"), 1, 0 },
		{ "ASCII", SLICE("a\xff"), 1, 'a' },
		{ "least of two bytes", SLICE("\xc2\x80"), 2, 0x80 },
		{ "greatest of two", SLICE("\xdf\xbf"), 2, 0x7ff },
		{ "least of three", SLICE("\xe0\xa0\x80"), 3, 0x800 },
		{ "below surrogates", SLICE("\xed\x9f\xbf"), 3, 0xd7ff },
		{ "first surrogate", SLICE("\xed\xa0\x80"), 0, 0 },
		{ "last surrogate", SLICE("\xed\xbf\xbf"), 0, 0 },
		{ "above surrogates", SLICE("\xee\x80\x80"), 3, 0xe000 },
		{ "BOM", SLICE("\xef\xbb\xbf"), 3, 0xfeff },
		{ "least of four", SLICE("\xf0\x90\x80\x80"), 4, 0x10000 },
		{ "greatest", SLICE("\xf4\x8f\xbf\xbf"), 4, 0x10ffff },
		{ "beyond Unicode", SLICE("\xf4\x90\x80\x80"), 0, 0 },
		{ "overlong NUL", SLICE("\xc0\x80"), 0, 0 },
		{ "overlong slash", SLICE("\xe0\x80\xaf"), 0, 0 },
		{ "overlong of four", SLICE("\xf0\x8f\xbf\xbf"), 0, 0 },
		{ "five bytes", SLICE("\xf8\x88\x80\x80\x80"), 0, 0 },
		{ "lone continuation", SLICE("\x80"), 0, 0 },
		{ "cut short", SLICE("\xe2\x82"), 0, 0 },
		{ "the rest lies after the view",
		    slice_head(SLICE("\xe2\x82\xac"), 2), 0, 0 },
		{ "broken off", SLICE("\xe2\x82x"), 0, 0 },
		{ "0xff", SLICE("\xff"), 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t rune = 0;
		size_t len = slice_rune(rows[i].bytes, &rune);

		check_row(len == rows[i].len, rows[i].rule);
		check_row(rune == rows[i].rune, rows[i].rule);
	}
	assert_true(slice_utf8(none));
	assert_true(slice_utf8(SLICE("caf\xc3\xa9 \xf0\x9f\x8c\xb9")));
	assert_false(slice_utf8(SLICE("caf\xe9")));
	assert_false(slice_utf8(SLICE("caf\xc3")));
}

static void
test_hexadecimal(void **state)
{
	const char digits[] = "0123456789abcdef";

	(void)state;
	for (int i = 0; i < 16; i++)
		assert_int_equal(hex_value((uint8_t)digits[i]), i);
	assert_int_equal(hex_value('A'), 10);
	assert_int_equal(hex_value('F'), 15);
	assert_int_equal(hex_value('G'), -1);
	assert_int_equal(hex_value('g'), -1);
	assert_int_equal(hex_value('@'), -1);
	assert_int_equal(hex_value('/'), -1);
	assert_int_equal(hex_value(':'), -1);
	assert_int_equal(hex_value(0x10), -1);
}

static const char long_word[] =
    "limits_limits_limits_limits_limits_limits_limits_limits_limits_l";

static void
check_nearest(const char *word, const char *got, const char *want)
{
	if ((got == NULL) != (want == NULL) ||
	    (got != NULL && strcmp(got, want) != 0))
		fail_msg("\"%s\": got %s, want %s", word,
		    got == NULL ? "nothing" : got,
		    want == NULL ? "nothing" : want);
}

static void
test_nearest_word(void **state)
{
	static const char *const words[] = { "serve", "check", "cert", "fetch",
		"help", "ab", long_word, NULL };
	static const char *const no_words[] = { NULL };
	static const struct {
		const char *word;
		const char *nearest;
	} rows[] = {
		{ "serve", "serve" },
		{ "sevre", "serve" }, /* two letters changed places */
		{ "srve", "serve" }, { "sserve", "serve" },
		{ "swrve", "serve" }, { "evres", NULL }, { "chekc", "check" },
		{ "fetcj", "fetch" }, { "cret", "cert" }, { "hlp", "help" },
		{ "hp", NULL }, { "a", NULL }, /* half of it is not a third */
		{ "ba", NULL }, { "", NULL }, { "frobnicate", NULL },
		{ "HELP", NULL },
		{ long_word, NULL }, /* longer than any name */
	};

	(void)state;
	assert_true(strlen(long_word) >= 64);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check_nearest(rows[i].word, word_nearest(rows[i].word, words),
		    rows[i].nearest);
	check_nearest("serve", word_nearest("serve", no_words), NULL);
}

/* Of two as near, the first. */
static void
test_first_of_two_nearest_words(void **state)
{
	static const char *const words[] = { "bare", "bard", "barn", NULL };

	(void)state;
	check_nearest("bart", word_nearest("bart", words), "bare");
	check_nearest("barn", word_nearest("barn", words), "barn");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nearest_word),
		cmocka_unit_test(test_first_of_two_nearest_words),
		cmocka_unit_test(test_comparisons),
		cmocka_unit_test(test_cutting),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_trim),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_runes),
		cmocka_unit_test(test_hexadecimal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
