/* SPDX-License-Identifier: ISC */
/* Headers of archives that a test has changed, with a checksum that fits again. Of
 * use without cmocka. */
#ifndef TESTS_SUPPORT_SEAL_H
#define TESTS_SUPPORT_SEAL_H

#include <stdio.h>
#include <string.h>

#include "archive/ustar.h"

static inline void
seal_header(struct ustar_header *h)
{
	snprintf(h->checksum, sizeof(h->checksum), "%06o", ustar_checksum(h));
	h->checksum[7] = ' ';
}

/* Each block that begins like a header. */
static inline void
seal_archive(uint8_t *bytes, size_t size)
{
	for (size_t i = 0; size - i >= USTAR_BLOCK; i += USTAR_BLOCK) {
		struct ustar_header h;

		memcpy(&h, bytes + i, sizeof(h));
		if (memcmp(h.magic, "ustar", sizeof(h.magic)) != 0)
			continue;
		seal_header(&h);
		memcpy(bytes + i, &h, sizeof(h));
	}
}

#endif
