/* SPDX-License-Identifier: ISC */
#include "support/conf.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static void
dump_of(const struct conf *c, struct buf *out)
{
	buf_reset(out);
	assert_true(conf_dump(c, out));
	assert_non_null(buf_cstr(out));
}

static void
test_dump_reads_the_same(void **state)
{
	static const struct {
		const char *what;
		const char *text;
		const char *holds;
	} rows[] = {
		{ "defaults", "", "rate = 10;" },
		{ "full", conf_full, "host = \"example.org\";" },
		{ "quotes and backslashes", "user = \"a\\\"b\\\\c\\\"\";",
		    "user = \"a\\\"b\\x5cc\\\"\";" },
		{ "a tab and other control bytes",
		    "user = \"\\t\\x01\n\\x7f\";",
		    "user = \"\\x09\\x01\\x0a\\x7f\";" },
		{ "UTF-8", "user = \"\xc3\xa9 \\xc3\\xa9\";",
		    "user = \"\xc3\xa9 \xc3\xa9\";" },
		{ "what deceives a terminal",
		    "user = \"\xe2\x80\xae \xc2\x9b \xff\";",
		    "user = \"\\xe2\\x80\\xae \\xc2\\x9b \\xff\";" },
		{ "joined texts", "user = \"a\" \"b\";", "user = \"ab\";" },
		{ "empty lists that were written",
		    "listen = []; limits = { exempt = (); };"
		    "capsules = ( { gone = []; } ); types = ();",
		    "gone = [];" },
		{ "switches",
		    "capsules = ( { listing = false; "
		    "paths = ( { glob = \"*\"; }, { glob = \"/\"; "
		    "listing = true; } ); } );",
		    "listing = false;" },
	};
	struct buf first, second;

	(void)state;
	buf_init(&first, 1 << 20);
	buf_init(&second, 1 << 20);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct report r = { 0 };
		struct conf *c = conf_parse_text(rows[i].text, &r);

		check_row(r.n == 0, rows[i].what);
		dump_of(c, &first);
		conf_free(&c);
		check_row(strstr(buf_cstr(&first), rows[i].holds) != NULL,
		    rows[i].what);
		c = conf_parse_text(buf_cstr(&first), &r);
		check_row(r.n == 0, rows[i].what);
		dump_of(c, &second);
		conf_free(&c);
		check_slice(buf_view(&second), buf_view(&first));
		report_fini(&r);
	}
	buf_fini(&second);
	buf_fini(&first);
}

/* A dump may be read in another place than the one where a relative path was
 * typed. */
static void
test_dump_has_absolute_paths(void **state)
{
	struct conf *c = conf_new();
	struct conf_capsule *capsule = conf_add_capsule(c);
	char want[PATH_MAX + 64];
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	assert_true(conf_set_text(c, &capsule->root, "caps"));
	assert_true(conf_list_add(c, &c->listen, "unix:s"));
	dump_of(c, &out);
	snprintf(want, sizeof(want), "root = \"%s/caps\";", conf_directory);
	assert_non_null(strstr(buf_cstr(&out), want));
	snprintf(
	    want, sizeof(want), "listen = [\"unix:%s/s\"];", conf_directory);
	assert_non_null(strstr(buf_cstr(&out), want));
	assert_non_null(strstr(buf_cstr(&out), "access = \"stderr\";"));
	buf_fini(&out);
	conf_free(&c);
}

/* What the operator leaves to the capsule would win over it, were it
 * written. */
static void
test_dump_omits_unset_capsule_settings(void **state)
{
	static const char *const unsaid[] = { "index", "listing", "gone",
		"order", "lang", "paths", "aliases", "hidden", "suites" };
	struct conf *c = conf_new();
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	assert_non_null(conf_add_capsule(c));
	dump_of(c, &out);
	for (size_t i = 0; i < sizeof(unsaid) / sizeof(unsaid[0]); i++)
		check_row(strstr(buf_cstr(&out), unsaid[i]) == NULL, unsaid[i]);
	buf_fini(&out);
	conf_free(&c);
}

static void
test_dump_that_does_not_fit(void **state)
{
	struct conf *c = conf_new();
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	assert_false(conf_dump(c, &out));
	buf_fini(&out);
	conf_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dump_reads_the_same),
		cmocka_unit_test(test_dump_has_absolute_paths),
		cmocka_unit_test(test_dump_omits_unset_capsule_settings),
		cmocka_unit_test(test_dump_that_does_not_fit),
	};

	return cmocka_run_group_tests(tests, conf_set_up, conf_tear_down);
}
