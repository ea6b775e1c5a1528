/* SPDX-License-Identifier: ISC */
#include "support/linter.h"

static void
test_list_marks(void **state)
{
	static const struct linter_row rows[] = {
		{ "no blank", "G025", 2, "# x\n*item\n" },
		{ "nothing behind it", "G025", 2, "# x\n*\n" },
		{ "a tab is no blank", "G025", 2, "# x\n*\titem\n" },
		{ "an item", "G025", NOWHERE, "# x\n* item\n" },
		{ "emphasis", "G025", NOWHERE, "# x\n*so* it is\n" },
		{ "bold", "G025", NOWHERE, "# x\n**so** it is\n" },
		{ "a rule", "G025", NOWHERE, "# x\n***\n" },
		{ "in a block", "G025", NOWHERE, "# x\n```a\n*item\n```\n" },
		{ "nested", "G026", 3, "# x\n* a\n** b\n" },
		{ "indented", "G026", 3, "# x\n* a\n  * b\n" },
		{ "indented, and no second complaint", "G033", NOWHERE,
		    "# x\n  * b\n" },
		{ "one level", "G026", NOWHERE, "# x\n* a\n* b\n" },
		{ "dashes below an item", "G026", 3,
		    "# x\n* a\n  - b\n  - c\n* d\n  - e\n" },
		{ "dashes in a row", "G026", 3, "# x\n  - b\n  - c\n - d\n" },
		{ "with blank lines", "G026", 4, "# x\n  - b\n\n\t- c\n" },
		{ "plusses", "G026", 3, "# x\n  + b\n  + c\n" },
		{ "one dash", "G026", NOWHERE,
		    "# x\n> so it is\n  - a poet\nand\n  - another\n" },
		{ "one dash behind a list", "G026", NOWHERE,
		    "# x\n* a\n* b\n\n  - its author\n* c\n\n  - another\n" },
		{ "no dashes of a list", "G026", NOWHERE,
		    "# x\n  -b\n  -c\n- d\n- e\n -\n -\n" },
	};

	(void)state;
	capsule_open_one("");
	linter_check_rows("page.gmi", ROWS(rows));
}

static void
test_foreign_markup(void **state)
{
	static const struct linter_row rows[] = {
		{ "emphasis", "G026", 2, "# x\nit is *so*, then\n" },
		{ "underscores", "G026", 2, "# x\nit is _so_.\n" },
		{ "bold", "G026", 2, "# x\n__it is__ **so**\n" },
		{ "in a label", "G026", 2, "# x\n=> page.gmi *here*\n" },
		{ "in a heading", "G026", 1, "# *x*\n" },
		{ "two factors", "G026", NOWHERE,
		    "# x\n2*3*4 and 2 * 3 * 4\n" },
		{ "footnotes", "G026", NOWHERE,
		    "# x\nprice* and tax* of *1\n" },
		{ "names of programmers", "G026", NOWHERE,
		    "# x\nsnake_case_name, f(*a, *b)\n" },
		{ "a Markdown link", "G026", 2,
		    "# x\nsee [it](/a.gmi) here\n" },
		{ "a Markdown picture", "G026", 2, "# x\n![it](a.png)\n" },
		{ "brackets", "G026", NOWHERE,
		    "# x\n[1] (see a.gmi), a[1](x), [1](see below.)\n" },
		{ "a rule", "G026", 2, "# x\n---\n" },
		{ "an underline", "G026", 2, "# x\n=======\n" },
		{ "two dashes", "G026", NOWHERE, "# x\n--\n\nso --- well\n" },
		{ "a table", "G026", 3,
		    "# x\n| a | b |\n|---|---|\n| 1 | 2 |\n" },
		{ "bars", "G026", NOWHERE, "# x\n| a |\nb\n| c |\n|d\n" },
		{ "a tag", "G026", 2, "# x\nso <b>bold</b>\n" },
		{ "a tag with attributes", "G026", 2,
		    "# x\n<a href=\"/b\">b</a>\n" },
		{ "an empty tag", "G026", 2, "# x\na<br/>b\n" },
		{ "no tags", "G026", NOWHERE,
		    "# x\na < b > c, <you@example.org>, <foo>, 1<i and <\n" },
		{ "a numbered list", "G026", 3, "# x\n1. a\n2. b\n3. c\n" },
		{ "one with brackets", "G026", 3, "# x\n7) a\n8) b\n" },
		{ "one with blank lines", "G026", 5,
		    "# x\n1. a\n\n\n2. b\n\n3. c\n" },
		{ "no list", "G026", NOWHERE,
		    "# x\n1. a\n\n3. b\n5. c\n7. d\n1990. e\n1991. f\n" },
		{ "numbers with text between them", "G026", NOWHERE,
		    "# x\n1. a\nb\n2. c\n\n* d\n\n3. e\n" },
		{ "in a block", "G026", NOWHERE,
		    "# x\n```a\n*so* <b>\n1. a\n2. b\n---\n  - a\n  - "
		    "b\n```\n" },
	};

	(void)state;
	capsule_open_one("");
	linter_check_rows("page.gmi", ROWS(rows));
}

static void
test_blanks_before_marks(void **state)
{
	static const struct linter_row rows[] = {
		{ "a link", "G033", 2, "# x\n => page.gmi x\n" },
		{ "a heading", "G033", 2, "# x\n\t## y\n" },
		{ "a quote", "G033", 2, "# x\n > y\n" },
		{ "a block", "G033", 2, "# x\n ```\n" },
		{ "no heading", "G033", NOWHERE, "# x\n #tag\n #### y\n" },
		{ "text", "G033", NOWHERE, "# x\n  text => and more\n  \n" },
		{ "in a block", "G033", NOWHERE, "# x\n```a\n => b\n```\n" },
	};

	(void)state;
	capsule_open_one("");
	linter_check_rows("page.gmi", ROWS(rows));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		linter_test(test_list_marks),
		linter_test(test_foreign_markup),
		linter_test(test_blanks_before_marks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
