/* SPDX-License-Identifier: ISC */
/* Command-line options from a table; an unknown one is answered with the
 * nearest known one. Depends on conf (word_nearest) and capsule (plain). */
#ifndef VERBS_ARGS_H
#define VERBS_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "util/slice.h"

enum {
	ARGS_MANY = 2,
	/* A verb's options without a letter are numbered from here: a number
	 * below is a letter, and works as "-l". */
	ARGS_LONG = 256,
};

struct args_option {
	const char *name; /* "--listen" */
	int letter;       /* 'l', which works as "-l" and is in the usage; or
	                   * ARGS_LONG and above; what args_next returns */
	int takes_value;  /* "--listen X", "--listen=X", "-l X": true, or
	                   * ARGS_MANY when it may be given several times */
};

enum {
	ARGS_END = -1,
	ARGS_WORD = -2, /* not an option: args.value is the word */
	ARGS_BAD = -3,  /* a message was printed: exit 2 */
};

/* Zero but for the first four. A value given twice that cannot be is told. */
struct args {
	const char *verb;                  /* for messages */
	const struct args_option *options; /* ends with a NULL name */
	int argc;
	char **argv;
	int at;          /* the verb itself at argv[0] is skipped */
	bool words_only; /* "--" was seen */
	const char *value;
	uint32_t seen; /* which of options, those with one value */
};

int args_next(struct args *a);

/* A whole number in min..max from text, or a message and false. */
bool args_number(
    const struct args *a, const char *what, long min, long max, long *out);

/* A name from value, borrowed; or a message and false when it is blank: an empty
 * variable of a script must not pass for the wish to name nobody. */
bool args_name(const struct args *a, const char *what, struct slice *out);

#endif
