/* SPDX-License-Identifier: ISC */
/* What a capsule serves: every file that a request can be
 * answered 20 with, found by the rules that answer requests. What the linter
 * reads, the feed is made of, and a release consists of.
 * Depends on host, policy and resolve. */
#ifndef CAPSULE_INVENTORY_H
#define CAPSULE_INVENTORY_H

#include "capsule/host.h"
#include "proto/response.h"

struct inventory_item {
	char *path; /* beneath the root, without a leading slash */
	uint64_t size;
	bool page; /* text/gemini */
};

/* In byte order of paths. Zeroed = empty. */
struct inventory {
	struct inventory_item *item;
	size_t n;
};

/* Fills out with what h serves: no hidden names, nothing that is gone or
 * redirected (but for an index page whose directory answers with it), nothing
 * that cannot be opened or asked for in one request line.
 * False when the root cannot be read, or when out of memory; see errno. */
bool inventory_read(const struct host *h, struct inventory *out);
void inventory_fini(struct inventory *i);

/* Why something beneath a root is not part of a release. */
enum inventory_why {
	INVENTORY_HIDDEN,     /* a dot name, and all that is in it */
	INVENTORY_LINK,       /* a symbolic link, wherever it leads */
	INVENTORY_SPECIAL,    /* a device, a socket, a FIFO */
	INVENTORY_UNREADABLE, /* not to be opened */
	INVENTORY_TOO_LONG,   /* no request line holds the path; too deep */
	INVENTORY_GONE,       /* by capsule.conf: 52 */
	INVENTORY_REDIRECTED, /* by capsule.conf: 30, 31 */
};

struct inventory_omission {
	char *path; /* of a directory: with all that is in it */
	enum inventory_why why;
};

/* In byte order of paths. Zeroed = empty. */
struct inventory_omissions {
	struct inventory_omission *item;
	size_t n;
};

/* What a release of h consists of: what inventory_read finds, but follows no
 * symbolic link, so that every item is a regular file at its own path. All else
 * beneath the root goes to left. False when the root cannot be read, when out
 * of memory, or when there are more than FILE_WALK_ENTRIES_MAX entries
 * (EOVERFLOW); see errno. */
bool inventory_read_plain(const struct host *h, struct inventory *out,
    struct inventory_omissions *left);
void inventory_omissions_fini(struct inventory_omissions *left);

/* "a dot name": half a sentence. */
const char *inventory_why_text(enum inventory_why why);

/* The item of that path, or NULL. */
const struct inventory_item *
inventory_find(const struct inventory *i, const char *path);

/* Whether paths of items begin with prefix; of "" any item's does. */
bool inventory_has_prefix(const struct inventory *i, const char *prefix);

/* Whether a file at path, which need not be there, is or would be served as
 * text/gemini: by settings and its name, not by what is in it. */
bool inventory_names_page(const struct host *h, const char *path);

/* What capsule.conf decides about path before any file is looked for: gone, a
 * redirect, STATUS_NONE: nothing; STATUS_NOT_FOUND when no request line holds
 * it. */
enum status inventory_policy(const struct host *h, const char *path);

/* What chmod would give this process the right that it lacks to a file or
 * directory of h, which would be served otherwise; NULL: it lacks none. Not
 * that to a directory above. */
const char *inventory_denied(const struct host *h, const char *path);

/* Whether that is why a request for path, decoded and beneath the root, is
 * answered 51: the file, a directory above it or, with a final slash or empty,
 * the index page. */
bool inventory_is_denied(const struct host *h, struct slice path);

/* Reads a file of h whole, beneath its root, into out; false when it cannot be
 * opened, is not a regular file, or is longer than out's maximum. */
bool inventory_load(const struct host *h, const char *path, struct buf *out);

enum { PAGE_MAX = 4 * 1024 * 1024 }; /* bytes of a page that is worked on */

/* Reads the page into out, a buffer of PAGE_MAX; *text is then its text,
 * borrowed from out, without a byte order mark. False, and an error in r, when
 * it cannot be read, is too long or is not UTF-8. */
bool page_read(const struct host *h, const char *path, struct buf *out,
    struct slice *text, struct report *r);

/* report_add about a file of h, by the name that the operator knows it by. */
void page_problem(struct report *r, enum report_level level,
    const struct host *h, const char *path, unsigned line, const char *format,
    ...) __attribute__((format(printf, 6, 7)));

#endif
