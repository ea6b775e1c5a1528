/* SPDX-License-Identifier: ISC */
/* What a manifest that came from somewhere is to a mirror that remembers
 * (carnation-mirror(7), SERIALS and KEYS). Pure; depends on manifest, state. */
#ifndef ARCHIVE_FOUND_H
#define ARCHIVE_FOUND_H

#include "archive/state.h"
#include "util/why.h"

enum { FOUND_AHEAD_MAX = 1000000 }; /* serials */

enum found_result {
	FOUND_NEWER,
	FOUND_SAME,
	/* Refused: */
	FOUND_UNSIGNED, /* by none of the keys, or by a retired one */
	FOUND_UNSOUND,
	FOUND_OTHER_ORIGIN,
	FOUND_EQUIVOCATION,
	FOUND_ROLLBACK,
	FOUND_FAR_AHEAD,
};

/* A manifest, opened. */
struct found {
	struct buf text; /* all of it */
	struct manifest m;
	struct keyring_key signer; /* as the state's keyring has it */
	bool held;                 /* m is to be freed */
};

void found_init(struct found *f);
void found_fini(struct found *f);

/* Opens f->text and holds it against what st remembers; allowed is the one
 * lower (or too high) serial that the operator lets pass; 0: none. why: the
 * reason for a refusal. f->m is there unless it is unsigned or unsound. */
enum found_result found_check(
    struct found *f, const struct state *st, uint64_t allowed, struct why *why);

bool found_is_refused(enum found_result v);

#endif
