/* SPDX-License-Identifier: ISC */
/* A byte buffer with a maximum: all of an append happens, or none of it.
 * Depends on slice. */
#ifndef UTIL_BUF_H
#define UTIL_BUF_H

#include <stdarg.h>

#include "util/slice.h"

/* Grows on the heap up to max bytes, or uses memory of the caller. */
struct buf {
	uint8_t *ptr;
	size_t len;
	size_t cap;
	size_t max;
	bool borrowed;
	bool failed; /* an append did not fit: nor will any until buf_reset */
};

/* An empty buffer on the heap that will never hold more than max bytes. */
void buf_init(struct buf *b, size_t max);

/* An empty buffer over size bytes at memory, which the caller keeps. */
void buf_wrap(struct buf *b, void *memory, size_t size);

/* Frees what buf_init's buffer holds; b is then empty and may be used. */
void buf_fini(struct buf *b);

/* Forgets the content and a failure, keeps the memory. */
void buf_reset(struct buf *b);

/* Appends all of s or nothing; false when it would exceed b's maximum or memory
 * runs out. */
bool buf_put(struct buf *b, struct slice s);
bool buf_byte(struct buf *b, uint8_t c);
bool buf_str(struct buf *b, const char *s);
bool buf_printf(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool buf_vprintf(struct buf *b, const char *format, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* Makes b shorter: len must not be more than b->len. */
void buf_truncate(struct buf *b, size_t len);

/* Borrowed; valid until the next buf_* call on b. */
struct slice buf_view(const struct buf *b);

/* The content as a C string (a NUL is kept after it); NULL when out of memory
 * for the NUL. Borrowed; valid until the next buf_* call on b. */
const char *buf_cstr(struct buf *b);

#endif
