/* SPDX-License-Identifier: ISC */
/* Many missing files in one request: a source's mirror/capsule.tar, member by
 * member as it comes, into objects. The manifest decides what is kept; whatever
 * else an archive holds, lacks or pretends costs at most its bytes. Depends on
 * download, manifest and ustar. */
#ifndef ARCHIVE_UNPACK_H
#define ARCHIVE_UNPACK_H

#include "archive/download.h"
#include "archive/ustar.h"

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

/* The next bytes, for a struct unpack; false: there is no sense in more. */
bool unpack_bytes(void *unpack, struct slice bytes);

/* What was on its way is dropped. */
void unpack_stop(struct unpack *u);

enum unpack_result {
	UNPACK_ENDED,   /* whatever came of it */
	UNPACK_LOCAL,   /* see why: the store cannot be written to */
	UNPACK_STOPPED, /* a signal, or the run's deadline */
};

/* Fetches the archive of s once, and never again after a failure. Files that
 * came and were right are objects, and marked in d->missing; download_run
 * fetches the others. Nothing that happens here counts against s, but a
 * certificate that is not trusted. */
enum unpack_result unpack_archive(struct download *d, struct source *s,
    const struct manifest *m, struct why *why);

#endif
