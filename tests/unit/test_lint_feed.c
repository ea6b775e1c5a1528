/* SPDX-License-Identifier: ISC */
#include "support/linter.h"

#include "capsule/feed.h"

static void
test_pages(void **state)
{
	static const struct linter_row rows[] = {
		{ "a title", "S002", NOWHERE, "# T\n" },
		{ "a title after a BOM", "S002", NOWHERE, "\xef\xbb\xbf# T\n" },
		{ "a heading of level 2 is not a title", "S002", 0, "## T\n" },
		{ "an empty title", "S002", 0, "#\n" },
		{ "a leap day", "S003", NOWHERE, "=> a 2024-02-29 A\n" },
		{ "no leap day", "S003", 2, "\n=> a 2026-02-29 A\n" },
		{ "a digit too many", "S003", 1, "=> a 2026-11-221 A\n" },
		{ "not like a date", "S003", NOWHERE, "=> a 2026-2-29 A\n" },
		{ "no link", "S003", NOWHERE, "2026-02-30 A\n" },
		{ "today", "S004", NOWHERE, "=> a 2026-11-22 A\n" },
		{ "tomorrow, which is today elsewhere", "S004", NOWHERE,
		    "=> a 2026-11-23 A\n" },
		{ "the day after tomorrow", "S004", 1, "=> a 2026-11-24 A\n" },
		{ "short numbers", "S008", 1, "=> a 2024-4-1 A\n" },
		{ "the day first", "S008", 1, "=> a 01.04.2024 A\n" },
		{ "the month first", "S008", 1, "=> a 04/28/2024 A\n" },
		{ "in brackets", "S008", 1, "=> a [2024-04-01] A\n" },
		{ "slashes", "S008", 1, "=> a 2024/04/01: A\n" },
		{ "dashes", "S008", 1, "=> a 2024\u201304\u201301 A\n" },
		{ "a date", "S008", NOWHERE, "=> a 2024-04-01 A\n" },
		{ "no day", "S008", NOWHERE, "=> a 2024-04-32 A\n" },
		{ "no date", "S008", NOWHERE,
		    "=> a 1.2.3 A\n=> a 10.0.20245 A\n=> a 2024 A\n"
		    "=> a 13/13/2024 A\n=> a 2024-4/1 A\n=> a 2024-4 A\n"
		    "=> a [1] A\n=> a\n01.04.2024 A\n=> a 4.4.0000001 A\n" },
		{ "one URL twice", "S005", 2,
		    "=> a.gmi 2026-01-01 A\n=> /a.gmi 2026-01-02 B\n" },
		{ "two URLs", "S005", NOWHERE,
		    "=> a.gmi 2026-01-01 A\n=> b.gmi 2026-01-01 A\n" },
		{ "once as an entry", "S005", NOWHERE,
		    "=> a.gmi 2026-01-01 A\n=> a.gmi A\n" },
		{ "an entry", "S006", NOWHERE, "=> a 2026-01-01 A\n" },
		{ "no entry", "S006", 0, "# T\n=> a A\n" },
		{ "no entry with a day", "S006", 0, "=> a 2026-02-30 A\n" },
		{ "a title after the date", "S007", NOWHERE,
		    "=> a 2026-01-01 - A\n" },
		{ "no title after the date", "S007", 1, "=> a 2026-01-01\n" },
		{ "only a dash", "S007", 1, "=> a 2026-01-01 -\n" },
	};

	(void)state;
	tree_write("root/u.gmi", "");
	capsule_open_one("feed = \"u.gmi\";");
	linter_check_rows("u.gmi", ROWS(rows));
	linter_check_finding("S007", "u.gmi", 1, "no title");
	tree_write("root/u.gmi", "=> a.gmi 2026-11-221 A\n");
	linter_run();
	linter_check_finding("S003", "u.gmi", 1, "invalid date: 2026-11-221");
	tree_write(
	    "root/u.gmi", "=> a.gmi 2026-01-01 A\n\n=> ./a.gmi 2026-01-02 B\n");
	linter_run();
	linter_check_finding("S005", "u.gmi", 3, "line 1");
}

static void
test_feed_that_is_not_served(void **state)
{
	(void)state;
	tree_write("root/u.gmi", "# U\n=> index.gmi 2026-01-01 I\n");
	tree_write("root/u.txt", "# U\n");
	tree_write("root/capsule.conf", "\nfeed = \"none.gmi\";\n");
	capsule_open_one("");
	linter_run();
	linter_check_finding(
	    "S001", "capsule.conf", 2, "not a file that is served");
	tree_write("root/capsule.conf", "feed = \"u.txt\";\n");
	capsule_open_one("");
	linter_run();
	linter_check_finding(
	    "S001", "capsule.conf", 1, "not served as text/gemini");
	tree_write("root/capsule.conf", "feed = \"u.gmi\";\n"
					"gone = [\"/u.gmi\"];\n");
	capsule_open_one("");
	linter_run();
	linter_check_finding(
	    "S001", "capsule.conf", 1, "not a file that is served");
	tree_write("root/capsule.conf", "feed = \"u.gmi\";\n");
	capsule_open_one("");
	linter_run();
	assert_int_equal(linter_count_class('S'), 0);
	capsule_open_one("feed = \"none.gmi\";");
	linter_run();
	linter_check_finding(
	    "S001", NULL, 0, "carnation.conf:1: feed \"none.gmi\"");
}

static void
test_no_finding_without_a_feed(void **state)
{
	(void)state;
	tree_write("root/u.gmi", "=> a.gmi 2026-02-30\n");
	capsule_open_one("");
	linter_run();
	assert_int_equal(linter_count_class('S'), 0);
}

#define NS "xmlns=\"http://www.w3.org/2005/Atom\""
#define ID "<id>x</id>"
#define TITLE "<title>t</title>"
#define UPDATED "<updated>2026-01-02T12:00:00Z</updated>"
#define OWN ID TITLE UPDATED
#define FEED(inside) "<feed " NS ">" OWN "\n" inside "</feed>"
#define ENTRY(inside) FEED("<entry>" inside "</entry>")
#define LINK "<link href=\"a.gmi\"/>"

static void
test_documents(void **state)
{
	static const struct linter_row rows[] = {
		{ "well-formed", "A001", NOWHERE, FEED("") },
		{ "not well-formed", "A001", 2, FEED("<a>") },
		{ "a DOCTYPE", "A001", 1, "<!DOCTYPE feed>" FEED("") },
		{ "not UTF-8", "A001", 0, FEED("\xff") },
		{ "empty", "A001", 1, "" },
		{ "a feed", "A002", NOWHERE, FEED("") },
		{ "no feed", "A002", 2, "\n<rss/>" },
		{ "another's feed", "A002", 1, "<feed>" OWN "</feed>" },
		{ "no id", "A002", 1, "<feed " NS ">" TITLE UPDATED "</feed>" },
		{ "an empty id", "A002", 1,
		    "<feed " NS "><id> </id>" TITLE UPDATED "</feed>" },
		{ "no title", "A002", 1, "<feed " NS ">" ID UPDATED "</feed>" },
		{ "no updated", "A002", 1, "<feed " NS ">" ID TITLE "</feed>" },
		{ "updated is a date", "A002", 1,
		    "<feed " NS ">" ID TITLE
		    "<updated>2026-01-02</updated></feed>" },
		{ "an entry", "A003", NOWHERE, ENTRY(OWN LINK) },
		{ "an entry without id", "A003", 2, ENTRY(TITLE UPDATED LINK) },
		{ "an entry without title", "A003", 2, ENTRY(ID UPDATED LINK) },
		{ "an entry without updated", "A003", 2, ENTRY(ID TITLE LINK) },
		{ "no such day", "A003", 2,
		    ENTRY(ID TITLE LINK
			"<updated>2026-02-30T12:00:00Z</updated>") },
		{ "leads to a page", "A006", NOWHERE, ENTRY(OWN LINK) },
		{ "leads to the root", "A006", NOWHERE,
		    ENTRY(OWN "<link href=\"./\"/>") },
		{ "leads nowhere", "A006", 2,
		    ENTRY(OWN "<link href=\"none.gmi\"/>") },
		{ "no link", "A006", 2, ENTRY(OWN) },
		{ "leads elsewhere", "A006", NOWHERE,
		    ENTRY(OWN "<link href=\"https://x.example/none\"/>") },
		{ "leads to another host", "A006", NOWHERE,
		    ENTRY(OWN "<link href=\"//x.example/none\"/>") },
		{ "absolute, of its own origin, and there", "A006", NOWHERE,
		    FEED("<link rel='self' href='gemini://x.example/atom.xml'/>"
			 "<entry>" OWN
			 "<link href='gemini://x.example/a.gmi'/></entry>") },
		{ "absolute, of its own origin, and not there", "A006", 2,
		    FEED("<link rel='self' href='gemini://x.example/atom.xml'/>"
			 "<entry>" OWN
			 "<link href='gemini://x.example/b.gmi'/></entry>") },
		{ "of a name that only begins like it", "A006", NOWHERE,
		    FEED("<link rel='self' href='gemini://x.example/atom.xml'/>"
			 "<entry>" OWN
			 "<link href='gemini://x.example.org/b'/></entry>") },
	};

	(void)state;
	tree_write("root/a.gmi", "# A\n");
	tree_write("root/index.gmi", "# I\n");
	tree_write("root/atom.xml", "");
	capsule_open_one("");
	linter_check_rows("atom.xml", ROWS(rows));
	assert_int_equal(linter_count("A004"), 0);
}

static void
test_types(void **state)
{
	(void)state;
	tree_write("root/atom.xml", FEED(""));
	capsule_open_one("");
	linter_run();
	assert_int_equal(linter_count_class('A'), 0);
	capsule_open_one("paths = ( { glob = \"/atom.xml\"; "
			 "type = \"text/xml\"; } );");
	linter_run();
	linter_check_finding("A005", "atom.xml", 0, "text/xml");
	capsule_open_one("gone = [\"/atom.xml\"];");
	linter_run();
	assert_int_equal(linter_count_class('A'), 0);
}

/* Writes atom.xml as carnation feed does. */
static void
write_feed(const char *origin)
{
	struct inventory pages;
	struct feed_origin parsed;
	struct why why;
	struct buf out;

	assert_true(feed_origin(slice_str(origin), &parsed, &why));
	assert_true(inventory_read(capsule_host(), &pages));
	buf_init(&out, FEED_MAX);
	assert_true(feed_atom(capsule_host(), &pages,
	    &(struct feed_options){ .origin = &parsed }, &out,
	    &capsule.report));
	tree_write_bytes("root/atom.xml", buf_view(&out));
	buf_fini(&out);
	inventory_fini(&pages);
}

static void
test_generated_feed_has_no_finding(void **state)
{
	(void)state;
	tree_write("root/a.gmi", "# A\n");
	tree_write("root/u.gmi",
	    "\xef\xbb\xbf# U \x1b[1m\n=> a.gmi 2026-01-01 A\n"
	    "=> / 2026-01-03 <&>\n"
	    "=> https://x.example/?a&b 2026-01-02 X\n"
	    "=> c.gmi 2026-01-02 \x1b \n"
	    "=> u.gmi 2026-01-02  a\tb \xe2\x80\xae\n");
	tree_write("root/c.gmi", "# C\n");
	tree_write("root/index.gmi", "# I\n");
	capsule_open_one("feed = \"u.gmi\";");
	write_feed("gemini://localhost");
	linter_run();
	if (linter_count_class('A') > 0) {
		linter_print();
		fail_msg("there are faults");
	}
	write_feed("gemini://example.org:1966/");
	linter_run();
	assert_int_equal(linter_count_class('A'), 0);
}

/* u.gmi, against a feed with that title and inside. */
static void
compare_with(const char *page, const char *title, const char *inside)
{
	char text[1024];

	snprintf(text, sizeof(text),
	    "<feed " NS ">" ID "%s" UPDATED "\n%s</feed>", title, inside);
	tree_write("root/atom.xml", text);
	tree_write("root/u.gmi", page);
	capsule_open_one("feed = \"u.gmi\";");
	linter_run();
}

static void
test_feed_that_differs_from_its_page(void **state)
{
	static const char entry[] = "<entry>" OWN LINK "</entry>";

	(void)state;
	tree_write("root/a.gmi", "# A\n");
	tree_write("root/b.gmi", "# B\n");
	compare_with("# t\n=> a.gmi 2026-01-02 t\n", TITLE, entry);
	assert_int_equal(linter_count("A004"), 0);
	compare_with("# t\n=> a.gmi 2026-01-03 t\n", TITLE, entry);
	linter_check_finding("A004", "atom.xml", 2, "2026-01-03 at u.gmi:2");
	assert_int_equal(linter_count("A004"), 1);
	compare_with("# t\n=> b.gmi 2026-01-02 t\n", TITLE, entry);
	linter_check_finding("A004", "atom.xml", 0, "missing entry for /b.gmi");
	linter_check_finding("A004", "atom.xml", 2, "entry for /a.gmi");
	assert_int_equal(linter_count("A004"), 2);
	compare_with("# t\n", TITLE, entry);
	linter_check_finding("A004", "atom.xml", 2, "carnation feed");
	compare_with("# t\n=> b.gmi 2026-01-02 B\n=> a.gmi 2026-01-02 t\n",
	    TITLE, entry);
	linter_check_finding("A004", "atom.xml", 0, "/b.gmi at u.gmi:2");
	assert_int_equal(linter_count("A004"), 1);
}

static void
test_changed_titles(void **state)
{
	static const char entry[] = "<entry>" OWN LINK "</entry>";
	static const char html[] = "<title type=\"html\">&lt;b&gt;</title>";

	(void)state;
	tree_write("root/a.gmi", "# A\n");
	compare_with("# t\n=> a.gmi 2026-01-02 T\n", TITLE, entry);
	linter_check_finding(
	    "A004", "atom.xml", 2, "title of /a.gmi differs from that at u");
	assert_int_equal(linter_count("A004"), 1);
	compare_with("# T\n=> a.gmi 2026-01-02 t\n", TITLE, entry);
	linter_check_finding(
	    "A004", "atom.xml", 1, "title differs from that of u");
	assert_int_equal(linter_count("A004"), 1);
	/* Not a word of what another program may have written otherwise. */
	compare_with("# T\n=> a.gmi 2026-01-02 t\n", html, entry);
	assert_int_equal(linter_count("A004"), 0);
}

static void
test_two_entries_of_one_target(void **state)
{
	static const char twice[] =
	    "<entry>" OWN LINK "</entry>\n<entry>" OWN LINK "</entry>";

	(void)state;
	tree_write("root/a.gmi", "# A\n");
	compare_with("# t\n=> a.gmi 2026-01-02 t\n", TITLE, twice);
	linter_check_finding("A004", "atom.xml", 3,
	    "duplicate entry for /a.gmi (first on line 2)");
	assert_int_equal(linter_count("A004"), 1);
}

static void
test_feed_that_is_missing(void **state)
{
	(void)state;
	tree_write("root/a.gmi", "# A\n");
	tree_write("root/u.gmi", "# U\n=> a.gmi 2026-01-02 A\n");
	capsule_open_one("");
	linter_run();
	assert_int_equal(linter_count("A007"), 0);
	capsule_open_one("feed = \"u.gmi\";");
	linter_run();
	linter_check_finding(
	    "A007", NULL, 0, "run carnation feed to generate it from u.gmi");
	/* That could not be made, as other checks report. */
	tree_write("root/u.gmi", "# U\n=> a.gmi A\n");
	linter_run();
	assert_int_equal(linter_count("A007"), 0);
	tree_write("root/u.gmi", "=> a.gmi 2026-01-02 A\n");
	linter_run();
	assert_int_equal(linter_count("A007"), 0);
	tree_write("root/u.gmi", "# U\n=> a.gmi 2026-01-02 A\n");
	capsule_open_one("feed = \"u.gmi\"; gone = [\"/atom.xml\"];");
	linter_run();
	assert_int_equal(linter_count("A007"), 0);
	capsule_open_one("feed = \"u.gmi\";");
	assert_true(lint_promise(lint, "atom.xml"));
	linter_run();
	assert_int_equal(linter_count("A007"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		linter_test(test_pages),
		linter_test(test_feed_that_is_not_served),
		linter_test(test_no_finding_without_a_feed),
		linter_test(test_documents),
		linter_test(test_types),
		linter_test(test_generated_feed_has_no_finding),
		linter_test(test_feed_that_differs_from_its_page),
		linter_test(test_changed_titles),
		linter_test(test_two_entries_of_one_target),
		linter_test(test_feed_that_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
