/* SPDX-License-Identifier: ISC */
/* The provider "carnation": of the default provider's algorithms those that a
 * TLS server needs, run by the default provider's own functions, and a few that
 * are replaced by cheaper ones. Internal to this folder. Depends on library,
 * parts, OpenSSL. */
#ifndef TLS_PROVIDER_H
#define TLS_PROVIDER_H

#include <openssl/core_dispatch.h>
#include <stdbool.h>

/* Adds the provider to a context and loads it, with the parts that are on at
 * this moment. False when OpenSSL fails. */
bool provider_add(OSSL_LIB_CTX *library);

/* What it replaces: TLS_PART_KEY_SCHEDULE. hash_prepare first. */
extern const OSSL_DISPATCH provider_kdf_functions[], provider_hmac_functions[];

#endif
