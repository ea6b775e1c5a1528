/* SPDX-License-Identifier: ISC */
/* Where the body of a fetched page goes: a file that appears whole, a pipe as it
 * is, a terminal made harmless.
 * Depends on util and client. */
#ifndef VERBS_FETCH_OUTPUT_H
#define VERBS_FETCH_OUTPUT_H

#include "util/log.h"

struct fetch_output {
	const char *file; /* NULL: stdout */
	char *temporary;  /* "FILE.part.XXXXXX", until all is there; NULL for a
			   * device or a pipe */
	int fd;
	bool terminal; /* stdout is one */
	bool progress; /* stderr is one, and stdout is not in use */
	struct screen screen;
	uint64_t bytes;
	uint64_t shown_ms;
};

/* Each says on stderr what went wrong. file is borrowed; NULL means stdout. */
bool fetch_output_open(struct fetch_output *o, const char *file);
bool fetch_output_write(struct fetch_output *o, struct slice bytes);

/* Closes, and gives the file its name if whole; otherwise it stays as FILE.part,
 * which is reported. Harmless on what was never opened. */
bool fetch_output_close(struct fetch_output *o, bool whole);

#endif
