/* SPDX-License-Identifier: ISC */
#include "tree.h"

#include "verbs/verbs.h"

static void
test_find(void **state)
{
	(void)state;
	for (const struct verb *v = verbs; v->name != NULL; v++) {
		assert_ptr_equal(verb_find(v->name), v);
		assert_non_null(v->run);
		check_row(strchr(v->summary, '\n') == NULL, v->name);
		check_row(
		    slice_ends(slice_str(v->usage), SLICE("\n")), v->name);
		check_row(strstr(v->usage, v->name) != NULL, v->name);
	}
	assert_non_null(verb_find("serve"));
	assert_null(verb_find("serv"));
	assert_null(verb_find("SERVE"));
	assert_null(verb_find(""));
}

/* Where certificates lie, by two variables of the environment. */
static const struct row {
	const char *rule;
	const char *data;
	const char *home;
	const char *want;
} rows[] = {
	{ "told", "/d", "/h", "/d/carnation" },
	{ "by habit", NULL, "/h", "/h/.local/share/carnation" },
	{ "empty is unset", "", "/h", "/h/.local/share/carnation" },
	{ "relative is unset", "d", "/h", "/h/.local/share/carnation" },
	{ "no home", NULL, NULL, NULL },
	{ "a home that is none", NULL, "h", NULL },
	{ "told, without a home", "/d", NULL, "/d/carnation" },
};

static void
set_variable(const char *name, const char *value)
{
	if (value == NULL)
		(void)unsetenv(name);
	else
		(void)setenv(name, value, 1);
}

static bool
is_text(char *got, const char *want, const char *behind)
{
	char text[64];
	bool same;

	if (want == NULL || got == NULL) {
		same = want == NULL && got == NULL;
	} else {
		(void)snprintf(text, sizeof(text), "%s%s", want, behind);
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
		if (!is_text(default_data_dir(), rows[i].want, "") ||
		    !is_text(default_certs_dir(), rows[i].want, "/certs"))
			return (int)i + 1;
	}
	return 0;
}

static void
test_default_dirs(void **state)
{
	int row = tree_as_nobody(try_rows, NULL);

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
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_default_dirs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
