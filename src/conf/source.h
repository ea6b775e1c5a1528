/* SPDX-License-Identifier: ISC */
/* The text of a configuration: files with what they include, one after the
 * other, and which line of the whole came from where. Also refuses what
 * libconfig 1.5 accepts: a NUL that hides the rest, numbers that wrap round,
 * brackets nested without bound. Depends on conf_internal and grammar. */
#ifndef CONF_SOURCE_H
#define CONF_SOURCE_H

#include "conf/conf_internal.h"
#include "conf/grammar.h"

enum {
	SOURCE_TEXT_MAX = 4 * CONF_FILE_MAX, /* bytes, includes and all */
	SOURCE_INCLUDES_MAX = 10,            /* files within files */
	SOURCE_DEPTH_MAX = 16,               /* brackets within brackets */
	SOURCE_SETTINGS_MAX = 64,            /* in one group: libconfig compares
					      * each name with all before it */
};

/* From line `at` of the whole on, lines are those of file from `line` on. */
struct mark {
	unsigned at;
	struct place place;
};

struct conf_source {
	struct conf *conf; /* owns the marks and the names */
	struct report *report;
	struct buf text;
	unsigned lines; /* number of the line that text ends in */
	struct mark *marks;
	size_t n_marks;
	unsigned depth; /* files open within files */
	struct grammar grammar;
	uint8_t open; /* bracket that an included file is in; 0: none */
	bool may_include;
};

void source_init(struct conf_source *s, struct conf *c, struct report *r);
void source_fini(struct conf_source *s);

/* Appends a file and what it includes. False after an error was reported. */
bool source_file(struct conf_source *s, const char *file);

/* Appends bytes that may include nothing. False as above. */
bool source_bytes(struct conf_source *s, struct slice bytes, const char *name);

/* Where a line of the whole came from. */
struct place source_place(const struct conf_source *s, unsigned line);

#endif
