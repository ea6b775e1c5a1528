/* SPDX-License-Identifier: ISC */
/* Errands: one file asked of one source, redirects and "slow down" included, as
 * steps that never block, or waited for; and what all errands of a run share.
 * Whatever asks others for manifests and files goes through here, and so do its
 * limits. What came is for a hash or a signature to judge, not for TLS.
 * Depends on source and client. */
#ifndef ARCHIVE_COURIER_H
#define ARCHIVE_COURIER_H

#include <signal.h>

#include "archive/source.h"
#include "client/exchange.h"
#include "proto/response.h"
#include "util/why.h"

enum {
	COURIER_HEADER_MS = 20 * 1000, /* up to the header */
	COURIER_WINDOW_MS = 10 * 1000, /* of a body, must bring ... */
	COURIER_FLOOR = 1024,          /* ... so many bytes */
	COURIER_PATIENCE_MS =
	    60 * 1000,       /* waited for a source's "slow down" (44) */
	COURIER_AT_ONCE = 2, /* connections */
	COURIER_MANIFEST_MS = 300 * 1000, /* for all of a manifest */
	/* A file may take so long, and longer the more bytes it may have, so
	 * many a second. */
	COURIER_FILE_MS = 120 * 1000,
	COURIER_RATE = 1024,
};

/* Zeroed but for what courier_open sets. */
struct courier {
	struct tls_client *tls;
	struct dial_names *names;
	uint64_t patience_ms; /* with each source; courier_open sets it */
	/* Is it they? Asked of each connection; NULL: whoever it is. */
	bool (*trust)(void *arg, struct source *s, const struct cert *c);
	void *arg;
	const volatile sig_atomic_t *stop; /* not 0: end it; NULL: never */
	/* What was done. */
	uint64_t requests, resumed, bytes; /* of bodies */
};

/* False and why. */
bool courier_open(struct courier *c, struct why *why);
void courier_close(struct courier *c);

/* Whether a signal wants the run to end. */
bool courier_stopped(const struct courier *c);

/* What is asked for. */
struct errand_order {
	const char *path;  /* in its capsule; borrowed for errand_begin alone */
	uint64_t max;      /* bytes of it that are heard */
	uint64_t total_ms; /* for each request of it, the waiting for "slow
			    * down" apart; 0: what max bytes may take */
	/* Hears the bytes of a 2x as they come; false: no further. */
	bool (*body)(void *arg, struct slice bytes);
	void *arg;
};

enum errand_result {
	ERRAND_GOING,
	ERRAND_DONE,       /* 20, to its end: see cut */
	ERRAND_ABSENT,     /* 51, 52; see why */
	ERRAND_DENIED,     /* nor will it be had by asking again: see why */
	ERRAND_TOO_LONG,   /* more than max */
	ERRAND_FAILED,     /* see why: unreachable, slow, 4x */
	ERRAND_STOPPED,    /* body said so, or a signal */
	ERRAND_DISTRUSTED, /* trust said so */
};

/* Embedded; must not move between errand_begin and errand_end. */
struct errand {
	struct courier *courier;
	struct source *source;
	struct errand_order order;
	struct target target;
	struct exchange *x;
	struct exchange_limits limits;
	struct fetch_visitor visitor;
	uint64_t not_before_ms;
	uint64_t begun_ms;
	uint64_t got; /* bytes of the body */
	unsigned redirects;
	bool vague; /* it has said "slow down", and not for how long */
	bool distrusted;
	bool too_long;
	bool cut; /* no close_notify: only a hash can tell whether all came */

	/* The header of the last answer. */
	int status;
	size_t meta_len;
	uint8_t meta[RESPONSE_META_MAX];
};

/* Begins to ask s for what o says. False and why: no URL can be made of it.
 * errand_end is due in any case, and harmless on a zeroed one. */
bool errand_begin(struct errand *e, struct courier *c, struct source *s,
    const struct errand_order *o, struct why *why);

enum errand_result errand_step(struct errand *e, struct why *why);
void errand_end(struct errand *e);

/* Waits until one of n errands (at most COURIER_AT_ONCE; NULL ones are passed
 * over) can go on, or a signal came. */
void
courier_wait(const struct courier *c, struct errand *const *errands, size_t n);

/* A whole errand alone. *cut: see struct errand. */
enum errand_result courier_fetch(struct courier *c, struct source *s,
    const struct errand_order *o, bool *cut, struct why *why);

/* The same of a file that is appended to out, at most its maximum. ERRAND_STOPPED
 * and out->failed: memory is short. */
enum errand_result
courier_text(struct courier *c, struct source *s, const char *path,
    uint64_t total_ms, struct buf *out, bool *cut, struct why *why);

/* The same of the source's manifest (out of MANIFEST_MAX). */
enum errand_result courier_manifest(struct courier *c, struct source *s,
    struct buf *out, bool *cut, struct why *why);

#endif
