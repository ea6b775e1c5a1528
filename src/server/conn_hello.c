/* SPDX-License-Identifier: ISC */
#include "server/conn_internal.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
	RECORD_HEADER = 5, /* type, version, length (RFC 8446 5.1) */
	RECORD_HANDSHAKE = 22,
	HELLO_PEEK = 2048,     /* holds nearly every ClientHello */
	HELLO_MAX = 18 * 1024, /* no record is longer */
};

static void
wait_for_bytes(struct conn *c, int bytes)
{
	setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
	c->wanted = bytes;
}

/* Whether to wait until want bytes have come, of which some are there. Woken with
 * fewer than were waited for, the peer has ended its side: OpenSSL may see for
 * itself. A unix socket's poll(2) does not heed SO_RCVLOWAT. */
static bool
worth_waiting(const struct conn *c, int there, int want)
{
	return there < want && want <= HELLO_MAX && want > c->wanted &&
	       c->from.ss_family != AF_UNIX;
}

/* No TLS object before a whole ClientHello is there: a silent or slow peer then
 * costs the kernel's memory, not 43 kB of ours. Bytes that are no handshake
 * are not answered at all (spec.md 1.5.58). */
enum io
conn_hello(struct conn *c, struct conn_world *w)
{
	uint8_t *p = w->chunk;
	ssize_t n = recv(c->fd, p, HELLO_PEEK, MSG_PEEK);
	int there, want;

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return IO_WANT_READ;
	if (n <= 0 || p[0] != RECORD_HANDSHAKE)
		return IO_CLOSED;
	want = n < RECORD_HEADER ? RECORD_HEADER
				 : RECORD_HEADER + (p[3] << 8 | p[4]);
	there = (int)n;
	if (there < want && n == HELLO_PEEK &&
	    ioctl(c->fd, FIONREAD, &there) == -1)
		return IO_FAILED;
	if (worth_waiting(c, there, want)) {
		wait_for_bytes(c, want);
		return IO_WANT_READ;
	}
	if (c->wanted > 0)
		wait_for_bytes(c, 1);
	return tls_conn_accept(&c->tls, w->tls, c->fd) ? IO_DONE : IO_FAILED;
}
