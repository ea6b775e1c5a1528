/* SPDX-License-Identifier: ISC */
/* A generation: the workers forked from one configuration. The one mechanism of
 * change is a new generation; the old one finishes what it has.
 * Depends on worker; uses libev's default loop, in the parent. */
#ifndef SERVER_GENERATION_H
#define SERVER_GENERATION_H

#include "server/worker.h"
#include "util/list.h"

enum {
	GENERATION_STABLE_MS = 10000, /* see child_replace_later */
	GENERATION_START_MS = 30000,  /* to be ready, or it has failed */
	/* after its time, a worker that ends is killed */
	GENERATION_LATE_S = 2,
};

struct generation;

/* Events for the parent. Each callback may free the generation. */
struct generation_events {
	void (*ready)(void *arg, struct generation *g);  /* all accept */
	void (*failed)(void *arg, struct generation *g); /* could not start */
	void (*gone)(void *arg, struct generation *g);   /* no worker is left */
	void *arg;
};

/* What all generations share, borrowed. */
struct generation_common {
	struct limiter *limiter;
	struct heartbeats *heartbeats;
	struct tickets *tickets;
	struct generation_events events;
};

/* Takes ownership of site, also on failure, copies listeners (the descriptors
 * stay the parent's), opens the access log and forks the workers. NULL and a
 * logged reason when that fails. */
struct generation *generation_start(const struct generation_common *common,
    struct site *site, const struct listeners *listeners);

const struct site *generation_site(const struct generation *g);
size_t generation_workers(const struct generation *g);

/* The name, for a message, of the log that it writes, which may have been
 * renamed since it was opened: in out, or the word from the configuration. */
const char *generation_log(const struct generation *g, char *out, size_t size);

/* Asks every worker to stop accepting and finish: WORKER_FINISH, WORKER_LEAVE
 * or WORKER_STOP. Those still running GENERATION_LATE_S after their time limit
 * are killed. events.gone follows. */
void generation_finish(struct generation *g, enum worker_message message);

/* Ends every worker at once; events.gone follows. */
void generation_kill(struct generation *g);

/* Sends WORKER_STOP to the workers of every generation. */
void generation_stop_all(void);

/* Ends every keyd, then every worker of every generation, and waits for them: no
 * event follows. */
void generation_kill_all(void);

/* Frees a generation without workers. */
void generation_free(struct generation **g);

#endif
