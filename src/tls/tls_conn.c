/* SPDX-License-Identifier: ISC */
#include "tls/tls_conn.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/proverr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/internal.h"
#include "tls/parts.h"
#include "tls/socket_bio.h"

/* The last failure, kept as numbers; turned into text only on request. */
static struct {
	unsigned long code;
	int error;
} failure;

static enum io
result_failed(int error)
{
	failure.code = ERR_peek_error();
	failure.error = failure.code == 0 ? error : 0;
	ERR_clear_error();
	return IO_FAILED;
}

/* The peer's end came from TCP alone. Memory has no end. */
static bool
ssl_is_at_bare_end(SSL *ssl)
{
	BIO *bio = SSL_get_rbio(ssl);

	return BIO_method_type(bio) != BIO_TYPE_MEM && BIO_eof(bio) == 1;
}

static enum io
conn_result_closed(struct tls_conn *c)
{
	if (!ssl_is_at_bare_end(c->ssl))
		c->peer_closed = true;
	ERR_clear_error();
	return IO_CLOSED;
}

/* Translates OpenSSL's result; error is errno as the call left it. */
static enum io
conn_translate(struct tls_conn *c, int returned, int error)
{
	switch (SSL_get_error(c->ssl, returned)) {
	case SSL_ERROR_NONE:
		return IO_DONE;
	case SSL_ERROR_WANT_READ:
		return IO_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return IO_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return conn_result_closed(c);
	case SSL_ERROR_SSL:
		if (ERR_GET_REASON(ERR_peek_error()) ==
		    SSL_R_UNEXPECTED_EOF_WHILE_READING) {
			ERR_clear_error();
			return IO_CLOSED;
		}
		return result_failed(0);
	default:
		return result_failed(error);
	}
}

/* Nothing is held back while we wait for the peer, which waits for our last
 * flight (TLS 1.2) or whose next bytes wait for an acknowledgement; nor when an
 * alert is the last that it gets. */
static enum io
conn_stop(struct tls_conn *c, enum io io)
{
	enum io sent;

	if (c->bio == NULL || io == IO_DONE || io == IO_CLOSED)
		return io;
	if (io == IO_WANT_WRITE) {
		socket_bio_retry(c->bio);
		return io;
	}
	sent = socket_bio_flush(c->bio, false);
	if (sent == IO_DONE || io == IO_FAILED)
		return io;
	return sent == IO_FAILED ? result_failed(errno) : sent;
}

/* Every result of OpenSSL passes through here. */
static enum io
conn_result(struct tls_conn *c, int returned)
{
	return returned == 1 ? IO_DONE
			     : conn_stop(c, conn_translate(c, returned, errno));
}

static bool
conn_open(struct tls_conn *c, SSL_CTX *ctx, const void *names)
{
	*c = (struct tls_conn){ .names = names, .sni = TLS_SNI_NONE };
	ERR_clear_error();
	c->ssl = SSL_new(ctx);
	return c->ssl != NULL && SSL_set_app_data(c->ssl, c) == 1;
}

static bool
conn_name(struct tls_conn *c, const char *name)
{
	return name == NULL || cert_host_is_address(name) ||
	       SSL_set_tlsext_host_name(c->ssl, name) == 1;
}

static bool
conn_settle(struct tls_conn *c, bool done)
{
	if (!done)
		tls_conn_fini(c);
	ERR_clear_error();
	return done;
}

/* Gives c its socket. */
static bool
conn_tie(struct tls_conn *c, int fd)
{
	if (!tls_part_on(TLS_PART_SENDING))
		return SSL_set_fd(c->ssl, fd) == 1;
	c->bio = socket_bio_open(c->ssl, fd);
	return c->bio != NULL;
}

bool
tls_conn_accept(
    struct tls_conn *c, const struct tls_server *s, const void *names, int fd)
{
	bool done;

	assert(s->n > 0);
	done = conn_open(c, s->ctx[0], names) && conn_tie(c, fd);
	if (done)
		SSL_set_accept_state(c->ssl);
	return conn_settle(c, done);
}

/* The port that fd is connected to; 0 when it is not an Internet socket. */
static unsigned
socket_peer_port(int fd)
{
	struct sockaddr_storage peer = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(peer);

	if (getpeername(fd, (struct sockaddr *)&peer, &len) == -1)
		return 0;
	if (peer.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&peer)->sin_port);
	if (peer.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&peer)->sin6_port);
	return 0;
}

bool
tls_conn_connect(
    struct tls_conn *c, const struct tls_client *s, int fd, const char *name)
{
	bool done = conn_open(c, s->ctx, NULL) && SSL_set_fd(c->ssl, fd) == 1 &&
		    conn_name(c, name);

	if (done)
		SSL_set_connect_state(c->ssl);
	if (done && name != NULL)
		sessions_offer(s->sessions, c->ssl, name, socket_peer_port(fd));
	return conn_settle(c, done);
}

/* Before each read: bounds what the peer may still send. 0 without a retry flag
 * is a failure to OpenSSL. */
static long
bio_count_down(BIO *bio, int op, const char *p, size_t len, int argi, long argl,
    int ret, size_t *done)
{
	const struct tls_conn *c = (const void *)BIO_get_callback_arg(bio);

	(void)p;
	(void)len;
	(void)argi;
	(void)argl;
	(void)done;
	if (op == BIO_CB_READ && BIO_number_read(bio) > c->limit) {
		BIO_clear_retry_flags(bio);
		return 0;
	}
	return ret;
}

void
tls_conn_limit(struct tls_conn *c, uint64_t bytes)
{
	BIO *bio = SSL_get_rbio(c->ssl);

	if (c->bio != NULL) {
		socket_bio_limit(c->bio, socket_bio_received(c->bio) + bytes);
		return;
	}
	c->limit = BIO_number_read(bio) + bytes;
	BIO_set_callback_arg(bio, (char *)c);
	BIO_set_callback_ex(bio, bio_count_down);
}

bool
tls_conn_is_open(const struct tls_conn *c)
{
	return c->ssl != NULL;
}

void
tls_conn_fini(struct tls_conn *c)
{
	SSL_free(c->ssl);
	socket_bio_close(&c->bio);
	c->ssl = NULL;
}

enum io
tls_conn_handshake(struct tls_conn *c)
{
	int returned;

	ERR_clear_error(); /* SSL_get_error() reads this queue too */
	errno = 0;
	returned = SSL_do_handshake(c->ssl);
	return conn_result(c, returned);
}

static enum io
conn_read(struct tls_conn *c, void *out, size_t size, size_t *got)
{
	int returned;

	*got = 0;
	ERR_clear_error();
	errno = 0;
	returned = SSL_read_ex(c->ssl, out, size, got);
	return conn_result(c, returned);
}

/* While the ticket of TLS 1.3 was made, the request may have come; while it is
 * sent, that of a client on this machine which waited for an acknowledgement.
 * Looking costs less than the send, and than a turn of the loop. */
enum io
tls_conn_read(struct tls_conn *c, void *out, size_t size, size_t *got)
{
	bool ticket =
	    tls_conn_held(c) > 0 && SSL_version(c->ssl) == TLS1_3_VERSION;
	enum io io;

	if (ticket)
		socket_bio_retry(c->bio);
	io = conn_read(c, out, size, got);
	if (ticket && io == IO_WANT_READ)
		io = conn_read(c, out, size, got);
	return io;
}

enum io
tls_conn_write(struct tls_conn *c, struct slice bytes)
{
	size_t written;
	int returned;

	assert(bytes.len > 0 && bytes.len <= TLS_RECORD_MAX);
	ERR_clear_error();
	errno = 0;
	returned = SSL_write_ex(c->ssl, bytes.ptr, bytes.len, &written);
	return conn_result(c, returned);
}

enum io
tls_conn_flush(struct tls_conn *c)
{
	enum io io = IO_DONE;

	if (c->bio != NULL)
		io = socket_bio_flush(c->bio, false);
	return io == IO_FAILED ? result_failed(errno) : io;
}

enum io
tls_conn_close_notify(struct tls_conn *c)
{
	enum io io;
	int returned;

	ERR_clear_error();
	errno = 0;
	if (!c->close_notify_sent) {
		returned = SSL_shutdown(c->ssl);
		io = conn_result(c, returned >= 0 ? 1 : returned);
		if (io != IO_DONE)
			return io;
	}
	/* One more SSL_shutdown would wait for the peer's. */
	c->close_notify_sent = true;
	if (c->bio == NULL)
		return IO_DONE;
	io = socket_bio_flush(c->bio, true);
	return io == IO_FAILED ? result_failed(errno) : io;
}

int
tls_conn_sni(const struct tls_conn *c)
{
	return c->sni;
}

const char *
tls_conn_version(const struct tls_conn *c)
{
	return SSL_is_init_finished(c->ssl) ? SSL_get_version(c->ssl) : "-";
}

bool
tls_conn_resumed(const struct tls_conn *c)
{
	return SSL_session_reused(c->ssl) == 1;
}

uint64_t
tls_conn_received(const struct tls_conn *c)
{
	return c->bio != NULL ? socket_bio_received(c->bio)
			      : BIO_number_read(SSL_get_rbio(c->ssl));
}

size_t
tls_conn_held(const struct tls_conn *c)
{
	return c->bio != NULL ? socket_bio_held(c->bio) : 0;
}

bool
tls_conn_is_drained(const struct tls_conn *c)
{
	return c->bio != NULL && socket_bio_is_drained(c->bio);
}

struct cert *
tls_conn_peer(const struct tls_conn *c)
{
	struct cert *cert = calloc(1, sizeof(*cert));

	if (cert == NULL)
		return NULL;
	cert->leaf = SSL_get1_peer_certificate(c->ssl);
	if (cert->leaf == NULL)
		cert_free(&cert);
	return cert;
}

bool
tls_conn_peer_closed(const struct tls_conn *c)
{
	return c->peer_closed;
}

const char *
tls_reason(void)
{
	const char *reason = NULL;

	if (failure.code != 0)
		reason = ERR_reason_error_string(failure.code);
	else if (failure.error != 0)
		reason = strerror(failure.error);
	return reason != NULL ? reason : "the connection broke";
}

/* OpenSSL adds an alert that came from the peer to SSL_AD_REASON_OFFSET. */
static const char *
alert_reason(int alert)
{
	static char text[64];
	const char *name = SSL_alert_desc_string_long(alert);

	if (strcmp(name, "unknown") == 0)
		snprintf(text, sizeof(text), "alert %d from the client", alert);
	else
		snprintf(text, sizeof(text), "alert from the client: %s", name);
	return text;
}

const char *
tls_handshake_reason(void)
{
	int reason = ERR_GET_REASON(failure.code);

	if (ERR_GET_LIB(failure.code) == ERR_LIB_SSL &&
	    reason >= SSL_AD_REASON_OFFSET)
		return alert_reason(reason - SSL_AD_REASON_OFFSET);
	if (ERR_GET_LIB(failure.code) == ERR_LIB_PROV &&
	    reason == PROV_R_FAILED_TO_SIGN)
		return "no signature from keyd";
	return tls_reason();
}
