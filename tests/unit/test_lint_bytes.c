/* SPDX-License-Identifier: ISC */
#include "lint_help.h"

static void
test_encoding_line_ends_and_characters(void **state)
{
	static const struct lint_row rows[] = {
		{ "not UTF-8", "G001", 2, "# x\nb\xff\n" },
		{ "not UTF-8: the first byte is enough", "G001", 2,
		    "# x\n\xff\n\xfe\n" },
		{ "overlong", "G001", 1, "# \xc0\xaf\n" },
		{ "UTF-8", "G001", NOWHERE,
		    "# Bak\xc4\xb1 \xf0\x9f\x8c\xb9\n" },
		{ "a mark", "G002", 1, "\xef\xbb\xbf# x\n" },
		{ "a mark hides no title", "G027", NOWHERE,
		    "\xef\xbb\xbf# x\n" },
		{ "no mark in the middle", "G002", NOWHERE,
		    "# x\n\xef\xbb\xbf\n" },
		{ "LF, then CRLF", "G003", 2, "# x\na\r\nb\r\n" },
		{ "CRLF, then LF", "G003", 3, "# x\r\na\r\nb\nc\r\n" },
		{ "CRLF", "G003", NOWHERE, "# x\r\na\r\n" },
		{ "a bare CR", "G003", 2, "# x\na\rb\rc\n" },
		{ "BEL", "G004", 2, "# x\na\ab\ac\n" },
		{ "DEL", "G004", 1, "# \x7f\n" },
		{ "C1", "G004", 1, "# \xc2\x85\n" },
		{ "a line separator", "G004", 1, "# a\xe2\x80\xa8z\n" },
		{ "a tab is none", "G004", NOWHERE, "# \t\xc2\xa0\n" },
		{ "an escape sequence", "G005", 2, "# x\n\x1b[31m\x1b[0m\n" },
		{ "and not a control too", "G004", NOWHERE, "# \x1b[m\n" },
		{ "in a block too", "G005", 3, "# x\n```a\n\x1b[m\n```\n" },
		{ "the last line", "G006", 2, "# x\nend" },
		{ "the last line, whole", "G006", NOWHERE, "# x\nend\n" },
		{ "an empty page has no line", "G006", NOWHERE, "" },
		{ "what ends with CR alone", "G006", 1, "# x\r" },
	};

	(void)state;
	help_open_one("");
	lint_help_rows(ROWS(rows));
}

static void
test_nul(void **state)
{
	(void)state;
	tree_bytes("root/page.gmi", SLICE("# x\n\0\0\n"));
	help_open_one("");
	lint_help_run();
	lint_help_wants("G004", "page.gmi", 2, "U+0000");
	assert_int_equal(lint_help_count("G004"), 1);
}

static void
test_another_character_set(void **state)
{
	static const struct lint_row rows[] = {
		{ "of its own", "G001", NOWHERE, "# \xe9t\xe9\n" },
		{ "C1 means something there", "G004", NOWHERE, "# \x85\n" },
		{ "C0 does not", "G004", 1, "# \a\n" },
	};

	(void)state;
	help_open_one("charset = \"windows-1252\";");
	lint_help_rows(ROWS(rows));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		under_lint(test_encoding_line_ends_and_characters),
		under_lint(test_nul),
		under_lint(test_another_character_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
