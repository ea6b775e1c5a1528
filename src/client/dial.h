/* SPDX-License-Identifier: ISC */
/* A TCP connection to a host by name or address, before a deadline, as steps
 * that never block (but for the system's resolver). Depends on util. */
#ifndef CLIENT_DIAL_H
#define CLIENT_DIAL_H

#include <poll.h>
#include <signal.h>

#include "util/buf.h"
#include "util/why.h"

enum {
	DIAL_NAMES_MAX = 32,
	DIAL_NAMES_MS = 300 * 1000, /* how long an answer is good for */
};

/* Names that were looked up already, for a caller that asks one host often. */
struct dial_names;
struct dial_names *dial_names_new(void); /* NULL: out of memory */
void dial_names_free(struct dial_names **n);

struct addrinfo;

/* One connection on its way. */
struct dial {
	struct addrinfo *list;     /* owned, unless names keeps it */
	const struct addrinfo *at; /* what is being tried; NULL: none is left */
	struct dial_names *names;
	const char *host; /* borrowed */
	unsigned port;
	int fd;
	int error;  /* of the last address */
	bool local; /* failed without descriptors or memory here */
	uint64_t deadline_ms;
	uint64_t until_ms; /* for this address: the others need time too */
};

enum dial_result {
	DIAL_CONNECTED,
	DIAL_WAITING, /* until d->fd can be written to, or d->until_ms */
	DIAL_FAILED,  /* see why */
};

/* Looks host up (for as long as the system's resolver takes; names may be NULL)
 * and tries its first address; clock_ms() after deadline_ms is too late for the
 * last one. host must live as long as d; so must names. False and why;
 * dial_close is then harmless. */
bool dial_open(struct dial *d, struct dial_names *names, const char *host,
    unsigned port, uint64_t deadline_ms, struct why *why);

/* Goes on, to the next address when one is silent or refuses, IPv6 and IPv4 as
 * the system orders them. */
enum dial_result dial_step(struct dial *d, struct why *why);

/* The connected, non-blocking socket, which is then the caller's. */
int dial_take(struct dial *d);
void dial_close(struct dial *d);

/* Waits until fd is ready for events (poll(2)); false when the deadline has passed
 * or a signal arrived before. *stop is not 0: it does not wait (NULL: never). */
bool dial_wait(int fd, short events, uint64_t deadline_ms,
    const volatile sig_atomic_t *stop);

/* What poll(2) waits for, in milliseconds from now until deadline_ms. */
int dial_timeout(uint64_t deadline_ms);

#endif
