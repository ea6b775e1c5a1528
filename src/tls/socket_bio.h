/* SPDX-License-Identifier: ISC */
/* A server's socket as OpenSSL's BIO. What is written is gathered and sent at
 * once: the session ticket with the answer, the answer with close_notify. At
 * most one of a process gathers at a time, in memory that all share; a
 * connection has memory of its own only for what its socket did not take.
 * Counts what is received. Depends on tls_conn and OpenSSL. */
#ifndef TLS_SOCKET_BIO_H
#define TLS_SOCKET_BIO_H

#include <openssl/ssl.h>

#include "tls/tls_conn.h"

enum {
	/* Bytes of one write that are gathered. A full record is more: it is
	 * part of a large body and sent at once, without a copy. */
	SOCKET_BIO_WRITE_MAX = TLS_RECORD_MAX,
	SOCKET_BIO_GATHER_MAX = SOCKET_BIO_WRITE_MAX + 4096, /* in all */
	SOCKET_BIO_SPARES = 64, /* kept for connections to come */
};

/* Becomes the BIO of ssl on fd, which remains the caller's and must be
 * non-blocking. NULL when out of memory. */
struct socket_bio *socket_bio_open(SSL *ssl, int fd);

/* After ssl has been freed, or has got another BIO. Drops what has not been
 * sent. Harmless on NULL. */
void socket_bio_close(struct socket_bio **p);

/* Sends what has been gathered. last: the caller ends its side right after,
 * with shutdown(2) or close(2), so that FIN travels with the data; else the
 * caller waits for the peer, which gets an acknowledgement if there is nothing
 * to send. IO_DONE, IO_WANT_WRITE, or IO_FAILED and errno. */
enum io socket_bio_flush(struct socket_bio *b, bool last);

/* Bytes written that the kernel does not have yet. */
size_t socket_bio_held(const struct socket_bio *b);

/* The socket is tried again though it was found empty or full. So it is after
 * a flush, but for one that was the last. */
void socket_bio_retry(struct socket_bio *b);

/* Whether the last read emptied the socket: one more would find nothing. */
bool socket_bio_is_drained(const struct socket_bio *b);

/* Bytes received, and how many may be: then reads fail. */
uint64_t socket_bio_received(const struct socket_bio *b);
void socket_bio_limit(struct socket_bio *b, uint64_t received);

#endif
