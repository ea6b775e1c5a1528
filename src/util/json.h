/* SPDX-License-Identifier: ISC */
/* Writes JSON (RFC 8259) into a buffer. Depends on log. */
#ifndef UTIL_JSON_H
#define UTIL_JSON_H

#include "util/buf.h"

/* A name is NULL in a list and at the top; else it needs no escapes. What does
 * not fit is noted in out->failed. */
struct json {
	struct buf *out;
	uint32_t lists; /* a bit for each open level: a list, not an object */
	unsigned depth;
	bool comma; /* something stands before what comes next */
};

enum { JSON_DEPTH_MAX = 8 };

void json_object(struct json *j, const char *name);
void json_list(struct json *j, const char *name);

/* Closes the object or list that was opened last; after the last one a line
 * feed follows. */
void json_end(struct json *j);

/* A string. Bytes that could deceive a terminal, and those that are not UTF-8,
 * are escaped (log_escape_json). */
void json_slice(struct json *j, const char *name, struct slice s);

/* The same, or null when text is NULL. */
void json_text(struct json *j, const char *name, const char *text);

void json_number(struct json *j, const char *name, uint64_t n);
void json_bool(struct json *j, const char *name, bool b);
void json_null(struct json *j, const char *name);

#endif
