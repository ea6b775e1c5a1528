/* SPDX-License-Identifier: ISC */
#include "check.h"

#include "proto/gemtext.h"

static void
test_line_types(void **state)
{
	static const struct {
		const char *line;
		enum gemtext_kind kind;
		int level;
		const char *text, *url;
	} rows[] = {
		{ "\n", GEMTEXT_TEXT, 0, "", "" },
		{ " text ", GEMTEXT_TEXT, 0, "text", "" },
		{ "=> /a.gmi A page ", GEMTEXT_LINK, 0, "A page", "/a.gmi" },
		{ "=>/a.gmi", GEMTEXT_LINK, 0, "", "/a.gmi" },
		{ "=>\t /a.gmi\t A", GEMTEXT_LINK, 0, "A", "/a.gmi" },
		{ "=>", GEMTEXT_LINK, 0, "", "" },
		{ " => /a.gmi", GEMTEXT_TEXT, 0, "=> /a.gmi", "" },
		{ "= > /a.gmi", GEMTEXT_TEXT, 0, "= > /a.gmi", "" },
		{ "# One", GEMTEXT_HEADING, 1, "One", "" },
		{ "##Two", GEMTEXT_HEADING, 2, "Two", "" },
		{ "### Three ", GEMTEXT_HEADING, 3, "Three", "" },
		{ "#### Four", GEMTEXT_HEADING, 3, "# Four", "" },
		{ "#", GEMTEXT_HEADING, 1, "", "" },
		{ "* item", GEMTEXT_ITEM, 0, "item", "" },
		{ "*item", GEMTEXT_TEXT, 0, "*item", "" },
		{ "*", GEMTEXT_TEXT, 0, "*", "" },
		{ "> quote", GEMTEXT_QUOTE, 0, "quote", "" },
		{ ">quote", GEMTEXT_QUOTE, 0, "quote", "" },
		{ "```", GEMTEXT_TOGGLE, 0, "", "" },
		{ "``` alt text", GEMTEXT_TOGGLE, 0, "alt text", "" },
		{ "``", GEMTEXT_TEXT, 0, "``", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gemtext g = { .rest = slice_str(rows[i].line) };
		struct gemtext_line line;

		check_row(gemtext_next(&g, &line), rows[i].line);
		check_row(line.kind == rows[i].kind, rows[i].line);
		check_row(line.level == rows[i].level, rows[i].line);
		check_slice(line.text, slice_str(rows[i].text));
		check_slice(line.url, slice_str(rows[i].url));
		check_slice(line.raw, rows[i].line[0] == '\n'
					  ? SLICE("")
					  : slice_str(rows[i].line));
		check_row(!gemtext_next(&g, &line), rows[i].line);
	}
}

static void
test_preformatted_lines_are_unchanged(void **state)
{
	struct gemtext g = {
		.rest = SLICE("```art\r\n  # \t\r\n=> x\r\n```end\r\n# H\n"),
	};
	struct gemtext_line line;

	(void)state;
	assert_true(gemtext_next(&g, &line));
	assert_int_equal(line.kind, GEMTEXT_TOGGLE);
	assert_true(g.preformatted);
	check_slice(line.text, SLICE("art"));
	assert_true(gemtext_next(&g, &line));
	assert_int_equal(line.kind, GEMTEXT_PREFORMATTED);
	check_slice(line.text, SLICE("  # \t"));
	assert_true(gemtext_next(&g, &line));
	assert_int_equal(line.kind, GEMTEXT_PREFORMATTED);
	check_slice(line.text, SLICE("=> x"));
	check_slice(line.url, SLICE(""));
	assert_true(gemtext_next(&g, &line));
	assert_int_equal(line.kind, GEMTEXT_TOGGLE);
	assert_false(g.preformatted);
	assert_int_equal(line.number, 4);
	assert_true(gemtext_next(&g, &line));
	assert_int_equal(line.kind, GEMTEXT_HEADING);
	assert_int_equal(line.number, 5);
	assert_false(gemtext_next(&g, &line));
	assert_false(gemtext_next(&g, &line));
	assert_int_equal(g.number, 5);
}

static void
test_titles(void **state)
{
	static const char *const rows[][2] = {
		{ "# Title\n# Other\n", "Title" },
		{ "text\n## Sub\n#Title", "Title" },
		{ "```\n# code\n```\n# Title\n", "Title" },
		{ "```\n# code\n", "" },
		{ "## Sub\n### Sub\n", "" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_slice(gemtext_title(slice_str(rows[i][0])),
		    slice_str(rows[i][1]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_types),
		cmocka_unit_test(test_preformatted_lines_are_unchanged),
		cmocka_unit_test(test_titles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
