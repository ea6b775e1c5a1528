/* SPDX-License-Identifier: ISC */
#include "tls/provider_keyd.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/proverr.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <string.h>
#include <strings.h>

#include "tls/signing.h"

/* Every function and parameter below is one that libssl was seen to need:
 * without it the key is refused, or, worse, TLS 1.3 is quietly missing. */

static const char provider_name[] = "keyd";
/* By the first they are asked for, by the second avoided (library.c). */
static const char provider_rows[] = "provider=keyd,keyd.apart=yes";
static const char provider_wanted[] = "provider=keyd";

/* What provider_keyd_key gives keyd_import. */
static const char param_slot[] = "keyd-slot";
static const char param_public[] = "keyd-public";

struct keyd_key {
	EVP_PKEY *public; /* one of the default provider */
	unsigned slot;
};

/* One signature. */
struct keyd_context {
	const struct keyd_key *key; /* OpenSSL's, which outlives this */
	enum signing_scheme scheme;
	enum signing_digest digest;
};

/* ---- keys */

static void *
keyd_new(void *provider)
{
	(void)provider;
	return OPENSSL_zalloc(sizeof(struct keyd_key));
}

static void
keyd_free(void *data)
{
	struct keyd_key *key = data;

	if (key == NULL)
		return;
	EVP_PKEY_free(key->public);
	OPENSSL_free(key);
}

/* The private half too: what it is for, signing, can be done. */
static int
keyd_has(const void *data, int selection)
{
	const struct keyd_key *key = data;

	(void)selection;
	return key != NULL && key->public != NULL;
}

static int
keyd_import(void *data, int selection, const OSSL_PARAM params[])
{
	struct keyd_key *key = data;
	const OSSL_PARAM *slot = OSSL_PARAM_locate_const(params, param_slot);
	const OSSL_PARAM *public =
	    OSSL_PARAM_locate_const(params, param_public);
	const void *pointer;
	size_t size;

	(void)selection;
	if (slot == NULL || public == NULL || key->public != NULL ||
	    OSSL_PARAM_get_uint(slot, &key->slot) != 1 ||
	    OSSL_PARAM_get_octet_ptr(public, &pointer, &size) != 1)
		return 0;
	/* The struct itself is shared, with one more reference. */
	memcpy(&key->public, &pointer, sizeof(pointer));
	if (EVP_PKEY_up_ref(key->public) == 1)
		return 1;
	key->public = NULL;
	return 0;
}

static const OSSL_PARAM *
keyd_import_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_uint(param_slot, NULL),
		OSSL_PARAM_octet_ptr(param_public, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)selection;
	return types;
}

/* OpenSSL compares a key with its certificate in the certificate's provider. A
 * request for the private part fails as a whole: a copy of the public part must
 * never pass for a private key elsewhere. */
static int
keyd_export(void *data, int selection, OSSL_CALLBACK *take, void *arg)
{
	struct keyd_key *key = data;

	if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0)
		return 0;
	return EVP_PKEY_export(key->public, selection, take, arg);
}

static const OSSL_PARAM *
keyd_export_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
		OSSL_PARAM_END,
	};

	return (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 ? NULL
								  : types;
}

static int
keyd_get_params(void *data, OSSL_PARAM params[])
{
	const struct keyd_key *key = data;

	return EVP_PKEY_get_params(key->public, params);
}

static const OSSL_PARAM *
keyd_gettable_params(void *provider)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(
		    OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_utf8_string(
		    OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)provider;
	return types;
}

/* Names of our own: never found by any other key of the same kind. */
static const char *
keyd_operation_ec(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "KEYD-ECDSA" : NULL;
}

static const char *
keyd_operation_rsa(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "KEYD-RSA" : NULL;
}

static const char *
keyd_operation_pss(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "KEYD-RSA-PSS" : NULL;
}

static const char *
keyd_operation_eddsa(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "KEYD-EDDSA" : NULL;
}

/* ---- signatures */

static void *
context_new(void *provider, const char *properties)
{
	(void)provider;
	(void)properties;
	return OPENSSL_zalloc(sizeof(struct keyd_context));
}

static void
context_free(void *context)
{
	OPENSSL_free(context);
}

/* libssl uses both spellings within one handshake. */
static enum signing_digest
digest_parse(const char *name)
{
	static const struct {
		const char *name;
		enum signing_digest digest;
	} rows[] = {
		{ "SHA256", SIGNING_SHA256 },
		{ "SHA2-256", SIGNING_SHA256 },
		{ "SHA384", SIGNING_SHA384 },
		{ "SHA2-384", SIGNING_SHA384 },
		{ "SHA512", SIGNING_SHA512 },
		{ "SHA2-512", SIGNING_SHA512 },
	};

	for (size_t i = 0; name != NULL && i < sizeof(rows) / sizeof(*rows);
	     i++)
		if (strcasecmp(name, rows[i].name) == 0)
			return rows[i].digest;
	return SIGNING_NO_DIGEST;
}

/* What is not known here must fail now: the client is then sent an alert
 * instead of a signature that it cannot verify. */
static int
context_init(
    void *data, void *key, const char *digest, enum signing_scheme scheme)
{
	struct keyd_context *context = data;

	context->key = key;
	context->scheme = scheme;
	context->digest = digest_parse(digest);
	if (key == NULL)
		return 0;
	if (scheme == SIGNING_EDDSA && (digest == NULL || digest[0] == '\0'))
		return 1;
	if (scheme != SIGNING_EDDSA && context->digest != SIGNING_NO_DIGEST)
		return 1;
	ERR_raise(ERR_LIB_PROV, PROV_R_INVALID_DIGEST);
	return 0;
}

/* pad-mode comes as a number or as text, by OpenSSL's version. */
static bool
padding_parse(const OSSL_PARAM *param, enum signing_scheme *scheme)
{
	const char *text;
	int number;

	if (param->data_type == OSSL_PARAM_UTF8_STRING) {
		text = param->data;
		number = strcmp(text, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0
			     ? RSA_PKCS1_PADDING
			 : strcmp(text, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0
			     ? RSA_PKCS1_PSS_PADDING
			     : 0;
	} else if (OSSL_PARAM_get_int(param, &number) != 1) {
		return false;
	}
	if (number == RSA_PKCS1_PADDING)
		*scheme = SIGNING_RSA_PKCS1;
	else if (number == RSA_PKCS1_PSS_PADDING)
		*scheme = SIGNING_RSA_PSS;
	else
		return false;
	return true;
}

/* A salt as long as the digest: the only one of TLS (RFC 8446 4.2.3). */
static bool
salt_is_digest(const OSSL_PARAM *param)
{
	int number;

	if (param->data_type == OSSL_PARAM_UTF8_STRING)
		return strcmp(param->data, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) ==
		       0;
	return OSSL_PARAM_get_int(param, &number) == 1 &&
	       number == RSA_PSS_SALTLEN_DIGEST;
}

static int
rsa_set_params(void *data, const OSSL_PARAM params[])
{
	struct keyd_context *context = data;
	const OSSL_PARAM *param;

	if (params == NULL)
		return 1;
	param = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	if (param != NULL && !padding_parse(param, &context->scheme))
		return 0;
	param =
	    OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
	return param == NULL || salt_is_digest(param);
}

static const OSSL_PARAM *
rsa_settable_params(void *context, void *provider)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_int(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL),
		OSSL_PARAM_utf8_string(
		    OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)context;
	(void)provider;
	return types;
}

static int
ec_sign_init(
    void *context, const char *digest, void *key, const OSSL_PARAM params[])
{
	(void)params;
	return context_init(context, key, digest, SIGNING_ECDSA);
}

static int
rsa_sign_init(
    void *context, const char *digest, void *key, const OSSL_PARAM params[])
{
	return context_init(context, key, digest, SIGNING_RSA_PKCS1) &&
	       rsa_set_params(context, params);
}

/* A key may be for one digest only. libssl tries here which it may choose. */
static bool
pss_allows(const struct keyd_key *key, enum signing_digest digest)
{
	enum { MANDATORY = 2 }; /* EVP_PKEY_get_default_digest_name(3) */
	char only[32];

	return EVP_PKEY_get_default_digest_name(
		   key->public, only, sizeof(only)) != MANDATORY ||
	       digest_parse(only) == digest;
}

static int
pss_sign_init(
    void *data, const char *digest, void *key, const OSSL_PARAM params[])
{
	struct keyd_context *context = data;

	if (!context_init(context, key, digest, SIGNING_RSA_PSS))
		return 0;
	if (!pss_allows(key, context->digest)) {
		ERR_raise(ERR_LIB_PROV, PROV_R_DIGEST_NOT_ALLOWED);
		return 0;
	}
	return rsa_set_params(context, params);
}

static int
eddsa_sign_init(
    void *context, const char *digest, void *key, const OSSL_PARAM params[])
{
	(void)params;
	return context_init(context, key, digest, SIGNING_EDDSA);
}

/* Without out: how long it may be, for which nobody need be asked. */
static int
context_sign(void *data, unsigned char *out, size_t *len, size_t room,
    const unsigned char *input, size_t input_len)
{
	const struct keyd_context *context = data;
	int most = EVP_PKEY_get_size(context->key->public);

	if (most <= 0)
		return 0;
	if (out == NULL) {
		*len = (size_t)most;
		return 1;
	}
	*len = signing_sign(context->key->slot, context->scheme,
	    context->digest, slice_of(input, input_len), out, room);
	if (*len > 0 && *len <= (size_t)most)
		return 1;
	ERR_raise_data(
	    ERR_LIB_PROV, PROV_R_FAILED_TO_SIGN, "keyd did not sign");
	return 0;
}

/* ---- tables */

/* OpenSSL's tables hold any function as void (*)(void). */
#define ROW(id, function)                                                      \
	{                                                                      \
		id, (void (*)(void))(function)                                 \
	}
#define ROW_END                                                                \
	{                                                                      \
		0, NULL                                                        \
	}

#define KEYS(operation)                                                        \
	{                                                                      \
		ROW(OSSL_FUNC_KEYMGMT_NEW, keyd_new),                          \
		    ROW(OSSL_FUNC_KEYMGMT_FREE, keyd_free),                    \
		    ROW(OSSL_FUNC_KEYMGMT_HAS, keyd_has),                      \
		    ROW(OSSL_FUNC_KEYMGMT_IMPORT, keyd_import),                \
		    ROW(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, keyd_import_types),    \
		    ROW(OSSL_FUNC_KEYMGMT_EXPORT, keyd_export),                \
		    ROW(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, keyd_export_types),    \
		    ROW(OSSL_FUNC_KEYMGMT_GET_PARAMS, keyd_get_params),        \
		    ROW(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS,                     \
			keyd_gettable_params),                                 \
		    ROW(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, operation),    \
		    ROW_END,                                                   \
	}

#define SIGNATURE(init, ...)                                                   \
	{                                                                      \
		ROW(OSSL_FUNC_SIGNATURE_NEWCTX, context_new),                  \
		    ROW(OSSL_FUNC_SIGNATURE_FREECTX, context_free),            \
		    ROW(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, init),           \
		    ROW(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, context_sign),        \
		    __VA_ARGS__ ROW_END,                                       \
	}

#define RSA_PARAMS                                                             \
	ROW(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, rsa_set_params),               \
	    ROW(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, rsa_settable_params),

static const OSSL_DISPATCH keys_ec[] = KEYS(keyd_operation_ec);
static const OSSL_DISPATCH keys_rsa[] = KEYS(keyd_operation_rsa);
static const OSSL_DISPATCH keys_pss[] = KEYS(keyd_operation_pss);
static const OSSL_DISPATCH keys_eddsa[] = KEYS(keyd_operation_eddsa);
static const OSSL_DISPATCH sign_ec[] = SIGNATURE(ec_sign_init, );
static const OSSL_DISPATCH sign_rsa[] = SIGNATURE(rsa_sign_init, RSA_PARAMS);
static const OSSL_DISPATCH sign_pss[] = SIGNATURE(pss_sign_init, RSA_PARAMS);
static const OSSL_DISPATCH sign_eddsa[] = SIGNATURE(eddsa_sign_init, );

static const OSSL_ALGORITHM keys[] = {
	{ "EC", provider_rows, keys_ec, NULL },
	{ "RSA", provider_rows, keys_rsa, NULL },
	{ "RSA-PSS", provider_rows, keys_pss, NULL },
	{ "ED25519", provider_rows, keys_eddsa, NULL },
	{ "ED448", provider_rows, keys_eddsa, NULL },
	{ NULL, NULL, NULL, NULL },
};

static const OSSL_ALGORITHM signatures[] = {
	{ "KEYD-ECDSA", provider_rows, sign_ec, NULL },
	{ "KEYD-RSA", provider_rows, sign_rsa, NULL },
	{ "KEYD-RSA-PSS", provider_rows, sign_pss, NULL },
	{ "KEYD-EDDSA", provider_rows, sign_eddsa, NULL },
	{ NULL, NULL, NULL, NULL },
};

static const OSSL_ALGORITHM *
provider_query(void *provider, int operation, int *no_store)
{
	(void)provider;
	*no_store = 0;
	return operation == OSSL_OP_KEYMGMT     ? keys
	       : operation == OSSL_OP_SIGNATURE ? signatures
						: NULL;
}

/* OSSL_provider_init's. */
static int
provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *core,
    const OSSL_DISPATCH **out, void **provider)
{
	static const OSSL_DISPATCH table[] = {
		ROW(OSSL_FUNC_PROVIDER_QUERY_OPERATION, provider_query),
		ROW_END,
	};

	(void)core;
	*out = table;
	*provider = (void *)(uintptr_t)handle; /* only has to be something */
	return 1;
}

bool
provider_keyd_add(OSSL_LIB_CTX *lib)
{
	return OSSL_PROVIDER_add_builtin(lib, provider_name, provider_init) ==
		   1 &&
	       OSSL_PROVIDER_load(lib, provider_name) != NULL;
}

/* OpenSSL asks this provider for a key's kind when it signs, and remembers the
 * answer; a request for that kind from any provider then gets the answer that
 * was remembered first. So the right one must be. */
bool
provider_keyd_hide(OSSL_LIB_CTX *lib)
{
	bool hidden = true;

	for (const OSSL_ALGORITHM *row = keys; row->algorithm_names != NULL;
	     row++) {
		EVP_KEYMGMT *found =
		    EVP_KEYMGMT_fetch(lib, row->algorithm_names, NULL);

		if (found == NULL ||
		    strcmp(OSSL_PROVIDER_get0_name(
			       EVP_KEYMGMT_get0_provider(found)),
			provider_name) == 0)
			hidden = false;
		EVP_KEYMGMT_free(found);
	}
	return hidden;
}

EVP_PKEY *
provider_keyd_key(OSSL_LIB_CTX *lib, EVP_PKEY *public, unsigned slot)
{
	const char *kind = EVP_PKEY_get0_type_name(public);
	EVP_PKEY_CTX *ctx = NULL;
	EVP_PKEY *key = NULL;
	void *pointer = public;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_uint(param_slot, &slot),
		OSSL_PARAM_construct_octet_ptr(
		    param_public, &pointer, sizeof(pointer)),
		OSSL_PARAM_construct_end(),
	};

	if (kind != NULL)
		ctx = EVP_PKEY_CTX_new_from_name(lib, kind, provider_wanted);
	if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1)
		EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params);
	EVP_PKEY_CTX_free(ctx);
	return key;
}
