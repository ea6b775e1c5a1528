/* SPDX-License-Identifier: ISC */
#include "proto/uri.h"

#include <assert.h>
#include <string.h>

/* RFC 3986 4.1, split by its delimiters and not yet checked. */
struct reference {
	struct slice scheme; /* empty: none */
	struct slice authority;
	struct slice path;
	struct slice query;
	bool has_authority;
	bool has_query;
};

static bool
byte_is_letter(uint8_t c)
{
	c |= 0x20;
	return c >= 'a' && c <= 'z';
}

/* The length of the scheme that s begins with, 0 when it begins with none. */
static size_t
uri_scheme_length(struct slice s)
{
	if (s.len == 0 || !byte_is_letter(s.ptr[0]))
		return 0;
	for (size_t i = 1; i < s.len; i++) {
		uint8_t c = s.ptr[i];

		if (c == ':')
			return i;
		if (!byte_is_letter(c) && (c < '0' || c > '9') && c != '+' &&
		    c != '-' && c != '.')
			return 0;
	}
	return 0;
}

bool
uri_is_absolute(struct slice reference)
{
	return uri_scheme_length(reference) > 0;
}

static void
reference_split(struct slice s, struct reference *r)
{
	struct slice fragment;
	size_t n = uri_scheme_length(s);

	*r = (struct reference){ .scheme = slice_head(s, n) };
	if (n > 0)
		s = slice_skip(s, n + 1);
	slice_cut(s, '#', &s, &fragment);
	r->has_query = slice_cut(s, '?', &s, &r->query);
	r->has_authority = slice_starts(s, SLICE("//"));
	if (r->has_authority) {
		s = slice_skip(s, 2);
		n = s.len;
		slice_find(s, '/', &n);
		r->authority = slice_head(s, n);
		s = slice_skip(s, n);
	}
	r->path = s;
}

/* Bytes that no part of a URI may hold. '[' and ']' are not among them, though
 * RFC 3986 does not allow them after the host: widespread URL libraries
 * leave them as they are in paths and queries. */
static bool
byte_is_refused(uint8_t c)
{
	switch (c) {
	case '"':
	case '<':
	case '>':
	case '\\':
	case '^':
	case '`':
	case '{':
	case '|':
	case '}':
		return true;
	default:
		return c <= 0x20 || c == 0x7f;
	}
}

/* Why the URI must be refused for a byte anywhere in it, or NULL. */
static const char *
uri_bytes_fault(struct slice s)
{
	uint32_t rune;

	for (size_t i = 0, n = 1; i < s.len; i += n) {
		uint8_t c = s.ptr[i];

		n = 1;
		if (c == '%') {
			if (s.len - i < 3 || hex_value(s.ptr[i + 1]) == -1 ||
			    hex_value(s.ptr[i + 2]) == -1)
				return "malformed escape in the URI";
			if (s.ptr[i + 1] == '0' && s.ptr[i + 2] == '0')
				return "NUL in the URI";
			n = 3;
		} else if (c == '#') {
			return "fragment in the URI";
		} else if (c < 0x80) {
			if (byte_is_refused(c))
				return "character not allowed in a URI";
		} else {
			n = slice_rune(slice_skip(s, i), &rune);
			if (n == 0)
				return "the URI is not UTF-8";
		}
	}
	return NULL;
}

const char *
uri_fault(struct slice reference)
{
	for (size_t i = 0; i < reference.len; i++) {
		struct slice rest = slice_skip(reference, i);
		uint8_t c = rest.ptr[0];

		if (c < 0x20 || c == 0x7f)
			return "control character";
		/* A backslash in a text is shown as an escape. */
		if (byte_is_refused(c))
			return "a backslash, or one of <>\"{}|^`, that is not "
			       "percent-encoded";
		if (c == '%' && (rest.len < 3 || hex_value(rest.ptr[1]) == -1 ||
				    hex_value(rest.ptr[2]) == -1))
			return "a % that no two hexadecimal digits follow";
	}
	return NULL;
}

/* Splits the host off *authority; what is left is empty or begins with ':'. */
static const char *
uri_take_host(struct slice *authority, struct slice *host)
{
	char address[HOSTNAME_SIZE];
	size_t n = authority->len;

	if (slice_starts(*authority, SLICE("["))) {
		if (!slice_find(*authority, ']', &n))
			return "unclosed bracket in the host";
		n++;
		*host = slice_head(*authority, n);
		if (hostname_canonical(*host, address) != HOSTNAME_IPV6)
			return "bad address in brackets";
	} else {
		slice_find(*authority, ':', &n);
		*host = slice_head(*authority, n);
		if (slice_find(*host, '[', NULL) ||
		    slice_find(*host, ']', NULL))
			return "stray bracket in the host";
	}
	*authority = slice_skip(*authority, n);
	return host->len == 0 ? "no host in the URI" : NULL;
}

static const char *
uri_parse_authority(struct slice authority, struct uri *out)
{
	uint64_t port;
	const char *why;

	if (slice_find(authority, '@', NULL))
		return "userinfo in the URI";
	why = uri_take_host(&authority, &out->host);
	if (why != NULL)
		return why;
	if (authority.len == 0)
		return NULL;
	if (authority.ptr[0] != ':')
		return "invalid text after the host";
	authority = slice_skip(authority, 1);
	if (authority.len == 0) /* RFC 3986 3.2.3: as if it were not given */
		return NULL;
	if (!slice_number(authority, 65535, &port))
		return "bad port";
	out->port = (int)port;
	return NULL;
}

static const char *
uri_parse_text(struct slice text, struct uri *out)
{
	struct reference r;
	const char *why;

	if (text.len > REQUEST_URI_MAX)
		return "the URI is too long";
	if (slice_starts(text, SLICE("\xef\xbb\xbf")))
		return "byte order mark before the URI";
	why = uri_bytes_fault(text);
	if (why != NULL)
		return why;
	reference_split(text, &r);
	if (r.scheme.len == 0)
		return "no scheme in the URI";
	if (!r.has_authority)
		return "no host in the URI";
	out->scheme = r.scheme;
	out->path = r.path;
	out->query = r.query;
	out->has_query = r.has_query;
	return uri_parse_authority(r.authority, out);
}

enum uri_result
uri_parse(struct slice text, struct uri *out, const char **why)
{
	*out = (struct uri){ .port = -1 };
	*why = uri_parse_text(text, out);
	if (*why != NULL)
		return URI_BAD;
	if (!slice_equal_nocase(out->scheme, SLICE("gemini"))) {
		*why = "not a gemini URI";
		return URI_OTHER_SCHEME;
	}
	return URI_OK;
}

static bool
uri_put_query(struct buf *out, bool has_query, struct slice query)
{
	return !has_query || (buf_byte(out, '?') && buf_put(out, query));
}

static bool
uri_put_authority(struct buf *out, const struct uri *u)
{
	return buf_str(out, "://") && buf_put(out, u->host) &&
	       (u->port == -1 || buf_printf(out, ":%d", u->port));
}

/* Appends path's segments to a path that begins at root and ends with '/',
 * removing dot segments on the way (RFC 3986 5.2.4). */
static bool
uri_put_segments(struct buf *out, size_t root, struct slice path)
{
	while (path.len > 0) {
		struct slice segment;
		bool more = slice_cut(path, '/', &segment, &path);

		if (slice_equal(segment, SLICE(".")))
			continue;
		if (slice_equal(segment, SLICE(".."))) {
			if (out->len == root + 1)
				continue;
			do
				buf_truncate(out, out->len - 1);
			while (out->ptr[out->len - 1] != '/');
			continue;
		}
		if (!buf_put(out, segment) || (more && !buf_byte(out, '/')))
			return false;
	}
	return true;
}

/* The path of a reference that has no authority, merged with base's. */
static bool
uri_put_merged(struct buf *out, struct slice base, struct slice path)
{
	size_t root = out->len;
	size_t directory = base.len;

	if (!buf_byte(out, '/'))
		return false;
	if (slice_starts(path, SLICE("/")))
		return uri_put_segments(out, root, slice_skip(path, 1));
	while (directory > 0 && base.ptr[directory - 1] != '/')
		directory--;
	base = slice_head(base, directory);
	return uri_put_segments(
		   out, root, slice_skip(base, base.len > 0 ? 1 : 0)) &&
	       uri_put_segments(out, root, path);
}

static bool
uri_resolve_path(
    const struct uri *base, const struct reference *r, struct buf *out)
{
	bool own_scheme = r->scheme.len > 0;

	if (!buf_put(out, own_scheme ? r->scheme : base->scheme))
		return false;
	if (own_scheme && !r->has_authority) /* mailto:somebody */
		return buf_byte(out, ':') && buf_put(out, r->path) &&
		       uri_put_query(out, r->has_query, r->query);
	if (r->has_authority)
		return buf_str(out, "://") && buf_put(out, r->authority) &&
		       (r->path.len == 0 ||
			   uri_put_merged(out, SLICE(""), r->path)) &&
		       uri_put_query(out, r->has_query, r->query);
	if (r->path.len == 0) {
		bool own = r->has_query;

		return uri_put_authority(out, base) &&
		       buf_put(out, base->path) &&
		       uri_put_query(out, own || base->has_query,
			   own ? r->query : base->query);
	}
	return uri_put_authority(out, base) &&
	       uri_put_merged(out, base->path, r->path) &&
	       uri_put_query(out, r->has_query, r->query);
}

bool
uri_resolve(const struct uri *base, struct slice reference, struct buf *out)
{
	size_t start = out->len;
	struct reference r;

	reference_split(reference, &r);
	if (uri_resolve_path(base, &r, out))
		return true;
	buf_truncate(out, start);
	return false;
}

static const char hex_digits[] = "0123456789ABCDEF";

/* The bytes that a URI may not hold raw, but that uri_parse lets pass. */
static bool
byte_needs_escape(uint8_t c)
{
	return c >= 0x80 || c == '[' || c == ']';
}

static bool
uri_put_escaped(struct buf *out, uint8_t c)
{
	const char escape[3] = { '%', hex_digits[c >> 4], hex_digits[c & 15] };

	return buf_put(out, slice_of(escape, sizeof(escape)));
}

static bool
uri_put_encoded(struct buf *out, struct slice s)
{
	while (s.len > 0) {
		size_t n = 0;

		while (n < s.len && !byte_needs_escape(s.ptr[n]))
			n++;
		if (!buf_put(out, slice_head(s, n)))
			return false;
		s = slice_skip(s, n);
		if (s.len > 0) {
			if (!uri_put_escaped(out, s.ptr[0]))
				return false;
			s = slice_skip(s, 1);
		}
	}
	return true;
}

/* The byte that the escape at the front of s stands for; -1 when there is no
 * escape, or one of a byte that no file name holds. */
static int
uri_escaped_byte(struct slice s, bool *impossible)
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
path_put_decoded(struct buf *out, struct slice segment, bool *impossible)
{
	while (segment.len > 0) {
		size_t n = segment.len;
		int c;

		slice_find(segment, '%', &n);
		buf_put(out, slice_head(segment, n));
		segment = slice_skip(segment, n);
		if (segment.len == 0)
			break;
		c = uri_escaped_byte(segment, impossible);
		buf_byte(out, c == -1 ? segment.ptr[0] : (uint8_t)c);
		segment = slice_skip(segment, c == -1 ? 1 : 3);
	}
	assert(!out->failed); /* decoding never makes it longer */
}

/* Takes the last segment off a path that ends with '/'; false at the root. */
static bool
path_climb(struct buf *path)
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
path_put_segment(struct growing *p, struct slice segment, bool slash)
{
	size_t start = p->decoded.len;
	struct slice name;

	path_put_decoded(&p->decoded, segment, &p->impossible);
	name = slice_skip(buf_view(&p->decoded), start);
	if (slice_equal(name, SLICE(".")) || slice_equal(name, SLICE(".."))) {
		bool up = name.len == 2;

		buf_truncate(&p->decoded, start);
		if (up && !path_climb(&p->decoded))
			p->above_root = true;
		else if (up && !p->encoded.failed)
			(void)path_climb(&p->encoded);
		return;
	}
	uri_put_encoded(&p->encoded, segment);
	if (slash) {
		buf_byte(&p->decoded, '/');
		buf_byte(&p->encoded, '/');
	}
}

enum uri_path_result
uri_path_normalise(struct slice path, struct uri_path *out)
{
	struct growing p = { .above_root = false };

	assert(path.len <= REQUEST_URI_MAX);
	buf_wrap(&p.decoded, out->decoded, sizeof(out->decoded) - 1);
	buf_wrap(&p.encoded, out->encoded, sizeof(out->encoded) - 1);
	buf_byte(&p.decoded, '/');
	buf_byte(&p.encoded, '/');
	while (path.len > 0) {
		struct slice segment;
		bool slash = slice_cut(path, '/', &segment, &path);

		if (segment.len > 0)
			path_put_segment(&p, segment, slash);
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
byte_is_of_link(uint8_t c)
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
		bool keep = slash || byte_is_of_link(c) || (c == ':' && !first);

		first = first && !slash;
		if (!(keep ? buf_byte(out, c) : uri_put_escaped(out, c))) {
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

	if (uri_put_encoded(out, query))
		return true;
	buf_truncate(out, start);
	return false;
}
