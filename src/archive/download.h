/* SPDX-License-Identifier: ISC */
/* Files that a store lacks (all that a manifest lists, or what is corrupt),
 * fetched into objects: two connections at a time, from whatever source has the
 * right bytes. Depends on fetcher, store, manifest. */
#ifndef ARCHIVE_DOWNLOAD_H
#define ARCHIVE_DOWNLOAD_H

#include "archive/fetcher.h"
#include "archive/store.h"
#include "util/why.h"

enum { DOWNLOAD_TRIES = 3 }; /* of one file at one source */

/* Both texts borrowed. */
struct download_file {
	const uint8_t *digest;
	const char *path;  /* NULL: available by its hash only */
	bool is_here;      /* unpack_archive has fetched it */
	const char *fault; /* why not, after download_run: "no source has it" */
};

/* Zeroed but for the first block. All borrowed. */
struct download {
	struct fetcher *fetcher;
	struct sources *sources;
	struct store *store;
	uint64_t largest, all; /* bytes that one file, and all of them, have */
	void (*progress)(void *arg, const struct download *d);
	void *arg;

	/* Those to be fetched: download_add's or download_plan's. */
	struct download_file *missing;
	size_t n_missing;
	uint64_t to_come; /* bytes at most */

	/* download_run's. */
	size_t next;
	uint64_t files, bytes;   /* that came and were right */
	size_t failures, others; /* in all; other bytes came for */
};

/* One more. False: out of memory. */
bool download_add(struct download *d, const uint8_t *digest, const char *path);

/* Leaves each hash once, in order of their paths. */
void download_drop_twins(struct download *d);

/* What of m is missing, and how many bytes m says it may have; m must outlive d.
 * False: out of memory. */
bool download_plan(struct download *d, const struct manifest *m);

/* Whether m keeps its word about bytes: once all of it is here. */
bool download_is_as_said(const struct store *s, const struct manifest *m);

enum download_result {
	DOWNLOAD_WHOLE,
	DOWNLOAD_LACKING, /* failures > 0 */
	DOWNLOAD_LOCAL,   /* see why: the store cannot be written to */
	DOWNLOAD_STOPPED, /* a signal */
};

enum download_result download_run(struct download *d, struct why *why);
void download_fini(struct download *d);

#endif
