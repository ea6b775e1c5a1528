/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <string.h>
#include <unistd.h>

#include "conf/report.h"

static void
formatted(const struct report_item *item, const char *want)
{
	struct buf out;

	buf_init(&out, 8192);
	assert_true(report_format(item, &out));
	assert_string_equal(buf_cstr(&out), want);
	buf_fini(&out);
}

static void
test_places(void **state)
{
	struct report r = { 0 };

	(void)state;
	report_add(&r, REPORT_ERROR, "a.conf", 7, "no \"%s\"", "host");
	report_add(&r, REPORT_WARNING, "a.conf", 0, "old");
	report_add(&r, REPORT_ERROR, NULL, 0, "nowhere");
	report_add(&r, REPORT_WARNING, "e\nvil", 1, "two\nlines \x1b[2J \\");
	assert_int_equal(r.n, 4);
	assert_int_equal(r.errors, 2);
	assert_int_equal(r.warnings, 2);
	formatted(&r.items[0], "a.conf:7: error: no \"host\"");
	formatted(&r.items[1], "a.conf: warning: old");
	formatted(&r.items[2], "error: nowhere");
	formatted(
	    &r.items[3], "e\\x0avil:1: warning: two\\x0alines \\x1b[2J \\");
	assert_int_equal(r.items[0].line, 7);
	report_fini(&r);
	assert_int_equal(r.n + r.errors + r.warnings, 0);
	report_fini(&r);
}

static void
test_same_finding_is_reported_once(void **state)
{
	static const struct {
		const char *what;
		const char *file;
		const char *text;
		size_t n;
		enum report_level level;
		unsigned line;
	} rows[] = {
		{ "first", "a", "x", 1, REPORT_ERROR, 1 },
		{ "again", "a", "x", 1, REPORT_ERROR, 1 },
		{ "another line", "a", "x", 2, REPORT_ERROR, 2 },
		{ "another file", "b", "x", 3, REPORT_ERROR, 1 },
		{ "no file", NULL, "x", 4, REPORT_ERROR, 1 },
		{ "no file again", NULL, "x", 4, REPORT_ERROR, 1 },
		{ "another text", "a", "y", 5, REPORT_ERROR, 1 },
		{ "another level", "a", "x", 6, REPORT_WARNING, 1 },
	};
	struct report r = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		report_add(&r, rows[i].level, rows[i].file, rows[i].line, "%s",
		    rows[i].text);
		check_row(r.n == rows[i].n, rows[i].what);
		check_row(r.errors + r.warnings == r.n, rows[i].what);
	}
	report_fini(&r);
}

static void
test_more_than_the_maximum_is_counted(void **state)
{
	struct report r = { 0 };

	(void)state;
	for (unsigned i = 0; i < REPORT_MAX + 5; i++)
		report_add(&r, REPORT_ERROR, NULL, 0, "%u", i);
	assert_int_equal(r.n, REPORT_MAX);
	assert_int_equal(r.errors, REPORT_MAX + 5);
	report_fini(&r);
}

static void
test_warnings_leave_room_for_errors(void **state)
{
	struct report r = { 0 };

	(void)state;
	for (unsigned i = 0; i < REPORT_MAX + 5; i++)
		report_add(&r, REPORT_WARNING, NULL, 0, "%u", i);
	report_add(&r, REPORT_ERROR, NULL, 0, "x");
	assert_int_equal(r.n, REPORT_MAX + 1);
	assert_string_equal(r.items[REPORT_MAX].text, "x");
	report_fini(&r);
}

static void
test_long_text_is_cut(void **state)
{
	static char longest[100000];
	struct report r = { 0 };

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	report_add(&r, REPORT_ERROR, NULL, 0, "%s", longest);
	assert_int_equal(r.n, 1);
	assert_in_range(strlen(r.items[0].text), 1000, 20000);
	report_fini(&r);
}

/* What is written to standard error while the items of r are logged. */
static void
logged(const struct report *r, char *out, size_t size)
{
	int pipes[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe(pipes), 0);
	assert_true(dup2(pipes[1], STDERR_FILENO) != -1);
	report_log(r);
	assert_true(dup2(saved, STDERR_FILENO) != -1);
	close(saved);
	close(pipes[1]);
	n = read(pipes[0], out, size - 1);
	close(pipes[0]);
	assert_true(n >= 0);
	out[n] = '\0';
}

static void
test_log(void **state)
{
	struct report r = { 0 };
	char text[4096];

	(void)state;
	report_add(&r, REPORT_WARNING, NULL, 0, "odd");
	report_add(&r, REPORT_ERROR, "a.conf", 3, "bad");
	r.errors += 2; /* as if they had not been kept */
	logged(&r, text, sizeof(text));
	assert_non_null(strstr(text, "error: a.conf:3: bad\n"));
	assert_non_null(strstr(text, "warning: odd\n"));
	assert_true(strstr(text, "bad") < strstr(text, "odd"));
	assert_non_null(strstr(text, "warning: 2 further problems"));
	report_fini(&r);
}

static void
test_format_fails_when_there_is_no_room(void **state)
{
	static char file[] = "a.conf", text[] = "text";
	const struct report_item item = {
		.level = REPORT_ERROR,
		.file = file,
		.line = 12,
		.text = text,
	};
	char memory[sizeof("a.conf:12: error: text") - 1];

	(void)state;
	for (size_t size = 0; size <= sizeof(memory); size++) {
		struct buf out;

		buf_wrap(&out, memory, size);
		assert_int_equal(
		    report_format(&item, &out), size == sizeof(memory));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_same_finding_is_reported_once),
		cmocka_unit_test(test_more_than_the_maximum_is_counted),
		cmocka_unit_test(test_warnings_leave_room_for_errors),
		cmocka_unit_test(test_long_text_is_cut),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_format_fails_when_there_is_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
