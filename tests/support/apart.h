/* SPDX-License-Identifier: ISC */
/* A process that holds private keys, as the server has one, and key files for
 * it. */
#ifndef TESTS_SUPPORT_APART_H
#define TESTS_SUPPORT_APART_H

#include <openssl/evp.h>
#include <sys/types.h>

#include "tls/cert.h"

enum { APART_SEATS = 3 };

struct apart {
	pid_t pid;
	bool tls13_only; /* may be set between apart_open and apart_start */
	int ours[APART_SEATS], theirs[APART_SEATS]; /* both kept, as by the
						     * parent */
};

/* A new key: "P-256" or another curve, "RSA" (2048 bits), "RSA-PSS",
 * "RSA-PSS:SHA384" (for that digest only), "ED25519", "ED448". The caller frees. */
EVP_PKEY *apart_make_key(const char *kind);

/* Writes key to path and makes a certificate of it for name; the caller frees
 * the certificate. key remains the caller's. */
struct cert *
apart_write_pair(EVP_PKEY *key, const char *path, const char *name);

/* Seats, and no process yet. */
void apart_open(struct apart *a);

/* Starts the process with the keys in path[i], each of which must be usable
 * unless its certificate is NULL: then its slot is empty. prepare, which may be
 * NULL, is its jail. */
void apart_start(struct apart *a, const char *const *path,
    struct cert *const *cert, size_t n, bool (*prepare)(void));

/* Until it has read its keys: it answers a ping on seat 0. */
void apart_wait(const struct apart *a);

/* Kills the process, and closes the seats. */
void apart_stop(struct apart *a);
void apart_close(struct apart *a);

#endif
