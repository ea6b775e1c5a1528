/* SPDX-License-Identifier: ISC */
#include "archive/fetcher.h"

#include <stdio.h>
#include <string.h>

#include "check.h"
#include "util/clock.h"

static void
test_add(void **state)
{
	struct sources s = { 0 };
	char base[64];

	(void)state;
	sources_add(&s, "gemini://one.test/");
	sources_add(&s, "gemini://two.test/");
	sources_add(&s, "gemini://one.test/");
	assert_int_equal(s.n, 2);
	sources_add_origin(&s, "gemini://two.test/");
	assert_false(s.at[0].by_path);
	assert_true(s.at[1].by_path);
	for (int i = 0; i < 2 * SOURCES_MAX; i++) {
		snprintf(base, sizeof(base), "gemini://m%d.test/", i);
		sources_add(&s, base);
	}
	assert_int_equal(s.n, SOURCES_MAX);
}

static void
test_links(void **state)
{
	const struct slice page =
	    SLICE("# Mirrors\n"
		  "=> gemini://ONE.test:1965 One, where, who\n"
		  "=> gemini://two.test/page.gmi a page is not a capsule\n"
		  "=> https://three.test/ another scheme\n"
		  "=> /four.gmi ours\n"
		  "=> gemini://me.test:1966/ ourselves\n"
		  "=> gemini://user@five.test/ nobody\n"
		  "```\n=> gemini://six.test/ shown, not linked\n```\n"
		  "=> gemini://[::1]:7/\n"
		  "=> gemini://seven.test/?x\n"
		  "gemini://eight.test/\n");
	struct sources s = { 0 };

	(void)state;
	sources_add_links(&s, page, "me.test");
	assert_int_equal(s.n, 2);
	assert_string_equal(s.at[0].base, "gemini://one.test/");
	assert_string_equal(s.at[1].base, "gemini://[::1]:7/");
	sources_add_links(&s, page, "");
	assert_int_equal(s.n, 3);
	assert_string_equal(s.at[2].base, "gemini://me.test:1966/");
}

static void
test_failures(void **state)
{
	struct sources s = { 0 };
	struct source *one = &s.at[0];

	(void)state;
	sources_add(&s, "gemini://one.test/");
	for (int i = 1; i < SOURCE_OUT / SOURCE_FAILURE; i++)
		source_strike(one, "odd", 0);
	assert_false(source_is_out(one));
	source_praise(one, 0, 0);
	source_strike(one, "slow", 1);
	assert_false(source_is_out(one));
	assert_true(one->paused_ms > clock_ms());
	assert_string_equal(one->said.text, "slow");
	source_strike(one, "slow", SOURCE_SLOW_MS);
	assert_true(source_is_out(one)); /* such a wait is granted once */
	sources_revive(&s);
	assert_false(source_is_out(one));
	for (int i = 0; i < SOURCE_OUT / SOURCE_MISS; i++) {
		assert_false(source_is_out(one));
		source_miss(one);
	}
	assert_true(source_is_out(one));
	/* What it lacks and what it does wrong come to one number. */
	sources_revive(&s);
	for (int i = 0; i < SOURCE_FAILURE / SOURCE_MISS; i++)
		source_miss(one);
	source_strike(one, "odd", 0);
	assert_false(source_is_out(one));
	source_strike(one, "odd", 0);
	source_miss(one);
	assert_true(source_is_out(one));
	sources_revive(&s);
	one->distrusted = true;
	assert_true(source_is_out(one));
}

static void
test_late(void **state)
{
	const uint64_t each = SOURCE_EACH_MS;
	struct source one = { 0 };

	(void)state;
	/* a fair rate, however much it is */
	for (int i = 0; i < 100; i++)
		source_delay(&one, 60 * SOURCE_RATE, each + 60 * 1000);
	assert_false(source_is_slow(&one));
	assert_false(source_is_late(&one, 0, each + SOURCE_LATE_MS));
	assert_true(source_is_late(&one, 0, each + SOURCE_LATE_MS + 1));
	/* many small delays are a long one */
	for (int i = 0; i < 5; i++)
		source_delay(&one, 1, each + SOURCE_LATE_MS / 5);
	assert_false(source_is_slow(&one));
	source_delay(&one, 1, each + 1);
	assert_true(source_is_slow(&one));
	assert_false(source_is_out(&one));
	/* which quick answers make good */
	source_delay(&one, 1, each - 1);
	assert_false(source_is_slow(&one));
}

/* One minute each, and a second more for each file that came. */
static void
test_pause(void **state)
{
	struct source one = { 0 }, two = { 0 };
	const uint64_t timeout = 60 * 1000;
	uint64_t paused;

	(void)state;
	assert_false(source_pause(&one, timeout + 1, timeout));
	assert_int_equal(one.paused_ms, 0);
	assert_true(source_pause(&one, 40000, timeout));
	paused = one.paused_ms;
	assert_true(paused >= clock_ms() + 30000);
	/* Two requests were delayed at once: it is one wait. */
	assert_true(source_pause(&one, 30000, timeout));
	assert_true(one.paused_ms == paused);
	assert_false(source_pause(&one, timeout + 10000, timeout));
	assert_true(source_pause(&two, timeout, timeout));
	/* A file a second is a pace. */
	for (int i = 0; i < 1000; i++) {
		one.paused_ms = 0;
		assert_true(source_pause(&one, SOURCE_EACH_MS, timeout));
		source_delay(&one, 0, 0);
	}
	for (int i = 0; i < 100; i++)
		source_delay(&one, 0, 0);
	one.paused_ms = 0;
	assert_false(source_pause(&one, timeout + 1, timeout));
	assert_true(source_pause(&one, timeout, timeout));
}

static void
test_stop(void **state)
{
	volatile sig_atomic_t signal = 0;
	struct fetcher c = { .stop = &signal };

	(void)state;
	assert_false(fetcher_stopped(&c));
	c.deadline_ms = clock_ms() + 600 * 1000;
	assert_false(fetcher_stopped(&c));
	signal = 1;
	assert_true(fetcher_stopped(&c));
	assert_string_equal(fetcher_stop_word(&c), "interrupted");
	signal = 0;
	c.deadline_ms = 1;
	assert_true(fetcher_stopped(&c));
	assert_non_null(strstr(fetcher_stop_word(&c), "deadline"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
