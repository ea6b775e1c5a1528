/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "capsule/atom.h"
#include "util/buf.h"

#define NS "xmlns=\"http://www.w3.org/2005/Atom\""
#define OWN "<id>x</id><title>t</title><updated>2026-11-22T12:00:00Z</updated>"

static void
test_feed_with_entries(void **state)
{
	struct atom a;

	(void)state;
	assert_true(
	    atom_read(SLICE("<?xml version='1.0'?>\n<feed " NS ">\n"
			    "<id> u </id><title>T</title>\n"
			    "<updated>2026-11-22T23:00:00-04:00</updated>\n"
			    "<link rel='self' href='s'/><link href='a'/>"
			    "<link rel='alternate' href='b'/>\n"
			    "<author><id>z</id><name>n</name></author>\n"
			    "<entry>" OWN "<link rel='enclosure' href='e'/>"
			    "<link href='c?a&amp;b'/></entry>\n"
			    "<entry><source>" OWN "</source><title/></entry>\n"
			    "</feed>"),
		&a));
	assert_null(a.fault);
	assert_true(a.is_feed);
	assert_int_equal(a.feed.line, 2);
	assert_true(a.feed.has_id && a.feed.has_title && a.feed.dated);
	assert_int_equal(a.feed.day.day, 22);
	assert_string_equal(a.feed.id, "u");
	assert_string_equal(a.entry[0].id, "x");
	assert_null(a.entry[1].id);
	assert_string_equal(a.feed.link, "a");
	assert_string_equal(a.self, "s");
	assert_string_equal(a.feed.title, "T");
	assert_string_equal(a.entry[0].title, "t");
	assert_int_equal(a.n, 2);
	assert_int_equal(a.entry[0].line, 7);
	assert_true(a.entry[0].has_id && a.entry[0].dated);
	assert_string_equal(a.entry[0].link, "c?a&b");
	assert_int_equal(a.entry[1].line, 8);
	assert_false(a.entry[1].has_id || a.entry[1].has_title ||
		     a.entry[1].has_updated);
	assert_null(a.entry[1].link);
	assert_null(a.entry[1].title);
	atom_fini(&a);
}

static void
test_titles(void **state)
{
	static const struct {
		const char *text, *title;
	} rows[] = {
		{ "<title> a &amp; b\n</title>", "a & b" },
		{ "<title type='text'>a</title>", "a" },
		{ "<title type='html'>a</title>", NULL },
		{ "<title type='xhtml'><div>a</div></title>", NULL },
		{ "<title>a</title><title>b</title>", "a" },
		{ "<title/>", NULL },
	};
	char text[256];
	struct atom a;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(
		    text, sizeof(text), "<feed " NS ">%s</feed>", rows[i].text);
		assert_true(atom_read(slice_str(text), &a));
		check_row((a.feed.title == NULL) == (rows[i].title == NULL),
		    rows[i].text);
		if (rows[i].title != NULL)
			assert_string_equal(a.feed.title, rows[i].title);
		atom_fini(&a);
	}
}

static void
test_other_documents(void **state)
{
	static const struct {
		const char *text;
		bool well_formed, feed;
		unsigned line;
	} rows[] = {
		{ "<feed " NS "/>", true, true, 1 },
		{ "<a:feed xmlns:a='http://www.w3.org/2005/Atom'/>", true, true,
		    1 },
		{ "<feed/>", true, false, 1 },
		{ "<feed xmlns='http://example.org/'/>", true, false, 1 },
		{ "<rss><entry " NS "/></rss>", true, false, 1 },
		{ "\n<feed " NS ">\n</fed>", false, true, 3 },
		{ "<feed " NS ">\n&nbsp;</feed>", false, true, 2 },
		{ "<feed " NS ">\x01</feed>", false, true, 1 },
		{ "<feed " NS ">\xff</feed>", false, false, 0 },
		{ "<feed " NS "/>x", false, true, 1 },
		{ "", false, false, 1 },
		{ "\n<!DOCTYPE feed><feed " NS "/>", false, false, 2 },
		{ "<!DOCTYPE f [<!ENTITY a 'aaaaaaaa'>"
		  "<!ENTITY b '&a;&a;&a;&a;'>]><feed " NS ">&b;</feed>",
		    false, false, 1 },
		{ "<!DOCTYPE f SYSTEM 'file:///etc/passwd'><feed " NS "/>",
		    false, false, 1 },
	};
	struct atom a;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(atom_read(slice_str(rows[i].text), &a));
		check_row(
		    (a.fault == NULL) == rows[i].well_formed, rows[i].text);
		check_row(a.is_feed == rows[i].feed, rows[i].text);
		check_row(
		    (a.fault == NULL ? a.feed.line : a.line) == rows[i].line,
		    rows[i].text);
		atom_fini(&a);
	}
	assert_true(atom_read(SLICE("<!DOCTYPE a><a/>"), &a));
	assert_non_null(strstr(a.fault, "DOCTYPE"));
	atom_fini(&a);
}

static void
test_limits(void **state)
{
	struct buf text;
	struct atom a;

	(void)state;
	buf_init(&text, 1 << 20);
	assert_true(buf_str(&text, "<feed " NS ">"));
	for (int i = 0; i < ATOM_DEPTH_MAX; i++)
		assert_true(buf_str(&text, "<a>"));
	assert_true(atom_read(buf_view(&text), &a));
	assert_non_null(strstr(a.fault, "deep"));
	atom_fini(&a);
	buf_reset(&text);
	assert_true(buf_str(&text, "<feed " NS ">"));
	for (int i = 0; i < ATOM_ENTRIES_MAX + 1; i++)
		assert_true(buf_str(&text, "<entry/>"));
	assert_true(atom_read(buf_view(&text), &a));
	assert_non_null(strstr(a.fault, "many"));
	atom_fini(&a);
	buf_reset(&text);
	assert_true(buf_str(&text, "<feed " NS "><id>"));
	for (int i = 0; i < ATOM_TEXT_MAX + 1; i++)
		assert_true(buf_str(&text, "x"));
	assert_true(buf_str(&text, "</id></feed>"));
	assert_true(atom_read(buf_view(&text), &a));
	assert_null(a.fault);
	assert_true(a.feed.has_id);
	atom_fini(&a);
	buf_reset(&text);
	assert_true(buf_str(&text, "<feed " NS "><title>"));
	for (int i = 0; i < ATOM_TEXT_MAX + 1; i++)
		assert_true(buf_str(&text, i % 100 == 0 ? "\n" : "x"));
	assert_true(buf_str(&text, "</title></feed>"));
	assert_true(atom_read(buf_view(&text), &a));
	assert_true(a.feed.has_title);
	assert_null(a.feed.title);
	atom_fini(&a);
	buf_fini(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_feed_with_entries),
		cmocka_unit_test(test_titles),
		cmocka_unit_test(test_other_documents),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
