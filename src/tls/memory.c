/* SPDX-License-Identifier: ISC */
#include "tls/memory.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tls/parts.h"
#include "util/sanitized.h"

/* A bin is for blocks of at least BIN_FIRST + n * BIN_STEP bytes: what
 * glibc's malloc really gives on 64 bits, so that no room is lost. */
enum {
	BIN_FIRST = 8,
	BIN_STEP = 16,
	BINS = (TLS_MEMORY_BLOCK_MAX - BIN_FIRST) / BIN_STEP + 1,
};

struct block {
	uintptr_t next; /* see block_hide */
};

_Static_assert(sizeof(struct block) <= BIN_FIRST, "each block has room");

static struct block *kept[BINS]; /* by bin; the newest first */
static size_t kept_bytes;

/* The first bin whose blocks hold n bytes. */
static size_t
bin_for(size_t n)
{
	if (n <= BIN_FIRST)
		return 0;
	return (n - BIN_FIRST + BIN_STEP - 1) / BIN_STEP;
}

static size_t
bin_size(size_t bin)
{
	return BIN_FIRST + bin * BIN_STEP;
}

/* What is written past the end of a block, or after it was freed, could put any
 * address into the list, and memory there would be given out: as in glibc's lists
 * the address of a block hides its successor's, and what is not the address of a
 * block ends the process. */
static uintptr_t
block_hide(const struct block *at, uintptr_t next)
{
	enum { PAGE_BITS = 12 };

	return next ^ ((uintptr_t)at >> PAGE_BITS);
}

/* Takes the newest of a bin that is not empty. */
static struct block *
bin_take(size_t bin)
{
	struct block *block = kept[bin];
	uintptr_t next = block_hide(block, block->next);

	if (next % _Alignof(max_align_t) != 0)
		abort();
	kept[bin] = (struct block *)next;
	kept_bytes -= bin_size(bin);
	return block;
}

static void *
memory_allocate(size_t n, const char *file, int line)
{
	size_t bin;

	(void)file;
	(void)line;
	if (n == 0)
		return NULL;
	if (n > TLS_MEMORY_BLOCK_MAX)
		return malloc(n);
	bin = bin_for(n);
	if (bin >= BINS || kept[bin] == NULL)
		return malloc(bin_size(bin));
	return bin_take(bin);
}

static void
memory_free(void *p, const char *file, int line)
{
	struct block *block = p;
	size_t bin;

	(void)file;
	(void)line;
	if (p == NULL)
		return;
	bin = (malloc_usable_size(p) - BIN_FIRST) / BIN_STEP;
	if (bin >= BINS || bin_size(bin) > TLS_MEMORY_KEPT_MAX - kept_bytes) {
		free(p);
		return;
	}
	if (kept[bin] == block)
		abort(); /* freed twice: malloc would have noticed, too */
	block->next = block_hide(block, (uintptr_t)kept[bin]);
	kept[bin] = block;
	kept_bytes += bin_size(bin);
}

static void *
memory_resize(void *p, size_t n, const char *file, int line)
{
	if (p == NULL)
		return memory_allocate(n, file, line);
	if (n > 0)
		return realloc(p, n);
	memory_free(p, file, line);
	return NULL;
}

void
tls_memory_trim(void)
{
	for (size_t bin = 0; kept_bytes > 0 && bin < BINS; bin++) {
		while (kept[bin] != NULL)
			free(bin_take(bin));
	}
}

size_t
tls_memory_kept(void)
{
	return kept_bytes;
}

/* Whether malloc's blocks are what the bins say. */
static bool
memory_test(void)
{
	for (size_t n = 1; n <= TLS_MEMORY_BLOCK_MAX; n += n / 2 + 1) {
		size_t size = bin_size(bin_for(n));
		void *p = malloc(size);
		bool good =
		    p != NULL && size >= n && malloc_usable_size(p) >= size;

		free(p);
		if (!good)
			return false;
	}
	return true;
}

/* valgrind's checkers replace malloc by a library of their own; callgrind and
 * the other profilers do not. */
static bool
memory_is_watched(void)
{
	static const char *const watchers[] = { "vgpreload_memcheck",
		"vgpreload_helgrind", "vgpreload_drd", "vgpreload_massif",
		"vgpreload_dhat" };
	const char *preload = getenv("LD_PRELOAD");

	for (size_t i = 0; i < sizeof(watchers) / sizeof(*watchers); i++)
		if (preload != NULL && strstr(preload, watchers[i]) != NULL)
			return true;
	return SANITIZED;
}

void
tls_memory_install(void)
{
	if (!tls_part_on(TLS_PART_MEMORY))
		return;
	if (memory_is_watched())
		tls_part_fail(TLS_PART_MEMORY, "memory is watched");
	else if (!memory_test())
		tls_part_fail(TLS_PART_MEMORY, "self-test failed");
	else if (CRYPTO_set_mem_functions(
		     memory_allocate, memory_resize, memory_free) != 1)
		tls_part_fail(TLS_PART_MEMORY, "too late");
}
