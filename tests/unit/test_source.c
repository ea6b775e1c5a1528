/* SPDX-License-Identifier: ISC */
#include "conf/source.h"

#include "support/conf.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
test_limits(void **state)
{
	static char big[CONF_FILE_MAX + 2];
	struct report r = { 0 };
	struct conf *c;
	size_t at = 0;

	(void)state;
	memset(big, '\n', CONF_FILE_MAX + 1);
	c = conf_parse_text(big, &r);
	report_check_item(
	    &r, 0, "carnation.conf: error: larger than 1048576 bytes", "bytes");
	report_fini(&r);
	conf_free(&c);
	for (unsigned i = 0; i < 65; i++)
		at += (size_t)snprintf(big + at, 16, "x%u=%u;\n", i, i);
	c = conf_parse_text(big, &r);
	report_check_item(&r, 0,
	    "carnation.conf:65: error: too many settings in one group",
	    "settings");
	report_fini(&r);
	conf_free(&c);
	at = (size_t)snprintf(big, 32, "capsules = (");
	for (unsigned i = 0; i < CONF_CAPSULES_MAX; i++)
		at += (size_t)snprintf(big + at, 16, "{},\n");
	snprintf(big + at, 16, "{});");
	c = conf_parse_text(big, &r);
	report_check_item(&r, 0,
	    "carnation.conf:1: error: capsules: too many entries: 1025 (limit "
	    "1024)",
	    "capsules");
	report_fini(&r);
	conf_free(&c);
}

/* What libconfig gets to read. */
static void
test_numbers_are_decimal(void **state)
{
	static const char text[] = "a=017; b = [+0, 00, +007];\n"
				   "c = (0x0f, 10L, 0009L, true, \"00\"); # 08";
	struct conf *c = conf_new();
	struct report r = { 0 };
	struct conf_source s;

	(void)state;
	source_init(&s, c, &r);
	assert_true(source_bytes(&s, slice_str(text), "carnation.conf"));
	assert_string_equal(buf_cstr(&s.text),
	    "a=17; b = [+0, 0, 7];\n"
	    "c = (0x0f, 10L, 9L, true, \"00\"); # 08\n");
	source_fini(&s);
	report_fini(&r);
	conf_free(&c);
}

static void
test_unreadable_file(void **state)
{
	struct conf *c = conf_new();
	struct report r = { 0 };

	(void)state;
	assert_false(conf_read(c, "missing.conf", &r));
	assert_false(conf_read(c, "parts", &r));
	report_check_item(&r, 0,
	    "missing.conf: error: cannot read: No such file or directory",
	    "missing");
	report_check_item(
	    &r, 1, "parts: error: cannot read: Is a directory", "directory");
	report_fini(&r);
	conf_free(&c);
}

static void
test_includes(void **state)
{
	static const struct {
		const char *what;
		const char *main;
		const char *a;
		const char *b;
		const char *item;
	} rows[] = {
		{ "beside the file that includes",
		    "@include \"parts/a.conf\"\nworkers = 7;\n",
		    "# a\n@include \"b.conf\"\n", "public_port = 7;\n", NULL },
		{ "the line after it", "@include \"parts/a.conf\"\nwrkers=7;",
		    "public_port = 7;", "",
		    "carnation.conf:2: error: unknown option \"wrkers\"; did "
		    "you mean \"workers\"?" },
		{ "a line within it", "\n@include \"parts/a.conf\"\n",
		    "\n\npublic_prt = 7;\n", "",
		    "parts/a.conf:3: error: unknown option \"public_prt\"; "
		    "did you mean \"public_port\"?" },
		{ "a line after one within", "@include \"parts/a.conf\"",
		    "\n@include \"b.conf\" // b\nx1 = 7;\n", "\n\n",
		    "parts/a.conf:3: error: unknown option \"x1\"" },
		{ "a syntax error within", "@include \"parts/a.conf\"",
		    "\nworkers = ;", "",
		    "parts/a.conf:2: error: workers: missing value" },
		{ "twice over two files",
		    "workers = 1;\n@include \"parts/a.conf\"", "\nworkers = 1;",
		    "", "parts/a.conf:2: error: duplicate option" },
		{ "within a group", "limits = {\n@include \"parts/a.conf\"\n};",
		    "rate = 7;", "", NULL },
		{ "brackets end where they begin",
		    "limits = {\n@include \"parts/a.conf\"\n", "rate = 7; };",
		    "", "parts/a.conf:1: error: unmatched '}'" },
		{ "in a text it is text",
		    "user = \"x\n@include \\\"y\\\"\n\";\n/*\n@include \"z\"\n"
		    "*/\n# @include \"z\"\n",
		    "", "", NULL },
		{ "missing", "\n@include \"nothing.conf\"", "", "",
		    "carnation.conf:2: error: cannot include nothing.conf: "
		    "No such file or directory" },
		{ "missing, within another", "\n@include \"parts/a.conf\"",
		    "\n\n@include \"x\"", "",
		    "parts/a.conf:3: error: cannot include parts/x: No such "
		    "file or directory" },
		{ "not a file", "@include \"parts\"", "", "",
		    "carnation.conf:1: error: cannot include parts: Is a "
		    "directory" },
		{ "nothing to wait for", "@include \"/dev/zero\"", "", "",
		    "carnation.conf:1: error: cannot include /dev/zero: not a "
		    "regular file" },
		{ "no name", "@include \"\"", "", "",
		    "carnation.conf:1: error: @include requires a file name in "
		    "quotes" },
		{ "no quotes", "@include x", "", "",
		    "carnation.conf:1: error: @include requires a file name in "
		    "quotes" },
		{ "itself", "@include \"carnation.conf\"", "", "",
		    "carnation.conf:1: error: @include nested too deeply" },
		{ "within a list", "listen = [\n@include \"parts/a.conf\"\n];",
		    "\"*:1\"", "", NULL },
		{ "a number within a list of texts",
		    "listen = [\n@include \"parts/a.conf\"\n];", "\"*:1\",\n3",
		    "",
		    "parts/a.conf:2: error: expected text in quotes, not "
		    "'3'" },
		{ "a setting within a list",
		    "listen = [\n@include \"parts/a.conf\"\n];", "a = 1;", "",
		    "parts/a.conf:1: error: text is written in quotes: "
		    "\"a\"" },
		{ "a list that ends within",
		    "listen = [ \"x\"\n@include \"parts/a.conf\"\n];", "\n;",
		    "", "parts/a.conf:2: error: missing ']' before ';'" },
		{ "a value within, of an option before it",
		    "user =\n@include \"parts/a.conf\"\n", "\"x\";", "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct report r = { 0 };
		struct conf *c;

		tree_write("parts/a.conf", rows[i].a);
		tree_write("parts/b.conf", rows[i].b);
		c = conf_parse_text(rows[i].main, &r);
		if (rows[i].item != NULL)
			report_check_item(&r, 0, rows[i].item, rows[i].what);
		else if (r.n > 0)
			report_check_item(&r, 0, "nothing", rows[i].what);
		if (i == 0)
			assert_int_equal(c->workers + c->public_port, 14);
		report_fini(&r);
		conf_free(&c);
	}
}

static void
test_included_pipe_does_not_block(void **state)
{
	struct report r = { 0 };
	struct conf *c;

	(void)state;
	assert_int_equal(mkfifo("parts/pipe", 0600), 0);
	alarm(10);
	c = conf_parse_text("@include \"parts/pipe\"", &r);
	alarm(0);
	assert_int_equal(remove("parts/pipe"), 0);
	report_check_item(&r, 0,
	    "carnation.conf:1: error: cannot include parts/pipe: not a regular "
	    "file",
	    "pipe");
	report_fini(&r);
	conf_free(&c);
}

static void
test_include_depth_is_limited(void **state)
{
	static char twice[CONF_FILE_MAX];
	struct report r = { 0 };
	struct conf *c;

	(void)state;
	memset(twice, '\n', sizeof(twice) - 1);
	memcpy(twice, "@include \"b.conf\"\n@include \"b.conf\"\n", 36);
	tree_write("parts/a.conf", twice);
	memcpy(twice, "                 \n                 \n", 36);
	tree_write("parts/b.conf", twice);
	c = conf_parse_text(
	    "@include \"parts/a.conf\"\n@include \"parts/a.conf\"\n", &r);
	assert_int_equal(r.n, 1);
	assert_non_null(strstr(r.items[0].text, "configuration larger"));
	report_fini(&r);
	conf_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_numbers_are_decimal),
		cmocka_unit_test(test_unreadable_file),
		cmocka_unit_test(test_includes),
		cmocka_unit_test(test_included_pipe_does_not_block),
		cmocka_unit_test(test_include_depth_is_limited),
	};

	return cmocka_run_group_tests(tests, conf_set_up, conf_tear_down);
}
