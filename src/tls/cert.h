/* SPDX-License-Identifier: ISC */
/* The server's certificate: made once, to last, because clients trust the first
 * one they see and warn when it changes (trust on first use). Depends on sign,
 * os and OpenSSL. */
#ifndef TLS_CERT_H
#define TLS_CERT_H

#include "tls/sign.h"
#include "util/why.h"

enum {
	CERT_DIGEST_SIZE = 32,
	CERT_FINGERPRINT_SIZE = CERT_DIGEST_SIZE * 3, /* "AB:CD:..." and NUL */
	CERT_FINGERPRINTS_MAX = 512, /* bytes of cert_put_fingerprints */
	CERT_EXPIRY_WARNING_DAYS = 30,
};

/* A chain, leaf first. */
struct cert;

/* Reads a PEM chain, leaf first; the caller frees it. NULL and why when there
 * is none, when it is too long (CERT_CHAIN_MAX) or any part of it cannot be
 * read. */
struct cert *cert_load(const char *path, struct why *why);
void cert_free(struct cert **c);

/* The same once more, for another owner; NULL: out of memory. */
struct cert *cert_copy(const struct cert *c);

/* Self-signed by key: CN = names[0], SAN = all names (canonical A-labels as DNS
 * entries, addresses as iPAddress entries: RFC 5280, 4.2.1.6), CA:FALSE,
 * serial random and positive, SHA-256, 2020-01-01 to 2099-12-31. */
struct cert *
cert_make(const struct sign_key *key, const char *const *names, size_t n_names);

bool cert_pem(const struct cert *c, struct buf *out);

/* Whether the leaf was made for that key. */
bool cert_matches(const struct cert *c, const struct sign_key *key);

/* Signed by its own key, as ours are. */
bool cert_is_self_signed(const struct cert *c);

/* The bits of the leaf's key when it is an RSA key, else 0. */
int cert_rsa_bits(const struct cert *c);

/* Whether the leaf names host, canonical, as strict clients see it: a name in
 * the SAN, or as CN when there is no SAN; an address as an iPAddress entry of
 * the same bytes and nothing else (RFC 6125, B.2). */
bool cert_names(const struct cert *c, const char *host);

/* The same for our own client, which also accepts an address as CN, as
 * carnation 0.1 made them. */
bool cert_names_loosely(const struct cert *c, const char *host);

/* Common name, DNS names and addresses, one a line, CN first and not
 * repeated. */
bool cert_list_names(const struct cert *c, struct buf *out);

/* Seconds since 1970. */
int64_t cert_not_before(const struct cert *c);
int64_t cert_not_after(const struct cert *c);

/* SHA-256 of the DER leaf and of its SubjectPublicKeyInfo. */
void cert_digest(const struct cert *c, uint8_t out[CERT_DIGEST_SIZE]);
void cert_spki_digest(const struct cert *c, uint8_t out[CERT_DIGEST_SIZE]);

/* SHA-256 of the digests of the whole chain. */
void cert_chain_digest(const struct cert *c, uint8_t out[CERT_DIGEST_SIZE]);

/* Both digests, each named and on its own line, for comparison with the output
 * of another program: "certificate  SHA256 AB:CD:...". Each line begins with
 * indent, the last has no line feed. */
bool cert_put_fingerprints(
    const struct cert *c, const char *indent, struct buf *out);

/* "AB:CD:...", upper case. */
void cert_fingerprint(
    const uint8_t digest[CERT_DIGEST_SIZE], char out[CERT_FINGERPRINT_SIZE]);

/* The pair of files for a capsule in a certs directory: "DIR/HOST.crt" and
 * "DIR/HOST.key". */
bool
cert_paths(const char *dir, const char *host, struct buf *crt, struct buf *key);

enum cert_pair {
	CERT_PAIR_FOUND,
	CERT_PAIR_MADE,
	CERT_PAIR_MISSING, /* cert_pair_find's: neither file exists */
	CERT_PAIR_FAILED,  /* see why; a half pair is never completed */
};

/* Loads the pair of files named after names[0], or creates it when neither
 * exists: directory 0700, key 0600, certificate 0644, both atomically. An
 * existing pair is never touched. */
enum cert_pair cert_pair(const char *dir, const char *const *names,
    size_t n_names, struct cert **c, struct sign_key **key, struct why *why);

/* The certificate of such a pair, for who must not read its key: whether that
 * fits is not known then. Makes nothing but the directory. */
enum cert_pair cert_pair_find(
    const char *dir, const char *name, struct cert **c, struct why *why);

#endif
