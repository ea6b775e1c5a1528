/* SPDX-License-Identifier: ISC */
#include "check.h"

#include "proto/subscription.h"

static void
test_dates(void **state)
{
	static const struct {
		const char *text;
		bool looks, is;
	} rows[] = {
		{ "2026-11-22", true, true },
		{ "2026-11-22 Title", true, true },
		{ "2026-11-22: Title", true, true },
		{ "2026-11-22Title", true, true },
		{ "2024-02-29", true, true },
		{ "2026-02-29", true, false },
		{ "2000-02-29", true, true },
		{ "1900-02-29", true, false },
		{ "2026-04-31", true, false },
		{ "2026-00-10", true, false },
		{ "2026-13-01", true, false },
		{ "2026-12-00", true, false },
		{ "2026-12-32", true, false },
		{ "0000-01-01", true, false },
		{ "0001-01-01", true, true },
		{ "9999-12-31", true, true },
		{ "2026-11-221", true, false },
		{ "2026-11-2", false, false },
		{ "2026/11/22", false, false },
		{ "26-11-22 xx", false, false },
		{ " 2026-11-22", false, false },
		{ "2026-1a-22", false, false },
		{ "", false, false },
	};
	struct subscription_day day;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice s = slice_str(rows[i].text);

		check_row(
		    subscription_looks_dated(s) == rows[i].looks, rows[i].text);
		check_row(
		    subscription_date(s, &day) == rows[i].is, rows[i].text);
	}
	assert_true(subscription_date(SLICE("2026-11-22 x"), &day));
	assert_int_equal(day.year, 2026);
	assert_int_equal(day.month, 11);
	assert_int_equal(day.day, 22);
}

static void
test_days_since_1970(void **state)
{
	static const struct {
		const char *date;
		int64_t days;
	} rows[] = {
		{ "1970-01-01", 0 },
		{ "1970-01-02", 1 },
		{ "1969-12-31", -1 },
		{ "1972-03-01", 790 },
		{ "1990-01-20", 7324 },
		{ "2000-02-29", 11016 },
		{ "2026-11-22", 20779 },
		{ "0001-01-01", -719162 },
		{ "9999-12-31", 2932896 },
	};
	struct subscription_day day;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(subscription_date(slice_str(rows[i].date), &day));
		check_row(
		    subscription_days(&day) == rows[i].days, rows[i].date);
	}
}

static void
test_titles(void **state)
{
	static const struct {
		const char *line, *url, *title;
	} rows[] = {
		{ "=> a.gmi 2026-11-22 Title", "a.gmi", "Title" },
		{ "=> a.gmi 2026-11-22 - Title", "a.gmi", "Title" },
		{ "=>a.gmi\t2026-11-22\t: - Title x ", "a.gmi", "Title x" },
		{ "=> a.gmi 2026-11-22: Title", "a.gmi", "Title" },
		{ "=> a.gmi 2026-11-22 - Title - more", "a.gmi",
		    "Title - more" },
		{ "=> a.gmi 2026-11-22 \u2014 Title", "a.gmi", "Title" },
		{ "=> a.gmi 2026-11-22 \u2013 Title", "a.gmi", "Title" },
		{ "=> a.gmi 2026-11-22 : Title", "a.gmi", "Title" },
		{ "=> a.gmi 2026-11-22 -- Title", "a.gmi", "Title" },
		{ "=> a.gmi 2026-11-22 \u2014Title \u2014 more", "a.gmi",
		    "Title \u2014 more" },
		{ "=> a.gmi 2026-11-22\u2014Title", "a.gmi", "Title" },
		{ "=> a.gmi 2026-11-22:Two words", "a.gmi", "Two words" },
		{ "=> a.gmi 2026-11-22-Title", "a.gmi", "Title" },
		{ "=> a.gmi 2026-11-22, Title", "a.gmi", "Title" },
		{ "=> a.gmi 2026-11-22T10:00:00Z \u2013 Title", "a.gmi",
		    "Title" },
		{ "=> a.gmi 2026-11-22 \u00e9t\u00e9", "a.gmi",
		    "\u00e9t\u00e9" },
		{ "=> a.gmi 2026-11-22 \u2014", "a.gmi", "" },
		{ "=> a.gmi 2026-11-22", "a.gmi", "" },
		{ "=> a.gmi 2026-11-22 -", "a.gmi", "" },
		{ "=> a.gmi 2026-11-22Title", "a.gmi", "" },
		{ "=> gemini://h/a?b 2026-11-22 T", "gemini://h/a?b", "T" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gemtext g = { .rest = slice_str(rows[i].line) };
		struct subscription_entry e;

		check_row(subscription_next(&g, &e), rows[i].line);
		check_slice(e.url, slice_str(rows[i].url));
		check_slice(e.title, slice_str(rows[i].title));
		check_slice(e.date, SLICE("2026-11-22"));
		check_row(e.dated, rows[i].line);
		check_row(!subscription_next(&g, &e), rows[i].line);
	}
}

static void
test_other_lines_are_not_entries(void **state)
{
	static const char page[] = "# Feed\n"
				   "=> a.gmi About\n"
				   "=> b.gmi\n"
				   "=>\n"
				   "2026-11-22 no link\n"
				   "=> c.gmi See 2026-11-22\n"
				   "```\n"
				   "=> d.gmi 2026-11-22 shown as it is\n"
				   "```\n"
				   "=> e.gmi 2026-02-30 No such day\r\n"
				   "=> f.gmi 2026-11-22 It";
	struct gemtext g = { .rest = slice_str(page) };
	struct subscription_entry e;

	(void)state;
	assert_true(subscription_next(&g, &e));
	check_slice(e.url, SLICE("e.gmi"));
	assert_false(e.dated);
	assert_int_equal(e.line, 10);
	check_slice(e.title, SLICE("No such day"));
	assert_true(subscription_next(&g, &e));
	check_slice(e.url, SLICE("f.gmi"));
	assert_true(e.dated);
	assert_int_equal(e.line, 11);
	assert_false(subscription_next(&g, &e));
}

static void
test_subtitles(void **state)
{
	static const struct {
		const char *page, *subtitle;
	} rows[] = {
		{ "# T\n## S\n", "S" },
		{ "# T\n\n\n## S\n## S2\n", "S" },
		{ "# T\n### 3\n# T2\n## S\n", "S" },
		{ "text\n# T\n## S\n", "S" },
		{ "# T\ntext\n## S\n", "" },
		{ "# T\n=> a\n## S\n", "" },
		{ "# T\n* a\n## S\n", "" },
		{ "# T\n```\n## S\n```\n", "" },
		{ "## S\n# T\n", "" },
		{ "## S\n", "" },
		{ "# T\n", "" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice page = slice_str(rows[i].page);

		check_slice(
		    subscription_subtitle(page), slice_str(rows[i].subtitle));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_days_since_1970),
		cmocka_unit_test(test_titles),
		cmocka_unit_test(test_other_lines_are_not_entries),
		cmocka_unit_test(test_subtitles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
