/* SPDX-License-Identifier: ISC */
#include "client/dial.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/clock.h"

bool
dial_wait(int fd, short events, uint64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		uint64_t now = clock_ms();
		uint64_t left = deadline_ms > now ? deadline_ms - now : 0;
		int n = poll(&p, 1, left > INT_MAX ? INT_MAX : (int)left);

		if (n > 0)
			return true;
		if (n == 0 && left <= INT_MAX)
			return false;
		if (n == -1 && errno != EINTR)
			return false;
	}
}

/* A connected socket, or -1 and errno. */
static int
dial_one(const struct addrinfo *a, uint64_t deadline_ms)
{
	int fd = socket(a->ai_family,
	    a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
	int error = 0;
	socklen_t len = sizeof(error);

	if (fd == -1)
		return -1;
	if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
		return fd;
	if (errno == EINPROGRESS) {
		if (!dial_wait(fd, POLLOUT, deadline_ms))
			error = ETIMEDOUT;
		else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) ==
			     0 &&
			 error == 0)
			return fd;
	}
	if (error == 0)
		error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int
dial_all(const struct addrinfo *list, uint64_t deadline_ms)
{
	unsigned left = 0;
	int fd = -1;

	for (const struct addrinfo *a = list; a != NULL; a = a->ai_next)
		left++;
	errno = ETIMEDOUT;
	for (const struct addrinfo *a = list; a != NULL && fd == -1;
	     a = a->ai_next, left--) {
		uint64_t now = clock_ms();

		if (now >= deadline_ms)
			break;
		fd = dial_one(a, now + (deadline_ms - now) / left);
	}
	return fd;
}

int
dial(const char *host, unsigned port, uint64_t deadline_ms, struct buf *why)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	char service[16];
	int fd, error;

	snprintf(service, sizeof(service), "%u", port);
	error = getaddrinfo(host, service, &hints, &list);
	if (error != 0) {
		buf_printf(why, "%s: %s", host,
		    error == EAI_SYSTEM ? strerror(errno)
					: gai_strerror(error));
		return -1;
	}
	fd = dial_all(list, deadline_ms);
	if (fd == -1)
		buf_printf(why, "%s port %u: %s", host, port, strerror(errno));
	freeaddrinfo(list);
	return fd;
}
