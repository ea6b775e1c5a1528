/* SPDX-License-Identifier: ISC */
/* What all TLS connections of a server share: versions, suites, tickets, and
 * one certificate per capsule, chosen by SNI (RFC 6066 3) before the handshake
 * ends. Depends on cert, sign, tickets. */
#ifndef TLS_CTX_H
#define TLS_CTX_H

#include "tls/cert.h"
#include "tls/tickets.h"
#include "util/why.h"

struct tls_settings {
	bool tls13_only;
	/* TLS 1.3 suites, in OpenSSL's syntax; NULL: ours, AES-128-GCM first */
	const char *suites;
	bool tickets;
};

struct tls_server;

/* Which capsule a server name (raw bytes from ClientHello) belongs to: its
 * index in the order of tls_server_add, or -1. names is the connection's (see
 * tls_conn_accept). */
typedef int tls_find(const void *names, struct slice name);

/* tickets may be NULL: no resumption. find is asked once per ClientHello that
 * carries a name; NULL: no client of ours sends one. NULL and why on a bad
 * setting. */
struct tls_server *tls_server_new(const struct tls_settings *settings,
    struct tickets *tickets, tls_find *find, struct why *why);

/* Adds the next capsule; the first one added is the default. Certificate and
 * key remain the caller's and may be freed afterwards. name separates the
 * sessions of capsules (session id context). False and why when they do not
 * match, or when no client could finish a handshake with them. */
bool tls_server_add(struct tls_server *s, const char *name,
    const struct cert *cert, const struct sign_key *key, struct why *why);

/* The same for a capsule whose private key is in another process, number slot
 * there (signer.h), where it has been checked; signatures come as signing.h
 * says. Asks that process nothing. False and why on a key of a kind that no
 * TLS server uses. */
bool tls_server_add_apart(struct tls_server *s, const char *name,
    const struct cert *cert, unsigned slot, struct why *why);

void tls_server_free(struct tls_server **s);

/* A client's: accepts every certificate (trust is decided from it afterwards).
 * cert and key, for a client certificate, may be NULL. It keeps the newest
 * session of each server (name and port) and offers it there and nowhere else;
 * what a resumed server once showed is then its certificate. It must outlive
 * its connections. */
struct tls_client;
struct tls_client *tls_client_new(
    const struct cert *cert, const struct sign_key *key, struct why *why);
void tls_client_free(struct tls_client **c);

/* "OpenSSL 3.0.17 1 Jul 2025": the library that runs. */
const char *tls_library(void);

#endif
