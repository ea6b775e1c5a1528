/* SPDX-License-Identifier: ISC */
#include "support/linter.h"

static void
test_lines(void **state)
{
	static const struct linter_row rows[] = {
		{ "every kind there is", "R002", NOWHERE,
		    "User-agent: archiver\nUser-agent: indexer\n"
		    "User-agent: researcher\nUser-agent: webproxy\n"
		    "USER-AGENT: *\nDisallow:\n" },
		{ "another case", "R002", NOWHERE, "User-agent: Indexer\n" },
		{ "a robot's own name", "R002", NOWHERE,
		    "User-agent: kennedy\n" },
		{ "misspelt", "R002", 2, "\nUser-agent: indexr\n" },
		{ "misspelt, in another case", "R002", 1,
		    "User-agent: Archivers\n" },
		{ "no name", "R002", 1, "User-agent:\n" },
		{ "for a robot", "R003", NOWHERE,
		    "User-agent: *\n\nDisallow: /a\n" },
		{ "for no robot", "R003", 2,
		    "# all\nDisallow: /a\nUser-agent: *\n" },
		{ "a path", "R004", NOWHERE, "User-agent: *\nDisallow: /a\n" },
		{ "nothing: all is allowed", "R004", NOWHERE,
		    "User-agent: *\nDisallow:\n" },
		{ "no path", "R004", 2, "User-agent: *\nDisallow: a\n" },
		{ "no path but a star", "R004", 2,
		    "User-agent: *\nDisallow: *\n" },
		{ "all", "R005", NOWHERE, "User-agent: *\nDisallow: /\n" },
		{ "no slash after it", "R005", NOWHERE,
		    "User-agent: *\nDisallow: /search\n" },
		{ "a directory", "R005", NOWHERE,
		    "User-agent: *\r\nDisallow: /az/\r\n" },
		{ "what a store serves by hash", "R005", NOWHERE,
		    "User-agent: *\nDisallow: /mirror/objects/\n" },
		{ "a slash after the name of a file", "R005", 2,
		    "User-agent: *\nDisallow: /search/\n" },
		{ "comments", "R006", NOWHERE,
		    "# Allow: /\n\n  # more\nUser-agent: *\n" },
		{ "Allow", "R006", 2, "User-agent: *\nAllow: /a\n" },
		{ "Sitemap", "R006", 1, "Sitemap: gemini://localhost/\n" },
		{ "no field", "R006", 1, "nothing\n" },
		{ "misspelt field", "R006", 2,
		    "User-agent: *\nDissallow: /a\n" },
		{ "a wildcard", "R006", 2,
		    "User-agent: *\nDisallow: /a*.gmi\n" },
		{ "an end", "R006", 2, "User-agent: *\nDisallow: /a$\n" },
		{ "a comment after a path", "R006", 2,
		    "User-agent: *\nDisallow: /a # b\n" },
		{ "a plain path", "R006", NOWHERE,
		    "User-agent: *\nDisallow: /a.gmi\n" },
	};

	(void)state;
	tree_make_dir("root/az");
	tree_write("root/az/index.gmi", "# A\n");
	tree_write("root/robots.txt", "");
	capsule_open_one("");
	linter_check_rows("robots.txt", ROWS(rows));
	tree_write("root/robots.txt", "Dissallow: /a\nUser-agent: indexr\n");
	linter_run();
	linter_check_finding("R006", "robots.txt", 1, "did you mean disallow");
	linter_check_finding("R002", "robots.txt", 2, "did you mean indexer?");
}

static void
test_types(void **state)
{
	static const char robots[] = "User-agent: *\nDisallow:\n";

	(void)state;
	capsule_open_one("");
	linter_run();
	assert_int_equal(linter_count_class('R'), 0);
	tree_write("root/robots.txt", robots);
	linter_run();
	assert_int_equal(linter_count_class('R'), 0);
	capsule_open_one("charset = \"utf-8\";");
	linter_run();
	assert_int_equal(linter_count_class('R'), 0);
	capsule_open_one("paths = ( { glob = \"/robots.txt\"; "
			 "type = \"text/gemini\"; } );");
	linter_run();
	linter_check_finding("R001", "robots.txt", 0, "text/gemini");
}

/* Whether it is reported, and for which agent; exactly once. */
static void
wants_objects(const char *robots, const char *agent)
{
	if (robots != NULL)
		tree_write("root/robots.txt", robots);
	linter_run();
	if (linter_count("R007") != (agent == NULL ? 0 : 1))
		fail_msg("%s: %zu findings", robots == NULL ? "" : robots,
		    linter_count("R007"));
	if (agent != NULL)
		linter_check_finding("R007", "robots.txt", 0, agent);
}

static void
test_objects(void **state)
{
	static const struct {
		const char *robots;
		const char *agent;
	} rows[] = {
		{ NULL, "User-agent: *" },
		{ "", "User-agent: *" },
		{ "User-agent: *\nDisallow:\n", "User-agent: *" },
		{ "User-agent: *\nDisallow: /mirror/objects/\n", NULL },
		{ "user-agent: *\ndisallow: /mirror/objects\n", NULL },
		{ "User-agent: *\nDisallow: /mirror\n", NULL },
		{ "User-agent: *\nDisallow: /\n", NULL },
		{ "User-agent: *\nDisallow: /a\nDisallow: /mirror/objects/\n",
		    NULL },
		{ "User-agent: *\nDisallow: /mirror/objects/00\n",
		    "User-agent: *" },
		{ "User-agent: *\nDisallow: /Mirror/objects/\n",
		    "User-agent: *" },
		{ "Disallow: /mirror/objects/\nUser-agent: *\n",
		    "User-agent: *" },
		{ "User-agent: indexer\nUser-agent: *\n"
		  "Disallow: /mirror/objects/\n",
		    NULL },
		{ "User-agent: Indexer\nDisallow: /a\nUser-agent: *\n"
		  "Disallow: /mirror/objects/\n",
		    "User-agent: indexer" },
		{ "User-agent: archiver\nDisallow: /mirror/objects/\n",
		    "User-agent: *" },
		{ "User-agent: archiver\nDisallow: /mirror/objects/\n"
		  "User-agent: *\nDisallow: /\n",
		    NULL },
		{ "User-agent: webproxy\nDisallow:\n"
		  "User-agent: *\nDisallow: /mirror/objects/\n",
		    NULL },
	};

	(void)state;
	capsule_open_one("");
	wants_objects(NULL, NULL);
	lint_published(lint);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		wants_objects(rows[i].robots, rows[i].agent);
}

static void
test_objects_of_a_release(void **state)
{
	(void)state;
	capsule_open_one("");
	wants_objects("User-agent: *\nDisallow:\n", NULL);
	tree_make_dir("root/mirror");
	tree_write("root/mirror/MANIFEST", "");
	wants_objects(NULL, "User-agent: *");
	/* The same in a store. */
	assert_int_equal(unlink(tree_path("root/mirror/MANIFEST")), 0);
	tree_make_dir("store");
	tree_make_dir("store/objects");
	tree_make_dir("store/releases");
	assert_int_equal(
	    rename(tree_path("root"), tree_path("store/releases/1")), 0);
	tree_symlink("releases/1", "store/current");
	assert_int_equal(rename(tree_path("store"), tree_path("root")), 0);
	capsule_open_one("");
	wants_objects(NULL, "User-agent: *");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		linter_test(test_lines),
		linter_test(test_types),
		linter_test(test_objects),
		linter_test(test_objects_of_a_release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
