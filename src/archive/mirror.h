/* SPDX-License-Identifier: ISC */
/* One run of a mirror: a capsule's newest manifest, what it lists, a release of
 * it, the switch (carnation-mirror(7), A RUN, STEP BY STEP).
 * Depends on store, state, manifest, fetcher and client. */
#ifndef ARCHIVE_MIRROR_H
#define ARCHIVE_MIRROR_H

#include <signal.h>

#include "archive/download.h"
#include "archive/manifest.h"
#include "archive/state.h"
#include "util/result.h"
#include "util/why.h"

enum {
	MIRROR_FILE_MIB = 64, /* limits, unless the operator says otherwise */
	MIRROR_BYTES_GIB = 4,
	MIRROR_ROUNDS = 5,            /* manifests begun with in one run */
	MIRROR_DEADLINE_S = 6 * 3600, /* of a run */
};

#define MIRROR_AS_BEFORE UINT64_MAX

/* The options of a run. All borrowed; of those from url on, what is not given
 * (NULL, 0) is as the store remembers it. */
struct mirror_options {
	const char *store;
	const struct signify_key *key;     /* NULL: what the store pins */
	uint64_t allow_serial;             /* 0: none */
	uint64_t deadline_s;               /* 0: MIRROR_DEADLINE_S */
	const volatile sig_atomic_t *stop; /* not 0: end it; NULL: never */
	/* Often, while files come; NULL: nobody hears it. */
	void (*progress)(void *arg, const struct download *d);
	void *arg;

	const char *url, *origin; /* manifest_origin takes them, and also's */
	const char *const *also;
	size_t n_also; /* at most STATE_ALSO_MAX */
	uint64_t max_file, max_bytes, max_files;
	uint64_t limit_rate; /* 0: none; MIRROR_AS_BEFORE: not given */
	const char *proxy;   /* proxy_parse takes it; "": none */
	bool strict_tls, lax_tls;
	int64_t stale_after; /* as in struct state */
	const char *host;    /* hostname_canonical takes it */
	const char *contact; /* state_text_ok */
};

struct mirror_outcome {
	/* RESULT_GOOD: updated, or nothing new. RESULT_FAILED: no source answers,
	 * lock held, stopped. RESULT_USAGE: no key. RESULT_REFUSED: signature,
	 * rollback, equivocation, names, hashes. RESULT_LOCAL: disk,
	 * permissions, limits. RESULT_STALE: its author was not heard for
	 * longer than the operator wants. */
	enum result result;
	bool updated; /* a release was taken over, or made whole again */
	char origin[MANIFEST_ORIGIN_MAX]; /* or the store, before it is known */
	char source[MANIFEST_ORIGIN_MAX]; /* of the manifest; "" */
	uint64_t before;  /* the serial that was known; 0: none */
	uint64_t serial;  /* of the manifest in question; 0: none was read */
	uint64_t serving; /* what current leads to now; 0: nothing */
	bool switched;    /* by this run, however it ended then */
	struct changes changes;
	uint64_t requests, resumed, bytes; /* bytes of bodies */
	uint64_t ms;
	bool overdue;   /* the author's refresh has passed */
	struct why why; /* "" when it went well */
};

/* One run. SIGPIPE must be ignored. */
void
mirror_run(const struct mirror_options *options, struct mirror_outcome *out);

#endif
