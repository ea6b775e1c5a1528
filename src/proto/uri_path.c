/* SPDX-License-Identifier: ISC */
/* The path of a URI: the one place where percent escapes are decoded. */
#include <assert.h>
#include <string.h>

#include "proto/uri.h"

static const char hex_digits[] = "0123456789ABCDEF";

/* The bytes that a URI may not hold raw, but that uri_parse lets pass. */
static bool
wants_escape(uint8_t c)
{
	return c >= 0x80 || c == '[' || c == ']';
}

static bool
put_escaped(struct buf *out, uint8_t c)
{
	const char escape[3] = { '%', hex_digits[c >> 4], hex_digits[c & 15] };

	return buf_put(out, slice_of(escape, sizeof(escape)));
}

static bool
put_wire(struct buf *out, struct slice s)
{
	while (s.len > 0) {
		size_t n = 0;

		while (n < s.len && !wants_escape(s.ptr[n]))
			n++;
		if (!buf_put(out, slice_head(s, n)))
			return false;
		s = slice_skip(s, n);
		if (s.len > 0) {
			if (!put_escaped(out, s.ptr[0]))
				return false;
			s = slice_skip(s, 1);
		}
	}
	return true;
}

/* The byte that the escape at the front of s stands for; -1 when there is no
 * escape, or one of a byte that no file name holds. */
static int
escaped_byte(struct slice s, bool *impossible)
{
	int high, low;

	if (s.len < 3 || s.ptr[0] != '%')
		return -1;
	high = hex_value(s.ptr[1]);
	low = hex_value(s.ptr[2]);
	if (high == -1 || low == -1)
		return -1;
	if (high * 16 + low == '/' || high + low == 0) {
		*impossible = true;
		return -1;
	}
	return high * 16 + low;
}

/* Appends a segment decoded, once. Escapes that no name can hold stay as they
 * came, so that a decoded path never has a separator that was not one. */
static void
put_decoded(struct buf *out, struct slice segment, bool *impossible)
{
	while (segment.len > 0) {
		size_t n = segment.len;
		int c;

		(void)slice_find(segment, '%', &n);
		(void)buf_put(out, slice_head(segment, n));
		segment = slice_skip(segment, n);
		if (segment.len == 0)
			break;
		c = escaped_byte(segment, impossible);
		(void)buf_byte(out, c == -1 ? segment.ptr[0] : (uint8_t)c);
		segment = slice_skip(segment, c == -1 ? 1 : 3);
	}
	assert(!out->failed); /* decoding never makes it longer */
}

/* Takes the last segment off a path that ends with '/'; false at the root. */
static bool
climb(struct buf *path)
{
	if (path->len == 1)
		return false;
	do
		buf_truncate(path, path->len - 1);
	while (path->ptr[path->len - 1] != '/');
	return true;
}

/* Both forms of a path as it grows: equally many segments, ending with '/'
 * before each. */
struct growing {
	struct buf decoded;
	struct buf encoded;
	bool above_root;
	bool impossible;
};

static void
put_segment(struct growing *p, struct slice segment, bool slash)
{
	size_t start = p->decoded.len;
	struct slice name;

	put_decoded(&p->decoded, segment, &p->impossible);
	name = slice_skip(buf_view(&p->decoded), start);
	if (slice_equal(name, SLICE(".")) || slice_equal(name, SLICE(".."))) {
		bool up = name.len == 2;

		buf_truncate(&p->decoded, start);
		if (up && !climb(&p->decoded))
			p->above_root = true;
		else if (up && !p->encoded.failed)
			(void)climb(&p->encoded);
		return;
	}
	(void)put_wire(&p->encoded, segment);
	if (slash) {
		(void)buf_byte(&p->decoded, '/');
		(void)buf_byte(&p->encoded, '/');
	}
}

enum uri_path_result
uri_path_normalise(struct slice path, struct uri_path *out)
{
	struct growing p = { .above_root = false };

	assert(path.len <= REQUEST_URI_MAX);
	buf_wrap(&p.decoded, out->decoded, sizeof(out->decoded) - 1);
	buf_wrap(&p.encoded, out->encoded, sizeof(out->encoded) - 1);
	(void)buf_byte(&p.decoded, '/');
	(void)buf_byte(&p.encoded, '/');
	while (path.len > 0) {
		struct slice segment;
		bool slash = slice_cut(path, '/', &segment, &path);

		if (segment.len > 0)
			put_segment(&p, segment, slash);
	}
	if (p.encoded.failed)
		buf_reset(&p.encoded);
	out->decoded_len = p.decoded.len;
	out->decoded[p.decoded.len] = '\0';
	out->encoded_len = p.encoded.len;
	out->encoded[p.encoded.len] = '\0';
	if (p.above_root)
		return URI_PATH_ABOVE_ROOT;
	return p.impossible ? URI_PATH_IMPOSSIBLE : URI_PATH_OK;
}

/* RFC 3986 3.3: pchar, less '%' and the colon. */
static bool
link_byte(uint8_t c)
{
	if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z'))
		return true;
	return c != '\0' && strchr("-._~!$&'()*+,;=@", c) != NULL;
}

bool
uri_encode(struct buf *out, struct slice name, bool keep_slash)
{
	size_t start = out->len;
	bool first = !keep_slash || !slice_starts(name, SLICE("/"));

	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.ptr[i];
		bool slash = c == '/' && keep_slash;
		bool keep = slash || link_byte(c) || (c == ':' && !first);

		first = first && !slash;
		if (!(keep ? buf_byte(out, c) : put_escaped(out, c))) {
			buf_truncate(out, start);
			return false;
		}
	}
	return true;
}

bool
uri_encode_query(struct buf *out, struct slice query)
{
	size_t start = out->len;

	if (put_wire(out, query))
		return true;
	buf_truncate(out, start);
	return false;
}
