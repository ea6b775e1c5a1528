/* SPDX-License-Identifier: ISC */
/* An archive in POSIX ustar format: regular files alone, the same bytes on every
 * machine. A name that has no room in the 100 and 155 bytes of a header is told
 * by a pax record before it. Depends on util. */
#ifndef ARCHIVE_USTAR_H
#define ARCHIVE_USTAR_H

#include "util/buf.h"

enum { USTAR_BLOCK = 512, USTAR_RECORD = 10240, USTAR_PATH_MAX = 1024 };

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
 * mtime); exactly those bytes follow with ustar_bytes. False: the sink's, or a name
 * that cannot be told. */
bool ustar_begin(struct ustar_writer *w, const char *path, uint64_t size,
    int64_t mtime);
bool ustar_bytes(struct ustar_writer *w, struct slice bytes);

/* Two empty blocks, and what fills the last record of 10,240 bytes. */
bool ustar_end(struct ustar_writer *w);

/* Reading, from bytes as they come: zeroed but for the first two at the start. */
struct ustar_visitor {
	/* A file begins; false: no further. */
	bool (*file)(void *arg, struct slice path, uint64_t size);
	bool (*bytes)(void *arg, struct slice bytes);
	bool (*end)(void *arg);
	void *arg;
};
struct ustar_reader; /* ... fields the implementer's; embedded or opaque */

/* Anything but regular files (and the pax records that name them) is a fault:
 * links, devices, directories, bad checksums, numbers out of range, an end
 * without its two empty blocks. False and why, with the byte. */
struct ustar_reader *ustar_reader_new(const struct ustar_visitor *v);
bool ustar_reader_put(struct ustar_reader *r, struct slice bytes, struct buf *why);
bool ustar_reader_end(struct ustar_reader *r, struct buf *why);
void ustar_reader_free(struct ustar_reader **r);

#endif
