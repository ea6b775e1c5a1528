/* SPDX-License-Identifier: ISC */
/* What a mirror's store remembers: shown, and its keys changed. Depends on archive,
 * verbs. */
#ifndef VERBS_VERB_MIRROR_SHOW_H
#define VERBS_VERB_MIRROR_SHOW_H

#include "util/result.h"
#include "verbs/args.h"

/* Prints what the store at path remembers, as text or as a JSON object. Not
 * RESULT_GOOD after a message. */
enum result verb_mirror_show(const char *path, bool as_json);

/* Pins the keys that the words of add name (a file, or a key's text), then takes
 * those of drop away (a number, too), and reports each. All of it or, after a
 * message, nothing: RESULT_USAGE when a word is not a key, or no pinned key would
 * be left. */
enum result verb_mirror_keys(
    const char *path, const struct arg_list *add, const struct arg_list *drop);

#endif
