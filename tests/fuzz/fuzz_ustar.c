/* SPDX-License-Identifier: ISC */
/* The input is a byte, and an archive that comes in pieces of so many; each
 * header's checksum is mended first, or none would ever pass. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "archive/ustar.h"
#include "support/seal.h"

enum { HEARD_MAX = 4 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a reader hears, and writes again. */
struct ear {
	struct buf heard;
	struct ustar_writer writer;
	struct buf again;
	bool exact; /* what was heard can be written */
	uint64_t owed;
};

static bool
sink(void *arg, struct slice bytes)
{
	return buf_put(arg, bytes);
}

static bool
file(void *arg, struct slice path, uint64_t size)
{
	char text[USTAR_PATH_MAX + 1];
	struct ear *e = arg;

	assert(path.len > 0 && path.len <= USTAR_PATH_MAX);
	assert(!slice_find(path, '\0', NULL));
	assert(e->owed == 0);
	e->owed = size;
	memcpy(text, path.ptr, path.len);
	text[path.len] = '\0';
	if (!ustar_begin(&e->writer, text, size, 0))
		e->exact = false;
	return buf_put(&e->heard, path) &&
	       buf_printf(&e->heard, ":%llu=", (unsigned long long)size);
}

static bool
bytes(void *arg, struct slice part)
{
	struct ear *e = arg;

	assert(part.len > 0 && part.len <= e->owed);
	e->owed -= part.len;
	if (e->exact && !ustar_bytes(&e->writer, part))
		e->exact = false;
	return buf_put(&e->heard, part);
}

static bool
end(void *arg)
{
	struct ear *e = arg;

	assert(e->owed == 0);
	return buf_byte(&e->heard, ';');
}

static bool
hear(struct slice archive, size_t piece, struct ear *e)
{
	const struct ustar_handler v = { file, bytes, end, e };
	struct ustar_reader *r = ustar_reader_new(&v);
	struct why why = { "" };
	bool ok = r != NULL;

	*e = (struct ear){ .exact = true };
	buf_init(&e->heard, HEARD_MAX);
	buf_init(&e->again, HEARD_MAX);
	e->writer = (struct ustar_writer){ .sink = sink, .arg = &e->again };
	while (ok && archive.len > 0) {
		size_t n = archive.len < piece ? archive.len : piece;

		ok = ustar_reader_put(r, slice_head(archive, n), &why);
		archive = slice_skip(archive, n);
	}
	ok = ok && ustar_reader_end(r, &why);
	assert(ok == (why.text[0] == '\0'));
	ustar_reader_free(&r);
	return ok;
}

static void
forget(struct ear *e)
{
	buf_fini(&e->heard);
	buf_fini(&e->again);
}

/* What was heard, written by our own writer, is heard again. */
static void
check_again(struct ear *e)
{
	struct ear again;

	if (!e->exact || !ustar_end(&e->writer))
		return;
	assert(hear(buf_view(&e->again), 1000, &again));
	assert(slice_equal(buf_view(&e->heard), buf_view(&again.heard)));
	forget(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice archive;
	struct ear once, twice;
	uint8_t *copy;
	bool ok;

	if (size == 0)
		return 0;
	copy = malloc(size);
	if (copy == NULL)
		return 0;
	memcpy(copy, data + 1, size - 1);
	seal_archive(copy, size - 1);
	archive = slice_of(copy, size - 1);
	ok = hear(archive, (size_t)data[0] + 1, &once);
	/* The pieces do not matter. */
	assert(hear(archive, size, &twice) == ok);
	assert(slice_equal(buf_view(&once.heard), buf_view(&twice.heard)));
	if (ok)
		check_again(&once);
	forget(&once);
	forget(&twice);
	free(copy);
	return 0;
}
