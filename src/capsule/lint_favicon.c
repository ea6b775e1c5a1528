/* SPDX-License-Identifier: ISC */
/* F: favicon.txt, one emoji (spec.md 4.5). */
#include "capsule/lint_internal.h"

#define FILE_NAME "favicon.txt"

enum {
	FAVICON_MAX = 1024, /* bytes: the longest emoji has some forty */
	JOINER = 0x200d,
	VARIANT_TEXT = 0xfe0e,
	VARIANT_EMOJI = 0xfe0f,
	KEYCAP = 0x20e3,
};

static bool
within(uint32_t rune, uint32_t first, uint32_t last)
{
	return rune >= first && rune <= last;
}

/* Where Unicode has emoji: whole blocks, as it adds some every year. */
static bool
is_emoji(uint32_t rune)
{
	static const struct {
		uint32_t first, last;
	} blocks[] = {
		{ 0xa9, 0xa9 }, { 0xae, 0xae }, { 0x203c, 0x203c },
		{ 0x2049, 0x2049 }, { 0x2122, 0x2122 }, { 0x2139, 0x2139 },
		{ 0x2190, 0x21ff }, /* arrows */
		{ 0x2300, 0x23ff }, /* technical */
		{ 0x24c2, 0x24c2 },
		{ 0x25a0, 0x27bf }, /* shapes, symbols, dingbats */
		{ 0x2900, 0x297f }, /* arrows */
		{ 0x2b00, 0x2bff }, /* symbols */
		{ 0x3030, 0x3030 }, { 0x303d, 0x303d }, { 0x3297, 0x3297 },
		{ 0x3299, 0x3299 }, { 0x1f000, 0x1faff }, /* pictographs */
	};

	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		if (within(rune, blocks[i].first, blocks[i].last))
			return true;
	return false;
}

static bool
is_regional(uint32_t rune)
{
	return within(rune, 0x1f1e6, 0x1f1ff);
}

/* What colours the emoji before it, or says more of it: variants, skin, tags. */
static bool
is_modifier(uint32_t rune)
{
	return rune == VARIANT_TEXT || rune == VARIANT_EMOJI ||
	       within(rune, 0x1f3fb, 0x1f3ff) || within(rune, 0xe0020, 0xe007f);
}

/* The rune at the front of s, which it stays at; 0 when there is none. */
static uint32_t
peek(struct slice s)
{
	uint32_t rune = 0;

	return slice_rune(s, &rune) > 0 ? rune : 0;
}

static void
drop(struct slice *s)
{
	uint32_t rune;

	*s = slice_skip(*s, slice_rune(*s, &rune));
}

/* Two letters of a flag, or a key: a digit in its box. */
static bool
take_pair(struct slice *s)
{
	uint32_t first = peek(*s);

	drop(s);
	if (is_regional(first)) {
		if (!is_regional(peek(*s)))
			return false;
		drop(s);
		return true;
	}
	if (peek(*s) == VARIANT_EMOJI)
		drop(s);
	if (peek(*s) != KEYCAP)
		return false;
	drop(s);
	return true;
}

/* Takes one emoji off *s, with all that a joiner joins to it. */
static bool
take_emoji(struct slice *s)
{
	uint32_t first = peek(*s);

	if (is_regional(first) || within(first, '0', '9') || first == '#' ||
	    first == '*')
		return take_pair(s);
	for (;;) {
		if (!is_emoji(peek(*s)))
			return false;
		drop(s);
		while (is_modifier(peek(*s)))
			drop(s);
		if (peek(*s) != JOINER)
			return true;
		drop(s);
	}
}

static bool
is_one_emoji(struct slice s)
{
	struct slice line, rest = s;

	return slice_line(&rest, &line) && rest.len == 0 && take_emoji(&line) &&
	       line.len == 0;
}

void
lint_favicon(struct lint *l)
{
	struct buf bytes;

	if (inventory_find(&l->inventory, FILE_NAME) == NULL)
		return;
	lint_plain(l, "F001", FILE_NAME);
	buf_init(&bytes, FAVICON_MAX);
	if (!inventory_load(l->host, FILE_NAME, &bytes) ||
	    !is_one_emoji(buf_view(&bytes)))
		lint_add(
		    l, "F002", FILE_NAME, 1, "not one emoji and nothing else");
	buf_fini(&bytes);
}
