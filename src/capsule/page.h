/* SPDX-License-Identifier: ISC */
/* A page of a capsule read whole, to make other files of, and problems with it
 * told at their place.
 * Depends on host, inventory and conf. */
#ifndef CAPSULE_PAGE_H
#define CAPSULE_PAGE_H

#include "capsule/inventory.h"

enum { PAGE_MAX = 4 * 1024 * 1024 }; /* bytes of a page that is worked on */

/* Reads the page into out, a buffer of PAGE_MAX; *text is then its text, borrowed
 * from out, without a byte order mark. False, and an error in r, when it cannot
 * be read, is too long or is not UTF-8. */
bool page_read(const struct host *h, const char *path, struct buf *out,
    struct slice *text, struct report *r);

/* report_add about a file of h, by the name that the operator knows it by. */
void page_problem(struct report *r, enum report_level level,
    const struct host *h, const char *path, unsigned line, const char *format,
    ...) __attribute__((format(printf, 6, 7)));

#endif
