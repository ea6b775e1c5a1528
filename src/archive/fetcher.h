/* SPDX-License-Identifier: ISC */
/* Whom to ask and how: the sources of a capsule, how each has done in this run,
 * and requests to them: one file of one source, redirects and "slow down"
 * included, as steps that never block, or waited for. Whatever asks others for
 * manifests and files goes through here, and so do its limits. What came is for a
 * hash or a signature to judge, not for TLS. Depends on manifest, state, store
 * and client. */
#ifndef ARCHIVE_FETCHER_H
#define ARCHIVE_FETCHER_H

#include <signal.h>

#include "archive/manifest.h"
#include "archive/state.h"
#include "archive/store.h"
#include "client/exchange.h"
#include "proto/response.h"
#include "util/result.h"
#include "util/why.h"

/* ------------------------------------------------------------- sources */

enum {
	SOURCES_MAX = 32,
	SOURCES_LIST_MAX = 1 << 20, /* bytes of mirrors.gmi */
	/* What counts how much as a failure, and when a source is out: so many
	 * in a row, with nothing of use between them. */
	SOURCE_MISS = 3, /* it does not have the file */
	SOURCE_FAILURE = 20,
	SOURCE_OUT = 60,
	SOURCE_SLOW_MS = 5000, /* a failure that took so long counts for all */
	SOURCE_PAUSE_MS = 15,  /* after a failure, times what they come to */
	/* Later than this in all, beyond a second a file and so many bytes a
	 * second: a quicker one is asked first. */
	SOURCE_LATE_MS = 5000,
	SOURCE_EACH_MS = 1000,
	SOURCE_RATE = 16 * 1024,
};

/* The capsule's own page of its mirrors. */
#define SOURCES_LIST "mirrors.gmi"

struct source {
	char base[MANIFEST_ORIGIN_MAX]; /* "gemini://host[:port]/" */
	bool by_path; /* files are asked for by their paths first, not hashes */
	/* What it is worth: these two. */
	unsigned failures;  /* in a row */
	uint64_t late_ms;   /* in all, its "slow down" included */
	uint64_t paused_ms; /* not before this moment (clock_ms()) */
	char certificate[DIGEST_HEX_SIZE]; /* that it showed in this run */
	bool distrusted;                   /* for another certificate */
	struct why said;                   /* its last failure; "" none */
};

/* In the order in which they are asked. */
struct sources {
	struct source at[SOURCES_MAX];
	size_t n;
};

/* Adds a base in its one form (manifest_origin), unless it is "", there, or there is
 * no room. */
void sources_add(struct sources *s, const char *base);

/* Adds all that the links of a page lead to: other hosts' roots alone. own is a
 * host that is not to be asked; "" none. */
void sources_add_links(struct sources *s, struct slice page, const char *own);

/* Whether the host of a base is this one (canonical). */
bool base_has_host(const char *base, const char *host);

/* Appends the list of the current release to page (of SOURCES_LIST_MAX); a
 * release without one is not an error. False and why. */
bool sources_list(const struct store *store, struct buf *page, struct why *why);

/* Adds whom a mirror asks, in this order: its URL, the origin, the others that were
 * given, the links of the current release's list. */
void sources_of(
    struct sources *s, const struct store *store, const struct state *st);

/* Adds it; it is asked for files by path, whatever else it offers. */
void sources_add_origin(struct sources *s, const char *base);

/* All get another chance, but those that are not trusted. */
void sources_revive(struct sources *s);

/* Asked no more in this round; asked when no other has it. */
bool source_is_out(const struct source *s);
bool source_is_slow(const struct source *s);

/* The first that is slow, or is not, among those that are not out and whose bits are
 * not in but; NULL: there is none. */
struct source *sources_find(struct sources *all, uint32_t but, bool slow);

/* A failure to answer, or a wrong answer, in words (kept, cut if long), that took
 * so many ms: all that go there wait for a moment. */
void source_strike(struct source *s, const char *said, uint64_t took_ms);

/* An answer that it has no such file; a file that came, got bytes in took_ms. */
void source_miss(struct source *s);
void source_praise(struct source *s, uint64_t got, uint64_t took_ms);

/* "Slow down" (44): all that go there wait for so many ms from now, which is
 * lateness; false when it would come to more than timeout_ms. Who keeps a pace
 * is waited for, however many files there are: each that comes earns some. */
bool source_pause(struct source *s, uint64_t ms, uint64_t timeout_ms);

/* Whether the source is slow, should a file of which got bytes came in took_ms end
 * here; and that it did. */
bool source_is_late(const struct source *s, uint64_t got, uint64_t took_ms);
void source_delay(struct source *s, uint64_t got, uint64_t took_ms);

/* ------------------------------------------------------------ requests */

enum {
	FETCHER_HEADER_MS = 20 * 1000, /* up to the header */
	FETCHER_WINDOW_MS = 10 * 1000, /* of a body, must bring ... */
	FETCHER_FLOOR = 1024,          /* ... so many bytes */
	FETCHER_TIMEOUT_MS =
	    60 * 1000,       /* waited for a source's "slow down" (44) */
	FETCHER_AT_ONCE = 2, /* connections of a download */
	FETCHER_JOBS_MAX = 16,
	FETCHER_TEXT_MS = 300 * 1000, /* for all of a manifest */
	/* A file may take so long, and longer the more bytes it may have, so
	 * many a second. */
	FETCHER_FILE_MS = 120 * 1000,
	FETCHER_RATE = 1024,
};

/* Zeroed but for what fetcher_open sets. */
struct fetcher {
	struct tls_client *tls;
	struct dial_names names;
	uint64_t timeout_ms; /* with each source; fetcher_open sets it */
	/* Checks that the peer is the expected one; NULL: any is. */
	bool (*trust)(void *arg, struct source *s, const struct cert *c);
	void *arg;
	const volatile sig_atomic_t *stop; /* not 0: end it; NULL: never */
	uint64_t deadline_ms;      /* a moment of clock_ms(): the same */
	const struct proxy *proxy; /* borrowed; NULL: straight there */
	struct exchange_rate rate; /* over all that it asks */
	bool local; /* it has no descriptors or memory: the same */
	/* What was done. */
	uint64_t requests, resumed, bytes; /* of bodies */
};

/* False and why. */
bool fetcher_open(struct fetcher *c, struct why *why);
void fetcher_close(struct fetcher *c);

/* Whether a signal, the deadline or a lack of descriptors ends the run; which, in
 * words: "interrupted"; and with what result: RESULT_FAILED, or RESULT_LOCAL. */
bool fetcher_stopped(const struct fetcher *c);
const char *fetcher_stop_word(const struct fetcher *c);
enum result fetcher_stop_result(const struct fetcher *c);

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
	FETCHER_STOPPED,    /* body said so, a signal, or the deadline */
	FETCHER_DISTRUSTED, /* trust said so */
};

/* Embedded; must not move between fetcher_start and fetcher_end. */
struct fetcher_request {
	struct fetcher *fetcher;
	struct source *source;
	struct fetcher_file wanted;
	struct target target;
	struct exchange *x;
	struct fetch_handler handler;
	uint64_t not_before_ms;
	uint64_t begun_ms; /* asked first, after all waiting for "slow down" */
	uint64_t held_ms;  /* by our own limit */
	uint64_t got;      /* bytes of the body */
	unsigned redirects;
	enum fetcher_result ended; /* by us: why */
	/* The end was no close_notify, but a bare one, a reset, or time: only a
	 * hash or a signature can tell whether all came. Why says what it was. */
	bool cut;

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

/* How long it has taken, without what our own limit held up. */
uint64_t fetcher_took_ms(const struct fetcher_request *e);

/* Several things at once, each of which makes one request after the other. step
 * takes the ith as far as it can without waiting. */
enum fetcher_job {
	JOB_NONE,  /* there is nothing for it to do any more */
	JOB_ENDED, /* it has come to an end, and may begin with another */
	JOB_WAITS, /* for *request */
};
typedef enum fetcher_job
fetcher_job_step(void *arg, size_t i, struct fetcher_request **request);

/* Does n (at most FETCHER_JOBS_MAX) until there is none for any, or the run is
 * stopped. */
void
fetcher_jobs(struct fetcher *c, size_t n, fetcher_job_step *step, void *arg);

/* A whole request alone. *cut: see struct fetcher_request. */
enum fetcher_result fetcher_get(struct fetcher *c, struct source *s,
    const struct fetcher_file *o, bool *cut, struct why *why);

/* The same of a file that is appended to out, at most its maximum.
 * FETCHER_STOPPED and out->failed: out of memory. */
enum fetcher_result fetcher_text(struct fetcher *c, struct source *s,
    const char *path, struct buf *out, bool *cut, struct why *why);

/* For fetcher_file.body: appends to a buf; adds to a digest. */
bool fetcher_to_buf(void *buf, struct slice bytes);
bool fetcher_to_digest(void *digest, struct slice bytes);

#endif
