/* SPDX-License-Identifier: ISC */
/* A directory as gemtext, for capsules that enable it.
 * Depends on util, os and proto. */
#ifndef CAPSULE_LISTING_H
#define CAPSULE_LISTING_H

#include "capsule/host.h"
#include "os/file.h"

enum {
	LISTING_ENTRIES_MAX = 1000, /* more are only counted */
	LISTING_NAMES_MAX = 10000,  /* more are not read: no listing */
	LISTING_CACHE_SIZE = 64,    /* directories kept */
};

/* The page of one directory: shared, counted. */
struct listing {
	struct slice body;
	unsigned references;
};

struct listings;

struct listings *listings_new(void);
void listings_free(struct listings **l);

/* The page of the directory open at fd (described by st, at path beneath h's
 * root, "" for the root, else ending in '/'), from the cache while stat(2) says
 * the same of it and of each file in it. Directories first, numbers in order,
 * sizes for people, a .gmi page by its first heading; what resolve() would
 * refuse is left out; a link to ".." but at the root. NULL and errno: EFBIG
 * when the directory holds more than LISTING_NAMES_MAX names, else ENOMEM, out
 * of memory or of descriptors. Every page is given back with
 * listing_release. */
struct listing *listing_get(struct listings *l, const struct host *h,
    const char *path, int fd, const struct stat *st);
void listing_release(struct listing *page);

/* Names as people order them: "2" before "10". For qsort-like use and tests. */
int listing_compare(const char *a, const char *b);

/* "17 B", "4.0 KiB", "1.2 MiB" into out. */
void listing_size(uint64_t bytes, char out[16]);

#endif
