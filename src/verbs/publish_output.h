/* SPDX-License-Identifier: ISC */
/* What publishing changes, as people and programs read it, and the question before
 * something is lost.
 * Depends on archive. */
#ifndef VERBS_PUBLISH_OUTPUT_H
#define VERBS_PUBLISH_OUTPUT_H

#include "archive/publish.h"

/* On stdout a line for each file that changed, of many the first ones and a count. */
void publish_print_changes(const struct publish_plan *plan);

/* On stdout one line: "publish: HOST: serial 42 -> 43: 3 added, ...; " and end. */
void publish_print_end(const struct publish_plan *plan, const char *end);

/* On stdout one object. */
void publish_print_json(const struct publish_plan *plan, bool published);

/* Whether pages may go that others link to, and a series go on that was closed: true
 * when there is nothing of that, or yes says so; else it asks, on stderr, when stdin
 * is a terminal. */
bool publish_ask(const struct publish_plan *plan, bool yes);

#endif
