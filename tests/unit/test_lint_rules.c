/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <string.h>

#include "capsule/lint_internal.h"

static void
test_the_table(void **state)
{
	const struct lint_rule *rules;
	size_t n;

	(void)state;
	rules = lint_rules(&n);
	assert_true(n > 70);
	for (size_t i = 0; i < n; i++) {
		const struct lint_rule *r = &rules[i];

		check_row(strlen(r->code) == 4, r->code);
		check_row(strchr("ACFGRSW", r->code[0]) != NULL, r->code);
		check_row(strspn(r->code + 1, "0123456789") == 3, r->code);
		check_row(i == 0 || strcmp(r[-1].code, r->code) < 0, r->code);
		check_row(r->level != LINT_OFF, r->code);
		check_row(strlen(r->what) > 0 && strlen(r->what) < 60, r->code);
		check_row(lint_rule_find(r->code) == r, r->code);
	}
	assert_null(lint_rule_find("G000"));
	assert_null(lint_rule_find("g007"));
	assert_null(lint_rule_find(""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_the_table) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
