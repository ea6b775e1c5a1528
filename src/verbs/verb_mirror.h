/* SPDX-License-Identifier: ISC */
/* What is shown of a mirror's run, and what other verbs take of `carnation mirror`.
 * Depends on mirror. */
#ifndef VERBS_VERB_MIRROR_H
#define VERBS_VERB_MIRROR_H

#include "archive/mirror.h"

/* Zeroed, but for wanted. */
struct mirror_display {
	bool wanted;       /* stderr is a terminal */
	bool shown;        /* a line of progress is on it */
	uint64_t shown_ms; /* 0: not yet */
	uint64_t began_ms; /* the first progress */
};

/* Shows a run: its lines, and a line of progress where somebody looks, which
 * mirror_display_clear removes. d must outlive the run. */
struct mirror_listener mirror_display_listener(struct mirror_display *d);
void mirror_display_clear(struct mirror_display *d);

/* The one line of a run, or its JSON object. verbose: also when nothing was new.
 * False after a message when it could not be printed. */
bool mirror_outcome_print(
    const struct mirror_outcome *out, bool as_json, bool verbose);

/* When root works in a store that belongs to another user: becomes that user for
 * good, so that the next run of theirs can go on. Before anything in it is opened.
 * False after a message. */
bool verb_store_become(const char *path);

/* One run of a mirror with what its store remembers; printed as `carnation mirror`
 * prints it, or, quiet, only its messages. SIGPIPE must be ignored. */
enum result verb_mirror_again(const char *store, bool quiet);

#endif
