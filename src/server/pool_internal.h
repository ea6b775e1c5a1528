/* SPDX-License-Identifier: ISC */
/* What the files of the pool share. Depends on pool. */
#ifndef SERVER_POOL_INTERNAL_H
#define SERVER_POOL_INTERNAL_H

#include "server/pool.h"
#include "util/list.h"

enum {
	POOL_TALLY = 4096,     /* addresses told apart by slot_address */
	POOL_TALLY_SHIFT = 52, /* leaves as many values */
	/* connections compared when one must be dropped */
	POOL_PROBES = 32,
	POOL_GREED = 8,    /* connections that every share allows */
	POOL_SHARES = 128, /* of the slots: so much is an address's share */
};

/* Whose handshake is started first; each rank comes first in some turn. */
enum rank {
	RANK_KNOWN, /* the address has had an answer lately */
	RANK_UNKNOWN,
	RANK_GREEDY, /* it has more than its share of the slots */
	RANKS,
};

struct slot {
	struct conn conn;
	struct pool *pool;
	struct list link;      /* of pool->in[state], or on none */
	enum conn_state state; /* the conn's, when last looked at */
	enum conn_state armed; /* the state that the timer is set for */
	uint64_t greed;        /* the address's key, exempt or not */
	uint64_t since_ms;     /* in this state; in SEND: being measured */
	uint64_t taken;        /* bytes of the answer at that time */
	ev_io io;
	ev_timer timer;
};

struct pool {
	struct ev_loop *loop;
	struct conn_world *world;
	struct slot *slots;
	struct conn_text *texts;
	size_t n;
	size_t max; /* including those queued for a handshake */
	size_t count;
	size_t used; /* slots that were ever taken: the first ones */
	size_t row;
	/* By state, oldest first; DONE: vacant. Of QUEUED: by rank. */
	struct list in[CONN_DONE + 1];
	struct list queue[RANKS];
	size_t counts[CONN_DONE + 1];
	uint64_t ended;            /* see pool_ended */
	ev_idle turn;              /* active while any is in CONN_QUEUED */
	unsigned iteration, begun; /* handshakes begun in that iteration */
	pool_freed *freed;
	void *arg;
	uint64_t seed;
	uint64_t random;
	uint16_t tally[POOL_TALLY]; /* connections without a request */
};

/* The first of a list that is not empty. */
static inline struct slot *
slot_first(const struct list *l)
{
	return LIST_ENTRY(l->next, struct slot, link);
}

/* Still without a request. */
static inline bool
is_waiting(enum conn_state state)
{
	return state <= CONN_REQUEST;
}

/* pool_room.c: where the address's connections are counted in the tally. */
size_t slot_address(const struct slot *s);

/* pool_room.c: which queue for a handshake it belongs in. */
enum rank slot_rank(const struct slot *s);

/* pool_room.c: whether there is a slot without dropping a connection. */
bool pool_has_slot(const struct pool *p);

/* pool_room.c: the connection to drop for a newcomer of an address (0: not
 * known yet) when all slots are taken, or a slow reader somewhat earlier; NULL:
 * none. */
struct slot *pool_for_newcomer(struct pool *p, uint64_t greed);

/* pool_room.c: connections that have more than a socket. */
size_t pool_begun(const struct pool *p);

/* pool_room.c: the connection to drop for one more handshake; NULL: none needs
 * to be, or, when pool_begun is at its maximum, none can be. */
struct slot *pool_for_handshake(struct pool *p);

#endif
