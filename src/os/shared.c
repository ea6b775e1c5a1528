/* SPDX-License-Identifier: ISC */
#include "os/shared.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/list.h"

/* A mapping, for shared_forget_all. */
struct mapping {
	void *memory;
	size_t size;
	struct list link;
};

static struct list mappings = { &mappings, &mappings };

/* memory may be MAP_FAILED. NULL when it is, or when it cannot be noted: it is
 * then unmapped. */
static void *
mapping_note(void *memory, size_t size)
{
	struct mapping *m;

	if (memory == MAP_FAILED)
		return NULL;
	m = malloc(sizeof(*m));
	if (m == NULL) {
		munmap(memory, size);
		errno = ENOMEM;
		return NULL;
	}
	m->memory = memory;
	m->size = size;
	list_init(&m->link);
	list_append(&mappings, &m->link);
	return memory;
}

static void
mapping_remove(struct mapping *m)
{
	munmap(m->memory, m->size);
	list_remove(&m->link);
	free(m);
}

void *
shared_new(size_t size)
{
	return mapping_note(mmap(NULL, size, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0),
	    size);
}

void *
shared_new_sealed(size_t size, int *fd)
{
	void *memory = NULL;
	int error;

	*fd = memfd_create("carnation", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd == -1)
		return NULL;
	if (ftruncate(*fd, (off_t)size) == 0)
		memory = mapping_note(mmap(NULL, size, PROT_READ | PROT_WRITE,
					  MAP_SHARED, *fd, 0),
		    size);
	if (memory == NULL ||
	    fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == -1) {
		error = errno;
		shared_free(memory, size, fd);
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
shared_forget_all(void)
{
	while (!list_empty(&mappings))
		mapping_remove(LIST_ENTRY(mappings.next, struct mapping, link));
}

static struct mapping *
mapping_find(const void *memory)
{
	struct list *l;

	LIST_EACH (l, &mappings) {
		struct mapping *m = LIST_ENTRY(l, struct mapping, link);

		if (m->memory == memory)
			return m;
	}
	return NULL;
}

void
shared_free(void *memory, size_t size, int *fd)
{
	struct mapping *m = memory == NULL ? NULL : mapping_find(memory);

	if (m != NULL) {
		assert(m->size == size);
		mapping_remove(m);
	}
	if (fd != NULL && *fd != -1) {
		close(*fd);
		*fd = -1;
	}
}
