/* SPDX-License-Identifier: ISC */
/* One worker as its parent sees it: forked, spoken to, missed when it is gone.
 * Depends on worker; uses libev's default loop. */
#ifndef SERVER_PROCESS_H
#define SERVER_PROCESS_H

#include <ev.h>

#include "server/worker.h"

struct process {
	pid_t pid;   /* 0: not running */
	int control; /* -1: not running */
	int row;     /* in the limiter's ledger; -1: none */
	unsigned number;
	bool ready; /* it has said so */
	uint64_t started_ms;
	ev_child child; /* their callbacks and data are the owner's */
	ev_io word;
};

/* A worker that is not running; its events go to these, with data in each. */
void process_init(struct process *p, unsigned number,
    void (*child)(struct ev_loop *, ev_child *, int),
    void (*word)(struct ev_loop *, ev_io *, int), void *data);

/* Forks a worker in the world of template (parent, control, row and number are
 * filled in). False after a message. */
bool process_start(struct process *p, const struct worker_world *template);

/* What the worker has said: reads one byte. False when it says nothing. */
bool process_hear(struct process *p);

/* Says a word to it; one that does not listen is killed. */
void process_tell(struct process *p, enum worker_word word);

/* After its child event: says how it ended if that is worth telling, and takes it
 * off the books. */
void process_ended(struct process *p, struct limiter *limiter, bool tell);

#endif
