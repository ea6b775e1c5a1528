/* SPDX-License-Identifier: ISC */
/* HMAC (RFC 2104) with SHA-256 and SHA-384, for Finished messages and
 * tickets. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include "tls/hash.h"
#include "tls/provider.h"

struct hmac {
	const struct hash *hash;     /* NULL: not set yet */
	void *inner;                 /* NULL: no key yet */
	uint8_t pad[HASH_BLOCK_MAX]; /* of the inner hash */
};

static void *
hmac_newctx(void *provider)
{
	(void)provider;
	return OPENSSL_zalloc(sizeof(struct hmac));
}

static void
hmac_freectx(void *ctx)
{
	struct hmac *m = ctx;

	if (m == NULL)
		return;
	if (m->inner != NULL)
		m->hash->freectx(m->inner);
	OPENSSL_clear_free(m, sizeof(*m));
}

/* EVP_DigestSign() duplicates contexts: TLS 1.3's PSK binders. */
static void *
hmac_dupctx(void *ctx)
{
	const struct hmac *from = ctx;
	struct hmac *m = OPENSSL_memdup(from, sizeof(*from));

	if (m == NULL || from->inner == NULL)
		return m;
	m->inner = from->hash->dupctx(from->inner);
	if (m->inner == NULL) {
		hmac_freectx(m);
		return NULL;
	}
	return m;
}

/* A context of another hash is of no use to the new one, nor is its key. */
static bool
hmac_set_hash(struct hmac *m, const OSSL_PARAM *p)
{
	const struct hash *h;

	if (p->data_type != OSSL_PARAM_UTF8_STRING)
		return false;
	h = hash_find(slice_of(p->data, p->data_size));
	if (h == NULL)
		return false;
	if (m->hash != NULL && m->hash != h && m->inner != NULL) {
		m->hash->freectx(m->inner);
		m->inner = NULL;
	}
	m->hash = h;
	return true;
}

static bool
hmac_set_key(struct hmac *m, struct slice key)
{
	if (m->hash == NULL)
		return false;
	if (m->inner == NULL)
		m->inner = hash_new(m->hash);
	return m->inner != NULL && hash_pad(m->hash, key, m->pad) &&
	       hash_begin(m->hash, m->inner, m->pad);
}

static int
hmac_set_ctx_params(void *ctx, const OSSL_PARAM params[])
{
	struct hmac *m = ctx;
	const OSSL_PARAM *digest, *key;

	if (params == NULL)
		return 1;
	digest = OSSL_PARAM_locate_const(params, OSSL_MAC_PARAM_DIGEST);
	key = OSSL_PARAM_locate_const(params, OSSL_MAC_PARAM_KEY);
	if (digest != NULL && !hmac_set_hash(m, digest))
		return 0;
	/* Records of CBC suites, for which TLS 1.2 needs more than HMAC. */
	if (OSSL_PARAM_locate_const(params, OSSL_MAC_PARAM_TLS_DATA_SIZE) !=
	    NULL)
		return 0;
	if (key == NULL)
		return 1;
	return key->data_type == OSSL_PARAM_OCTET_STRING &&
	       hmac_set_key(m, slice_of(key->data, key->data_size));
}

static int
hmac_init(
    void *ctx, const unsigned char *key, size_t len, const OSSL_PARAM params[])
{
	struct hmac *m = ctx;

	if (!hmac_set_ctx_params(m, params))
		return 0;
	if (key != NULL)
		return hmac_set_key(m, slice_of(key, len));
	/* Without one: the key of before, from the start. */
	return m->inner != NULL && hash_begin(m->hash, m->inner, m->pad);
}

static int
hmac_update(void *ctx, const unsigned char *bytes, size_t len)
{
	const struct hmac *m = ctx;

	return m->inner != NULL &&
	       (len == 0 || m->hash->update(m->inner, bytes, len) == 1);
}

static int
hmac_final(void *ctx, unsigned char *out, size_t *len, size_t size)
{
	struct hmac *m = ctx;
	uint8_t inner[HASH_SIZE_MAX];
	bool done;

	if (m->inner == NULL || size < m->hash->size)
		return 0;
	hash_turn_pad(m->hash, m->pad);
	done = hash_final(m->hash, m->inner, inner) &&
	       hash_mac_end(m->hash, m->pad, inner, out);
	hash_turn_pad(m->hash, m->pad);
	OPENSSL_cleanse(inner, sizeof(inner));
	*len = m->hash->size;
	return done;
}

static int
hmac_get_ctx_params(void *ctx, OSSL_PARAM params[])
{
	const struct hmac *m = ctx;
	OSSL_PARAM *size = OSSL_PARAM_locate(params, OSSL_MAC_PARAM_SIZE);
	OSSL_PARAM *block =
	    OSSL_PARAM_locate(params, OSSL_MAC_PARAM_BLOCK_SIZE);

	return (size == NULL ||
		   OSSL_PARAM_set_size_t(
		       size, m->hash == NULL ? 0 : m->hash->size) == 1) &&
	       (block == NULL ||
		   OSSL_PARAM_set_size_t(
		       block, m->hash == NULL ? 0 : m->hash->block) == 1);
}

static const OSSL_PARAM *
hmac_gettable_ctx_params(void *ctx, void *provider)
{
	static const OSSL_PARAM known[] = {
		OSSL_PARAM_size_t(OSSL_MAC_PARAM_SIZE, NULL),
		OSSL_PARAM_size_t(OSSL_MAC_PARAM_BLOCK_SIZE, NULL),
		OSSL_PARAM_END,
	};

	(void)ctx;
	(void)provider;
	return known;
}

static const OSSL_PARAM *
hmac_settable_ctx_params(void *ctx, void *provider)
{
	static const OSSL_PARAM known[] = {
		OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_MAC_PARAM_KEY, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)ctx;
	(void)provider;
	return known;
}

static const OSSL_DISPATCH functions[] = {
	{ OSSL_FUNC_MAC_NEWCTX, (void (*)(void))hmac_newctx },
	{ OSSL_FUNC_MAC_FREECTX, (void (*)(void))hmac_freectx },
	{ OSSL_FUNC_MAC_DUPCTX, (void (*)(void))hmac_dupctx },
	{ OSSL_FUNC_MAC_INIT, (void (*)(void))hmac_init },
	{ OSSL_FUNC_MAC_UPDATE, (void (*)(void))hmac_update },
	{ OSSL_FUNC_MAC_FINAL, (void (*)(void))hmac_final },
	{ OSSL_FUNC_MAC_SET_CTX_PARAMS, (void (*)(void))hmac_set_ctx_params },
	{ OSSL_FUNC_MAC_GET_CTX_PARAMS, (void (*)(void))hmac_get_ctx_params },
	{ OSSL_FUNC_MAC_GETTABLE_CTX_PARAMS,
	    (void (*)(void))hmac_gettable_ctx_params },
	{ OSSL_FUNC_MAC_SETTABLE_CTX_PARAMS,
	    (void (*)(void))hmac_settable_ctx_params },
	{ 0, NULL },
};

const OSSL_DISPATCH *
provider_hmac_functions(void)
{
	return functions;
}
