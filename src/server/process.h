/* SPDX-License-Identifier: ISC */
/* One worker as its parent sees it: forked, sent words, removed when it has
 * exited. Depends on worker; uses libev's default loop. */
#ifndef SERVER_PROCESS_H
#define SERVER_PROCESS_H

#include <ev.h>

#include "server/worker.h"

struct process {
	pid_t pid;   /* 0: not running */
	int control; /* -1: not running */
	int row;     /* in the limiter's ledger; -1: none */
	unsigned number;
	bool ready; /* it has reported so */
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

/* Reads one byte from the worker. False when there is none. */
bool process_hear(struct process *p);

/* Sends it a word; a worker that does not read is killed. */
void process_tell(struct process *p, enum worker_word word);

/* After its child event: logs how it ended if tell is set, and removes it from
 * the ledger. */
void process_ended(struct process *p, struct limiter *limiter, bool tell);

#endif
