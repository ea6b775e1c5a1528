/* SPDX-License-Identifier: ISC */
#include "util/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUF_FIRST = 64 };

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void
buf_wrap(struct buf *b, void *memory, size_t size)
{
	*b = (struct buf){
		.ptr = memory, .cap = size, .max = size, .borrowed = true
	};
}

void
buf_fini(struct buf *b)
{
	if (!b->borrowed) {
		free(b->ptr);
		b->ptr = NULL;
		b->cap = 0;
	}
	buf_reset(b);
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

/* Makes room for need bytes in all, the NUL of buf_cstr included. */
static bool
buf_grow(struct buf *b, size_t need)
{
	size_t cap = b->cap > 0 ? b->cap : BUF_FIRST;
	uint8_t *ptr;

	if (need <= b->cap)
		return true;
	if (b->borrowed)
		return false;
	while (cap < need)
		cap = cap <= SIZE_MAX / 2 ? cap * 2 : SIZE_MAX;
	ptr = realloc(b->ptr, cap);
	if (ptr == NULL)
		return false;
	b->ptr = ptr;
	b->cap = cap;
	return true;
}

static bool
buf_reserve(struct buf *b, size_t n)
{
	assert(b->len <= b->max);
	if (b->failed || n > b->max - b->len || !buf_grow(b, b->len + n)) {
		b->failed = true;
		return false;
	}
	return true;
}

bool
buf_put(struct buf *b, struct slice s)
{
	if (!buf_reserve(b, s.len))
		return false;
	if (s.len > 0)
		memcpy(b->ptr + b->len, s.ptr, s.len);
	b->len += s.len;
	return true;
}

bool
buf_byte(struct buf *b, uint8_t c)
{
	return buf_put(b, slice_of(&c, 1));
}

bool
buf_str(struct buf *b, const char *s)
{
	return buf_put(b, slice_str(s));
}

bool
buf_printf(struct buf *b, const char *format, ...)
{
	va_list ap;
	bool ok;

	va_start(ap, format);
	ok = buf_vprintf(b, format, ap);
	va_end(ap);
	return ok;
}

bool
buf_vprintf(struct buf *b, const char *format, va_list ap)
{
	va_list again;
	char *text;
	int n;
	bool ok;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (n < 0 || !buf_reserve(b, (size_t)n)) {
		b->failed = true;
		return false;
	}
	if (buf_grow(b, b->len + (size_t)n + 1)) {
		vsnprintf((char *)b->ptr + b->len, (size_t)n + 1, format, ap);
		b->len += (size_t)n;
		return true;
	}
	/* It fits, but vsnprintf's NUL after it does not. */
	n = vasprintf(&text, format, ap);
	if (n < 0) {
		b->failed = true;
		return false;
	}
	ok = buf_put(b, slice_of(text, (size_t)n));
	free(text);
	return ok;
}

void
buf_truncate(struct buf *b, size_t len)
{
	assert(len <= b->len);
	b->len = len;
}

struct slice
buf_view(const struct buf *b)
{
	return slice_of(b->ptr, b->len);
}

const char *
buf_cstr(struct buf *b)
{
	if (b->len == SIZE_MAX || !buf_grow(b, b->len + 1))
		return NULL;
	b->ptr[b->len] = '\0';
	return (const char *)b->ptr;
}
