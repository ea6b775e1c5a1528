/* SPDX-License-Identifier: ISC */
/* How clients come back without a full handshake: session-ticket keys, one set
 * for all workers and generations, written by the parent alone, read by workers
 * from a page they cannot write. Keys are replaced often, because a stolen one
 * decrypts every session resumed with it (RFC 5077 5.5). TLS 1.3 does without
 * them where it has a table of sessions. Depends on session_table, parts, util,
 * os and OpenSSL. */
#ifndef TLS_TICKETS_H
#define TLS_TICKETS_H

#include "util/slice.h"

enum {
	TICKETS_ROTATE_S = 300,   /* a new key every 5 minutes */
	TICKETS_LIFETIME_S = 600, /* a ticket lives 10 minutes at most */
	TICKETS_KEYS = 3,         /* next, current, previous */
};

struct tickets;

/* With fresh random keys, and an empty table of sessions if that part is on;
 * NULL and errno on failure. */
struct tickets *tickets_new(void);
void tickets_free(struct tickets **t);

/* Parent: previous = current, current = next, next = random; old sessions are
 * erased. */
void tickets_rotate(struct tickets *t);

/* The descriptor of the page, which tickets_read_only needs. */
int tickets_descriptor(const struct tickets *t);

/* Worker: makes the page read-only for good. 0, or -1 and errno. */
int tickets_read_only(struct tickets *t);

#endif
