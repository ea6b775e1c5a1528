/* SPDX-License-Identifier: ISC */
/* The public keys that a store trusts, and those it trusts no more
 * (carnation-mirror(7), KEYS). Pure; depends on signify. */
#ifndef ARCHIVE_KEYRING_H
#define ARCHIVE_KEYRING_H

#include "tls/signify.h"
#include "util/why.h"

enum { KEYRING_MAX = 16 };

enum keyring_standing {
	KEYRING_PINNED,
	KEYRING_ANNOUNCED, /* next-key of the last manifest: may sign */
	KEYRING_RETIRED, /* its successor has signed: nothing new may be its */
};

struct keyring_key {
	struct signify_key key;
	enum keyring_standing standing;
};

/* Zeroed: empty. */
struct keyring {
	struct keyring_key key[KEYRING_MAX];
	size_t n;
};

/* Borrowed, until the ring changes; NULL: unknown. */
const struct keyring_key *
keyring_find(const struct keyring *k, const struct signify_key *key);

/* Adds a key, or makes one that is there count again. In a full ring the oldest
 * retired key makes room, or else the announced one. False: all are pinned. */
bool keyring_pin(struct keyring *k, const struct signify_key *key);

/* A key that counts is retired: what it has signed stays readable; what is
 * announced, perhaps by it, is withdrawn, and said in a line. One that is retired
 * already is forgotten. False: it was not there. */
bool keyring_drop(
    struct keyring *k, const struct signify_key *key, struct buf *said);

/* A manifest was accepted: its signer is pinned, and retires all others when it
 * was announced before; its next-key (NULL: none) replaces whatever was
 * announced. Says each change as a line (said may be NULL). */
void keyring_accept(struct keyring *k, const struct signify_key *signer,
    const struct signify_key *next, struct buf *said);

/* "signed by key 0123456789abcdef, which WORDS (trusted: ...)". */
void keyring_distrust(const struct keyring *k, const char *number,
    const char *words, struct why *why);

#endif
