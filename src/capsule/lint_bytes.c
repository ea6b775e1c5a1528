/* SPDX-License-Identifier: ISC */
/* Encoding, line ends and characters of a page (spec.md 4.1.1, 4.1.10). */
#include "capsule/lint_internal.h"

enum line_end { END_NONE, END_LF, END_CRLF };

enum { ESCAPE = 0x1b, DELETE = 0x7f };

struct bytes {
	struct lint *l;
	const char *path;
	unsigned number;    /* of the line, from 1 */
	enum line_end ends; /* as the first line does */
	bool utf8;          /* as pages are, unless their type says otherwise */
	/* What one complaint about the page is enough for. */
	bool malformed;
	bool mixed;
	bool bare_cr;
};

static bool
is_utf8(const struct lint *l, const char *path)
{
	char text[REQUEST_URI_MAX + 2];
	struct slice charset;
	struct buf absolute;

	buf_wrap(&absolute, text, sizeof(text));
	if (!buf_byte(&absolute, '/') || !buf_str(&absolute, path) ||
	    !buf_byte(&absolute, '\0'))
		return true;
	charset = policy_charset(l->host, text);
	return charset.len == 0 ||
	       slice_equal_nocase(charset, SLICE("utf-8")) ||
	       slice_equal_nocase(charset, SLICE("us-ascii"));
}

/* Whether a character has no business on a page. */
static bool
is_control(uint32_t rune)
{
	if (rune < 0x20)
		return rune != '\t' && rune != '\r' && rune != ESCAPE;
	return (rune >= DELETE && rune < 0xa0) || rune == 0x2028 ||
	       rune == 0x2029;
}

static void
check_end(struct bytes *b, enum line_end end)
{
	if (b->ends == END_NONE)
		b->ends = end;
	if (end == END_NONE)
		lint_add(b->l, "G006", b->path, b->number,
		    "the last line has no line end");
	else if (end != b->ends && !b->mixed) {
		b->mixed = true;
		lint_add(b->l, "G003", b->path, b->number,
		    end == END_LF
			? "this line ends with LF, the first with CRLF"
			: "this line ends with CRLF, the first with LF");
	}
}

/* One complaint of each kind a line: *told are the kinds that were had. */
static void
check_rune(struct bytes *b, uint32_t rune, unsigned *told)
{
	enum { CONTROL = 1, SEQUENCE = 2 };

	if (rune == ESCAPE && !(*told & SEQUENCE)) {
		*told |= SEQUENCE;
		lint_add(b->l, "G005", b->path, b->number,
		    "escape sequence for terminals");
	} else if (rune == '\r' && !b->bare_cr) {
		b->bare_cr = true;
		lint_add(b->l, "G003", b->path, b->number,
		    "CR without LF behind it");
	} else if (is_control(rune) && !(*told & CONTROL)) {
		*told |= CONTROL;
		lint_add(b->l, "G004", b->path, b->number,
		    rune == 0x2028 || rune == 0x2029
			? "line separator U+%04X, which ends no line here"
			: "control character U+%04X",
		    (unsigned)rune);
	}
}

static void
check_line(struct bytes *b, struct slice s)
{
	unsigned told = 0;
	uint32_t rune;

	for (size_t i = 0, n = 1; i < s.len; i += n) {
		rune = s.ptr[i];
		n = 1;
		if (rune >= 0x80 && b->utf8)
			n = slice_rune(slice_skip(s, i), &rune);
		if (n == 0) {
			n = 1;
			if (!b->malformed)
				lint_add(b->l, "G001", b->path, b->number,
				    "byte 0x%02x is not UTF-8", s.ptr[i]);
			b->malformed = true;
		} else if (rune < 0x20 || (rune >= DELETE && b->utf8)) {
			check_rune(b, rune, &told);
		}
	}
}

void
lint_bytes(struct lint *l, const char *path, struct slice bytes)
{
	struct bytes b = { .l = l, .path = path, .utf8 = is_utf8(l, path) };
	struct slice line;
	size_t before;

	if (slice_starts(bytes, SLICE("\xef\xbb\xbf")))
		lint_add(l, "G002", path, 1, "byte order mark");
	before = bytes.len;
	while (slice_line(&bytes, &line)) {
		size_t end = before - bytes.len - line.len;

		before = bytes.len;
		b.number++;
		check_line(&b, line);
		check_end(&b, end == 2   ? END_CRLF
			      : end == 1 ? END_LF
					 : END_NONE);
	}
}
