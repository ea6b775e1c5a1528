/* SPDX-License-Identifier: ISC */
/* What may lie at root/ in the test's tree. */
#ifndef TESTS_SUPPORT_ROOT_H
#define TESTS_SUPPORT_ROOT_H

#include "support/tree.h"

#define DIGEST_A "aa" DIGEST_REST
#define DIGEST_REST                                                            \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd"

/* Makes root/ with one of everything: files, directories, a FIFO, a socket, and
 * links that lead inside, outside, to themselves and into /proc. */
void root_make_files(void);

/* Makes an existing root/ a store: the object DIGEST_A, releases 1 (current, a
 * page, a manifest, an archive) and 22 (a page). */
void root_make_store(void);

/* Points root/current at another release, "releases/22". */
void root_switch(const char *to);

#endif
