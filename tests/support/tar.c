/* SPDX-License-Identifier: ISC */
#include "support/tar.h"

bool
tar_append(void *buf, struct slice bytes)
{
	return buf_put(buf, bytes);
}

void
tar_add_file(struct ustar_writer *w, const char *path, struct slice bytes)
{
	assert_true(ustar_begin(w, path, bytes.len, 1790000000));
	assert_true(ustar_bytes(w, bytes));
}

bool
tar_on_file(void *buf, struct slice path, uint64_t size)
{
	return buf_put(buf, path) &&
	       buf_printf(buf, ":%llu=", (unsigned long long)size);
}

bool
tar_on_end(void *buf)
{
	return buf_byte(buf, ';');
}

bool
tar_read(struct slice bytes, size_t piece, struct buf *out, struct why *why)
{
	const struct ustar_handler handler = { tar_on_file, tar_append,
		tar_on_end, out };
	struct ustar_reader *r = ustar_reader_new(&handler);
	bool ok = true;

	assert_non_null(r);
	while (ok && bytes.len > 0) {
		size_t n = bytes.len < piece ? bytes.len : piece;

		ok = ustar_reader_put(r, slice_head(bytes, n), why);
		bytes = slice_skip(bytes, n);
	}
	ok = ok && ustar_reader_end(r, why);
	ustar_reader_free(&r);
	assert_null(r);
	return ok;
}
