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
	/* Milliseconds in which nobody gives way while somebody older can. */
	POOL_GRACE_MS = 2000,
	POOL_KNOWN_MS = 600000,  /* since a request came from its address */
	POOL_HALF_OPEN_MIN = 16, /* that a worker has whatever others say */
	POOL_CROWDED = 80,       /* percent of the slots, taken */
	/* Then a reader gives way who takes less than 1 KiB a second for 30 s. */
	POOL_SLOW_PACE = 1024,
	POOL_SLOW_MS = 30000,
};

struct pool;

/* Called whenever a slot has become free, or would give way to a newcomer. */
typedef void pool_freed(void *arg);

/* n slots on loop, and queued more (with a descriptor each, not two) for those that
 * wait for a handshake when there is no time for more; row is the process's row in
 * the limiter's ledger, of LIMITER_SLOTS. world is borrowed. NULL when memory is
 * short. */
struct pool *pool_new(struct ev_loop *loop, size_t n, size_t queued,
    struct conn_world *world, size_t row, pool_freed *freed, void *arg);

/* Closes every connection at once. */
void pool_free(struct pool **p);

enum pool_adopted {
	POOL_ADOPTED,
	POOL_REFUSED, /* one too many from that address: closed */
	POOL_FULL,    /* no slot and nobody to drop: fd is still the caller's */
};

/* Takes up a new connection and steps it at once. When the slots have run out, one
 * makes room: in its drain; else without a request, for longer than POOL_GRACE_MS
 * if there is such, of the address that has most of those that were looked at, at
 * random among equals. exempt: counted for nobody. */
enum pool_adopted pool_adopt(struct pool *p, int fd,
    const struct sockaddr_storage *from, unsigned port, bool exempt);

/* Connections open. */
size_t pool_count(const struct pool *p);

/* Handshakes and connections that have ended since pool_new: each has freed
 * buffers. */
uint64_t pool_ended(const struct pool *p);

/* Whether pool_adopt would find a slot or somebody to drop. */
bool pool_has_room(struct pool *p);

#endif
