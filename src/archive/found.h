/* SPDX-License-Identifier: ISC */
/* What a manifest that came from somewhere is to a mirror that remembers
 * (carnation-mirror(7), SERIALS and KEYS). Depends on manifest, state, store. */
#ifndef ARCHIVE_FOUND_H
#define ARCHIVE_FOUND_H

#include "archive/state.h"
#include "util/why.h"

enum { FOUND_AHEAD_MAX = 1000000 }; /* serials */

enum found_result {
	FOUND_NEWER, /* a higher serial, or the one that is allowed */
	FOUND_SAME,  /* the one that is remembered */
	FOUND_KEPT,  /* byte for byte that of an older release in the store */
	/* From here on why says what it is. */
	FOUND_BEHIND, /* a lower serial */
	/* From here on nothing may be made of it, at whomever it was found. */
	FOUND_UNSOUND, /* signed, and yet breaks the rules */
	FOUND_OTHER_ORIGIN,
	FOUND_FAR_AHEAD,    /* more than FOUND_AHEAD_MAX */
	FOUND_EQUIVOCATION, /* the same serial, other bytes */
	FOUND_FORGED,       /* signed by no key that we trust, or no manifest */
};

/* A manifest, opened. */
struct found {
	struct buf text;           /* all of it */
	struct manifest m;         /* serial 0: it is not there */
	struct keyring_key signer; /* as the state's keyring has it */
};

void found_init(struct found *f);
void found_fini(struct found *f);

/* Opens f->text and holds it against what st and the store (NULL: there is none)
 * remember; allowed is the one lower (or too high) serial that the operator lets
 * pass; 0: none. f->m is there unless it is forged or unsound; of one that is kept
 * it may not be. Remembers nothing. */
enum found_result found_check(struct found *f, const struct store *s,
    const struct state *st, uint64_t allowed, struct why *why);

#endif
