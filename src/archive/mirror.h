/* SPDX-License-Identifier: ISC */
/* One run of a mirror: a capsule's newest manifest, what it lists, a release of
 * it, the switch (carnation-mirror(7), A RUN, STEP BY STEP).
 * Depends on store, state, manifest, changes and client. */
#ifndef ARCHIVE_MIRROR_H
#define ARCHIVE_MIRROR_H

#include <signal.h>

#include "archive/manifest.h"
#include "archive/state.h"
#include "util/why.h"

enum {
	MIRROR_FILE_MIB = 64, /* limits, unless the operator says otherwise */
	MIRROR_BYTES_GIB = 4,
	MIRROR_ROUNDS = 5, /* manifests begun with in one run */
};

enum mirror_level { MIRROR_INFO, MIRROR_WARNING, MIRROR_ERROR };

struct mirror_progress {
	uint64_t files, files_all;
	uint64_t bytes, bytes_all; /* bytes_all: at most */
};

/* Receives progress and messages. */
struct mirror_listener {
	/* One line for a person. */
	void (*say)(void *arg, enum mirror_level level, const char *text);
	/* Often, while files come. */
	void (*progress)(void *arg, const struct mirror_progress *p);
	void *arg;
};

/* The options of a run. All borrowed. */
struct mirror_options {
	const char *store;
	const char *url; /* "gemini://host[:port]/", in its one form */
	const char *const *also;
	size_t n_also;
	const struct signify_key *key; /* NULL: what the store pins */
	bool strict_tls;
	uint64_t allow_serial; /* 0: none */
	uint64_t max_file, max_bytes, max_files;
	const char *host;                  /* canonical; NULL: as before */
	const char *contact;               /* record_text_ok; NULL: as before */
	const volatile sig_atomic_t *stop; /* not 0: end it */
	struct mirror_listener listener;
};

enum mirror_result {
	MIRROR_UPDATED,
	MIRROR_SAME,
	MIRROR_LATER,   /* no source answers, lock held, stopped */
	MIRROR_USAGE,   /* no key */
	MIRROR_REFUSED, /* signature, rollback, equivocation, names, hashes */
	MIRROR_LOCAL,   /* disk, permissions, limits */
};

struct mirror_outcome {
	enum mirror_result result;
	char origin[MANIFEST_ORIGIN_MAX]; /* or the URL, before one is known */
	char source[MANIFEST_ORIGIN_MAX]; /* of the manifest; "" */
	uint64_t before;  /* the serial that was known; 0: none */
	uint64_t serial;  /* of the manifest in question; 0: none was read */
	uint64_t serving; /* what current leads to now; 0: nothing */
	bool switched;    /* by this run, however it ended then */
	struct changes changes;
	uint64_t requests, resumed, bytes; /* bytes of bodies */
	uint64_t ms;
	bool stale;     /* refresh has passed */
	struct why why; /* "" when it went well */
};

/* One run. SIGPIPE must be ignored. */
void
mirror_run(const struct mirror_options *options, struct mirror_outcome *out);

#endif
