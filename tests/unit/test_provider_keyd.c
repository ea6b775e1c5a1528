/* SPDX-License-Identifier: ISC */
#include "tls/provider_keyd.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "support/apart.h"
#include "tls/library.h"
#include "tls/parts.h"
#include "tls/signing_wire.h"

/* One pair of each kind: a 32-bit processor needs seconds to find one of RSA. */
static EVP_PKEY *
pair_of(const char *kind)
{
	static struct {
		const char *kind;
		EVP_PKEY *pair;
	} made[8];
	size_t i = 0;

	while (made[i].kind != NULL && strcmp(made[i].kind, kind) != 0)
		i++;
	assert_true(i < sizeof(made) / sizeof(*made) - 1);
	if (made[i].kind == NULL) {
		made[i].kind = kind;
		made[i].pair = apart_make_key(kind);
	}
	return made[i].pair;
}

/* A key of the provider, of kind. */
static EVP_PKEY *
key_make(const char *kind)
{
	EVP_PKEY *public = NULL, *key;
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(pair_of(kind), &der);
	const unsigned char *p = der;

	/* As from a certificate: nothing private is near. */
	public = d2i_PUBKEY(NULL, &p, len);
	assert_non_null(public);
	key = provider_keyd_key(tls_library_server(), public, 5);
	assert_non_null(key);
	OPENSSL_free(der);
	EVP_PKEY_free(public);
	return key;
}

static int
take_nothing(const OSSL_PARAM params[], void *arg)
{
	(void)params;
	*(bool *)arg = true;
	return 1;
}

static void
test_private_part_stays(void **state)
{
	static const char *const kinds[] = { "P-256", "RSA", "RSA-PSS",
		"ED25519", "ED448" };
	static const int selections[] = { EVP_PKEY_KEYPAIR,
		OSSL_KEYMGMT_SELECT_PRIVATE_KEY, OSSL_KEYMGMT_SELECT_ALL };

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		EVP_PKEY *key = key_make(kinds[i]);
		OSSL_PARAM *params = NULL;
		unsigned char *der = NULL;
		bool called = false;

		for (size_t s = 0; s < 3; s++)
			check_row(EVP_PKEY_export(key, selections[s],
				      take_nothing, &called) != 1 &&
				      !called,
			    kinds[i]);
		assert_int_equal(EVP_PKEY_export(key, EVP_PKEY_PUBLIC_KEY,
				     take_nothing, &called),
		    1);
		assert_true(called);
		check_row(EVP_PKEY_todata(key, EVP_PKEY_KEYPAIR, &params) != 1,
		    kinds[i]);
		check_row(i2d_PrivateKey(key, &der) <= 0, kinds[i]);
		ERR_clear_error();
		EVP_PKEY_free(key);
	}
}

/* EVP_DigestSignInit_ex of a key of kind; *params, which may be NULL, is for
 * what follows. The context is freed with the test's. */
static bool
init(EVP_MD_CTX *ctx, EVP_PKEY *key, const char *digest, EVP_PKEY_CTX **params)
{
	bool done = EVP_DigestSignInit_ex(ctx, params, digest,
			tls_library_server(), NULL, key, NULL) == 1;

	ERR_clear_error();
	return done;
}

static void
test_digests(void **state)
{
	static const struct {
		const char *kind;
		const char *digest;
		bool want;
	} rows[] = {
		{ "P-256", "SHA256", true },
		{ "P-256", "SHA2-256", true },
		{ "P-256", "sha384", true },
		{ "P-256", "SHA2-384", true },
		{ "P-256", "SHA512", true },
		{ "P-256", "SHA2-512", true },
		{ "P-256", "SHA224", false },
		{ "P-256", "SHA1", false },
		{ "P-256", "SHA3-256", false },
		{ "P-256", "MD5", false },
		{ "P-256", "", false },
		{ "RSA", "SHA256", true },
		{ "RSA", "SHA2-512", true },
		{ "RSA", "SHA1", false },
		{ "RSA", "MD5-SHA1", false },
		{ "RSA-PSS", "SHA2-256", true },
		{ "RSA-PSS", "SHA1", false },
		{ "RSA-PSS:SHA384", "SHA384", true },
		{ "RSA-PSS:SHA384", "SHA256", false },
		{ "RSA-PSS:SHA384", "SHA2-512", false },
		{ "ED25519", NULL, true },
		{ "ED25519", "SHA256", false },
		{ "ED448", NULL, true },
		{ "ED448", "SHA512", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		EVP_PKEY *key = key_make(rows[i].kind);
		EVP_MD_CTX *ctx = EVP_MD_CTX_new();

		check_row(init(ctx, key, rows[i].digest, NULL) == rows[i].want,
		    rows[i].digest);
		EVP_MD_CTX_free(ctx);
		EVP_PKEY_free(key);
	}
}

static void
test_rsa_parameters(void **state)
{
	static const struct {
		const char *rule;
		const char *kind;
		int padding;
		int salt;
		bool want;
	} rows[] = {
		{ "PKCS#1", "RSA", RSA_PKCS1_PADDING, 0, true },
		{ "PSS", "RSA", RSA_PKCS1_PSS_PADDING, RSA_PSS_SALTLEN_DIGEST,
		    true },
		{ "another salt", "RSA", RSA_PKCS1_PSS_PADDING, 20, false },
		{ "the longest salt", "RSA", RSA_PKCS1_PSS_PADDING,
		    RSA_PSS_SALTLEN_MAX, false },
		{ "no padding", "RSA", RSA_NO_PADDING, 0, false },
		{ "X9.31", "RSA", RSA_X931_PADDING, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		EVP_PKEY *key = key_make(rows[i].kind);
		EVP_MD_CTX *ctx = EVP_MD_CTX_new();
		EVP_PKEY_CTX *params;
		bool done;

		assert_true(init(ctx, key, "SHA256", &params));
		done =
		    EVP_PKEY_CTX_set_rsa_padding(params, rows[i].padding) == 1;
		if (rows[i].padding == RSA_PKCS1_PSS_PADDING)
			done = done && EVP_PKEY_CTX_set_rsa_pss_saltlen(
					   params, rows[i].salt) == 1;
		check_row(done == rows[i].want, rows[i].rule);
		ERR_clear_error();
		EVP_MD_CTX_free(ctx);
		EVP_PKEY_free(key);
	}
}

/* Other versions of OpenSSL pass the one or the other as text or number. */
static void
test_rsa_parameters_of_either_type(void **state)
{
	static const struct {
		const char *name;
		const char *text; /* NULL: number */
		int number;
		bool want;
	} rows[] = {
		{ OSSL_SIGNATURE_PARAM_PAD_MODE, "pss", 0, true },
		{ OSSL_SIGNATURE_PARAM_PAD_MODE, "pkcs1", 0, true },
		{ OSSL_SIGNATURE_PARAM_PAD_MODE, "oaep", 0, false },
		{ OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, RSA_PKCS1_PADDING,
		    true },
		{ OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, RSA_NO_PADDING, false },
		{ OSSL_SIGNATURE_PARAM_PSS_SALTLEN, "digest", 0, true },
		{ OSSL_SIGNATURE_PARAM_PSS_SALTLEN, "max", 0, false },
		{ OSSL_SIGNATURE_PARAM_PSS_SALTLEN, "32", 0, false },
		{ OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL,
		    RSA_PSS_SALTLEN_DIGEST, true },
		{ OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 20, false },
	};
	EVP_PKEY *key = key_make("RSA");
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *params;

	(void)state;
	assert_true(init(ctx, key, "SHA256", &params));
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int number = rows[i].number;
		const OSSL_PARAM list[] = {
			rows[i].text != NULL
			    ? OSSL_PARAM_construct_utf8_string(
				  rows[i].name, (char *)rows[i].text, 0)
			    : OSSL_PARAM_construct_int(rows[i].name, &number),
			OSSL_PARAM_construct_end(),
		};

		check_row((EVP_PKEY_CTX_set_params(params, list) == 1) ==
			      rows[i].want,
		    rows[i].text != NULL ? rows[i].text : rows[i].name);
	}
	ERR_clear_error();
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
}

/* The size is known without the process; without it, signing fails. */
static void
test_without_the_process(void **state)
{
	EVP_PKEY *key = key_make("P-256");
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t out[256];
	size_t len = 0;

	(void)state;
	assert_true(init(ctx, key, "SHA2-256", NULL));
	assert_int_equal(EVP_DigestSign(ctx, NULL, &len, out, 130), 1);
	assert_in_range(len, 70, 72);
	len = sizeof(out);
	assert_int_not_equal(EVP_DigestSign(ctx, out, &len, out, 130), 1);
	ERR_clear_error();
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
}

static bool
made_by(EVP_PKEY *key, const char *provider)
{
	return strcmp(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(key)),
		   provider) == 0;
}

/* No other use of the usual names finds keys of this provider. */
static void
test_names(void **state)
{
	static const char *const kinds[] = { "EC", "RSA", "RSA-PSS", "ED25519",
		"ED448" };
	EVP_PKEY *key = key_make("P-256");
	EVP_PKEY *made = EVP_PKEY_Q_keygen(
	    tls_library_server(), NULL, "EC", (char *)"P-256");

	(void)state;
	assert_true(made_by(key, "keyd"));
	assert_int_equal(EVP_PKEY_is_a(key, "id-ecPublicKey"), 1);
	assert_non_null(made);
	assert_false(made_by(made, "keyd"));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		EVP_KEYMGMT *found =
		    EVP_KEYMGMT_fetch(tls_library_server(), kinds[i], NULL);
		const OSSL_PROVIDER *by;

		assert_non_null(found);
		by = EVP_KEYMGMT_get0_provider(found);
		check_row(
		    strcmp(OSSL_PROVIDER_get0_name(by), "keyd") != 0, kinds[i]);
		EVP_KEYMGMT_free(found);
	}
	/* In the default context it does not even exist. */
	assert_null(EVP_SIGNATURE_fetch(NULL, "KEYD-ECDSA", NULL));
	ERR_clear_error();
	EVP_PKEY_free(made);
	EVP_PKEY_free(key);
}

static void
test_other_kinds(void **state)
{
	EVP_PKEY *x25519 = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");

	(void)state;
	assert_null(provider_keyd_key(tls_library_server(), x25519, 0));
	ERR_clear_error();
	EVP_PKEY_free(x25519);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_private_part_stays),
		cmocka_unit_test(test_digests),
		cmocka_unit_test(test_rsa_parameters),
		cmocka_unit_test(test_rsa_parameters_of_either_type),
		cmocka_unit_test(test_without_the_process),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_other_kinds),
	};

	/* Once more, in a process of its own, with the filtered rows off: it is
	 * then the default provider that shares names with this one. */
	pid_t pid = fork();
	int status = 1;

	if (pid == 0) {
		setenv(TLS_PARTS_VARIABLE, "context", 1);
		return cmocka_run_group_tests(tests, NULL, NULL);
	}
	if (pid == -1 || waitpid(pid, &status, 0) != pid)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL) + (status != 0);
}
