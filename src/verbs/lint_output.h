/* SPDX-License-Identifier: ISC */
/* The findings of a linter as people and programs read them.
 * Depends on capsule. */
#ifndef VERBS_LINT_OUTPUT_H
#define VERBS_LINT_OUTPUT_H

#include "capsule/lint.h"

/* On stdout "G007 page.gmi:12: link to /nigth.gmi: no such page", with the level
 * before the text unless it is an error, and "." for the capsule as a whole; the
 * sum of it all on stderr. False and errno when stdout takes no more. */
bool lint_print_text(const struct lint *l);

/* On stdout one object: how many of each level, and the findings. */
bool lint_print_json(const struct lint *l);

#endif
