/* SPDX-License-Identifier: ISC */
/* An Atom document as a reader of feeds takes it (RFC 4287). The only user of
 * libexpat.
 * Depends on proto. */
#ifndef CAPSULE_ATOM_H
#define CAPSULE_ATOM_H

#include "proto/subscription.h"

enum {
	ATOM_TEXT_MAX =
	    4096,            /* bytes of an element's text that are looked at */
	ATOM_DEPTH_MAX = 64, /* elements within each other */
	ATOM_ENTRIES_MAX = 10000,
};

/* A feed or one of its entries. */
struct atom_part {
	unsigned line; /* of its start */
	bool has_id;   /* and it is not empty; so for the others */
	bool has_title;
	bool has_updated;
	bool dated;                  /* updated is a moment (RFC 3339) */
	struct subscription_day day; /* of updated, in its own zone */
	char *id;    /* NULL: none, or more than ATOM_TEXT_MAX */
	char *link;  /* its alternate one, as it stands; NULL: none */
	char *title; /* NULL: none, or more than ATOM_TEXT_MAX, or no plain
		      * text */
};

struct atom {
	const char *fault; /* why it is not well-formed; NULL: it is */
	unsigned line;     /* of the fault */
	bool is_feed;      /* else only the document's first element is known */
	struct atom_part feed;
	char *self; /* its link to itself, as it stands; NULL: none */
	struct atom_part *entry;
	size_t n;
};

/* Reads a document, which must be UTF-8. A DOCTYPE is a fault: entities may
 * multiply without end or lead to other files, and feeds have no need of it.
 * Faults, too, are more than ATOM_DEPTH_MAX and ATOM_ENTRIES_MAX. With a fault
 * the rest is only what came before. False: out of memory, and out is empty. */
bool atom_read(struct slice bytes, struct atom *out);
void atom_fini(struct atom *a);

#endif
