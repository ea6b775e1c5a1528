/* SPDX-License-Identifier: ISC */
/* Texts of lines "name: value", read and written by a table: a store's state, a
 * mirror's trace. Pure; depends on util, proto and manifest (origins). */
#ifndef ARCHIVE_RECORDS_H
#define ARCHIVE_RECORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"
#include "util/why.h"

enum { RECORD_TEXT_MAX = 512 }; /* bytes of a text or origin, with NUL */

/* How a value is written: take reads it to where it belongs, put appends it, or
 * nothing when it is not known. False: it cannot be. */
struct record_kind {
	bool (*take)(struct slice value, void *to);
	bool (*put)(const void *from, struct buf *out);
	const char *fault; /* "expected a number" */
};

/* char[RECORD_TEXT_MAX], char[HOSTNAME_SIZE], char[RECORD_TEXT_MAX], uint64_t,
 * int64_t, uint8_t[DIGEST_SIZE], bool. Zeroed: not known. */
extern const struct record_kind record_origin, record_host, record_text,
    record_number, record_moment, record_digest, record_yes;

/* What two of them share with kinds of others. */
bool record_take_moment(struct slice value, void *to);
bool record_take_yes(struct slice value, void *to);

/* A name, and where its value is: at bytes into a structure. */
struct record {
	const char *name;
	const struct record_kind *kind;
	size_t at;
	/* One that may come several times: up to max values of size bytes, the
	 * first at "at", and how many there are. 0: it comes once. */
	size_t max, size, n_at;
	/* Several rows share them when each value has its row's tag, an enum at
	 * tag_at bytes into it. 0: no tag. */
	size_t tag_at;
	unsigned tag;
};

/* clang-format off */
#define RECORD(type, member, text, how) \
	{ .name = (text), .kind = &(how), .at = offsetof(type, member) }
#define RECORDS(type, array, count, text, how) \
	{ .name = (text), .kind = &(how), .at = offsetof(type, array), \
	  .max = sizeof(((type *)0)->array) / sizeof(((type *)0)->array[0]), \
	  .size = sizeof(((type *)0)->array[0]), \
	  .n_at = offsetof(type, count) }
/* clang-format on */

/* Reads text into out, which is zeroed, by rows: at most 64, ended by a NULL name.
 * strict: of the one form that is written, nothing unknown; else unknown and empty
 * lines are passed over. False and why: "line 3: ..."; before is how many lines
 * went before. */
bool records_parse(const struct record *rows, bool strict, struct slice text,
    unsigned before, void *out, struct why *why);

/* Appends what is known, in the order of the rows. False: a value cannot be
 * written. */
bool
records_format(const struct record *rows, const void *from, struct buf *out);

/* One value: strict, in the one form that is written; and its line, unless the
 * value is not known, "BEFOREname: value". */
bool record_take(
    const struct record_kind *kind, struct slice value, bool strict, void *to);
bool record_put(const struct record *row, const char *before, const void *from,
    struct buf *out);

/* Whether a text may be kept and shown: UTF-8 without controls, without blanks at
 * its ends, shorter than RECORD_TEXT_MAX. */
bool record_text_ok(struct slice text);

#endif
