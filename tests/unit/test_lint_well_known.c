/* SPDX-License-Identifier: ISC */
#include "lint_file_help.h"

#define FILE_NAME ".well-known/security.txt"
#define CONTACT "Contact: mailto:a@example.org\n"
#define EXPIRES "Expires: 2099-01-01T00:00:00Z\n"

static void
fields(void **state)
{
	static const struct lint_file_row rows[] = {
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
	tree_dir("root/.well-known");
	tree_file("root/" FILE_NAME, "");
	help_open_one("");
	lint_file_rows(FILE_NAME, ROWS(rows));
}

static void
types(void **state)
{
	(void)state;
	help_open_one("");
	lint_help_run();
	assert_int_equal(lint_file_count('W'), 0);
	tree_dir("root/.well-known");
	tree_file("root/" FILE_NAME, CONTACT EXPIRES);
	lint_help_run();
	assert_int_equal(lint_file_count('W'), 0);
	help_open_one("paths = ( { glob = \"/.well-known/*\"; "
		      "type = \"application/pdf\"; } );");
	lint_help_run();
	lint_help_wants("W001", FILE_NAME, 0, "application/pdf");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		under_lint(fields),
		under_lint(types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
