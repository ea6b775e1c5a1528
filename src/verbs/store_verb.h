/* SPDX-License-Identifier: ISC */
/* What the verbs that change a store begin with. Depends on archive. */
#ifndef VERBS_STORE_VERB_H
#define VERBS_STORE_VERB_H

#include "archive/store.h"
#include "util/why.h"

/* Opens the store that is at path and takes its lock: EXIT_GOOD and *s, or a
 * message and the exit status (EXIT_FAILED when another run holds the lock). */
int store_take(const char *path, struct store **s);

/* Logs why as an error; the exit status. */
int store_failed(const struct why *why);

#endif
