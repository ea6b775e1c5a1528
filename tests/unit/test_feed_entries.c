/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "capsule/feed_entries.h"

static void
where_links_lead(void **state)
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
a_link_that_is_too_long_leads_nowhere(void **state)
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
newest_first_and_each_target_once(void **state)
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
		(void)buf_printf(&out, "%s %.*s %u|", e.item[i].target,
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
there_is_a_limit(void **state)
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
		cmocka_unit_test(where_links_lead),
		cmocka_unit_test(a_link_that_is_too_long_leads_nowhere),
		cmocka_unit_test(newest_first_and_each_target_once),
		cmocka_unit_test(there_is_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
