/* SPDX-License-Identifier: ISC */
#include "conf_help.h"

#include <string.h>

#define SOUND "capsules = ( { host = \"h\"; root = \"/r\"; } );"

/* What conf_check says of a configuration that could be read. */
static void
test_checking_reports(void **state)
{
	static const struct {
		const char *what;
		const char *text;
		const char *items[8];
	} rows[] = {
		{ "nothing", SOUND, { NULL } },
		{ "no capsule", "",
		    { "carnation.conf: error: no capsule: nothing to serve" } },
		{ "no burst", SOUND "\nlimits = {\nburst = 0; };",
		    { "carnation.conf:3: error: limits.burst: 0 would refuse "
		      "every request while limits.rate is 10" } },
		{ "neither burst nor rate",
		    SOUND "limits = { burst = 0; rate = 0; };", { NULL } },
		{ "an empty capsule", "\ncapsules = (\n{ } );",
		    { "carnation.conf:3: error: missing option "
		      "\"capsules.host\"",
			"carnation.conf:3: error: missing option "
			"\"capsules.root\"" } },
		{ "invalid values",
		    "listen = [\"\"]; user = \"\";\n"
		    "limits = { exempt = [\"10.0.0.0/33\"]; };\n"
		    "tls = { minimum = \"1.1\"; };\n"
		    "types = ( { extension = \"a\"; } );\n"
		    "capsules = ( { host = \"h\"; root = \"/r\";\n"
		    "hidden = [\"x\"]; lang = \"e n\"; } );",
		    { "carnation.conf:1: error: listen: invalid value \"\": "
		      "must not be empty",
			"carnation.conf:1: error: user: invalid value \"\": "
			"must not be empty",
			"carnation.conf:2: error: limits.exempt: invalid value "
			"\"10.0.0.0/33\": not an address or ADDRESS/BITS",
			"carnation.conf:3: error: tls.minimum: invalid value "
			"\"1.1\": expected \"1.2\" or \"1.3\"",
			"carnation.conf:4: error: missing option "
			"\"types.type\"",
			"carnation.conf:6: error: capsules.hidden: invalid "
			"value \"x\": does not begin with a dot, so it is "
			"never hidden",
			"carnation.conf:6: error: lang: invalid value \"e n\": "
			"not a list of language tags such as \"en\" or "
			"\"az,en-GB\"" } },
		{ "a certificate without its key",
		    "capsules = ( { host = \"h\"; root = \"/r\";\n"
		    "certificate = \"c\"; } );",
		    { "carnation.conf:2: error: capsules.certificate requires "
		      "capsules.key" } },
		{ "a key without its certificate",
		    "capsules = ( { host = \"h\"; root = \"/r\";\n"
		    "key = \"k\"; } );",
		    { "carnation.conf:2: error: capsules.key requires "
		      "capsules.certificate" } },
		{ "two capsules of one name",
		    "capsules = ( { host = \"h.x\"; root = \"/r\"; },\n"
		    "{ host = \"g.x\"; root = \"/r\"; },\n"
		    "{ host = \"H.X.\"; root = \"/r\"; } );",
		    { "carnation.conf:3: error: duplicate host \"H.X.\" (first "
		      "at carnation.conf:1)" } },
		{ "an alias that is a host",
		    "capsules = ( { host = \"h\"; root = \"/r\";\n"
		    "aliases = [\"hh\", \"h\"]; },\n"
		    "{ host = \"hh\"; root = \"/r\"; } );",
		    { "carnation.conf:2: error: duplicate host \"h\" (first at "
		      "carnation.conf:1)",
			"carnation.conf:3: error: duplicate host \"hh\" (first "
			"at carnation.conf:2)" } },
		{ "one extension twice",
		    SOUND "types = ( { extension = \"a\"; type = \"b/c\"; },\n"
			  "{ extension = \".A\"; type = \"b/d\"; } );",
		    { "carnation.conf:2: error: duplicate extension \".A\" "
		      "(first at carnation.conf:1)" } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct report r = { 0 };
		struct conf *c = conf_of(rows[i].text, &r);
		bool good;

		if (r.n > 0)
			conf_check_item(&r, 0, "nothing yet", rows[i].what);
		good = conf_check(c, &r);
		check_row(good == (r.errors == 0), rows[i].what);
		conf_check_items(&r, rows[i].items, 8, rows[i].what);
		report_fini(&r);
		conf_free(&c);
	}
}

static void
test_checking_the_command_line(void **state)
{
	struct report r = { 0 };
	struct conf *c = conf_new();
	struct conf_capsule *capsule = conf_add_capsule(c);

	(void)state;
	assert_true(conf_set_text(c, &c->tls.minimum, "1.1"));
	assert_true(conf_set_text(c, &capsule->host, "h"));
	assert_true(conf_list_add(c, &capsule->aliases, "h"));
	assert_true(conf_set_text(c, &capsule->root, ""));
	assert_false(conf_check(c, &r));
	conf_check_item(&r, 0,
	    "error: tls.minimum: invalid value \"1.1\": expected \"1.2\" or "
	    "\"1.3\"",
	    "text");
	conf_check_item(&r, 1,
	    "error: capsules.root: invalid value \"\": must not be empty",
	    "empty");
	conf_check_item(&r, 2, "error: duplicate host \"h\"", "names");
	assert_int_equal(r.n, 3);
	/* A second look says nothing new. */
	assert_true(conf_check(c, &r));
	report_fini(&r);
	conf_free(&c);
}

/* One syntax error, and no guesses about what the file might hold. */
static void
test_what_was_not_read_is_not_checked(void **state)
{
	struct report r = { 0 };
	struct conf *c = conf_of("workers = ;", &r);

	(void)state;
	assert_int_equal(r.n, 1);
	assert_false(conf_check(c, &r));
	assert_int_equal(r.n, 1);
	report_fini(&r);
	conf_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checking_reports),
		cmocka_unit_test(test_checking_the_command_line),
		cmocka_unit_test(test_what_was_not_read_is_not_checked),
	};

	return cmocka_run_group_tests(tests, conf_enter, conf_leave);
}
