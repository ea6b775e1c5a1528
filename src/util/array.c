/* SPDX-License-Identifier: ISC */
#include "util/array.h"

#include <stdint.h>
#include <stdlib.h>

void *
array_grow(void *items, size_t n, size_t size)
{
	if ((n & (n - 1)) != 0)
		return items;
	if (n > SIZE_MAX / 2 / size)
		return NULL;
	return realloc(items, (n == 0 ? 1 : 2 * n) * size);
}
