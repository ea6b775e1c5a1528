/* SPDX-License-Identifier: ISC */
#include "support/linter.h"

/* Pages a.gmi and d/b.gmi, and that capsule.conf, under settings of the
 * operator's. */
static void
run_conf(const char *operators, const char *conf)
{
	char text[4096];

	mkdir(tree_path("root/d"), 0755);
	tree_write("root/a.gmi", "# x\n");
	tree_write("root/d/b.gmi", "# x\n");
	tree_write("root/capsule.conf", conf);
	snprintf(text, sizeof(text),
	    "capsules = ( { host = \"localhost\"; root = \"root\"; %s } );",
	    operators);
	assert_true(capsule_try_open(text));
	hosts_salvage_content(capsule.hosts);
	linter_run();
}

static void
test_mistakes(void **state)
{
	(void)state;
	run_conf("", "lang = \"en\";\nlnag = \"en\";\n");
	linter_check_finding("C006", "capsule.conf", 2, "lang");
	run_conf("", "\nlang = ");
	assert_int_equal(linter_count("C006"), 1);
	run_conf("",
	    "\n\nredirects = ( { from = \"/x\"; to = \"http://e.org/\"; "
	    "} );\n");
	linter_check_finding("C014", "capsule.conf", 3, "http://e.org/");
	assert_int_equal(linter_count("C006"), 0);
	/* An invalid target does not lead to another protocol. */
	run_conf("", "redirects = ( { from = \"/x\"; to = \"n/a.gmi\"; } );\n");
	linter_check_finding("C006", "capsule.conf", 1, "n/a.gmi");
	assert_int_equal(linter_count("C014"), 0);
	/* The pages are looked at all the same. */
	tree_write("root/a.gmi", "x\n");
	run_conf("", "lang = [];\n");
	assert_true(linter_count("C006") > 0);
	linter_check_finding("C004", "a.gmi", 0, "");
}

/* One option is wrong: the others count, and only they. */
static void
test_siblings_of_a_mistake(void **state)
{
	(void)state;
	tree_write("root/index.gmi", "# x\n=> old.gmi o\n=> d/b.gmi b\n"
				     "=> bad.gmi\n");
	tree_write("root/log.gmi", "# x\n=> a.gmi 2026-02-30 A\n");
	run_conf("",
	    "lang = \"en\"; feed = \"log.gmi\"; charsett = \"x\";\n"
	    "redirects = ( { from = \"/old.gmi\"; to = \"/a.gmi\"; },\n"
	    "{ from = \"/bad.gmi\"; to = \"a.gmi\"; },\n"
	    "{ from = \"bad\"; to = \"/a.gmi\"; } );\n"
	    "order = [\"nope.gmi\", \"/a.gmi\"];\n"
	    "index = [\"a/b\"];\n");
	linter_check_finding("C006", "capsule.conf", 1, "charset");
	linter_check_finding("C006", "capsule.conf", 3, "a.gmi");
	linter_check_finding("C006", "capsule.conf", 4, "bad");
	linter_check_finding("C006", "capsule.conf", 5, "/a.gmi");
	linter_check_finding("C006", "capsule.conf", 6, "a/b");
	assert_int_equal(linter_count("C006"), 5);
	linter_check_finding("C007", "capsule.conf", 5, "nope.gmi");
	assert_int_equal(linter_count("C007"), 1);
	linter_check_finding("G012", "index.gmi", 2, "a.gmi");
	linter_check_finding("G007", "index.gmi", 4, "bad.gmi");
	assert_int_equal(linter_count("G007"), 1);
	linter_check_finding("S003", "log.gmi", 2, "2026-02-30");
	assert_int_equal(linter_count("C001"), 0);
	assert_int_equal(linter_count("C012"), 0);
}

/* Nothing of the file is known: no guesses about what it may say. */
static void
test_unparsable_file(void **state)
{
	(void)state;
	tree_write("root/page.gmi", "# x\n=> old.gmi o\n=> e\\f o\n");
	run_conf("", "lang = \"en\";\nredirects = ( {\n");
	linter_check_finding("C006", "capsule.conf", 2, "this file is ignored");
	linter_check_finding("G009", "page.gmi", 3, "");
	assert_int_equal(lint_count(lint, LINT_ERROR), 2);
	assert_int_equal(lint_count(lint, LINT_WARNING), 0);
	tree_write("root/page.gmi", "# x\n=> old.gmi o\n");
	run_conf("", "lang = \"en\";\n");
	linter_check_finding("G007", "page.gmi", 2, "old.gmi");
}

static void
test_no_file(void **state)
{
	(void)state;
	tree_write("root/a.gmi", "# x\n");
	capsule_open_one("");
	linter_run();
	assert_int_equal(linter_count("C006"), 0);
	tree_make_dir("root/capsule.conf");
	linter_run();
	linter_check_finding("C006", "capsule.conf", 0, "not a regular file");
}

static void
test_names_of_files(void **state)
{
	(void)state;
	run_conf("", "feed = \"news.gmi\";\norder = [\"a.gmi\",\n\"c.gmi\"];\n"
		     "index = [\"home.gmi\"];\n");
	/* Its feed is reported once, by the checks of feeds. */
	linter_check_finding("S001", "capsule.conf", 1, "feed \"news.gmi\"");
	linter_check_finding("C007", "capsule.conf", 3, "order \"c.gmi\"");
	linter_check_finding("C007", "capsule.conf", 4, "index \"home.gmi\"");
	assert_int_equal(linter_count("C007"), 2);
	linter_check_finding("C008", "d/b.gmi", 0, "order");
	assert_int_equal(linter_count("C008"), 1);
	run_conf("", "feed = \"a.gmi\";\norder = [\"a.gmi\", \"d/b.gmi\"];\n"
		     "index = [\"home.gmi\", \"b.gmi\"];\n");
	assert_int_equal(linter_count("C007"), 0);
	assert_int_equal(linter_count("C008"), 0);
	run_conf("",
	    "order = [\"a.gmi\", \"d/b.gmi\",\n\"x.txt\",\n\"old\"];\n"
	    "redirects = ( { from = \"/old\"; to = \"/a.gmi\"; } );\n");
	linter_check_finding(
	    "C007", "capsule.conf", 3, "order \"old\": not a file");
	tree_write("root/x.txt", "x\n");
	linter_run();
	linter_check_finding("C007", "capsule.conf", 2, "text/gemini");
	/* The operator's words are not in the capsule's file. */
	run_conf("order = [\"news.gmi\"];", "");
	linter_check_finding("C007", NULL, 0, "carnation.conf:1: order");
}

static void
test_redirects(void **state)
{
	static const struct {
		const char *rule;
		const char *from, *to;
		bool found;
	} rows[] = {
		{ "to a page", "/o", "/a.gmi", false },
		{ "to nothing", "/o", "/b.gmi", true },
		{ "elsewhere", "/o", "gemini://e.org/", false },
		{ "to our own host", "/o", "gemini://localhost/b.gmi", true },
		{ "over another redirect", "/o", "/via", false },
		{ "the rest into a directory", "/o/*", "/d/", false },
		{ "without its slash", "/o/*", "/d", false },
		{ "with a star", "/o/*", "/d/*", false },
		{ "within a name", "/o/*", "/d/b*", false },
		{ "the rest into nothing", "/o/*", "/e/", true },
		{ "the rest after a file", "/o/*", "/a.gmi", true },
		{ "the rest into another redirect", "/o/*", "/p/", false },
		{ "the whole capsule", "/o/*", "/", false },
	};
	char conf[512];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(conf, sizeof(conf),
		    "redirects = (\n{ from = \"%s\"; to = \"%s\"; },\n"
		    "{ from = \"/via\"; to = \"/a.gmi\"; },\n"
		    "{ from = \"/p/*\"; to = \"/d/\"; } );\n",
		    rows[i].from, rows[i].to);
		run_conf("", conf);
		check_row((linter_find("C009", "capsule.conf", 2) != NULL) ==
			      rows[i].found,
		    rows[i].rule);
		check_row(linter_count("C009") == rows[i].found, rows[i].rule);
	}
}

static void
test_files_that_are_not_served(void **state)
{
	(void)state;
	tree_make_dir("root/.git");
	tree_write("root/.git/config", "x\n");
	tree_write("root/.hidden.gmi", "x\n");
	tree_make_dir("root/.well-known");
	tree_write("root/.well-known/security.txt", "x\n");
	tree_write("root/g.gmi", "# x\n");
	tree_write("root/old.gmi", "# x\n");
	run_conf("",
	    "gone = [\"/g*\"];\nredirects = ( { from = \"/old.gmi\"; to "
	    "= \"/a.gmi\"; } );");
	linter_check_finding("C010", "g.gmi", 0, "still exists");
	assert_int_equal(linter_count("C010"), 1);
	linter_check_finding("C013", ".git", 0, "dot");
	linter_check_finding("C013", ".hidden.gmi", 0, "dot");
	linter_check_finding("C013", "old.gmi", 0, "redirected to /a.gmi");
	assert_int_equal(linter_count("C013"), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		linter_test(test_mistakes),
		linter_test(test_siblings_of_a_mistake),
		linter_test(test_unparsable_file),
		linter_test(test_no_file),
		linter_test(test_names_of_files),
		linter_test(test_redirects),
		linter_test(test_files_that_are_not_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
