/* SPDX-License-Identifier: ISC */
/* What the files of a connection share among themselves.
 * Depends on conn. */
#ifndef SERVER_CONN_INTERNAL_H
#define SERVER_CONN_INTERNAL_H

#include "server/conn.h"

/* conn_hello.c: waits for a whole ClientHello (RFC 8446 4.1.2, 5.1), in however many
 * records, then goes to CONN_QUEUED; to CONN_DONE when it will never be one. */
enum io conn_hello(struct conn *c, struct conn_world *w);

/* conn_body.c: the next record to send, in chunk; the same bytes when asked again
 * before they have gone. False when the body's bytes are not there any more. */
bool conn_record(
    const struct conn *c, uint8_t chunk[TLS_RECORD_MAX], struct slice *record);

/* conn_body.c: gives back the body, and forgets it. */
void conn_drop_body(struct conn *c);

/* conn_log.c: where in the request line the log's path and query lie. */
void conn_remember(struct conn *c, const struct answer *a, struct slice line);

/* conn_log.c: writes the access line, once, if there was a request. */
void conn_log(struct conn *c, struct conn_world *w);

#endif
