/* SPDX-License-Identifier: ISC */
/* How long a ClientHello is, from its first bytes. Depends on util and TLS's
 * records. */
#ifndef SERVER_HELLO_H
#define SERVER_HELLO_H

#include "tls/tls_conn.h"

enum {
	HELLO_RECORD = 22,          /* the type of its records (RFC 8446 5.1) */
	HELLO_MAX = TLS_RECORD_MAX, /* bytes of all its records */
};

/* The least number of bytes of a complete ClientHello that begins like seen; at
 * most seen.len when it is complete, or when OpenSSL will refuse what follows;
 * more than HELLO_MAX when it cannot become one. The message may be split
 * over many records: the length of each bounds what it can bring, so that a
 * hello in tiny pieces is looked at a few times only. */
size_t hello_needs(struct slice seen);

#endif
