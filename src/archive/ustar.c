/* SPDX-License-Identifier: ISC */
/* The writer of archives; the reader is ustar_read.c. */
#include "archive/ustar.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "archive/ustar_header.h"

enum { PAX_MAX = USTAR_PATH_MAX + 16 }; /* "1034 path=...\n" */

static const uint8_t zeros[USTAR_BLOCK];

unsigned
ustar_checksum(const struct ustar_header *h)
{
	const uint8_t *bytes = (const uint8_t *)h;
	const size_t from = offsetof(struct ustar_header, checksum);
	unsigned sum = 0;

	for (size_t i = 0; i < sizeof(*h); i++)
		sum += i >= from && i < from + sizeof(h->checksum) ? ' '
								   : bytes[i];
	return sum;
}

int
ustar_cut(struct slice path)
{
	if (path.len <= USTAR_NAME_MAX)
		return 0;
	for (size_t i = 1; i < path.len - 1 && i <= USTAR_PREFIX_MAX; i++)
		if (path.ptr[i] == '/' && path.len - i - 1 <= USTAR_NAME_MAX)
			return (int)i;
	return -1;
}

unsigned
ustar_padding(uint64_t size)
{
	return (unsigned)((USTAR_BLOCK - size % USTAR_BLOCK) % USTAR_BLOCK);
}

static bool
put(struct ustar_writer *w, struct slice bytes)
{
	w->written += bytes.len;
	return w->sink(w->arg, bytes);
}

static bool
pad(struct ustar_writer *w)
{
	unsigned n = ustar_padding(w->written);

	return n == 0 || put(w, slice_of(zeros, n));
}

/* "len path=PATH\n", where len counts itself. */
static size_t
pax_record(struct slice path, char out[PAX_MAX])
{
	size_t rest = sizeof(" path=\n") - 1 + path.len;
	size_t len = rest + 1;
	int n;

	/* Longer by a digit when that digit makes it so. */
	while (len != rest + (size_t)snprintf(NULL, 0, "%zu", len))
		len++;
	n = snprintf(out, PAX_MAX, "%zu path=%.*s", len, SLICE_ARGS(path));
	assert(n > 0 && n < PAX_MAX && (size_t)n + 1 == len);
	out[n] = '\n';
	return len;
}

/* As much of a path as a reader that knows no pax will show: never half a
 * character, never what looks like a directory. */
static struct slice
first_part(struct slice path)
{
	size_t n = USTAR_NAME_MAX;

	while (n > 0 && (path.ptr[n] & 0xc0) == 0x80)
		n--;
	while (n > 0 && path.ptr[n - 1] == '/')
		n--;
	return slice_head(path, n);
}

/* So many digits; a NUL is behind them already. */
static void
octal(uint64_t n, char *out, size_t digits)
{
	while (digits > 0) {
		out[--digits] = (char)('0' + n % 8);
		n /= 8;
	}
}

static bool
put_header(struct ustar_writer *w, char type, struct slice prefix,
    struct slice name, uint64_t size, uint64_t mtime)
{
	struct ustar_header h = {
		.mode = "0000644",
		.uid = "0000000",
		.gid = "0000000",
		.type = type,
		.magic = "ustar",
		.version = { '0', '0' },
		.major = "0000000",
		.minor = "0000000",
	};

	memcpy(h.name, name.ptr, name.len);
	if (prefix.len > 0)
		memcpy(h.prefix, prefix.ptr, prefix.len);
	octal(size, h.size, sizeof(h.size) - 1);
	octal(mtime, h.mtime, sizeof(h.mtime) - 1);
	octal(ustar_checksum(&h), h.checksum, sizeof(h.checksum) - 2);
	h.checksum[7] = ' ';
	return put(w, slice_of(&h, sizeof(h)));
}

static bool
put_pax(struct ustar_writer *w, struct slice path, uint64_t mtime)
{
	char record[PAX_MAX];
	size_t n = pax_record(path, record);

	return put_header(w, USTAR_PAX, SLICE(""), SLICE("././@PaxHeader"), n,
		   mtime) &&
	       put(w, slice_of(record, n)) && pad(w);
}

bool
ustar_begin(
    struct ustar_writer *w, const char *path, uint64_t size, int64_t mtime)
{
	struct slice prefix = SLICE(""), name = slice_str(path);
	int cut = ustar_cut(name);

	if (w->owed > 0 || name.len == 0 || name.len > USTAR_PATH_MAX ||
	    size > USTAR_NUMBER_MAX || mtime < 0 ||
	    (uint64_t)mtime > USTAR_NUMBER_MAX)
		return false;
	if (cut == -1) {
		if (!put_pax(w, name, (uint64_t)mtime))
			return false;
		name = first_part(name);
	} else if (cut > 0) {
		prefix = slice_head(name, (size_t)cut);
		name = slice_skip(name, (size_t)cut + 1);
	}
	w->owed = size;
	return put_header(w, USTAR_FILE, prefix, name, size, (uint64_t)mtime);
}

bool
ustar_bytes(struct ustar_writer *w, struct slice bytes)
{
	if (bytes.len > w->owed)
		return false;
	if (bytes.len == 0)
		return true;
	w->owed -= bytes.len;
	return put(w, bytes) && (w->owed > 0 || pad(w));
}

bool
ustar_end(struct ustar_writer *w)
{
	if (w->owed > 0 || !put(w, slice_of(zeros, sizeof(zeros))) ||
	    !put(w, slice_of(zeros, sizeof(zeros))))
		return false;
	while (w->written % USTAR_RECORD != 0)
		if (!put(w, slice_of(zeros, sizeof(zeros))))
			return false;
	return true;
}

static uint64_t
whole_blocks(uint64_t size)
{
	return size + ustar_padding(size);
}

uint64_t
ustar_member_size(const char *path, uint64_t size)
{
	struct slice name = slice_str(path);
	uint64_t header = USTAR_BLOCK;
	char record[PAX_MAX];

	if (ustar_cut(name) == -1 && name.len <= USTAR_PATH_MAX)
		header += USTAR_BLOCK + whole_blocks(pax_record(name, record));
	return header + whole_blocks(size);
}

uint64_t
ustar_archive_size(uint64_t members)
{
	uint64_t all = members + UINT64_C(2) * USTAR_BLOCK;

	return (all + USTAR_RECORD - 1) / USTAR_RECORD * USTAR_RECORD;
}
