/* SPDX-License-Identifier: ISC */
#include "util/slice.h"

#include <assert.h>
#include <string.h>

struct slice
slice_of(const void *ptr, size_t len)
{
	return (struct slice){ ptr, len };
}

struct slice
slice_str(const char *s)
{
	return (struct slice){ (const uint8_t *)s, strlen(s) };
}

bool
slice_equal(struct slice a, struct slice b)
{
	/* memcmp must not see the NULL that an empty slice may hold */
	return a.len == b.len && (a.len == 0 || !memcmp(a.ptr, b.ptr, a.len));
}

static uint8_t
byte_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

bool
slice_equal_nocase(struct slice a, struct slice b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		if (byte_lower(a.ptr[i]) != byte_lower(b.ptr[i]))
			return false;
	}
	return true;
}

bool
slice_starts(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len &&
	       slice_equal(slice_head(s, prefix.len), prefix);
}

bool
slice_ends(struct slice s, struct slice suffix)
{
	return s.len >= suffix.len &&
	       slice_equal(slice_skip(s, s.len - suffix.len), suffix);
}

bool
slice_ends_nocase(struct slice s, struct slice suffix)
{
	return s.len >= suffix.len &&
	       slice_equal_nocase(slice_skip(s, s.len - suffix.len), suffix);
}

struct slice
slice_skip(struct slice s, size_t n)
{
	assert(n <= s.len);
	if (n == 0) /* even NULL + 0 is undefined in C */
		return s;
	return (struct slice){ s.ptr + n, s.len - n };
}

struct slice
slice_head(struct slice s, size_t n)
{
	assert(n <= s.len);
	return (struct slice){ s.ptr, n };
}

bool
slice_find(struct slice s, uint8_t byte, size_t *at)
{
	const uint8_t *found = s.len > 0 ? memchr(s.ptr, byte, s.len) : NULL;

	if (found == NULL)
		return false;
	if (at != NULL)
		*at = (size_t)(found - s.ptr);
	return true;
}

bool
slice_cut(
    struct slice s, uint8_t sep, struct slice *before, struct slice *after)
{
	size_t at;

	if (!slice_find(s, sep, &at)) {
		*before = s;
		*after = slice_skip(s, s.len);
		return false;
	}
	*before = slice_head(s, at);
	*after = slice_skip(s, at + 1);
	return true;
}

bool
slice_line(struct slice *rest, struct slice *line)
{
	if (rest->len == 0)
		return false;
	if (slice_cut(*rest, '\n', line, rest) &&
	    slice_ends(*line, SLICE("\r")))
		line->len--;
	return true;
}

static bool
byte_is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

struct slice
slice_trim(struct slice s)
{
	while (s.len > 0 && byte_is_blank(s.ptr[0]))
		s = slice_skip(s, 1);
	while (s.len > 0 && byte_is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

bool
slice_number(struct slice s, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		uint64_t digit = (uint64_t)s.ptr[i] - '0';

		if (digit > 9 || digit > max || n > (max - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*out = n;
	return true;
}

/* What the first byte of a sequence says: its length, its own bits and the
 * least value that needs such a length. */
static size_t
rune_lead(uint8_t c, uint32_t *bits, uint32_t *least)
{
	if (c < 0x80) {
		*bits = c;
		*least = 0;
		return 1;
	}
	if ((c & 0xe0) == 0xc0) {
		*bits = c & 0x1f;
		*least = 0x80;
		return 2;
	}
	if ((c & 0xf0) == 0xe0) {
		*bits = c & 0x0f;
		*least = 0x800;
		return 3;
	}
	if ((c & 0xf8) == 0xf0) {
		*bits = c & 0x07;
		*least = 0x10000;
		return 4;
	}
	return 0;
}

size_t
slice_rune(struct slice s, uint32_t *rune)
{
	uint32_t value, least;
	size_t n;

	if (s.len == 0)
		return 0;
	n = rune_lead(s.ptr[0], &value, &least);
	if (n == 0 || n > s.len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s.ptr[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (s.ptr[i] & 0x3f);
	}
	if (value < least || value > 0x10ffff ||
	    (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*rune = value;
	return n;
}

bool
slice_utf8(struct slice s)
{
	uint32_t rune;

	while (s.len > 0) {
		size_t n = slice_rune(s, &rune);

		if (n == 0)
			return false;
		s = slice_skip(s, n);
	}
	return true;
}

int
hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = byte_lower(c);
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

enum { WORD_MAX = 64 }; /* bytes of a word that is compared, NUL included */

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that make b of a;
 * SIZE_MAX when one of them is too long. Three rows of the
 * usual table are enough. */
static size_t
word_distance(const char *a, const char *b)
{
	size_t rows[3][WORD_MAX];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];
	size_t n = strlen(a), m = strlen(b);

	if (n >= WORD_MAX || m >= WORD_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= m; j++)
		before[j] = above[j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *spare = before;

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;

			row[j] = least(above[j - 1] + cost,
			    least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
		before = above;
		above = row;
		row = spare;
	}
	return above[m];
}

bool
word_nearer(const char *word, const char *candidate, size_t *best)
{
	size_t n = strlen(word), m = strlen(candidate);
	size_t distance = word_distance(word, candidate);

	if (distance > (n > m ? n : m) / 3 || distance >= *best)
		return false;
	*best = distance;
	return true;
}

const char *
word_nearest(const char *word, const char *const *words)
{
	const char *nearest = NULL;
	size_t best = SIZE_MAX;

	for (; *words != NULL; words++)
		if (word_nearer(word, *words, &best))
			nearest = *words;
	return nearest;
}
