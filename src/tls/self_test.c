/* SPDX-License-Identifier: ISC */
#include "tls/self_test.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>
#include <string.h>

#include "tls/hash.h"
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
