/* SPDX-License-Identifier: ISC */
/* How a mirror's run is told: one line on stdout when something happened, or one
 * object; messages and progress on stderr.
 * Depends on archive. */
#ifndef VERBS_MIRROR_OUTPUT_H
#define VERBS_MIRROR_OUTPUT_H

#include "archive/mirror.h"

/* Zeroed but for json at the start. */
struct mirror_output {
	bool json;
	bool progress; /* stderr is a terminal */
	bool shown;    /* a line of progress stands there */
	uint64_t shown_ms;
	uint64_t began_ms; /* the first progress */
};

/* A listener for a run. o must live as long. */
struct mirror_listener mirror_output_open(struct mirror_output *o);

/* The end of a run, in words or as JSON. False, and a message, when they could not be
 * written. */
bool
mirror_output_close(struct mirror_output *o, const struct mirror_outcome *out);

#endif
