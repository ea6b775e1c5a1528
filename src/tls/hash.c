/* SPDX-License-Identifier: ISC */
#include "tls/hash.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <string.h>

#include "tls/library.h"

enum { INNER = 0x36, OUTER = 0x5c }; /* RFC 2104 2 */

static struct hash hashes[] = {
	{ .names = { "SHA2-256", "SHA256" }, .size = 32, .block = 64 },
	{ .names = { "SHA2-384", "SHA384" }, .size = 48, .block = 128 },
};

enum { HASHES = sizeof(hashes) / sizeof(*hashes) };

/* ---- asking the default provider */

/* Whether the sizes are those that we reckon with. */
static bool
hash_has_sizes(const struct hash *h, OSSL_FUNC_digest_get_params_fn *get)
{
	size_t size = 0, block = 0;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_size_t(OSSL_DIGEST_PARAM_SIZE, &size),
		OSSL_PARAM_construct_size_t(
		    OSSL_DIGEST_PARAM_BLOCK_SIZE, &block),
		OSSL_PARAM_construct_end(),
	};

	return get != NULL && get(params) == 1 && size == h->size &&
	       block == h->block;
}

static bool
hash_take(struct hash *h, OSSL_PROVIDER *provider)
{
	const OSSL_DISPATCH *all =
	    tls_library_functions(OSSL_OP_DIGEST, h->names[0]);

	h->newctx = OSSL_FUNC_digest_newctx(
	    tls_library_function(all, OSSL_FUNC_DIGEST_NEWCTX));
	h->freectx = OSSL_FUNC_digest_freectx(
	    tls_library_function(all, OSSL_FUNC_DIGEST_FREECTX));
	h->dupctx = OSSL_FUNC_digest_dupctx(
	    tls_library_function(all, OSSL_FUNC_DIGEST_DUPCTX));
	h->init = OSSL_FUNC_digest_init(
	    tls_library_function(all, OSSL_FUNC_DIGEST_INIT));
	h->update = OSSL_FUNC_digest_update(
	    tls_library_function(all, OSSL_FUNC_DIGEST_UPDATE));
	h->final = OSSL_FUNC_digest_final(
	    tls_library_function(all, OSSL_FUNC_DIGEST_FINAL));
	if (h->newctx == NULL || h->freectx == NULL || h->dupctx == NULL ||
	    h->init == NULL || h->update == NULL || h->final == NULL ||
	    !hash_has_sizes(h, OSSL_FUNC_digest_get_params(tls_library_function(
				   all, OSSL_FUNC_DIGEST_GET_PARAMS))))
		return false;
	h->scratch = h->newctx(OSSL_PROVIDER_get0_provider_ctx(provider));
	return h->scratch != NULL && h->init(h->scratch, NULL) == 1 &&
	       hash_final(h, h->scratch, h->empty);
}

bool
hash_prepare(void)
{
	OSSL_PROVIDER *provider = tls_library_default();

	for (size_t i = 0; i < HASHES; i++)
		if (hashes[i].scratch == NULL &&
		    (provider == NULL || !hash_take(&hashes[i], provider)))
			return false;
	return true;
}

const struct hash *
hash_find(struct slice name)
{
	for (size_t i = 0; i < HASHES; i++)
		for (size_t j = 0; j < 2; j++)
			if (slice_equal_nocase(
				name, slice_str(hashes[i].names[j])))
				return &hashes[i];
	return NULL;
}

/* ---- hashing */

void *
hash_new(const struct hash *h)
{
	/* cppcheck takes the function's type for a number. */
	void *ctx =
	    h->newctx(OSSL_PROVIDER_get0_provider_ctx(tls_library_default()));

	return ctx;
}

bool
hash_begin(const struct hash *h, void *ctx, const uint8_t *pad)
{
	return h->init(ctx, NULL) == 1 && h->update(ctx, pad, h->block) == 1;
}

/* What ctx held was made of secrets, and some functions leave the last block in
 * it: other bytes take its place. */
bool
hash_final(const struct hash *h, void *ctx, uint8_t *out)
{
	static const uint8_t zeros[HASH_BLOCK_MAX];
	size_t len;

	return h->final(ctx, out, &len, h->size) == 1 && len == h->size &&
	       h->init(ctx, NULL) == 1 &&
	       h->update(ctx, zeros, h->block - 1) == 1;
}

/* ---- HMAC */

static void
pad_add(uint8_t *pad, size_t len, uint8_t what)
{
	for (size_t i = 0; i < len; i++)
		pad[i] ^= what;
}

bool
hash_pad(const struct hash *h, struct slice key, uint8_t *pad)
{
	bool done = true;

	memset(pad, 0, h->block);
	if (key.len > h->block)
		done = h->init(h->scratch, NULL) == 1 &&
		       h->update(h->scratch, key.ptr, key.len) == 1 &&
		       hash_final(h, h->scratch, pad);
	else if (key.len > 0)
		memcpy(pad, key.ptr, key.len);
	pad_add(pad, h->block, INNER);
	return done;
}

void
hash_turn_pad(const struct hash *h, uint8_t *pad)
{
	pad_add(pad, h->block, INNER ^ OUTER);
}

bool
hash_mac_end(const struct hash *h, const uint8_t *outer, const uint8_t *inner,
    uint8_t *out)
{
	return hash_begin(h, h->scratch, outer) &&
	       h->update(h->scratch, inner, h->size) == 1 &&
	       hash_final(h, h->scratch, out);
}

bool
hash_mac(const struct hash *h, struct slice key, const struct slice *parts,
    size_t n, uint8_t *out)
{
	uint8_t pad[HASH_BLOCK_MAX], inner[HASH_SIZE_MAX];
	bool done = hash_pad(h, key, pad) && hash_begin(h, h->scratch, pad);

	for (size_t i = 0; i < n; i++)
		if (done && parts[i].len > 0)
			done = h->update(
				   h->scratch, parts[i].ptr, parts[i].len) == 1;
	done = done && hash_final(h, h->scratch, inner);
	hash_turn_pad(h, pad);
	done = done && hash_mac_end(h, pad, inner, out);
	OPENSSL_cleanse(pad, sizeof(pad));
	OPENSSL_cleanse(inner, sizeof(inner));
	return done;
}
