/* SPDX-License-Identifier: ISC */
#include <openssl/pkcs12.h>

#include "support/tree.h"
#include "tls/cert.h"
#include "tls/internal.h"

static const char *const name = "a.test";

/* The file of that name, with what was written to bio. */
static const char *
write_bio(const char *file, BIO *bio)
{
	char *bytes;
	long n = BIO_get_mem_data(bio, &bytes);

	assert_true(n > 0);
	tree_write_bytes(file, slice_of(bytes, (size_t)n));
	BIO_free(bio);
	return tree_path(file);
}

static void
check_certificate(const char *path, const char *want)
{
	struct why why;
	char text[4 * PATH_MAX];

	assert_null(cert_load(path, &why));
	snprintf(text, sizeof(text), want, path, path, path);
	assert_string_equal(why.text, text);
}

static void
check_key(const char *path, const char *want)
{
	struct why why;
	char text[4 * PATH_MAX];

	assert_null(sign_key_load(path, &why));
	snprintf(text, sizeof(text), want, path, path, path);
	assert_string_equal(why.text, text);
}

#define CONVERT(kind, command, q)                                              \
	"%s: " kind ", not PEM; convert it: openssl " command " -in " q "%s" q \
	" -out " q "%s.pem" q

static void
test_certificates_that_are_not_pem(void **state)
{
	struct sign_key *key = sign_key_generate();
	struct cert *c = cert_make(key, &name, 1);
	BIO *bio = BIO_new(BIO_s_mem());
	const char *path;
	struct why why;

	(void)state;
	assert_int_equal(i2d_X509_bio(bio, c->leaf), 1);
	path = write_bio("a.crt", bio);
	check_certificate(path, CONVERT("DER", "x509 -inform DER", ""));
	check_key(path, "%s: a certificate, not a private key");
	bio = BIO_new(BIO_s_mem());
	assert_int_equal(i2d_X509_bio(bio, c->leaf), 1);
	path = write_bio("a b.crt", bio);
	check_certificate(path, CONVERT("DER", "x509 -inform DER", "'"));
	bio = BIO_new(BIO_s_mem());
	assert_int_equal(i2d_X509_bio(bio, c->leaf), 1);
	path = write_bio("it's.der", bio);
	assert_null(cert_load(path, &why));
	assert_non_null(strstr(why.text, "it'\\''s.der' -out '"));
	assert_non_null(strstr(why.text, "it'\\''s.der.pem'"));
	bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_X509(bio, c->leaf), 1);
	path = write_bio("a.crt", bio);
	check_key(path, "%s: a certificate, not a private key");
	cert_free(&c);
	sign_key_free(&key);
}

static void
test_keys_that_are_not_pem(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_mem());
	char word[] = "open sesame";
	const char *path;

	(void)state;
	assert_int_equal(i2d_PrivateKey_bio(bio, key), 1);
	path = write_bio("a.key", bio);
	check_key(path, CONVERT("DER", "pkey -inform DER", ""));
	check_certificate(path, "%s: a private key, not a certificate");
	bio = BIO_new(BIO_s_mem());
	assert_int_equal(
	    i2d_PKCS8PrivateKey_bio(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	check_key(
	    write_bio("a.key", bio), CONVERT("DER", "pkey -inform DER", ""));
	bio = BIO_new(BIO_s_mem());
	assert_int_equal(i2d_PKCS8PrivateKey_bio(bio, key, EVP_aes_128_cbc(),
			     word, (int)strlen(word), NULL, NULL),
	    1);
	check_key(
	    write_bio("a.key", bio), CONVERT("DER", "pkey -inform DER", ""));
	bio = BIO_new(BIO_s_mem());
	assert_int_equal(
	    PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL),
	    1);
	check_certificate(
	    write_bio("a.key", bio), "%s: a private key, not a certificate");
	EVP_PKEY_free(key);
}

static void
test_pkcs12(void **state)
{
	static const char word[] = "";
	EVP_PKEY *key = EVP_EC_gen("P-256");
	PKCS12 *p12 = PKCS12_create(word, NULL, key, NULL, NULL, 0, 0, 0, 0, 0);
	BIO *bio = BIO_new(BIO_s_mem());
	const char *path;

	(void)state;
	assert_non_null(p12);
	assert_int_equal(i2d_PKCS12_bio(bio, p12), 1);
	path = write_bio("a.p12", bio);
	check_certificate(path, CONVERT("PKCS#12", "pkcs12 -nodes", ""));
	check_key(path, CONVERT("PKCS#12", "pkcs12 -nodes", ""));
	PKCS12_free(p12);
	EVP_PKEY_free(key);
}

static void
test_neither(void **state)
{
	BIO *bio = BIO_new(BIO_s_mem());
	const char *path;

	(void)state;
	/* The beginning of a DER structure, and no more of it. */
	assert_int_equal(BIO_write(bio, "\x30\x82\x01\x00\x30", 5), 5);
	path = write_bio("a", bio);
	check_certificate(path, "%s: no PEM certificate found");
	check_key(path, "%s: no PEM private key found");
}

/* Another certificate first, as some authorities deliver them. */
static void
test_a_chain_in_the_wrong_order(void **state)
{
	struct sign_key *own = sign_key_generate(),
			*other = sign_key_generate();
	struct cert *c = cert_make(own, &name, 1);
	struct cert *issuer = cert_make(other, &name, 1), *chain;
	BIO *bio = BIO_new(BIO_s_mem());
	struct why why;

	(void)state;
	assert_int_equal(PEM_write_bio_X509(bio, issuer->leaf), 1);
	assert_int_equal(PEM_write_bio_X509(bio, c->leaf), 1);
	chain = cert_load(write_bio("chain.crt", bio), &why);
	assert_non_null(chain);
	assert_true(tls_chain_order(chain, other, "x", "the", &why));
	assert_false(
	    tls_chain_order(chain, own, "a.test", "the capsule's", &why));
	assert_string_equal(why.text,
	    "a.test: the capsule's own certificate must come first in its "
	    "file: it is number 2");
	assert_null(tls_client_new(chain, own, &why));
	assert_string_equal(why.text,
	    "--cert: the client's own certificate must come first in its file: "
	    "it is number 2");
	cert_free(&chain);
	cert_free(&issuer);
	cert_free(&c);
	sign_key_free(&own);
	sign_key_free(&other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certificates_that_are_not_pem),
		cmocka_unit_test(test_keys_that_are_not_pem),
		cmocka_unit_test(test_pkcs12),
		cmocka_unit_test(test_neither),
		cmocka_unit_test(test_a_chain_in_the_wrong_order),
	};

	return cmocka_run_group_tests(tests, tree_set_up, tree_tear_down);
}
