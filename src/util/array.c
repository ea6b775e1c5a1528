/* SPDX-License-Identifier: ISC */
#include "util/array.h"

#include <stdlib.h>

void *
array_grow(void *items, size_t n, size_t size)
{
	if ((n & (n - 1)) != 0)
		return items;
	/* reallocarray(3) refuses a product that overflows. */
	return reallocarray(items, n == 0 ? 1 : 2 * n, size);
}
