/* SPDX-License-Identifier: ISC */
#include "support/linter.h"

static void
test_list_marks(void **state)
{
	static const struct linter_row rows[] = {
		{ "no blank", "G025", 2, "# x\n*item\n" },
		{ "nothing after it", "G025", 2, "# x\n*\n" },
		{ "a tab is not a space", "G025", 2, "# x\n*\titem\n" },
		{ "U+00A0", "G025", 2, "# x\n*\u00a0item\n" },
		{ "an item", "G025", NOWHERE, "# x\n* item\n" },
		{ "emphasis", "G025", NOWHERE, "# x\n*so* it is\n" },
		{ "bold", "G025", NOWHERE, "# x\n**so** it is\n" },
		{ "a rule", "G025", NOWHERE, "# x\n***\n" },
		{ "in a block", "G025", NOWHERE, "# x\n```a\n*item\n```\n" },
		{ "nested", "G037", 3, "# x\n* a\n** b\n" },
		{ "indented", "G037", 3, "# x\n* a\n  * b\n" },
		{ "indented, and no second complaint", "G033", NOWHERE,
		    "# x\n  * b\n" },
		{ "one level", "G037", NOWHERE, "# x\n* a\n* b\n" },
		{ "dashes below an item", "G037", 3,
		    "# x\n* a\n  - b\n  - c\n* d\n  - e\n" },
		{ "dashes in a row", "G037", 3, "# x\n  - b\n  - c\n - d\n" },
		{ "with blank lines", "G037", 4, "# x\n  - b\n\n\t- c\n" },
		{ "plusses", "G037", 3, "# x\n  + b\n  + c\n" },
		{ "one dash", "G037", NOWHERE,
		    "# x\n> so it is\n  - a poet\nand\n  - another\n" },
		{ "one dash after a list", "G037", NOWHERE,
		    "# x\n* a\n* b\n\n  - its author\n* c\n\n  - another\n" },
		{ "no dashes of a list", "G037", NOWHERE,
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
		{ "emphasis", "G037", 2, "# x\nit is *so*, then\n" },
		{ "underscores", "G037", 2, "# x\nit is _so_.\n" },
		{ "bold", "G037", 2, "# x\n__it is__ **so**\n" },
		{ "in a label", "G037", 2, "# x\n=> page.gmi *here*\n" },
		{ "in a heading", "G037", 1, "# *x*\n" },
		{ "two factors", "G037", NOWHERE,
		    "# x\n2*3*4 and 2 * 3 * 4\n" },
		{ "footnotes", "G037", NOWHERE,
		    "# x\nprice* and tax* of *1\n" },
		{ "names of programmers", "G037", NOWHERE,
		    "# x\nsnake_case_name, f(*a, *b)\n" },
		{ "a Markdown link", "G026", 2,
		    "# x\nsee [it](/a.gmi) here\n" },
		{ "a Markdown picture", "G026", 2, "# x\n![it](a.png)\n" },
		{ "brackets", "G026", NOWHERE,
		    "# x\n[1] (see a.gmi), a[1](x), [1](see below.)\n" },
		{ "a rule", "G037", 2, "# x\n---\n" },
		{ "an underline", "G037", 2, "# x\n=======\n" },
		{ "two dashes", "G037", NOWHERE, "# x\n--\n\nso --- well\n" },
		{ "a table", "G026", 3,
		    "# x\n| a | b |\n|---|---|\n| 1 | 2 |\n" },
		{ "bars", "G026", NOWHERE, "# x\n| a |\nb\n| c |\n|d\n" },
		{ "a tag", "G026", 2, "# x\nso <b>bold</b>\n" },
		{ "a tag with attributes", "G026", 2,
		    "# x\n<a href=\"/b\">b</a>\n" },
		{ "an empty tag", "G026", 2, "# x\na<br/>b\n" },
		{ "no tags", "G026", NOWHERE,
		    "# x\na < b > c, <you@example.org>, <foo>, 1<i and <\n" },
		{ "a numbered list", "G037", 2, "# x\n1. a\n2. b\n3. c\n" },
		{ "one with brackets", "G037", 2, "# x\n7) a\n8) b\n" },
		{ "one with blank lines", "G037", 2,
		    "# x\n1. a\n\n\n2. b\n\n3. c\n" },
		{ "below a number", "G037", 3,
		    "# x\n1990. a\n1. b\n2. c\n3. d\n" },
		{ "no list", "G037", NOWHERE,
		    "# x\n1. a\n\n3. b\n5. c\n7. d\n1990. e\n1991. f\n" },
		{ "numbers with text between them", "G037", NOWHERE,
		    "# x\n1. a\nb\n2. c\n\n* d\n\n3. e\n" },
		{ "one finding a line, the fault first", "G037", NOWHERE,
		    "# x\n*so* <b>it</b>\n" },
		{ "a rule with blanks", "G037", 2, "# x\n * * *\n" },
		{ "a rule that is an item", "G037", 2, "# x\n* * *\n" },
		{ "a rule of dashes", "G037", 2, "# x\n- - - -\n" },
		{ "an item of two", "G037", NOWHERE, "# x\n* *\n* - -\n" },
		{ "a name of Python's", "G037", NOWHERE,
		    "# x\n__init__ and __main__, then __a_b__.\n" },
		{ "bold words", "G037", 2, "# x\n__so it is__\n" },
		{ "a line to fill in", "G037", NOWHERE,
		    "# x\nName ______\nName: ____ Age: ____\n"
		    "____Name____ of\n" },
		{ "in a block", "G037", NOWHERE,
		    "# x\n```a\n*so* <b>\n1. a\n2. b\n---\n  - a\n  - "
		    "b\n```\n" },
	};

	(void)state;
	capsule_open_one("");
	linter_check_rows("page.gmi", ROWS(rows));
}

static void
test_front_matter(void **state)
{
	static const struct linter_row rows[] = {
		{ "fields", "G026", 1, "---\ntitle: T\n---\n# x\n" },
		{ "not a rule", "G037", NOWHERE,
		    "---\ntitle: *T*\n---\n# x\n" },
		{ "is not what the title should be above", "G028", NOWHERE,
		    "---\ntitle: T\n---\n# x\n" },
		{ "lists and comments", "G026", 1,
		    "---\ntags:\n  - a\n- b\n# c\n\nx-y: z\n---\n# x\n" },
		{ "TOML", "G026", 1, "+++\ntitle = \"T\"\n+++\n# x\n" },
		{ "after a mark", "G026", 1,
		    "\xef\xbb\xbf---\ntitle: T\n---\n# x\n" },
		{ "in the middle", "G026", NOWHERE,
		    "# x\n---\ntitle: T\n---\n" },
		{ "text between rules", "G026", NOWHERE,
		    "---\nit is so: yes\n---\n# x\n" },
		{ "rules alone", "G026", NOWHERE, "---\n---\n# x\n" },
		{ "without an end", "G026", NOWHERE, "---\ntitle: T\n" },
		{ "a link", "G026", NOWHERE, "---\n=> a: b\n---\n# x\n" },
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
		{ "U+00A0", "G033", 2, "# x\n\u00a0=> page.gmi x\n" },
		{ "a mark of bytes", "G033", 2, "# x\n\ufeff# y\n" },
		{ "before an item", "G033", 2, "# x\n \u200b* y\n" },
		{ "U+FE0F", "G033", 2, "# x\n\ufe0f=> page.gmi x\n" },
		{ "before text", "G033", NOWHERE, "# x\n\u00a0y\n" },
		{ "no heading", "G033", NOWHERE, "# x\n #tag\n #### y\n" },
		{ "text", "G033", NOWHERE, "# x\n  text => and more\n  \n" },
		{ "in a block", "G033", NOWHERE, "# x\n```a\n => b\n```\n" },
	};

	(void)state;
	capsule_open_one("");
	linter_check_rows("page.gmi", ROWS(rows));
	tree_write("root/page.gmi", "# x\n*\u2003a\n\ufeff# y\n");
	linter_run();
	linter_check_finding("G025", "page.gmi", 2, "after *, not U+2003");
	linter_check_finding("G033", "page.gmi", 3, "U+FEFF before");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		linter_test(test_list_marks),
		linter_test(test_foreign_markup),
		linter_test(test_front_matter),
		linter_test(test_blanks_before_marks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
