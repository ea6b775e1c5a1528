/* SPDX-License-Identifier: ISC */
/* What OpenSSL allocates and frees in a server, some 400 blocks a handshake, from
 * lists of free blocks by size: the one freed last is given out first. The blocks
 * are malloc's, so that any of them can go back to it. One thread at a time.
 * Depends on parts, OpenSSL. */
#ifndef TLS_MEMORY_H
#define TLS_MEMORY_H

#include <stddef.h>

enum {
	/* bytes of free blocks that a process keeps */
	TLS_MEMORY_KEPT_MAX = 256 * 1024,
	/* the largest block kept: OpenSSL's buffers of a record fit */
	TLS_MEMORY_BLOCK_MAX = 32 * 1024,
};

/* Gives OpenSSL the functions below, if TLS_PART_MEMORY is on, and turns that off
 * where something watches malloc: a sanitizer, or one of valgrind's checkers.
 * Before any other call of OpenSSL. */
void tls_memory_install(void);

/* Returns what is kept to malloc. */
void tls_memory_trim(void);

/* Bytes kept at this moment. */
size_t tls_memory_kept(void);

#endif
