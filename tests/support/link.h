/* SPDX-License-Identifier: ISC */
/* A server of ours and a client of plain OpenSSL, tied by a socketpair. */
#ifndef TESTS_SUPPORT_LINK_H
#define TESTS_SUPPORT_LINK_H

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "check.h"
#include "tls/tls_conn.h"

/* Hosts 0, the default one, and 1, each with a certificate of its name. */
extern const char *const link_names[2];

/* The number of a name, -1 for any other: what tls_server_new asks. */
int link_find_name(const void *arg, struct slice name);

/* A server of both; the caller frees it with tls_server_free. */
struct tls_server *
link_make_server(const struct tls_settings *settings, struct tickets *tickets);

/* A client of versions min to max that keeps its tickets; the caller frees it
 * with SSL_CTX_free. */
SSL_CTX *link_make_client(int min, int max);

/* The last ticket that a client received, and how many. */
struct link_tickets {
	SSL_SESSION *last;
	int n;
};

struct link {
	int fd[2]; /* ours, the client's; -1 once the test closed it */
	struct tls_conn conn;
	SSL *client;
	struct link_tickets kept;
	enum io io; /* the result of our handshake */
};

/* Both ends, no handshake yet. name and resume may be NULL; resume is not
 * consumed. link_close frees all that l owns. */
void link_open(struct link *l, const struct tls_server *s, SSL_CTX *ctx,
    const char *name, SSL_SESSION *resume);
void link_close(struct link *l);

/* Steps both sides in turn until both are done, or false once ours fails. */
bool link_handshake(struct link *l);

/* Sends text to the client and checks it; the client takes its tickets
 * first. */
void link_send(struct link *l, const char *text);

/* Checks the common name of the certificate that the client received. */
void link_check_name(const struct link *l, const char *want);

#endif
