/* SPDX-License-Identifier: ISC */
/* What conn.c and conn_hello.c share. Depends on conn. */
#ifndef SERVER_CONN_INTERNAL_H
#define SERVER_CONN_INTERNAL_H

#include "server/conn.h"

/* Waits for a whole ClientHello (RFC 8446 4.1.2, 5.1), in any number of records,
 * then sets CONN_QUEUED; sets CONN_DONE when there can be none. */
enum io conn_hello(struct conn *c, struct conn_world *w);

#endif
