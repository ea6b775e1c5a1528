/* SPDX-License-Identifier: ISC */
/* Where workers and the process that holds the keys meet: pairs of sockets, one
 * for each worker that may live at once, and one for the parent. The parent keeps
 * both ends of each, so that a new process at either end gets the same pair.
 * Depends on util and signing. */
#ifndef SERVER_SEATS_H
#define SERVER_SEATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* So many times the workers of one generation, at least SEATS_MIN;
	 * fewer where descriptors are few, but never less than two generations
	 * need: one serves, one starts. */
	SEATS_TIMES = 4,
	SEATS_MIN = 32,
	SEATS_MAX = 256,
	/* While a reload changes certificates there are two sets of seats. */
	SEATS_SETS = 2,
	SEATS_DESCRIPTORS = 2,    /* of each seat, in the parent */
	SEATS_SPOILED_MS = 10000, /* see seats_spoiled */
};

/* The number of workers' seats to have for so many workers, when so many
 * descriptors may be used for all sets. 0: too few. */
size_t seats_wanted(size_t workers, size_t descriptors);

/* The descriptors that seats_wanted cannot do without. */
size_t seats_descriptors(size_t workers);

enum seat_state {
	SEAT_FREE,
	SEAT_TAKEN,
	/* Its worker has ended, and may have done to the socket what outlives it
	 * (shutdown(2), say): free again when a ping through it was
	 * answered. */
	SEAT_DOUBTFUL,
};

struct seat {
	int worker_fd; /* the end of the worker or the parent; -1: closed */
	int keyd_fd;
	enum seat_state state;
	bool pinged;          /* DOUBTFUL: the ping was sent */
	uint64_t doubtful_ms; /* since when */
};

struct seats {
	struct seat *seat; /* the first is the parent's own */
	size_t n;
	bool retired;
};

/* Makes the parent's and n more. False and errno; seats_close is due even
 * then. */
bool seats_open(struct seats *s, size_t n);
void seats_close(struct seats *s);

/* A free one for a worker, -1 when there is none. It is given back when the
 * worker has ended; then it is free as soon as it has proved to work. */
int seats_take(struct seats *s);
void seats_drop(struct seats *s, int seat);
size_t seats_free(struct seats *s);

/* Whether one has not proved so in SEATS_SPOILED_MS: only another set of seats
 * brings it back. */
bool seats_spoiled(struct seats *s);

/* The end of a worker, or of the parent (seat 0). */
int seats_worker_fd(const struct seats *s, int seat);

/* The ends of keyd of all that are open, into out, which has room for s->n. */
size_t seats_keyd_fds(const struct seats *s, int *out);

/* No more workers will come: what is free is closed, now and later. */
void seats_retire(struct seats *s);

#endif
