/* SPDX-License-Identifier: ISC */
#include "verbs/args.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capsule/plain.h"
#include "conf/options.h"

enum { OPTIONS_MAX = 32 }; /* a bit each in args.seen */

static const struct args_option *
find_long(const struct args *a, const char *word, size_t len)
{
	const struct args_option *o;

	for (o = a->options; o->name != NULL; o++)
		if (strlen(o->name) == len && memcmp(o->name, word, len) == 0)
			return o;
	return NULL;
}

static const struct args_option *
find_short(const struct args *a, char letter)
{
	const struct args_option *o;

	for (o = a->options; o->name != NULL; o++)
		if (letter > ' ' && o->letter == letter)
			return o;
	return NULL;
}

static int
unknown(const struct args *a, const char *word)
{
	const char *names[OPTIONS_MAX + 1] = { NULL };
	const char *near;

	for (size_t i = 0; i < OPTIONS_MAX && a->options[i].name != NULL; i++)
		names[i] = a->options[i].name;
	near = word_nearest(word, names);
	fprintf(stderr, "carnation %s: unknown option %s%s%s%s\n", a->verb,
	    word, near != NULL ? "; did you mean " : "",
	    near != NULL ? near : "", near != NULL ? "?" : "");
	return ARGS_BAD;
}

/* False when it has been given before, and its value would be lost. */
static bool
note_once(struct args *a, const struct args_option *o)
{
	size_t i = (size_t)(o - a->options);
	uint32_t bit;

	assert(i < OPTIONS_MAX);
	bit = UINT32_C(1) << i;
	if (o->takes_value != ARGS_MANY && (a->seen & bit) != 0)
		return false;
	a->seen |= bit;
	return true;
}

/* The value behind '=' or in the next word. */
static int
take_value(struct args *a, const struct args_option *o, const char *attached)
{
	if (!o->takes_value && attached != NULL) {
		fprintf(stderr, "carnation %s: %s takes no value\n", a->verb,
		    o->name);
		return ARGS_BAD;
	}
	if (!o->takes_value)
		return o->letter;
	if (attached == NULL && a->at + 1 >= a->argc) {
		fprintf(stderr, "carnation %s: %s needs a value\n", a->verb,
		    o->name);
		return ARGS_BAD;
	}
	if (!note_once(a, o)) {
		fprintf(
		    stderr, "carnation %s: %s given twice\n", a->verb, o->name);
		return ARGS_BAD;
	}
	a->value = attached != NULL ? attached : a->argv[++a->at];
	return o->letter;
}

int
args_next(struct args *a)
{
	const struct args_option *o;
	const char *word, *equals;

	a->value = NULL;
	if (++a->at >= a->argc)
		return ARGS_END;
	word = a->argv[a->at];
	if (!a->words_only && strcmp(word, "--") == 0) {
		a->words_only = true;
		return args_next(a);
	}
	if (a->words_only || word[0] != '-' || word[1] == '\0') {
		a->value = word;
		return ARGS_WORD;
	}
	if (word[1] != '-') {
		o = find_short(a, word[1]);
		if (o == NULL)
			return unknown(a, word);
		return take_value(a, o, word[2] != '\0' ? word + 2 : NULL);
	}
	equals = strchr(word, '=');
	o = find_long(
	    a, word, equals != NULL ? (size_t)(equals - word) : strlen(word));
	if (o == NULL)
		return unknown(a, word);
	return take_value(a, o, equals != NULL ? equals + 1 : NULL);
}

bool
args_number(
    const struct args *a, const char *what, long min, long max, long *out)
{
	uint64_t n;

	if (slice_number(slice_str(a->value), (uint64_t)max, &n) &&
	    n >= (uint64_t)min) {
		*out = (long)n;
		return true;
	}
	fprintf(stderr,
	    "carnation %s: %s: \"%s\" is not a number from %ld to "
	    "%ld\n",
	    a->verb, what, a->value, min, max);
	return false;
}

bool
args_name(const struct args *a, const char *what, struct slice *out)
{
	struct slice name = slice_str(a->value);

	if (plain_is_blank(name)) {
		fprintf(stderr, "carnation %s: %s: the name is empty\n",
		    a->verb, what);
		return false;
	}
	*out = name;
	return true;
}
