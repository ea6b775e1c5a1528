/* SPDX-License-Identifier: ISC */
/* What a store looks like on disk (carnation-mirror(7)), for those who serve
 * one and those who write one: its names, and what a serial is.
 * Depends on slice. */
#ifndef CAPSULE_STORE_LAYOUT_H
#define CAPSULE_STORE_LAYOUT_H

#include "util/slice.h"

#define STORE_OBJECTS "objects"
#define STORE_RELEASES "releases"
#define STORE_CURRENT "current"
#define STORE_LOCK "lock"

/* The largest serial: 2^53-1, which every JSON reader holds exactly. */
#define STORE_SERIAL_MAX ((UINT64_C(1) << 53) - 1)

/* Whether the open directory is a store: objects/, releases/, and `current`, a
 * symbolic link, or, before the first release, a lock. */
bool store_layout_is(int dir);

/* The serial that a release's directory is named after, "42"; 0: it is
 * something else. */
uint64_t store_layout_serial(struct slice name);

/* The serial of "releases/42", as the link `current` is written and not
 * otherwise; 0: it is something else. */
uint64_t store_layout_linked(struct slice target);

#endif
