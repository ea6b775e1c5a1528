/* SPDX-License-Identifier: ISC */
#include "verbs/args.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util/buf.h"

enum {
	WIDTH_PIPE = 80,
	WIDTH_MIN = 40,
	WIDTH_MAX = 100,  /* longer lines are hard to read */
	COLUMN_MAX = 24,  /* where the help of an option begins at most */
	ARG_TEXT_MAX = 64 /* "-c, --config FILE" */
};

static bool
arg_is_option(const struct arg *a)
{
	return a->name[0] == '-';
}

/* ---------------------------------------------------------------- parsing */

struct parser {
	const struct arg *args;
	void *job;
	char **argv;
	int argc, at;
	bool seen[ARGS_MAX];
	struct why *why;
};

static const struct arg *
arg_find(const struct arg *args, const char *word, size_t len)
{
	for (const struct arg *a = args; a->name != NULL; a++) {
		if (word[1] != '-' && a->letter != 0 && a->letter == word[1])
			return a;
		if (arg_is_option(a) && strlen(a->name) == len &&
		    memcmp(a->name, word, len) == 0)
			return a;
	}
	return NULL;
}

static bool
option_unknown(const struct parser *p, const char *word)
{
	const char *names[ARGS_MAX + 1] = { NULL };
	const char *near;
	size_t n = 0;

	for (const struct arg *a = p->args; a->name != NULL; a++)
		if (arg_is_option(a))
			names[n++] = a->name;
	near = word_nearest(word, names);
	return near == NULL
		   ? why_set(p->why, "unknown option %s", word)
		   : why_set(p->why, "unknown option %s; did you mean %s?",
			 word, near);
}

static bool
number_take(
    const struct arg *a, const char *text, uint64_t *out, struct why *why)
{
	if (slice_number(slice_str(text), a->max, out) && *out >= a->min)
		return true;
	return why_set(why,
	    "invalid number \"%s\" (from %" PRIu64 " to %" PRIu64 ")", text,
	    a->min, a->max);
}

static bool
size_take(const struct arg *a, const char *text, uint64_t *out, struct why *why)
{
	static const char units[] = "KMG";
	struct slice digits = slice_str(text);
	const char *unit = strchr(units, text[digits.len - 1]);
	unsigned shift = unit == NULL ? 0 : 10 * (unsigned)(unit - units + 1);

	if (unit != NULL)
		digits = slice_head(digits, digits.len - 1);
	if (slice_number(digits, a->max >> shift, out) &&
	    (*out <<= shift) >= a->min)
		return true;
	return why_set(why,
	    "invalid size \"%s\" (bytes, or with a unit: 64K, 64M, 4G)", text);
}

static bool
time_take(const struct arg *a, const char *text, uint64_t *out, struct why *why)
{
	static const char units[] = "smhd";
	static const uint64_t seconds[] = { 1, 60, 3600, 86400 };
	struct slice digits = slice_str(text);
	const char *unit = strchr(units, text[digits.len - 1]);
	uint64_t each = unit == NULL ? 1 : seconds[unit - units];

	if (unit != NULL)
		digits = slice_head(digits, digits.len - 1);
	if (slice_number(digits, a->max / each, out) &&
	    (*out *= each) >= a->min)
		return true;
	return why_set(why,
	    "invalid time \"%s\" (seconds, or with a unit: 90s, 30m, 6h, 14d)",
	    text);
}

static bool
list_take(struct parser *p, const struct arg *a, const char *text,
    struct arg_list *list)
{
	if (list->text == NULL)
		list->text = calloc((size_t)p->argc, sizeof(*list->text));
	if (list->text == NULL)
		return why_memory(p->why);
	if (list->n == a->max)
		return why_set(p->why, "more than %" PRIu64, a->max);
	list->text[list->n++] = text;
	return true;
}

/* A value of a row goes to its destination. An empty variable of a script must
 * not pass for a value, so no text is empty. */
static bool
value_take(struct parser *p, const struct arg *a, const char *text)
{
	void *to = (char *)p->job + a->at;
	bool ok = true;

	if (a->kind == ARG_KIND_FLAG)
		*(bool *)to = true;
	else if (text[0] == '\0')
		ok = why_set(p->why, "empty value");
	else if (a->check != NULL && !a->check(text, p->why))
		ok = false;
	else if (a->kind == ARG_KIND_TEXT)
		*(const char **)to = text;
	else if (a->kind == ARG_KIND_LIST)
		ok = list_take(p, a, text, to);
	else if (a->kind == ARG_KIND_NUMBER)
		ok = number_take(a, text, to, p->why);
	else if (a->kind == ARG_KIND_SIZE)
		ok = size_take(a, text, to, p->why);
	else
		ok = time_take(a, text, to, p->why);
	return ok || why_at(p->why, "%s", a->name);
}

static bool
once(struct parser *p, const struct arg *a)
{
	bool *seen = &p->seen[a - p->args];
	bool again = *seen;

	assert(a - p->args < ARGS_MAX);
	*seen = true;
	if (!again || a->kind == ARG_KIND_LIST || a->kind == ARG_KIND_FLAG)
		return true;
	return why_set(p->why, "duplicate option %s", a->name);
}

/* "--key X", "--key=X", "-k X" or "-kX". */
static bool
option_take(struct parser *p, const char *word)
{
	bool is_long = word[1] == '-';
	const char *equals = is_long ? strchr(word, '=') : NULL;
	size_t len = equals != NULL ? (size_t)(equals - word) : strlen(word);
	const struct arg *a = arg_find(p->args, word, len);
	const char *attached = equals != NULL        ? equals + 1
			       : !is_long && len > 2 ? word + 2
						     : NULL;

	if (a == NULL)
		return option_unknown(p, word);
	if (!once(p, a))
		return false;
	if (a->kind == ARG_KIND_FLAG)
		return attached == NULL
			   ? value_take(p, a, NULL)
			   : why_set(p->why, "%s takes no value", a->name);
	if (attached == NULL && p->at + 1 >= p->argc)
		return why_set(
		    p->why, "%s: missing value: %s", a->name, a->value);
	return value_take(p, a, attached != NULL ? attached : p->argv[++p->at]);
}

/* An argument belongs to the first row that still wants one. */
static bool
argument_take(struct parser *p, const char *word)
{
	for (const struct arg *a = p->args; a->name != NULL; a++) {
		bool *seen = &p->seen[a - p->args];

		if (arg_is_option(a) || (*seen && a->kind != ARG_KIND_LIST))
			continue;
		*seen = true;
		return value_take(p, a, word);
	}
	return why_set(p->why, "too many arguments: %s", word);
}

static bool
arguments_all(const struct parser *p)
{
	for (const struct arg *a = p->args; a->name != NULL; a++)
		if (!arg_is_option(a) && !a->optional && !p->seen[a - p->args])
			return why_set(p->why, "missing argument: %s", a->name);
	return true;
}

bool
args_parse(
    const struct arg *args, int argc, char **argv, void *job, struct why *why)
{
	struct parser p = {
		.args = args, .job = job, .argc = argc, .argv = argv, .why = why
	};
	bool only_arguments = false;

	for (; p.at < argc; p.at++) {
		const char *word = argv[p.at];
		bool option = word[0] == '-' && word[1] != '\0';

		if (!only_arguments && strcmp(word, "--") == 0)
			only_arguments = true;
		else if (!(option && !only_arguments ? option_take(&p, word)
						     : argument_take(&p, word)))
			return false;
	}
	return arguments_all(&p);
}

void
args_free(const struct arg *args, void *job)
{
	for (const struct arg *a = args; a->name != NULL; a++)
		if (a->kind == ARG_KIND_LIST)
			free(((struct arg_list *)((char *)job + a->at))->text);
}

/* ------------------------------------------------------------------ usage */

unsigned
args_width(FILE *out)
{
	struct winsize size;

	if (isatty(fileno(out)) != 1 ||
	    ioctl(fileno(out), TIOCGWINSZ, &size) == -1 || size.ws_col == 0)
		return WIDTH_PIPE;
	if (size.ws_col < WIDTH_MIN)
		return WIDTH_MIN;
	return size.ws_col > WIDTH_MAX ? WIDTH_MAX : size.ws_col;
}

/* The next unit that is not broken, a word or "[...]" with what is in it. */
static size_t
unit_length(const char *text)
{
	size_t n = 0;
	int open = 0;

	for (; text[n] != '\0' && (text[n] != ' ' || open > 0); n++)
		open += (text[n] == '[') - (text[n] == ']');
	return n;
}

void
args_print_folded(
    FILE *out, const char *text, unsigned at, unsigned indent, unsigned width)
{
	bool first = true;

	while (*text != '\0') {
		size_t n = unit_length(text);

		if (!first && at + 1 + n > width) {
			fprintf(out, "\n%*s", (int)indent, "");
			at = indent;
		} else if (!first) {
			putc(' ', out);
			at++;
		}
		fprintf(out, "%.*s", (int)n, text);
		at += (unsigned)n;
		first = false;
		text += n + (text[n] == ' ');
	}
	putc('\n', out);
}

/* " [--key FILE]..." of an option, " [HOST]..." or " STORE" of an argument. */
static bool
synopsis_put(struct buf *out, const struct arg *a)
{
	bool optional = arg_is_option(a) || a->optional;
	bool ok = buf_str(out, optional ? " [" : " ");

	if (ok && a->letter != 0)
		ok = buf_printf(out, "-%c", a->letter);
	else if (ok)
		ok = buf_str(out, a->name);
	if (arg_is_option(a) && a->kind != ARG_KIND_FLAG)
		ok = ok && buf_printf(out, " %s", a->value);
	return ok && buf_str(out, optional ? "]" : "") &&
	       (a->kind != ARG_KIND_LIST || buf_str(out, "..."));
}

void
args_print_synopsis(
    FILE *out, const char *verb, const struct arg *args, unsigned width)
{
	int at = fprintf(out, "usage: carnation %s", verb);
	char memory[ARGS_MAX * ARG_TEXT_MAX];
	struct buf text;

	buf_wrap(&text, memory, sizeof(memory) - 1);
	for (int options = 1; options >= 0; options--)
		for (const struct arg *a = args; a->name != NULL; a++)
			if (arg_is_option(a) == options)
				synopsis_put(&text, a);
	args_print_folded(
	    out, buf_cstr(&text), (unsigned)at, (unsigned)at + 1, width);
}

static void
option_text(const struct arg *a, char out[ARG_TEXT_MAX])
{
	char letter[5] = "";

	if (a->letter != 0)
		snprintf(letter, sizeof(letter), "-%c, ", a->letter);
	snprintf(out, ARG_TEXT_MAX, "  %s%s%s%s", letter, a->name,
	    a->value != NULL ? " " : "", a->value != NULL ? a->value : "");
}

/* Where help begins: after the longest option that is not too long. */
static unsigned
help_column(const struct arg *args)
{
	char text[ARG_TEXT_MAX];
	unsigned column = 0;

	for (const struct arg *a = args; a->name != NULL; a++) {
		option_text(a, text);
		if (a->help != NULL && strlen(text) + 2 > column &&
		    strlen(text) + 2 <= COLUMN_MAX)
			column = (unsigned)strlen(text) + 2;
	}
	return column == 0 ? COLUMN_MAX : column;
}

void
args_print_options(FILE *out, const struct arg *args, unsigned width)
{
	unsigned column = help_column(args);
	char text[ARG_TEXT_MAX];
	bool first = true;

	for (const struct arg *a = args; a->name != NULL; a++) {
		if (a->help == NULL)
			continue;
		if (first)
			putc('\n', out);
		first = false;
		option_text(a, text);
		if (strlen(text) + 2 > column)
			fprintf(out, "%s\n%*s", text, (int)column, "");
		else
			fprintf(out, "%-*s", (int)column, text);
		args_print_folded(out, a->help, column, column, width);
	}
}
