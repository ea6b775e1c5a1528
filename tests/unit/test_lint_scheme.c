/* SPDX-License-Identifier: ISC */
#include "lint_help.h"

static void
test_schemes(void **state)
{
	static const struct lint_row rows[] = {
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
		{ "a colon behind what is no scheme", "G036", 2,
		    "# x\n=> 1990:night.gmi e\n" },
		{ "a colon behind nothing", "G036", 2, "# x\n=> :a e\n" },
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
	tree_file("root/1990:day.gmi", "# x\n");
	help_open_one("");
	lint_help_rows(ROWS(rows));
}

static void
test_words(void **state)
{
	(void)state;
	tree_file("root/page.gmi",
	    "# x\n=> gemnii://e.org/ e\n=> https://e.org/a?b e\n");
	help_open_one("");
	lint_help_run();
	lint_help_wants("G016", "page.gmi", 2, "did you mean gemini");
	assert_string_equal(lint_help_text("G020", "page.gmi", 3),
	    "external link to https://e.org/a?b");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		under_lint(test_schemes),
		under_lint(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
