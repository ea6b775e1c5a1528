/* SPDX-License-Identifier: ISC */
/* The identifiers of a feed and its entries, which must never change (RFC 4287
 * 4.2.6): those that readers know are kept, others are made. Depends on feed. */
#ifndef CAPSULE_FEED_ID_H
#define CAPSULE_FEED_ID_H

#include "capsule/feed.h"

/* What they are made of. */
struct feed_ids {
	const struct host *host;
	const struct host *last;          /* an earlier release, or NULL */
	const struct feed_origin *origin; /* NULL: none is known */
	struct slice page;                /* its path, as links have it */
	struct slice title, author;       /* of the feed */
};

/* Sets the id of each entry, and returns that of the feed, which the caller
 * frees. NULL: out of memory.
 *
 * Kept is what FEED_FILE of last, or else of host, has for the same target. Two
 * of the same are not kept, nor are those of "capsule.invalid", which is nobody's
 * name, nor one made of another date: an entry whose date has changed is a new
 * one.
 *
 * With an origin, others are tag: URIs (RFC 4151): of an entry, its date and
 * target; of the feed, its page, after "feed:" and a date that never changes.
 * Without, they are UUIDs (RFC 9562): of an entry, made of the same and the
 * feed's identifier; of the feed, of page, title and author. */
char *feed_ids_choose(const struct feed_ids *ids, struct feed_entries *entries);

#endif
