/* SPDX-License-Identifier: ISC */
/* A borrowed view of bytes: the only shape in which hostile data travels.
 * Depends on libc alone. */
#ifndef UTIL_SLICE_H
#define UTIL_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Owns nothing; valid as long as the memory it points into. */
struct slice {
	const uint8_t *ptr;
	size_t len;
};

/* A view of a string literal, embedded NULs included. */
#define SLICE(literal)                                                         \
	((struct slice){ (const uint8_t *)("" literal), sizeof(literal) - 1 })

/* printf("%.*s", SLICE_ARGS(s)): for slices known to hold printable bytes. */
#define SLICE_ARGS(s) (int)(s).len, (const char *)(s).ptr

/* Views of len bytes at ptr, and of a C string without its NUL. */
struct slice slice_of(const void *ptr, size_t len);
struct slice slice_str(const char *s);

bool slice_equal(struct slice a, struct slice b);

/* ASCII letters compare without regard to case; other bytes exactly. */
bool slice_equal_nocase(struct slice a, struct slice b);
bool slice_starts(struct slice s, struct slice prefix);
bool slice_ends(struct slice s, struct slice suffix);
bool slice_ends_nocase(struct slice s, struct slice suffix);

/* The bytes after the first n, which must be there. */
struct slice slice_skip(struct slice s, size_t n);

/* The first n bytes, which must be there. */
struct slice slice_head(struct slice s, size_t n);

/* True when byte occurs in s; *at is then its first offset. at may be NULL. */
bool slice_find(struct slice s, uint8_t byte, size_t *at);

/* Cuts s at the first sep: false, *before = s and *after empty when there is
 * none. before and after may alias s. */
bool slice_cut(
    struct slice s, uint8_t sep, struct slice *before, struct slice *after);

/* Takes the line up to LF or the end off *rest, without its LF or CRLF; false
 * when *rest was empty. */
bool slice_line(struct slice *rest, struct slice *line);

/* Without ASCII blanks and tabs at both ends. */
struct slice slice_trim(struct slice s);

/* A whole decimal number, digits only, at most max; false otherwise. */
bool slice_number(struct slice s, uint64_t max, uint64_t *out);

/* The Unicode scalar value at the front of s and its length in bytes (1 to
 * 4); 0 when s is empty or does not begin with well-formed UTF-8 (overlong
 * forms, surrogates and values over U+10FFFF are not, RFC 3629). */
size_t slice_rune(struct slice s, uint32_t *rune);
bool slice_utf8(struct slice s);

/* -1 when c is not a hexadecimal digit. */
int hex_value(uint8_t c);

/* Whether candidate may be what was meant with word, and is nearer to it than
 * *best, which is then set (SIZE_MAX at the start). The distance counts letters
 * put in, left out, replaced, or swapped with their neighbour; it may be a
 * third of the longer word's length. */
bool word_nearer(const char *word, const char *candidate, size_t *best);

/* The nearest of words, which end with NULL, or NULL. */
const char *word_nearest(const char *word, const char *const *words);

#endif
