/* SPDX-License-Identifier: ISC */
/* Key pairs of X25519 as RFC 7748 6.1 defines them: X25519(a, 9). OpenSSL
 * multiplies any point in assembly where the processor allows it, but the base
 * point in C, so that what it does for any other point takes less time. All
 * arithmetic is the default provider's. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <time.h>

#include "tls/library.h"
#include "tls/provider.h"
#include "util/slice.h"

enum {
	FUNCTIONS_MAX = 48,
	RACE_ROUNDS = 20, /* a pair takes some 50 us */
};

/* What gen is asked for. */
struct generation {
	int selection;
};

/* The default provider's functions, and ours in place of some. */
static struct {
	void *provider;
	OSSL_FUNC_keymgmt_new_fn *new;
	OSSL_FUNC_keymgmt_free_fn *free;
	OSSL_FUNC_keymgmt_import_fn *import;
	OSSL_FUNC_keymgmt_gen_init_fn *gen_init;
	OSSL_FUNC_keymgmt_gen_fn *gen;
	OSSL_FUNC_keymgmt_gen_cleanup_fn *gen_cleanup;
	OSSL_FUNC_keyexch_newctx_fn *newctx;
	OSSL_FUNC_keyexch_freectx_fn *freectx;
	OSSL_FUNC_keyexch_init_fn *init;
	OSSL_FUNC_keyexch_set_peer_fn *set_peer;
	OSSL_FUNC_keyexch_derive_fn *derive;
	void *base; /* a public key: 9 */
	bool faster;
	OSSL_DISPATCH functions[FUNCTIONS_MAX];
} x25519;

static uint8_t nine[X25519_SIZE] = { 9 };

/* ---- our functions */

/* A key of the default provider with these halves, or NULL. */
static void *
key_make(uint8_t *secret, uint8_t *public)
{
	OSSL_PARAM params[3], *p = params;
	int selection = OSSL_KEYMGMT_SELECT_PUBLIC_KEY;
	void *key = x25519.new(x25519.provider);

	*p++ = OSSL_PARAM_construct_octet_string(
	    OSSL_PKEY_PARAM_PUB_KEY, public, X25519_SIZE);
	if (secret != NULL) {
		selection |= OSSL_KEYMGMT_SELECT_PRIVATE_KEY;
		*p++ = OSSL_PARAM_construct_octet_string(
		    OSSL_PKEY_PARAM_PRIV_KEY, secret, X25519_SIZE);
	}
	*p = OSSL_PARAM_construct_end();
	if (key == NULL || x25519.import(key, selection, params) == 1)
		return key;
	x25519.free(key);
	return NULL;
}

bool
provider_x25519_public(uint8_t secret[X25519_SIZE], uint8_t out[X25519_SIZE])
{
	/* Derivation wants a whole pair, but uses its private half alone. */
	void *key = key_make(secret, nine);
	void *ctx = key != NULL ? x25519.newctx(x25519.provider) : NULL;
	size_t len = X25519_SIZE;
	bool done = ctx != NULL && x25519.init(ctx, key, NULL) == 1 &&
		    x25519.set_peer(ctx, x25519.base) == 1 &&
		    x25519.derive(ctx, out, &len, X25519_SIZE) == 1 &&
		    len == X25519_SIZE;

	if (ctx != NULL)
		x25519.freectx(ctx);
	if (key != NULL)
		x25519.free(key);
	return done;
}

static void *
pair_make(void)
{
	uint8_t secret[X25519_SIZE], public[X25519_SIZE];
	void *key = NULL;

	if (RAND_priv_bytes(secret, sizeof(secret)) == 1) {
		/* As RFC 7748 5 decodes it. */
		secret[0] &= 248;
		secret[X25519_SIZE - 1] &= 127;
		secret[X25519_SIZE - 1] |= 64;
		if (provider_x25519_public(secret, public))
			key = key_make(secret, public);
	}
	OPENSSL_cleanse(secret, sizeof(secret));
	return key;
}

/* The only parameter is the group, and there is only one. */
static int
x25519_gen_set_params(void *generation, const OSSL_PARAM params[])
{
	const OSSL_PARAM *group =
	    params == NULL
		? NULL
		: OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_GROUP_NAME);

	(void)generation;
	return group == NULL ||
	       (group->data_type == OSSL_PARAM_UTF8_STRING &&
		   slice_equal_nocase(slice_of(group->data, group->data_size),
		       SLICE("X25519")));
}

static void *
x25519_gen_init(void *provider, int selection, const OSSL_PARAM params[])
{
	struct generation *g;

	(void)provider;
	if (!x25519_gen_set_params(NULL, params))
		return NULL;
	g = OPENSSL_zalloc(sizeof(*g));
	if (g != NULL)
		g->selection = selection;
	return g;
}

/* Without a pair to make, an empty key: libssl puts a client's share into it. */
static void *
x25519_gen(void *generation, OSSL_CALLBACK *callback, void *arg)
{
	const struct generation *g = generation;
	void *key;

	(void)callback;
	(void)arg;
	if ((g->selection & OSSL_KEYMGMT_SELECT_KEYPAIR) != 0)
		key = pair_make();
	else
		key = x25519.new(x25519.provider);
	return key;
}

static void
x25519_gen_cleanup(void *generation)
{
	OPENSSL_free(generation);
}

/* ---- asking the default provider */

/* NULL: that function is not replaced. */
static void (*x25519_replacement(int id))(void)
{
	switch (id) {
	case OSSL_FUNC_KEYMGMT_GEN_INIT:
		return (void (*)(void))x25519_gen_init;
	case OSSL_FUNC_KEYMGMT_GEN_SET_PARAMS:
		return (void (*)(void))x25519_gen_set_params;
	case OSSL_FUNC_KEYMGMT_GEN:
		return (void (*)(void))x25519_gen;
	case OSSL_FUNC_KEYMGMT_GEN_CLEANUP:
		return (void (*)(void))x25519_gen_cleanup;
	default:
		return NULL;
	}
}

static void
keymgmt_take(const OSSL_DISPATCH *all)
{
	x25519.new = OSSL_FUNC_keymgmt_new(
	    tls_library_function(all, OSSL_FUNC_KEYMGMT_NEW));
	x25519.free = OSSL_FUNC_keymgmt_free(
	    tls_library_function(all, OSSL_FUNC_KEYMGMT_FREE));
	x25519.import = OSSL_FUNC_keymgmt_import(
	    tls_library_function(all, OSSL_FUNC_KEYMGMT_IMPORT));
	x25519.gen_init = OSSL_FUNC_keymgmt_gen_init(
	    tls_library_function(all, OSSL_FUNC_KEYMGMT_GEN_INIT));
	x25519.gen = OSSL_FUNC_keymgmt_gen(
	    tls_library_function(all, OSSL_FUNC_KEYMGMT_GEN));
	x25519.gen_cleanup = OSSL_FUNC_keymgmt_gen_cleanup(
	    tls_library_function(all, OSSL_FUNC_KEYMGMT_GEN_CLEANUP));
}

static void
keyexch_take(const OSSL_DISPATCH *all)
{
	x25519.newctx = OSSL_FUNC_keyexch_newctx(
	    tls_library_function(all, OSSL_FUNC_KEYEXCH_NEWCTX));
	x25519.freectx = OSSL_FUNC_keyexch_freectx(
	    tls_library_function(all, OSSL_FUNC_KEYEXCH_FREECTX));
	x25519.init = OSSL_FUNC_keyexch_init(
	    tls_library_function(all, OSSL_FUNC_KEYEXCH_INIT));
	x25519.set_peer = OSSL_FUNC_keyexch_set_peer(
	    tls_library_function(all, OSSL_FUNC_KEYEXCH_SET_PEER));
	x25519.derive = OSSL_FUNC_keyexch_derive(
	    tls_library_function(all, OSSL_FUNC_KEYEXCH_DERIVE));
}

/* All functions of keys, ours in place of theirs. False: too many. */
static bool
functions_fill(const OSSL_DISPATCH *keys)
{
	for (size_t n = 0; keys != NULL && keys->function_id != 0;
	     n++, keys++) {
		void (*ours)(void) = x25519_replacement(keys->function_id);

		if (n == FUNCTIONS_MAX - 1)
			return false;
		x25519.functions[n] = *keys;
		if (ours != NULL)
			x25519.functions[n].function = ours;
	}
	return true;
}

static bool
x25519_take(OSSL_PROVIDER *provider)
{
	const OSSL_DISPATCH *keys =
	    tls_library_functions(OSSL_OP_KEYMGMT, "X25519");

	keymgmt_take(keys);
	keyexch_take(tls_library_functions(OSSL_OP_KEYEXCH, "X25519"));
	x25519.provider = OSSL_PROVIDER_get0_provider_ctx(provider);
	if (!functions_fill(keys) || x25519.new == NULL ||
	    x25519.free == NULL || x25519.import == NULL ||
	    x25519.gen_init == NULL || x25519.gen == NULL ||
	    x25519.gen_cleanup == NULL || x25519.newctx == NULL ||
	    x25519.freectx == NULL || x25519.init == NULL ||
	    x25519.set_peer == NULL || x25519.derive == NULL)
		return false;
	x25519.base = key_make(NULL, nine);
	return x25519.base != NULL;
}

/* ---- which is faster */

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void *
pair_make_theirs(void)
{
	void *generation =
	    x25519.gen_init(x25519.provider, OSSL_KEYMGMT_SELECT_KEYPAIR, NULL);
	void *key = NULL;

	if (generation != NULL) {
		key = x25519.gen(generation, NULL, NULL);
		x25519.gen_cleanup(generation);
	}
	return key;
}

/* The least of two times: of *best and of one pair. */
static void
pair_time(void *(*make)(void), uint64_t *best)
{
	uint64_t began = now_ns(), took;
	void *key = make();

	took = now_ns() - began;
	if (key != NULL && took < *best)
		*best = took;
	x25519.free(key);
}

/* In turns, and the least of each: what else runs only adds. */
static bool
pair_race(void)
{
	uint64_t ours = UINT64_MAX, theirs = UINT64_MAX;

	for (int i = 0; i < RACE_ROUNDS; i++) {
		pair_time(pair_make, &ours);
		pair_time(pair_make_theirs, &theirs);
	}
	return ours < theirs;
}

bool
provider_x25519_prepare(void)
{
	OSSL_PROVIDER *provider = tls_library_default();

	if (x25519.base != NULL)
		return true;
	if (provider == NULL || !x25519_take(provider))
		return false;
	x25519.faster = pair_race();
	return true;
}

const OSSL_DISPATCH *
provider_x25519_functions(void)
{
	return x25519.faster ? x25519.functions : NULL;
}
