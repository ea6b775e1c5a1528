/* SPDX-License-Identifier: ISC */
/* One request of a client's as steps that never block: connect, handshake, ask,
 * read a header and a body. fetch() is a loop over one; a mirror keeps two
 * going. Depends on dial, socks, target, tls. */
#ifndef CLIENT_EXCHANGE_H
#define CLIENT_EXCHANGE_H

#include <signal.h>

#include "client/dial.h"
#include "client/socks.h"
#include "tls/tls_conn.h"
#include "util/why.h"

enum {
	EXCHANGE_STEP_MAX = 16, /* records of a body in one step: others, who
				 * share the loop, need their turn */
};

enum fetch_result {
	FETCH_DONE,    /* all of it, with the server's close_notify */
	FETCH_CUT,     /* header and perhaps body came, then a bare end */
	FETCH_STOPPED, /* a handler returned false */
	FETCH_FAILED,  /* see why */
	FETCH_GOING,   /* not at its end: from exchange_step alone */
};

/* Called with what arrives. Each may return false: stop here, FETCH_STOPPED. */
struct fetch_handler {
	/* After the handshake, before anything is sent. Checks that the peer is
	 * the expected one. */
	bool (*trust)(void *arg, const struct target *t, const struct cert *c);
	/* The header line, checked (see response_parse); meta may hold anything
	 * printable and is gone after the call. */
	bool (*header)(void *arg, int status, struct slice meta);
	/* Body bytes of a 2x answer, as they come. */
	bool (*body)(void *arg, struct slice bytes);
	void *arg;
	/* Set by a signal: fetch() ends with FETCH_STOPPED. NULL: never. */
	const volatile sig_atomic_t *stop;
};

struct exchange;

/* So many bytes a second, on the wire, over all exchanges that share it: they
 * take turns to read. What it holds up counts as nobody's silence. */
struct exchange_rate {
	uint64_t per_s;              /* 0: as fast as they come */
	uint64_t free_us;            /* clock_us() when the next may read */
	unsigned held;               /* those that wait for it */
	const struct exchange *last; /* the last that read */
};

struct exchange_limits {
	uint64_t silence_ms; /* for all up to the header, then for each silence
			      * in the body */
	uint64_t total_ms;   /* for all of it; 0: none */
	uint64_t floor;      /* bytes that each window of a body must bring */
	uint64_t window_ms;  /* 0: a body may trickle */
	struct dial_names *names;   /* borrowed */
	const struct proxy *proxy;  /* borrowed; NULL: straight there */
	struct exchange_rate *rate; /* borrowed; NULL: none */
	/* Set when it failed without descriptors or memory here. Borrowed;
	 * NULL: nobody asks. */
	bool *local;
};

/* Begins: resolves the name, or the proxy's alone (this alone may block), and
 * connects without waiting. All but limits itself must outlive the exchange (names too). SIGPIPE must
 * be ignored. NULL and why. */
struct exchange *exchange_new(const struct target *t,
    const struct tls_client *tls, const struct exchange_limits *limits,
    const struct fetch_handler *v, struct why *why);

/* What to poll for, and the moment (clock_ms()) at which to step all the
 * same. */
void exchange_wants(
    const struct exchange *x, struct pollfd *p, uint64_t *deadline_ms);

/* Goes on as far as it can without waiting (at most EXCHANGE_STEP_MAX records):
 * FETCH_GOING, or the end. Not to be called after that. */
enum fetch_result exchange_step(struct exchange *x, struct why *why);

/* Whether the server took up an earlier session. */
bool exchange_resumed(const struct exchange *x);

/* For how many ms it was held up by its rate. */
uint64_t exchange_held_ms(const struct exchange *x);

/* Ends it, with our close_notify, whatever its state. */
void exchange_free(struct exchange **x);

enum { FETCH_TIMEOUT_S = 30 }; /* unless the user sets another */

/* A whole exchange, waited for. timeout_s is for everything up to the header,
 * and then for each silence in the body. SIGPIPE must be ignored. */
enum fetch_result fetch(const struct target *t, const struct tls_client *tls,
    unsigned timeout_s, const struct fetch_handler *v, struct why *why);

#endif
