/* SPDX-License-Identifier: ISC */
#include "server/descriptors.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

void
spares_init(struct spares *s, int original)
{
	s->original = original;
	s->n = 0;
	spares_fill(s);
}

void
spares_fill(struct spares *s)
{
	int fd;

	while (s->n < SPARES_MAX &&
	       (fd = fcntl(s->original, F_DUPFD_CLOEXEC, 0)) != -1)
		s->fd[s->n++] = fd;
}

bool
spares_give(struct spares *s)
{
	if (s->n == 0)
		return false;
	close(s->fd[--s->n]);
	return true;
}

size_t
spares_highest(const struct spares *s)
{
	int highest = s->original;

	for (size_t i = 0; i < s->n; i++)
		if (s->fd[i] > highest)
			highest = s->fd[i];
	return (size_t)highest;
}

static int
compare(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

void
descriptors_keep(int *own, size_t n)
{
	int next = STDERR_FILENO + 1;

	qsort(own, n, sizeof(*own), compare);
	for (size_t i = 0; i < n; i++) {
		if (own[i] > next)
			close_range((unsigned)next, (unsigned)own[i] - 1, 0);
		if (own[i] >= next)
			next = own[i] + 1;
	}
	close_range((unsigned)next, ~0u, 0);
}
