/* SPDX-License-Identifier: ISC */
/* SHA-256 and SHA-384 by the default provider's own functions, called without
 * EVP: EVP_DigestInit_ex() frees and allocates at each call, and TLS 1.3 hashes
 * a hundred times in a handshake. HMAC (RFC 2104) over them. One thread at a
 * time. Internal to this folder. Depends on slice, library, OpenSSL. */
#ifndef TLS_HASH_H
#define TLS_HASH_H

#include <openssl/core_dispatch.h>

#include "util/slice.h"

enum {
	HASH_SIZE_MAX = 48,
	HASH_BLOCK_MAX = 128,
};

struct hash {
	const char *names[2]; /* both spellings that OpenSSL uses */
	size_t size, block;   /* bytes of a result, of a block */
	OSSL_FUNC_digest_newctx_fn *newctx;
	OSSL_FUNC_digest_freectx_fn *freectx;
	OSSL_FUNC_digest_dupctx_fn *dupctx;
	OSSL_FUNC_digest_init_fn *init;
	OSSL_FUNC_digest_update_fn *update;
	OSSL_FUNC_digest_final_fn *final;
	void *scratch; /* for what begins and ends in one call of ours */
	uint8_t empty[HASH_SIZE_MAX]; /* the hash of nothing */
};

/* Asks the default provider for its functions, the first time. False when one
 * is missing or not as expected. Before the functions below. */
bool hash_prepare(void);

/* The hash of that name, in any case; NULL: none of ours. Lives forever. */
const struct hash *hash_find(struct slice name);

/* A context, or NULL. Freed by h->freectx. */
void *hash_new(const struct hash *h);

/* Begins with a block of HMAC's key. h->update follows. */
bool hash_begin(const struct hash *h, void *ctx, const uint8_t *pad);

/* Ends what ctx was given; out has room for h->size bytes. */
bool hash_final(const struct hash *h, void *ctx, uint8_t *out);

/* HMAC of n parts, one after the other; out has room for h->size bytes. */
bool hash_mac(const struct hash *h, struct slice key, const struct slice *parts,
    size_t n, uint8_t *out);

/* The two halves of HMAC's key, of h->block bytes: pad is the key, padded with
 * zeros and added to 0x36 (RFC 2104 2). False when hashing fails. */
bool hash_pad(const struct hash *h, struct slice key, uint8_t *pad);

/* Turns the pad of the inner hash into the outer one's, and back. */
void hash_turn_pad(const struct hash *h, uint8_t *pad);

/* The outer hash of HMAC: of pad and what the inner one gave. */
bool hash_mac_end(const struct hash *h, const uint8_t *outer,
    const uint8_t *inner, uint8_t *out);

#endif
