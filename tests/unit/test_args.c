/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "verbs/args.h"

static const struct args_option options[] = {
	{ "--listen", 'l', true },
	{ "--open", 'o', false },
	{ "--workers", 1, true }, /* no letter that could be typed */
	{ "--host", 2, ARGS_MANY },
	{ NULL, 0, false },
};

static FILE *said; /* stands for stderr */
static int real_stderr;

static int
set_up(void **state)
{
	(void)state;
	said = tmpfile();
	real_stderr = dup(STDERR_FILENO);
	return said == NULL || dup2(fileno(said), STDERR_FILENO) == -1 ? -1 : 0;
}

static int
tear_down(void **state)
{
	(void)state;
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	return fclose(said);
}

/* What was said since the last time. */
static const char *
message(void)
{
	static char text[1024];
	ssize_t n;

	(void)fflush(stderr);
	n = pread(fileno(said), text, sizeof(text) - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	assert_int_equal(ftruncate(fileno(said), 0), 0);
	(void)lseek(STDERR_FILENO, 0, SEEK_SET);
	return text;
}

struct step {
	int what; /* 0: the end of the row */
	const char *value;
};

static const struct row {
	const char *rule;
	const char *words[8];
	struct step steps[8];
	const char *message; /* NULL: none */
} rows[] = {
	{ "nothing", { NULL }, { { ARGS_END, NULL } }, NULL },
	{ "a word", { "dir", NULL }, { { ARGS_WORD, "dir" } }, NULL },
	{ "a value in the next word", { "--listen", ":7", "x" },
	    { { 'l', ":7" }, { ARGS_WORD, "x" }, { ARGS_END, NULL } }, NULL },
	{ "a value behind =", { "--listen=:7", "x" },
	    { { 'l', ":7" }, { ARGS_WORD, "x" } }, NULL },
	{ "an empty value behind =", { "--listen=", "x" },
	    { { 'l', "" }, { ARGS_WORD, "x" } }, NULL },
	{ "a value with = in it", { "--listen=a=b" }, { { 'l', "a=b" } },
	    NULL },
	{ "a value behind a letter", { "-l:7", "x" },
	    { { 'l', ":7" }, { ARGS_WORD, "x" } }, NULL },
	{ "a value in the word behind a letter", { "-l", ":7" },
	    { { 'l', ":7" }, { ARGS_END, NULL } }, NULL },
	{ "a value that looks like an option", { "--listen", "--open" },
	    { { 'l', "--open" }, { ARGS_END, NULL } }, NULL },
	{ "a value that ends options elsewhere", { "-l", "--", "-o" },
	    { { 'l', "--" }, { 'o', NULL } }, NULL },
	{ "without a value", { "--open", "-o", "x" },
	    { { 'o', NULL }, { 'o', NULL }, { ARGS_WORD, "x" } }, NULL },
	{ "a code that is no letter", { "--workers", "3" }, { { 1, "3" } },
	    NULL },
	{ "-- ends options", { "-o", "--", "--open", "--", "-x" },
	    { { 'o', NULL }, { ARGS_WORD, "--open" }, { ARGS_WORD, "--" },
		{ ARGS_WORD, "-x" }, { ARGS_END, NULL } },
	    NULL },
	{ "-- alone", { "--" }, { { ARGS_END, NULL } }, NULL },
	{ "- is a word", { "-", "-o" }, { { ARGS_WORD, "-" }, { 'o', NULL } },
	    NULL },
	{ "words between options", { "a", "-o", "b" },
	    { { ARGS_WORD, "a" }, { 'o', NULL }, { ARGS_WORD, "b" } }, NULL },
	{ "a value given twice", { "--listen", "a", "-lb" },
	    { { 'l', "a" }, { ARGS_BAD, NULL } },
	    "carnation serve: --listen given twice\n" },
	{ "the same value given twice", { "--workers=3", "--workers=3" },
	    { { 1, "3" }, { ARGS_BAD, NULL } },
	    "carnation serve: --workers given twice\n" },
	{ "what may be given several times", { "--host=a", "--host", "b" },
	    { { 2, "a" }, { 2, "b" }, { ARGS_END, NULL } }, NULL },
	{ "a value is missing", { "--listen" }, { { ARGS_BAD, NULL } },
	    "carnation serve: --listen needs a value\n" },
	{ "a letter's value is missing", { "-l" }, { { ARGS_BAD, NULL } },
	    "carnation serve: --listen needs a value\n" },
	{ "no value is taken", { "--open=yes" }, { { ARGS_BAD, NULL } },
	    "carnation serve: --open takes no value\n" },
	{ "letters do not go together", { "-ol" }, { { ARGS_BAD, NULL } },
	    "carnation serve: --open takes no value\n" },
	{ "mistyped", { "--lsiten", "x" }, { { ARGS_BAD, NULL } },
	    "carnation serve: unknown option --lsiten; did you mean "
	    "--listen?\n" },
	{ "cut short", { "--liste" }, { { ARGS_BAD, NULL } },
	    "carnation serve: unknown option --liste; did you mean "
	    "--listen?\n" },
	{ "like nothing known", { "--frobnicate" }, { { ARGS_BAD, NULL } },
	    "carnation serve: unknown option --frobnicate\n" },
	{ "an unknown letter", { "-x" }, { { ARGS_BAD, NULL } },
	    "carnation serve: unknown option -x\n" },
};

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *argv[10] = { (char *)(uintptr_t) "serve" };
		struct args a = { .verb = "serve",
			.options = options,
			.argc = 1,
			.argv = argv };
		const struct step *step = rows[i].steps;

		for (; rows[i].words[a.argc - 1] != NULL; a.argc++)
			argv[a.argc] =
			    (char *)(uintptr_t)rows[i].words[a.argc - 1];
		for (; step->what != 0; step++) {
			check_row(args_next(&a) == step->what, rows[i].rule);
			check_row((a.value == NULL) == (step->value == NULL),
			    rows[i].rule);
			if (a.value != NULL)
				check_row(strcmp(a.value, step->value) == 0,
				    rows[i].rule);
		}
		check_slice(slice_str(message()),
		    slice_str(rows[i].message == NULL ? "" : rows[i].message));
	}
}

static void
test_number(void **state)
{
	static const struct {
		const char *text;
		long number; /* -1: refused */
	} numbers[] = {
		{ "1", 1 },
		{ "64", 64 },
		{ "007", 7 },
		{ "0", -1 },
		{ "65", -1 },
		{ "", -1 },
		{ "-1", -1 },
		{ "+1", -1 },
		{ " 1", -1 },
		{ "1 ", -1 },
		{ "1x", -1 },
		{ "0x1", -1 },
		{ "18446744073709551617", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		const char *text = numbers[i].text;
		struct args a = { .verb = "serve", .value = text };
		char want[128];
		long n = -1;

		check_row(args_number(&a, "--workers", 1, 64, &n) ==
			      (numbers[i].number != -1),
		    text);
		check_row(n == numbers[i].number, text);
		(void)snprintf(want, sizeof(want),
		    "carnation serve: --workers: \"%s\" is not a number from "
		    "1 to 64\n",
		    text);
		check_slice(slice_str(message()),
		    n != -1 ? SLICE("") : slice_str(want));
	}
}

static void
test_name(void **state)
{
	static const char *const blank[] = { "", " ", "\t", "\x07\n" };
	struct args a = { .verb = "feed", .value = "A B" };
	struct slice name = SLICE("");

	(void)state;
	assert_true(args_name(&a, "--author", &name));
	check_slice(name, SLICE("A B"));
	check_slice(slice_str(message()), SLICE(""));
	for (size_t i = 0; i < sizeof(blank) / sizeof(blank[0]); i++) {
		a.value = blank[i];
		assert_false(args_name(&a, "--author", &name));
		check_slice(slice_str(message()),
		    SLICE("carnation feed: --author: the name is empty\n"));
		check_slice(name, SLICE("A B"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_number, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_name, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
