/* SPDX-License-Identifier: ISC */
/* An OpenSSL provider (provider(7)) for private keys that are in another
 * process: of a key it has the public part and a number, and its signatures
 * come as signing.h says. Depends on signing. */
#ifndef TLS_PROVIDER_KEYD_H
#define TLS_PROVIDER_KEYD_H

#include <openssl/evp.h>
#include <stdbool.h>

/* Adds the provider "keyd" to lib. Its keys have the usual names of their
 * kinds; so that nothing else finds them, others must be preferred,
 * "?keyd.apart!=yes" (EVP_set_default_properties(3)); then provider_keyd_hide.
 * False when OpenSSL fails. */
bool provider_keyd_add(OSSL_LIB_CTX *lib);

/* Makes sure of that, once all providers are loaded and the properties set.
 * False when its keys would be found nevertheless. */
bool provider_keyd_hide(OSSL_LIB_CTX *lib);

/* The private key of public, number slot there; the caller frees it. It signs
 * with EVP_DigestSign(3) and cannot be exported. NULL when OpenSSL fails, or
 * for a kind of key that is not EC, RSA, RSA-PSS, ED25519 or ED448. */
EVP_PKEY *provider_keyd_key(OSSL_LIB_CTX *lib, EVP_PKEY *public, unsigned slot);

#endif
