/* SPDX-License-Identifier: ISC */
/* Descriptors as a resource: some held back for when all others are gone, those
 * of other processes given up. Depends on libc. */
#ifndef SERVER_DESCRIPTORS_H
#define SERVER_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>

enum { SPARES_MAX = 16 };

/* Copies of one that is open anyway: nothing has to be found or allowed. */
struct spares {
	int original;
	int fd[SPARES_MAX];
	size_t n;
};

/* Fills s with copies of original, as many as there may be. */
void spares_init(struct spares *s, int original);

/* Makes up for those given away. */
void spares_fill(struct spares *s);

/* Closes one, so that somebody may open something; false when none is left. */
bool spares_give(struct spares *s);

/* The highest descriptor of them; original's when there is none. */
size_t spares_highest(const struct spares *s);

/* Closes every descriptor of this process but the standard ones and the n in own,
 * which is sorted by this; negative ones in it mean nothing. Uses close_range(2),
 * or /proc/self/fd where that call is missing. False and errno when some may still
 * be open: the process must end. */
bool descriptors_keep(int *own, size_t n);

#endif
