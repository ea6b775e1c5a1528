/* SPDX-License-Identifier: ISC */
/* Memory that a parent and its forked children share.
 * Depends on util. */
#ifndef OS_SHARED_H
#define OS_SHARED_H

#include <stddef.h>

/* Zeroed memory shared with children forked later, writable by all; NULL and
 * errno on failure. Pages cost nothing until touched. */
void *shared_new(size_t size);

/* The same, but a child that calls shared_read_only can never write to it
 * again, nor map it writable (F_SEAL_FUTURE_WRITE where the kernel has it).
 * *fd is for shared_read_only and shared_free. */
void *shared_new_sealed(size_t size, int *fd);

/* In a child: replaces the writable mapping with a read-only one at the same
 * place and closes fd. 0, or -1 and errno. */
int shared_read_only(void *memory, size_t size, int *fd);

/* Harmless on NULL, and after shared_forget_all. */
void shared_free(void *memory, size_t size, int *fd);

/* In a child: unmaps all memory made by shared_new. Its addresses are invalid from
 * then on. */
void shared_forget_all(void);

#endif
