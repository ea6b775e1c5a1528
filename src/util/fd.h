/* SPDX-License-Identifier: ISC */
/* Descriptors read and written whole. All calls go on when a signal interrupts
 * them. Depends on buf. */
#ifndef UTIL_FD_H
#define UTIL_FD_H

#include <sys/types.h>

#include "util/buf.h"

/* read(2) of up to size bytes: what read returns, errno with -1. */
ssize_t fd_read(int fd, void *out, size_t size);

/* pread(2) of all size bytes, fewer only at the file's end. -1 and errno. */
ssize_t fd_read_at(int fd, void *out, size_t size, off_t at);

/* Appends all that comes until the end of file: false when it would exceed
 * out's maximum (errno EFBIG) or cannot be read (errno). */
bool fd_read_all(int fd, struct buf *out);

/* Writes all of bytes; false and errno when it could not. */
bool fd_write_all(int fd, struct slice bytes);

/* close(2) that keeps errno; harmless on -1. */
void fd_close(int fd);

#endif
