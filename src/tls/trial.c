/* SPDX-License-Identifier: ISC */
/* A trial is a handshake with ourselves, in memory: whether anyone can connect
 * with a certificate. A table of curves, key sizes and usages would have to
 * follow OpenSSL's rules; a trial always agrees with them. (internal.h) */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "tls/internal.h"

enum {
	TRIAL_TURNS = 16,      /* TLS 1.2 needs three of each side */
	TRIAL_CHAIN_SHORT = 4, /* far from the 100 KiB a client takes */
	TRIAL_RSA_MIN = 2048,
	TRIAL_RSA_MAX = 4096,
};

/* P-256 by its name, not by its parameters. */
static bool
key_is_p256(const EVP_PKEY *key)
{
	char group[32], encoding[32];

	return EVP_PKEY_is_a(key, "EC") == 1 &&
	       EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
	       strcmp(group, "prime256v1") == 0 &&
	       EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING,
		   encoding, sizeof(encoding), NULL) == 1 &&
	       strcmp(encoding, "named_curve") == 0;
}

/* Whether c is of the few kinds that every client accepts: a trial costs 1 ms,
 * and a server may have 1,024 capsules. */
static bool
trial_is_needless(const struct cert *c)
{
	const EVP_PKEY *key = X509_get0_pubkey(c->leaf);
	int bits;
	bool common;

	if (key == NULL || sk_X509_num(c->chain) > TRIAL_CHAIN_SHORT ||
	    (X509_get_key_usage(c->leaf) & KU_DIGITAL_SIGNATURE) == 0)
		return false;
	bits = EVP_PKEY_get_bits(key);
	common = key_is_p256(key) ||
		 (EVP_PKEY_is_a(key, "RSA") == 1 && bits >= TRIAL_RSA_MIN &&
		     bits <= TRIAL_RSA_MAX);
	ERR_clear_error();
	return common;
}

/* A client that accepts any certificate it can use; NULL when OpenSSL fails. */
static SSL_CTX *
trial_client(void)
{
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());

	if (client == NULL)
		return NULL;
	/* As lenient as possible: what this client refuses, all refuse. */
	SSL_CTX_set_security_level(client, 0);
	SSL_CTX_set_verify(client, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_options(client, SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_OFF);
	return client;
}

bool
trial_tie(SSL *server, SSL *client)
{
	BIO *a = NULL, *b = NULL;

	if (BIO_new_bio_pair(&a, 0, &b, 0) != 1)
		return false;
	SSL_set_bio(server, a, a);
	SSL_set_bio(client, b, b);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	return true;
}

/* 1: this side is done; 0: it waits for the other; -1: it failed. */
static int
trial_step(SSL *ssl)
{
	int rc;

	ERR_clear_error();
	rc = SSL_do_handshake(ssl);
	if (rc == 1)
		return 1;
	rc = SSL_get_error(ssl, rc);
	return rc == SSL_ERROR_WANT_READ || rc == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

bool
trial_run(SSL *server, SSL *client)
{
	int theirs = 0, ours = 0;

	for (int i = 0; i < TRIAL_TURNS; i++) {
		theirs = trial_step(client);
		if (theirs != -1)
			ours = trial_step(server);
		if (theirs == -1 || ours == -1)
			return false;
		if (theirs == 1 && ours == 1)
			return true;
	}
	return false;
}

/* Whether a handshake of client with a server of ctx succeeds. False and why,
 * with the name and the reason of the side that failed. */
static bool
trial_shake(
    SSL_CTX *ctx, SSL_CTX *client_ctx, const char *name, struct why *why)
{
	SSL *server = SSL_new(ctx);
	SSL *client = SSL_new(client_ctx);
	bool tied =
	    server != NULL && client != NULL && trial_tie(server, client);
	bool done = false;

	if (tied) {
		SSL_set_options(server, SSL_OP_NO_TICKET);
		done = SSL_set_num_tickets(server, 0) == 1 &&
		       trial_run(server, client);
	}
	if (!tied)
		why_memory(why);
	else if (!done)
		tls_explain(why,
		    "%s: no client can connect with this certificate", name);
	ERR_clear_error();
	SSL_free(server);
	SSL_free(client);
	return done;
}

bool
trial_handshake(
    SSL_CTX *ctx, const struct cert *c, const char *name, struct why *why)
{
	SSL_CTX *client;
	bool done;

	if (trial_is_needless(c))
		return true;
	client = trial_client();
	if (client == NULL)
		return tls_explain(why, "cannot create a TLS context");
	done = trial_shake(ctx, client, name, why);
	SSL_CTX_free(client);
	return done;
}
