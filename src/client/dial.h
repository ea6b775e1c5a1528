/* SPDX-License-Identifier: ISC */
/* A TCP connection to a host by name or address, before a deadline, as steps
 * that never block (but for the system's resolver). Depends on util, proto and
 * tls (enum io). */
#ifndef CLIENT_DIAL_H
#define CLIENT_DIAL_H

#include <poll.h>
#include <signal.h>

#include "proto/hostname.h"
#include "tls/tls_conn.h"
#include "util/buf.h"
#include "util/why.h"

enum {
	DIAL_NAMES_MAX = 32,
	DIAL_NAMES_MS = 300 * 1000, /* how long an answer is good for */
};

struct addrinfo;

/* Names that were looked up already; zeroed: none. */
struct dial_names {
	struct dial_known {
		char host[HOSTNAME_SIZE];
		unsigned port;
		struct addrinfo *list; /* owned */
		uint64_t until_ms;
		unsigned users; /* dials that go through the list */
	} known[DIAL_NAMES_MAX];
};
void dial_names_fini(struct dial_names *n);

/* One connection on its way. */
struct dial {
	struct dial_known *known;
	const struct addrinfo *at; /* what is being tried; NULL: none is left */
	int fd;     /* in the end the connected, non-blocking one */
	int error;  /* of the last address */
	bool local; /* failed without descriptors or memory here */
	uint64_t deadline_ms;
	uint64_t until_ms; /* for this address: the others need time too */
};

/* Looks host up (for as long as the system's resolver takes) and tries its first
 * address; clock_ms() after deadline_ms is too late for the last one. names, which
 * serves less than DIAL_NAMES_MAX dials at once, must live as long as d. False and
 * why. dial_close is due in any case. */
bool dial_open(struct dial *d, struct dial_names *names, const char *host,
    unsigned port, uint64_t deadline_ms, struct why *why);

/* Goes on, to the next address when one is silent or refuses, IPv6 and IPv4 as
 * the system orders them. IO_DONE: d->fd is connected. IO_WANT_WRITE: waits, until
 * d->until_ms at most. IO_FAILED: see why. */
enum io dial_step(struct dial *d, struct why *why);

/* Closes the socket, connected or not. */
void dial_close(struct dial *d);

/* Waits until one of want (poll(2)) is ready; false when the deadline has passed
 * or a signal arrived before. *stop is not 0: it does not wait (NULL: never). */
bool dial_wait(struct pollfd *want, nfds_t n_want, uint64_t deadline_ms,
    const volatile sig_atomic_t *stop);

#endif
