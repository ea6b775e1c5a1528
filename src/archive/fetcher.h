/* SPDX-License-Identifier: ISC */
/* Requests: one file of one source, redirects and "slow down" included, as
 * steps that never block, or waited for; and what all requests of a run share.
 * Whatever asks others for manifests and files goes through here, and so do its
 * limits. What came is for a hash or a signature to judge, not for TLS. Depends
 * on source and client. */
#ifndef ARCHIVE_FETCHER_H
#define ARCHIVE_FETCHER_H

#include <signal.h>

#include "archive/sources.h"
#include "client/exchange.h"
#include "proto/response.h"
#include "util/why.h"

enum {
	FETCHER_HEADER_MS = 20 * 1000, /* up to the header */
	FETCHER_WINDOW_MS = 10 * 1000, /* of a body, must bring ... */
	FETCHER_FLOOR = 1024,          /* ... so many bytes */
	FETCHER_TIMEOUT_MS =
	    60 * 1000,       /* waited for a source's "slow down" (44) */
	FETCHER_AT_ONCE = 2, /* connections */
	FETCHER_MANIFEST_MS = 300 * 1000, /* for all of a manifest */
	/* A file may take so long, and longer the more bytes it may have, so
	 * many a second. */
	FETCHER_FILE_MS = 120 * 1000,
	FETCHER_RATE = 1024,
};

/* Zeroed but for what fetcher_open sets. */
struct fetcher {
	struct tls_client *tls;
	struct dial_names *names;
	uint64_t timeout_ms; /* with each source; fetcher_open sets it */
	/* Checks that the peer is the expected one; NULL: any is. */
	bool (*trust)(void *arg, struct source *s, const struct cert *c);
	void *arg;
	const volatile sig_atomic_t *stop; /* not 0: end it; NULL: never */
	/* What was done. */
	uint64_t requests, resumed, bytes; /* of bodies */
};

/* False and why. */
bool fetcher_open(struct fetcher *c, struct why *why);
void fetcher_close(struct fetcher *c);

/* Whether a signal wants the run to end. */
bool fetcher_stopped(const struct fetcher *c);

/* What is asked for. */
struct fetcher_file {
	const char *path; /* in its capsule; borrowed for fetcher_start alone */
	uint64_t max;     /* bytes of it that are heard */
	uint64_t total_ms; /* for each request of it, the waiting for "slow
			    * down" apart; 0: what max bytes may take */
	/* Hears the bytes of a 2x as they come; false: no further. */
	bool (*body)(void *arg, struct slice bytes);
	void *arg;
};

enum fetcher_result {
	FETCHER_GOING,
	FETCHER_DONE,       /* 20, to its end: see cut */
	FETCHER_ABSENT,     /* 51, 52; see why */
	FETCHER_DENIED,     /* nor will it be had by asking again: see why */
	FETCHER_TOO_LONG,   /* more than max */
	FETCHER_FAILED,     /* see why: unreachable, slow, 4x */
	FETCHER_STOPPED,    /* body said so, or a signal */
	FETCHER_DISTRUSTED, /* trust said so */
};

/* Embedded; must not move between fetcher_start and fetcher_end. */
struct fetcher_request {
	struct fetcher *fetcher;
	struct source *source;
	struct fetcher_file wanted;
	struct target target;
	struct exchange *x;
	struct exchange_limits limits;
	struct fetch_handler handler;
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
 * fetcher_end is due in any case, and harmless on a zeroed one. */
bool fetcher_start(struct fetcher_request *e, struct fetcher *c,
    struct source *s, const struct fetcher_file *o, struct why *why);

enum fetcher_result fetcher_step(struct fetcher_request *e, struct why *why);
void fetcher_end(struct fetcher_request *e);

/* Waits until one of n requests (at most FETCHER_AT_ONCE; NULL ones are passed
 * over) can go on, or a signal came. */
void fetcher_wait(
    const struct fetcher *c, struct fetcher_request *const *requests, size_t n);

/* A whole request alone. *cut: see struct fetcher_request. */
enum fetcher_result fetcher_get(struct fetcher *c, struct source *s,
    const struct fetcher_file *o, bool *cut, struct why *why);

/* The same of a file that is appended to out, at most its maximum.
 * FETCHER_STOPPED and out->failed: out of memory. */
enum fetcher_result
fetcher_text(struct fetcher *c, struct source *s, const char *path,
    uint64_t total_ms, struct buf *out, bool *cut, struct why *why);

/* The same of the source's manifest (out of MANIFEST_MAX). */
enum fetcher_result fetcher_manifest(struct fetcher *c, struct source *s,
    struct buf *out, bool *cut, struct why *why);

#endif
