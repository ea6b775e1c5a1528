/* SPDX-License-Identifier: ISC */
#include "capsule/plain.h"

#include <string.h>

static bool
rune_breaks_line(uint32_t rune)
{
	return (rune >= 0x0b && rune <= 0x0d) || rune == 0x85 ||
	       rune == 0x2028 || rune == 0x2029;
}

static bool
rune_is_omitted(uint32_t rune)
{
	if (rune == '\t' || rune == '\n')
		return false;
	return rune < 0x20 || (rune >= 0x7f && rune <= 0x9f) ||
	       rune == 0xfeff || rune == 0xfffe || rune == 0xffff ||
	       (rune >= 0x202a && rune <= 0x202e) ||
	       (rune >= 0x2066 && rune <= 0x2069);
}

bool
plain_next(struct slice *text, struct slice *character)
{
	uint32_t rune;

	while (text->len > 0) {
		size_t n = slice_rune(*text, &rune);

		*character = slice_head(*text, n);
		*text = slice_skip(*text, n > 0 ? n : 1);
		if (n == 0)
			continue;
		if (rune_breaks_line(rune)) {
			*character = SLICE(" ");
			return true;
		}
		if (!rune_is_omitted(rune))
			return true;
	}
	return false;
}

bool
plain_put(struct buf *out, struct slice text)
{
	struct slice character;

	while (plain_next(&text, &character))
		if (!buf_put(out, character))
			return false;
	return true;
}

static bool
character_is_blank(struct slice character)
{
	return character.ptr[0] == ' ' || character.ptr[0] == '\t' ||
	       character.ptr[0] == '\n';
}

bool
plain_is_blank(struct slice text)
{
	struct slice character;

	while (plain_next(&text, &character))
		if (!character_is_blank(character))
			return false;
	return true;
}

/* Takes a word off *text, into out unless that is NULL; its code points. */
static size_t
plain_take_word(struct slice *text, struct buf *out)
{
	struct slice character;
	size_t n = 0;

	while (plain_next(text, &character)) {
		if (character_is_blank(character)) {
			if (n > 0)
				break;
			continue;
		}
		if (out != NULL)
			buf_put(out, character);
		n++;
	}
	return n;
}

static void
plain_start_line(struct plain *p)
{
	const char *prefix = p->begun ? p->next : p->first;

	buf_str(p->out, prefix);
	p->column = strlen(prefix);
	p->begun = true;
}

void
plain_words(struct plain *p, struct slice text)
{
	struct slice ahead = text;
	size_t n;

	while ((n = plain_take_word(&ahead, NULL)) > 0) {
		if (!p->begun) {
			plain_start_line(p);
		} else if (p->column + 1 + n > PLAIN_WIDTH) {
			buf_byte(p->out, '\n');
			plain_start_line(p);
		} else {
			buf_byte(p->out, ' ');
			p->column++;
		}
		plain_take_word(&text, p->out);
		p->column += n;
		if (p->column > p->widest)
			p->widest = p->column;
	}
}

void
plain_end(struct plain *p)
{
	if (!p->begun)
		plain_put(p->out, slice_trim(slice_str(p->first)));
	buf_byte(p->out, '\n');
}
