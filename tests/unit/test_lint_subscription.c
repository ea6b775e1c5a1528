/* SPDX-License-Identifier: ISC */
#include "lint_file_help.h"

static void
pages(void **state)
{
	static const struct lint_file_row rows[] = {
		{ "a title", "S002", NOWHERE, "# T\n" },
		{ "a title behind a BOM", "S002", NOWHERE,
		    "\xef\xbb\xbf# T\n" },
		{ "level 2 is no title", "S002", 0, "## T\n" },
		{ "an empty title", "S002", 0, "#\n" },
		{ "a leap day", "S003", NOWHERE, "=> a 2024-02-29 A\n" },
		{ "no leap day", "S003", 2, "\n=> a 2026-02-29 A\n" },
		{ "a digit too many", "S003", 1, "=> a 2026-11-221 A\n" },
		{ "not like a date", "S003", NOWHERE, "=> a 2026-2-29 A\n" },
		{ "no link", "S003", NOWHERE, "2026-02-30 A\n" },
		{ "today", "S004", NOWHERE, "=> a 2026-11-22 A\n" },
		{ "tomorrow", "S004", 1, "=> a 2026-11-23 A\n" },
		{ "one URL twice", "S005", 2,
		    "=> a.gmi 2026-01-01 A\n=> /a.gmi 2026-01-02 B\n" },
		{ "two URLs", "S005", NOWHERE,
		    "=> a.gmi 2026-01-01 A\n=> b.gmi 2026-01-01 A\n" },
		{ "once as an entry", "S005", NOWHERE,
		    "=> a.gmi 2026-01-01 A\n=> a.gmi A\n" },
		{ "an entry", "S006", NOWHERE, "=> a 2026-01-01 A\n" },
		{ "no entry", "S006", 0, "# T\n=> a A\n" },
		{ "no entry with a day", "S006", 0, "=> a 2026-02-30 A\n" },
		{ "a title behind the date", "S007", NOWHERE,
		    "=> a 2026-01-01 - A\n" },
		{ "no title behind the date", "S007", 1, "=> a 2026-01-01\n" },
		{ "only a dash", "S007", 1, "=> a 2026-01-01 -\n" },
	};

	(void)state;
	tree_file("root/u.gmi", "");
	help_open_one("feed = \"u.gmi\";");
	lint_file_rows("u.gmi", ROWS(rows));
	lint_help_wants("S007", "u.gmi", 1, "no title");
	tree_file("root/u.gmi", "=> a.gmi 2026-11-221 A\n");
	lint_help_run();
	lint_help_wants("S003", "u.gmi", 1, "2026-11-221 is no day");
	tree_file(
	    "root/u.gmi", "=> a.gmi 2026-01-01 A\n\n=> ./a.gmi 2026-01-02 B\n");
	lint_help_run();
	lint_help_wants("S005", "u.gmi", 3, "line 1");
}

static void
a_feed_that_nobody_gets(void **state)
{
	(void)state;
	tree_file("root/u.gmi", "# U\n=> index.gmi 2026-01-01 I\n");
	tree_file("root/u.txt", "# U\n");
	tree_file("root/capsule.conf", "\nfeed = \"none.gmi\";\n");
	help_open_one("");
	lint_help_run();
	lint_help_wants("S001", "capsule.conf", 2, "no file that visitors");
	tree_file("root/capsule.conf", "feed = \"u.txt\";\n");
	help_open_one("");
	lint_help_run();
	lint_help_wants("S001", "capsule.conf", 1, "not text/gemini");
	tree_file("root/capsule.conf", "feed = \"u.gmi\";\n"
				       "gone = [\"/u.gmi\"];\n");
	help_open_one("");
	lint_help_run();
	lint_help_wants("S001", "capsule.conf", 1, "no file that visitors");
	tree_file("root/capsule.conf", "feed = \"u.gmi\";\n");
	help_open_one("");
	lint_help_run();
	assert_int_equal(lint_file_count('S'), 0);
	help_open_one("feed = \"none.gmi\";");
	lint_help_run();
	lint_help_wants("S001", NULL, 0, "carnation.conf:1: feed \"none.gmi\"");
}

static void
without_a_feed_there_is_nothing_to_say(void **state)
{
	(void)state;
	tree_file("root/u.gmi", "=> a.gmi 2026-02-30\n");
	help_open_one("");
	lint_help_run();
	assert_int_equal(lint_file_count('S'), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		under_lint(pages),
		under_lint(a_feed_that_nobody_gets),
		under_lint(without_a_feed_there_is_nothing_to_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
