/* SPDX-License-Identifier: ISC */
#include "tls/library.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include "tls/parts.h"
#include "tls/provider.h"
#include "tls/provider_keyd.h"
#include "tls/self_test.h"

/* Where several providers have the same algorithm: ours before all others, and
 * last keys that are apart, which can do nothing but sign. Which one was loaded
 * first must not matter. */
static const char preferred[] = "?provider=carnation,?keyd.apart!=yes";

OSSL_PROVIDER *
tls_library_default(void)
{
	static OSSL_PROVIDER *provider;

	if (provider == NULL)
		provider = OSSL_PROVIDER_try_load(NULL, "default", 1);
	return provider;
}

struct slice
tls_library_name(const OSSL_ALGORITHM *row)
{
	struct slice name, rest;

	slice_cut(slice_str(row->algorithm_names), ':', &name, &rest);
	return name;
}

const OSSL_DISPATCH *
tls_library_functions(int operation, const char *name)
{
	OSSL_PROVIDER *from = tls_library_default();
	const OSSL_ALGORITHM *row = NULL;
	int no_store;

	if (from != NULL)
		row = OSSL_PROVIDER_query_operation(from, operation, &no_store);
	for (; row != NULL && row->algorithm_names != NULL; row++)
		if (slice_equal_nocase(tls_library_name(row), slice_str(name)))
			return row->implementation;
	return NULL;
}

const OSSL_DISPATCH *
tls_library_function(const OSSL_DISPATCH *functions, int id)
{
	static const OSSL_DISPATCH end;

	if (functions == NULL)
		return &end;
	while (functions->function_id != 0 && functions->function_id != id)
		functions++;
	return functions;
}

/* Keys of another process have the usual names, and any other use of a name must
 * not find them: their provider comes last. The providers stay loaded as long as
 * the context lives. */
static OSSL_LIB_CTX *
library_make(void)
{
	OSSL_LIB_CTX *made = OSSL_LIB_CTX_new();

	if (made != NULL && provider_add(made) &&
	    (tls_part_on(TLS_PART_CONTEXT) ||
		OSSL_PROVIDER_load(made, "default") != NULL) &&
	    provider_keyd_add(made) &&
	    EVP_set_default_properties(made, preferred) == 1 &&
	    provider_keyd_hide(made))
		return made;
	OSSL_LIB_CTX_free(made);
	return NULL;
}

/* What OpenSSL's older functions look up by name: digests, for signatures of
 * certificates (X509_get_signature_info(3)) and for RSA-PSS; ciphers, for keys
 * with a passphrase, of which we only say that they have one. */
static bool
names_add(void)
{
	const EVP_MD *const digests[] = { EVP_md5(), EVP_sha1(), EVP_sha224(),
		EVP_sha256(), EVP_sha384(), EVP_sha512(), EVP_sha3_224(),
		EVP_sha3_256(), EVP_sha3_384(), EVP_sha3_512(), NULL };
	const EVP_CIPHER *const ciphers[] = { EVP_des_cbc(), EVP_des_ede3_cbc(),
		EVP_aes_128_cbc(), EVP_aes_192_cbc(), EVP_aes_256_cbc(),
		EVP_camellia_128_cbc(), EVP_camellia_192_cbc(),
		EVP_camellia_256_cbc(), EVP_aria_128_cbc(), EVP_aria_192_cbc(),
		EVP_aria_256_cbc(), NULL };
	bool added = true;

	for (size_t i = 0; digests[i] != NULL; i++)
		added = EVP_add_digest(digests[i]) == 1 && added;
	for (size_t i = 0; ciphers[i] != NULL; i++)
		added = EVP_add_cipher(ciphers[i]) == 1 && added;
	return added;
}

OSSL_LIB_CTX *
tls_library_start(void)
{
	OSSL_LIB_CTX *server;

	if (!tls_part_on(TLS_PART_CONTEXT))
		return tls_library_server();
	OPENSSL_init_crypto(
	    OPENSSL_INIT_NO_ADD_ALL_CIPHERS | OPENSSL_INIT_NO_ADD_ALL_DIGESTS,
	    NULL);
	server = tls_library_server();
	return names_add() ? server : NULL;
}

/* Turns off the first part whose self-test fails. False when one did: the
 * context is to be made again without it. */
static bool
library_test(OSSL_LIB_CTX *made)
{
	static const struct {
		enum tls_part part;
		bool (*test)(OSSL_LIB_CTX *);
	} tests[] = {
		{ TLS_PART_CONTEXT, self_test_context },
		{ TLS_PART_KEY_SCHEDULE, self_test_key_schedule },
		{ TLS_PART_KEY_PAIR, self_test_key_pair },
	};

	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
		if (!tls_part_on(tests[i].part) || tests[i].test(made))
			continue;
		ERR_clear_error();
		tls_part_fail(tests[i].part, "self-test failed");
		return false;
	}
	return true;
}

OSSL_LIB_CTX *
tls_library_server(void)
{
	static OSSL_LIB_CTX *server;
	OSSL_LIB_CTX *made;

	while (server == NULL) {
		made = library_make();
		if (made == NULL)
			return NULL;
		if (library_test(made))
			server = made;
		else
			OSSL_LIB_CTX_free(made);
	}
	return server;
}
