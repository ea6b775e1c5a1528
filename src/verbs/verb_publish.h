/* SPDX-License-Identifier: ISC */
/* What is shown of a plan to publish. Depends on publish. */
#ifndef VERBS_VERB_PUBLISH_H
#define VERBS_VERB_PUBLISH_H

#include "archive/publish.h"

/* A line for each file that changes, up to a limit, and each release that goes. */
void publish_print_changes(const struct publish_plan *plan);

/* The last line, which ends with what came of it. */
void publish_print_end(const struct publish_plan *plan, const char *end);

/* All of it as a JSON object. False after a message when it could not be printed. */
bool publish_print_json(const struct publish_plan *plan);

#endif
