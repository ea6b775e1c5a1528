/* SPDX-License-Identifier: ISC */
/* The provider "carnation": of the default provider's algorithms those that a
 * TLS server needs, run by the default provider's own functions, and a few that
 * are replaced by cheaper ones. Internal to this folder. Depends on library,
 * parts, OpenSSL. */
#ifndef TLS_PROVIDER_H
#define TLS_PROVIDER_H

#include <openssl/core_dispatch.h>
#include <stdbool.h>
#include <stdint.h>

/* Adds the provider to a context and loads it, with the parts that are on at
 * this moment. False when OpenSSL fails. */
bool provider_add(OSSL_LIB_CTX *library);

/* What it replaces, for TLS_PART_KEY_SCHEDULE. hash_prepare first. */
const OSSL_DISPATCH *provider_kdf_functions(void);
const OSSL_DISPATCH *provider_hmac_functions(void);

/* For TLS_PART_KEY_PAIR: asks the default provider for its functions of X25519,
 * and finds out which way to make a pair is faster here, which takes 3 ms the
 * first time. False when a function is missing. */
bool provider_x25519_prepare(void);

/* The default provider's functions of X25519 keys, but for the making of pairs.
 * NULL when its own way is faster here. provider_x25519_prepare first, for the
 * next one too. */
const OSSL_DISPATCH *provider_x25519_functions(void);

/* The public half of a pair, X25519(secret, 9). False when OpenSSL fails. */
enum { X25519_SIZE = 32 }; /* bytes of each half */
bool
provider_x25519_public(uint8_t secret[X25519_SIZE], uint8_t out[X25519_SIZE]);

#endif
