/* SPDX-License-Identifier: ISC */
/* Archives in memory, for tests of writer and reader. */
#ifndef TESTS_USTAR_HELP_H
#define TESTS_USTAR_HELP_H

#include "archive/ustar.h"
#include "check.h"

enum { HELP_ARCHIVE_MAX = 1 << 20 };

static inline bool
help_sink(void *arg, struct slice bytes)
{
	return buf_put(arg, bytes);
}

/* Appends a file; its time is 1790000000. */
static inline void
help_add(struct ustar_writer *w, const char *path, struct slice bytes)
{
	assert_true(ustar_begin(w, path, bytes.len, 1790000000));
	assert_true(ustar_bytes(w, bytes));
}

/* What a reader hears: "path:size=bytes;" for each file. */
static inline bool
help_file(void *arg, struct slice path, uint64_t size)
{
	return buf_put(arg, path) &&
	       buf_printf(arg, ":%llu=", (unsigned long long)size);
}

static inline bool
help_bytes(void *arg, struct slice bytes)
{
	return buf_put(arg, bytes);
}

static inline bool
help_end(void *arg)
{
	return buf_byte(arg, ';');
}

/* Reads an archive in pieces of so many bytes. */
static inline bool
help_read(
    struct slice archive, size_t piece, struct buf *heard, struct why *why)
{
	const struct ustar_handler v = { help_file, help_bytes, help_end,
		heard };
	struct ustar_reader *r = ustar_reader_new(&v);
	bool ok = true;

	assert_non_null(r);
	while (ok && archive.len > 0) {
		size_t n = archive.len < piece ? archive.len : piece;

		ok = ustar_reader_put(r, slice_head(archive, n), why);
		archive = slice_skip(archive, n);
	}
	ok = ok && ustar_reader_end(r, why);
	ustar_reader_free(&r);
	assert_null(r);
	return ok;
}

#endif
