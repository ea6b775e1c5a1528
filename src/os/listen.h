/* SPDX-License-Identifier: ISC */
/* Listening sockets: addresses as people write them, opened so that all
 * systems behave alike, or inherited. Depends on util. */
#ifndef OS_LISTEN_H
#define OS_LISTEN_H

#include <sys/socket.h>

#include "util/buf.h"

enum {
	LISTEN_PORT_DEFAULT = 1965, /* spec.md 1.1.16 */
	LISTEN_TEXT_SIZE = 128,     /* holds any address written out */
	LISTEN_INHERIT_MAX = 64,
};

/* One address to listen on. */
struct listen_address {
	struct sockaddr_storage addr;
	socklen_t len;
	char text[LISTEN_TEXT_SIZE]; /* canonical: "127.0.0.1:1965",
	                              * "[::1]:1965", "unix:/run/x.sock" */
};

/* "ADDR", "ADDR:PORT", "[V6]:PORT", "V6", ":PORT", "*:PORT" (any IPv4 and any
 * IPv6: two addresses), "unix:PATH"; numeric addresses only, port 0 lets the
 * system choose. Appends one or two to out (room for two), *n of them; false
 * and a reason in why (for a person) when text is none of these. */
bool listen_parse(
    const char *text, struct listen_address out[2], size_t *n, struct buf *why);

bool
listen_equal(const struct listen_address *a, const struct listen_address *b);

/* A listening, non-blocking, close-on-exec socket: SO_REUSEADDR, V6ONLY,
 * backlog SOMAXCONN, no SO_REUSEPORT; a stale unix socket is replaced. -1 and
 * errno on failure. After success a->text names the real port. */
int listen_open(struct listen_address *a);

/* The same beside sockets of ours on that port, for which listen_share is on. */
int listen_open_shared(struct listen_address *a);

/* Whether other sockets of this user may be bound beside fd (SO_REUSEPORT), which
 * must end as soon as it has happened. 0, or -1 and errno. */
int listen_share(int fd, bool share);

/* The port of a listening socket, 0 for a unix one. */
unsigned listen_port(const struct listen_address *a);

/* "nginx (process 812)" into out when the system lets us see who listens on
 * a's port, or the name alone when that is all that can be seen; false when the
 * system shows nothing. Linux only; elsewhere false. */
bool listen_holder(const struct listen_address *a, struct buf *out);

/* Whether all who listen on a's port, so that a cannot be bound, are other
 * processes of this program. One that is not root cannot look into processes which,
 * as ours, are not dumpable: the socket's owner and the program's name count then,
 * and where /proc hides such processes the owner alone. Linux only. */
bool listen_is_ours(const struct listen_address *a);

/* Sockets handed over by systemd (LISTEN_FDS, LISTEN_PID): fills fds and
 * addresses, up to LISTEN_INHERIT_MAX, unsets the variables, returns how many.
 * Sockets that do not listen are refused with a message and not counted. */
size_t listen_inherit(int *fds, struct listen_address *addresses);

#endif
