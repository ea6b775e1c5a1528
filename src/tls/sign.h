/* SPDX-License-Identifier: ISC */
/* Private keys: the only module that reads, makes or writes them. In a running
 * server that happens in processes of their own (signer.h); clients and
 * commands use their keys themselves. Depends on util, os and OpenSSL. */
#ifndef TLS_SIGN_H
#define TLS_SIGN_H

#include "util/buf.h"
#include "util/why.h"

struct sign_key;

/* Reads an unencrypted PEM private key; NULL and why. */
struct sign_key *sign_key_load(const char *path, struct why *why);

/* A new P-256 key, which every TLS client supports (RFC 8446 9.1); NULL when
 * OpenSSL fails. */
struct sign_key *sign_key_generate(void);

/* PEM (PKCS#8) for a file of mode 0600. */
bool sign_key_pem(const struct sign_key *k, struct buf *out);

void sign_key_free(struct sign_key **k);

/* Whether only the owner can read or write the file of a key. True also when
 * there is no such file. */
bool sign_key_file_is_private(const char *path);

#endif
