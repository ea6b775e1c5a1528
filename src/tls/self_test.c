/* SPDX-License-Identifier: ISC */
#include "tls/self_test.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

#include "tls/hash.h"
#include "tls/internal.h"
#include "tls/provider.h"

/* Any bytes would do. */
static const uint8_t sample[64] = "a key longer than a hash and no block";

/* A derivation of mode from the sample; false when OpenSSL refuses. */
static bool
kdf_run(OSSL_LIB_CTX *library, int mode, char *digest, uint8_t *out, size_t len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(library, "TLS13-KDF", NULL);
	EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
	char prefix[] = "tls13 ", label[] = "derived";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_construct_utf8_string(
		    OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(
		    OSSL_KDF_PARAM_KEY, (void *)sample, sizeof(sample)),
		OSSL_PARAM_construct_octet_string(
		    OSSL_KDF_PARAM_SALT, (void *)sample, len),
		OSSL_PARAM_construct_octet_string(
		    OSSL_KDF_PARAM_PREFIX, prefix, strlen(prefix)),
		OSSL_PARAM_construct_octet_string(
		    OSSL_KDF_PARAM_LABEL, label, strlen(label)),
		OSSL_PARAM_construct_octet_string(
		    OSSL_KDF_PARAM_DATA, (void *)sample, len),
		OSSL_PARAM_construct_end(),
	};
	bool done = ctx != NULL && EVP_KDF_derive(ctx, out, len, params) == 1;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return done;
}

static bool
kdf_agrees(OSSL_LIB_CTX *servers, int mode, char *digest, size_t len)
{
	uint8_t ours[HASH_SIZE_MAX], theirs[HASH_SIZE_MAX];

	return kdf_run(servers, mode, digest, ours, len) &&
	       kdf_run(NULL, mode, digest, theirs, len) &&
	       memcmp(ours, theirs, len) == 0;
}

static bool
mac_run(OSSL_LIB_CTX *library, const char *digest, uint8_t *out)
{
	size_t len;

	return EVP_Q_mac(library, "HMAC", NULL, digest, NULL, sample,
		   sizeof(sample), sample, sizeof(sample), out, HASH_SIZE_MAX,
		   &len) != NULL;
}

static bool
mac_agrees(OSSL_LIB_CTX *servers, const char *digest, size_t len)
{
	uint8_t ours[HASH_SIZE_MAX], theirs[HASH_SIZE_MAX];

	return mac_run(servers, digest, ours) &&
	       mac_run(NULL, digest, theirs) && memcmp(ours, theirs, len) == 0;
}

bool
self_test_key_schedule(OSSL_LIB_CTX *servers)
{
	static struct {
		char digest[8];
		size_t len;
	} rows[] = { { "SHA256", 32 }, { "SHA384", 48 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (!kdf_agrees(servers, EVP_KDF_HKDF_MODE_EXTRACT_ONLY,
			rows[i].digest, rows[i].len) ||
		    !kdf_agrees(servers, EVP_KDF_HKDF_MODE_EXPAND_ONLY,
			rows[i].digest, rows[i].len) ||
		    !mac_agrees(servers, rows[i].digest, rows[i].len))
			return false;
	return true;
}

/* Makes a pair of X25519 and takes both halves. */
static bool
pair_run(OSSL_LIB_CTX *servers, uint8_t *secret, uint8_t *public)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(servers, NULL, "X25519");
	size_t private_len = X25519_SIZE, public_len = X25519_SIZE;
	bool done =
	    key != NULL &&
	    EVP_PKEY_get_raw_private_key(key, secret, &private_len) == 1 &&
	    EVP_PKEY_get_raw_public_key(key, public, &public_len) == 1 &&
	    private_len == X25519_SIZE && public_len == X25519_SIZE;

	EVP_PKEY_free(key);
	return done;
}

/* Whether the default provider gets that public half from the private one. */
static bool
pair_agrees(const uint8_t *secret, const uint8_t *public)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key_ex(
	    NULL, "X25519", NULL, secret, X25519_SIZE);
	uint8_t theirs[X25519_SIZE];
	size_t len = sizeof(theirs);
	bool agrees = key != NULL &&
		      EVP_PKEY_get_raw_public_key(key, theirs, &len) == 1 &&
		      memcmp(theirs, public, sizeof(theirs)) == 0;

	EVP_PKEY_free(key);
	return agrees;
}

bool
self_test_key_pair(OSSL_LIB_CTX *servers)
{
	uint8_t secret[2][X25519_SIZE], public[2][X25519_SIZE];
	bool good = pair_run(servers, secret[0], public[0]) &&
		    pair_run(servers, secret[1], public[1]) &&
		    pair_agrees(secret[0], public[0]) &&
		    pair_agrees(secret[1], public[1]) &&
		    memcmp(secret[0], secret[1], X25519_SIZE) != 0;

	OPENSSL_cleanse(secret, sizeof(secret));
	return good;
}

bool
self_test_context(OSSL_LIB_CTX *servers)
{
	SSL_CTX *ctx = SSL_CTX_new_ex(servers, NULL, TLS_server_method());
	bool complete =
	    ctx != NULL &&
	    SSL_CTX_set_ciphersuites(ctx,
		"TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:"
		"TLS_AES_256_GCM_SHA384") == 1 &&
	    SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") == 1 &&
	    SSL_CTX_set_cipher_list(ctx, "ECDHE-RSA-AES128-GCM-SHA256") == 1;

	SSL_CTX_free(ctx);
	return complete;
}

/* ---- sessions: connections with ourselves, in memory. What resumption.c asks of
 * OpenSSL is documented, but how the pieces work together is not: better a slower
 * server than one that cannot resume, or resumes what it should not. */

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
session_client(void)
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
connect_once(SSL_CTX *server_ctx, SSL_CTX *client_ctx, SSL_SESSION *offered,
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
sessions_are_right(SSL_CTX *server, SSL_CTX *client)
{
	SSL_SESSION *first = NULL, *second = NULL, *third = NULL, *same = NULL;
	bool good = connect_once(server, client, NULL, false, &first);

	same = good ? SSL_SESSION_dup(first) : NULL;
	good = same != NULL &&
	       connect_once(server, client, first, true, &second) &&
	       connect_once(server, client, same, false, &third);
	SSL_SESSION_free(first);
	SSL_SESSION_free(second);
	SSL_SESSION_free(third);
	SSL_SESSION_free(same);
	return good;
}

bool
self_test_sessions(void)
{
	static const struct tls_settings settings = { .tickets = true };
	static const char *const name = "self-test.invalid";
	struct why why;
	struct tickets *t = tickets_new();
	struct tls_server *server =
	    t == NULL ? NULL : tls_server_new(&settings, t, NULL, &why);
	struct sign_key *key = sign_key_generate();
	struct cert *cert = key == NULL ? NULL : cert_make(key, &name, 1);
	SSL_CTX *client = session_client();
	bool good = server != NULL && cert != NULL && client != NULL &&
		    tls_server_add(server, name, cert, key, &why) &&
		    sessions_are_right(server->ctx[0], client);

	SSL_CTX_free(client);
	cert_free(&cert);
	sign_key_free(&key);
	tls_server_free(&server);
	tickets_free(&t);
	ERR_clear_error();
	return good;
}
