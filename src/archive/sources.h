/* SPDX-License-Identifier: ISC */
/* Where manifests and files come from: the origin and other mirrors, and how
 * each has done in this run. Depends on manifest, state, store and client. */
#ifndef ARCHIVE_SOURCES_H
#define ARCHIVE_SOURCES_H

#include "archive/manifest.h"
#include "archive/state.h"
#include "archive/store.h"
#include "util/why.h"

enum {
	SOURCES_MAX = 32,
	SOURCE_STRIKES = 3,         /* failures in a row: asked no more */
	SOURCE_ABSENT_MAX = 20,     /* files in a row that it does not have */
	SOURCES_LIST_MAX = 1 << 20, /* bytes of mirrors.gmi */
	SOURCE_SLOW_MS = 5000, /* a failure that took so long counts for all */
	SOURCE_PAUSE_MS = 300, /* after a failure, times the strikes */
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
	bool out;     /* asked no more in this round */
	bool slow;    /* asked when the others do not have it */
	uint64_t late_ms; /* of files that came */
	unsigned strikes;
	unsigned absent;
	uint64_t paused_ms; /* not before this moment (clock_ms()) */
	uint64_t waited_ms; /* for its "slow down", less what it has earned */
	char certificate[DIGEST_HEX_SIZE]; /* that it showed in this run */
	bool distrusted;                   /* for another certificate */
	struct why said;                   /* its last failure; "" none */
};

/* In the order in which they are asked. */
struct sources {
	struct source at[SOURCES_MAX];
	size_t n;
};

/* Adds a base in its one form (manifest_origin), unless it is there or there is
 * no room. */
void sources_add(struct sources *s, const char *base);

/* Adds all that the links of a page lead to: other hosts' roots alone. own is a
 * host that is not to be asked; "" none. */
void sources_add_links(struct sources *s, struct slice page, const char *own);

/* Appends the list of the current release to page (of SOURCES_LIST_MAX); a
 * release without one is not an error. False and why. */
bool sources_list(const struct store *store, struct buf *page, struct why *why);

/* Adds whom a mirror knows without being told: the origin, and the links of the
 * current release's list. */
void sources_add_known(
    struct sources *s, const struct store *store, const struct state *st);

/* The origin is asked for files by path, whatever else it offers. */
void sources_know_origin(struct sources *s, const char *origin);

/* All get another chance, but those that are not trusted. */
void sources_revive(struct sources *s);

/* A failure to answer, in words (kept, cut if long), that took so many ms: all
 * that go there wait for a moment. */
void source_strike(struct source *s, const char *said, uint64_t took_ms);

/* "Slow down" (44): all that go there wait for so many ms from now; false when that
 * is more than is left of timeout_ms. Each file that comes earns SOURCE_EACH_MS
 * of them back: who keeps a pace is waited for, however many files there are. */
bool source_pause(struct source *s, uint64_t ms, uint64_t timeout_ms);

/* A wrong answer. */
void source_blame(struct source *s, const char *said);

/* An answer that was of use, and one that it has no such file. */
void source_praise(struct source *s);

/* Whether a file of which got bytes came in took_ms is too late for a source
 * that is not slow yet; source_delay adds it up, once it is all there. */
bool source_is_late(const struct source *s, uint64_t got, uint64_t took_ms);
void source_delay(struct source *s, uint64_t got, uint64_t took_ms);

/* Whether there is another than s to be asked that is not slow. */
bool sources_has_quicker(const struct sources *all, const struct source *s);

void source_miss(struct source *s);

#endif
