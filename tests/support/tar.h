/* SPDX-License-Identifier: ISC */
/* Archives in memory, for tests of writer and reader. */
#ifndef TESTS_SUPPORT_TAR_H
#define TESTS_SUPPORT_TAR_H

#include "archive/ustar.h"
#include "check.h"
#include "util/buf.h"

enum { TAR_MAX = 1 << 20 };

/* Appends to a struct buf: for a writer's sink and a reader's bytes. */
bool tar_append(void *buf, struct slice bytes);

/* Appends a file whose time is 1790000000. */
void tar_add_file(struct ustar_writer *w, const char *path, struct slice bytes);

/* Of a reader; with tar_append they write "path:size=bytes;" a file to a struct
 * buf. */
bool tar_on_file(void *buf, struct slice path, uint64_t size);
bool tar_on_end(void *buf);

/* Reads an archive in pieces of so many bytes, and writes that to out. */
bool
tar_read(struct slice bytes, size_t piece, struct buf *out, struct why *why);

#endif
