/* SPDX-License-Identifier: ISC */
#include "server/descriptors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436 /* on every architecture since Linux 5.9 */
#endif

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
descriptor_compare(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* close_range(2) by its number: the C library's wrapper came with glibc
 * 2.34. */
static bool
range_close(unsigned first, unsigned last)
{
	return syscall(SYS_close_range, first, last, 0) == 0;
}

/* Closes all but own and the standard ones in one pass over the numbers. False
 * when the kernel lacks the call or a filter forbids it. */
static bool
ranges_close(const int *own, size_t n)
{
	int next = STDERR_FILENO + 1;

	for (size_t i = 0; i < n; i++) {
		if (own[i] > next &&
		    !range_close((unsigned)next, (unsigned)own[i] - 1))
			return false;
		if (own[i] >= next)
			next = own[i] + 1;
	}
	return range_close((unsigned)next, ~0u);
}

/* Calls close(2) on each foreign descriptor that dir, /proc/self/fd, lists and
 * counts them in *foreign. False and errno when the list cannot be read. */
static bool
listed_close(DIR *dir, const int *own, size_t n, size_t *foreign)
{
	struct dirent *e;

	*foreign = 0;
	rewinddir(dir);
	while (errno = 0, (e = readdir(dir)) != NULL) {
		int fd = (int)strtol(e->d_name, NULL, 10);

		if (fd <= STDERR_FILENO || fd == dirfd(dir) ||
		    bsearch(&fd, own, n, sizeof(*own), descriptor_compare) !=
			NULL)
			continue;
		close(fd);
		++*foreign;
	}
	return errno == 0;
}

/* The slow way, using the list in /proc; a second pass proves that all are
 * closed. */
static bool
each_close(const int *own, size_t n)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t foreign = 0;
	bool ok = true;
	int error;

	if (dir == NULL)
		return false;
	for (int look = 0; ok && look < 2; look++)
		ok = listed_close(dir, own, n, &foreign);
	error = ok ? EBADF : errno;
	closedir(dir);
	errno = error;
	return ok && foreign == 0;
}

bool
descriptors_keep(int *own, size_t n)
{
	qsort(own, n, sizeof(*own), descriptor_compare);
	return ranges_close(own, n) || each_close(own, n);
}
