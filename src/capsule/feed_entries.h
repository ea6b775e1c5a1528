/* SPDX-License-Identifier: ISC */
/* The entries of a feed page as a capsule offers them: each target once, newest
 * first.
 * Depends on proto. */
#ifndef CAPSULE_FEED_ENTRIES_H
#define CAPSULE_FEED_ENTRIES_H

#include "proto/subscription.h"
#include "util/buf.h"

enum {
	FEED_ENTRIES_MAX = 10000,
	FEED_TARGET_MAX = 4096, /* bytes of a link */
};

struct feed_entry {
	char *target;       /* as feed_target has it */
	struct slice title; /* borrowed from the page; may be empty */
	struct subscription_day day;
	unsigned line;
};

/* Zeroed = empty. */
struct feed_entries {
	struct feed_entry *item;
	size_t n;
};

/* Appends where a link of the page leads (a path beneath the root): "/night.gmi",
 * with its query, without dots and fragment, for what lies in the capsule;
 * anything with a scheme or a host of its own as it stands. False when it is no
 * link that a client could follow (see uri_fault), or too long. */
bool feed_target(const char *page, struct slice url, struct buf *out);

enum feed_read {
	FEED_READ,
	FEED_READ_TOO_MANY, /* more than FEED_ENTRIES_MAX */
	FEED_READ_NO_MEMORY,
};

/* Called for an entry that is left out: its date is in no calendar, or its link
 * cannot be followed. */
typedef void feed_left_out(void *arg, const struct subscription_entry *entry);

/* Reads the entries of text, the page at that path. Of several with one target
 * the first on the page counts. left_out may be NULL. */
enum feed_read feed_entries_read(const char *page, struct slice text,
    feed_left_out *left_out, void *arg, struct feed_entries *out);
void feed_entries_fini(struct feed_entries *e);

#endif
