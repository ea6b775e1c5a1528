/* SPDX-License-Identifier: ISC */
#include "lint_help.h"

static void
test_languages(void **state)
{
	(void)state;
	tree_file("root/index.gmi", "# x\n=> a.gmi a\n");
	tree_file("root/a.gmi", "# x\n");
	help_open_one("");
	lint_help_run();
	lint_help_wants("C001", NULL, 0, "no page has a language");
	assert_int_equal(lint_help_count("C001"), 1);
	help_open_one("paths = ( { glob = \"/index.gmi\"; lang = \"az\"; } );");
	lint_help_run();
	lint_help_wants("C001", "a.gmi", 0, "no language");
	assert_int_equal(lint_help_count("C001"), 1);
	help_open_one("lang = \"az\";");
	lint_help_run();
	assert_int_equal(lint_help_count("C001"), 0);
	help_open_one("paths = ( { glob = \"*.gmi\"; type = \"text/gemini; "
		      "lang=az\"; } );");
	lint_help_run();
	assert_int_equal(lint_help_count("C001"), 0);
}

static void
test_names(void **state)
{
	(void)state;
	tree_dir("root/b c");
	tree_file("root/b c/index.gmi", "# x\n");
	tree_file("root/b c/z.gmi", "# x\n");
	tree_file("root/plain-._~name.txt", "x\n");
	tree_file("root/gec\xc9\x99.gmi", "# x\n");
	tree_file("root/page.text", "# x\n");
	tree_file("root/page.gemini", "# x\n");
	help_open_one("paths = ( { glob = \"*.text\"; type = \"text/gemini\"; "
		      "} );");
	lint_help_run();
	lint_help_wants("C002", "b c/", 0, "A-Z a-z 0-9");
	lint_help_wants("C002", "gec\xc9\x99.gmi", 0, "A-Z a-z 0-9");
	assert_int_equal(lint_help_count("C002"), 2);
	lint_help_wants("C011", "page.text", 0, ".gmi");
	assert_int_equal(lint_help_count("C011"), 1);
}

static void
test_directories(void **state)
{
	static const char *const dirs[] = { "bare", "bare/deep", "full",
		"listed", "only", "only/deep", ".well-known" };
	char name[64];

	(void)state;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		(void)snprintf(name, sizeof(name), "root/%s", dirs[i]);
		tree_dir(name);
	}
	tree_file("root/bare/deep/a.txt", "x\n");
	tree_file("root/bare/z.txt", "x\n");
	tree_file("root/full/index.gmi", "# x\n");
	tree_file("root/listed/a.txt", "x\n");
	tree_file("root/only/deep/index.gmi", "# x\n");
	tree_file("root/.well-known/security.txt", "x\n");
	help_open_one("paths = ( { glob = \"/listed/*\"; listing = true; } );");
	lint_help_run();
	lint_help_wants("C003", "bare/", 0, "neither index");
	lint_help_wants("C003", "bare/deep/", 0, "neither index");
	assert_int_equal(lint_help_count("C003"), 2);
	lint_help_wants("C012", NULL, 0, "51");
	tree_file("root/index.gmi", "# x\n");
	lint_help_run();
	assert_int_equal(lint_help_count("C012"), 0);
}

static void
test_pages_that_nothing_links_to(void **state)
{
	(void)state;
	tree_dir("root/d");
	tree_dir("root/list");
	tree_dir("root/list/sub");
	tree_file("root/index.gmi", "# x\n=> a.gmi a\n=> old.gmi b\n=> d d\n=> "
				    "gemini://localhost/c.gmi "
				    "c\n=> self.gmi.txt t\n");
	tree_file("root/a.gmi", "# x\n");
	tree_file("root/b.gmi", "# x\n");
	tree_file("root/c.gmi", "# x\n");
	tree_file("root/d/index.gmi", "# x\n");
	tree_file("root/list/e.gmi", "# x\n");
	tree_file("root/list/sub/index.gmi", "# x\n");
	tree_file("root/self.gmi", "# x\n=> self.gmi only myself\n");
	tree_file("root/text.txt", "x\n");
	help_open_one(
	    "redirects = ( { from = \"/old.gmi\"; to = \"/b.gmi\"; } );"
	    "paths = ( { glob = \"/list/\"; listing = true; } );");
	lint_help_run();
	lint_help_wants("C004", "self.gmi", 0, "no other page");
	assert_int_equal(lint_help_count("C004"), 1);
	/* Without the listing nothing leads there. */
	help_open_one("redirects = ( { from = \"/old.gmi\"; to = \"/b.gmi\"; } "
		      ");");
	lint_help_run();
	lint_help_wants("C004", "list/e.gmi", 0, "");
	lint_help_wants("C004", "list/sub/index.gmi", 0, "");
	assert_int_equal(lint_help_count("C004"), 3);
}

static void
test_the_first_page_is_no_orphan(void **state)
{
	(void)state;
	tree_file("root/start.gmi", "# x\n");
	tree_file("root/alone.gmi", "# x\n");
	help_open_one("redirects = ( { from = \"/\"; to = \"/home\"; },"
		      "{ from = \"/home\"; to = \"/start.gmi\"; } );");
	lint_help_run();
	lint_help_wants("C004", "alone.gmi", 0, "");
	assert_int_equal(lint_help_count("C004"), 1);
	assert_int_equal(lint_help_count("C012"), 0);
}

static void
test_a_large_file(void **state)
{
	(void)state;
	tree_file("root/a.bin", "");
	tree_file("root/b.bin", "");
	assert_int_equal(truncate(tree_path("root/a.bin"), 100 << 20), 0);
	assert_int_equal(truncate(tree_path("root/b.bin"), (100 << 20) + 1), 0);
	help_open_one("");
	lint_help_run();
	lint_help_wants("C005", "b.bin", 0, "100 MiB");
	assert_int_equal(lint_help_count("C005"), 1);
}

static void
test_an_empty_capsule(void **state)
{
	(void)state;
	help_open_one("");
	lint_help_run();
	lint_help_wants("C012", NULL, 0, "51");
	assert_int_equal(lint_count(lint, LINT_ERROR), 1);
	assert_int_equal(lint_count(lint, LINT_WARNING), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		under_lint(test_languages),
		under_lint(test_names),
		under_lint(test_directories),
		under_lint(test_pages_that_nothing_links_to),
		under_lint(test_the_first_page_is_no_orphan),
		under_lint(test_a_large_file),
		under_lint(test_an_empty_capsule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
