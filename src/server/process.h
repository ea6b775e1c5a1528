/* SPDX-License-Identifier: ISC */
/* One worker as its parent sees it: forked, sent messages, removed when it has
 * exited. Depends on worker; uses libev's default loop. */
#ifndef SERVER_PROCESS_H
#define SERVER_PROCESS_H

#include <ev.h>

#include "server/worker.h"

struct process {
	pid_t pid;   /* 0: not running */
	int control; /* -1: not running */
	int row;     /* in the limiter's ledger; -1: none */
	int seat;    /* with the process that holds the keys; -1: none */
	unsigned number;
	bool ready; /* it has reported so */
	uint64_t started_ms;
	ev_child child; /* their callbacks and data are the owner's */
	ev_io message;
};

/* A worker that is not running; its events go to these, with data in each. */
void process_init(struct process *p, unsigned number,
    void (*child)(struct ev_loop *, ev_child *, int),
    void (*message)(struct ev_loop *, ev_io *, int), void *data);

/* Forks a worker in the world of template (parent, control, row, signing and
 * number are filled in). False after a message. */
bool process_start(struct process *p, const struct worker_world *template);

/* Reads one byte from the worker. False when there is none. */
bool process_receive(struct process *p);

/* Sends it a message; a worker that does not read is killed. */
void process_send(struct process *p, enum worker_message message);

/* After its child event: logs how it ended if log is set, and gives back what it
 * had of the world it was started in. */
void
process_ended(struct process *p, const struct worker_world *template, bool log);

#endif
