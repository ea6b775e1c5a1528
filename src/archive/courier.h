/* SPDX-License-Identifier: ISC */
/* Errands: one file asked of one source, redirects and "slow down" included, as
 * steps that never block; and what all errands of a run share. Depends on source
 * and client. */
#ifndef ARCHIVE_COURIER_H
#define ARCHIVE_COURIER_H

#include <signal.h>

#include "archive/source.h"
#include "client/exchange.h"
#include "proto/response.h"

enum {
	COURIER_HEADER_MS = 20 * 1000, /* up to the header */
	COURIER_WINDOW_MS = 10 * 1000, /* of a body, must bring ... */
	COURIER_FLOOR = 1024,          /* ... so many bytes */
	COURIER_PATIENCE_MS =
	    60 * 1000, /* waited in all for "slow down" (44) */
	COURIER_REDIRECTS_MAX = 5,
	COURIER_AT_ONCE = 2, /* connections */
};

/* Zeroed but for what courier_open sets. */
struct courier {
	struct tls_client *tls;
	struct dial_names *names;
	uint64_t patience_ms; /* what is left of it */
	/* Is it they? Asked of each connection. */
	bool (*trust)(void *arg, struct source *s, const struct cert *c);
	void *arg;
	const volatile sig_atomic_t *stop; /* not 0: end it; NULL: never */
	/* What was done. */
	uint64_t requests, resumed, bytes; /* of bodies */
};

/* False and why. */
bool courier_open(struct courier *c, struct buf *why);
void courier_close(struct courier *c);

/* Whether a signal wants the run to end. */
bool courier_stopped(const struct courier *c);

enum errand_result {
	ERRAND_GOING,
	ERRAND_DONE,       /* 20, to its end: see cut */
	ERRAND_ABSENT,     /* 51, 52 */
	ERRAND_FAILED,     /* see why: unreachable, slow, 4x, odd */
	ERRAND_STOPPED,    /* body said so */
	ERRAND_DISTRUSTED, /* trust said so */
};

/* Embedded; must not move between errand_begin and errand_end. */
struct errand {
	struct courier *courier;
	struct source *source;
	struct target target;
	struct exchange *x;
	struct exchange_limits limits;
	struct fetch_visitor visitor;
	bool (*body)(void *arg, struct slice bytes);
	void *arg;
	uint64_t not_before_ms;
	uint64_t begun_ms;
	unsigned redirects;
	bool distrusted;
	bool cut; /* no close_notify: only a hash can tell whether all came */
	int status;
	size_t meta_len;
	uint8_t meta[RESPONSE_META_MAX];
};

/* Begins to ask s for a path of its capsule. total_ms is for each request of it,
 * the waiting for "slow down" apart. body hears the bytes of a 20; false: no
 * further. False and why: no URL can be made of it. errand_end is due in any case,
 * and harmless on a zeroed one. */
bool errand_begin(struct errand *e, struct courier *c, struct source *s,
    const char *path, uint64_t total_ms,
    bool (*body)(void *arg, struct slice bytes), void *arg, struct buf *why);

enum errand_result errand_step(struct errand *e, struct buf *why);
void errand_end(struct errand *e);

/* Waits until one of n errands (at most COURIER_AT_ONCE; NULL ones are passed
 * over) can go on, or a signal came. */
void
courier_wait(const struct courier *c, struct errand *const *errands, size_t n);

/* The errand alone, to its end: ERRAND_STOPPED also at a signal. */
enum errand_result errand_run(struct errand *e, struct buf *why);

#endif
