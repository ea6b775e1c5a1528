/* SPDX-License-Identifier: ISC */
/* Where `carnation fetch` writes a body: a file that appears when it is whole, a
 * device, or the standard output. Depends on fetch_broker. */
#ifndef VERBS_FETCH_OUTPUT_H
#define VERBS_FETCH_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "util/log.h"
#include "util/slice.h"
#include "verbs/fetch_broker.h"

struct fetch_output {
	const char *file;                  /* NULL: stdout */
	const struct fetch_broker *broker; /* of file */
	int fd;
	bool terminal; /* stdout is one */
	bool progress; /* stderr is one, and stdout is not in use */
	struct screen screen;
	uint64_t bytes;
	uint64_t shown_ms; /* 0: no progress stands on the terminal */
	bool in_line;      /* the terminal's last line has no end yet */
};

/* file is borrowed, and what broker was started with; NULL: stdout. False after a
 * message, as the next two. */
bool fetch_output_open(struct fetch_output *o, const char *file,
    const struct fetch_broker *broker);

/* Bytes that are not none. */
bool fetch_output_write(struct fetch_output *o, struct slice bytes);

/* What is not whole is kept under FILE.part. Harmless on a zeroed one. */
bool fetch_output_close(struct fetch_output *o, bool whole);

/* What is on the terminal, progress or half a line, must not stand before a
 * message. */
void fetch_output_end_line(struct fetch_output *o);

#endif
