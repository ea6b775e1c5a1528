/* SPDX-License-Identifier: ISC */
/* One request of a client's as steps that never block: connect, handshake, ask, read a
 * header and a body. fetch() is a loop over one; a mirror keeps two going.
 * Depends on dial, target, tls. */
#ifndef CLIENT_EXCHANGE_H
#define CLIENT_EXCHANGE_H

#include <poll.h>
#include "client/fetch.h"  /* enum fetch_result, struct fetch_visitor (move them here if that is plainer) */

struct exchange_limits {
	uint64_t silence_ms; /* for all up to the header, then for each silence in the body */
	uint64_t total_ms;   /* for all of it; 0: none */
	uint64_t floor;      /* bytes that each window of a body must bring; 0: none */
	uint64_t window_ms;
};

struct exchange; /* opaque: allocated by exchange_new */

/* Begins: resolves the name (this alone may block), connects without waiting. NULL and why. */
struct exchange *exchange_new(const struct target *t, struct tls_client *tls,
    const struct exchange_limits *limits, const struct fetch_visitor *v, struct buf *why);

/* What to poll for and until when (clock_ms()). */
void exchange_wants(const struct exchange *x, struct pollfd *p, uint64_t *deadline_ms);

/* Goes on as far as it can without waiting: FETCH_GOING, or the end. */
enum fetch_result exchange_step(struct exchange *x, struct buf *why);
void exchange_free(struct exchange **x);
