/* SPDX-License-Identifier: ISC */
/* Limits per address: requests a second and concurrent connections, counted
 * over all workers and generations in shared memory, so that a worker that dies
 * leaves nothing counted. Depends on util, os and conf. */
#ifndef SERVER_LIMITER_H
#define SERVER_LIMITER_H

#include <sys/socket.h>

#include "conf/conf.h"
#include "util/network.h"

enum {
	LIMITER_RATES = 8192, /* addresses whose rate is remembered */
	LIMITER_EXEMPT_MAX = 256,
	LIMITER_ROWS = 256,        /* worker processes at once */
	LIMITER_SLOTS = 16384,     /* connections of one of them */
	LIMITER_KNOWN = 4096,      /* addresses that got an answer */
	LIMITER_KNOWN_MS = 600000, /* in that time */
	LIMITER_HALF_OPEN = 1024,  /* handshakes in progress, over all rows */
};

_Static_assert(LIMITER_ROWS >= 4 * CONF_WORKERS_MAX,
    "one generation serves while another starts and others finish");

struct limiter;

/* NULL and errno on failure. Memory is used as it is needed. */
struct limiter *limiter_new(void);
void limiter_free(struct limiter **l);

/* Converts an address that a dual-stack socket shows as ::ffff:a.b.c.d to IPv4
 * (RFC 4291 2.5.5.2, ipv6(7)); leaves others unchanged. */
void limiter_unmap(struct sockaddr_storage *addr);

/* The key by which connections are grouped: an IPv4 address or an IPv6 /64; 0
 * without an address. */
uint64_t limiter_key(const struct sockaddr_storage *addr);

/* A hash of a key that clients can neither know nor choose. */
uint64_t limiter_hash(const struct limiter *l, uint64_t key);

/* The networks of a list, whose addresses are not counted; invalid ones are
 * reported in r. Returns their number. */
size_t limiter_networks(const struct conf_list *list,
    struct network out[LIMITER_EXEMPT_MAX], struct report *r);

bool limiter_exempt(const struct network *networks, size_t n,
    const struct sockaddr_storage *addr);

/* A request by key at now_us: 0 when it may be served, else whole seconds to
 * wait (at least 1). rate a second after a burst; refused ones are not
 * counted. */
unsigned limiter_request(struct limiter *l, uint64_t key, unsigned rate,
    unsigned burst, uint64_t now_us);

/* Records that key got an answer at now_ms (clock_ms); whether one is recorded
 * in the last LIMITER_KNOWN_MS. An address may be evicted by another. */
void limiter_note_known(struct limiter *l, uint64_t key, uint64_t now_ms);
bool limiter_is_known(const struct limiter *l, uint64_t key, uint64_t now_ms);

/* The ledger: which key has the connection in a slot of a row. Key 0 is not
 * counted. */
void limiter_open(struct limiter *l, size_t row, size_t slot, uint64_t key);
void limiter_close(struct limiter *l, size_t row, size_t slot);

/* Connections of key in all rows. */
size_t limiter_count(const struct limiter *l, uint64_t key);

/* Also in the ledger: the number of handshakes in progress in a row, and in all
 * rows, each counting for at most LIMITER_HALF_OPEN. */
void limiter_note_half_open(struct limiter *l, size_t row, size_t n);
size_t limiter_half_open(const struct limiter *l);

/* Parent: takes a free row for a new process, -1 when there is none; gives it
 * back, emptied, when the process has exited. */
int limiter_take_row(struct limiter *l);
void limiter_drop_row(struct limiter *l, int row);
size_t limiter_rows_free(const struct limiter *l);

#endif
