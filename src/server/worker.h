/* SPDX-License-Identifier: ISC */
/* A worker: the process that talks to clients. It inherits all it needs, drops
 * its privileges, accepts, and ends when asked or when its parent does. Depends
 * on pool, site and listeners; uses libev. */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include "os/privs.h"
#include "server/access.h"
#include "server/heartbeat.h"
#include "server/limiter.h"
#include "server/listeners.h"
#include "server/site.h"

enum {
	/* connections accepted before others are served */
	WORKER_ACCEPT_TURN = 16,
	/* ... after so many turns in a row with one to accept; else only one */
	WORKER_ACCEPT_BUSY = 4,
	/* times limits.connections may wait for a handshake */
	WORKER_QUEUED = 3,
	WORKER_ACCEPT_PAUSE_MS = 200, /* when descriptors have run out */
	WORKER_FULL_PAUSE_MS = 1000,  /* when no connection can be dropped */
	/* Handshakes and connections ended, after which memory is given back;
	 * at most once a heartbeat. */
	WORKER_TRIM_AFTER = 64,
	WORKER_FINISH_S = 60, /* for the connections of an old generation */
};

/* The messages between parent and worker, one byte each, over the worker's
 * control socket. End of file ends the worker. */
enum worker_message {
	WORKER_READY = 'r',  /* to the parent: accepting */
	WORKER_FINISH = 'd', /* stop accepting; the connections may finish */
	/* The same, after accepting what is queued: an address is given up. */
	WORKER_LEAVE = 'l',
	WORKER_STOP = 't', /* as WORKER_LEAVE, within limits.drain */
};

/* Everything is inherited by fork; the worker owns its copies. */
struct worker_world {
	struct site *site;
	struct listeners *listeners;
	struct access *access;
	struct limiter *limiter;
	struct heartbeats *heartbeats;
	struct tickets *tickets;
	struct seats *seats; /* with the process that holds the keys */
	const struct privs *privs;
	pid_t parent;
	int control;
	int signing; /* its seat's end; the parent's again when it has ended */
	int row;     /* in the limiter's ledger */
	unsigned number; /* for messages */
};

/* Runs a worker in a freshly forked process, with signals blocked; never
 * returns. Exits 0 after finishing, 1 when it could not start, having logged
 * the reason. */
_Noreturn void worker_run(const struct worker_world *w);

#endif
