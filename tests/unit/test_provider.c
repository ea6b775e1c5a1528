/* SPDX-License-Identifier: ISC */
#include "tls/provider.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "tls/hash.h"
#include "tls/library.h"
#include "tls/parts.h"
#include "util/slice.h"

enum { BYTES_MAX = 256 };

struct bytes {
	uint8_t at[BYTES_MAX];
	size_t len;
};

/* NULL: not given. */
static struct bytes
bytes_of(const char *hex)
{
	struct bytes b = { .len = 0 };

	for (; hex != NULL && *hex != '\0'; hex += 2) {
		assert_true(b.len < BYTES_MAX);
		b.at[b.len++] = (uint8_t)(hex_value((uint8_t)hex[0]) << 4 |
					  hex_value((uint8_t)hex[1]));
	}
	return b;
}

static void
check_bytes(const uint8_t *got, const char *want_hex, const char *row)
{
	struct bytes want = bytes_of(want_hex);

	check_row(memcmp(got, want.at, want.len) == 0, row);
}

/* ---- TLS13-KDF */

struct derivation {
	const char *what;
	int mode;
	const char *digest, *key, *salt, *label, *data,
	    *want; /* NULL: not given */
};

/* 1, or 0 when refused. */
static int
derive(const struct derivation *d, uint8_t *out, size_t len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(tls_library_server(), "TLS13-KDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	struct bytes key = bytes_of(d->key), salt = bytes_of(d->salt),
		     data = bytes_of(d->data);
	char digest[16], prefix[] = "tls13 ", label[32];
	OSSL_PARAM params[8], *p = params;
	int mode = d->mode, done;

	assert_non_null(ctx);
	snprintf(digest, sizeof(digest), "%s", d->digest);
	snprintf(label, sizeof(label), "%s", d->label);
	*p++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
	*p++ =
	    OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
	if (d->key != NULL)
		*p++ = OSSL_PARAM_construct_octet_string(
		    OSSL_KDF_PARAM_KEY, key.at, key.len);
	if (d->salt != NULL)
		*p++ = OSSL_PARAM_construct_octet_string(
		    OSSL_KDF_PARAM_SALT, salt.at, salt.len);
	*p++ = OSSL_PARAM_construct_octet_string(
	    OSSL_KDF_PARAM_PREFIX, prefix, strlen(prefix));
	*p++ = OSSL_PARAM_construct_octet_string(
	    OSSL_KDF_PARAM_LABEL, label, strlen(label));
	if (d->data != NULL)
		*p++ = OSSL_PARAM_construct_octet_string(
		    OSSL_KDF_PARAM_DATA, data.at, data.len);
	*p = OSSL_PARAM_construct_end();
	done = EVP_KDF_derive(ctx, out, len, params);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return done;
}

#define EXTRACT EVP_KDF_HKDF_MODE_EXTRACT_ONLY
#define EXPAND EVP_KDF_HKDF_MODE_EXPAND_ONLY
#define EARLY_SECRET                                                           \
	"33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a"
#define HANDSHAKE_SECRET                                                       \
	"1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac"
#define MASTER_SECRET                                                          \
	"18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919"
#define SERVER_SECRET                                                          \
	"b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38"

/* RFC 8448 3, "Simple 1-RTT Handshake". */
static void
test_key_schedule(void **state)
{
	static const struct derivation rows[] = {
		{ "early secret", EXTRACT, "SHA256", NULL, NULL, "derived",
		    NULL, EARLY_SECRET },
		{ "handshake secret", EXTRACT, "SHA2-256",
		    "8bd4054fb55b9d63fdfbacf9f04b9f0d"
		    "35e6d63f537563efd46272900f89492d",
		    EARLY_SECRET, "derived", NULL, HANDSHAKE_SECRET },
		{ "master secret", EXTRACT, "sha256", NULL, HANDSHAKE_SECRET,
		    "derived", NULL, MASTER_SECRET },
		{ "server's handshake traffic", EXPAND, "SHA256",
		    HANDSHAKE_SECRET, NULL, "s hs traffic",
		    "860c06edc07858ee8e78f0e7428c58ed"
		    "d6b43f2ca3e6e95f02ed063cf0e1cad8",
		    SERVER_SECRET },
		{ "key", EXPAND, "SHA256", SERVER_SECRET, NULL, "key", "",
		    "3fce516009c21727d0f2e4e86ee403bc" },
		{ "iv", EXPAND, "SHA256", SERVER_SECRET, NULL, "iv", "",
		    "5d313eb2671276ee13000b30" },
		{ "finished", EXPAND, "SHA256", SERVER_SECRET, NULL, "finished",
		    "",
		    "008d3b66f816ea559f96b537e885c31f"
		    "c068bf492c652f01f288a1d8cdc19fc8" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint8_t out[HASH_SIZE_MAX];

		check_row(derive(&rows[i], out, strlen(rows[i].want) / 2) == 1,
		    rows[i].what);
		check_bytes(out, rows[i].want, rows[i].what);
	}
}

/* What libssl never asks for is refused, not answered with something else. */
static void
test_derivations_refused(void **state)
{
	struct derivation d = { "", EXPAND, "SHA256", SERVER_SECRET, NULL,
		"key", "", NULL };
	uint8_t out[2 * HASH_SIZE_MAX];

	(void)state;
	assert_int_equal(derive(&d, out, 32), 1);
	assert_int_equal(derive(&d, out, 33), 0);
	assert_int_equal(derive(&d, out, 0), 0);
	d.digest = "SHA384";
	assert_int_equal(derive(&d, out, 48), 1);
	assert_int_equal(derive(&d, out, 49), 0);
	d.digest = "SHA512";
	assert_int_equal(derive(&d, out, 32), 0);
	d.digest = "SHA256";
	d.mode = EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND;
	assert_int_equal(derive(&d, out, 32), 0);
	d.mode = EXTRACT;
	assert_int_equal(derive(&d, out, 31), 0);
	d.mode = EXPAND;
	d.key = NULL;
	assert_int_equal(derive(&d, out, 32), 0);
}

static void
test_parameters_ahead_are_refused(void **state)
{
	EVP_KDF *kdf = EVP_KDF_fetch(tls_library_server(), "TLS13-KDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	int mode = EXPAND;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_construct_end(),
	};

	(void)state;
	assert_int_equal(EVP_KDF_CTX_set_params(ctx, params), 0);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}

static void
test_long_labels(void **state)
{
	static const uint8_t secret[32];
	uint8_t label[256] = { 0 }, data[256] = { 0 }, out[32];
	char digest[] = "SHA256";
	int mode = EXPAND;
	static const struct {
		const char *what;
		size_t label, data;
		int want;
	} rows[] = {
		{ "the longest", 255, 255, 1 },
		{ "label of 256", 256, 0, 0 },
		{ "context of 256", 0, 256, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		EVP_KDF *kdf =
		    EVP_KDF_fetch(tls_library_server(), "TLS13-KDF", NULL);
		EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
		OSSL_PARAM params[] = {
			OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
			OSSL_PARAM_construct_utf8_string(
			    OSSL_KDF_PARAM_DIGEST, digest, 0),
			OSSL_PARAM_construct_octet_string(
			    OSSL_KDF_PARAM_KEY, (void *)secret, sizeof(secret)),
			OSSL_PARAM_construct_octet_string(
			    OSSL_KDF_PARAM_LABEL, label, rows[i].label),
			OSSL_PARAM_construct_octet_string(
			    OSSL_KDF_PARAM_DATA, data, rows[i].data),
			OSSL_PARAM_construct_end(),
		};

		check_row(EVP_KDF_derive(ctx, out, sizeof(out), params) ==
			      rows[i].want,
		    rows[i].what);
		EVP_KDF_CTX_free(ctx);
		EVP_KDF_free(kdf);
	}
}

/* ---- HMAC */

static EVP_MAC_CTX *
mac_begin(const char *digest, const uint8_t *key, size_t len)
{
	EVP_MAC *mac = EVP_MAC_fetch(tls_library_server(), "HMAC", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(
		    OSSL_MAC_PARAM_DIGEST, (char *)digest, 0),
		OSSL_PARAM_construct_end(),
	};

	assert_non_null(ctx);
	assert_int_equal(EVP_MAC_init(ctx, key, len, params), 1);
	EVP_MAC_free(mac);
	return ctx;
}

static void
mac_end(EVP_MAC_CTX *ctx, const char *want, const char *row)
{
	uint8_t out[HASH_SIZE_MAX];
	size_t len;

	check_row(EVP_MAC_CTX_get_mac_size(ctx) == strlen(want) / 2, row);
	check_row(EVP_MAC_final(ctx, out, &len, sizeof(out)) == 1, row);
	check_row(len == strlen(want) / 2, row);
	check_bytes(out, want, row);
}

/* RFC 4231 4.2-4.4, 4.7; the vectors of RFC 2104 itself are for MD5. */
static const struct {
	const char *what;
	int key, key_len; /* a byte, and how many; 0: "Jefe" */
	const char *data; /* NULL: 50 bytes of 0xdd */
	const char *want256, *want384;
} macs[] = {
	{ "a short key", 0x0b, 20, "Hi There",
	    "b0344c61d8db38535ca8afceaf0bf12b"
	    "881dc200c9833da726e9376c2e32cff7",
	    "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec6"
	    "82aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6" },
	{ "a key shorter than the result", 0, 4, "what do ya want for nothing?",
	    "5bdcc146bf60754e6a042426089575c7"
	    "5a003f089d2739839dec58b964ec3843",
	    "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47"
	    "e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649" },
	{ "key and data longer than 64 bytes together", 0xaa, 20, NULL,
	    "773ea91e36800e46854db8ebd09181a7"
	    "2959098b3ef8c122d9635514ced565fe",
	    "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9feb"
	    "e83ef4e55966144b2a5ab39dc13814b94e3ab6e101a34f27" },
	{ "a key longer than a block", 0xaa, 131,
	    "Test Using Larger Than Block-Size Key - Hash Key First",
	    "60e431591ee0b67f0d8a26aacbf5b77f"
	    "8e0bc6213728c5140546040f0ee37f54",
	    "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f"
	    "3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952" },
};

static void
check_mac(size_t i, const char *digest, const char *want)
{
	uint8_t key[BYTES_MAX], data[BYTES_MAX];
	size_t key_len = (size_t)macs[i].key_len, len = 50;
	EVP_MAC_CTX *ctx, *copy;

	memset(key, macs[i].key, sizeof(key));
	if (macs[i].key == 0)
		memcpy(key, "Jefe", 4);
	memset(data, 0xdd, sizeof(data));
	if (macs[i].data != NULL) {
		len = strlen(macs[i].data);
		memcpy(data, macs[i].data, len);
	}
	ctx = mac_begin(digest, key, key_len);
	/* A copy in mid-message goes its own way. */
	assert_int_equal(EVP_MAC_update(ctx, data, 3), 1);
	copy = EVP_MAC_CTX_dup(ctx);
	assert_non_null(copy);
	assert_int_equal(EVP_MAC_update(ctx, data + 3, len - 3), 1);
	mac_end(ctx, want, macs[i].what);
	assert_int_equal(EVP_MAC_update(copy, data + 3, len - 3), 1);
	mac_end(copy, want, macs[i].what);
	/* Again with the same key. */
	assert_int_equal(EVP_MAC_init(ctx, NULL, 0, NULL), 1);
	assert_int_equal(EVP_MAC_update(ctx, data, len), 1);
	mac_end(ctx, want, macs[i].what);
	EVP_MAC_CTX_free(copy);
	EVP_MAC_CTX_free(ctx);
}

static void
test_hmac(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(macs) / sizeof(*macs); i++) {
		check_mac(i, "SHA256", macs[i].want256);
		check_mac(i, "SHA2-256", macs[i].want256);
		check_mac(i, "SHA384", macs[i].want384);
		check_mac(i, "SHA2-384", macs[i].want384);
	}
}

static void
test_hmac_refused(void **state)
{
	EVP_MAC *mac = EVP_MAC_fetch(tls_library_server(), "HMAC", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac), *copy;
	char name[] = "SHA1";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(
		    OSSL_MAC_PARAM_DIGEST, name, 0),
		OSSL_PARAM_construct_end(),
	};
	uint8_t out[HASH_SIZE_MAX];
	size_t len;

	(void)state;
	/* Without a key or a digest; and copies of such a context. */
	assert_int_equal(EVP_MAC_init(ctx, NULL, 0, NULL), 0);
	assert_int_equal(EVP_MAC_update(ctx, out, 1), 0);
	copy = EVP_MAC_CTX_dup(ctx);
	assert_non_null(copy);
	assert_int_equal(EVP_MAC_final(copy, out, &len, sizeof(out)), 0);
	assert_int_equal(EVP_MAC_init(ctx, out, 1, NULL), 0);
	assert_int_equal(EVP_MAC_init(ctx, out, 1, params), 0);
	EVP_MAC_CTX_free(copy);
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
}

/* ---- X25519 */

/* RFC 7748 6.1. */
static void
test_public_halves(void **state)
{
	static const struct {
		const char *secret, *public;
	} rows[] = {
		{ "77076d0a7318a57d3c16c17251b26645"
		  "df4c2f87ebc0992ab177fba51db92c2a",
		    "8520f0098930a754748b7ddcb43ef75a"
		    "0dbf3a0d26381af4eba4a98eaa9b4e6a" },
		{ "5dab087e624a8a4b79e17f8b83800ee6"
		  "6f3bb1292618b6fd1c2f8b27ff88e0eb",
		    "de9edb7d7b7dc1b4d35b61c2ece43537"
		    "3f8343c85b78674dadfc7e146f882b4f" },
	};
	uint8_t out[X25519_SIZE];

	(void)state;
	assert_true(provider_x25519_prepare());
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct bytes secret = bytes_of(rows[i].secret);

		check_row(
		    provider_x25519_public(secret.at, out), rows[i].secret);
		check_bytes(out, rows[i].public, rows[i].secret);
	}
}

static void
pair_make(uint8_t *public)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(tls_library_server(), NULL, "X25519");
	size_t len = X25519_SIZE;

	assert_non_null(key);
	assert_int_equal(EVP_PKEY_get_raw_public_key(key, public, &len), 1);
	EVP_PKEY_free(key);
}

/* A pair made in a process of its own. */
static void
pair_make_apart(uint8_t *public)
{
	int ends[2], status;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_int_not_equal(child, -1);
	if (child == 0) {
		pair_make(public);
		_exit(write(ends[1], public, X25519_SIZE) != X25519_SIZE);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], public, X25519_SIZE), X25519_SIZE);
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* Not by one process, nor by two that were one: RFC 8446 C.4, 2. */
static void
test_no_pair_comes_twice(void **state)
{
	enum { PAIRS = 8 };
	uint8_t public[PAIRS][X25519_SIZE];

	(void)state;
	for (size_t i = 0; i < PAIRS; i++) {
		if (i % 4 == 0)
			pair_make(public[i]);
		else
			pair_make_apart(public[i]);
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(
			    public[i], public[j], X25519_SIZE);
	}
}

/* libssl makes one for a client's share. */
static void
test_an_empty_key(void **state)
{
	EVP_PKEY_CTX *ctx =
	    EVP_PKEY_CTX_new_from_name(tls_library_server(), "X25519", NULL);
	uint8_t nine[X25519_SIZE] = { 9 }, secret[X25519_SIZE];
	size_t len = sizeof(secret);
	EVP_PKEY *key = NULL;

	(void)state;
	assert_int_equal(EVP_PKEY_paramgen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_group_name(ctx, "X448"), 0);
	assert_int_equal(EVP_PKEY_CTX_set_group_name(ctx, "x25519"), 1);
	assert_int_equal(EVP_PKEY_paramgen(ctx, &key), 1);
	assert_int_equal(EVP_PKEY_get_raw_private_key(key, secret, &len), 0);
	assert_int_equal(
	    EVP_PKEY_set1_encoded_public_key(key, nine, sizeof(nine)), 1);
	EVP_PKEY_free(key);
	EVP_PKEY_CTX_free(ctx);
}

/* ---- which provider has what */

static void
check_provider(const OSSL_PROVIDER *provider, const char *want)
{
	assert_non_null(provider);
	assert_string_equal(OSSL_PROVIDER_get0_name(provider), want);
}

static void
test_only_servers_use_it(void **state)
{
	OSSL_LIB_CTX *servers = tls_library_server();
	EVP_KDF *kdf = EVP_KDF_fetch(servers, "TLS13-KDF", NULL);
	EVP_MAC *mac = EVP_MAC_fetch(servers, "HMAC", NULL);
	EVP_KEYMGMT *ec = EVP_KEYMGMT_fetch(servers, "EC", NULL);
	EVP_KDF *other = EVP_KDF_fetch(NULL, "TLS13-KDF", NULL);

	(void)state;
	check_provider(EVP_KDF_get0_provider(kdf), "carnation");
	check_provider(EVP_MAC_get0_provider(mac), "carnation");
	check_provider(EVP_KEYMGMT_get0_provider(ec), "carnation");
	check_provider(EVP_KDF_get0_provider(other), "default");
	/* Of no use to TLS: what the filter is for. */
	assert_null(EVP_MD_fetch(servers, "SM3", NULL));
	EVP_KDF_free(kdf);
	EVP_KDF_free(other);
	EVP_MAC_free(mac);
	EVP_KEYMGMT_free(ec);
}

/* In a process of its own: a context is made once. */
static void
check_without(const char *without, const char *kdf_from, const char *ec_from)
{
	pid_t child = fork();
	EVP_KDF *kdf;
	EVP_KEYMGMT *ec;
	int status;

	assert_int_not_equal(child, -1);
	if (child == 0) {
		setenv(TLS_PARTS_VARIABLE, without, 1);
		kdf = EVP_KDF_fetch(tls_library_server(), "TLS13-KDF", NULL);
		ec = EVP_KEYMGMT_fetch(tls_library_server(), "EC", NULL);
		_exit(kdf == NULL || ec == NULL ||
		      strcmp(kdf_from, OSSL_PROVIDER_get0_name(
					   EVP_KDF_get0_provider(kdf))) != 0 ||
		      strcmp(ec_from, OSSL_PROVIDER_get0_name(
					  EVP_KEYMGMT_get0_provider(ec))) != 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	check_row(status == 0, without);
}

static void
test_parts_are_replaced_by_openssl(void **state)
{
	(void)state;
	check_without("key-schedule", "carnation", "carnation");
	check_without("context", "carnation", "default");
	check_without("context,key-schedule", "default", "default");
}

/* Identifiers in certificates, the short names that libssl uses, and the groups
 * and key types of later versions of OpenSSL. */
static void
test_aliases_are_kept(void **state)
{
	static const char *const keys[] = { "1.3.101.112", "1.3.101.113",
		"1.3.101.110", "id-ecPublicKey", "rsaEncryption",
		"1.2.840.113549.1.1.10" };
	static const char *const later[] = { "X25519MLKEM768",
		"SecP256r1MLKEM768", "ML-KEM-768", "ML-DSA-65" };
	OSSL_LIB_CTX *servers = tls_library_server();

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		EVP_KEYMGMT *k = EVP_KEYMGMT_fetch(servers, keys[i], NULL);

		check_row(k != NULL, keys[i]);
		EVP_KEYMGMT_free(k);
	}
	for (size_t i = 0; i < sizeof(later) / sizeof(*later); i++) {
		EVP_KEYMGMT *k = EVP_KEYMGMT_fetch(servers, later[i], NULL);
		EVP_KEYMGMT *theirs = EVP_KEYMGMT_fetch(NULL, later[i], NULL);

		check_row((k != NULL) == (theirs != NULL), later[i]);
		EVP_KEYMGMT_free(k);
		EVP_KEYMGMT_free(theirs);
	}
}

/* Each that an operator may name (carnation.conf(5), tls.suites): what a
 * configuration could say before, it still can. */
static void
test_suites_are_kept(void **state)
{
	SSL_CTX *ours =
	    SSL_CTX_new_ex(tls_library_server(), NULL, TLS_server_method());
	SSL_CTX *theirs = SSL_CTX_new(TLS_server_method());
	static const char list[] = "ECDHE:!aNULL:!eNULL:!3DES";

	(void)state;
	assert_int_equal(SSL_CTX_set_cipher_list(ours, list), 1);
	assert_int_equal(SSL_CTX_set_cipher_list(theirs, list), 1);
	assert_int_equal(sk_SSL_CIPHER_num(SSL_CTX_get_ciphers(ours)),
	    sk_SSL_CIPHER_num(SSL_CTX_get_ciphers(theirs)));
	SSL_CTX_free(ours);
	SSL_CTX_free(theirs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: its children make their own contexts. */
		cmocka_unit_test(test_parts_are_replaced_by_openssl),
		cmocka_unit_test(test_key_schedule),
		cmocka_unit_test(test_derivations_refused),
		cmocka_unit_test(test_parameters_ahead_are_refused),
		cmocka_unit_test(test_long_labels),
		cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_hmac_refused),
		cmocka_unit_test(test_public_halves),
		cmocka_unit_test(test_no_pair_comes_twice),
		cmocka_unit_test(test_an_empty_key),
		cmocka_unit_test(test_only_servers_use_it),
		cmocka_unit_test(test_aliases_are_kept),
		cmocka_unit_test(test_suites_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
