/* SPDX-License-Identifier: ISC */
#include "support/linter.h"

static void
test_languages(void **state)
{
	(void)state;
	tree_write("root/index.gmi", "# x\n=> a.gmi a\n");
	tree_write("root/a.gmi", "# x\n");
	capsule_open_one("");
	linter_run();
	linter_check_finding("C001", NULL, 0, "no page has a language");
	assert_int_equal(linter_count("C001"), 1);
	capsule_open_one(
	    "paths = ( { glob = \"/index.gmi\"; lang = \"az\"; } );");
	linter_run();
	linter_check_finding("C001", "a.gmi", 0, "no language");
	assert_int_equal(linter_count("C001"), 1);
	capsule_open_one("lang = \"az\";");
	linter_run();
	assert_int_equal(linter_count("C001"), 0);
	capsule_open_one("paths = ( { glob = \"*.gmi\"; type = \"text/gemini; "
			 "lang=az\"; } );");
	linter_run();
	assert_int_equal(linter_count("C001"), 0);
}

static void
test_texts(void **state)
{
	static const struct linter_row rows[] = {
		{ "Latin-1", "C015", 2, "a\ncaf\xe9\n\xe9\n" },
		{ "UTF-8", "C015", NOWHERE, "caf\xc3\xa9\n" },
		{ "empty", "C015", NOWHERE, "" },
		{ "no end of a character", "C015", 1, "\xc3" },
	};

	(void)state;
	capsule_open_one("");
	linter_check_rows("a.txt", ROWS(rows));
	linter_check_finding("C015", "a.txt", 1, "byte 0xc3 is not UTF-8");
	linter_check_finding("C015", "a.txt", 1,
	    "paths = ({ glob = \"/a.txt\"; charset = \"iso-8859-1\"; });");
	linter_check_finding("C015", "a.txt", 1, "iconv -f latin1 -t utf-8");
	tree_write("root/a.bin", "\xe9");
	tree_write("root/a.gmi", "# \xe9\n");
	tree_write("root/a.html", "<p>\xe9</p>\n");
	linter_run();
	linter_check_finding("C015", "a.html", 1, "of text/html");
	assert_int_equal(linter_count("C015"), 2);
	capsule_open_one("paths = ( { glob = \"*.txt\"; charset = "
			 "\"iso-8859-1\"; }, { glob = \"*.html\"; type = "
			 "\"text/html; charset=windows-1252\"; }, "
			 "{ glob = \"*.gmi\"; type = "
			 "\"text/gemini; charset=windows-1252\"; } );");
	linter_run();
	assert_int_equal(linter_count("C015"), 0);
	assert_int_equal(linter_count("G001"), 0);
	capsule_open_one("charset = \"utf-8\";");
	linter_run();
	assert_int_equal(linter_count("C015"), 2);
}

static void
test_texts_of_another_charset(void **state)
{
	static const struct linter_row pages[] = {
		{ "Latin-1", "C015", NOWHERE, "# x\ncaf\xe9\n" },
		{ "UTF-8", "C015", 2, "# x\ncaf\xc3\xa9\n" },
		{ "ASCII", "C015", NOWHERE, "# x\n" },
	};
	static const struct linter_row others[] = {
		{ "UTF-8", "C015", 1, "\xc3\xa9" },
		{ "not all of it", "C015", NOWHERE, "\xc3\xa9\n\xe9\n" },
	};

	(void)state;
	capsule_open_one("charset = \"iso-8859-1\";");
	linter_check_rows("page.gmi", ROWS(pages));
	tree_write("root/a.bin", "\xc3\xa9");
	linter_check_rows("a.txt", ROWS(others));
	tree_write("root/a.txt", "\xc3\xa9");
	linter_run();
	linter_check_finding("C015", "a.txt", 1, "charset=iso-8859-1");
}

static void
test_names(void **state)
{
	(void)state;
	tree_make_dir("root/b c");
	tree_write("root/b c/index.gmi", "# x\n");
	tree_write("root/b c/z.gmi", "# x\n");
	tree_write("root/plain-._~name.txt", "x\n");
	tree_write("root/gec\xc9\x99.gmi", "# x\n");
	tree_write("root/page.text", "# x\n");
	tree_write("root/page.gemini", "# x\n");
	capsule_open_one(
	    "paths = ( { glob = \"*.text\"; type = \"text/gemini\"; "
	    "} );");
	linter_run();
	linter_check_finding("C002", "b c/", 0, "A-Z a-z 0-9");
	linter_check_finding("C002", "gec\xc9\x99.gmi", 0, "A-Z a-z 0-9");
	assert_int_equal(linter_count("C002"), 2);
	linter_check_finding("C011", "page.text", 0, ".gmi");
	assert_int_equal(linter_count("C011"), 1);
}

static void
test_directories(void **state)
{
	static const char *const dirs[] = { "bare", "bare/deep", "full",
		"listed", "only", "only/deep", ".well-known" };
	char name[64];

	(void)state;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(name, sizeof(name), "root/%s", dirs[i]);
		tree_make_dir(name);
	}
	tree_write("root/bare/deep/a.txt", "x\n");
	tree_write("root/bare/z.txt", "x\n");
	tree_write("root/full/index.gmi", "# x\n");
	tree_write("root/listed/a.txt", "x\n");
	tree_write("root/only/deep/index.gmi", "# x\n");
	tree_write("root/.well-known/security.txt", "x\n");
	capsule_open_one(
	    "paths = ( { glob = \"/listed/*\"; listing = true; } );");
	linter_run();
	linter_check_finding("C003", "bare/", 0, "no index");
	linter_check_finding("C003", "bare/deep/", 0, "no index");
	assert_int_equal(linter_count("C003"), 2);
	linter_check_finding("C012", NULL, 0, "51");
	tree_write("root/index.gmi", "# x\n");
	linter_run();
	assert_int_equal(linter_count("C012"), 0);
}

static void
test_pages_that_nothing_links_to(void **state)
{
	(void)state;
	tree_make_dir("root/d");
	tree_make_dir("root/list");
	tree_make_dir("root/list/sub");
	tree_write("root/index.gmi",
	    "# x\n=> a.gmi a\n=> old.gmi b\n=> d d\n=> "
	    "gemini://localhost/c.gmi "
	    "c\n=> self.gmi.txt t\n");
	tree_write("root/a.gmi", "# x\n");
	tree_write("root/b.gmi", "# x\n");
	tree_write("root/c.gmi", "# x\n");
	tree_write("root/d/index.gmi", "# x\n");
	tree_write("root/list/e.gmi", "# x\n");
	tree_write("root/list/sub/index.gmi", "# x\n");
	tree_write("root/self.gmi", "# x\n=> self.gmi only myself\n");
	tree_write("root/text.txt", "x\n");
	capsule_open_one(
	    "redirects = ( { from = \"/old.gmi\"; to = \"/b.gmi\"; } );"
	    "paths = ( { glob = \"/list/\"; listing = true; } );");
	linter_run();
	linter_check_finding("C004", "self.gmi", 0, "no other page");
	assert_int_equal(linter_count("C004"), 1);
	/* Without the listing nothing leads there. */
	capsule_open_one(
	    "redirects = ( { from = \"/old.gmi\"; to = \"/b.gmi\"; } "
	    ");");
	linter_run();
	linter_check_finding("C004", "list/e.gmi", 0, "");
	linter_check_finding("C004", "list/sub/index.gmi", 0, "");
	assert_int_equal(linter_count("C004"), 3);
}

static void
test_the_first_page_is_no_orphan(void **state)
{
	(void)state;
	tree_write("root/start.gmi", "# x\n");
	tree_write("root/alone.gmi", "# x\n");
	capsule_open_one("redirects = ( { from = \"/\"; to = \"/home\"; },"
			 "{ from = \"/home\"; to = \"/start.gmi\"; } );");
	linter_run();
	linter_check_finding("C004", "alone.gmi", 0, "");
	assert_int_equal(linter_count("C004"), 1);
	assert_int_equal(linter_count("C012"), 0);
}

static void
test_large_file(void **state)
{
	(void)state;
	tree_write("root/a.bin", "");
	tree_write("root/b.bin", "");
	assert_int_equal(truncate(tree_path("root/a.bin"), 100 << 20), 0);
	assert_int_equal(truncate(tree_path("root/b.bin"), (100 << 20) + 1), 0);
	capsule_open_one("");
	linter_run();
	linter_check_finding("C005", "b.bin", 0, "100 MiB");
	assert_int_equal(linter_count("C005"), 1);
}

static void
test_an_empty_capsule(void **state)
{
	(void)state;
	capsule_open_one("");
	linter_run();
	linter_check_finding("C012", NULL, 0, "51");
	assert_int_equal(lint_count(lint, LINT_ERROR), 1);
	assert_int_equal(lint_count(lint, LINT_WARNING), 0);
}

static void
test_favicons(void **state)
{
	static const struct linter_row rows[] = {
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
		{ "a letter after it", "F002", 1, "\U0001f339a\n" },
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
	tree_write("root/favicon.txt", "");
	capsule_open_one("");
	linter_check_rows("favicon.txt", ROWS(rows));
}

static void
test_types_of_favicons(void **state)
{
	(void)state;
	capsule_open_one("");
	linter_run();
	assert_int_equal(linter_count_class('F'), 0);
	tree_write("root/favicon.txt", "\U0001f339\n");
	linter_run();
	assert_int_equal(linter_count_class('F'), 0);
	capsule_open_one("paths = ( { glob = \"/favicon.txt\"; "
			 "type = \"text/html\"; } );");
	linter_run();
	linter_check_finding("F001", "favicon.txt", 0, "text/html");
}

#define SECURITY_FILE ".well-known/security.txt"
#define CONTACT "Contact: mailto:a@example.org\n"
#define EXPIRES "Expires: 2099-01-01T00:00:00Z\n"

static void
test_fields_of_security_txt(void **state)
{
	static const struct linter_row rows[] = {
		{ "both", "W002", NOWHERE, "# note\n" CONTACT EXPIRES },
		{ "in another case", "W002", NOWHERE,
		    "CONTACT: a\r\nexpires: 2099-01-01T00:00:00Z\r\n" },
		{ "no contact", "W002", 0, EXPIRES },
		{ "an empty contact", "W002", 0, "Contact:\n" EXPIRES },
		{ "no end", "W002", 0, CONTACT },
		{ "an end that is none", "W002", 2,
		    CONTACT "Expires: tomorrow\n" },
		{ "past its end", "W002", 2,
		    CONTACT "Expires: 2026-11-20T00:00:00Z\n" },
		{ "not yet past", "W002", NOWHERE,
		    CONTACT "Expires: 2026-11-24T00:00:00Z\n" },
	};

	(void)state;
	tree_make_dir("root/.well-known");
	tree_write("root/" SECURITY_FILE, "");
	capsule_open_one("");
	linter_check_rows(SECURITY_FILE, ROWS(rows));
}

static void
test_types_of_security_txt(void **state)
{
	(void)state;
	capsule_open_one("");
	linter_run();
	assert_int_equal(linter_count_class('W'), 0);
	tree_make_dir("root/.well-known");
	tree_write("root/" SECURITY_FILE, CONTACT EXPIRES);
	linter_run();
	assert_int_equal(linter_count_class('W'), 0);
	capsule_open_one("paths = ( { glob = \"/.well-known/*\"; "
			 "type = \"application/pdf\"; } );");
	linter_run();
	linter_check_finding("W001", SECURITY_FILE, 0, "application/pdf");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		linter_test(test_languages),
		linter_test(test_texts),
		linter_test(test_texts_of_another_charset),
		linter_test(test_names),
		linter_test(test_directories),
		linter_test(test_pages_that_nothing_links_to),
		linter_test(test_the_first_page_is_no_orphan),
		linter_test(test_large_file),
		linter_test(test_an_empty_capsule),
		linter_test(test_favicons),
		linter_test(test_types_of_favicons),
		linter_test(test_fields_of_security_txt),
		linter_test(test_types_of_security_txt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
