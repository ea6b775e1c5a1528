/* SPDX-License-Identifier: ISC */
/* A gemtext page read as a feed, the way clients that subscribe to pages do
 * ("Subscribing to Gemini pages").
 * Pure; depends on util and gemtext. */
#ifndef PROTO_SUBSCRIPTION_H
#define PROTO_SUBSCRIPTION_H

#include "proto/gemtext.h"

/* A day of the calendar: years 1 to 9999. */
struct subscription_day {
	int year;
	int month; /* 1 to 12 */
	int day;   /* 1 to 31 */
};

/* A link whose label begins like a date. Borrows from the page. */
struct subscription_entry {
	struct slice url; /* as on the page, never empty */
	struct slice
	    date; /* the label's first ten bytes, and digits after them */
	struct slice title; /* what follows the date, without the dashes and
			     * colons between them; may be empty */
	bool dated;         /* false: there is no such day, clients take none */
	struct subscription_day day;
	unsigned line; /* from 1 */
};

/* The next link whose label begins with \d{4}-\d\d-\d\d; g as for gemtext_next.
 * False at the end of the page. */
bool subscription_next(struct gemtext *g, struct subscription_entry *entry);

/* The first "##" after the first "#", with nothing but blank lines and headings
 * between them; empty when there is none. The title is gemtext_title's. */
struct slice subscription_subtitle(struct slice page);

/* Whether s begins with ten bytes \d{4}-\d\d-\d\d. */
bool subscription_looks_dated(struct slice s);

/* The day that s begins with; false when it is in no calendar, when a digit
 * follows it, or when it does not even look like a date. */
bool subscription_date(struct slice s, struct subscription_day *out);

/* Days since 1970-01-01 in the Gregorian calendar; d must be a day. */
int64_t subscription_days(const struct subscription_day *d);

#endif
