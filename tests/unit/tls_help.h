/* SPDX-License-Identifier: ISC */
/* A server of ours and a client of plain OpenSSL, tied by a socketpair, for the
 * tests of src/tls. */
#ifndef TESTS_UNIT_TLS_HELP_H
#define TESTS_UNIT_TLS_HELP_H

#include "check.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls/tls_conn.h"

/* Two capsules of their own names, the first the default one. */
static const char *const help_hosts[] = { "one.test", "two.test" };

static inline int
help_find(const void *arg, struct slice name)
{
	(void)arg;
	for (int i = 0; i < 2; i++)
		if (slice_equal_nocase(name, slice_str(help_hosts[i])))
			return i;
	return -1;
}

static inline struct tls_server *
help_server(const struct tls_settings *settings, struct tickets *tickets)
{
	struct why why;
	struct tls_server *s;

	s = tls_server_new(settings, tickets, help_find, &why);
	assert_non_null(s);
	for (int i = 0; i < 2; i++) {
		struct sign_key *key = sign_key_generate();
		struct cert *cert = cert_make(key, &help_hosts[i], 1);

		assert_true(tls_server_add(s, help_hosts[i], cert, key, &why));
		cert_free(&cert);
		sign_key_free(&key);
	}
	return s;
}

/* The last ticket that a client was given, and how many. */
struct help_tickets {
	SSL_SESSION *last;
	int n;
};

static inline int
help_keep(SSL *ssl, SSL_SESSION *session)
{
	struct help_tickets *kept = SSL_get_app_data(ssl);

	SSL_SESSION_free(kept->last);
	kept->last = session;
	kept->n++;
	return 1;
}

static inline SSL_CTX *
help_client(int min, int max)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	assert_non_null(ctx);
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, min);
	SSL_CTX_set_max_proto_version(ctx, max);
	SSL_CTX_set_session_cache_mode(
	    ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, help_keep);
	return ctx;
}

struct link {
	int fd[2]; /* ours, the client's */
	struct tls_conn conn;
	SSL *client;
	struct help_tickets kept;
	enum io io; /* what our handshake came to */
};

static inline void
link_open(struct link *l, const struct tls_server *s, SSL_CTX *ctx,
    const char *name, SSL_SESSION *resume)
{
	signal(SIGPIPE, SIG_IGN);
	memset(l, 0, sizeof(*l));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, l->fd), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(fcntl(l->fd[i], F_SETFL, O_NONBLOCK), 0);
	assert_true(tls_conn_accept(&l->conn, s, NULL, l->fd[0]));
	l->client = SSL_new(ctx);
	assert_non_null(l->client);
	SSL_set_app_data(l->client, &l->kept);
	SSL_set_fd(l->client, l->fd[1]);
	SSL_set_connect_state(l->client);
	if (name != NULL)
		SSL_set_tlsext_host_name(l->client, name);
	if (resume != NULL) {
		/* OpenSSL marks a session that it has offered. */
		SSL_SESSION *copy = SSL_SESSION_dup(resume);

		SSL_set_session(l->client, copy);
		SSL_SESSION_free(copy);
	}
}

/* Both sides in turn until both are done or ours has failed. */
static inline bool
link_shake(struct link *l)
{
	int theirs = 0;

	l->io = IO_WANT_READ;
	for (int i = 0; i < 20; i++) {
		ERR_clear_error();
		if (theirs != 1)
			theirs = SSL_do_handshake(l->client);
		if (l->io == IO_WANT_READ || l->io == IO_WANT_WRITE)
			l->io = tls_conn_handshake(&l->conn);
		if (theirs == 1 && l->io == IO_DONE)
			return true;
		if (l->io == IO_FAILED || l->io == IO_CLOSED)
			break;
	}
	if (theirs != 1) { /* takes our alert */
		ERR_clear_error();
		SSL_do_handshake(l->client);
	}
	return false;
}

/* Text from us to the client, which takes its tickets on the way. */
static inline void
link_say(struct link *l, const char *text)
{
	char got[256];
	int n;

	assert_int_equal(tls_conn_write(&l->conn, slice_str(text)), IO_DONE);
	n = SSL_read(l->client, got, sizeof(got));
	assert_true(n > 0);
	check_slice(slice_of(got, (size_t)n), slice_str(text));
}

static inline void
link_close(struct link *l)
{
	tls_conn_fini(&l->conn);
	SSL_free(l->client);
	SSL_SESSION_free(l->kept.last);
	for (int i = 0; i < 2; i++)
		if (l->fd[i] != -1)
			close(l->fd[i]);
	ERR_clear_error();
}

/* The common name that the client was shown. */
static inline void
link_check_name(const struct link *l, const char *want)
{
	X509 *x = SSL_get1_peer_certificate(l->client);
	char name[128] = "";

	assert_non_null(x);
	X509_NAME_get_text_by_NID(
	    X509_get_subject_name(x), NID_commonName, name, sizeof(name));
	assert_string_equal(name, want);
	X509_free(x);
}

#endif
