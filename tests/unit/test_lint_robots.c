/* SPDX-License-Identifier: ISC */
#include "lint_file_help.h"

static void
lines(void **state)
{
	static const struct lint_file_row rows[] = {
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
		{ "no slash behind", "R005", NOWHERE,
		    "User-agent: *\nDisallow: /search\n" },
		{ "a directory", "R005", NOWHERE,
		    "User-agent: *\r\nDisallow: /az/\r\n" },
		{ "a slash behind what is no directory", "R005", 2,
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
		{ "a comment behind a path", "R006", 2,
		    "User-agent: *\nDisallow: /a # b\n" },
		{ "a plain path", "R006", NOWHERE,
		    "User-agent: *\nDisallow: /a.gmi\n" },
	};

	(void)state;
	tree_dir("root/az");
	tree_file("root/az/index.gmi", "# A\n");
	tree_file("root/robots.txt", "");
	help_open_one("");
	lint_file_rows("robots.txt", ROWS(rows));
	tree_file("root/robots.txt", "Dissallow: /a\nUser-agent: indexr\n");
	lint_help_run();
	lint_help_wants("R006", "robots.txt", 1, "did you mean disallow");
	lint_help_wants("R002", "robots.txt", 2, "did you mean indexer?");
}

static void
types(void **state)
{
	static const char robots[] = "User-agent: *\nDisallow:\n";

	(void)state;
	help_open_one("");
	lint_help_run();
	assert_int_equal(lint_file_count('R'), 0);
	tree_file("root/robots.txt", robots);
	lint_help_run();
	assert_int_equal(lint_file_count('R'), 0);
	help_open_one("charset = \"utf-8\";");
	lint_help_run();
	assert_int_equal(lint_file_count('R'), 0);
	help_open_one("paths = ( { glob = \"/robots.txt\"; "
		      "type = \"text/gemini\"; } );");
	lint_help_run();
	lint_help_wants("R001", "robots.txt", 0, "text/gemini");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		under_lint(lines),
		under_lint(types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
