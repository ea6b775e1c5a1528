/* SPDX-License-Identifier: ISC */
/* The table of options: one row has an option's name, type, default and range;
 * checking, defaults, the dump and the comparison with the man pages are
 * loops over it. Depends on conf. */
#ifndef CONF_OPTIONS_H
#define CONF_OPTIONS_H

#include "conf/conf.h"

enum option_type {
	OPTION_GROUP, /* { ... }: its rows follow, named "group.name" */
	OPTION_LIST_OF_GROUPS, /* ( { ... }, ... ) */
	OPTION_TEXT,           /* struct conf_text */
	OPTION_PATH,           /* the same, relative to its file's directory */
	OPTION_LIST,           /* struct conf_list: texts */
	OPTION_LISTEN,         /* the same; what follows "unix:" is a path */
	OPTION_NUMBER,         /* int */
	OPTION_SECONDS,        /* int */
	OPTION_BOOL,           /* bool */
	OPTION_SWITCH,         /* int: 0, 1, or CONF_UNSET */
	OPTION_CHOICE, /* int: the index of a text in a list of choices */
};

/* Where an option may be written. */
enum option_place {
	OPTION_OPERATOR = 1, /* carnation.conf(5) */
	OPTION_CAPSULE = 2,  /* capsule.conf(5), and the operator's capsules */
};

/* Why a text is invalid, in a few words; NULL: it is valid. */
typedef const char *option_check(struct slice text);

struct option {
	const char *name; /* "limits.rate", "capsules.host", "redirects.from" */
	enum option_type type;
	unsigned places;
	size_t offset;        /* in the struct of its group */
	const char *fallback; /* default, as it would be written; NULL: none */
	long min;
	long max; /* of a list: entries; of a capsule's, in capsule.conf only */
	/* Ends with NULL. Of a text: the only ones allowed; of a path: words
	 * that are none. */
	const char *const *choices;
	const char *unit;
	option_check *check; /* of a text, or of each text in a list */
	bool required;       /* a group without it is an error */
	long globs;          /* of a list: most that have wildcards; 0: any */
	size_t count;        /* of a list of groups: offset of its length */
	size_t size;         /* and bytes of an element */
};

enum { OPTION_NAME_MAX = 64 }; /* bytes of a full name, NUL included */

/* All rows, *n of them. */
const struct option *options_all(size_t *n);

/* The row of that name, or NULL. */
const struct option *option_find(const char *name);

/* The name as it is written inside its group: after the last dot. */
const char *option_word(const struct option *o);

/* The row after o, or the first for NULL, that is written directly in the group
 * that prefix and place name: "" for the top of either file, "limits." and so
 * on; NULL at the end. */
const struct option *
option_next(const struct option *o, const char *prefix, unsigned place);

/* The known name in the same group and place that is nearest to a mistyped one
 * (see word_nearer), or NULL. */
const char *option_nearest(const char *name, unsigned place);

#endif
