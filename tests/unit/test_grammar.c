/* SPDX-License-Identifier: ISC */
#include "support/conf.h"

#include <stdio.h>
#include <string.h>

#include "conf/grammar.h"

/* Each token that is wrong is named, with its line. */
static void
test_the_token_is_named(void **state)
{
	static const struct {
		const char *what;
		const char *text;
		const char *item; /* NULL: none, or not of the grammar */
	} rows[] = {
		{ "a comma after the last group",
		    "types = (\n{ extension = \"a\"; type = \"a/b\"; },\n);",
		    "2: error: ',' after the last entry: remove it" },
		{ "a comma after the last text", "listen = [ \"x\", ];",
		    "1: error: ',' after the last entry: remove it" },
		{ "two commas", "listen = [ \"x\",, \"y\" ];",
		    "1: error: unexpected ','" },
		{ "no comma between groups", "types = ( {\n}\n{ } );",
		    "3: error: missing ',' or ')' before '{': the '(' is in "
		    "line 1" },
		{ "no bracket after the last group",
		    "types = (\n{ }\nlog = { };",
		    "3: error: missing ',' or ')' before 'log': the '(' is in "
		    "line 1" },
		{ "no bracket before a semicolon",
		    "\nlisten = [ \"x\";\nworkers = 1;",
		    "2: error: missing ']' before ';': the '[' is in line 2" },
		{ "no brace before the next group",
		    "types = (\n{ extension = \"a\";\n{ } );",
		    "3: error: unexpected '{': the '{' of line 2 is not "
		    "closed" },
		{ "no brace before the bracket",
		    "types = (\n{ extension = \"a\";\n);",
		    "3: error: unexpected ')': the '{' of line 2 is not "
		    "closed" },
		{ "no brace at all", "log = {\n access = \"none\";\n",
		    "1: error: unclosed '{'" },
		{ "a text that is closed by the next one's quote",
		    "user = \"x;\ngroup = \"y\";\n",
		    "1: error: unclosed text: \"x;" },
		{ "the same in one line", "user = \"x; group = \"y\";\n",
		    "1: error: unclosed text: \"x; group = \"" },
		{ "the same in a list", "listen = [\"x, \"y\"];\n",
		    "1: error: unclosed text: \"x, \"" },
		{ "a text over lines, and nothing wrong", "user = \"x\ny\";\n",
		    NULL },
		{ "a text without quotes", "user = x.y-z;",
		    "1: error: user: text is written in quotes: \"x.y-z\"" },
		{ "an address without quotes", "listen = [\"x\", *:1965];",
		    "1: error: text is written in quotes: \"*:1965\"" },
		{ "a path without quotes", "log = { access = /a/b; };",
		    "1: error: access: text is written in quotes: \"/a/b\"" },
		{ "other quotes", "user = 'x';",
		    "1: error: user: text is written in quotes: \"x\"" },
		{ "a switch of another kind", "tls = { tickets = on; };",
		    "1: error: tickets: expected true or false, not 'on'" },
		{ "a number with a unit", "workers = 2x;",
		    "1: error: workers: expected a whole number, not '2x'" },
		{ "a number without digits", "limits = { rate = 0x; };",
		    "1: error: rate: expected a whole number, not '0x'" },
		{ "a switch for a number", "workers = yes;",
		    "1: error: workers: expected a whole number, not 'yes'" },
		{ "a switch for a text", "capsules = ( { host = no; } );",
		    "1: error: host: text is written in quotes: \"no\"" },
		{ "a word for a group", "limits = off;",
		    "1: error: limits: expected a group { }, not 'off'" },
		{ "another word for a switch", "tls = { tickets = maybe; };",
		    "1: error: tickets: expected true or false, not 'maybe'" },
		{ "curly quotes", "user = \xe2\x80\x9cx\xe2\x80\x9d;",
		    "1: error: user: text is written in quotes like \"x\", "
		    "not in \xe2\x80\x9c" },
		{ "curly quotes around blanks",
		    "\nuser = \xe2\x80\x9ex y\xe2\x80\x9c;",
		    "2: error: user: text is written in quotes like \"x\", "
		    "not in \xe2\x80\x9e" },
		{ "curly quotes in a list",
		    "listen = [ \xe2\x80\x9cx\xe2\x80\x9d ];",
		    "1: error: text is written in quotes like \"x\", not in "
		    "\xe2\x80\x9c" },
		{ "an arrow", "user => \"x\";", "1: error: unexpected '>'" },
		{ "several values without brackets", "listen = \"x\", \"y\";",
		    "1: error: unexpected \"y\" after ',': several values are "
		    "written in brackets [ ]" },
		{ "a setting in a list", "capsules = ( host = \"x\" );",
		    "1: error: expected '{' or text in quotes, not 'host'" },
		{ "a group in an array", "capsules = [ { } ];",
		    "1: error: no brackets within [ ]: use ( ) around them" },
		{ "a block of another server", "server \"x\" {\n}",
		    "1: error: missing '=' after 'server'" },
		{ "a section of another server", "[server]\nport = 1\n",
		    "1: error: unexpected '[': a group is written NAME = "
		    "{ }" },
		{ "a section of another server, later",
		    "user = \"x\"\n[[server]]\n",
		    "2: error: unexpected '[': a group is written NAME = "
		    "{ }" },
		{ "no brace, nor a semicolon",
		    "types = (\n{ extension = \"a\"\n{ } );",
		    "3: error: unexpected '{': the '{' of line 2 is not "
		    "closed" },
		{ "a name in quotes", "{ \"host\": 1 }",
		    "1: error: unexpected '{': a group is written NAME = "
		    "{ }" },
		{ "no value, and the next line", "user =\ngroup = \"x\";",
		    "1: error: user: missing value" },
		{ "no value at the end", "\nuser =\n",
		    "2: error: user: missing value" },
		{ "no equals sign at the end", "\nuser\n",
		    "2: error: missing '=' after 'user'" },
		{ "two equals signs", "user == \"x\";",
		    "1: error: unexpected '='" },
		{ "two semicolons", "user = \"x\";;",
		    "1: error: unexpected ';'" },
		{ "a number after a number", "workers = 1 2;",
		    "1: error: unexpected '2' after the value of 'workers'" },
		{ "a number for a name", "user = \"x\"; 2 = 3;",
		    "1: error: expected the name of an option, not '2'" },
		{ "no semicolon at all",
		    "user = \"x\"\nlog = { access = \"none\" }\n", NULL },
		{ "numbers of all kinds",
		    "workers = +1 workers2 = 0x1F workers3 = 0XfL "
		    "workers4 = 1LL workers5 = .5 workers6 = 1.e+3 "
		    "workers7 = 1e-3 workers8 = -1. workers9 = TRUE",
		    NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf *c = conf_new();
		struct report r = { 0 };
		char want[512];

		tree_write(conf_file, rows[i].text);
		(void)conf_read(c, conf_file, &r);
		if (rows[i].item != NULL) {
			snprintf(want, sizeof(want), "%s:%s", conf_file,
			    rows[i].item);
			report_check_item(&r, 0, want, rows[i].what);
			check_row(r.n == 1, rows[i].what);
		}
		for (size_t k = 0; rows[i].item == NULL && k < r.n; k++)
			check_row(
			    strstr(r.items[k].text, "unknown option") != NULL,
			    rows[i].what);
		report_fini(&r);
		conf_free(&c);
	}
}

static void
test_words(void **state)
{
	static const struct {
		const char *word;
		enum token token;
	} rows[] = {
		{ "1", TOKEN_VALUE },
		{ "-1", TOKEN_VALUE },
		{ "0x1f", TOKEN_VALUE },
		{ "0x", TOKEN_OTHER },
		{ "0xg", TOKEN_OTHER },
		{ "1L", TOKEN_VALUE },
		{ "1LLL", TOKEN_OTHER },
		{ "1.5", TOKEN_VALUE },
		{ "1.5.2", TOKEN_OTHER },
		{ "1e", TOKEN_OTHER },
		{ "1e5", TOKEN_VALUE },
		{ ".", TOKEN_OTHER },
		{ "-", TOKEN_OTHER },
		{ "True", TOKEN_VALUE },
		{ "truth", TOKEN_NAME },
		{ "a-b_c*1", TOKEN_NAME },
		{ "*", TOKEN_NAME },
		{ "_a", TOKEN_OTHER },
		{ "a.b", TOKEN_OTHER },
		{ "1a", TOKEN_OTHER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(
		    grammar_word(slice_str(rows[i].word)) == rows[i].token,
		    rows[i].word);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_token_is_named),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, conf_set_up, conf_tear_down);
}
