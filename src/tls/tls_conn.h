/* SPDX-License-Identifier: ISC */
/* One TLS connection on a non-blocking socket; OpenSSL's answers are
 * translated here and nowhere else. Depends on ctx. */
#ifndef TLS_TLS_CONN_H
#define TLS_TLS_CONN_H

#include "tls/ctx.h"

/* Why a step stopped. */
enum io {
	IO_DONE,
	IO_WANT_READ,
	IO_WANT_WRITE,
	IO_CLOSED, /* the peer ended its side: close_notify or bare FIN */
	IO_FAILED, /* alert, reset, not TLS: nothing more can be sent */
};

enum {
	/* plaintext of one record; write no more at once */
	TLS_RECORD_MAX = 16384,
	TLS_SNI_NONE = -1,    /* the client named no server */
	TLS_SNI_UNKNOWN = -2, /* it named an unknown one */
};

/* Embedded in its owner; zeroed = not open. Opaque but for its size. */
struct tls_conn {
	void *ssl;
	struct socket_bio *bio; /* a server's; NULL: OpenSSL's own */
	const void *names;      /* a server's: see tls_conn_accept */
	int sni;
	uint64_t limit;   /* see tls_conn_limit */
	bool peer_closed; /* the peer's close_notify has come */
	bool close_notify_sent;
};

/* Starts a server connection on fd, which remains the caller's. names goes to
 * s's tls_find when the client names a server. False when out of memory. The
 * struct must not move until tls_conn_fini. SIGPIPE must be ignored; s must
 * have a capsule and outlive c. */
bool tls_conn_accept(
    struct tls_conn *c, const struct tls_server *s, const void *names, int fd);

/* A client connection; name goes out as SNI unless it is an address or NULL,
 * and with it the newest session that s has of that name and port. */
bool tls_conn_connect(
    struct tls_conn *c, const struct tls_client *s, int fd, const char *name);

/* Reads fail once the peer has sent more than bytes from now on, whatever it
 * sends: OpenSSL skips some messages without returning. */
void tls_conn_limit(struct tls_conn *c, uint64_t bytes);

bool tls_conn_is_open(const struct tls_conn *c);

/* Frees everything; sends nothing. Harmless on a closed one. */
void tls_conn_fini(struct tls_conn *c);

enum io tls_conn_handshake(struct tls_conn *c);

/* Up to size bytes; IO_DONE means *got > 0. After IO_CLOSED a server may still
 * write: a client that ends its side still reads the answer (RFC 8446 6.1). */
enum io tls_conn_read(struct tls_conn *c, void *out, size_t size, size_t *got);

/* All of bytes (at most TLS_RECORD_MAX: one record) or not yet; on IO_WANT_*
 * call again with the same bytes, wherever they now lie. A server holds back
 * less than a full record, to send it with what follows: another write,
 * close_notify, or tls_conn_flush. */
enum io tls_conn_write(struct tls_conn *c, struct slice bytes);

/* Sends what was held back. IO_DONE, IO_WANT_WRITE or IO_FAILED. */
enum io tls_conn_flush(struct tls_conn *c);

/* Sends close_notify without waiting for the peer's. IO_DONE when it has been
 * sent: a server must then end its side with shutdown(2) or close(2) at once,
 * as the last bytes wait for that. IO_FAILED before the handshake is over, and
 * while a write waits: its record must go out first. */
enum io tls_conn_close_notify(struct tls_conn *c);

/* Index of the capsule named by SNI, or TLS_SNI_*. After the handshake. */
int tls_conn_sni(const struct tls_conn *c);

/* "TLSv1.3", "TLSv1.2"; "-" before the handshake. Constant. */
const char *tls_conn_version(const struct tls_conn *c);

/* Whether an earlier session was resumed. After the handshake. */
bool tls_conn_resumed(const struct tls_conn *c);

/* Bytes that have come from the peer, TLS overhead included. */
uint64_t tls_conn_received(const struct tls_conn *c);

/* Server: bytes written that the kernel does not have yet. */
size_t tls_conn_held(const struct tls_conn *c);

/* Server: whether the last read left the socket empty, as far as known. */
bool tls_conn_is_drained(const struct tls_conn *c);

/* Client: the server's leaf; the caller frees it. NULL before the handshake. */
struct cert *tls_conn_peer(const struct tls_conn *c);

/* Whether the peer's close_notify has come (only it distinguishes a complete
 * body from a truncated one). */
bool tls_conn_peer_closed(const struct tls_conn *c);

/* OpenSSL's reason for the last IO_FAILED in this process, as text for a
 * message. */
const char *tls_reason(void);

/* Why the last handshake of a server in this process failed, after IO_FAILED,
 * in plain words: the client's alert, OpenSSL's reason. Valid until the next
 * call. */
const char *tls_handshake_reason(void);

#endif
