/* SPDX-License-Identifier: ISC */
/* Why something failed: one statement for a person, "PLACE: what is wrong (what
 * to do)". Depends on log.
 *
 * The text is safe to print, log, and write to a file: as it is set, every byte
 * that could deceive a terminal is escaped as log_escape does, except for
 * backslashes, so that escaping again changes nothing. Pass the bytes of a peer
 * or of a file name as they are. In JSON, only JSON's own escapes are due
 * (log_escape_json). */
#ifndef UTIL_WHY_H
#define UTIL_WHY_H

#include <stdbool.h>

enum { WHY_MAX = 4096 };

struct why {
	char text[WHY_MAX]; /* "": nothing; undefined until something is set */
};

/* Removes the text, without touching all its bytes. */
void why_clear(struct why *why);

/* Replaces the text. More than WHY_MAX - 4 bytes are cut between two
 * characters, and end in "...". Arguments may point into the old text. Always
 * false, for "return why_set(...)". */
bool why_set(struct why *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts "PLACE: " before the text, as why_set. False. */
bool why_at(struct why *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "PLACE: " and what errno means; errno is kept. False. */
bool why_errno(struct why *why, const char *place);

/* "out of memory". False. */
bool why_memory(struct why *why);

#endif
