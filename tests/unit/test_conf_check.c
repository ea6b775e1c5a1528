/* SPDX-License-Identifier: ISC */
#include "support/conf.h"

#include <stdio.h>
#include <string.h>

#define SOUND "capsules = ( { host = \"h\"; root = \"/r\"; } );"

/* What conf_check reports about a configuration that could be read. */
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
		struct conf *c = conf_parse_text(rows[i].text, &r);
		bool good;

		if (r.n > 0)
			report_check_item(&r, 0, "nothing yet", rows[i].what);
		good = conf_check(c, &r);
		check_row(good == (r.errors == 0), rows[i].what);
		report_check_items(&r, rows[i].items, 8, rows[i].what);
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
	report_check_item(&r, 0,
	    "error: tls.minimum: invalid value \"1.1\": expected \"1.2\" or "
	    "\"1.3\"",
	    "text");
	report_check_item(&r, 1,
	    "error: capsules.root: invalid value \"\": must not be empty",
	    "empty");
	report_check_item(&r, 2, "error: duplicate host \"h\"", "names");
	assert_int_equal(r.n, 3);
	/* A second check reports nothing new. */
	assert_true(conf_check(c, &r));
	report_fini(&r);
	conf_free(&c);
}

/* One syntax error, and no guesses about what the file might hold. */
static void
test_unread_content_is_not_checked(void **state)
{
	struct report r = { 0 };
	struct conf *c = conf_parse_text("workers = ;", &r);

	(void)state;
	assert_int_equal(r.n, 1);
	assert_false(conf_check(c, &r));
	assert_int_equal(r.n, 1);
	report_fini(&r);
	conf_free(&c);
}

/* Whether a value is taken by the option of that name. */
static void
test_values(void **state)
{
	static const struct {
		const char *option;
		const char *value;
		bool good;
	} rows[] = {
		{ "title = \"%s\";", "Qara Yanvar \xc3\xa9", true },
		{ "title = \"%s\";", "", true },
		{ "title = \"%s\";", "two\\nlines", false },
		{ "origin = \"%s\";", "gemini://example.org", true },
		{ "origin = \"%s\";", "GEMINI://Example.org:1966/", true },
		{ "origin = \"%s\";", "gemini://caf\xc3\xa9.example.", true },
		{ "origin = \"%s\";", "gemini://localhost", true },
		{ "origin = \"%s\";", "example.org", false },
		{ "origin = \"%s\";", "https://example.org", false },
		{ "origin = \"%s\";", "gemini://", false },
		{ "origin = \"%s\";", "gemini:///", false },
		{ "origin = \"%s\";", "gemini://example.org/a", false },
		{ "origin = \"%s\";", "gemini://example.org?a", false },
		{ "origin = \"%s\";", "gemini://a b", false },
		{ "origin = \"%s\";", "gemini://example.org:", false },
		{ "origin = \"%s\";", "gemini://example.org:0", false },
		{ "origin = \"%s\";", "gemini://example.org:65536", false },
		{ "origin = \"%s\";", "gemini://192.0.2.1", false },
		{ "origin = \"%s\";", "gemini://[::1]", false },
		{ "origin = \"%s\";", "gemini://user@example.org", false },
		{ "lang = \"%s\";", "", true },
		{ "lang = \"%s\";", "en", true },
		{ "lang = \"%s\";", "az-Latn-AZ,en,x-a", true },
		{ "lang = \"%s\";", "en,", false },
		{ "lang = \"%s\";", "en, fr", false },
		{ "lang = \"%s\";", "-en", false },
		{ "lang = \"%s\";", "12", false },
		{ "lang = \"%s\";", "en--gb", false },
		{ "lang = \"%s\";", "abcdefghi", false },
		{ "lang = \"%s\";", "en\\r\\n20", false },
		{ "lang = \"%s\";", "en;charset=x", false },
		{ "lang = \"%s\";", "e\\\"n", false },
		{ "charset = \"%s\";", "", true },
		{ "charset = \"%s\";", "utf-8", true },
		{ "charset = \"%s\";", "utf 8", false },
		{ "charset = \"%s\";", "utf-8;x", false },
		{ "charset = \"%s\";", "utf-8\\n", false },
		{ "charset = \"%s\";", "\xc3\xa9", false },
		{ "index = [\"%s\"];", "index.gmi", true },
		{ "index = [\"%s\"];", "", false },
		{ "index = [\"%s\"];", "a/b", false },
		{ "index = [\"%s\"];", ".", false },
		{ "index = [\"%s\"];", "..", false },
		{ "gone = [\"%s\"];", "/a*", true },
		{ "gone = [\"%s\"];", "a", false },
		{ "gone = [\"%s\"];", "", false },
		{ "feed = \"%s\";", "log/updates.gmi", true },
		{ "feed = \"%s\";", "..x/a..", true },
		{ "feed = \"%s\";", "", false },
		{ "feed = \"%s\";", "/updates.gmi", false },
		{ "feed = \"%s\";", "a/../../b", false },
		{ "feed = \"%s\";", "..", false },
		{ "order = [\"a.gmi\", \"%s\"];", "b.gmi", true },
		{ "order = [\"a.gmi\", \"%s\"];", "../b.gmi", false },
		{ "paths = ( { glob = \"%s\"; } );", "/a", true },
		{ "paths = ( { glob = \"%s\"; } );", "*.gmi", true },
		{ "paths = ( { glob = \"%s\"; } );", "a", false },
		{ "paths = ( { glob = \"%s\"; } );", "", false },
#define TYPE "paths = ( { glob = \"*\"; type = \"%s\"; } );"
		{ TYPE, "", true },
		{ TYPE, "text/x-diff", true },
		{ TYPE, "text/plain; format=flowed;x=\\\"y z\\\"", true },
		{ TYPE, "text", false },
		{ TYPE, "text/", false },
		{ TYPE, "/plain", false },
		{ TYPE, "text/plain\\r\\n", false },
		{ TYPE, "text/plain;", false },
		{ TYPE, "text/plain; x", false },
		{ TYPE, "text/plain; =x", false },
		{ TYPE, "text/plain; x=", false },
		{ TYPE, "text/plain; x=\\ty", false },
		{ TYPE, "text /plain", false },
#define FROM "redirects = ( { from = \"%s\"; to = \"/z\"; } );"
		{ FROM, "/a", true },
		{ FROM, "/a/*", true },
		{ FROM, "/*", true },
		{ FROM, "a", false },
		{ FROM, "", false },
		{ FROM, "/a*", false },
		{ FROM, "/*/a", false },
		{ FROM, "/*/a/*", false },
#define TO "redirects = ( { from = \"/a\"; to = \"%s\"; } );"
		{ TO, "/b?q#f", true },
		{ TO, "gemini://example.org/", true },
		{ TO, "GEMINI://example.org/a", true },
		{ TO, "//example.org/", false },
		{ TO, "b", false },
		{ TO, "", false },
		{ TO, ":b", false },
		{ TO, "1:b", false },
		{ TO, "a_b:c", false },
		{ TO, "/b\\r\\n", false },
		/* What a client appends must not name another host. */
		{ TO, "gemini://example.org*", false },
		{ TO, "gemini://example.org:1965*", false },
		{ TO, "gemini://user@*", false },
		{ TO, "gemini://user@", true },
		{ TO, "gemini://user@/a", true },
		{ TO, "gemini://user@/*", false },
		{ TO, "gemini://user@example.org/", true },
		{ TO, "gemini://example.org/@b", true },
		{ TO, "gemini://:1965/", true },
		{ TO, "gemini:a", true },
		{ TO, "https://user@", true },
		{ TO, "https://user:word@example.org/", true },
		{ TO, "mailto:a@example.org", true },
		{ TO, "gemini://*", false },
		{ TO, "gemini:*", false },
		{ TO, "gemini://", true },
		{ TO, "gemini:///", true },
		{ TO, "gemini:///*", false },
		{ TO, "gemini://?*", false },
		{ TO, "gemini://example.org/*", true },
		{ TO, "gemini://example.org/a*", true },
		{ TO, "gemini://example.org?*", true },
		{ TO, "gemini://example.org", true },
		{ TO, "/a*", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *c = conf_new();
		struct conf_capsule *capsule = conf_add_capsule(c);
		struct report r = { 0 };
		const char *at = strstr(rows[i].option, "%s");
		struct buf text;
		bool good;

		buf_init(&text, 1000);
		buf_put(&text,
		    slice_of(rows[i].option, (size_t)(at - rows[i].option)));
		buf_str(&text, rows[i].value);
		buf_str(&text, at + 2);
		conf_read_content(c, &capsule->content, buf_view(&text), "x",
		    REPORT_ERROR, &r);
		good = r.errors == 0;
		check_row(good == rows[i].good, buf_cstr(&text));
		check_row(good || r.items[0].line == 1, buf_cstr(&text));
		buf_fini(&text);
		report_fini(&r);
		conf_free(&c);
	}
}

static void
test_locales(void **state)
{
	static const struct {
		const char *lang;
		const char *want; /* NULL: no suggestion */
	} rows[] = {
		{ "it_IT", "it-IT" },
		{ "it_IT.UTF-8", "it-IT" },
		{ "ca_ES@valencia", "ca-ES" },
		{ "zh_Hant_TW,en_GB", "zh-Hant-TW,en-GB" },
		{ "en, fr", "en,fr" },
		{ "en US", NULL },
		{ "_", NULL },
		{ "elephants_in_rome", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *c;
		struct report r = { 0 };
		char text[512];

		snprintf(text, sizeof(text),
		    "capsules = ( { host = \"a\"; root = \"b\";\n"
		    "lang = \"%s\"; } );",
		    rows[i].lang);
		c = conf_parse_text(text, &r);
		conf_check(c, &r);
		if (rows[i].want != NULL)
			snprintf(text, sizeof(text),
			    "carnation.conf:2: error: lang: invalid value "
			    "\"%s\"; did you mean \"%s\"?",
			    rows[i].lang, rows[i].want);
		else
			snprintf(text, sizeof(text),
			    "carnation.conf:2: error: lang: invalid value "
			    "\"%s\": not a list of language tags such as "
			    "\"en\" or \"az,en-GB\"",
			    rows[i].lang);
		report_check_items(
		    &r, (const char *const[]){ text, NULL }, 1, rows[i].lang);
		report_fini(&r);
		conf_free(&c);
	}
}

/* What would not fit a header is refused. */
static void
test_values_that_are_too_long(void **state)
{
	static const struct {
		const char *before;
		const char *after;
		size_t longest;
	} rows[] = {
		{ "lang = \"", "\";", 255 },
		{ "charset = \"", "\";", 255 },
		{ "paths = ( { glob = \"*\"; type = \"a/", "\"; } );", 253 },
		{ "redirects = ( { from = \"/b\"; to = \"/", "\"; } );", 1023 },
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *c = conf_new();
		struct conf_capsule *capsule = conf_add_capsule(c);
		struct report r = { 0 };
		struct buf text;

		buf_init(&text, 2000);
		buf_str(&text, rows[i / 2].before);
		for (size_t n = 0; n < rows[i / 2].longest + i % 2; n++)
			buf_byte(&text, n % 8 == 7 ? '-' : 'a');
		if (buf_view(&text).ptr[text.len - 1] == '-')
			text.ptr[text.len - 1] = 'a';
		buf_str(&text, rows[i / 2].after);
		conf_read_content(c, &capsule->content, buf_view(&text), "x",
		    REPORT_ERROR, &r);
		check_row((r.errors == 0) == (i % 2 == 0), rows[i / 2].before);
		buf_fini(&text);
		report_fini(&r);
		conf_free(&c);
	}
}

/* The same for the operator's options. */
static void
test_operators_values(void **state)
{
#define EXEMPT "limits = { exempt = [\"%s\"]; };"
#define EXTENSION "types = ( { extension = \"%s\"; type = \"a/b\"; } );"
#define HIDDEN                                                                 \
	"capsules = ( { host = \"h\"; root = \"/r\"; hidden = [\"%s\"]; } );"
	static const struct {
		const char *option;
		const char *value;
		bool good;
	} rows[] = {
		{ EXEMPT, "192.0.2.1", true },
		{ EXEMPT, "0.0.0.0/0", true },
		{ EXEMPT, "192.0.2.0/32", true },
		{ EXEMPT, "192.0.2.0/33", false },
		{ EXEMPT, "2001:db8::/128", true },
		{ EXEMPT, "2001:db8::/129", false },
		{ EXEMPT, "2001:db8::/", false },
		{ EXEMPT, "2001:db8::/-1", false },
		{ EXEMPT, "192.0.2", false },
		{ EXEMPT, "localhost", false },
		{ EXEMPT, "", false },
		{ EXEMPT, "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
		    false },
		{ EXTENSION, "gmi", true },
		{ EXTENSION, ".GMI", true },
		{ EXTENSION, "", false },
		{ EXTENSION, ".", false },
		{ EXTENSION, "tar.gz", false },
		{ EXTENSION, "a/b", false },
		{ EXTENSION, "a\\n", false },
		{ HIDDEN, ".config", true },
		{ HIDDEN, "config", false },
		{ HIDDEN, ".", false },
		{ HIDDEN, "..", false },
		{ HIDDEN, ".a/b", false },
		{ "tls = { suites = \"%s\"; };", "A:B-C_D!E", true },
		{ "tls = { suites = \"%s\"; };", "", false },
		{ "tls = { suites = \"%s\"; };", "A B", false },
		{ "log = { access = \"%s\"; };", "x.log", true },
		{ "log = { access = \"%s\"; };", "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *at = strstr(rows[i].option, "%s");
		struct report r = { 0 };
		struct conf *c;
		struct buf text;

		buf_init(&text, 1000);
		buf_put(&text,
		    slice_of(rows[i].option, (size_t)(at - rows[i].option)));
		buf_str(&text, rows[i].value);
		buf_str(&text, at + 2);
		if (strncmp(buf_cstr(&text), "capsules", 8) != 0)
			buf_str(&text,
			    "capsules = ( { host = \"h\"; root = \"/r\"; } );");
		c = conf_parse_text(buf_cstr(&text), &r);
		conf_check(c, &r);
		check_row((r.errors == 0) == rows[i].good, buf_cstr(&text));
		check_row(
		    rows[i].good || r.items[0].line == 1, buf_cstr(&text));
		buf_fini(&text);
		report_fini(&r);
		conf_free(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checking_reports),
		cmocka_unit_test(test_checking_the_command_line),
		cmocka_unit_test(test_unread_content_is_not_checked),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_locales),
		cmocka_unit_test(test_values_that_are_too_long),
		cmocka_unit_test(test_operators_values),
	};

	return cmocka_run_group_tests(tests, conf_set_up, conf_tear_down);
}
