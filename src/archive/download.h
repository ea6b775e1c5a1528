/* SPDX-License-Identifier: ISC */
/* All that a manifest lists and a store lacks, fetched into objects: two
 * connections at a time, from whatever source has the right bytes.
 * Depends on courier, store, manifest. */
#ifndef ARCHIVE_DOWNLOAD_H
#define ARCHIVE_DOWNLOAD_H

#include "archive/courier.h"
#include "archive/store.h"

enum {
	DOWNLOAD_TOLD_MAX = 20, /* failures that are told by name */
	DOWNLOAD_TRIES = 3,     /* of one file at one source */
	/* What one file may take: so long, and longer the larger the largest
	 * is, so many bytes a second. */
	DOWNLOAD_FILE_MS = 120 * 1000,
	DOWNLOAD_RATE = 1024,
};

enum download_fault {
	DOWNLOAD_UNREACHED, /* no source could be asked to the end */
	DOWNLOAD_ABSENT,    /* no source has it */
	DOWNLOAD_OTHER,     /* a source has other bytes */
};

struct download_failure {
	size_t entry; /* of the manifest's */
	enum download_fault fault;
};

/* Zeroed but for the first block. All borrowed. */
struct download {
	struct courier *courier;
	struct sources *sources;
	struct store *store;
	const struct manifest *m;
	void (*progress)(void *arg, const struct download *d);
	void *arg;

	/* download_plan's. */
	uint32_t *missing; /* entries of different hashes, in order of paths */
	size_t n_missing;
	uint64_t to_come; /* bytes at most */

	/* download_run's. */
	size_t next;
	uint64_t files, bytes; /* that came and were right */
	struct download_failure told[DOWNLOAD_TOLD_MAX];
	size_t failures, others; /* in all; for other bytes */
};

/* What is missing. False: out of memory. */
bool download_plan(struct download *d);

/* Whether the manifest keeps its word about bytes: once all of it is here. */
bool download_is_as_said(const struct download *d);

enum download_result {
	DOWNLOAD_WHOLE,
	DOWNLOAD_LACKING, /* failures > 0 */
	DOWNLOAD_LOCAL,   /* see why: the store cannot be written to */
	DOWNLOAD_STOPPED, /* a signal */
};

enum download_result download_run(struct download *d, struct buf *why);
void download_fini(struct download *d);

#endif
