/* SPDX-License-Identifier: ISC */
/* Where the links of a capsule's pages lead, held against what a manifest lists:
 * what a mirror's readers would find there.
 * Depends on capsule and manifest. */
#ifndef ARCHIVE_LINKS_H
#define ARCHIVE_LINKS_H

#include "archive/manifest.h"
#include "capsule/inventory.h"
#include "proto/response.h"

enum {
	LINKS_PAGE_MAX = 16
			 << 20,  /* bytes of a page; a larger one is not read */
	LINKS_REDIRECTS_MAX = 5, /* clients follow no more */
};

enum links_end {
	LINKS_ELSEWHERE, /* no gemini URL, or of another host */
	LINKS_FILE,      /* a file of the list */
	LINKS_LISTING,   /* a directory of listed files */
	LINKS_MADE,      /* what publishing makes beside the list */
	LINKS_NOWHERE,   /* nothing that is listed */
};

struct link {
	const char *page; /* on which it stands, beneath the root */
	unsigned line;
	struct slice url; /* as it stands there */
	bool absolute;    /* it names the origin's host */
	enum links_end end;
	const struct manifest_entry *entry; /* of LINKS_FILE */
};

/* A capsule, as read when its pages are looked through. All borrowed. */
struct links_place {
	const struct host *host;
	const struct inventory *pages;
	const struct manifest *list; /* its files, and the origin */
};

/* Called for each link that leads into the capsule; all of it is borrowed until
 * handle returns. */
typedef void link_handler(void *arg, const struct link *link);

/* Reads every page, one at a time. False when one cannot be read, or out of
 * memory; the others are read all the same. */
bool links_each(const struct links_place *p, link_handler *handle, void *arg);

/* What capsule.conf decides about path, beneath the root: gone, redirected, or
 * STATUS_NONE. */
enum status links_policy(const struct host *h, const char *path);

#endif
