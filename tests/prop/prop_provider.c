/* SPDX-License-Identifier: ISC */
/* The server's key schedule agrees with the default provider's on random
 * input. */
#include "check.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

#include "support/random.h"
#include "tls/hash.h"
#include "tls/library.h"
#include "tls/provider.h"

enum { ROUNDS = 5000, PAIRS = 500, BYTES_MAX = 400, LABEL_MAX = 250 };

static char *const digests[] = { "SHA256", "SHA2-256", "SHA384", "SHA2-384" };

static size_t
random_bytes(uint8_t *out, size_t below)
{
	size_t n = random_below(below);

	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)random_below(256);
	return n;
}

static EVP_KDF_CTX *
kdf_of(OSSL_LIB_CTX *library)
{
	EVP_KDF *kdf = EVP_KDF_fetch(library, "TLS13-KDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);

	assert_non_null(ctx);
	EVP_KDF_free(kdf);
	return ctx;
}

static void
check_derivation(size_t digest_size, char *digest)
{
	static uint8_t key[BYTES_MAX], salt[BYTES_MAX], label[BYTES_MAX],
	    data[BYTES_MAX];
	char prefix[] = "tls13 ";
	bool extract = random_below(2) == 0;
	int mode = extract ? EVP_KDF_HKDF_MODE_EXTRACT_ONLY
			   : EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	uint8_t ours[HASH_SIZE_MAX], theirs[HASH_SIZE_MAX];
	size_t len = extract ? digest_size : 1 + random_below(digest_size);
	EVP_KDF_CTX *a = kdf_of(tls_library_server()), *b = kdf_of(NULL);
	OSSL_PARAM params[8], *p = params;

	*p++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
	*p++ =
	    OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
	*p++ = OSSL_PARAM_construct_octet_string(
	    OSSL_KDF_PARAM_PREFIX, prefix, strlen(prefix));
	*p++ = OSSL_PARAM_construct_octet_string(
	    OSSL_KDF_PARAM_LABEL, label, random_bytes(label, LABEL_MAX));
	if (!extract || random_below(2) == 0)
		*p++ = OSSL_PARAM_construct_octet_string(
		    OSSL_KDF_PARAM_KEY, key, random_bytes(key, BYTES_MAX));
	if (!extract && random_below(2) == 0)
		*p++ = OSSL_PARAM_construct_octet_string(
		    OSSL_KDF_PARAM_DATA, data, random_bytes(data, 256));
	/* libssl salts with secrets, which are as long as the hash. */
	if (extract && random_below(2) == 0) {
		random_bytes(salt, BYTES_MAX);
		*p++ = OSSL_PARAM_construct_octet_string(
		    OSSL_KDF_PARAM_SALT, salt, digest_size);
	}
	*p = OSSL_PARAM_construct_end();
	assert_int_equal(EVP_KDF_derive(a, ours, len, params), 1);
	assert_int_equal(EVP_KDF_derive(b, theirs, len, params), 1);
	assert_memory_equal(ours, theirs, len);
	EVP_KDF_CTX_free(a);
	EVP_KDF_CTX_free(b);
}

static void
test_derivations(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		char *digest = RANDOM_OF(digests);

		check_derivation(
		    strstr(digest, "256") != NULL ? 32 : 48, digest);
	}
}

static EVP_MAC_CTX *
mac_of(OSSL_LIB_CTX *library)
{
	EVP_MAC *mac = EVP_MAC_fetch(library, "HMAC", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);

	assert_non_null(ctx);
	EVP_MAC_free(mac);
	return ctx;
}

/* One step of both, of those that EVP_MAC allows at any time. */
static void
mac_step(EVP_MAC_CTX *both[2])
{
	static uint8_t data[BYTES_MAX];
	size_t len = random_bytes(data, BYTES_MAX);
	bool again = random_below(8) == 0, copy = random_below(8) == 0;

	for (size_t i = 0; i < 2; i++) {
		if (again)
			assert_int_equal(
			    EVP_MAC_init(both[i], NULL, 0, NULL), 1);
		if (copy) {
			EVP_MAC_CTX *old = both[i];

			both[i] = EVP_MAC_CTX_dup(old);
			assert_non_null(both[i]);
			EVP_MAC_CTX_free(old);
		}
		assert_int_equal(EVP_MAC_update(both[i], data, len), 1);
	}
}

static void
check_mac(EVP_MAC_CTX *both[2], char *digest)
{
	static uint8_t key[BYTES_MAX];
	size_t key_len = random_bytes(key, BYTES_MAX), len[2];
	uint8_t out[2][HASH_SIZE_MAX];
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(
		    OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};

	for (size_t i = 0; i < 2; i++)
		assert_int_equal(
		    EVP_MAC_init(both[i], key, key_len, params), 1);
	for (size_t n = random_below(5); n > 0; n--)
		mac_step(both);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(
		    EVP_MAC_final(both[i], out[i], &len[i], sizeof(out[i])), 1);
	assert_int_equal(len[0], len[1]);
	assert_memory_equal(out[0], out[1], len[0]);
}

static void
test_hmac(void **state)
{
	EVP_MAC_CTX *both[2] = { mac_of(tls_library_server()), mac_of(NULL) };

	(void)state;
	for (int i = 0; i < ROUNDS; i++)
		check_mac(both, RANDOM_OF(digests));
	EVP_MAC_CTX_free(both[0]);
	EVP_MAC_CTX_free(both[1]);
}

/* Of a private key that the default provider has decoded, as pairs of ours
 * are. */
static void
check_public_half(void)
{
	uint8_t secret[X25519_SIZE], ours[X25519_SIZE], theirs[X25519_SIZE];
	size_t len = sizeof(theirs);
	EVP_PKEY *key;

	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] = (uint8_t)random_below(256);
	key = EVP_PKEY_new_raw_private_key_ex(
	    NULL, "X25519", NULL, secret, sizeof(secret));
	assert_non_null(key);
	assert_int_equal(EVP_PKEY_get_raw_public_key(key, theirs, &len), 1);
	assert_true(provider_x25519_public(secret, ours));
	assert_memory_equal(ours, theirs, sizeof(ours));
	EVP_PKEY_free(key);
}

static void
test_public_halves(void **state)
{
	(void)state;
	assert_true(provider_x25519_prepare());
	for (int i = 0; i < PAIRS; i++)
		check_public_half();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_derivations),
		cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_public_halves),
	};

	random_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
