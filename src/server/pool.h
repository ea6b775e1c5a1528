/* SPDX-License-Identifier: ISC */
/* A worker's connections: preallocated slots, their watchers and deadlines, and
 * the rule for whom to drop when all are taken.
 * Depends on conn; uses libev. */
#ifndef SERVER_POOL_H
#define SERVER_POOL_H

#include <ev.h>

#include "server/conn.h"

struct pool;

/* Called whenever a slot has become free. */
typedef void pool_freed(void *arg);

/* n slots on loop; row is the process's row in the limiter's ledger. world is
 * borrowed. NULL when memory is short. */
struct pool *pool_new(struct ev_loop *loop, size_t n, struct conn_world *world,
    size_t row, pool_freed *freed, void *arg);

/* Closes every connection at once. */
void pool_free(struct pool **p);

enum pool_adopted {
	POOL_ADOPTED,
	POOL_REFUSED, /* one too many from that address: closed */
	POOL_FULL,    /* no slot and nobody to drop: fd is still the caller's */
};

/* Takes up a new connection and steps it at once. When the slots have run out,
 * the oldest connection still without a request, of the address that has most of
 * those, makes room. exempt: counted for nobody. */
enum pool_adopted pool_adopt(struct pool *p, int fd,
    const struct sockaddr_storage *from, unsigned port, bool exempt);

/* Connections open. */
size_t pool_count(const struct pool *p);

/* Whether pool_adopt would find a slot or somebody to drop. */
bool pool_has_room(const struct pool *p);

#endif
