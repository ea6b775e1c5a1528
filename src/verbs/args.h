/* SPDX-License-Identifier: ISC */
/* The command line of a verb as a table: one row for each option and argument
 * gives its parsing, its checks and its lines in the usage page.
 * Depends on util. */
#ifndef VERBS_ARGS_H
#define VERBS_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "util/why.h"

enum arg_kind {
	ARG_KIND_FLAG,   /* bool; takes no value */
	ARG_KIND_TEXT,   /* const char *, never empty */
	ARG_KIND_LIST,   /* struct arg_list: may be given up to max times */
	ARG_KIND_NUMBER, /* uint64_t from min to max */
	ARG_KIND_SIZE,   /* uint64_t from min to max, in bytes: 500, 64K, 4G */
	ARG_KIND_TIME,   /* the same in seconds: 500, 90s, 30m, 6h, 14d */
};

/* The values of an option that may be repeated, or of the last argument. With one
 * there is room for as many as there are words. */
struct arg_list {
	const char **text;
	size_t n;
};

struct arg {
	const char *name;  /* "--key"; of an argument, what usage calls it */
	char letter;       /* 'c' for "-c"; 0: none */
	const char *value; /* what usage calls the value: "FILE" */
	const char *help;  /* one sentence for the usage page, without a stop */
	enum arg_kind kind;
	size_t at; /* offset of the destination in the verb's job */
	uint64_t min, max;
	/* Whether a text is valid, else its reason. NULL: any text is. */
	bool (*check)(const char *text, struct why *why);
	bool optional; /* of an argument; options always are */
};

/* Kind and destination of a row. Does not compile when the member's type is not
 * that of the kind. (A type cannot stand in parentheses.) */
/* clang-format off */
#define ARG_AT(job, member, type) /* NOLINTNEXTLINE(*-macro-parentheses) */    \
	_Generic(&((job *)0)->member, type *: offsetof(job, member))
/* clang-format on */
#define ARG_FLAG(job, member)                                                  \
	.kind = ARG_KIND_FLAG, .at = ARG_AT(job, member, bool)
#define ARG_TEXT(job, member)                                                  \
	.kind = ARG_KIND_TEXT, .at = ARG_AT(job, member, const char *)
#define ARG_LIST(job, member, most)                                            \
	.kind = ARG_KIND_LIST, .at = ARG_AT(job, member, struct arg_list),     \
	.max = (most)
#define ARG_NUMBER(job, member, low, high)                                     \
	.kind = ARG_KIND_NUMBER, .at = ARG_AT(job, member, uint64_t),          \
	.min = (low), .max = (high)
#define ARG_SIZE(job, member, low, high)                                       \
	.kind = ARG_KIND_SIZE, .at = ARG_AT(job, member, uint64_t),            \
	.min = (low), .max = (high)
#define ARG_TIME(job, member, low, high)                                       \
	.kind = ARG_KIND_TIME, .at = ARG_AT(job, member, uint64_t),            \
	.min = (low), .max = (high)

enum { ARGS_MAX = 32 }; /* rows of a table */

/* Fills job, which holds the defaults, from the words after the verb, argc of
 * them, by the rows of args, which end with a NULL name. Texts are borrowed from
 * argv. False with the reason in why; args_free in any case. */
bool args_parse(
    const struct arg *args, int argc, char **argv, void *job, struct why *why);

/* Frees the lists of a job. */
void args_free(const struct arg *args, void *job);

/* The lines of the usage page: "usage: carnation VERB [--key FILE] STORE", and
 * an empty line with a line or more for each option, if there are any; both folded
 * to width columns. */
void args_print_synopsis(
    FILE *out, const char *verb, const struct arg *args, unsigned width);
void args_print_options(FILE *out, const struct arg *args, unsigned width);

/* Prints words, the first at column at, each line after the first indented by
 * indent columns. Ends with a line feed. */
void args_print_folded(
    FILE *out, const char *text, unsigned at, unsigned indent, unsigned width);

/* Columns of the terminal that out is; 80 when it is none. */
unsigned args_width(FILE *out);

#endif
