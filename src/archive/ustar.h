/* SPDX-License-Identifier: ISC */
/* An archive in POSIX ustar format: regular files alone, the same bytes on
 * every machine. A name that has no room in the 100 and 155 bytes of a header
 * is given by a pax record before it. Depends on util. */
#ifndef ARCHIVE_USTAR_H
#define ARCHIVE_USTAR_H

#include "util/buf.h"
#include "util/why.h"

enum {
	USTAR_BLOCK = 512,
	USTAR_RECORD = 10240,  /* an archive is a whole number of these */
	USTAR_PATH_MAX = 1024, /* bytes of a path */
};

/* The largest size, and the last moment, that eleven octal digits tell. */
#define USTAR_NUMBER_MAX ((UINT64_C(1) << 33) - 1)

/* Where an archive's bytes go; false: it cannot go on. */
typedef bool ustar_sink(void *arg, struct slice bytes);

/* Zeroed but for the first two. */
struct ustar_writer {
	ustar_sink *sink;
	void *arg;
	uint64_t written;
	uint64_t owed; /* bytes of the file that was begun */
};

/* Begins a file of size bytes (mode 0644, owner and group 0 without names, time
 * mtime); exactly those bytes follow with ustar_bytes. False: the sink's, the
 * file before it is not complete, or what cannot be determined: an empty or too
 * long path, a size or an mtime that is not from 0 to USTAR_NUMBER_MAX. */
bool ustar_begin(
    struct ustar_writer *w, const char *path, uint64_t size, int64_t mtime);

/* False: the sink's, or more than was announced. */
bool ustar_bytes(struct ustar_writer *w, struct slice bytes);

/* Two empty blocks, and what fills the last record of 10,240 bytes. False: the
 * sink's, or the last file is not complete. */
bool ustar_end(struct ustar_writer *w);

/* Receives what an archive holds. Each may say false: no further. */
struct ustar_handler {
	/* A file begins. path is whatever the archive says, of 1 to
	 * USTAR_PATH_MAX bytes without NUL: the handler judges it. */
	bool (*file)(void *arg, struct slice path, uint64_t size);
	bool (*bytes)(void *arg, struct slice bytes);
	/* All its bytes have come. */
	bool (*end)(void *arg);
	void *arg;
};

struct ustar_reader;

/* Reads an archive from bytes as they come. Anything but regular files (and the
 * pax records that name them) is a fault: links, devices, directories, bad
 * checksums, numbers out of range, bytes where there should be zeros, an end
 * without its two empty blocks or its whole last record, bytes behind it.
 * Owner, mode and time may be any: an archive that GNU tar makes of the same
 * files in one of the formats ustar and pax passes. v is copied; NULL when out
 * of memory. */
struct ustar_reader *ustar_reader_new(const struct ustar_handler *v);

/* False and why, with the byte ("byte 512: ..."); and again for all that
 * follows. When the handler stopped it, why says "stopped". */
bool
ustar_reader_put(struct ustar_reader *r, struct slice bytes, struct why *why);

/* Nothing follows. */
bool ustar_reader_end(struct ustar_reader *r, struct why *why);
void ustar_reader_free(struct ustar_reader **r);

/* ---- the 512 bytes before a file in an archive */

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

#endif
