/* SPDX-License-Identifier: ISC */
#include "server/process.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/child.h"
#include "util/clock.h"
#include "util/log.h"

void
process_init(struct process *p, unsigned number,
    void (*child)(struct ev_loop *, ev_child *, int),
    void (*message)(struct ev_loop *, ev_io *, int), void *data)
{
	memset(p, 0, sizeof(*p));
	p->control = -1;
	p->row = p->seat = -1;
	p->number = number;
	ev_init(&p->child, child);
	ev_init(&p->message, message);
	p->child.data = data;
	p->message.data = data;
}

static pid_t
worker_fork(const struct process *p, const struct worker_world *template,
    const int pair[2])
{
	struct worker_world world = *template;
	pid_t pid;

	world.parent = getpid();
	world.control = pair[1];
	world.row = p->row;
	world.signing = seats_worker_fd(template->seats, p->seat);
	world.number = p->number;
	pid = child_fork();
	if (pid == 0)
		worker_run(&world);
	return pid;
}

static void
process_watch(struct process *p)
{
	p->ready = false;
	p->started_ms = clock_ms();
	ev_child_set(&p->child, p->pid, 0);
	ev_child_start(EV_DEFAULT, &p->child);
	ev_io_set(&p->message, p->control, EV_READ);
	ev_io_start(EV_DEFAULT, &p->message);
}

static void
process_give_back(struct process *p, const struct worker_world *template)
{
	if (p->row != -1)
		limiter_drop_row(template->limiter, p->row);
	if (p->seat != -1)
		seats_drop(template->seats, p->seat);
	p->control = p->row = p->seat = -1;
	p->pid = 0;
}

bool
process_start(struct process *p, const struct worker_world *template)
{
	const int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
	int pair[2] = { -1, -1 };

	errno = EAGAIN;
	p->row = limiter_take_row(template->limiter);
	p->seat = seats_take(template->seats);
	if (p->row != -1 && p->seat != -1 &&
	    socketpair(AF_UNIX, type, 0, pair) == 0) {
		p->pid = worker_fork(p, template, pair);
		p->control = pair[0];
		close(pair[1]);
		if (p->pid != -1) {
			process_watch(p);
			return true;
		}
		close(pair[0]);
	}
	log_error("worker %u: %s", p->number, strerror(errno));
	process_give_back(p, template);
	return false;
}

bool
process_receive(struct process *p)
{
	char byte;
	ssize_t n = read(p->control, &byte, 1);

	if (n == 1)
		p->ready = p->ready || byte == WORKER_READY;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		ev_io_stop(EV_DEFAULT, &p->message); /* its end follows */
	return n == 1;
}

void
process_send(struct process *p, enum worker_message message)
{
	char byte = (char)message;

	if (p->pid > 0 && write(p->control, &byte, 1) != 1)
		kill(p->pid, SIGKILL);
}

static void
process_log_end(const struct process *p)
{
	int status = p->child.rstatus;

	if (WIFSIGNALED(status))
		log_error("worker %u (process %d) was killed by signal %d (%s)",
		    p->number, (int)p->pid, WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else
		log_error("worker %u (process %d) exited with status %d",
		    p->number, (int)p->pid, WEXITSTATUS(status));
}

void
process_ended(struct process *p, const struct worker_world *template, bool log)
{
	if (log)
		process_log_end(p);
	ev_child_stop(EV_DEFAULT, &p->child);
	ev_io_stop(EV_DEFAULT, &p->message);
	close(p->control);
	process_give_back(p, template);
}
