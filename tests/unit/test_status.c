/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <string.h>

#include "proto/status.h"

static void
the_codes_of_1_2_33_and_no_others(void **state)
{
	const int known[] = { 10, 11, 20, 30, 31, 40, 41, 42, 43, 44, 50, 51,
		52, 53, 59, 60, 61, 62 };
	size_t next = 0;

	(void)state;
	for (int code = -1; code < 100; code++) {
		bool want = next < sizeof(known) / sizeof(known[0]) &&
			    known[next] == code;

		assert_int_equal(status_known(code), want);
		next += want;
	}
	assert_int_equal(next, 18);
}

static void
texts_are_fit_to_be_sent(void **state)
{
	(void)state;
	for (int code = 0; code < 100; code++) {
		const char *text = status_text((enum status)code);

		assert_true(strlen(text) > 0);
		assert_true(text[0] != ' ');
		for (const char *p = text; *p != '\0'; p++)
			assert_in_range(*p, ' ', '~');
	}
	/* 1.3: whole seconds are valid in the old and the new specification */
	assert_true(strspn(status_text(STATUS_SLOW_DOWN), "0123456789") > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_codes_of_1_2_33_and_no_others),
		cmocka_unit_test(texts_are_fit_to_be_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
