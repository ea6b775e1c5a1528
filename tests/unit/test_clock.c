/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <string.h>
#include <time.h>

#include "util/clock.h"

static void
test_rfc3339(void **state)
{
	const struct {
		int64_t wall;
		const char *text;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00Z" },
		{ 632966400, "1990-01-22T00:00:00Z" },
		{ 951782400, "2000-02-29T00:00:00Z" },
		{ 1795341600, "2026-11-22T10:00:00Z" },
		{ 4102444799, "2099-12-31T23:59:59Z" },
		{ -1, "1969-12-31T23:59:59Z" },
		{ INT64_MAX, "9999-12-31T23:59:59Z" },
		{ INT64_MIN, "0000-01-01T00:00:00Z" },
	};
	char out[CLOCK_RFC3339_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		clock_rfc3339(rows[i].wall, out);
		assert_string_equal(out, rows[i].text);
	}
}

static void
test_now_has_milliseconds(void **state)
{
	char before[CLOCK_RFC3339_SIZE], now[CLOCK_RFC3339_SIZE];
	char after[CLOCK_RFC3339_SIZE];

	(void)state;
	clock_rfc3339(clock_wall(), before);
	clock_rfc3339_now(now);
	clock_rfc3339(clock_wall() + 1, after);
	assert_int_equal(strlen(now), CLOCK_RFC3339_SIZE - 1);
	assert_int_equal(now[19], '.');
	assert_int_equal(now[23], 'Z');
	assert_true(strspn(now + 20, "0123456789") == 3);
	assert_true(strncmp(before, now, 19) <= 0);
	assert_true(strncmp(now, after, 19) <= 0);
}

static void
test_time_goes_forward(void **state)
{
	const struct timespec nap = { .tv_nsec = 20000000 };
	uint64_t ms = clock_ms(), us = clock_us();

	(void)state;
	assert_true(us / 1000 - ms < 1000);
	nanosleep(&nap, NULL);
	assert_in_range(clock_ms() - ms, 19, 5000);
	assert_in_range(clock_us() - us, 19000, 5000000);
	assert_in_range(clock_wall() - (int64_t)time(NULL) + 2, 1, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc3339),
		cmocka_unit_test(test_now_has_milliseconds),
		cmocka_unit_test(test_time_goes_forward),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
