/* SPDX-License-Identifier: ISC */
#include "support/linter.h"

#include <string.h>

#include "capsule/lint_internal.h"
#include "check.h"

static void
test_levels(void **state)
{
	(void)state;
	tree_write("root/index.gmi", "# x\n=> nowhere.gmi e\n");
	capsule_open_one("lang = \"az\";");
	linter_run();
	assert_int_equal(lint_count(lint, LINT_ERROR), 1);
	assert_true(lint_set(lint, "G007", LINT_WARNING));
	linter_run();
	assert_int_equal(lint_count(lint, LINT_ERROR), 0);
	assert_int_equal(lint_count(lint, LINT_WARNING), 1);
	assert_true(lint_set(lint, "G007", LINT_OFF));
	linter_run();
	assert_int_equal(linter_count("G007"), 0);
	assert_int_equal(lint_count(lint, LINT_WARNING), 0);
	assert_false(lint_set(lint, "G999", LINT_OFF));
	assert_false(lint_set(lint, "", LINT_OFF));
}

static void
test_findings_are_in_order(void **state)
{
	const struct lint_finding *f;
	char got[256] = "";
	struct buf out;
	size_t n;

	(void)state;
	tree_write("root/b.gmi", "# x\n#\n=> x\n");
	tree_write("root/a.gmi", "# x\n");
	capsule_open_one("");
	linter_run();
	f = lint_findings(lint, &n);
	buf_wrap(&out, got, sizeof(got) - 1);
	for (size_t i = 0; i < n; i++)
		buf_printf(&out, "%s %s:%u\n", f[i].rule->code,
		    f[i].file == NULL ? "." : f[i].file, f[i].line);
	assert_string_equal(got, "C012 .:0\nG007 b.gmi:3\n"
				 "C001 .:0\nC004 a.gmi:0\nC004 b.gmi:0\n"
				 "G027 b.gmi:2\nG030 b.gmi:2\nG018 b.gmi:3\n");
}

static void
test_texts_are_kept_up_to_a_limit(void **state)
{
	char text[LINT_TEXT_MAX + 100];
	const struct lint_finding *f;
	size_t n;

	(void)state;
	capsule_open_one("");
	linter_run();
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	lint_add(lint, "G001", "a", 1, "a\x1b[m\n\xff%s", text);
	f = lint_findings(lint, &n);
	f = &f[n - 1];
	assert_true(
	    slice_starts(slice_str(f->text), SLICE("a\x1b[m\n\xffxxx")));
	assert_true(strlen(f->text) < LINT_TEXT_MAX);
	assert_int_equal(f->level, LINT_ERROR);
}

static void
test_excess_findings_are_only_counted(void **state)
{
	const struct lint_finding *f;
	size_t n, before;

	(void)state;
	capsule_open_one("");
	linter_run();
	before = lint_count(lint, LINT_ERROR);
	for (unsigned i = 0; i < LINT_FINDINGS_MAX + 5; i++)
		lint_add(lint, "G033", "a", i, "again");
	lint_add(lint, "G001", "a", 0, "the error after them");
	f = lint_findings(lint, &n);
	assert_int_equal(n, before + LINT_FINDINGS_MAX + 1);
	assert_string_equal(f[n - 1].rule->code, "G001");
	assert_true(lint_count(lint, LINT_WARNING) >= LINT_FINDINGS_MAX + 5);
}

static void
test_levels_as_text(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "G007=off", NULL },
		{ "G007=warn", NULL },
		{ "G007=error", NULL },
		{ "g007=off", "unknown check \"g007\"; did you mean G007?" },
		{ "=off", "unknown check \"\"" },
		{ "G007", "invalid level \"G007\" (CODE=off, CODE=warn or "
			  "CODE=error)" },
	};
	struct why why;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(lint_set_text(NULL, rows[i].text, &why) ==
			      (rows[i].why == NULL),
		    rows[i].text);
		if (rows[i].why != NULL)
			assert_string_equal(why.text, rows[i].why);
	}
	tree_write("root/index.gmi", "# x\n=> x X\n");
	capsule_open_one("");
	linter_run();
	assert_int_equal(lint_count(lint, LINT_ERROR), 1);
	assert_true(lint_set_text(lint, "G007=warn", &why));
	linter_run();
	assert_int_equal(lint_count(lint, LINT_ERROR), 0);
}

static void
test_unreadable_root(void **state)
{
	(void)state;
	capsule_open_one("");
	linter_run();
	close(capsule.hosts->host[0].root);
	capsule.hosts->host[0].root = -1;
	assert_false(
	    lint_run(lint, capsule.hosts, capsule_host(), linter_mime));
}

static void
test_table(void **state)
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
	const struct CMUnitTest tests[] = {
		linter_test(test_levels),
		linter_test(test_findings_are_in_order),
		linter_test(test_texts_are_kept_up_to_a_limit),
		linter_test(test_excess_findings_are_only_counted),
		linter_test(test_levels_as_text),
		linter_test(test_unreadable_root),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
