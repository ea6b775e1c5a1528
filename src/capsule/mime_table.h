/* SPDX-License-Identifier: ISC */
/* The types that we know by name: for capsule/mime.c.
 * Pure; depends on util. */
#ifndef CAPSULE_MIME_TABLE_H
#define CAPSULE_MIME_TABLE_H

#include "util/slice.h"

/* The type of a file name (without directories), by the whole name or by what
 * follows its last dot, letters of any case; NULL when the table has none. */
const char *mime_table_find(struct slice name);

#endif
