/* SPDX-License-Identifier: ISC */
/* The Atom document of a capsule, made of the page that its capsule.conf calls
 * the feed (RFC 4287). The same page gives the same bytes:
 * there is no clock in it.
 * Depends on host, inventory and proto. */
#ifndef CAPSULE_FEED_H
#define CAPSULE_FEED_H

#include "capsule/atom.h"
#include "capsule/inventory.h"
#include "proto/subscription.h"
#include "proto/uri.h"

/* Its path beneath the root. */
#define FEED_FILE "atom.xml"

enum { FEED_MAX = 8 * 1024 * 1024 }; /* bytes of the document */

/* Where a capsule is published: "gemini://host" or "gemini://host:port", a
 * final '/' or not. */
struct feed_origin {
	char host[HOSTNAME_SIZE]; /* canonical; a name, never an address */
	int port;                 /* -1: the usual one */
};

/* Parses an origin. False and why when text is not one. */
bool feed_origin(struct slice text, struct feed_origin *out, struct why *why);

/* Appends the origin as a URL, without a final slash. */
bool feed_origin_put(const struct feed_origin *origin, struct buf *out);

/* The feed's title: that of its page, text, else the capsule's; blank when
 * neither has one. Borrows from both. */
struct slice feed_title(const struct host *h, struct slice text);

/* What a feed is made with, beside its page. */
struct feed_options {
	struct slice author; /* blank: the capsule's title, else the feed's */
	const struct feed_origin *origin; /* NULL: links are relative */
	/* The release that readers have now: its identifiers come before those
	 * in the capsule's own FEED_FILE. NULL: none. */
	const struct host *last;
};

/* Appends the document to out, which should hold FEED_MAX. pages are what h
 * serves. Identifiers are those of feed_id.h.
 *
 * False when r gained an error: no feed is set, it is not served as gemtext, it
 * has no title and the capsule has none, there is no entry. Entries without a
 * day of the calendar or a link to follow are left out, with a warning. */
bool feed_atom(const struct host *h, const struct inventory *pages,
    const struct feed_options *o, struct buf *out, struct report *r);

/* The entries of a feed page as a capsule offers them: each target once, newest
 * first. */
enum {
	FEED_ENTRIES_MAX = 10000,
	FEED_TARGET_MAX = 4096, /* bytes of a link */
};

struct feed_entry {
	char *target;       /* as feed_target has it */
	char *id;           /* NULL until feed_ids_choose */
	struct slice title; /* borrowed from the page; may be empty */
	struct subscription_day day;
	unsigned line;
};

/* Zeroed = empty. */
struct feed_entries {
	struct feed_entry *item;
	size_t n;
};

/* Appends where a link of the page leads (a path beneath the root):
 * "/night.gmi", with its query, without dots and fragment, for what is in the
 * capsule; anything with a scheme or a host of its own unchanged. False when a
 * client could not follow it (see uri_fault), or too long. */
bool feed_target(const char *page, struct slice url, struct buf *out);

/* Where an entry of an Atom document leads, as feed_target has it; absolute
 * links to the document's own origin lead into the capsule, whatever it is
 * called here. The caller frees. NULL: nowhere, or out of memory. */
char *feed_atom_target(const struct atom *a, const struct atom_part *part);

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
