/* SPDX-License-Identifier: ISC */
#include "lint_file_help.h"

static void
texts(void **state)
{
	static const struct lint_file_row rows[] = {
		{ "an emoji", "F002", NOWHERE, "\U0001f339" },
		{ "and LF", "F002", NOWHERE, "\U0001f339\n" },
		{ "and CRLF", "F002", NOWHERE, "\U0001f339\r\n" },
		{ "with a variant", "F002", NOWHERE, "\u2764\ufe0f\n" },
		{ "with a skin", "F002", NOWHERE, "\U0001f44b\U0001f3fd\n" },
		{ "joined", "F002", NOWHERE,
		    "\U0001f468\u200d\U0001f469\u200d\U0001f467\n" },
		{ "joined, with skin and variant", "F002", NOWHERE,
		    "\U0001f9d1\U0001f3fd\u200d\u2764\ufe0f\u200d"
		    "\U0001f9d1\U0001f3fb\n" },
		{ "a flag", "F002", NOWHERE, "\U0001f1e6\U0001f1ff\n" },
		{ "a flag of tags", "F002", NOWHERE,
		    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e"
		    "\U000e0067\U000e007f\n" },
		{ "a key", "F002", NOWHERE, "1\ufe0f\u20e3\n" },
		{ "two", "F002", 1, "\U0001f339\U0001f339\n" },
		{ "two flags", "F002", 1,
		    "\U0001f1e6\U0001f1ff\U0001f1e6\U0001f1ff\n" },
		{ "half a flag", "F002", 1, "\U0001f1e6\n" },
		{ "a letter", "F002", 1, "A\n" },
		{ "a digit", "F002", 1, "1\n" },
		{ "a letter behind", "F002", 1, "\U0001f339a\n" },
		{ "a blank before", "F002", 1, " \U0001f339\n" },
		{ "a joiner and nothing", "F002", 1, "\U0001f339\u200d\n" },
		{ "a variant of nothing", "F002", 1, "\ufe0f\n" },
		{ "two lines", "F002", 1, "\U0001f339\n\n" },
		{ "no UTF-8", "F002", 1, "\xf0\x9f\n" },
		{ "a BOM", "F002", 1, "\ufeff\U0001f339\n" },
		{ "empty", "F002", 1, "" },
		{ "an empty line", "F002", 1, "\n" },
	};

	(void)state;
	tree_file("root/favicon.txt", "");
	help_open_one("");
	lint_file_rows("favicon.txt", ROWS(rows));
}

static void
types(void **state)
{
	(void)state;
	help_open_one("");
	lint_help_run();
	assert_int_equal(lint_file_count('F'), 0);
	tree_file("root/favicon.txt", "\U0001f339\n");
	lint_help_run();
	assert_int_equal(lint_file_count('F'), 0);
	help_open_one("paths = ( { glob = \"/favicon.txt\"; "
		      "type = \"text/html\"; } );");
	lint_help_run();
	lint_help_wants("F001", "favicon.txt", 0, "text/html");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		under_lint(texts),
		under_lint(types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
