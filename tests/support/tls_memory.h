/* SPDX-License-Identifier: ISC */
/* TLS connections on memory instead of a socket. With nothing given, reads want
 * more. Used by unit tests and by fuzzing. */
#ifndef TESTS_SUPPORT_TLS_MEMORY_H
#define TESTS_SUPPORT_TLS_MEMORY_H

#include "tls/tls_conn.h"

/* As tls_conn_accept and tls_conn_connect; false when out of memory. */
bool tls_memory_accept(
    struct tls_conn *c, const struct tls_server *s, const void *names);
bool tls_memory_connect(
    struct tls_conn *c, const struct tls_client *s, const char *name);

/* Gives c bytes of its peer. */
bool tls_memory_give(struct tls_conn *c, struct slice bytes);

/* Takes what c has for its peer. */
bool tls_memory_take(struct tls_conn *c, struct buf *out);

/* A client that has not begun: speaks nothing newer than TLS 1.2. */
void tls_memory_older(struct tls_conn *c);

#endif
