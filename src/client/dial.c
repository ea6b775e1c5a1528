/* SPDX-License-Identifier: ISC */
#include "client/dial.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"

static int
timeout_until(uint64_t deadline_ms)
{
	uint64_t now = clock_ms();
	uint64_t left = deadline_ms > now ? deadline_ms - now : 0;

	return left > INT_MAX ? INT_MAX : (int)left;
}

bool
dial_wait(struct pollfd *want, nfds_t n_want, uint64_t deadline_ms,
    const volatile sig_atomic_t *stop)
{
	sigset_t all, before;
	int n = -1;

	/* A signal that arrives between the look at stop and the wait must end
	 * the wait. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	if (stop == NULL || *stop == 0) {
		do {
			int ms = timeout_until(deadline_ms);
			struct timespec left = { .tv_sec = ms / 1000,
				.tv_nsec = ms % 1000 * 1000000L };

			n = ppoll(want, n_want, &left, &before);
		} while (n == 0 && clock_ms() < deadline_ms);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return n > 0;
}

/* -------------------------------------------------------------- names */

static void
known_forget(struct dial_known *k)
{
	if (k->list != NULL)
		freeaddrinfo(k->list);
	*k = (struct dial_known){ 0 };
}

void
dial_names_fini(struct dial_names *n)
{
	for (size_t i = 0; i < DIAL_NAMES_MAX; i++)
		known_forget(&n->known[i]);
}

/* What is known and good, or, empty, the place of what was looked up first of all
 * that is not in use. */
static struct dial_known *
known_find(struct dial_names *n, const char *host, unsigned port)
{
	struct dial_known *place = NULL;

	for (size_t i = 0; i < DIAL_NAMES_MAX; i++) {
		struct dial_known *k = &n->known[i];

		if (k->port == port && strcmp(k->host, host) == 0 &&
		    (k->users > 0 || clock_ms() < k->until_ms))
			return k;
		if (k->users == 0 &&
		    (place == NULL || k->until_ms < place->until_ms))
			place = k;
	}
	assert(place != NULL);
	known_forget(place);
	return place;
}

static bool
is_local(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM ||
	       error == ENOBUFS;
}

static bool
dial_resolve(struct dial *d, const char *host, unsigned port, struct why *why)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV };
	struct dial_known *k = d->known;
	char service[16];
	int error;

	snprintf(service, sizeof(service), "%u", port);
	error = getaddrinfo(host, service, &hints, &k->list);
	if (error == 0) {
		snprintf(k->host, sizeof(k->host), "%s", host);
		k->port = port;
		k->until_ms = clock_ms() + DIAL_NAMES_MS;
		return true;
	}
	k->list = NULL;
	d->local =
	    error == EAI_MEMORY || (error == EAI_SYSTEM && is_local(errno));
	return why_set(why, "%s: %s", host,
	    error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
}

/* --------------------------------------------------------- connecting */

/* A socket that is connected or about to be; false and d->error. */
static bool
dial_try_address(struct dial *d)
{
	const struct addrinfo *a = d->at;

	d->fd = socket(a->ai_family,
	    a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
	if (d->fd != -1 && (connect(d->fd, a->ai_addr, a->ai_addrlen) == 0 ||
			       errno == EINPROGRESS))
		return true;
	d->error = errno;
	d->local = is_local(errno);
	if (d->fd != -1)
		close(d->fd);
	d->fd = -1;
	return false;
}

/* Leaves d->at at the first address that can be tried. */
static void
dial_try_from(struct dial *d, const struct addrinfo *from)
{
	for (d->at = from; d->at != NULL; d->at = d->at->ai_next) {
		uint64_t now = clock_ms(), left = 0;

		for (const struct addrinfo *a = d->at; a != NULL;
		     a = a->ai_next)
			left++;
		if (now >= d->deadline_ms) {
			d->error = ETIMEDOUT;
			d->at = NULL;
			return;
		}
		d->until_ms = now + (d->deadline_ms - now) / left;
		if (dial_try_address(d))
			return;
	}
}

bool
dial_open(struct dial *d, struct dial_names *names, const char *host,
    unsigned port, uint64_t deadline_ms, struct why *why)
{
	*d = (struct dial){ .known = known_find(names, host, port),
		.fd = -1,
		.deadline_ms = deadline_ms };
	d->known->users++;
	if (d->known->list == NULL && !dial_resolve(d, host, port, why))
		return false;
	dial_try_from(d, d->known->list);
	return true;
}

/* How the address at hand is doing: 0 connected, EINPROGRESS, or its
 * failure. */
static int
dial_look(const struct dial *d)
{
	struct pollfd p = { .fd = d->fd, .events = POLLOUT };
	int error = 0;
	socklen_t len = sizeof(error);

	if (poll(&p, 1, 0) != 1)
		return clock_ms() < d->until_ms ? EINPROGRESS : ETIMEDOUT;
	if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		return errno;
	return error;
}

enum io
dial_step(struct dial *d, struct why *why)
{
	while (d->at != NULL) {
		int error = dial_look(d);

		if (error == 0)
			return IO_DONE;
		if (error == EINPROGRESS)
			return IO_WANT_WRITE;
		close(d->fd);
		d->fd = -1;
		d->error = error;
		d->local = false;
		dial_try_from(d, d->at->ai_next);
	}
	why_set(why, "%s port %u: %s", d->known->host, d->known->port,
	    strerror(d->error));
	return IO_FAILED;
}

void
dial_close(struct dial *d)
{
	d->known->users--;
	if (d->fd != -1)
		close(d->fd);
	d->fd = -1;
}
