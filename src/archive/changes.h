/* SPDX-License-Identifier: ISC */
/* What changed between two manifests. Pure; depends on manifest. */
#ifndef ARCHIVE_CHANGES_H
#define ARCHIVE_CHANGES_H

#include "archive/manifest.h"

enum change {
	CHANGE_ADDED,
	CHANGE_CHANGED, /* the same name, other bytes */
	CHANGE_GONE,
};

struct changes {
	uint64_t added, changed, gone;
	uint64_t kept; /* the same name, the same bytes */
};

/* Called for each difference, in byte order of paths. path is borrowed from one of
 * the manifests. */
typedef void change_reporter(void *arg, enum change change, const char *path);

/* Compares what two manifests list, counting. before may be NULL: all was added.
 * handle may be NULL. */
struct changes changes_between(const struct manifest *before,
    const struct manifest *after, change_reporter *handle, void *arg);

/* Whether both list the same. */
bool changes_none(const struct changes *c);

/* "added", "changed", "gone". */
const char *change_text(enum change change);

#endif
