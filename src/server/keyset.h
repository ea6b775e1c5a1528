/* SPDX-License-Identifier: ISC */
/* The certificates of a configuration and where their keys are; what is known of
 * these without reading them. Depends on tls and util. */
#ifndef SERVER_KEYSET_H
#define SERVER_KEYSET_H

#include "tls/digest.h"
#include "tls/signer.h"

/* A key. */
struct keyset_slot {
	char *name;     /* of the capsule */
	char *crt_path; /* NULL: a configured pair */
	char *key_path;
	struct cert *cert;
	uint64_t mark; /* of the key's file when it was read last */
	char *fault;   /* why it cannot be used; NULL: it can */
	bool reported; /* the fault, since keyset_begin_reading */
};

struct keyset {
	struct keyset_slot *slots;
	struct signer_pair *pairs; /* the same, for signer_add */
	size_t n;
	struct tls_settings settings;
	char *suites; /* its own copy */
};

/* Copies pairs and settings. False: out of memory; keyset_fini is due even
 * then. */
bool keyset_init(struct keyset *s, const struct signer_pair *pairs, size_t n,
    const struct tls_settings *settings);
void keyset_fini(struct keyset *s);

/* Adds what identifies the set: names, places, chains, settings, and the files of
 * the keys as they are now. */
void keyset_digest(const struct keyset *s, struct digest *d);

/* Takes note of the files as they are: they are about to be read. */
void keyset_begin_reading(struct keyset *s);

/* Sets the fault of the key in a slot; *changed: it is another one than
 * before. False: there is no such slot, or out of memory. */
bool keyset_set_fault(
    struct keyset *s, uint32_t slot, const char *fault, bool *changed);

/* All have been read: a key without a reported fault has none. */
void keyset_end_reading(struct keyset *s);

/* Whether all keys can be used. */
bool keyset_is_usable(const struct keyset *s);

/* Whether the file of a key that cannot be used has changed. */
bool keyset_has_changed(const struct keyset *s);

#endif
