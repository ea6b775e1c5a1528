/* SPDX-License-Identifier: ISC */
#include "support/tree.h"

#include "verbs/verbs.h"

/* Every row of every verb's table can be parsed and printed. */
static void
test_tables(void **state)
{
	static const struct verb *const all[] = { &verb_serve, &verb_check,
		&verb_cert_new, &verb_cert_renew, &verb_cert_show, &verb_fetch,
		&verb_lint, &verb_feed, &verb_key_new, &verb_key_show,
		&verb_publish, &verb_rollback, &verb_prune, &verb_verify,
		&verb_mirror };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const struct verb *v = all[i];
		bool option, optional = false;
		size_t n = 0;

		check_row(strchr(v->summary, '\n') == NULL, v->name);
		check_row(
		    slice_ends(slice_str(v->about), SLICE("\n")), v->name);
		for (const struct arg *a = v->args; a->name != NULL; a++, n++) {
			option = a->name[0] == '-';
			check_row(option == (a->help != NULL), a->name);
			check_row((option && a->kind != ARG_KIND_FLAG) ==
				      (a->value != NULL),
			    a->name);
			check_row(a->at < v->job_size, a->name);
			check_row(a->min <= a->max, a->name);
			/* What must be there cannot follow what need not. */
			check_row(option || a->optional || !optional, a->name);
			optional = optional || (!option && a->optional);
		}
		check_row(n < ARGS_MAX, v->name);
	}
}

/* Where certificates are kept, by two variables of the environment. */
static const struct row {
	const char *rule;
	const char *data;
	const char *home;
	const char *want;
} rows[] = {
	{ "set", "/d", "/h", "/d/carnation" },
	{ "by habit", NULL, "/h", "/h/.local/share/carnation" },
	{ "empty is unset", "", "/h", "/h/.local/share/carnation" },
	{ "relative is unset", "d", "/h", "/h/.local/share/carnation" },
	{ "no home", NULL, NULL, NULL },
	{ "a home that is none", NULL, "h", NULL },
	{ "set, without a home", "/d", NULL, "/d/carnation" },
};

static void
set_variable(const char *name, const char *value)
{
	if (value == NULL)
		unsetenv(name);
	else
		setenv(name, value, 1);
}

static bool
is_text(char *got, const char *want, const char *after)
{
	char text[64];
	bool same;

	if (want == NULL || got == NULL) {
		same = want == NULL && got == NULL;
	} else {
		snprintf(text, sizeof(text), "%s%s", want, after);
		same = strcmp(got, text) == 0;
	}
	free(got);
	return same;
}

/* The number of the first row that is wrong, from 1. */
static int
try_rows(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		set_variable("XDG_DATA_HOME", rows[i].data);
		set_variable("HOME", rows[i].home);
		if (!is_text(
			default_known_hosts(), rows[i].want, "/known_hosts") ||
		    !is_text(default_certs_dir(), rows[i].want, "/certs"))
			return (int)i + 1;
	}
	return 0;
}

static void
test_default_dirs(void **state)
{
	int row = tree_run_as_nobody(try_rows, NULL);

	(void)state;
	if (row > 0)
		fail_msg("row \"%s\"", rows[row - 1].rule);
	if (geteuid() == 0)
		assert_true(is_text(
		    default_certs_dir(), "/var/lib/carnation", "/certs"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_default_dirs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
