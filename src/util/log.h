/* SPDX-License-Identifier: ISC */
/* Messages for people, on stderr, one line each, safe to show on a terminal.
 * Depends on buf and clock. */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include "util/buf.h"

enum { LOG_LINE_MAX = 4096 }; /* longer messages are truncated */

/* "carnation: ..." / "carnation: warning: ..." / "carnation: error: ..." and
 * LF, in one write(2). Never fails, keeps errno, allocates nothing. Control
 * bytes and malformed UTF-8 in the message are escaped. */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Shows text on the terminal's line until the next message, which takes its place;
 * "": nothing more. For a stderr that is a terminal alone. */
void log_status(const char *text);

/* Begins warnings and errors with "carnation VERB: ". */
void log_verb(const char *verb);

/* Begins each line with "who[pid]: " instead of "carnation: ", for worker
 * processes. */
void log_identify(const char *who);

/* Appends s with every byte that could deceive a terminal or a log written as
 * \xHH: C0, DEL, C1 (as UTF-8), the backslash, bidirectional controls, U+2028
 * and U+2029, and bytes that are not UTF-8. All or nothing: false when it did
 * not fit. */
bool log_escape(struct buf *out, struct slice s);

/* The same for a message, which may hold what is escaped already: backslashes
 * stay, so that escaping twice changes nothing. Appends as many whole
 * characters as fit; false when that was not all. */
bool log_escape_most(struct buf *out, struct slice s);

/* As log_escape, for a JSON string, without the quotes around it (RFC 8259 7):
 * \u00HH for a control, and for a byte that is not UTF-8 a backslash and
 * xHH. */
bool log_escape_json(struct buf *out, struct slice s);

/* At most one message a period: true when it is time for one. *last_ms is the
 * caller's, 0 at first. */
bool log_due(uint64_t *last_ms, uint64_t period_ms);

/* Bytes from strangers, made safe for a terminal as they come: line feeds, tabs
 * and printable UTF-8 pass; every other byte is shown as \xHH. */
enum { SCREEN_GROWTH = 4 }; /* a byte may become "\xHH" */

/* Zeroed at the start: bytes whose meaning depends on what follows. */
struct screen {
	uint8_t kept[4];
	size_t n;
};

/* Appends what can be shown so far; out must have room for SCREEN_GROWTH times
 * the bytes and those kept. */
bool screen_put(struct screen *s, struct slice bytes, struct buf *out);

/* Shows what was kept: nothing follows. */
bool screen_end(struct screen *s, struct buf *out);

#endif
