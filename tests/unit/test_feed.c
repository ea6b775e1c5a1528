/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capsule/feed.h"
#include "support/capsule.h"

static char made[64 * 1024];

/* The document of the capsule that is open, or NULL. */
static const char *
feed_make_by(const char *author, const char *origin)
{
	struct feed_options o = { .author = slice_str(author) };
	struct inventory pages;
	struct feed_origin parsed;
	const char *result;
	struct why why;
	struct buf out;

	if (origin != NULL) {
		assert_true(feed_origin(slice_str(origin), &parsed, &why));
		o.origin = &parsed;
	}
	assert_true(inventory_read(capsule_host(), &pages));
	buf_wrap(&out, made, sizeof(made) - 1);
	result = feed_atom(capsule_host(), &pages, &o, &out, &capsule.report)
		     ? buf_cstr(&out)
		     : NULL;
	inventory_fini(&pages);
	return result;
}

static const char *
feed_make(const char *origin)
{
	return feed_make_by("", origin);
}

static void
assert_contains(const char *text, const char *words)
{
	if (text == NULL || strstr(text, words) == NULL)
		fail_msg("no \"%s\" in:\n%s", words,
		    text != NULL ? text : "(nothing)");
}

static void
test_whole_document(void **state)
{
	(void)state;
	tree_write("root/updates.gmi", "# Updates\n\n## Of this capsule\n"
				       "=> night.gmi 2026-01-02 - Night\n"
				       "=> law.gmi 2026-01-03: Law\n");
	capsule_open_one("title = \"Capsule\"; lang = \"en,az\"; "
			 "feed = \"updates.gmi\";");
	assert_string_equal(feed_make(NULL),
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	    "<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"en\">\n"
	    "  <id>urn:uuid:dba1ec33-038f-58bf-8f5e-d6bfc0b9ced4</id>\n"
	    "  <title>Updates</title>\n"
	    "  <subtitle>Of this capsule</subtitle>\n"
	    "  <updated>2026-01-03T12:00:00Z</updated>\n"
	    "  <author>\n"
	    "    <name>Capsule</name>\n"
	    "  </author>\n"
	    "  <link rel=\"self\" href=\"atom.xml\" "
	    "type=\"application/atom+xml\"/>\n"
	    "  <link rel=\"alternate\" href=\"updates.gmi\" "
	    "type=\"text/gemini\"/>\n"
	    "  <entry>\n"
	    "    <id>urn:uuid:a1d2ca9a-a805-5117-90e4-8ef928ece1cf</id>\n"
	    "    <title>Law</title>\n"
	    "    <updated>2026-01-03T12:00:00Z</updated>\n"
	    "    <link rel=\"alternate\" href=\"law.gmi\"/>\n"
	    "  </entry>\n"
	    "  <entry>\n"
	    "    <id>urn:uuid:2b942b60-0838-59fe-bfe8-35a393a0d291</id>\n"
	    "    <title>Night</title>\n"
	    "    <updated>2026-01-02T12:00:00Z</updated>\n"
	    "    <link rel=\"alternate\" href=\"night.gmi\"/>\n"
	    "  </entry>\n"
	    "</feed>\n");
	assert_int_equal(capsule.report.n, 0);
}

static void
test_origin_makes_links_absolute(void **state)
{
	const char *text;

	(void)state;
	tree_make_dir("root/az");
	tree_write("root/az/u.gmi", "# U\n=> ../n.gmi 2026-01-02 N\n"
				    "=> https://x.example/ 2026-01-01 X\n");
	capsule_open_one("feed = \"az/u.gmi\";");
	text = feed_make("gemini://Example.ORG:1966/");
	assert_contains(text, "<id>tag:example.org,2020:feed:/az/u.gmi</id>");
	assert_contains(
	    text, "rel=\"self\" href=\"gemini://example.org:1966/atom.xml\"");
	assert_contains(text, "href=\"gemini://example.org:1966/az/u.gmi\"");
	assert_contains(text, "<id>tag:example.org,2026-01-02:/n.gmi</id>");
	assert_contains(text, "href=\"gemini://example.org:1966/n.gmi\"");
	assert_contains(
	    text, "<id>tag:example.org,2026-01-01:https://x.example/</id>");
	assert_contains(text, "href=\"https://x.example/\"");
	assert_contains(feed_make("gemini://example.org:1965"),
	    "href=\"gemini://example.org/n.gmi\"");
}

/* Into the capsule, as carnation feed does. */
static void
feed_write(const char *origin)
{
	const char *text = feed_make(origin);

	assert_non_null(text);
	tree_write("root/atom.xml", text);
}

/* The id in what was made last: of the entry whose link ends with page, or of
 * the feed. Valid until the next call. */
static const char *
id_of(const char *page)
{
	static char id[256];
	struct atom a;
	const struct atom_part *part;

	assert_true(atom_read(slice_str(made), &a));
	part = &a.feed;
	for (size_t i = 0; i < a.n && page != NULL; i++)
		if (slice_ends(slice_str(a.entry[i].link), slice_str(page)))
			part = &a.entry[i];
	assert_non_null(part->id);
	snprintf(id, sizeof(id), "%s",
	    page != NULL && part == &a.feed ? "(none)" : part->id);
	atom_fini(&a);
	return id;
}

/* RFC 4287 4.2.6 */
static void
test_feed_id_is_constant(void **state)
{
	static const char *const origins[] = { NULL, "gemini://a.example" };
	static const char *const pages[] = {
		"# U\n=> b.gmi 2026-01-02 B\n=> c.gmi 2026-01-03 C\n",
		/* an older entry is added */
		"# U\n=> a.gmi 1989-12-31 A\n=> b.gmi 2026-01-02 B\n"
		"=> c.gmi 2026-01-03 C\n",
		/* the oldest ones go */
		"# Renamed\n=> c.gmi 2026-01-03 C\n",
		/* one leads to the feed itself, on the same date */
		"# U\n=> u.gmi 2020-01-01 U\n",
	};

	char id[128] = "";

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		tree_write("root/u.gmi", pages[i % 4]);
		capsule_open_one("feed = \"u.gmi\";");
		feed_write(origins[i / 4]);
		if (i == 0)
			snprintf(id, sizeof(id), "%s", id_of(NULL));
		assert_string_equal(id_of(NULL), id);
		assert_string_not_equal(id_of("u.gmi"), id);
	}
	assert_memory_equal(id, "urn:uuid:", 9);
	/* Also without an earlier document. */
	for (size_t i = 0; i < 4; i++) {
		unlink(tree_path("root/atom.xml"));
		tree_write("root/u.gmi", pages[i]);
		capsule_open_one("feed = \"u.gmi\";");
		feed_write("gemini://a.example");
		assert_string_equal(
		    id_of(NULL), "tag:a.example,2020:feed:/u.gmi");
	}
	assert_string_equal(id_of("u.gmi"), "tag:a.example,2020-01-01:/u.gmi");
}

/* Of the feed page u.gmi, whose entries are lines, with atom.xml as it is. */
static void
feed_of(const char *lines, const char *origin)
{
	char page[1024];

	snprintf(page, sizeof(page), "# U\n%s", lines);
	tree_write("root/u.gmi", page);
	capsule_open_one("feed = \"u.gmi\";");
	feed_write(origin);
}

/* An atom.xml by another program: the feed's own, then that of a.gmi on
 * 2026-01-02 and that of b.gmi on 2026-01-03. */
static void
foreign_write(const char *feed, const char *page, const char *a, const char *b)
{
	char text[2048];

	snprintf(text, sizeof(text),
	    "<feed xmlns='http://www.w3.org/2005/Atom'><id>%s</id>"
	    "<link href='%s'/><link rel='self' "
	    "href='gemini://h.example/atom.xml'/>"
	    "<entry><id>%s</id><updated>2026-01-02T00:00:00Z</updated>"
	    "<link href='gemini://h.example/a.gmi'/></entry>"
	    "<entry><id>%s</id><updated>2026-01-03T00:00:00Z</updated>"
	    "<link href='b.gmi'/></entry></feed>",
	    feed, page, a, b);
	tree_write("root/atom.xml", text);
}

#define AB "=> a.gmi 2026-01-02 A\n=> b.gmi 2026-01-03 B\n"

static void
test_ids_survive_an_origin(void **state)
{
	char feed[128], a[128], b[128];

	(void)state;
	feed_of(AB, NULL);
	snprintf(feed, sizeof(feed), "%s", id_of(NULL));
	snprintf(a, sizeof(a), "%s", id_of("a.gmi"));
	snprintf(b, sizeof(b), "%s", id_of("b.gmi"));
	assert_string_not_equal(a, b);
	for (size_t i = 0; i < 3; i++) {
		/* A third entry, other titles; then back. */
		feed_of(i == 1 ? "=> c.gmi 2026-01-04 C\n"
				 "=> a.gmi 2026-01-02 Other\n"
				 "=> b.gmi 2026-01-03 B\n"
			       : AB,
		    i == 0   ? "gemini://x.example:1966"
		    : i == 1 ? "gemini://y.example"
			     : NULL);
		assert_string_equal(id_of(NULL), feed);
		assert_string_equal(id_of("a.gmi"), a);
		assert_string_equal(id_of("b.gmi"), b);
		if (i == 1)
			assert_string_equal(
			    id_of("c.gmi"), "tag:y.example,2026-01-04:/c.gmi");
	}
}

static void
test_ids_of_two_capsules_differ(void **state)
{
	char feed[128], a[128];

	(void)state;
	feed_of(AB, NULL);
	snprintf(feed, sizeof(feed), "%s", id_of(NULL));
	snprintf(a, sizeof(a), "%s", id_of("a.gmi"));
	unlink(tree_path("root/atom.xml"));
	capsule_open_one("feed = \"u.gmi\"; title = \"Another author\";");
	feed_write(NULL);
	assert_string_not_equal(id_of(NULL), feed);
	assert_string_not_equal(id_of("a.gmi"), a);
}

static void
test_entry_of_another_date_is_new(void **state)
{
	static const char *const origins[] = { NULL, "gemini://x.example" };
	char a[128], b[128];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		unlink(tree_path("root/atom.xml"));
		feed_of(AB, origins[i]);
		snprintf(a, sizeof(a), "%s", id_of("a.gmi"));
		snprintf(b, sizeof(b), "%s", id_of("b.gmi"));
		feed_of("=> a.gmi 2026-01-09 A\n=> b.gmi 2026-01-03 B\n",
		    origins[i]);
		assert_string_not_equal(id_of("a.gmi"), a);
		assert_string_equal(id_of("b.gmi"), b);
	}
	assert_string_equal(id_of("a.gmi"), "tag:x.example,2026-01-09:/a.gmi");
}

static void
test_which_known_ids_are_kept(void **state)
{
	static const struct {
		const char *what, *known[4];
		const char *feed, *a, *b; /* afterwards */
	} rows[] = {
		{ "another program's, whatever their dates",
		    { "https://e.example/", "/", "https://e.example/1",
			"urn:x:2?a&amp;b" },
		    "https://e.example/", "https://e.example/1",
		    "urn:x:2?a&b" },
		{ "nobody's name is replaced",
		    { "tag:capsule.invalid,2020:feed:/u.gmi", "u.gmi",
			"tag:capsule.invalid,2026-01-02:/a.gmi", "urn:x:2" },
		    "tag:o.example,2020:feed:/u.gmi",
		    "tag:o.example,2026-01-09:/a.gmi", "urn:x:2" },
		{ "those of an earlier host",
		    { "tag:p.example,2020:feed:/u.gmi", "u.gmi",
			"tag:p.example,2026-01-08:/a.gmi",
			"tag:p.example,2026-01-03:/b.gmi" },
		    "tag:p.example,2020:feed:/u.gmi",
		    "tag:p.example,2026-01-08:/a.gmi",
		    "tag:p.example,2026-01-03:/b.gmi" },
		{ "one of another page, one of another date",
		    { "tag:p.example,2020:feed:/v.gmi", "v.gmi",
			"tag:p.example,2026-01-02:/a.gmi", "urn:x:2" },
		    "tag:o.example,2020:feed:/u.gmi",
		    "tag:o.example,2026-01-09:/a.gmi", "urn:x:2" },
		{ "none that two share",
		    { "urn:x:1", "/", "urn:x:2", "urn:x:2" }, "urn:x:1",
		    "tag:o.example,2026-01-09:/a.gmi",
		    "tag:o.example,2026-01-03:/b.gmi" },
		{ "nor the feed and an entry",
		    { "urn:x:1", "/", "urn:x:1", "urn:x:2" }, "urn:x:1",
		    "tag:o.example,2026-01-09:/a.gmi", "urn:x:2" },
		{ "empty ones", { "", "/", " ", "urn:x:2" },
		    "tag:o.example,2020:feed:/u.gmi",
		    "tag:o.example,2026-01-09:/a.gmi", "urn:x:2" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		foreign_write(rows[i].known[0], rows[i].known[1],
		    rows[i].known[2], rows[i].known[3]);
		feed_of("=> a.gmi 2026-01-09 A\n=> b.gmi 2026-01-03 B\n",
		    "gemini://o.example");
		check_row(strcmp(id_of(NULL), rows[i].feed) == 0, rows[i].what);
		check_row(strcmp(id_of("a.gmi"), rows[i].a) == 0, rows[i].what);
		check_row(strcmp(id_of("b.gmi"), rows[i].b) == 0, rows[i].what);
	}
	tree_write("root/atom.xml", "<feed>no Atom");
	feed_of(AB, "gemini://o.example");
	assert_string_equal(id_of("a.gmi"), "tag:o.example,2026-01-02:/a.gmi");
}

static void
test_ambiguous_links_begin_with_a_dot(void **state)
{
	static const struct {
		const char *url, *href;
	} rows[] = {
		{ "/", "./" },
		{ "/?q", "./?q" },
		{ "./a:b.gmi", "./a:b.gmi" },
		{ "a/b:c.gmi", "a/b:c.gmi" },
		{ "a?b:c", "a?b:c" },
		{ "//other.example/x", "//other.example/x" },
	};
	char page[256], link[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(page, sizeof(page), "# U\n=> %s 2026-01-02 N\n",
		    rows[i].url);
		tree_write("root/u.gmi", page);
		capsule_open_one("feed = \"u.gmi\";");
		snprintf(link, sizeof(link),
		    "    <link rel=\"alternate\" href=\"%s\"/>\n",
		    rows[i].href);
		assert_contains(feed_make(NULL), link);
	}
}

static void
test_hostile_texts_are_escaped(void **state)
{
	const char *text;

	(void)state;
	tree_write_bytes("root/u.gmi",
	    SLICE("# <T> & \"T\" ]]>\x1b[1m\n## \xe2\x80\xaeS\n"
		  "=> a\"<b>&c\x01 2026-01-01 no link\n"
		  "=> a&'c 2026-01-02 </title><b a=\"\0\">\x7f&amp;\n"));
	capsule_open_one("feed = \"u.gmi\"; title = \"C & <D>\";");
	text = feed_make(NULL);
	assert_contains(
	    text, "<title>&lt;T&gt; &amp; &quot;T&quot; ]]&gt;[1m</title>");
	assert_contains(text, "<subtitle>S</subtitle>");
	assert_contains(text, "<name>C &amp; &lt;D&gt;</name>");
	assert_contains(text, "<title>&lt;/title&gt;&lt;b a=&quot;&quot;&gt;"
			      "&amp;amp;</title>");
	assert_contains(text, "href=\"a&amp;'c\"");
	assert_contains(feed_make("gemini://a.example"), ":/a&amp;'c</id>");
	assert_null(strstr(text, "no link"));
	assert_true(capsule_reported(REPORT_WARNING, 3, "could follow"));
}

static void
test_titles_have_substitutes(void **state)
{
	const char *text;

	(void)state;
	tree_write("root/u.gmi", "\xef\xbb\xbf# Page\n=> a.gmi 2026-01-02\n");
	capsule_open_one("feed = \"u.gmi\";");
	text = feed_make(NULL);
	assert_contains(text, "<title>Page</title>");
	assert_contains(text, "<name>Page</name>");
	assert_contains(text, "<title>/a.gmi</title>");
	tree_write("root/u.gmi", "=> a.gmi 2026-01-02 A\n");
	capsule_open_one("feed = \"u.gmi\"; title = \"Capsule\";");
	assert_contains(feed_make(NULL), "<title>Capsule</title>");
}

static void
test_problems_are_reported_with_their_place(void **state)
{
	const struct {
		const char *settings;
		struct slice page;
		unsigned line;
		const char *words;
	} rows[] = {
		{ "", SLICE("# U\n"), 0, "no feed is set" },
		{ "feed = \"v.gmi\";", SLICE("# U\n"), 1,
		    "v.gmi is not a file that is served" },
		{ "feed = \"u.gmi\"; gone = [\"/u.gmi\"];", SLICE("# U\n"), 1,
		    "u.gmi is not a file that is served" },
		{ "feed = \"u.gmi\"; paths = ({ glob = \"*\"; "
		  "type = \"text/plain\"; });",
		    SLICE("# U\n"), 1, "not served as text/gemini" },
		{ "feed = \"u.gmi\";", SLICE("=> a 2026-01-02 A\n"), 0,
		    "has no title" },
		{ "feed = \"u.gmi\";",
		    SLICE("# \x1b\x0b\x0b\n=> a 2026-01-02 A\n"), 0,
		    "has no title" },
		{ "feed = \"u.gmi\";", SLICE("# U\n=> a A\n"), 0,
		    "has no entry" },
		{ "feed = \"u.gmi\";", SLICE("# U\n\xff\n"), 2, "UTF-8" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		tree_write_bytes("root/u.gmi", rows[i].page);
		capsule_open_one(rows[i].settings);
		check_row(feed_make(NULL) == NULL, rows[i].words);
		if (!capsule_reported(
			REPORT_ERROR, rows[i].line, rows[i].words)) {
			report_print(&capsule.report);
			fail_msg("not reported: %s", rows[i].words);
		}
	}
}

static void
test_invalid_dates_are_skipped(void **state)
{
	const char *text;

	(void)state;
	tree_write("root/u.gmi", "# U\n=> a.gmi 2026-02-30 A\n"
				 "=> b.gmi 2026-02-28 B\n"
				 "=> a.gmi 2026-11-221 A\n");
	capsule_open_one("feed = \"u.gmi\";");
	text = feed_make(NULL);
	assert_contains(text, "b.gmi");
	assert_null(strstr(text, "a.gmi"));
	assert_true(
	    capsule_reported(REPORT_WARNING, 2, "invalid date: 2026-02-30"));
	assert_true(
	    capsule_reported(REPORT_WARNING, 4, "invalid date: 2026-11-221"));
}

/* What the linter calls an error is left out of a feed, too. */
static void
test_invalid_urls_are_skipped(void **state)
{
	static const struct {
		const char *url, *why;
	} rows[] = {
		{ "a%zz", "a % that no two hexadecimal digits follow" },
		{ "https://x.example/100%", "a % that no two" },
		{ "<a>", "one of <>" },
		{ "a\\b", "a backslash" },
		{ "a\x7f", "control character" },
	};
	char page[256];
	const char *text;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(page, sizeof(page),
		    "# U\n=> %s 2026-01-09 bad\n=> b%%25.gmi 2026-01-02 B\n",
		    rows[i].url);
		tree_write("root/u.gmi", page);
		capsule_open_one("feed = \"u.gmi\";");
		text = feed_make(NULL);
		assert_contains(text, "href=\"b%25.gmi\"");
		check_row(strstr(text, "bad") == NULL, rows[i].url);
		check_row(capsule_reported(REPORT_WARNING, 2, rows[i].why),
		    rows[i].url);
	}
}

static void
test_origin(void **state)
{
	static const struct {
		const char *text, *url;
	} rows[] = {
		{ "gemini://example.org", "gemini://example.org" },
		{ "GEMINI://Example.org./", "gemini://example.org" },
		{ "gemini://example.org:1966", "gemini://example.org:1966" },
		{ "gemini://example.org:1965/", "gemini://example.org" },
		{ "gemini://bücher.example", "gemini://xn--bcher-kva.example" },
		{ "gemini://example.org/a", NULL },
		{ "gemini://example.org/?", NULL },
		{ "gemini://192.0.2.1/", NULL },
		{ "gemini://[2001:db8::1]/", NULL },
		{ "https://example.org", NULL },
		{ "example.org", NULL },
		{ "gemini://a@example.org", NULL },
		{ "", NULL },
	};
	struct feed_origin origin;
	uint8_t memory[256];
	struct why why;
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool ok = feed_origin(slice_str(rows[i].text), &origin, &why);

		check_row(ok == (rows[i].url != NULL), rows[i].text);
		if (!ok)
			continue;
		buf_wrap(&out, memory, sizeof(memory));
		assert_true(feed_origin_put(&origin, &out));
		check_slice(buf_view(&out), slice_str(rows[i].url));
	}
}

static void
test_author_precedes_the_title(void **state)
{
	(void)state;
	tree_write("root/updates.gmi", "# Updates\n=> a 2026-01-02 A\n");
	capsule_open_one("title = \"Capsule\"; feed = \"updates.gmi\";");
	assert_contains(feed_make_by("A & B", NULL), "<name>A &amp; B</name>");
	assert_contains(feed_make_by(" ", NULL), "<name>Capsule</name>");
	assert_contains(feed_make(NULL), "<name>Capsule</name>");
}

static void
test_link_targets(void **state)
{
	static const struct {
		const char *page, *url, *target;
	} rows[] = {
		{ "updates.gmi", "night.gmi", "/night.gmi" },
		{ "updates.gmi", "./night.gmi", "/night.gmi" },
		{ "updates.gmi", "/night.gmi", "/night.gmi" },
		{ "az/index.gmi", "../night.gmi", "/night.gmi" },
		{ "az/index.gmi", "night.gmi", "/az/night.gmi" },
		{ "az/index.gmi", "../../../x.gmi", "/x.gmi" },
		{ "az/index.gmi", "/", "/" },
		{ "az/index.gmi", "..", "/" },
		{ "a.gmi", "b.gmi?q=%41#part", "/b.gmi?q=%41" },
		{ "a.gmi", "é.gmi", "/%C3%A9.gmi" },
		{ "é/a.gmi", "b.gmi", "/%C3%A9/b.gmi" },
		{ "a b/a.gmi", "b.gmi", "/a%20b/b.gmi" },
		{ "a.gmi", "#part", "/a.gmi" },
		{ "a.gmi", "https://h/é?a&b#c", "https://h/é?a&b#c" },
		{ "a.gmi", "gemini://h/../x", "gemini://h/../x" },
		{ "a.gmi", "mailto:a@b", "mailto:a@b" },
		{ "a.gmi", "//h/x", "//h/x" },
		{ "a.gmi", "", NULL },
		{ "a.gmi", "a\x01", NULL },
		{ "a.gmi", "a\x7f", NULL },
		{ "a.gmi", "a\xff", NULL },
		{ "a.gmi", "a%zz", NULL },
		{ "a.gmi", "https://h/<a>", NULL },
		{ "a.gmi", "a b", NULL },
	};
	uint8_t memory[256];
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice url = slice_str(rows[i].url);

		buf_wrap(&out, memory, sizeof(memory));
		check_row(feed_target(rows[i].page, url, &out) ==
			      (rows[i].target != NULL),
		    rows[i].url);
		if (rows[i].target != NULL)
			check_slice(buf_view(&out), slice_str(rows[i].target));
	}
}

static void
test_too_long_link_is_skipped(void **state)
{
	static uint8_t memory[4 * FEED_TARGET_MAX];
	static uint8_t url[FEED_TARGET_MAX + 1];
	struct buf out;

	(void)state;
	memset(url, 'x', sizeof(url));
	buf_wrap(&out, memory, sizeof(memory));
	assert_false(feed_target("a.gmi", slice_of(url, sizeof(url)), &out));
	assert_true(feed_target("a.gmi", slice_of(url, sizeof(url) - 1), &out));
	assert_int_equal(out.len, sizeof(url));
}

static void
count(void *arg, const struct subscription_entry *entry)
{
	unsigned *lines = arg;

	*lines = *lines * 10 + entry->line;
}

static void
test_newest_first_and_each_target_once(void **state)
{
	static const char page[] = "=> a.gmi 2026-01-02 A\n"
				   "=> b.gmi 2026-01-03 B\n"
				   "=> c.gmi 2026-01-02 C\n"
				   "=> /b.gmi 2026-01-09 B again\n"
				   "=> d.gmi 2026-02-30 D\n"
				   "=> e\x01 2026-01-01 E\n"
				   "=> f.gmi 1989-12-31 F\n";
	struct feed_entries e;
	unsigned left_out = 0;
	char text[256] = "";
	struct buf out;

	(void)state;
	assert_int_equal(
	    feed_entries_read("u.gmi", slice_str(page), count, &left_out, &e),
	    FEED_READ);
	buf_wrap(&out, text, sizeof(text) - 1);
	for (size_t i = 0; i < e.n; i++)
		buf_printf(&out, "%s %.*s %u|", e.item[i].target,
		    SLICE_ARGS(e.item[i].title), e.item[i].line);
	assert_string_equal(
	    buf_cstr(&out), "/b.gmi B 2|/a.gmi A 1|/c.gmi C 3|/f.gmi F 7|");
	assert_int_equal(left_out, 56);
	feed_entries_fini(&e);
	assert_int_equal(
	    feed_entries_read("u.gmi", SLICE("# none\n"), NULL, NULL, &e),
	    FEED_READ);
	assert_int_equal(e.n, 0);
	feed_entries_fini(&e);
}

static void
test_limit(void **state)
{
	struct feed_entries e;
	struct buf page;

	(void)state;
	buf_init(&page, 1 << 20);
	for (unsigned i = 0; i < FEED_ENTRIES_MAX; i++)
		assert_true(buf_printf(&page, "=> %u.gmi 2026-01-01 x\n", i));
	assert_int_equal(
	    feed_entries_read("u.gmi", buf_view(&page), NULL, NULL, &e),
	    FEED_READ);
	assert_int_equal(e.n, FEED_ENTRIES_MAX);
	feed_entries_fini(&e);
	assert_true(buf_str(&page, "=> x.gmi 2026-01-01 x\n"));
	assert_int_equal(
	    feed_entries_read("u.gmi", buf_view(&page), NULL, NULL, &e),
	    FEED_READ_TOO_MANY);
	assert_int_equal(e.n, 0);
	buf_fini(&page);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		capsule_test(test_whole_document),
		capsule_test(test_origin_makes_links_absolute),
		capsule_test(test_feed_id_is_constant),
		capsule_test(test_ids_survive_an_origin),
		capsule_test(test_ids_of_two_capsules_differ),
		capsule_test(test_entry_of_another_date_is_new),
		capsule_test(test_which_known_ids_are_kept),
		capsule_test(test_ambiguous_links_begin_with_a_dot),
		capsule_test(test_hostile_texts_are_escaped),
		capsule_test(test_titles_have_substitutes),
		capsule_test(test_author_precedes_the_title),
		capsule_test(test_problems_are_reported_with_their_place),
		capsule_test(test_invalid_dates_are_skipped),
		capsule_test(test_invalid_urls_are_skipped),
		cmocka_unit_test(test_origin),
		cmocka_unit_test(test_link_targets),
		cmocka_unit_test(test_too_long_link_is_skipped),
		cmocka_unit_test(test_newest_first_and_each_target_once),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
