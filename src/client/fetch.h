/* SPDX-License-Identifier: ISC */
/* One request, as a client makes it: connect, handshake, ask, read a header and a
 * body. Blocking, but never for longer than its deadlines.
 * Depends on dial, target, tls. */
#ifndef CLIENT_FETCH_H
#define CLIENT_FETCH_H

#include "client/target.h"
#include "tls/conn.h"

enum {
	FETCH_TIMEOUT_S = 30,    /* unless the user says otherwise */
	FETCH_REDIRECTS_MAX = 5, /* spec.md 1.7.68 */
};

enum fetch_result {
	FETCH_DONE,    /* all of it, with the server's close_notify */
	FETCH_CUT,     /* header and perhaps body came, then a bare end */
	FETCH_STOPPED, /* one of the three below said so */
	FETCH_FAILED,  /* see why */
};

/* Who hears what comes. Each may say false: no further, FETCH_STOPPED. */
struct fetch_visitor {
	/* After the handshake, before anything is sent: is it they? */
	bool (*trust)(void *arg, const struct target *t, const struct cert *c);
	/* The header line, checked (spec.md 1.2.28); meta may hold anything
	 * printable and is gone after the call. */
	bool (*header)(void *arg, int status, struct slice meta);
	/* Body bytes of a 2x answer, as they come. */
	bool (*body)(void *arg, struct slice bytes);
	void *arg;
};

/* timeout_s is for everything up to the header, and then for each silence in
 * the body. SIGPIPE must be ignored. */
enum fetch_result fetch(const struct target *t, const struct tls_client *tls,
    unsigned timeout_s, const struct fetch_visitor *v, struct buf *why);

#endif
