/* SPDX-License-Identifier: ISC */
/* The 512 bytes before a file in an archive, for writer and reader.
 * Depends on util. */
#ifndef ARCHIVE_USTAR_HEADER_H
#define ARCHIVE_USTAR_HEADER_H

#include "archive/ustar.h"

enum {
	USTAR_FILE = '0',
	USTAR_PAX = 'x', /* records about the file that follows */

	USTAR_NAME_MAX = 100,
	USTAR_PREFIX_MAX = 155,
};

/* POSIX.1-2017, pax, "ustar Interchange Format". */
struct ustar_header {
	char name[USTAR_NAME_MAX];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char checksum[8];
	char type;
	char link[100];
	char magic[6];
	char version[2];
	char user[32];
	char group[32];
	char major[8];
	char minor[8];
	char prefix[USTAR_PREFIX_MAX];
	char zeros[12];
};

_Static_assert(sizeof(struct ustar_header) == USTAR_BLOCK,
    "a header is one block, without holes");

/* The sum of all its bytes, its own eight taken for blanks. */
unsigned ustar_checksum(const struct ustar_header *h);

/* Where a path is cut in two, at a '/', so that both parts have room: the
 * shortest prefix that will do. 0: it needs no cut. -1: none will do. */
int ustar_cut(struct slice path);

/* How many bytes of a block lie behind the last of size bytes. */
unsigned ustar_padding(uint64_t size);

#endif
