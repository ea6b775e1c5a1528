/* SPDX-License-Identifier: ISC */
#include "client/dial.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"

struct dial_known {
	char *host;
	unsigned port;
	struct addrinfo *list;
	uint64_t until_ms;
	unsigned users; /* dials that go through the list */
};

struct dial_names {
	struct dial_known known[DIAL_NAMES_MAX];
	size_t n;
};

int
dial_timeout(uint64_t deadline_ms)
{
	uint64_t now = clock_ms();
	uint64_t left = deadline_ms > now ? deadline_ms - now : 0;

	return left > INT_MAX ? INT_MAX : (int)left;
}

bool
dial_wait(int fd, short events, uint64_t deadline_ms,
    const volatile sig_atomic_t *stop)
{
	struct pollfd p = { .fd = fd, .events = events };
	sigset_t all, before;
	int n = -1;

	/* A signal that arrives between the look at stop and the wait must end
	 * the wait. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	if (stop == NULL || *stop == 0) {
		do {
			int ms = dial_timeout(deadline_ms);
			struct timespec left = { .tv_sec = ms / 1000,
				.tv_nsec = ms % 1000 * 1000000L };

			n = ppoll(&p, 1, &left, &before);
		} while (n == 0 && clock_ms() < deadline_ms);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return n > 0;
}

/* -------------------------------------------------------------- names */

struct dial_names *
dial_names_new(void)
{
	return calloc(1, sizeof(struct dial_names));
}

static void
dial_names_forget(struct dial_known *k)
{
	free(k->host);
	if (k->list != NULL)
		freeaddrinfo(k->list);
	*k = (struct dial_known){ 0 };
}

void
dial_names_free(struct dial_names **n)
{
	if (*n == NULL)
		return;
	for (size_t i = 0; i < (*n)->n; i++)
		dial_names_forget(&(*n)->known[i]);
	free(*n);
	*n = NULL;
}

static struct dial_known *
dial_names_find(struct dial_names *n, const char *host, unsigned port)
{
	for (size_t i = 0; n != NULL && i < n->n; i++)
		if (n->known[i].port == port &&
		    strcmp(n->known[i].host, host) == 0)
			return &n->known[i];
	return NULL;
}

static bool
is_local(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM ||
	       error == ENOBUFS;
}

static struct addrinfo *
dial_resolve(struct dial *d, struct why *why)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	char service[16];
	int error;

	snprintf(service, sizeof(service), "%u", d->port);
	error = getaddrinfo(d->host, service, &hints, &list);
	if (error == 0)
		return list;
	d->local =
	    error == EAI_MEMORY || (error == EAI_SYSTEM && is_local(errno));
	why_set(why, "%s: %s", d->host,
	    error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
	return NULL;
}

/* Room for one more name, or NULL. */
static struct dial_known *
dial_names_add(struct dial_names *n, const char *host, unsigned port)
{
	struct dial_known *k;

	if (n == NULL || n->n == DIAL_NAMES_MAX)
		return NULL;
	k = &n->known[n->n];
	k->host = strdup(host);
	if (k->host == NULL)
		return NULL;
	k->port = port;
	n->n++;
	return k;
}

/* d->list: from the names, where it stays, or d's own. */
static bool
dial_find_addresses(struct dial *d, struct why *why)
{
	struct dial_known *k = dial_names_find(d->names, d->host, d->port);

	if (k != NULL && k->list != NULL &&
	    (clock_ms() < k->until_ms || k->users > 0)) {
		d->list = k->list;
		k->users++;
		return true;
	}
	d->list = dial_resolve(d, why);
	if (d->list == NULL)
		return false;
	if (k == NULL)
		k = dial_names_add(d->names, d->host, d->port);
	if (k == NULL) {
		d->names = NULL;
		return true;
	}
	if (k->list != NULL)
		freeaddrinfo(k->list);
	k->list = d->list;
	k->until_ms = clock_ms() + DIAL_NAMES_MS;
	k->users = 1;
	return true;
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
	*d = (struct dial){ .names = names,
		.host = host,
		.port = port,
		.fd = -1,
		.deadline_ms = deadline_ms };
	if (!dial_find_addresses(d, why))
		return false;
	dial_try_from(d, d->list);
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

enum dial_result
dial_step(struct dial *d, struct why *why)
{
	while (d->at != NULL) {
		int error = dial_look(d);

		if (error == 0)
			return DIAL_CONNECTED;
		if (error == EINPROGRESS)
			return DIAL_WAITING;
		close(d->fd);
		d->fd = -1;
		d->error = error;
		d->local = false;
		dial_try_from(d, d->at->ai_next);
	}
	why_set(why, "%s port %u: %s", d->host, d->port, strerror(d->error));
	return DIAL_FAILED;
}

int
dial_take(struct dial *d)
{
	int fd = d->fd;

	d->fd = -1;
	return fd;
}

void
dial_close(struct dial *d)
{
	struct dial_known *k = NULL;

	if (d->list != NULL)
		k = dial_names_find(d->names, d->host, d->port);
	if (k != NULL) {
		assert(k->users > 0);
		k->users--;
	} else if (d->list != NULL) {
		freeaddrinfo(d->list);
	}
	d->list = NULL;
	if (d->fd != -1)
		close(d->fd);
	d->fd = -1;
}
