/* SPDX-License-Identifier: ISC */
#include "conf_help.h"

#include <string.h>

/* What conf_read says. A syntax error stops it; nothing else does. */
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
		    { "carnation.conf:2: error: syntax error" } },
		{ "a name alone", BYTES("\nworkers;\n"),
		    { "carnation.conf:2: error: syntax error" } },
		{ "said twice", BYTES("workers = 1;\n\nworkers = 2;\n"),
		    { "carnation.conf:3: error: duplicate setting name" } },
		{ "no comma between texts and a number",
		    BYTES("listen = [\"a\" 1];"),
		    { "carnation.conf:1: error: syntax error" } },
		{ "an array of several kinds", BYTES("listen = [\"a\", 1];"),
		    { "carnation.conf:1: error: mismatched element type in "
		      "array" } },
		{ "text after a name", BYTES("user \"x\";"),
		    { "carnation.conf:1: error: syntax error: unexpected text, "
		      "or missing '=' or ',' before it" } },
		{ "text after a number", BYTES("listen = (1 \"x\");"),
		    { "carnation.conf:1: error: syntax error: unexpected text, "
		      "or missing '=' or ',' before it" } },
		{ "text in a group", BYTES("tls = { \"x\" };"),
		    { "carnation.conf:1: error: syntax error: unexpected text, "
		      "or missing '=' or ',' before it" } },
		{ "a text that does not end", BYTES("a = 1;\nuser = \"x\n\n"),
		    { "carnation.conf:2: error: unclosed text" } },
		{ "a backslash at the end", BYTES("user = \"x\\"),
		    { "carnation.conf:1: error: unclosed text" } },
		{ "a comment that does not end", BYTES("\n/* x *"),
		    { "carnation.conf:2: error: unclosed comment" } },
		{ "a group that does not end", BYTES("\ntls = {\n\n"),
		    { "carnation.conf:2: error: syntax error: unclosed '{'" } },
		{ "brackets that cross", BYTES("listen = [\n\"x\" );\n"),
		    { "carnation.conf:2: error: syntax error: the '[' of line "
		      "1 is not closed before this" } },
		{ "a bracket too many", BYTES("tls = { }; }"),
		    { "carnation.conf:1: error: syntax error: unmatched "
		      "closing bracket" } },
		{ "brackets without end", BYTES("a = (((((((((((((((((((("),
		    { "carnation.conf:1: error: brackets nested too deeply" } },
		{ "an at sign", BYTES("@inc"),
		    { "carnation.conf:1: error: syntax error" } },
		{ "a NUL would hide the rest", BYTES("a = 1;\n\0workers = x;"),
		    { "carnation.conf:2: error: file contains a NUL byte" } },
		{ "a NUL would hide the end of a text",
		    BYTES("user = \"a\\x00b\";"),
		    { "carnation.conf:1: error: text contains a NUL" } },
		{ "a number that would wrap to 1",
		    BYTES("workers = 4294967297;"),
		    { "carnation.conf:1: error: number too large" } },
		{ "a negative number that would wrap",
		    BYTES("workers = -4294967295;"),
		    { "carnation.conf:1: error: number too large" } },
		{ "a hexadecimal number that would wrap",
		    BYTES("workers = 0x100000001;"),
		    { "carnation.conf:1: error: number too large" } },
		{ "a number that no type holds",
		    BYTES("workers = 99999999999999999999L;"),
		    { "carnation.conf:1: error: number too large" } },
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
		    { "carnation.conf:2: error: syntax error: unexpected text, "
		      "or missing '=' or ',' before it" } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *c = conf_new();
		struct report r = { 0 };

		conf_write(conf_file, rows[i].text);
		(void)conf_read(c, conf_file, &r);
		conf_check_items(&r, rows[i].items, 8, rows[i].what);
		report_fini(&r);
		conf_free(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reading_reports),
	};

	return cmocka_run_group_tests(tests, conf_enter, conf_leave);
}
