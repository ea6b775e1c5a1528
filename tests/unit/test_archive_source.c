/* SPDX-License-Identifier: ISC */
#include "archive/source.h"

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
	sources_know_origin(&s, "gemini://two.test/");
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
		  "=> gemini://two.test/page.gmi a page is no capsule\n"
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
test_strikes(void **state)
{
	struct sources s = { 0 };
	struct source *one = &s.at[0];
	char words[2 * SOURCE_SAID_MAX];

	(void)state;
	sources_add(&s, "gemini://one.test/");
	memset(words, 'x', sizeof(words));
	for (int i = 1; i < SOURCE_STRIKES; i++)
		source_blame(one, SLICE("odd"));
	assert_false(one->out);
	assert_int_equal(one->paused_ms, 0); /* a wrong answer came at once */
	source_praise(one);
	source_strike(one, slice_of(words, sizeof(words)), 1);
	assert_false(one->out);
	assert_true(one->paused_ms > clock_ms());
	assert_int_equal(strlen(one->said), SOURCE_SAID_MAX - 1);
	assert_true(sources_left(&s));
	source_strike(one, SLICE("slow"), SOURCE_SLOW_MS);
	assert_true(one->out); /* such patience is had once */
	assert_false(sources_left(&s));
	sources_revive(&s);
	assert_true(sources_left(&s));
	for (int i = 0; i < SOURCE_ABSENT_MAX; i++) {
		assert_false(one->out);
		source_miss(one);
	}
	assert_true(one->out);
	one->distrusted = true;
	sources_revive(&s);
	assert_true(one->out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_strikes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
