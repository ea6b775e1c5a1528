/* SPDX-License-Identifier: ISC */
/* Arrays that grow by one element at a time.
 * Depends on libc alone. */
#ifndef UTIL_ARRAY_H
#define UTIL_ARRAY_H

#include <stddef.h>

/* items, which holds n elements of size bytes, with room for one more: the new
 * address, to be freed with free(3). NULL when out of memory; items is then
 * still valid. Room is made whenever n is 0 or a power of two, so that nobody
 * has to store it: every growth of an array has to go through here. */
void *array_grow(void *items, size_t n, size_t size);

#endif
