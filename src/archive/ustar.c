/* SPDX-License-Identifier: ISC */
/* The writer of archives; the reader is ustar_read.c. */
#include "archive/ustar.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/why.h"

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

/* Where a path is cut in two, at a '/', so that both parts have room: the
 * shortest prefix that will do. 0: it needs no cut. -1: none will do. */
static int
ustar_cut(struct slice path)
{
	if (path.len <= USTAR_NAME_MAX)
		return 0;
	for (size_t i = 1; i < path.len - 1 && i <= USTAR_PREFIX_MAX; i++)
		if (path.ptr[i] == '/' && path.len - i - 1 <= USTAR_NAME_MAX)
			return (int)i;
	return -1;
}

/* How many bytes of a block lie after the last of size bytes. */
static unsigned
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
	for (; digits > 0; n /= 8)
		out[--digits] = (char)('0' + n % 8);
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
	if (w->owed > 0)
		return false;
	for (int n = 0; n < 2 || w->written % USTAR_RECORD != 0; n++)
		if (!put(w, slice_of(zeros, sizeof(zeros))))
			return false;
	return true;
}

/* The reader of archives: a block at a time, whatever pieces they come in. */

enum { RECORDS_MAX = 4096 }; /* bytes of the records before a file */

enum state {
	AT_HEADER,
	AT_PAX,     /* in records that name the file that follows */
	AT_BYTES,   /* in a file */
	AT_PADDING, /* after either: zeros up to a whole block */
	AT_END,     /* after one empty block: zeros up to a whole record */
	AT_DONE,
	AT_FAULT,
};

struct ustar_reader {
	struct ustar_handler handler;
	enum state state;
	uint64_t at;    /* bytes taken */
	uint64_t left;  /* bytes of the file or of the records to come */
	uint64_t zeros; /* to come in AT_PADDING or AT_END */
	size_t have;    /* bytes of the header or of the records that came */
	union {
		struct ustar_header header;
		uint8_t bytes[RECORDS_MAX];
	} in;
	char path[USTAR_PATH_MAX]; /* what records named; not a string */
	size_t path_len;
	bool pax; /* there were records: a file must follow */
};

struct ustar_reader *
ustar_reader_new(const struct ustar_handler *v)
{
	struct ustar_reader *r = calloc(1, sizeof(*r));

	if (r != NULL)
		r->handler = *v;
	return r;
}

void
ustar_reader_free(struct ustar_reader **r)
{
	free(*r);
	*r = NULL;
}

static bool
reader_fault(
    struct ustar_reader *r, uint64_t at, struct why *why, const char *text)
{
	r->state = AT_FAULT;
	return why_set(why, "byte %llu: %s", (unsigned long long)at, text);
}

static bool
reader_stopped(struct ustar_reader *r, struct why *why)
{
	r->state = AT_FAULT;
	return why_set(why, "stopped");
}

static bool
all_zero(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] != 0)
			return false;
	return true;
}

/* Octal digits, then NULs or blanks up to the end of the field. */
static bool
reader_number(const char *field, size_t size, uint64_t *out)
{
	size_t i = 0;

	*out = 0;
	while (i < size && field[i] >= '0' && field[i] <= '7')
		*out = *out * 8 + (uint64_t)(field[i++] - '0');
	if (i == 0 || i == size)
		return false;
	for (; i < size; i++)
		if (field[i] != '\0' && field[i] != ' ')
			return false;
	return true;
}

#define NUMBER(field, out) reader_number(field, sizeof(field), out)

/* The bytes before the first NUL; false when others than NUL follow it. */
static bool
text(const char *field, size_t size, struct slice *out)
{
	size_t n = strnlen(field, size);

	*out = slice_of(field, n);
	return all_zero(slice_of(field + n, size - n));
}

#define TEXT(field, out) text(field, sizeof(field), out)

/* What is wrong with a header, whatever it is of, or NULL. */
static const char *
header_fault(const struct ustar_header *h, uint64_t *size)
{
	struct slice unused;
	uint64_t n;

	if (memcmp(h->magic, "ustar", sizeof(h->magic)) != 0 ||
	    memcmp(h->version, "00", sizeof(h->version)) != 0)
		return "not the header of a file in a ustar archive";
	if (!NUMBER(h->checksum, &n) || n != ustar_checksum(h))
		return "the checksum of a header is wrong";
	if (!NUMBER(h->mode, &n) || !NUMBER(h->uid, &n) ||
	    !NUMBER(h->gid, &n) || !NUMBER(h->mtime, &n) ||
	    !NUMBER(h->size, size))
		return "a number in a header is out of range";
	if (!TEXT(h->user, &unused) || !TEXT(h->group, &unused) ||
	    !TEXT(h->zeros, &unused) || unused.len > 0)
		return "stray bytes in a header";
	if (h->type != USTAR_FILE && h->type != USTAR_PAX)
		return "neither a regular file nor the name of one";
	if (h->link[0] != '\0')
		return "a link";
	return NULL;
}

/* The path in a header's own fields, into out, of USTAR_PATH_MAX bytes. */
static bool
header_path(const struct ustar_header *h, struct buf *out)
{
	struct slice prefix, name;

	if (!TEXT(h->name, &name) || !TEXT(h->prefix, &prefix) || name.len == 0)
		return false;
	return prefix.len == 0 ? buf_put(out, name)
			       : buf_put(out, prefix) && buf_byte(out, '/') &&
				     buf_put(out, name);
}

/* The state behind the last byte of a file or of records. */
static void
after_bytes(struct ustar_reader *r)
{
	r->have = 0;
	r->state = r->zeros > 0 ? AT_PADDING : AT_HEADER;
}

static bool
end_file(struct ustar_reader *r, struct why *why)
{
	after_bytes(r);
	return r->handler.end(r->handler.arg) || reader_stopped(r, why);
}

static bool
begin_file(struct ustar_reader *r, struct slice path, struct why *why)
{
	r->pax = false;
	r->state = AT_BYTES;
	if (!r->handler.file(r->handler.arg, path, r->left))
		return reader_stopped(r, why);
	return r->left > 0 || end_file(r, why);
}

/* A whole header has come. */
static bool
reader_take_header(struct ustar_reader *r, struct why *why)
{
	const struct ustar_header *h = &r->in.header;
	uint64_t start = r->at - USTAR_BLOCK;
	uint8_t memory[USTAR_PREFIX_MAX + 1 + USTAR_NAME_MAX];
	const char *what;
	struct buf path;

	r->have = 0;
	if (all_zero(slice_of(h, sizeof(*h)))) {
		if (r->pax)
			return reader_fault(
			    r, start, why, "no file after its pax record");
		/* A second one, and what fills the record. */
		r->zeros = USTAR_BLOCK;
		while ((r->at + r->zeros) % USTAR_RECORD != 0)
			r->zeros += USTAR_BLOCK;
		r->state = AT_END;
		return true;
	}
	what = header_fault(h, &r->left);
	if (what != NULL)
		return reader_fault(r, start, why, what);
	r->zeros = ustar_padding(r->left);
	if (h->type == USTAR_PAX) {
		if (r->pax || r->left == 0 || r->left > RECORDS_MAX)
			return reader_fault(
			    r, start, why, "pax records out of place");
		r->pax = true;
		r->path_len = 0;
		r->state = AT_PAX;
		return true;
	}
	if (r->pax && r->path_len > 0)
		return begin_file(r, slice_of(r->path, r->path_len), why);
	buf_wrap(&path, memory, sizeof(memory));
	if (!header_path(h, &path))
		return reader_fault(
		    r, start, why, "a header without a proper name");
	return begin_file(r, buf_view(&path), why);
}

/* What GNU tar adds of its own accord; a sparse map, or another size, would
 * make other files of the same bytes. */
static bool
harmless(struct slice key)
{
	static const char *const keys[] = { "atime", "ctime", "mtime", "uid",
		"gid", "uname", "gname" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (slice_equal(key, slice_str(keys[i])))
			return true;
	return false;
}

/* One record off *rest: "len key=value\n". */
static bool
take_record(struct ustar_reader *r, struct slice *rest)
{
	struct slice length, record, key, value;
	uint64_t len;

	if (!slice_cut(*rest, ' ', &length, &record) ||
	    !slice_number(length, rest->len, &len) ||
	    len < length.len + sizeof(" =\n") - 1)
		return false;
	record = slice_head(*rest, (size_t)len);
	*rest = slice_skip(*rest, (size_t)len);
	record = slice_skip(record, length.len + 1);
	if (record.ptr[record.len - 1] != '\n' ||
	    !slice_cut(slice_head(record, record.len - 1), '=', &key, &value))
		return false;
	if (!slice_equal(key, SLICE("path")))
		return harmless(key);
	if (r->path_len > 0 || value.len == 0 || value.len > USTAR_PATH_MAX ||
	    slice_find(value, '\0', NULL))
		return false;
	memcpy(r->path, value.ptr, value.len);
	r->path_len = value.len;
	return true;
}

static bool
take_records(struct ustar_reader *r, struct why *why)
{
	struct slice rest = slice_of(r->in.bytes, r->have);

	while (rest.len > 0)
		if (!take_record(r, &rest))
			return reader_fault(r, r->at - rest.len, why,
			    "a pax record that names no file");
	after_bytes(r);
	return true;
}

/* Collects up to want bytes in r->in; true when they are there. */
static bool
reader_collect(struct ustar_reader *r, struct slice *bytes, size_t want)
{
	size_t n = want - r->have;

	n = bytes->len < n ? bytes->len : n;
	memcpy(r->in.bytes + r->have, bytes->ptr, n);
	*bytes = slice_skip(*bytes, n);
	r->have += n;
	r->at += n;
	return r->have == want;
}

static bool
take_bytes(struct ustar_reader *r, struct slice *bytes, struct why *why)
{
	size_t n = bytes->len < r->left ? bytes->len : (size_t)r->left;
	struct slice part = slice_head(*bytes, n);

	*bytes = slice_skip(*bytes, n);
	r->at += n;
	r->left -= n;
	if (!r->handler.bytes(r->handler.arg, part))
		return reader_stopped(r, why);
	return r->left > 0 || end_file(r, why);
}

static bool
take_zeros(struct ustar_reader *r, struct slice *bytes, struct why *why)
{
	size_t n = bytes->len < r->zeros ? bytes->len : (size_t)r->zeros;

	if (!all_zero(slice_head(*bytes, n)))
		return reader_fault(r, r->at, why,
		    r->state == AT_END
			? "bytes after the end"
			: "bytes between a file and the next header");
	*bytes = slice_skip(*bytes, n);
	r->at += n;
	r->zeros -= n;
	if (r->zeros == 0)
		r->state = r->state == AT_END ? AT_DONE : AT_HEADER;
	return true;
}

static bool
reader_step(struct ustar_reader *r, struct slice *bytes, struct why *why)
{
	switch (r->state) {
	case AT_HEADER:
		return !reader_collect(r, bytes, USTAR_BLOCK) ||
		       reader_take_header(r, why);
	case AT_PAX:
		return !reader_collect(r, bytes, (size_t)r->left) ||
		       take_records(r, why);
	case AT_BYTES:
		return take_bytes(r, bytes, why);
	case AT_PADDING:
	case AT_END:
		return take_zeros(r, bytes, why);
	case AT_DONE:
		return reader_fault(r, r->at, why, "bytes after the end");
	case AT_FAULT:
		break;
	}
	return reader_stopped(r, why);
}

bool
ustar_reader_put(struct ustar_reader *r, struct slice bytes, struct why *why)
{
	while (bytes.len > 0)
		if (!reader_step(r, &bytes, why))
			return false;
	return r->state != AT_FAULT;
}

bool
ustar_reader_end(struct ustar_reader *r, struct why *why)
{
	if (r->state == AT_FAULT)
		return reader_stopped(r, why);
	if (r->state != AT_DONE)
		return reader_fault(r, r->at, why, "the archive is cut short");
	return true;
}
