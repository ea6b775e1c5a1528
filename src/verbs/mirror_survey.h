/* SPDX-License-Identifier: ISC */
/* `carnation mirror --survey`: another thing to do, with words of its own.
 * Depends on archive (survey). */
#ifndef VERBS_MIRROR_SURVEY_H
#define VERBS_MIRROR_SURVEY_H

#include <signal.h>
#include <stdbool.h>

/* Whether the words ask for a survey. */
bool mirror_survey_wanted(int argc, char **argv);

/* The page goes to stdout. *stop not 0 ends it. The exit status. */
int mirror_survey(int argc, char **argv, const volatile sig_atomic_t *stop);

#endif
