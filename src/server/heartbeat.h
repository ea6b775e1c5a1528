/* SPDX-License-Identifier: ISC */
/* Heartbeats: one counter per worker in shared memory, by which the parent
 * detects workers that hang. Depends on limiter, whose rows number the workers,
 * and on os. */
#ifndef SERVER_HEARTBEAT_H
#define SERVER_HEARTBEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HEARTBEAT_MS = 1000, /* how often a worker beats and the parent looks */
	HEARTBEAT_MISSED_MAX = 10, /* in a row: the worker hangs */
};

struct heartbeats;

/* NULL and errno on failure. */
struct heartbeats *heartbeats_new(void);
void heartbeats_free(struct heartbeats **h);

/* Called in the worker of a row. */
void heartbeat(struct heartbeats *h, int row);

/* What the parent remembers of a worker; zeroed at its start. */
struct pulse {
	uint32_t seen;
	unsigned missed;
};

/* Checks a row: true when the worker hangs. To be called every HEARTBEAT_MS;
 * each call counts as one beat however late it is, so that a suspended machine
 * does not lose its workers. */
bool pulse_lost(struct pulse *p, const struct heartbeats *h, int row);

#endif
