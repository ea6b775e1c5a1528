/* SPDX-License-Identifier: ISC */
/* Listening sockets: addresses as people write them, opened so that all
 * systems behave alike, or inherited. Depends on util. */
#ifndef OS_LISTEN_H
#define OS_LISTEN_H

#include <sys/socket.h>

#include "util/buf.h"
#include "util/why.h"

enum {
	/* Gemini protocol specification, "Overview" */
	LISTEN_PORT_DEFAULT = 1965,
	LISTEN_TEXT_SIZE = 128, /* holds any address written out */
	LISTEN_INHERIT_MAX = 64,
	/* What a connection inherits from its listening socket: bytes that
	 * wait in the kernel, unsent (tcp(7), TCP_NOTSENT_LOWAT), so that a
	 * stalled reader holds no more than these and its own window. */
	LISTEN_UNSENT_MAX = 256 * 1024,
	/* Seconds that the kernel waits for a client's first bytes before it
	 * hands over the connection without (TCP_DEFER_ACCEPT). */
	LISTEN_DEFER_S = 1,
};

/* One address to listen on. */
struct listen_address {
	struct sockaddr_storage addr;
	socklen_t len;
	/* Canonical: "127.0.0.1:1965", "[::1]:1965", "unix:/run/x.sock". */
	char text[LISTEN_TEXT_SIZE];
};

/* "ADDR", "ADDR:PORT", "[V6]:PORT", "V6", ":PORT", "*:PORT" (any IPv4 and any
 * IPv6: two addresses), "unix:PATH"; numeric addresses only, port 0 lets the
 * system choose. Appends one or two to out (room for two), *n of them; false
 * and a reason in why when text is none of these. */
bool listen_parse(
    const char *text, struct listen_address out[2], size_t *n, struct why *why);

bool
listen_equal(const struct listen_address *a, const struct listen_address *b);

/* A listening, non-blocking, close-on-exec socket: SO_REUSEADDR, V6ONLY,
 * backlog SOMAXCONN, no SO_REUSEPORT, LISTEN_UNSENT_MAX, LISTEN_DEFER_S; a stale unix socket is replaced. -1 and
 * errno on failure. After success a->text names the real port. */
int listen_open(struct listen_address *a);

/* The same, sharing the port with our own sockets, for which listen_share is
 * on. */
int listen_open_shared(struct listen_address *a);

/* Whether other sockets of this user may be bound beside fd (SO_REUSEPORT),
 * which must be turned off as soon as that is done. 0, or -1 and errno. */
int listen_share(int fd, bool share);

/* The port of a listening socket, 0 for a unix one. */
unsigned listen_port(const struct listen_address *a);

/* Puts "nginx (process 812)" into out when the system shows which process
 * listens on a's port, or only the name when nothing more is visible; false
 * when the system shows nothing. Linux only; elsewhere false. */
bool listen_holder(const struct listen_address *a, struct buf *out);

/* Whether all processes that listen on a's port, so that a cannot be bound, are
 * others of this program. A process that is not root cannot inspect those that
 * are not dumpable, as ours: then the socket's owner and the program's name
 * decide, and where /proc hides such processes only the owner. Linux only. */
bool listen_is_ours(const struct listen_address *a);

/* Sockets passed by systemd (LISTEN_FDS, LISTEN_PID): fills fds and addresses,
 * up to LISTEN_INHERIT_MAX, unsets the variables, returns how many. Sockets
 * that do not listen are ignored with a warning and not counted. */
size_t listen_inherit(int *fds, struct listen_address *addresses);

#endif
