/* SPDX-License-Identifier: ISC */
#include "support/conf.h"

#include <string.h>

/* What conf_read reports. A syntax error stops it; nothing else does. */
static void
test_reading_reports(void **state)
{
	static const struct {
		const char *what;
		struct slice text;
		const char *items[8];
	} rows[] = {
		{ "nothing at all", BYTES(""), { NULL } },
		{ "a comment without an end of line", BYTES("# x"), { NULL } },
		{ "comments of all kinds",
		    BYTES("/* { \" @ */ // \"\n# '\nworkers = 1; /**/"),
		    { NULL } },
		{ "a value is missing", BYTES("workers = 1;\nuser = ;\n"),
		    { "carnation.conf:2: error: user: missing value" } },
		{ "a name alone", BYTES("\nworkers;\n"),
		    { "carnation.conf:2: error: missing '=' after "
		      "'workers'" } },
		{ "duplicate setting", BYTES("workers = 1;\n\nworkers = 2;\n"),
		    { "carnation.conf:3: error: duplicate option \"workers\" "
		      "(first at carnation.conf:1)" } },
		{ "the same name in two groups",
		    BYTES("types = ( { extension = \"a\"; type = \"a/b\"; },\n"
			  "{ extension = \"b\"; type = \"a/b\"; } );"),
		    { NULL } },
		{ "a duplicate in a group",
		    BYTES("log = { access = \"none\";\naccess = \"none\"; };"),
		    { "carnation.conf:2: error: duplicate option \"access\" "
		      "(first at carnation.conf:1)" } },
		{ "a byte order mark", BYTES("\xef\xbb\xbfworkers = 1;"),
		    { "carnation.conf:1: error: unexpected U+FEFF (byte order "
		      "mark)" } },
		{ "a no-break space", BYTES("\nworkers\xc2\xa0= 1;"),
		    { "carnation.conf:2: error: unexpected U+00A0 (no-break "
		      "space)" } },
		{ "a no-break space before a number",
		    BYTES("workers =\xc2\xa0\x31;"),
		    { "carnation.conf:1: error: unexpected U+00A0 (no-break "
		      "space)" } },
		{ "a space without a width", BYTES("workers = 1\xe2\x80\x8b;"),
		    { "carnation.conf:1: error: unexpected U+200B" } },
		{ "other spaces in a text",
		    BYTES("user = \"\xc2\xa0\xef\xbb\xbf\";"), { NULL } },
		{ "an array whose first entry is no text",
		    BYTES("listen = [\n3, \"a\"];"),
		    { "carnation.conf:2: error: listen: expected text in "
		      "quotes, not '3'" } },
		{ "no comma between texts and a number",
		    BYTES("listen = [\"a\" 1];"),
		    { "carnation.conf:1: error: missing ',' or ']' before '1': "
		      "the '[' is in line 1" } },
		{ "an array of several kinds", BYTES("listen = [\"a\", 1];"),
		    { "carnation.conf:1: error: listen: expected text in "
		      "quotes, not '1'" } },
		{ "text after a name", BYTES("user \"x\";"),
		    { "carnation.conf:1: error: missing '=' after 'user'" } },
		{ "text after a number", BYTES("listen = (1 \"x\");"),
		    { "carnation.conf:1: error: missing ',' or ')' before "
		      "\"x\": the '(' is in line 1" } },
		{ "text in a group", BYTES("tls = { \"x\" };"),
		    { "carnation.conf:1: error: option names are written "
		      "without quotes: \"x\"" } },
		{ "a text that does not end", BYTES("a = 1;\nuser = \"x\n\n"),
		    { "carnation.conf:2: error: unclosed text: \"x" } },
		{ "a backslash at the end", BYTES("user = \"x\\"),
		    { "carnation.conf:1: error: unclosed text: \"x\\" } },
		{ "a comment that does not end", BYTES("\n/* x *"),
		    { "carnation.conf:2: error: unclosed comment" } },
		{ "a group that does not end", BYTES("\ntls = {\n\n"),
		    { "carnation.conf:2: error: unclosed '{'" } },
		{ "brackets that cross", BYTES("listen = [\n\"x\" );\n"),
		    { "carnation.conf:2: error: unexpected ')': the '[' of "
		      "line 1 is not closed" } },
		{ "a bracket too many", BYTES("tls = { }; }"),
		    { "carnation.conf:1: error: unmatched '}'" } },
		{ "brackets without end", BYTES("a = (((((((((((((((((((("),
		    { "carnation.conf:1: error: brackets nested too deeply" } },
		{ "an at sign", BYTES("@inc"),
		    { "carnation.conf:1: error: unexpected '@inc'" } },
		{ "a NUL would hide the rest", BYTES("a = 1;\n\0workers = x;"),
		    { "carnation.conf:2: error: file contains a NUL byte" } },
		{ "a NUL would hide the end of a text",
		    BYTES("user = \"a\\x00b\";"),
		    { "carnation.conf:1: error: text contains a NUL" } },
		{ "a number that would wrap to 1",
		    BYTES("workers = 4294967297;"),
		    { "carnation.conf:1: error: workers: number too large" } },
		{ "a negative number that would wrap",
		    BYTES("workers = -4294967295;"),
		    { "carnation.conf:1: error: workers: number too large" } },
		{ "a hexadecimal number that would wrap",
		    BYTES("workers = 0x100000001;"),
		    { "carnation.conf:1: error: workers: number too large" } },
		{ "a number that no type holds",
		    BYTES("workers = 99999999999999999999L;"),
		    { "carnation.conf:1: error: workers: number too large" } },
		{ "a large number within its type",
		    BYTES("workers = 4294967297L;"),
		    { "carnation.conf:1: error: workers: 4294967297 is out of "
		      "range (0 to 64 processes)" } },
		{ "below the range", BYTES("\npublic_port = -1;"),
		    { "carnation.conf:2: error: public_port: -1 is out of "
		      "range (0 to 65535)" } },
		{ "a request may take 5 seconds",
		    BYTES("limits = {\nrequest = 5; };"),
		    { "carnation.conf:2: error: limits.request: 5 is out of "
		      "range (6 to 3600 seconds)" } },
		{ "unknown, with the nearest", BYTES("limts = { };"),
		    { "carnation.conf:1: error: unknown option \"limts\"; did "
		      "you mean \"limits\"?" } },
		{ "unknown, and nothing near", BYTES("elephant = { };"),
		    { "carnation.conf:1: error: unknown option "
		      "\"elephant\"" } },
		{ "every wrong kind",
		    BYTES("listen = 1;\nworkers = \"x\";\nuser = [];\n"
			  "limits = ();\ntls = { tickets = 1;\n"
			  "minimum = 1.2; };\nlog = { format = true; };\n"
			  "types = { };"),
		    { "carnation.conf:1: error: listen: expected a list of "
		      "texts, not a number",
			"carnation.conf:2: error: workers: expected a whole "
			"number, not text in quotes",
			"carnation.conf:3: error: user: expected text in "
			"quotes, not an array [ ]",
			"carnation.conf:4: error: limits: expected a group { "
			"}, not a list ( )",
			"carnation.conf:5: error: tls.tickets: expected true "
			"or false, not a number",
			"carnation.conf:6: error: tls.minimum: expected text "
			"in quotes, not a fraction",
			"carnation.conf:7: error: log.format: expected text in "
			"quotes, not true or false",
			"carnation.conf:8: error: types: expected a list of "
			"groups ( { }, ... ), not a group { }" } },
		{ "elements of a wrong kind",
		    BYTES("listen = (\"*:1\", 2L, { });\ncapsules = (1);"),
		    { "carnation.conf:1: error: listen: expected text in "
		      "quotes, not a number",
			"carnation.conf:1: error: listen: expected text in "
			"quotes, not a group { }",
			"carnation.conf:2: error: capsules: expected groups { "
			"}, not a number" } },
		{ "no such choice", BYTES("log = { addresses = \"some\"; };"),
		    { "carnation.conf:1: error: log.addresses: invalid value "
		      "\"some\": expected \"none\", \"truncated\" or "
		      "\"full\"" } },
		{ "misspelt within groups",
		    BYTES("capsules = ( {\nhsot = \"x\";\ntitel = \"x\";\n"
			  "paths = ( { glob = \"*\"; lnag = \"en\"; } );\n"
			  "} );"),
		    { "carnation.conf:2: error: unknown option \"hsot\"; did "
		      "you mean \"host\"?",
			"carnation.conf:3: error: unknown option \"titel\"; "
			"did you mean \"title\"?",
			"carnation.conf:4: error: unknown option \"lnag\"; did "
			"you mean \"lang\"?" } },
		{ "a message shows no control byte",
		    BYTES("user = 1;\n\"\x1b[2J\""),
		    { "carnation.conf:2: error: option names are written "
		      "without quotes: \"\\x1b[2J\"" } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *c = conf_new();
		struct report r = { 0 };

		tree_write_bytes(conf_file, rows[i].text);
		(void)conf_read(c, conf_file, &r);
		report_check_items(&r, rows[i].items, 8, rows[i].what);
		report_fini(&r);
		conf_free(&c);
	}
}

/* Reads a capsule.conf of an operator who sets nothing. */
static void
check_content(struct slice text, const char *want, const char *row)
{
	struct conf *c = conf_new();
	struct conf_capsule *capsule = conf_add_capsule(c);
	struct report r = { 0 };

	conf_read_content(
	    c, &capsule->content, text, "capsule.conf", REPORT_ERROR, &r);
	if (want != NULL)
		report_check_item(&r, 0, want, row);
	report_check_items(&r, (const char *const[]){ want, NULL }, 1, row);
	report_fini(&r);
	conf_free(&c);
}

static void
test_refusals(void **state)
{
	static const struct {
		const char *what;
		struct slice text;
		const char *want;
	} rows[] = {
		{ "nothing", BYTES(""), NULL },
		{ "a file from elsewhere", BYTES("@include \"/etc/passwd\"\n"),
		    "capsule.conf:1: error: @include is not allowed here" },
		{ "after blanks", BYTES("\n \t@include \"x\"\n"),
		    "capsule.conf:2: error: @include is not allowed here" },
		{ "within a group",
		    BYTES("paths = (\n@include \"/etc/passwd\"\n);"),
		    "capsule.conf:2: error: @include is not allowed here" },
		{ "in a text it is text",
		    BYTES("title = \"\\\n@include "
			  "\\\"x\\\"\";"),
		    "capsule.conf:1: error: title: invalid value "
		    "\"\\\\x0a@include \"x\"\": contains a control "
		    "character" },
		{ "after a comment that only seems open",
		    BYTES("title = \"/*\";\n@include \"x\""),
		    "capsule.conf:2: error: @include is not allowed here" },
		{ "a NUL hides nothing", BYTES("title = \"x\";\0lng = 1;"),
		    "capsule.conf:1: error: file contains a NUL byte" },
		{ "the operator's option", BYTES("hidden = [\".ssh\"];"),
		    "capsule.conf:1: error: unknown option \"hidden\"; use "
		    "\"capsules.hidden\" in carnation.conf" },
		{ "another one", BYTES("root = \"/\";"),
		    "capsule.conf:1: error: unknown option \"root\"; use "
		    "\"capsules.root\" in carnation.conf" },
		{ "misspelt", BYTES("\nlisitng = true;"),
		    "capsule.conf:2: error: unknown option \"lisitng\"; did "
		    "you mean \"listing\"?" },
		{ "a wrong kind", BYTES("listing = 1;"),
		    "capsule.conf:1: error: listing: expected true or false, "
		    "not a number" },
		{ "syntax", BYTES("title = ;"),
		    "capsule.conf:1: error: title: missing value" },
		{ "a redirect without its target",
		    BYTES("redirects = (\n{ from = \"/a\"; } );"),
		    "capsule.conf:2: error: missing option \"redirects.to\"" },
		{ "settings for no path", BYTES("paths = ( { } );"),
		    "capsule.conf:1: error: missing option \"paths.glob\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_content(rows[i].text, rows[i].want, rows[i].what);
}

static const char operator_file[] =
    "capsules = ( { host = \"h\"; root = \"/r\"; lang = \"az\";\n"
    "index = [\"o.gmi\"]; listing = false; order = [];\n"
    "paths = ( { glob = \"/o\"; } ); gone = [\"/og\"];\n"
    "redirects = ( { from = \"/o\"; to = \"/oo\"; } ); } );";

static const char capsule_file[] =
    "title = \"T\"; lang = \"en\"; charset = \"utf-8\";\n"
    "index = [\"c.gmi\"]; listing = true; feed = \"f.gmi\"; copy = \"f.txt\";\n"
    "order = [\"c.gmi\"]; gone = [\"/c1\", \"/c2\"];\n"
    "paths = ( { glob = \"/c\"; }, { glob = \"/d\"; listing = true; } );\n"
    "redirects = ( { from = \"/c\"; to = \"/cc\"; permanent = true; } );";

static void
test_operator_settings_win(void **state)
{
	struct report r = { 0 };
	struct conf *c = conf_parse_text(operator_file, &r);
	struct conf_content content = c->capsules[0].content;

	(void)state;
	assert_true(conf_read_content(c, &content, slice_str(capsule_file),
	    "capsule.conf", REPORT_ERROR, &r));
	assert_string_equal(content.title.text, "T");
	assert_string_equal(content.title.file, "capsule.conf");
	assert_string_equal(content.lang.text, "az");
	assert_string_equal(content.charset.text, "utf-8");
	assert_int_equal(content.index.n, 1);
	assert_string_equal(content.index.item[0].text, "o.gmi");
	assert_int_equal(content.listing, 0);
	assert_string_equal(content.feed.text, "f.gmi");
	assert_string_equal(content.copy.text, "f.txt");
	assert_int_equal(content.order.n, 0);
	assert_int_equal(content.gone.n, 3);
	assert_string_equal(content.gone.item[0].text, "/og");
	assert_string_equal(content.gone.item[2].text, "/c2");
	assert_int_equal(content.n_paths, 3);
	assert_string_equal(content.paths[0].glob.text, "/o");
	assert_int_equal(content.paths[0].listing, CONF_UNSET);
	assert_int_equal(content.paths[2].listing, 1);
	assert_int_equal(content.n_redirects, 2);
	assert_string_equal(content.redirects[0].to.text, "/oo");
	assert_true(content.redirects[1].permanent);
	/* The operator's own copy is as it was. */
	assert_int_equal(c->capsules[0].content.n_paths, 1);
	assert_null(c->capsules[0].content.title.text);
	report_fini(&r);
	conf_free(&c);
}

static void
test_capsule_conf_applies_where_the_operator_sets_nothing(void **state)
{
	struct conf *c = conf_new();
	struct conf_capsule *capsule = conf_add_capsule(c);
	struct conf_content content = capsule->content;
	struct report r = { 0 };

	(void)state;
	assert_true(conf_read_content(c, &content, slice_str(capsule_file),
	    "capsule.conf", REPORT_ERROR, &r));
	assert_string_equal(content.lang.text, "en");
	assert_string_equal(content.index.item[0].text, "c.gmi");
	assert_int_equal(content.listing, 1);
	assert_int_equal(content.order.n, 1);
	assert_int_equal(content.n_paths, 2);
	content = capsule->content;
	assert_true(conf_read_content(
	    c, &content, SLICE(""), "capsule.conf", REPORT_ERROR, &r));
	assert_int_equal(content.index.n, 2);
	assert_string_equal(content.index.item[0].text, "index.gmi");
	assert_int_equal(content.listing, CONF_UNSET);
	assert_false(content.gone.set);
	report_fini(&r);
	conf_free(&c);
}

static void
test_unknown_option_may_be_a_warning(void **state)
{
	struct conf *c = conf_new();
	struct conf_capsule *capsule = conf_add_capsule(c);
	struct report r = { 0 };

	(void)state;
	assert_true(conf_read_content(c, &capsule->content,
	    SLICE("lsting = true; title = \"T\";"), "capsule.conf",
	    REPORT_WARNING, &r));
	assert_int_equal(r.errors, 0);
	assert_int_equal(r.warnings, 1);
	assert_string_equal(capsule->content.title.text, "T");
	report_fini(&r);
	conf_free(&c);
}

static void
test_rest_of_a_file_with_mistakes(void **state)
{
	struct report r = { 0 };
	struct conf *c = conf_parse_text(operator_file, &r);
	struct conf_content content = c->capsules[0].content;
	const size_t redirects = content.n_redirects, paths = content.n_paths;

	(void)state;
	assert_true(conf_read_content(c, &content,
	    SLICE("title = \"T\"; lsting = true; lang = \"en\"; feed = [];\n"
		  "charset = \"a b\"; index = [\"a/b\"];\n"
		  "gone = (\"/x\", \"y\", 3, \"/z\"); listing = 7;\n"
		  "redirects = ( { from = \"a\"; to = \"/b\"; },\n"
		  "{ from = \"/k\"; to = \"/l\"; permanent = true; },\n"
		  "{ from = \"/c\"; }, { to = \"/d\"; } );\n"
		  "paths = ( { lang = \"en\"; },\n"
		  "{ glob = \"/a/*\"; lang = \"?\"; listing = true; } );"),
	    "capsule.conf", REPORT_ERROR, &r));
	assert_int_equal(r.errors, 12);
	assert_string_equal(content.title.text, "T");
	assert_string_equal(content.lang.text, "az"); /* the operator's */
	assert_null(content.feed.text);
	assert_null(content.charset.text);
	assert_string_equal(content.index.item[0].text, "o.gmi");
	assert_int_equal(content.listing, c->capsules[0].content.listing);
	assert_int_equal(content.n_redirects, redirects + 1);
	assert_string_equal(content.redirects[redirects].from.text, "/k");
	assert_true(content.redirects[redirects].permanent);
	assert_int_equal(content.n_paths, paths + 1);
	assert_string_equal(content.paths[paths].glob.text, "/a/*");
	assert_null(content.paths[paths].lang.text);
	assert_int_equal(content.paths[paths].listing, 1);
	assert_string_equal(content.gone.item[content.gone.n - 1].text, "/z");
	content = c->capsules[0].content;
	assert_false(
	    conf_read_content(c, &content, SLICE("title = \"T\"; lang = ;"),
		"capsule.conf", REPORT_ERROR, &r));
	assert_memory_equal(&content, &c->capsules[0].content, sizeof(content));
	report_fini(&r);
	conf_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reading_reports),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_operator_settings_win),
		cmocka_unit_test(
		    test_capsule_conf_applies_where_the_operator_sets_nothing),
		cmocka_unit_test(test_unknown_option_may_be_a_warning),
		cmocka_unit_test(test_rest_of_a_file_with_mistakes),
	};

	return cmocka_run_group_tests(tests, conf_set_up, conf_tear_down);
}
