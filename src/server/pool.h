/* SPDX-License-Identifier: ISC */
/* A worker's connections: preallocated slots, their watchers and deadlines, and
 * the rule for whom to drop when all are taken.
 * Depends on conn; uses libev. */
#ifndef SERVER_POOL_H
#define SERVER_POOL_H

#include <ev.h>

#include "server/conn.h"

enum {
	POOL_TURN = 4, /* handshakes begun before others have their turn */
	/* Milliseconds in which a connection is not dropped while an older one
	 * can be. */
	POOL_GRACE_MS = 2000,
	/* that a worker may have whatever others report */
	POOL_HALF_OPEN_MIN = 16,
	POOL_NEARLY_FULL = 80, /* percent of the slots, taken */
	/* Then a reader slower than 1 KiB a second for 30 s is dropped. */
	POOL_SLOW_PACE = 1024,
	POOL_SLOW_MS = 30000,
};

struct pool;

/* Called whenever a slot has become free or could be given to a newcomer. */
typedef void pool_freed(void *arg);

/* Makes n slots on loop, and queued more (with one descriptor each, not two)
 * for connections waiting for their handshake when there is no time for it; row
 * is the process's row in the limiter's ledger, of LIMITER_SLOTS. world is
 * borrowed. NULL when out of memory. */
struct pool *pool_new(struct ev_loop *loop, size_t n, size_t queued,
    struct conn_world *world, size_t row, pool_freed *freed, void *arg);

/* Closes every connection at once. */
void pool_free(struct pool **p);

enum pool_adopted {
	POOL_ADOPTED,
	POOL_REFUSED, /* one too many from that address: closed */
	POOL_FULL,    /* no slot, none to drop: fd is still the caller's */
};

/* Whether there is a slot for a new connection, or a connection to drop for it,
 * which is chosen here: to be called before each pool_adopt. */
bool pool_has_room(struct pool *p);

/* Takes a new connection and steps it at once. When all slots are used, one is
 * dropped: one in CONN_DISCARD; else one without a request, silent for
 * POOL_GRACE_MS if there is any, of the address that has most of those probed,
 * at random among equals. exempt: not counted. */
enum pool_adopted pool_adopt(struct pool *p, int fd,
    const struct sockaddr_storage *from, unsigned port, bool exempt);

/* Connections open. */
size_t pool_count(const struct pool *p);

/* Handshakes and connections that have ended since pool_new: each has freed
 * buffers. */
uint64_t pool_ended(const struct pool *p);

#endif
