/* SPDX-License-Identifier: ISC */
/* Files that a store lacks (all that a manifest lists, or what is corrupt),
 * fetched into objects: two connections at a time, from whatever source has the
 * right bytes; or many from an archive. Depends on fetcher, store, manifest and
 * ustar. */
#ifndef ARCHIVE_DOWNLOAD_H
#define ARCHIVE_DOWNLOAD_H

#include "archive/fetcher.h"
#include "archive/store.h"
#include "archive/ustar.h"
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
	bool local;              /* the store is at fault, see *why */
	struct why *why;
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

/* Until all have come, or will not come (failures > 0), or the fetcher is stopped.
 * False and why: the store cannot be written to. */
bool download_run(struct download *d, struct why *why);
void download_fini(struct download *d);

/* ------------------------------------------------------------ unpack.c */

/* Many missing files in one request: a source's mirror/capsule.tar, member by
 * member as it comes, into objects. The manifest decides what is kept; whatever
 * else an archive holds, lacks or pretends costs at most its bytes. */

enum {
	UNPACK_FEW = 3,             /* so many files are fetched singly */
	UNPACK_REQUEST = 32 * 1024, /* bytes that a request is worth */
	UNPACK_HEADER = 1024,       /* bytes that a member is longer by */
};

/* Whether the archive of m is to be fetched when n_missing of its files are
 * not there, to_come bytes in all: more than a few, and for each request that
 * it saves it brings at most UNPACK_REQUEST bytes that are not needed. */
bool
unpack_is_worth(const struct manifest *m, size_t n_missing, uint64_t to_come);

/* An archive on its way, in constant memory. */
struct unpack {
	struct download *d;
	struct ustar_reader *reader;
	struct download_file *file; /* that comes; NULL: not wanted */
	struct store_object *object;
	uint64_t got; /* bytes of the object so far */
	size_t left;  /* files that are still missing */
	bool local;   /* the store is at fault, see *why */
	struct why *why;
};

/* d is planned. False: out of memory. unpack_stop is due in any case. */
bool unpack_start(struct unpack *u, struct download *d, struct why *why);

/* The next bytes, for a struct unpack; false: more of them make no sense. */
bool unpack_bytes(void *unpack, struct slice bytes);

/* What was on its way is dropped. */
void unpack_stop(struct unpack *u);

/* Fetches the archive of s once, and never again after a failure. Files that
 * came and were right are objects, and marked in d->missing; download_run
 * fetches the others. Nothing that happens here counts against s, but a
 * certificate that is not trusted. False and why: the store cannot be written
 * to. */
bool unpack_archive(struct download *d, struct source *s,
    const struct manifest *m, struct why *why);

#endif
