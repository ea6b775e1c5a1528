/* SPDX-License-Identifier: ISC */
#include "server/child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/descriptors.h"
#include "util/clock.h"
#include "util/log.h"

pid_t
child_fork(void)
{
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid != 0)
		sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

pid_t
child_start(
    const struct privs *privs, int *keep, size_t n, child_job *job, void *arg)
{
	pid_t parent = getpid();
	pid_t pid = child_fork();

	if (pid != 0)
		return pid;
	privs_quiet_signals();
	descriptors_keep(keep, n);
	if (privs != NULL && !privs_drop(privs)) {
		log_error("cannot drop privileges: %s", strerror(errno));
		_exit(EXIT_FAILURE);
	}
	if (!privs_die_with(parent))
		_exit(EXIT_FAILURE);
	_exit(job(arg) ? EXIT_SUCCESS : EXIT_FAILURE);
}

int
child_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) == -1)
		if (errno != EINTR)
			return -1;
	return status;
}

void
child_replace_later(ev_timer *timer, uint64_t *started_ms, unsigned *backoff_ms,
    unsigned stable_ms)
{
	uint64_t now = clock_ms();
	unsigned wait = now - *started_ms >= stable_ms ? 0 : *backoff_ms;

	/* A fork that failed does not count as a long life. */
	*started_ms = now;
	*backoff_ms = wait == 0 ? CHILD_BACKOFF_MS : 2 * wait;
	if (*backoff_ms > CHILD_BACKOFF_MAX_MS)
		*backoff_ms = CHILD_BACKOFF_MAX_MS;
	ev_timer_set(timer, wait / 1000., 0);
	ev_timer_start(EV_DEFAULT, timer);
}
