/* SPDX-License-Identifier: ISC */
/* All pages of a capsule as one plain text, in reading order, for those who
 * keep or print them. The same pages give the same bytes.
 * Depends on host, inventory, plain and feed (for the origin). */
#ifndef CAPSULE_COPY_H
#define CAPSULE_COPY_H

#include "capsule/feed.h"

enum {
	COPY_MAX = 64 * 1024 * 1024, /* bytes of the text */
	COPY_PAGES_MAX = 10000,
};

/* The name of its file, beneath the root: as set in capsule.conf, or
 * "capsule.txt". */
const char *copy_file(const struct host *h);

/* Appends the text to out, which should hold COPY_MAX: UTF-8, lines of at most
 * PLAIN_WIDTH code points where no word is longer, LF, no control character but
 * tabs in preformatted lines. First come the pages of capsule.conf's order,
 * then the others of pages (what h serves) in byte order. origin may be NULL:
 * nothing is then stated about where the capsule is.
 *
 * False when r gained an error: order names what is not a page, a page cannot
 * be read, there is none, or the file's name is one that must not be written
 * over: FEED_FILE, any page's, a hidden one, or that of a file that is not an
 * earlier copy. */
bool copy_text(const struct host *h, const struct inventory *pages,
    const struct feed_origin *origin, struct buf *out, struct report *r);

#endif
