/* SPDX-License-Identifier: ISC */
#include "server/conn_internal.h"

#include <errno.h>
#include <sys/socket.h>

enum {
	RECORD_HEADER = 5, /* type, version, length (RFC 8446 5.1) */
	RECORD_HANDSHAKE = 22,
	MESSAGE_HEADER = 4, /* type, length (RFC 8446 4) */
	CLIENT_HELLO = 1,
};

static void
wait_for_bytes(struct conn *c, int bytes)
{
	setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
	c->wanted = bytes;
}

/* The least number of bytes of a complete ClientHello that begins like seen; at
 * most seen.len when it is complete, or when OpenSSL will refuse what follows;
 * more than CONN_HELLO_MAX when it cannot become one. The message may be split
 * over many records: the length of each bounds what it can bring, so that a
 * hello in tiny pieces is looked at a few times only. */
static size_t
hello_needs(struct slice seen)
{
	size_t at = 0, got = 0, message = MESSAGE_HEADER;
	uint8_t header[MESSAGE_HEADER];

	while (got < message) {
		const uint8_t *record = seen.ptr + at;
		size_t len, there;

		if (seen.len - at < RECORD_HEADER)
			return at + RECORD_HEADER + (message - got);
		len = (size_t)record[3] << 8 | record[4];
		if (len == 0)
			return CONN_HELLO_MAX + 1; /* RFC 8446 5.1 forbids it */
		if (record[0] != RECORD_HANDSHAKE)
			return at;
		at += RECORD_HEADER;
		there = seen.len - at < len ? seen.len - at : len;
		for (size_t i = 0; i < there && got + i < sizeof(header); i++)
			header[got + i] = seen.ptr[at + i];
		if (got < sizeof(header) && got + there >= sizeof(header)) {
			if (header[0] != CLIENT_HELLO)
				return at;
			message += (size_t)header[1] << 16 |
				   (size_t)header[2] << 8 | header[3];
		}
		at += len;
		got += len;
		if (there < len)
			break;
	}
	return got < message ? at + RECORD_HEADER + (message - got) : at;
}

/* Whether to wait for want bytes, of which some have come. When woken with
 * fewer than were waited for, the peer has ended its side, which OpenSSL then
 * finds out. poll(2) of a unix socket ignores SO_RCVLOWAT. */
static bool
worth_waiting(const struct conn *c, size_t there, size_t want)
{
	return there < want && (int)want > c->wanted &&
	       c->from.ss_family != AF_UNIX;
}

/* Makes no TLS object before the whole ClientHello has come: a silent or slow
 * peer then costs the kernel's memory, not 43 kB of ours. Bytes that are not a
 * handshake, or too long a hello, are not answered at all: plaintext, even an
 * alert, would only confuse a client of another protocol. */
enum io
conn_hello(struct conn *c, struct conn_world *w)
{
	ssize_t n = recv(c->fd, w->chunk, CONN_HELLO_MAX, MSG_PEEK);
	size_t want;

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return IO_WANT_READ;
	c->state = CONN_DONE;
	if (n <= 0 || w->chunk[0] != RECORD_HANDSHAKE)
		return IO_DONE;
	want = hello_needs(slice_of(w->chunk, (size_t)n));
	if (want > CONN_HELLO_MAX)
		return IO_DONE;
	if (worth_waiting(c, (size_t)n, want)) {
		wait_for_bytes(c, (int)want);
		c->state = CONN_HELLO;
		return IO_WANT_READ;
	}
	if (c->wanted > 0)
		wait_for_bytes(c, 1);
	c->state = CONN_QUEUED;
	return IO_DONE;
}
