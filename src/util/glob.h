/* SPDX-License-Identifier: ISC */
/* Globs, matched in time that grows with the length of the text alone: a glob
 * may come from an untrusted capsule.conf. Depends on libc. */
#ifndef UTIL_GLOB_H
#define UTIL_GLOB_H

#include <stdbool.h>

enum { GLOB_MAX = 255 }; /* bytes of a glob from its first wildcard on */

#define GLOB_SPECIALS "*?[\\" /* what is not a byte that means itself */

/* Whether glob matches all of text, byte by byte, as fnmatch(3) with no flags
 * does in the C locale: '*', '?', '[...]' with ranges, '!' or '^' and [:alpha:]
 * and the like, '\' before a byte that means itself; '*' and '?' take '/' too.
 * A glob that is longer than GLOB_MAX, counted from its first wildcard, matches
 * nothing. */
bool glob_match(const char *glob, const char *text);

#endif
