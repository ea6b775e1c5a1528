/* SPDX-License-Identifier: ISC */
#include "client/screen.h"

#include <string.h>

static void
drop(struct screen *s, size_t n)
{
	s->n -= n;
	memmove(s->kept, s->kept + n, s->n);
}

static bool
is_control(uint32_t rune)
{
	return rune < 0x20 || (rune >= 0x7f && rune <= 0x9f);
}

/* How many bytes a sequence that begins with lead has; 1 when none does. */
static size_t
sequence(uint8_t lead)
{
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	return lead >= 0xf0 && lead <= 0xf4 ? 4 : 1;
}

/* Whether what is kept may still become something else. */
static bool
is_open(const struct screen *s)
{
	if (s->kept[0] == '\r')
		return s->n == 1;
	for (size_t i = 1; i < s->n; i++)
		if ((s->kept[i] & 0xc0) != 0x80)
			return false;
	return s->n < sequence(s->kept[0]);
}

/* Shows what is at the front of a non-empty kept. */
static bool
show(struct screen *s, struct buf *out)
{
	struct slice kept = slice_of(s->kept, s->n);
	uint32_t rune;
	size_t n = slice_rune(kept, &rune);
	bool done = true;

	if (slice_starts(kept, SLICE("\r\n")))
		n = 2;
	else if (n > 0 && is_control(rune) && rune != '\n' && rune != '\t')
		n = 0;
	if (n > 0) {
		done = buf_put(out, slice_head(kept, n));
	} else {
		n = 1;
		done = buf_printf(out, "\\x%02x", (unsigned)s->kept[0]);
	}
	drop(s, n);
	return done;
}

bool
screen_put(struct screen *s, struct slice bytes, struct buf *out)
{
	for (size_t i = 0; i < bytes.len; i++) {
		s->kept[s->n++] = bytes.ptr[i];
		while (s->n > 0 && !is_open(s))
			if (!show(s, out))
				return false;
	}
	return true;
}

bool
screen_end(struct screen *s, struct buf *out)
{
	while (s->n > 0)
		if (!show(s, out))
			return false;
	return true;
}
