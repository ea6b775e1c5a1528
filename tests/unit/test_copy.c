/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <string.h>

#include "capsule/copy.h"
#include "support/capsule.h"

#define RULE                                                                   \
	"============================================================"         \
	"============"
#define ABOUT                                                                  \
	"This file holds all pages of the capsule as plain "                   \
	"text, in reading\norder, for those who keep or print "                \
	"them. Each link is followed by where\nit leads: a "                   \
	"page of this file in round brackets, any other "                      \
	"address in\nangle brackets.\n\n"                                      \
	"Contents\n--------\n\n"

static char made[256 * 1024];

static const char *
copy_make(const char *origin, size_t max)
{
	struct inventory pages;
	struct feed_origin parsed;
	const char *result;
	struct why why;
	struct buf out;

	if (origin != NULL)
		assert_true(feed_origin(slice_str(origin), &parsed, &why));
	assert_true(inventory_read(capsule_host(), &pages));
	buf_wrap(&out, made, max);
	result = copy_text(capsule_host(), &pages,
		     origin != NULL ? &parsed : NULL, &out, &capsule.report)
		     ? buf_cstr(&out)
		     : NULL;
	inventory_fini(&pages);
	return result;
}

/* What becomes of one page's text. */
static void
check_copy(struct slice page, const char *text)
{
	static const char rule[] = RULE "\nindex.gmi\n" RULE "\n\n";
	const char *got;

	tree_write_bytes("root/index.gmi", page);
	capsule_open_one("");
	got = strstr(copy_make(NULL, sizeof(made) - 1), rule);
	assert_non_null(got);
	assert_string_equal(got + sizeof(rule) - 1, text);
}

static void
test_whole_copy(void **state)
{
	(void)state;
	tree_make_dir("root/az");
	tree_write("root/index.gmi", "# Home\n\nWelcome.\n=> b.gmi Next\n\n");
	tree_write("root/a.gmi", "No title here.\n");
	tree_write("root/b.gmi", "# B\n=> / Home\n");
	tree_write("root/az/index.gmi", "# AZ\n=> ../b.gmi B\n=> ../ Home\n");
	tree_write("root/x.txt", "not a page\n");
	capsule_open_one("title = \"Capsule\"; order = [\"index.gmi\", "
			 "\"b.gmi\"];");
	assert_string_equal(copy_make("gemini://example.org", sizeof(made) - 1),
	    "Capsule\n=======\n\n"
	    "This file holds all pages of the capsule as plain "
	    "text, in reading\norder, for those who keep or print "
	    "them. Each link is followed by where\nit leads: a "
	    "page of this file in round brackets, any other "
	    "address in\nangle brackets.\n\n"
	    "The capsule: <gemini://example.org/>\n\n"
	    "Contents\n--------\n\n"
	    "  1. Home (index.gmi)\n"
	    "  2. B (b.gmi)\n"
	    "  3. a.gmi\n"
	    "  4. AZ (az/index.gmi)\n"
	    "\n" RULE "\nindex.gmi\n" RULE "\n\n"
	    "Home\n====\n\nWelcome.\nNext (b.gmi)\n"
	    "\n" RULE "\nb.gmi\n" RULE "\n\n"
	    "B\n=\nHome (index.gmi)\n"
	    "\n" RULE "\na.gmi\n" RULE "\n\n"
	    "No title here.\n"
	    "\n" RULE "\naz/index.gmi\n" RULE "\n\n"
	    "AZ\n==\nB (b.gmi)\nHome (index.gmi)\n");
	assert_int_equal(capsule.report.n, 0);
}

static void
test_without_settings(void **state)
{
	(void)state;
	tree_write("root/a.gmi", "# A\n");
	capsule_open_one("");
	assert_string_equal(copy_file(capsule_host()), "capsule.txt");
	assert_string_equal(copy_make(NULL, sizeof(made) - 1),
	    ABOUT "  1. A (a.gmi)\n"
		  "\n" RULE "\na.gmi\n" RULE "\n\nA\n=\n");
}

static void
test_each_kind_of_line(void **state)
{
	(void)state;
	check_copy(SLICE("# One\n## Two\n#\n### Three\n"),
	    "One\n===\nTwo\n---\n\n### Three\n");
	check_copy(SLICE("* item\n> quote\n>\n*no item\n"),
	    "* item\n> quote\n>\n*no item\n");
	check_copy(SLICE("``` A tree\n  |  \n\t/ \\\n=> x\n``` end\nb\n"),
	    "[A tree]\n  |  \n\t/ \\\n=> x\nb\n");
	check_copy(SLICE("```\nx\n"), "x\n");
	check_copy(SLICE("a\r\n\r\n\r\nb"), "a\n\n\nb\n");
}

static void
test_links(void **state)
{
	(void)state;
	tree_write("root/b c.gmi", "# B\n");
	tree_write("root/x.txt", "x\n");
	check_copy(SLICE("=> b%20c.gmi B\n"), "B (b c.gmi)\n");
	check_copy(SLICE("=> b%20c.gmi\n"), "(b c.gmi)\n");
	check_copy(SLICE("=> /b%20c.gmi?q#f B\n"), "B (b c.gmi)\n");
	check_copy(SLICE("=> index.gmi Here\n"), "Here (index.gmi)\n");
	check_copy(SLICE("=> / Home\n"), "Home (index.gmi)\n");
	check_copy(SLICE("=> x.txt A text\n"), "A text <x.txt>\n");
	check_copy(SLICE("=> none.gmi None\n"), "None <none.gmi>\n");
	check_copy(SLICE("=> none/ None\n"), "None <none/>\n");
	check_copy(SLICE("=> https://x.example/?a=b X\n"),
	    "X <https://x.example/?a=b>\n");
	check_copy(SLICE("=> //x.example/b%20c.gmi X\n"),
	    "X <//x.example/b%20c.gmi>\n");
	check_copy(
	    SLICE("=> mailto:a@example.org\n"), "<mailto:a@example.org>\n");
	check_copy(SLICE("=>\na\n"), "\na\n");
	check_copy(SLICE("\n\n"), "");
}

static void
test_control_characters_are_escaped(void **state)
{
	const char *text;

	(void)state;
	check_copy(SLICE("\xef\xbb\xbf# T\x1b]0;x\x07\n"
			 "a\0b\xc2\x9b\xe2\x80\xae.\n"
			 "=> x\x1b[1my \x1b[0mL\n```\x1b\n\x1b[2J\tx\n```\n"),
	    "T]0;x\n=====\nab.\n[0mL <x[1my>\n[]\n[2J\tx\n");
	text = made;
	for (size_t i = 0; i < strlen(text); i++)
		assert_true((uint8_t)text[i] >= ' ' || text[i] == '\n' ||
			    text[i] == '\t');
}

static void
test_problems_are_reported_with_their_place(void **state)
{
	static const struct {
		const char *settings, *words;
		enum report_level level;
	} rows[] = {
		{ "order = [\"none.gmi\"];",
		    "none.gmi is not a file that is served", REPORT_ERROR },
		{ "order = [\"x.txt\"];", "not served as text/gemini",
		    REPORT_ERROR },
		{ "order = [\"a.gmi\", \"a.gmi\"];", "duplicate entry",
		    REPORT_WARNING },
		{ "copy = \"a.gmi\";", "the name of a page", REPORT_ERROR },
		{ "copy = \"none.gmi\";", "the name of a page", REPORT_ERROR },
		{ "copy = \".copy.txt\";", "hidden", REPORT_ERROR },
		{ "copy = \"x.txt\";", "no earlier copy", REPORT_ERROR },
		{ "copy = \"link.txt\";", "no earlier copy", REPORT_ERROR },
		{ "copy = \"fifo\";", "no earlier copy", REPORT_ERROR },
		{ "copy = \"atom.xml\";", "another file", REPORT_ERROR },
		{ "copy = \"capsule.conf\";", "another file", REPORT_ERROR },
	};

	(void)state;
	tree_write("root/a.gmi", "# A\n");
	tree_write("root/x.txt", "x\n");
	assert_int_equal(symlink("/nowhere", tree_path("root/link.txt")), 0);
	assert_int_equal(mkfifo(tree_path("root/fifo"), 0644), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		capsule_open_one(rows[i].settings);
		check_row((copy_make(NULL, sizeof(made) - 1) == NULL) ==
			      (rows[i].level == REPORT_ERROR),
		    rows[i].settings);
		check_row(capsule_reported(rows[i].level, 1, rows[i].words),
		    rows[i].settings);
	}
	capsule_open_one("copy = \"y.txt\";");
	assert_string_equal(copy_file(capsule_host()), "y.txt");
	assert_non_null(copy_make(NULL, sizeof(made) - 1));
	tree_write("root/y.txt", made);
	assert_non_null(copy_make(NULL, sizeof(made) - 1));
	assert_null(copy_make(NULL, 300));
	assert_true(capsule_reported(REPORT_ERROR, 0, "too long"));
	tree_write_bytes("root/b.gmi", SLICE("a\n\xff\n"));
	capsule_open_one("");
	assert_null(copy_make(NULL, sizeof(made) - 1));
	assert_true(capsule_reported(REPORT_ERROR, 2, "UTF-8"));
}

static void
test_no_copy_without_pages(void **state)
{
	(void)state;
	tree_write("root/x.txt", "x\n");
	capsule_open_one("");
	assert_null(copy_make(NULL, sizeof(made) - 1));
	assert_true(capsule_reported(REPORT_ERROR, 0, "no page"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		capsule_test(test_whole_copy),
		capsule_test(test_without_settings),
		capsule_test(test_each_kind_of_line),
		capsule_test(test_links),
		capsule_test(test_control_characters_are_escaped),
		capsule_test(test_problems_are_reported_with_their_place),
		capsule_test(test_no_copy_without_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
