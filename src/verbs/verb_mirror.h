/* SPDX-License-Identifier: ISC */
/* What is shown of a mirror's run, and what other verbs take of `carnation mirror`.
 * Depends on mirror. */
#ifndef VERBS_VERB_MIRROR_H
#define VERBS_VERB_MIRROR_H

#include "archive/mirror.h"
#include "verbs/args.h"

/* What came so far, on the terminal's current line. */
void mirror_progress_print(const struct download *d, uint64_t took_ms);

/* The one line of a run, or its JSON object. verbose: also when nothing was new.
 * False after a message when it could not be printed. */
bool mirror_outcome_print(
    const struct mirror_outcome *out, bool as_json, bool verbose);

/* Without a run: pins the keys that the words of add name (a file, or a key's text),
 * then takes those of drop away (a number, too), and reports each; all of it or, after
 * a message, nothing: RESULT_USAGE when a word is not a key, or no pinned key would be
 * left. Then (show) prints what the store at path remembers, as text or as a JSON
 * object. Not RESULT_GOOD after a message. */
enum result verb_mirror_memory(const char *path, const struct arg_list *add,
    const struct arg_list *drop, bool show, bool as_json);

/* One run of a mirror with what its store remembers; printed as `carnation mirror`
 * prints it, or, quiet, only its messages. SIGPIPE must be ignored. */
enum result verb_mirror_again(const char *store, bool quiet);

#endif
