/* SPDX-License-Identifier: ISC */
/* Pairs that the process with the keys refuses. */
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <string.h>

#include "support/apart.h"
#include "support/tree.h"
#include "tls/internal.h"
#include "tls/signer.h"

static const struct tls_settings defaults;

static char paths[2][PATH_MAX];

static int
set_up(void **state)
{
	int failed = tree_set_up(state);

	snprintf(paths[0], sizeof(paths[0]), "%s", tree_path("one.key"));
	snprintf(paths[1], sizeof(paths[1]), "%s", tree_path("two.key"));
	return failed;
}

static struct signer *
signer_make(void)
{
	struct why why;
	struct signer *s = signer_new(&defaults, &why);

	assert_non_null(s);
	return s;
}

/* A private number with the public key of another one, in one file: what
 * OpenSSL compares with a certificate is right, what it signs is not. */
static EVP_PKEY *
key_lie(EVP_PKEY *private, EVP_PKEY *public)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	uint8_t point[128];
	OSSL_PARAM *params;
	BIGNUM *number = NULL;
	EVP_PKEY *key = NULL;
	size_t len;

	assert_int_equal(
	    EVP_PKEY_get_bn_param(private, OSSL_PKEY_PARAM_PRIV_KEY, &number),
	    1);
	assert_int_equal(
	    EVP_PKEY_get_octet_string_param(
		public, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &len),
	    1);
	OSSL_PARAM_BLD_push_utf8_string(
	    build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
	OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, number);
	OSSL_PARAM_BLD_push_octet_string(
	    build, OSSL_PKEY_PARAM_PUB_KEY, point, len);
	params = OSSL_PARAM_BLD_to_param(build);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(ctx);
	BN_free(number);
	return key;
}

static void
test_key_that_lies(void **state)
{
	EVP_PKEY *right = apart_make_key("P-256");
	EVP_PKEY *wrong = apart_make_key("P-256");
	EVP_PKEY *lie = key_lie(wrong, right);
	struct cert *cert = apart_write_pair(right, paths[0], "one.test");
	struct signer *s = signer_make();
	struct signer_pair pair = { "one.test", NULL, paths[0], cert };
	struct cert *other;
	struct why why;

	(void)state;
	assert_true(signer_add(s, &pair, &why));
	other = apart_write_pair(lie, paths[1], "one.test");
	pair.key_path = paths[1];
	assert_false(signer_add(s, &pair, &why));
	assert_non_null(strstr(why.text,
	    "one.test: the private key does not make signatures that the "
	    "certificate verifies"));
	signer_free(&s);
	assert_null(s);
	signer_free(&s); /* harmless */
	cert_free(&cert);
	cert_free(&other);
	EVP_PKEY_free(right);
	EVP_PKEY_free(wrong);
	EVP_PKEY_free(lie);
}

static void
test_pair_refused(void **state)
{
	EVP_PKEY *key[2] = { apart_make_key("P-256"), apart_make_key("P-256") };
	struct cert *cert[2];
	struct signer *s = signer_make();
	struct signer_pair pair = { "one.test", NULL, paths[1], NULL };
	struct why why;

	(void)state;
	for (int i = 0; i < 2; i++)
		cert[i] = apart_write_pair(
		    key[i], paths[i], i == 0 ? "one.test" : "two.test");
	pair.cert = cert[0];
	assert_false(signer_add(s, &pair, &why));
	assert_string_equal(why.text,
	    "one.test: the private key does not match the certificate");
	pair.crt_path = "certs/one.test.crt";
	assert_false(signer_add(s, &pair, &why));
	assert_non_null(strstr(why.text, "private key "));
	assert_non_null(strstr(why.text, "does not match certificate "
					 "certs/one.test.crt; restore"));
	sk_X509_push(cert[0]->chain, X509_dup(cert[1]->leaf));
	assert_false(signer_add(s, &pair, &why));
	assert_non_null(strstr(why.text,
	    "certs/one.test.crt: the capsule's own certificate must come "
	    "first"));
	pair.key_path = "/nonexistent/x.key";
	assert_false(signer_add(s, &pair, &why));
	assert_string_equal(
	    why.text, "/nonexistent/x.key: No such file or directory");
	pair.key_path = paths[0];
	assert_true(signer_add(s, &pair, &why));
	signer_free(&s);
	for (int i = 0; i < 2; i++) {
		cert_free(&cert[i]);
		EVP_PKEY_free(key[i]);
	}
}

/* A kind that the trial handshake knows to be of no use. */
static void
test_no_client_can_connect(void **state)
{
	EVP_PKEY *key = apart_make_key("secp256k1");
	struct cert *cert = apart_write_pair(key, paths[0], "one.test");
	const struct signer_pair pair = { "one.test", NULL, paths[0], cert };
	struct signer *s = signer_make();
	struct why why;

	(void)state;
	assert_false(signer_add(s, &pair, &why));
	assert_non_null(strstr(
	    why.text, "one.test: no client can connect with this certificate"));
	signer_free(&s);
	cert_free(&cert);
	EVP_PKEY_free(key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key_that_lies),
		cmocka_unit_test(test_pair_refused),
		cmocka_unit_test(test_no_client_can_connect),
	};

	return cmocka_run_group_tests(tests, set_up, tree_tear_down);
}
