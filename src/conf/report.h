/* SPDX-License-Identifier: ISC */
/* Problems found while loading, each with its place: collected, so that a
 * person sees all of them at once. Depends on util. */
#ifndef CONF_REPORT_H
#define CONF_REPORT_H

#include "util/buf.h"

enum report_level {
	REPORT_WARNING, /* serve starts all the same */
	REPORT_ERROR,   /* stops a start or a reload */
};

struct report_item {
	enum report_level level;
	char *file;    /* NULL: of no file in particular */
	unsigned line; /* 0: of the file as a whole */
	char *text;    /* one line, safe to print */
};

/* Zeroed = empty. */
struct report {
	struct report_item *items;
	size_t n;
	size_t errors;
	size_t warnings;
};

enum { REPORT_MAX = 1000 }; /* of a level; others are only counted */

/* file may be NULL, line 0. The same problem at the same place is taken once.
 * A long text is cut. Out of memory: counted, not kept. */
void report_add(struct report *r, enum report_level level, const char *file,
    unsigned line, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* "file:line: error: text" of one item, without a line feed. */
bool report_format(const struct report_item *i, struct buf *out);

/* Every item by log_error or log_warn, errors first. */
void report_log(const struct report *r);

void report_fini(struct report *r);

#endif
