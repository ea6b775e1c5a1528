/* SPDX-License-Identifier: ISC */
/* The self-test of the session table: connections with ourselves, in memory.
 * What resumption.c asks of OpenSSL is documented, but how the pieces work
 * together is not: better a slower server than one that cannot resume, or
 * resumes what it should not. (internal.h) */
#include <openssl/err.h>

#include "tls/internal.h"

/* SSL_CTX_sess_set_new_cb(3)'s: the session is now ours. */
static int
on_ticket(SSL *ssl, SSL_SESSION *session)
{
	SSL_SESSION **newest = SSL_get_app_data(ssl);

	SSL_SESSION_free(*newest);
	*newest = session;
	return 1;
}

static SSL_CTX *
client_make(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(
	    ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_ticket);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

/* A connection that offers a session, NULL: none. Whether it works, and is
 * resumed or not as it should; its ticket in *got. */
static bool
visit(SSL_CTX *server_ctx, SSL_CTX *client_ctx, SSL_SESSION *offered,
    bool resumed, SSL_SESSION **got)
{
	SSL *server = SSL_new(server_ctx), *client = SSL_new(client_ctx);
	char byte;
	bool good;

	*got = NULL;
	good = server != NULL && client != NULL && trial_tie(server, client) &&
	       SSL_set_app_data(client, got) == 1 &&
	       (offered == NULL || SSL_set_session(client, offered) == 1) &&
	       trial_run(server, client) &&
	       SSL_session_reused(server) == resumed &&
	       SSL_session_reused(client) == resumed;
	if (good) {
		SSL_read(client, &byte, 1); /* only its ticket has come */
		SSL_set_shutdown(
		    client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	}
	SSL_free(server);
	SSL_free(client);
	return good && *got != NULL;
}

/* A client that comes back, and one that offers the same ticket again. */
static bool
visits_are_right(SSL_CTX *server, SSL_CTX *client)
{
	SSL_SESSION *first = NULL, *second = NULL, *third = NULL, *same = NULL;
	bool good = visit(server, client, NULL, false, &first);

	same = good ? SSL_SESSION_dup(first) : NULL;
	good = same != NULL && visit(server, client, first, true, &second) &&
	       visit(server, client, same, false, &third);
	SSL_SESSION_free(first);
	SSL_SESSION_free(second);
	SSL_SESSION_free(third);
	SSL_SESSION_free(same);
	return good;
}

bool
resumption_test(void)
{
	static const struct tls_settings settings = { .tickets = true };
	static const char *const name = "self-test.invalid";
	struct why why;
	struct tickets *t = tickets_new();
	struct tls_server *server =
	    t == NULL ? NULL : tls_server_new(&settings, t, NULL, &why);
	struct sign_key *key = sign_key_generate();
	struct cert *cert = key == NULL ? NULL : cert_make(key, &name, 1);
	SSL_CTX *client = client_make();
	bool good = server != NULL && cert != NULL && client != NULL &&
		    tls_server_add(server, name, cert, key, &why) &&
		    visits_are_right(server->ctx[0], client);

	SSL_CTX_free(client);
	cert_free(&cert);
	sign_key_free(&key);
	tls_server_free(&server);
	tickets_free(&t);
	ERR_clear_error();
	return good;
}
