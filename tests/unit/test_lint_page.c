/* SPDX-License-Identifier: ISC */
#include "support/linter.h"

#include "capsule/lint_internal.h"

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
	static const struct linter_row rows[] = {
		{ "never closed", "G021", 4, "# x\n```a\n```\n```b\nc\n" },
		{ "closed", "G021", NOWHERE, "# x\n```a\n```\n" },
		{ "on one line", "G021", 2, "# x\n```ls```\ntext\n" },
		{ "on one line, and a block", "G021", 2,
		    "# x\n```ls```\ntext\n```a\nb\n```\n" },
		{ "and nothing below it", "G022", NOWHERE,
		    "# x\n```ls```\ntext\n```a\nb\n```\n" },
		{ "text on one line, then a block's end", "G021", NOWHERE,
		    "# x\n```ascii```\n /\\_/\\\n```\ntext\n" },
		{ "is a remark", "G037", 2,
		    "# x\n```ascii```\n /\\_/\\\n```\ntext\n" },
		{ "two on one line", "G021", NOWHERE,
		    "# x\n```ls```\ntext\n```cat```\ntext\n" },
		{ "hide no text but their own", "G022", NOWHERE,
		    "# x\n```ls```\ntext\n```cat```\ntext\n" },
		{ "one that closes", "G037", 4, "# x\n```a\nb\n```c```\n" },
		{ "none of which helps", "G021", 5,
		    "# x\n```a```\nb\n```c```\n```d\ne\n" },
		{ "nothing between them", "G021", 2, "# x\n``` ```\ntext\n" },
		{ "a longer fence", "G037", NOWHERE,
		    "# x\n`````` \na\n``````\n" },
		{ "six make no block", "G021", 2, "# x\n``````\na\n" },
		{ "text at the end", "G022", 3, "# x\n```a\n```b\n" },
		{ "text at the start", "G022", NOWHERE, "# x\n```a\n```\n" },
		{ "not described", "G023", 2, "# x\n```\na\n```\n" },
		{ "described", "G023", NOWHERE, "# x\n``` a cat\na\n```\n" },
		{ "no heading in a block", "G024", NOWHERE,
		    "# x\n```a\n#### y\n```\n" },
	};

	(void)state;
	capsule_open_one("");
	linter_check_rows("page.gmi", ROWS(rows));
	tree_write("root/page.gmi", "# x\n```a```\n```b```\n```c```\nd\n");
	linter_run();
	assert_int_equal(linter_count("G021"), 3);
}

static void
test_headings(void **state)
{
	static const struct linter_row rows[] = {
		{ "level four", "G024", 2, "# x\n#### y\n" },
		{ "a row of #", "G024", 2, "# x\n########\n## y\n" },
		{ "not a level", "G029", NOWHERE, "# x\n########\n## y\n" },
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
		{ "the first heading skips nothing", "G029", NOWHERE,
		    "## x\n### y\n" },
		{ "empty", "G030", 2, "# x\n## \n" },
		{ "four and empty", "G030", NOWHERE, "# x\n####\n" },
		{ "not empty", "G030", NOWHERE, "#x\n" },
	};

	(void)state;
	capsule_open_one("");
	linter_check_rows("page.gmi", ROWS(rows));
}

static void
test_runs_of_lines(void **state)
{
	static const struct linter_row rows[] = {
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
		{ "numbers", "G031", NOWHERE,
		    "# x\n1. " WIDE "\n2. " WIDE "\n3. " WIDE "\n" },
		{ "rows", "G031", NOWHERE,
		    "# x\n| " WIDE "\n| " WIDE "\n| " WIDE "\n" },
		{ "dashes and bullets", "G031", NOWHERE,
		    "# x\n- " WIDE "\n  + " WIDE "\n\u2022 " WIDE "\n" },
		{ "items", "G031", NOWHERE,
		    "# x\n* " WIDE "\n* " WIDE "\n* " WIDE "\n" },
		{ "in a block", "G031", NOWHERE,
		    "# x\n```a\n" WIDE "\n" WIDE "\n" WIDE "\n```\n" },
		{ "three blank lines", "G032", 4, "# x\n\n \n\n\n\nx\n" },
		{ "two blank lines", "G032", NOWHERE, "# x\n\n\nx\n\n\ny\n" },
		{ "in a block", "G032", NOWHERE, "# x\n```a\n\n\n\n\n```\n" },
	};

	(void)state;
	capsule_open_one("");
	linter_check_rows("page.gmi", ROWS(rows));
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
	capsule_open_one("");
	for (size_t i = 0; i < 3; i++) {
		write_page(rows[i].size);
		linter_run();
		assert_int_equal(linter_count("G034"), rows[i].found);
		assert_int_equal(linter_count("C013"), 0);
	}
	linter_check_finding("G034", "page.gmi", 0, "or this program");
}

static void
test_encoding_line_ends_and_characters(void **state)
{
	static const struct linter_row rows[] = {
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
	capsule_open_one("");
	linter_check_rows("page.gmi", ROWS(rows));
}

static void
test_the_end_of_the_front_page(void **state)
{
	static const struct linter_row rows[] = {
		{ "no line ending", "G038", 1, "# x" },
		{ "is reported once", "G006", NOWHERE, "# x" },
		{ "a line ending", "G038", NOWHERE, "# x\n" },
	};

	(void)state;
	tree_write("root/page.gmi", "# x");
	capsule_open_one("");
	linter_run();
	assert_int_equal(linter_count("G038"), 0);
	tree_write("root/page.gmi", "# x\n");
	linter_check_rows("index.gmi", ROWS(rows));
	assert_int_equal(lint_rule_find("G003")->level, LINT_WARNING);
	assert_int_equal(lint_rule_find("G006")->level, LINT_WARNING);
}

static void
test_nul(void **state)
{
	(void)state;
	tree_write_bytes("root/page.gmi", SLICE("# x\n\0\0\n"));
	capsule_open_one("");
	linter_run();
	linter_check_finding("G004", "page.gmi", 2, "U+0000");
	assert_int_equal(linter_count("G004"), 1);
}

static void
test_another_character_set(void **state)
{
	static const struct linter_row rows[] = {
		{ "of its own", "G001", NOWHERE, "# \xe9t\xe9\n" },
		{ "C1 means something there", "G004", NOWHERE, "# \x85\n" },
		{ "C0 does not", "G004", 1, "# \a\n" },
	};

	(void)state;
	capsule_open_one("charset = \"windows-1252\";");
	linter_check_rows("page.gmi", ROWS(rows));
}

static void
test_schemes(void **state)
{
	static const struct linter_row rows[] = {
		{ "misspelt", "G016", 2, "# x\n=> gemnii://e.org/ e\n" },
		{ "misspelt https", "G016", 2, "# x\n=> htps://e.org/ e\n" },
		{ "right", "G016", NOWHERE,
		    "# x\n=> gemini://e.org/ e\n=> HTTPS://e.org/ e\n"
		    "=> mailto:a@e.org e\n" },
		{ "unknown is not misspelt", "G016", NOWHERE,
		    "# x\n=> zebra://e e\n" },
		{ "unknown", "G036", 2, "# x\n=> zebra://e e\n" },
		{ "registered ones that look like others", "G016", NOWHERE,
		    "# x\n=> mms://e e\n=> callto:1 e\n=> rtmp://e e\n"
		    "=> smb://e/ e\n=> ssb:e e\n=> smtp:e e\n"
		    "=> turn:e e\n=> market://e e\n=> swh:1 e\n" },
		{ "nor are they unknown", "G036", NOWHERE,
		    "# x\n=> steam://e e\n=> mms://e e\n=> callto:1 e\n" },
		{ "like one that few links have", "G016", NOWHERE,
		    "# x\n=> iris:e e\n=> upn:e e\n" },
		{ "unknown and long", "G036", 2,
		    "# x\n=> abcdefghijklmnopqrstuvwxyzabcdefghijkl:e e\n" },
		{ "known", "G036", NOWHERE, "# x\n=> gopher://e.org e\n" },
		{ "a colon in a name", "G036", NOWHERE,
		    "# x\n=> ./a:b e\n=> d/a:b e\n=> ?a:b e\n=> a#b:c e\n"
		    "=> //localhost:1965/ e\n=> /a:b e\n" },
		{ "a colon after an invalid scheme", "G036", 2,
		    "# x\n=> 1990:night.gmi e\n" },
		{ "a colon after nothing", "G036", 2, "# x\n=> :a e\n" },
		{ "and the page is looked for", "G007", 2,
		    "# x\n=> 1990:night.gmi e\n" },
		{ "with success", "G007", NOWHERE, "# x\n=> 1990:day.gmi e\n" },
		{ "listed", "G020", 2, "# x\n=> https://e.org/a?b e\n" },
		{ "gemini elsewhere is listed", "G020", 2,
		    "# x\n=> gemini://e.org/a e\n" },
		{ "unknown ones are listed", "G020", 2, "# x\n=> zz:a e\n" },
		{ "ours are not", "G020", NOWHERE, "# x\n=> page.gmi e\n" },
	};

	(void)state;
	tree_write("root/1990:day.gmi", "# x\n");
	capsule_open_one("");
	linter_check_rows("page.gmi", ROWS(rows));
}

static void
test_words(void **state)
{
	(void)state;
	tree_write("root/page.gmi",
	    "# x\n=> gemnii://e.org/ e\n=> https://e.org/a?b e\n");
	capsule_open_one("");
	linter_run();
	linter_check_finding("G016", "page.gmi", 2, "did you mean gemini");
	assert_string_equal(linter_find("G020", "page.gmi", 3),
	    "external link to https://e.org/a?b");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		linter_test(test_blocks),
		linter_test(test_headings),
		linter_test(test_runs_of_lines),
		linter_test(test_size),
		linter_test(test_encoding_line_ends_and_characters),
		linter_test(test_the_end_of_the_front_page),
		linter_test(test_nul),
		linter_test(test_another_character_set),
		linter_test(test_schemes),
		linter_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
