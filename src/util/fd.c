/* SPDX-License-Identifier: ISC */
#include "util/fd.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

ssize_t
fd_read(int fd, void *out, size_t size)
{
	ssize_t n;

	do
		n = read(fd, out, size);
	while (n == -1 && errno == EINTR);
	return n;
}

ssize_t
fd_read_at(int fd, void *out, size_t size, off_t at)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = pread(
		    fd, (char *)out + done, size - done, at + (off_t)done);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

bool
fd_read_all(int fd, struct buf *out)
{
	uint8_t chunk[16 * 1024];
	size_t used = 0;
	ssize_t n;
	int error;

	while ((n = fd_read(fd, chunk, sizeof(chunk))) > 0) {
		if ((size_t)n > used)
			used = (size_t)n;
		if ((size_t)n > out->max - out->len) {
			errno = EFBIG;
			break;
		}
		if (!buf_put(out, slice_of(chunk, (size_t)n))) {
			errno = ENOMEM;
			break;
		}
	}
	/* It may have been a private key. */
	error = errno;
	explicit_bzero(chunk, used);
	errno = error;
	return n == 0;
}

bool
fd_write_all(int fd, struct slice bytes)
{
	ssize_t n;

	while (bytes.len > 0) {
		n = write(fd, bytes.ptr, bytes.len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes = slice_skip(bytes, (size_t)n);
	}
	return true;
}

void
fd_close(int fd)
{
	int error = errno;

	if (fd != -1)
		(void)close(fd);
	errno = error;
}
