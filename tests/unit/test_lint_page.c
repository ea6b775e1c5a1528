/* SPDX-License-Identifier: ISC */
#include "lint_help.h"

#define L60 "123456789 123456789 123456789 123456789 123456789 123456789 "
#define WIDE L60 "and so on"
#define FULL L60 "and an end."
#define LONG L60 "123456789 123456789 123456789 "
/* 60 characters that are 119 bytes. */
#define SHWA                                                                   \
	"\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99"     \
	"\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99"     \
	"\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99"     \
	"\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99"     \
	"\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99"     \
	"\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99"     \
	"\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99\xc9\x99"     \
	"\xc9\x99\xc9\x99\xc9\x99z"

static void
test_blocks(void **state)
{
	static const struct lint_row rows[] = {
		{ "never closed", "G021", 4, "# x\n```a\n```\n```b\nc\n" },
		{ "closed", "G021", NOWHERE, "# x\n```a\n```\n" },
		{ "text at the end", "G022", 3, "# x\n```a\n```b\n" },
		{ "text at the start", "G022", NOWHERE, "# x\n```a\n```\n" },
		{ "not described", "G023", 2, "# x\n```\na\n```\n" },
		{ "described", "G023", NOWHERE, "# x\n``` a cat\na\n```\n" },
		{ "no heading in a block", "G024", NOWHERE,
		    "# x\n```a\n#### y\n```\n" },
	};

	(void)state;
	help_open_one("");
	lint_help_rows(ROWS(rows));
}

static void
test_headings(void **state)
{
	static const struct lint_row rows[] = {
		{ "level four", "G024", 2, "# x\n#### y\n" },
		{ "level three", "G024", NOWHERE, "# x\n## y\n### z\n" },
		{ "no title", "G027", 0, "## x\n" },
		{ "no title on an empty page", "G027", 0, "" },
		{ "two titles", "G027", 3, "# x\n\n# y\n# z\n" },
		{ "one title", "G027", NOWHERE, "# x\n## y\n" },
		{ "a title too late", "G028", 2, "\nx\n# x\n" },
		{ "blank lines before it", "G028", NOWHERE, "\n\n# x\ny\n" },
		{ "no title, no place", "G028", NOWHERE, "x\n## x\n" },
		{ "a level skipped", "G029", 2, "# x\n### y\n" },
		{ "levels back", "G029", NOWHERE,
		    "# x\n## y\n### z\n## y\n# x\n" },
		{ "the first is no skip", "G029", NOWHERE, "## x\n### y\n" },
		{ "empty", "G030", 2, "# x\n## \n" },
		{ "four and empty", "G030", NOWHERE, "# x\n####\n" },
		{ "not empty", "G030", NOWHERE, "#x\n" },
	};

	(void)state;
	help_open_one("");
	lint_help_rows(ROWS(rows));
}

static void
test_runs_of_lines(void **state)
{
	static const struct lint_row rows[] = {
		{ "broken", "G031", 3,
		    "# x\n\n" WIDE "\n" WIDE "\n" WIDE "\n" WIDE "\n" },
		{ "60 characters, not bytes", "G031", 2,
		    "# x\n" SHWA "\n" SHWA "\n" SHWA "\n" },
		{ "two lines", "G031", NOWHERE, "# x\n" WIDE "\n" WIDE "\n" },
		{ "sentences", "G031", NOWHERE,
		    "# x\n" WIDE "\n" WIDE "\n" FULL "\n" WIDE "\n" WIDE "\n" },
		{ "a sentence in quotes", "G031", NOWHERE,
		    "# x\n" WIDE "\n" WIDE "\n" L60 "so.\xe2\x80\x9d)\n" },
		{ "short", "G031", NOWHERE, "# x\na\nb\nc\nd\n" },
		{ "long", "G031", NOWHERE,
		    "# x\n" LONG "\n" LONG "\n" LONG "\n" },
		{ "items", "G031", NOWHERE,
		    "# x\n* " WIDE "\n* " WIDE "\n* " WIDE "\n" },
		{ "in a block", "G031", NOWHERE,
		    "# x\n```a\n" WIDE "\n" WIDE "\n" WIDE "\n```\n" },
		{ "three blank lines", "G032", 4, "# x\n\n \n\n\n\nx\n" },
		{ "two blank lines", "G032", NOWHERE, "# x\n\n\nx\n\n\ny\n" },
		{ "in a block", "G032", NOWHERE, "# x\n```a\n\n\n\n\n```\n" },
	};

	(void)state;
	help_open_one("");
	lint_help_rows(ROWS(rows));
}

/* A page of so many bytes: a title and paragraphs. */
static void
write_page(size_t size)
{
	FILE *f = fopen(tree_path("root/page.gmi"), "w");

	assert_non_null(f);
	assert_true(fputs("# x\n", f) >= 0);
	for (size_t i = 4; i < size; i++)
		assert_int_not_equal(
		    fputc(i % 100 == 0 || i + 1 == size ? '\n' : 'x', f), EOF);
	assert_int_equal(fclose(f), 0);
}

static void
test_size(void **state)
{
	static const struct {
		size_t size;
		size_t found;
	} rows[] = { { 2500000, 0 }, { 2500001, 1 }, { (16 << 20) + 1, 1 } };

	(void)state;
	help_open_one("");
	for (size_t i = 0; i < 3; i++) {
		write_page(rows[i].size);
		lint_help_run();
		assert_int_equal(lint_help_count("G034"), rows[i].found);
		assert_int_equal(lint_help_count("C013"), 0);
	}
	lint_help_wants("G034", "page.gmi", 0, "or this program");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		under_lint(test_blocks),
		under_lint(test_headings),
		under_lint(test_runs_of_lines),
		under_lint(test_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
