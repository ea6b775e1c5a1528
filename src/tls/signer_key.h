/* SPDX-License-Identifier: ISC */
/* A private key prepared for signing: once made, a signature looks up no
 * algorithm. Internal to this folder. Depends on sign, signer_input. */
#ifndef TLS_SIGNER_KEY_H
#define TLS_SIGNER_KEY_H

#include "tls/cert.h"
#include "tls/signer_input.h"

struct signer_key;

/* Prepares key for all that a TLS server signs with one of its kind, and makes
 * the signatures that show it works: they verify with the key in cert, whatever
 * the key says of itself. key may be freed afterwards. NULL and why, with the
 * name. */
struct signer_key *signer_key_new(const struct sign_key *key,
    const struct cert *cert, const char *name, struct why *why);
void signer_key_free(struct signer_key **k);

/* The signature that r asks for, r->slot aside, in out; its length, at most
 * SIGNING_SIGNATURE_MAX. 0 when the key does not sign so, or OpenSSL fails. */
size_t signer_key_sign(const struct signer_key *k,
    const struct signer_request *r, uint8_t out[SIGNING_SIGNATURE_MAX]);

#endif
