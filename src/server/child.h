/* SPDX-License-Identifier: ISC */
/* Child processes: forked, limited to what is theirs, waited for.
 * Depends on descriptors and os; uses libev's default loop. */
#ifndef SERVER_CHILD_H
#define SERVER_CHILD_H

#include <ev.h>
#include <stdint.h>

#include "os/privs.h"

enum { CHILD_BACKOFF_MS = 50, CHILD_BACKOFF_MAX_MS = 800 };

/* fork(2) with all signals blocked: a child must not run the parent's handlers,
 * and unblocks them itself (privs_quiet_signals). */
pid_t child_fork(void);

/* What a child does. False: its exit status is 1. */
typedef bool child_job(void *arg);

/* Runs job in a child that keeps the standard descriptors and the n in keep
 * (sorted by this; negative ones are ignored), becomes the user in privs (NULL:
 * keeps ours) and dies with us. -1 and errno. */
pid_t child_start(
    const struct privs *privs, int *keep, size_t n, child_job *job, void *arg);

/* Waits for a child, or with -1 for any: its status as in waitpid(2); -1 when
 * there is none. */
int child_wait(pid_t pid);

/* Starts timer, at which a child that has died is to be replaced: at once, but after
 * another life shorter than stable_ms with a delay, which doubles up to
 * CHILD_BACKOFF_MAX_MS. *started_ms is when the child was started and becomes now;
 * *backoff_ms, 0 at first, is kept for the next time. */
void child_replace_later(ev_timer *timer, uint64_t *started_ms,
    unsigned *backoff_ms, unsigned stable_ms);

#endif
