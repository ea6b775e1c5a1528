/* SPDX-License-Identifier: ISC */
/* Descriptors as a resource: spare ones for when all others are used up, and
 * closing those that belong to other processes. Depends on libc. */
#ifndef SERVER_DESCRIPTORS_H
#define SERVER_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>

enum { SPARES_MAX = 16 };

/* Copies of a descriptor that is open anyway: no file has to exist or be
 * readable. */
struct spares {
	int original;
	int fd[SPARES_MAX];
	size_t n;
};

/* Fills s with copies of original, as many as there may be. */
void spares_init(struct spares *s, int original);

/* Refills s after spares_give. */
void spares_fill(struct spares *s);

/* Closes one, so that a file can be opened; false when none is left. */
bool spares_give(struct spares *s);

/* The highest descriptor of them; original's when there is none. */
size_t spares_highest(const struct spares *s);

/* Closes every descriptor of this process but the standard ones and the n in
 * own, which is sorted by this; negative ones in it are ignored. Uses
 * close_range(2), or /proc/self/fd where that call is missing. False and errno
 * when some may still be open: the process must end. */
bool descriptors_keep(int *own, size_t n);

#endif
