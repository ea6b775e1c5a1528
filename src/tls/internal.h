/* SPDX-License-Identifier: ISC */
/* What the files of this folder share and no other may see: OpenSSL's types.
 * Depends on ctx and OpenSSL. */
#ifndef TLS_INTERNAL_H
#define TLS_INTERNAL_H

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "tls/ctx.h"
#include "util/why.h"

enum { CERT_FILE_MAX = 256 * 1024 }; /* a PEM chain */

struct cert {
	X509 *leaf;
	STACK_OF(X509) * chain; /* what follows the leaf; may be NULL */
};

struct tls_server {
	bool tls13_only;
	char *suites13;          /* NULL: ours */
	char *suites12;          /* the same for TLS 1.2 */
	struct tickets *tickets; /* borrowed; NULL: no resumption */
	tls_find *find;
	SSL_CTX **ctx; /* by capsule; ctx[0] accepts every connection */
	size_t n;
};

struct tls_sessions;

struct tls_client {
	SSL_CTX *ctx;
	struct tls_sessions *sessions;
};

/* ---- a client's sessions, by server (sessions.c) */

struct tls_sessions *sessions_new(void);
void sessions_free(struct tls_sessions **p);

/* Makes ctx, a client's, keep the sessions it is given for the server that
 * sessions_offer tied its connection to. */
void sessions_apply(SSL_CTX *ctx);

/* Ties ssl to the server of name at port, and offers the newest session with
 * it. With no room for one more server, nothing happens. */
void sessions_offer(
    struct tls_sessions *p, SSL *ssl, const char *name, unsigned port);

/* Whether host is an IPv4 or IPv6 address, without brackets. */
bool cert_host_is_address(const char *host);

/* Sets why to the message and OpenSSL's reason, when it has one; empties its
 * queue. False. */
bool tls_explain(struct why *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Sets why for a file without the PEM that was wanted, "certificate" or
 * "private key": what it holds instead, and the command that converts that. */
void tls_explain_file(
    struct why *why, const char *path, struct slice bytes, const char *wanted);

/* False, and why says so, naming place and whose certificate it is, when key
 * belongs to a certificate of the chain that is not the first. */
bool tls_chain_order(const struct cert *c, const struct sign_key *key,
    const char *place, const char *whose, struct why *why);

/* Whether key is that of a capsule's certificate. False, and why names crt and
 * key_path, the files of a pair in the certs directory, or, when crt is NULL, the
 * capsule's name. */
bool tls_pair_matches(const struct cert *c, const struct sign_key *key,
    const char *name, const char *crt, const char *key_path, struct why *why);

/* A memory BIO for PEM, and its text appended to out when written is true; the
 * BIO is freed. False when it was not, or does not fit. */
bool tls_pem_take(BIO *bio, bool written, struct buf *out);

/* Operations on a key. Only sign.c sees the key itself. */
bool
sign_key_apply(const struct sign_key *k, SSL_CTX *ctx, const struct cert *c);
bool sign_key_certify(const struct sign_key *k, X509 *x);
bool sign_key_is_of(const struct sign_key *k, const X509 *x);
EVP_PKEY *sign_key_peek(const struct sign_key *k); /* borrowed */

/* Whether a server of s could use cert and key, and clients could connect to
 * it: tls_server_add, but nothing is added. False and why, with the name. */
bool tls_server_try(struct tls_server *s, const char *name,
    const struct cert *cert, const struct sign_key *key, struct why *why);

/* Whether clients can connect to ctx, whose certificate is c; tried only when c
 * is of an uncommon kind. False and why, with the name (trial.c). */
bool trial_handshake(
    SSL_CTX *ctx, const struct cert *c, const char *name, struct why *why);

/* Ties the two sides of a connection in memory: each reads what the other
 * writes. False: out of memory. */
bool trial_tie(SSL *server, SSL *client);

/* Runs their handshake; false when it fails. */
bool trial_run(SSL *server, SSL *client);

/* Makes ctx issue and accept tickets with the keys in t, which must outlive
 * it. */
bool tickets_apply(struct tickets *t, SSL_CTX *ctx);

/* The sessions of TLS 1.3, in place of its tickets; NULL: that part is off. */
struct session_table *tickets_table(const struct tickets *t);

/* Makes ctx, a server's, resume by tickets and by their table, which must
 * outlive it; or not at all, when tickets is NULL. */
bool resumption_apply(struct tickets *tickets, SSL_CTX *ctx);

/* Tickets or table, by the version of a ClientHello: in its callback. */
void resumption_choose(const struct tickets *tickets, SSL *ssl);

/* The first host_name in the bytes of a server_name extension (RFC 6066 3);
 * false when they hold none or are malformed. The name itself is not checked.
 * *name borrows. */
bool sni_parse(struct slice extension, struct slice *name);

#endif
