/* SPDX-License-Identifier: ISC */
/* The parent: owns configuration, sockets and logs, supervises the workers, and
 * reads no byte from the network. Depends on generation; uses libev. */
#ifndef SERVER_PARENT_H
#define SERVER_PARENT_H

#include "server/generation.h"

/* Where configurations come from, at start and at every reload. */
struct parent_source {
	/* A checked configuration, the caller's; NULL when r gained an
	 * error. */
	struct conf *(*load)(void *arg, struct report *r);
	/* Called when the first generation accepts, to print the summary. May
	 * be NULL. */
	void (*started)(void *arg, const struct site *site,
	    const struct listeners *listeners);
	const char *certs_dir;
	void *arg;
};

enum {
	PARENT_ROOTS_MS = 500,          /* how often the roots are checked */
	PARENT_EXPIRY_S = 24 * 60 * 60, /* certificates, likewise */
	/* interval of the message of a delayed reload */
	PARENT_WAIT_LOG_MS = 60000,
	/* after limits.drain, for workers to end */
	PARENT_TIMEOUT_S = GENERATION_LATE_S + 2,
};

/* Serves until a signal ends it. Returns the exit status: 0 after finishing. */
int parent_run(const struct parent_source *source);

#endif
