/* SPDX-License-Identifier: ISC */
/* TLS13-KDF, the key schedule of TLS 1.3 (RFC 8446 7.1), as libssl calls it: all
 * parameters with each derivation, and no more output than one hash. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

#include "tls/hash.h"
#include "tls/provider.h"

enum {
	LABEL_MAX =
	    255, /* bytes of a label with its prefix, and of a context */
	/* HkdfLabel: a length of two bytes, and two vectors */
	HKDF_LABEL_MAX = 2 + 2 * (1 + LABEL_MAX),
};

/* What a derivation is given; a NULL pointer: not given. */
struct kdf_input {
	const struct hash *hash;
	int mode;
	struct slice key, salt, prefix, label, data;
};

/* The octet strings and where they go. */
static struct slice *
input_field(struct kdf_input *in, const char *key)
{
	if (strcmp(key, OSSL_KDF_PARAM_KEY) == 0)
		return &in->key;
	if (strcmp(key, OSSL_KDF_PARAM_PREFIX) == 0)
		return &in->prefix;
	if (strcmp(key, OSSL_KDF_PARAM_LABEL) == 0)
		return &in->label;
	if (strcmp(key, OSSL_KDF_PARAM_DATA) == 0)
		return &in->data;
	if (strcmp(key, OSSL_KDF_PARAM_SALT) == 0)
		return &in->salt;
	return NULL;
}

/* False when the value of p is invalid. Parameters of other names are
 * ignored, as by all providers. */
static bool
input_take(struct kdf_input *in, const OSSL_PARAM *p)
{
	struct slice *field;

	if (strcmp(p->key, OSSL_KDF_PARAM_MODE) == 0)
		return OSSL_PARAM_get_int(p, &in->mode) == 1;
	if (strcmp(p->key, OSSL_KDF_PARAM_DIGEST) == 0) {
		in->hash = p->data_type != OSSL_PARAM_UTF8_STRING
			       ? NULL
			       : hash_find(slice_of(p->data, p->data_size));
		return in->hash != NULL;
	}
	field = input_field(in, p->key);
	if (field == NULL)
		return true;
	*field = slice_of(p->data, p->data_size);
	return p->data_type == OSSL_PARAM_OCTET_STRING && p->data != NULL;
}

static void
put(uint8_t **at, struct slice s)
{
	if (s.len > 0)
		memcpy(*at, s.ptr, s.len);
	*at += s.len;
}

/* HKDF-Expand-Label(secret, label, context, len), RFC 8446 7.1, for one round of
 * HKDF-Expand (RFC 5869 2.3): HMAC(secret, HkdfLabel | 1). */
static bool
kdf_expand(const struct kdf_input *in, struct slice secret,
    struct slice context, uint8_t *out, size_t len)
{
	size_t label_len = in->prefix.len + in->label.len;
	uint8_t info[HKDF_LABEL_MAX], whole[HASH_SIZE_MAX], *at = info;
	struct slice parts[2] = { { .ptr = info }, SLICE("\x01") };
	bool done;

	if (in->prefix.len > LABEL_MAX || in->label.len > LABEL_MAX ||
	    label_len > LABEL_MAX || context.len > LABEL_MAX || len == 0 ||
	    len > in->hash->size)
		return false;
	*at++ = 0;
	*at++ = (uint8_t)len;
	*at++ = (uint8_t)label_len;
	put(&at, in->prefix);
	put(&at, in->label);
	*at++ = (uint8_t)context.len;
	put(&at, context);
	parts[0].len = (size_t)(at - info);
	done = hash_mac(in->hash, secret, parts, 2, whole);
	if (done)
		memcpy(out, whole, len);
	OPENSSL_cleanse(whole, sizeof(whole));
	return done;
}

/* The next secret down the schedule: HKDF-Extract of the key, salted by what is
 * derived from the secret before. What is not given is zeros. */
static bool
kdf_extract(const struct kdf_input *in, uint8_t *out, size_t len)
{
	static const uint8_t zeros[HASH_SIZE_MAX];
	const struct hash *h = in->hash;
	struct slice key = in->key, salt = slice_of(zeros, h->size);
	uint8_t derived[HASH_SIZE_MAX];
	bool done = true;

	if (len != h->size)
		return false;
	if (key.ptr == NULL)
		key = slice_of(zeros, h->size);
	if (in->salt.ptr != NULL) {
		done = kdf_expand(in, in->salt, slice_of(h->empty, h->size),
		    derived, h->size);
		salt = slice_of(derived, h->size);
	}
	done = done && hash_mac(h, salt, &key, 1, out);
	OPENSSL_cleanse(derived, sizeof(derived));
	return done;
}

static int
kdf_derive(void *ctx, unsigned char *out, size_t len, const OSSL_PARAM params[])
{
	struct kdf_input in = { .mode = -1 };

	(void)ctx;
	for (; params != NULL && params->key != NULL; params++)
		if (!input_take(&in, params))
			return 0;
	if (in.hash == NULL)
		return 0;
	if (in.mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY)
		return kdf_extract(&in, out, len);
	if (in.mode == EVP_KDF_HKDF_MODE_EXPAND_ONLY && in.key.ptr != NULL)
		return kdf_expand(&in, in.key, in.data, out, len);
	return 0;
}

/* A context holds nothing, so there is one for all. */
static void *
kdf_newctx(void *provider)
{
	static char one;

	(void)provider;
	return &one;
}

static void
kdf_freectx(void *ctx)
{
	(void)ctx;
}

/* Parameters ahead of a derivation would be forgotten: they are refused. */
static int
kdf_set_ctx_params(void *ctx, const OSSL_PARAM params[])
{
	(void)ctx;
	return params == NULL || params->key == NULL;
}

static const OSSL_DISPATCH functions[] = {
	{ OSSL_FUNC_KDF_NEWCTX, (void (*)(void))kdf_newctx },
	{ OSSL_FUNC_KDF_FREECTX, (void (*)(void))kdf_freectx },
	{ OSSL_FUNC_KDF_DERIVE, (void (*)(void))kdf_derive },
	{ OSSL_FUNC_KDF_SET_CTX_PARAMS, (void (*)(void))kdf_set_ctx_params },
	{ 0, NULL },
};

const OSSL_DISPATCH *
provider_kdf_functions(void)
{
	return functions;
}
