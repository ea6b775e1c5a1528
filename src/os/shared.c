/* SPDX-License-Identifier: ISC */
#include "os/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

void *
shared_new(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

void *
shared_new_sealed(size_t size, int *fd)
{
	void *memory = MAP_FAILED;
	int error;

	*fd = memfd_create("carnation", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd == -1)
		return NULL;
	if (ftruncate(*fd, (off_t)size) == 0)
		memory = mmap(
		    NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (memory == MAP_FAILED ||
	    fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == -1) {
		error = errno;
		if (memory != MAP_FAILED)
			munmap(memory, size);
		close(*fd);
		*fd = -1;
		errno = error;
		return NULL;
	}
#ifdef F_SEAL_FUTURE_WRITE
	/* Kernels before 5.1 lack it: then only the read-only mapping protects
	 * the page. */
	(void)fcntl(*fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
#endif
	return memory;
}

int
shared_read_only(void *memory, size_t size, int *fd)
{
	/* MAP_FIXED: the old, writable mapping goes in the same moment. */
	if (mmap(memory, size, PROT_READ, MAP_SHARED | MAP_FIXED, *fd, 0) ==
	    MAP_FAILED)
		return -1;
	close(*fd);
	*fd = -1;
	return 0;
}

void
shared_free(void *memory, size_t size, int *fd)
{
	if (memory != NULL)
		munmap(memory, size);
	if (fd != NULL && *fd != -1) {
		close(*fd);
		*fd = -1;
	}
}
