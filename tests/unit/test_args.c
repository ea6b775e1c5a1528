/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "util/buf.h"
#include "verbs/args.h"

struct job {
	const char *listen;
	const char *word;
	struct arg_list hosts;
	struct arg_list rest;
	uint64_t workers;
	uint64_t size;
	uint64_t wait;
	bool open;
};

static bool
even_check(const char *text, struct why *why)
{
	return strlen(text) % 2 == 0 || why_set(why, "odd \"%s\"", text);
}

/* clang-format off */
static const struct arg args[] = {
	{ "--listen", 'l', "ADDR", "where", ARG_TEXT(struct job, listen) },
	{ "--open", 'o', NULL, "flag", ARG_FLAG(struct job, open) },
	{ "--workers", 0, "N", "number", ARG_NUMBER(struct job, workers, 1, 64) },
	{ "--max", 0, "SIZE", "size", ARG_SIZE(struct job, size, 2, 1 << 20) },
	{ "--wait", 0, "TIME", "time", ARG_TIME(struct job, wait, 2, 86400) },
	{ "--host", 0, "NAME", "list", ARG_LIST(struct job, hosts, 2),
	    .check = even_check },
	{ "WORD", 0, NULL, NULL, ARG_TEXT(struct job, word) },
	{ "REST", 0, NULL, NULL, ARG_LIST(struct job, rest, 2),
	    .optional = true },
	{ .name = NULL },
};
/* clang-format on */

/* What a command line makes of a job: "listen=a hosts=b,c"; or the error. */
static const struct row {
	const char *rule;
	const char *words[8];
	const char *job;
	const char *why; /* NULL: none */
} rows[] = {
	{ "a word", { "dir" }, "word=dir", NULL },
	{ "a value in the next word", { "--listen", ":7", "x" },
	    "listen=:7 word=x", NULL },
	{ "a value after =", { "--listen=:7", "x" }, "listen=:7 word=x", NULL },
	{ "a value with = in it", { "--listen=a=b", "x" }, "listen=a=b word=x",
	    NULL },
	{ "a value after a letter", { "-l:7", "x" }, "listen=:7 word=x", NULL },
	{ "a value in the word after a letter", { "x", "-l", ":7" },
	    "listen=:7 word=x", NULL },
	{ "a value that looks like an option", { "--listen", "--open", "x" },
	    "listen=--open word=x", NULL },
	{ "a flag", { "--open", "x" }, "word=x open", NULL },
	{ "a flag twice", { "-o", "x", "--open" }, "word=x open", NULL },
	{ "a list", { "--host", "aa", "--host=bb", "x" }, "word=x hosts=aa,bb",
	    NULL },
	{ "the last argument takes the rest", { "x", "y", "z" },
	    "word=x rest=y,z", NULL },
	{ "a dash is a word", { "-" }, "word=-", NULL },
	{ "only words after --", { "--", "--open", "--" },
	    "word=--open rest=--", NULL },
	{ "the smallest number", { "--workers", "1", "x" }, "word=x workers=1",
	    NULL },
	{ "the largest number", { "--workers=64", "x" }, "word=x workers=64",
	    NULL },
	{ "a size in bytes", { "--max", "2", "x" }, "word=x size=2", NULL },
	{ "a size with a unit", { "--max", "4K", "x" }, "word=x size=4096",
	    NULL },
	{ "the largest size", { "--max", "1M", "x" }, "word=x size=1048576",
	    NULL },
	{ "a time in seconds", { "--wait", "2", "x" }, "word=x wait=2", NULL },
	{ "the same with its unit", { "--wait", "90s", "x" }, "word=x wait=90",
	    NULL },
	{ "a time in minutes", { "--wait", "2m", "x" }, "word=x wait=120",
	    NULL },
	{ "a time in hours", { "--wait", "6h", "x" }, "word=x wait=21600",
	    NULL },
	{ "the longest time", { "--wait", "1d", "x" }, "word=x wait=86400",
	    NULL },

	{ "nothing", { NULL }, NULL, "missing argument: WORD" },
	{ "too many words", { "x", "y", "z", "zz" }, NULL,
	    "REST: more than 2" },
	{ "no value", { "x", "--listen" }, NULL,
	    "--listen: missing value: ADDR" },
	{ "no value for a letter", { "x", "-l" }, NULL,
	    "--listen: missing value: ADDR" },
	{ "an empty value", { "--listen=", "x" }, NULL,
	    "--listen: empty value" },
	{ "a blank value", { "--listen", " ", "x" }, "listen=  word=x", NULL },
	{ "an empty argument", { "" }, NULL, "WORD: empty value" },
	{ "a value for a flag", { "--open=1", "x" }, NULL,
	    "--open takes no value" },
	{ "a value for a flag's letter", { "-ox" }, NULL,
	    "--open takes no value" },
	{ "a value given twice", { "--listen", "a", "-lb" }, NULL,
	    "duplicate option --listen" },
	{ "a list beyond its limit", { "--host=aa", "--host=bb", "--host=cc" },
	    NULL, "--host: more than 2" },
	{ "a value that its check refuses", { "--host", "abc" }, NULL,
	    "--host: odd \"abc\"" },
	{ "an unknown option", { "--lsiten", "a" }, NULL,
	    "unknown option --lsiten; did you mean --listen?" },
	{ "an option like no other", { "--zzzzzz" }, NULL,
	    "unknown option --zzzzzz" },
	{ "an unknown letter", { "-x" }, NULL, "unknown option -x" },
	{ "no number", { "--workers", "many" }, NULL,
	    "--workers: invalid number \"many\" (from 1 to 64)" },
	{ "a number too small", { "--workers", "0" }, NULL,
	    "--workers: invalid number \"0\" (from 1 to 64)" },
	{ "a number too large", { "--workers", "65" }, NULL,
	    "--workers: invalid number \"65\" (from 1 to 64)" },
	{ "a negative number", { "--workers", "-1" }, NULL,
	    "--workers: invalid number \"-1\" (from 1 to 64)" },
	{ "no size", { "--max", "K" }, NULL,
	    "--max: invalid size \"K\" (bytes, or with a unit: 64K, 64M, 4G)" },
	{ "a size too small", { "--max", "1" }, NULL,
	    "--max: invalid size \"1\" (bytes, or with a unit: 64K, 64M, 4G)" },
	{ "a size too large", { "--max", "1G" }, NULL,
	    "--max: invalid size \"1G\" (bytes, or with a unit: 64K, 64M, "
	    "4G)" },
	{ "a time too short", { "--wait", "1s" }, NULL,
	    "--wait: invalid time \"1s\" (seconds, or with a unit: 90s, 30m, "
	    "6h, 14d)" },
	{ "a time too long", { "--wait", "2d" }, NULL,
	    "--wait: invalid time \"2d\" (seconds, or with a unit: 90s, 30m, "
	    "6h, 14d)" },
	{ "a unit that is none", { "--max", "1k" }, NULL,
	    "--max: invalid size \"1k\" (bytes, or with a unit: 64K, 64M, "
	    "4G)" },
};

static void
list_put(struct buf *out, const char *name, const struct arg_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		buf_printf(out, "%s%s", i == 0 ? name : ",", l->text[i]);
}

static void
job_put(struct buf *out, const struct job *j)
{
	if (j->listen != NULL)
		buf_printf(out, " listen=%s", j->listen);
	if (j->word != NULL)
		buf_printf(out, " word=%s", j->word);
	list_put(out, " hosts=", &j->hosts);
	list_put(out, " rest=", &j->rest);
	if (j->workers != 0)
		buf_printf(out, " workers=%d", (int)j->workers);
	if (j->size != 0)
		buf_printf(out, " size=%d", (int)j->size);
	if (j->wait != 0)
		buf_printf(out, " wait=%d", (int)j->wait);
	if (j->open)
		buf_str(out, " open");
}

static void
test_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct job j = { 0 };
		struct why why;
		struct buf text;
		int argc = 0;
		bool ok;

		while (argc < 8 && r->words[argc] != NULL)
			argc++;
		why_clear(&why);
		ok = args_parse(
		    args, argc, (char **)(uintptr_t)r->words, &j, &why);
		check_row(ok == (r->why == NULL), r->rule);
		buf_init(&text, 256);
		job_put(&text, &j);
		if (ok)
			assert_string_equal(buf_cstr(&text) + 1, r->job);
		else
			assert_string_equal(why.text, r->why);
		buf_fini(&text);
		args_free(args, &j);
	}
}

/* What a function prints to a file. */
static const char *
printed(FILE *f)
{
	static char text[2048];
	size_t n;

	rewind(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static void
test_synopsis(void **state)
{
	FILE *f = tmpfile();

	(void)state;
	assert_non_null(f);
	args_print_synopsis(f, "try", args, 40);
	assert_string_equal(printed(f),
	    "usage: carnation try [-l ADDR] [-o]\n"
	    "                     [--workers N]\n"
	    "                     [--max SIZE]\n"
	    "                     [--wait TIME]\n"
	    "                     [--host NAME]...\n"
	    "                     WORD [REST]...\n");
}

static void
test_options(void **state)
{
	/* clang-format off */
	static const struct arg few[] = {
		{ "--all", 'a', NULL, "short", ARG_FLAG(struct job, open) },
		{ "--a-very-long-name", 0, "VALUE",
		    "help that is folded at the width of a small terminal",
		    ARG_TEXT(struct job, listen) },
		{ "WORD", 0, NULL, NULL, ARG_TEXT(struct job, word) },
		{ .name = NULL },
	};
	/* clang-format on */
	FILE *f = tmpfile();

	(void)state;
	assert_non_null(f);
	args_print_options(f, few, 40);
	assert_string_equal(printed(f),
	    "\n"
	    "  -a, --all  short\n"
	    "  --a-very-long-name VALUE\n"
	    "             help that is folded at the\n"
	    "             width of a small terminal\n");
}

static void
test_width_of_a_file(void **state)
{
	FILE *f = tmpfile();

	(void)state;
	assert_non_null(f);
	assert_int_equal(args_width(f), 80);
	fclose(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_synopsis),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_width_of_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
