/* SPDX-License-Identifier: ISC */
/* One gemtext page as plain text: for capsule/copy.c.
 * Depends on host, inventory, plain and proto. */
#ifndef CAPSULE_COPY_PAGE_H
#define CAPSULE_COPY_PAGE_H

#include "capsule/inventory.h"
#include "capsule/plain.h"

/* Appends a blank line, a rule with the page's name, and its text: headings are
 * underlined (those of level 3 keep their mark), list items and quotes keep
 * theirs, preformatted lines are left as they are. A link to one of the pages
 * that h serves is "label (page.gmi)", any other "label <target>": without a word,
 * since pages are in any language. */
void copy_put_page(const struct host *h, const struct inventory *pages,
    const char *path, struct slice text, struct buf *out);

/* Appends a heading and its underline. level is 1 to 3. */
void copy_put_heading(struct buf *out, struct slice text, int level);

/* Appends a word made of three pieces to a paragraph; the buffer has failed when
 * memory is short. */
void copy_put_word(
    struct plain *p, const char *before, struct slice word, const char *after);

#endif
