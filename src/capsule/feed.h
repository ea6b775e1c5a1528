/* SPDX-License-Identifier: ISC */
/* The Atom document of a capsule, made of the page that its capsule.conf calls
 * the feed (RFC 4287). The same page gives the same bytes:
 * there is no clock in it.
 * Depends on host, inventory, page and proto. */
#ifndef CAPSULE_FEED_H
#define CAPSULE_FEED_H

#include "capsule/inventory.h"
#include "proto/uri.h"

/* Where it lies, beneath the root. */
#define FEED_FILE "atom.xml"

enum { FEED_MAX = 8 * 1024 * 1024 }; /* bytes of the document */

/* Where a capsule is published: "gemini://host" or "gemini://host:port", a final
 * '/' or not. */
struct feed_origin {
	char host[HOSTNAME_SIZE]; /* canonical; a name, never an address */
	int port;                 /* -1: the usual one */
};

/* False, and *why a constant text, when text is no origin. */
bool feed_origin(struct slice text, struct feed_origin *out, const char **why);

/* Appends the origin as a URL, without a slash behind it. */
bool feed_origin_put(const struct feed_origin *origin, struct buf *out);

/* The feed's title: that of its page, text, else the capsule's; blank when neither
 * has one. Borrows from both. */
struct slice feed_title(const struct host *h, struct slice text);

/* Appends the document to out, which should hold FEED_MAX. pages are what h
 * serves. origin NULL: links are relative, and identifiers are of
 * "capsule.invalid", a name that nobody owns. A blank author: the capsule's title,
 * else the feed's.
 *
 * Identifiers are tag: URIs (RFC 4151). That of an entry is made of its date and
 * its target, so one whose date is changed is a new entry to those who read the
 * feed, as a correction should be. That of the feed is made of its page alone,
 * behind "feed:" and a date that never changes, so that no entry has the same and
 * none can make it another feed (RFC 4287 4.2.6).
 *
 * False when r gained an error: no feed is set, it is not served as gemtext, it
 * has no title and the capsule has none, there is no entry. Entries without a
 * day of the calendar or a link to follow are left out, with a warning. */
bool feed_atom(struct slice author, const struct host *h,
    const struct inventory *pages, const struct feed_origin *origin,
    struct buf *out, struct report *r);

#endif
