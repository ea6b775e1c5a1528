/* SPDX-License-Identifier: ISC */
#include "tls/sign.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "os/file.h"
#include "support/tree.h"
#include "tls/internal.h"

static char path[PATH_MAX];

static int
set_up(void **state)
{
	int failed = tree_set_up(state);

	snprintf(path, sizeof(path), "%s", tree_path("x.key"));
	return failed;
}

/* Keys as other programs make them. passphrase may be NULL. */
static void
write_key(EVP_PKEY *key, char *passphrase)
{
	BIO *bio = BIO_new_file(path, "w");
	int size = passphrase == NULL ? 0 : (int)strlen(passphrase);

	assert_non_null(key);
	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key,
			     passphrase == NULL ? NULL : EVP_aes_256_cbc(),
			     passphrase, size, NULL, NULL),
	    1);
	BIO_free(bio);
	EVP_PKEY_free(key);
}

/* NULL on success, else the reason. */
static const char *
load(struct why *why)
{
	struct sign_key *k;

	why_clear(why);
	k = sign_key_load(path, why);
	if (k == NULL)
		return why->text;
	assert_string_equal(why->text, "");
	sign_key_free(&k);
	assert_null(k);
	sign_key_free(&k);
	return NULL;
}

static void
test_round_trip(void **state)
{
	struct sign_key *k = sign_key_generate();
	struct buf pem;
	struct why why;

	(void)state;
	buf_init(&pem, 4096);
	assert_non_null(k);
	assert_true(sign_key_pem(k, &pem));
	assert_true(
	    slice_starts(buf_view(&pem), SLICE("-----BEGIN PRIVATE KEY-----")));
	assert_true(file_write(path, buf_view(&pem), 0600));
	assert_null(load(&why));
	/* A certificate may lie in the same file, before the key. */
	buf_reset(&pem);
	assert_true(buf_str(&pem, "-----BEGIN CERTIFICATE-----\nAAAA\n"
				  "-----END CERTIFICATE-----\n"));
	assert_true(sign_key_pem(k, &pem));
	assert_true(file_write(path, buf_view(&pem), 0600));
	assert_null(load(&why));
	/* All of it or nothing. */
	buf_fini(&pem);
	buf_init(&pem, 100);
	assert_false(sign_key_pem(k, &pem));
	assert_int_equal(pem.len, 0);
	buf_fini(&pem);
	sign_key_free(&k);
}

static void
test_other_keys(void **state)
{
	struct why why;

	(void)state;
	write_key(EVP_RSA_gen(2048), NULL);
	assert_null(load(&why));
	write_key(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL);
	assert_null(load(&why));
	write_key(EVP_EC_gen("P-384"), NULL);
	assert_null(load(&why));
}

static void
test_refused(void **state)
{
	static const struct {
		const char *rule;
		const char *content;
		const char *want;
	} rows[] = {
		{ "empty", "", "no PEM private key found" },
		{ "no key", "=> gemini://localhost/\n",
		    "no PEM private key found" },
		{ "cut",
		    "-----BEGIN PRIVATE KEY-----\nMIGH\n"
		    "-----END PRIVATE KEY-----\n",
		    "no PEM private key found" },
		{ "encrypted, without a prompt",
		    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
		    "MIGjMF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFDDAkBBCxKFMYP+"
		    "F5U79"
		    "Y\n-----END ENCRYPTED PRIVATE KEY-----\n",
		    "no PEM private key found" },
	};
	char passphrase[] = "open sesame";
	struct why why;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_true(file_write(path, slice_str(rows[i].content), 0600));
		check_row(load(&why) != NULL, rows[i].rule);
		check_row(strstr(why.text, rows[i].want) != NULL, rows[i].rule);
	}
	write_key(EVP_EC_gen("P-256"), passphrase);
	assert_non_null(strstr(load(&why), "encrypted"));
	why_clear(&why);
	assert_null(sign_key_load("/nonexistent/x.key", &why));
	assert_string_equal(
	    why.text, "/nonexistent/x.key: No such file or directory");
}

static void
test_private(void **state)
{
	static const struct {
		mode_t mode;
		bool want;
	} rows[] = {
		{ 0600, true },
		{ 0400, true },
		{ 0640, false },
		{ 0644, false },
		{ 0604, false },
		{ 0620, false },
		{ 0601, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(chmod(path, rows[i].mode), 0);
		assert_int_equal(sign_key_file_is_private(path), rows[i].want);
	}
	assert_true(sign_key_file_is_private("/nonexistent/x.key"));
}

/* On a stack that can be searched afterwards. */
static void *
load_apart(void *arg)
{
	struct why why;

	*(struct sign_key **)arg = sign_key_load(path, &why);
	return NULL;
}

static void *
read_apart(void *arg)
{
	uint8_t memory[4096];
	struct buf pem;

	buf_wrap(&pem, memory, sizeof(memory));
	*(bool *)arg = file_read_path(path, &pem);
	return NULL;
}

/* Whether bytes are in the stack that a thread running f has left. */
static bool
stack_has(void *(*f)(void *), void *arg, struct slice bytes)
{
	enum { STACK_SIZE = 1 << 20 };
	pthread_attr_t attributes;
	pthread_t thread;
	bool found;
	void *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(stack != MAP_FAILED);
	assert_int_equal(pthread_attr_init(&attributes), 0);
	assert_int_equal(
	    pthread_attr_setstack(&attributes, stack, STACK_SIZE), 0);
	assert_int_equal(pthread_create(&thread, &attributes, f, arg), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	pthread_attr_destroy(&attributes);
	found = memmem(stack, STACK_SIZE, bytes.ptr, bytes.len) != NULL;
	munmap(stack, STACK_SIZE);
	return found;
}

/* Part of the private number, as the file has it, and as bytes. */
static void
test_nothing_stays_on_the_stack(void **state)
{
	enum { PART = 16 };
	uint8_t pem_memory[4096], number[32];
	struct sign_key *k = NULL;
	struct slice part;
	struct buf pem;
	BIGNUM *secret = NULL;
	bool read = false;

	(void)state;
	write_key(EVP_EC_gen("P-256"), NULL);
	buf_wrap(&pem, pem_memory, sizeof(pem_memory));
	assert_true(file_read_path(path, &pem));
	part = slice_of(
	    pem.ptr + sizeof("-----BEGIN PRIVATE KEY-----") + 70, PART);
	/* The test finds what is there. */
	assert_true(stack_has(read_apart, &read, part));
	assert_true(read);
	assert_false(stack_has(load_apart, &k, part));
	assert_non_null(k);
	assert_int_equal(EVP_PKEY_get_bn_param(sign_key_peek(k),
			     OSSL_PKEY_PARAM_PRIV_KEY, &secret),
	    1);
	assert_int_equal(BN_bn2binpad(secret, number, 32), 32);
	BN_clear_free(secret);
	sign_key_free(&k);
	assert_false(stack_has(load_apart, &k, slice_of(number + PART, PART)));
	sign_key_free(&k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_other_keys),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_private),
		cmocka_unit_test(test_nothing_stays_on_the_stack),
	};

	return cmocka_run_group_tests(tests, set_up, tree_tear_down);
}
