/* SPDX-License-Identifier: ISC */
#include "lint_file_help.h"

#include "capsule/feed.h"

static void
pages(void **state)
{
	static const struct lint_file_row rows[] = {
		{ "a title", "S002", NOWHERE, "# T\n" },
		{ "a title behind a BOM", "S002", NOWHERE,
		    "\xef\xbb\xbf# T\n" },
		{ "level 2 is no title", "S002", 0, "## T\n" },
		{ "an empty title", "S002", 0, "#\n" },
		{ "a leap day", "S003", NOWHERE, "=> a 2024-02-29 A\n" },
		{ "no leap day", "S003", 2, "\n=> a 2026-02-29 A\n" },
		{ "a digit too many", "S003", 1, "=> a 2026-11-221 A\n" },
		{ "not like a date", "S003", NOWHERE, "=> a 2026-2-29 A\n" },
		{ "no link", "S003", NOWHERE, "2026-02-30 A\n" },
		{ "today", "S004", NOWHERE, "=> a 2026-11-22 A\n" },
		{ "tomorrow", "S004", 1, "=> a 2026-11-23 A\n" },
		{ "one URL twice", "S005", 2,
		    "=> a.gmi 2026-01-01 A\n=> /a.gmi 2026-01-02 B\n" },
		{ "two URLs", "S005", NOWHERE,
		    "=> a.gmi 2026-01-01 A\n=> b.gmi 2026-01-01 A\n" },
		{ "once as an entry", "S005", NOWHERE,
		    "=> a.gmi 2026-01-01 A\n=> a.gmi A\n" },
		{ "an entry", "S006", NOWHERE, "=> a 2026-01-01 A\n" },
		{ "no entry", "S006", 0, "# T\n=> a A\n" },
		{ "no entry with a day", "S006", 0, "=> a 2026-02-30 A\n" },
		{ "a title behind the date", "S007", NOWHERE,
		    "=> a 2026-01-01 - A\n" },
		{ "no title behind the date", "S007", 1, "=> a 2026-01-01\n" },
		{ "only a dash", "S007", 1, "=> a 2026-01-01 -\n" },
	};

	(void)state;
	tree_file("root/u.gmi", "");
	help_open_one("feed = \"u.gmi\";");
	lint_file_rows("u.gmi", ROWS(rows));
	lint_help_wants("S007", "u.gmi", 1, "no title");
	tree_file("root/u.gmi", "=> a.gmi 2026-11-221 A\n");
	lint_help_run();
	lint_help_wants("S003", "u.gmi", 1, "invalid date: 2026-11-221");
	tree_file(
	    "root/u.gmi", "=> a.gmi 2026-01-01 A\n\n=> ./a.gmi 2026-01-02 B\n");
	lint_help_run();
	lint_help_wants("S005", "u.gmi", 3, "line 1");
}

static void
a_feed_that_nobody_gets(void **state)
{
	(void)state;
	tree_file("root/u.gmi", "# U\n=> index.gmi 2026-01-01 I\n");
	tree_file("root/u.txt", "# U\n");
	tree_file("root/capsule.conf", "\nfeed = \"none.gmi\";\n");
	help_open_one("");
	lint_help_run();
	lint_help_wants("S001", "capsule.conf", 2, "not a file that is served");
	tree_file("root/capsule.conf", "feed = \"u.txt\";\n");
	help_open_one("");
	lint_help_run();
	lint_help_wants("S001", "capsule.conf", 1, "not served as text/gemini");
	tree_file("root/capsule.conf", "feed = \"u.gmi\";\n"
				       "gone = [\"/u.gmi\"];\n");
	help_open_one("");
	lint_help_run();
	lint_help_wants("S001", "capsule.conf", 1, "not a file that is served");
	tree_file("root/capsule.conf", "feed = \"u.gmi\";\n");
	help_open_one("");
	lint_help_run();
	assert_int_equal(lint_file_count('S'), 0);
	help_open_one("feed = \"none.gmi\";");
	lint_help_run();
	lint_help_wants("S001", NULL, 0, "carnation.conf:1: feed \"none.gmi\"");
}

static void
without_a_feed_there_is_nothing_to_say(void **state)
{
	(void)state;
	tree_file("root/u.gmi", "=> a.gmi 2026-02-30\n");
	help_open_one("");
	lint_help_run();
	assert_int_equal(lint_file_count('S'), 0);
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
documents(void **state)
{
	static const struct lint_file_row rows[] = {
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
	tree_file("root/a.gmi", "# A\n");
	tree_file("root/index.gmi", "# I\n");
	tree_file("root/atom.xml", "");
	help_open_one("");
	lint_file_rows("atom.xml", ROWS(rows));
	assert_int_equal(lint_help_count("A004"), 0);
}

static void
types(void **state)
{
	(void)state;
	tree_file("root/atom.xml", FEED(""));
	help_open_one("");
	lint_help_run();
	assert_int_equal(lint_file_count('A'), 0);
	help_open_one("paths = ( { glob = \"/atom.xml\"; "
		      "type = \"text/xml\"; } );");
	lint_help_run();
	lint_help_wants("A005", "atom.xml", 0, "text/xml");
	help_open_one("gone = [\"/atom.xml\"];");
	lint_help_run();
	assert_int_equal(lint_file_count('A'), 0);
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
	assert_true(inventory_read(help_host(), &pages));
	buf_init(&out, FEED_MAX);
	assert_true(feed_atom(
	    SLICE(""), help_host(), &pages, &parsed, &out, &help.report));
	tree_bytes("root/atom.xml", buf_view(&out));
	buf_fini(&out);
	inventory_fini(&pages);
}

static void
what_feed_writes_is_without_fault(void **state)
{
	(void)state;
	tree_file("root/a.gmi", "# A\n");
	tree_file("root/u.gmi",
	    "\xef\xbb\xbf# U \x1b[1m\n=> a.gmi 2026-01-01 A\n"
	    "=> / 2026-01-03 <&>\n"
	    "=> https://x.example/?a&b 2026-01-02 X\n"
	    "=> c.gmi 2026-01-02 \x1b \n"
	    "=> u.gmi 2026-01-02  a\tb \xe2\x80\xae\n");
	tree_file("root/c.gmi", "# C\n");
	tree_file("root/index.gmi", "# I\n");
	help_open_one("feed = \"u.gmi\";");
	write_feed("gemini://localhost");
	lint_help_run();
	if (lint_file_count('A') > 0) {
		lint_help_show();
		fail_msg("there are faults");
	}
	write_feed("gemini://example.org:1966/");
	lint_help_run();
	assert_int_equal(lint_file_count('A'), 0);
}

/* u.gmi, against a feed with that title and inside. */
static void
compare_with(const char *page, const char *title, const char *inside)
{
	char text[1024];

	(void)snprintf(text, sizeof(text),
	    "<feed " NS ">" ID "%s" UPDATED "\n%s</feed>", title, inside);
	tree_file("root/atom.xml", text);
	tree_file("root/u.gmi", page);
	help_open_one("feed = \"u.gmi\";");
	lint_help_run();
}

static void
a_feed_that_says_other_than_its_page(void **state)
{
	static const char entry[] = "<entry>" OWN LINK "</entry>";

	(void)state;
	tree_file("root/a.gmi", "# A\n");
	tree_file("root/b.gmi", "# B\n");
	compare_with("# t\n=> a.gmi 2026-01-02 t\n", TITLE, entry);
	assert_int_equal(lint_help_count("A004"), 0);
	compare_with("# t\n=> a.gmi 2026-01-03 t\n", TITLE, entry);
	lint_help_wants("A004", "atom.xml", 2, "2026-01-03 at u.gmi:2");
	assert_int_equal(lint_help_count("A004"), 1);
	compare_with("# t\n=> b.gmi 2026-01-02 t\n", TITLE, entry);
	lint_help_wants("A004", "atom.xml", 0, "missing entry for /b.gmi");
	lint_help_wants("A004", "atom.xml", 2, "entry for /a.gmi");
	assert_int_equal(lint_help_count("A004"), 2);
	compare_with("# t\n", TITLE, entry);
	lint_help_wants("A004", "atom.xml", 2, "carnation feed");
	compare_with("# t\n=> b.gmi 2026-01-02 B\n=> a.gmi 2026-01-02 t\n",
	    TITLE, entry);
	lint_help_wants("A004", "atom.xml", 0, "/b.gmi at u.gmi:2");
	assert_int_equal(lint_help_count("A004"), 1);
}

static void
titles_that_were_changed(void **state)
{
	static const char entry[] = "<entry>" OWN LINK "</entry>";
	static const char html[] = "<title type=\"html\">&lt;b&gt;</title>";

	(void)state;
	tree_file("root/a.gmi", "# A\n");
	compare_with("# t\n=> a.gmi 2026-01-02 T\n", TITLE, entry);
	lint_help_wants(
	    "A004", "atom.xml", 2, "title of /a.gmi differs from that at u");
	assert_int_equal(lint_help_count("A004"), 1);
	compare_with("# T\n=> a.gmi 2026-01-02 t\n", TITLE, entry);
	lint_help_wants("A004", "atom.xml", 1, "title differs from that of u");
	assert_int_equal(lint_help_count("A004"), 1);
	/* Not a word of what another program may have written otherwise. */
	compare_with("# T\n=> a.gmi 2026-01-02 t\n", html, entry);
	assert_int_equal(lint_help_count("A004"), 0);
}

static void
two_entries_of_one_target(void **state)
{
	static const char twice[] =
	    "<entry>" OWN LINK "</entry>\n<entry>" OWN LINK "</entry>";

	(void)state;
	tree_file("root/a.gmi", "# A\n");
	compare_with("# t\n=> a.gmi 2026-01-02 t\n", TITLE, twice);
	lint_help_wants("A004", "atom.xml", 3,
	    "duplicate entry for /a.gmi (first on line 2)");
	assert_int_equal(lint_help_count("A004"), 1);
}

static void
a_feed_that_nobody_has_written(void **state)
{
	(void)state;
	tree_file("root/a.gmi", "# A\n");
	tree_file("root/u.gmi", "# U\n=> a.gmi 2026-01-02 A\n");
	help_open_one("");
	lint_help_run();
	assert_int_equal(lint_help_count("A007"), 0);
	help_open_one("feed = \"u.gmi\";");
	lint_help_run();
	lint_help_wants(
	    "A007", NULL, 0, "run carnation feed to generate it from u.gmi");
	/* That could not be made, as other checks tell. */
	tree_file("root/u.gmi", "# U\n=> a.gmi A\n");
	lint_help_run();
	assert_int_equal(lint_help_count("A007"), 0);
	tree_file("root/u.gmi", "=> a.gmi 2026-01-02 A\n");
	lint_help_run();
	assert_int_equal(lint_help_count("A007"), 0);
	tree_file("root/u.gmi", "# U\n=> a.gmi 2026-01-02 A\n");
	help_open_one("feed = \"u.gmi\"; gone = [\"/atom.xml\"];");
	lint_help_run();
	assert_int_equal(lint_help_count("A007"), 0);
	help_open_one("feed = \"u.gmi\";");
	assert_true(lint_promise(lint, "atom.xml"));
	lint_help_run();
	assert_int_equal(lint_help_count("A007"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		under_lint(pages),
		under_lint(a_feed_that_nobody_gets),
		under_lint(without_a_feed_there_is_nothing_to_say),
		under_lint(documents),
		under_lint(types),
		under_lint(what_feed_writes_is_without_fault),
		under_lint(a_feed_that_says_other_than_its_page),
		under_lint(titles_that_were_changed),
		under_lint(two_entries_of_one_target),
		under_lint(a_feed_that_nobody_has_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
