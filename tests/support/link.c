/* SPDX-License-Identifier: ISC */
#include "support/link.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char *const link_names[2] = { "one.test", "two.test" };

int
link_find_name(const void *arg, struct slice name)
{
	(void)arg;
	for (int i = 0; i < 2; i++)
		if (slice_equal_nocase(name, slice_str(link_names[i])))
			return i;
	return -1;
}

struct tls_server *
link_make_server(const struct tls_settings *settings, struct tickets *tickets)
{
	struct why why;
	struct tls_server *s;

	s = tls_server_new(settings, tickets, link_find_name, &why);
	assert_non_null(s);
	for (int i = 0; i < 2; i++) {
		struct sign_key *key = sign_key_generate();
		struct cert *cert = cert_make(key, &link_names[i], 1);

		assert_true(tls_server_add(s, link_names[i], cert, key, &why));
		cert_free(&cert);
		sign_key_free(&key);
	}
	return s;
}

static int
link_keep_ticket(SSL *ssl, SSL_SESSION *session)
{
	struct link_tickets *kept = SSL_get_app_data(ssl);

	SSL_SESSION_free(kept->last);
	kept->last = session;
	kept->n++;
	return 1;
}

SSL_CTX *
link_make_client(int min, int max)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	assert_non_null(ctx);
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, min);
	SSL_CTX_set_max_proto_version(ctx, max);
	SSL_CTX_set_session_cache_mode(
	    ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, link_keep_ticket);
	return ctx;
}

void
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

bool
link_handshake(struct link *l)
{
	int theirs = 0;

	l->io = IO_WANT_READ;
	for (int i = 0; i < 20; i++) {
		ERR_clear_error();
		if (theirs != 1)
			theirs = SSL_do_handshake(l->client);
		if (l->io == IO_WANT_READ || l->io == IO_WANT_WRITE)
			l->io = tls_conn_handshake(&l->conn);
		if (l->io == IO_DONE)
			l->io = tls_conn_flush(&l->conn);
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

void
link_send(struct link *l, const char *text)
{
	char got[256];
	int n;

	assert_int_equal(tls_conn_write(&l->conn, slice_str(text)), IO_DONE);
	assert_int_equal(tls_conn_flush(&l->conn), IO_DONE);
	n = SSL_read(l->client, got, sizeof(got));
	assert_true(n > 0);
	check_slice(slice_of(got, (size_t)n), slice_str(text));
}

void
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

void
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
