/* SPDX-License-Identifier: ISC */
#include "server/generation.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/log.h"

enum state { STARTING, SERVING, ENDING };

/* One worker, as its parent sees it. */
struct process {
	struct generation *generation;
	pid_t pid;    /* 0: not running */
	int control;  /* -1: not running */
	int row;
	unsigned number;
	bool ready;
	unsigned backoff_ms;
	uint64_t started_ms;
	ev_child child;
	ev_io word;
	ev_timer restart;
};

struct generation {
	const struct generation_common *common;
	enum state state;
	bool failed;
	struct site *site;
	struct listeners listeners;
	struct access access;
	struct list link; /* of generations */
	ev_timer start_limit;
	size_t n;
	size_t running;
	struct process processes[];
};

/* All there are, so that a new worker can close what is not its own. */
static struct list generations = { &generations, &generations };

static void
process_close(struct process *p)
{
	if (p->control == -1)
		return;
	ev_io_stop(EV_DEFAULT_ &p->word);
	close(p->control);
	p->control = -1;
}

/* In the child: the parent's ends of all control sockets. */
static void
close_controls(void)
{
	struct list *l;

	LIST_EACH(l, &generations) {
		struct generation *g = LIST_ENTRY(l, struct generation, link);

		for (size_t i = 0; i < g->n; i++)
			if (g->processes[i].control != -1)
				close(g->processes[i].control);
	}
}

static _Noreturn void
process_child(struct process *p, pid_t parent, int control)
{
	struct generation *g = p->generation;
	const struct worker_world world = {
		.site = g->site,
		.listeners = &g->listeners,
		.access = &g->access,
		.limiter = g->common->limiter,
		.tickets = g->common->tickets,
		.privs = g->common->privs,
		.parent = parent,
		.control = control,
		.row = p->row,
		.number = p->number,
	};

	close_controls();
	worker_run(&world);
}

static void on_child(struct ev_loop *loop, ev_child *w, int events);
static void on_word(struct ev_loop *loop, ev_io *w, int events);

/* Forks with all signals blocked: a worker must not run the parent's handlers. */
static bool
process_fork(struct process *p)
{
	struct limiter *limiter = p->generation->common->limiter;
	pid_t parent = getpid();
	sigset_t all, before;
	int pair[2];

	p->row = limiter_take_row(limiter);
	if (p->row == -1)
		errno = EAGAIN;
	if (p->row == -1 || socketpair(AF_UNIX,
				SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
				pair) == -1)
		goto fail;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	p->pid = fork();
	if (p->pid == 0) {
		close(pair[0]);
		process_child(p, parent, pair[1]);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(pair[1]);
	if (p->pid == -1) {
		close(pair[0]);
		goto fail;
	}
	p->control = pair[0];
	p->ready = false;
	p->started_ms = clock_ms();
	p->generation->running++;
	ev_child_init(&p->child, on_child, p->pid, 0);
	p->child.data = p;
	ev_child_start(EV_DEFAULT_ &p->child);
	ev_io_init(&p->word, on_word, p->control, EV_READ);
	p->word.data = p;
	ev_io_start(EV_DEFAULT_ &p->word);
	return true;
fail:
	log_error("worker %u: %s", p->number, strerror(errno));
	if (p->row != -1)
		limiter_drop_row(limiter, p->row);
	p->row = -1;
	p->pid = 0;
	return false;
}

static void
schedule_restart(struct process *p)
{
	uint64_t lived = clock_ms() - p->started_ms;
	unsigned wait = lived >= GENERATION_STABLE_MS ? 0 : p->backoff_ms;

	p->backoff_ms = wait == 0 ? GENERATION_BACKOFF_MS : 2 * wait;
	if (p->backoff_ms > GENERATION_BACKOFF_MAX_MS)
		p->backoff_ms = GENERATION_BACKOFF_MAX_MS;
	ev_timer_set(&p->restart, wait / 1000., 0);
	ev_timer_start(EV_DEFAULT_ &p->restart);
}

static void
on_restart(struct ev_loop *loop, ev_timer *t, int events)
{
	struct process *p = t->data;

	(void)loop;
	(void)events;
	if (p->generation->state == SERVING && !process_fork(p))
		schedule_restart(p);
}

/* All workers accept: now, and not before, the generation serves. */
static void
on_word(struct ev_loop *loop, ev_io *w, int events)
{
	struct process *p = w->data;
	struct generation *g = p->generation;
	char word;
	ssize_t n = read(p->control, &word, 1);

	(void)events;
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		ev_io_stop(loop, w); /* on_child follows */
		return;
	}
	p->ready = p->ready || word == WORKER_READY;
	if (g->state != STARTING)
		return;
	for (size_t i = 0; i < g->n; i++)
		if (!g->processes[i].ready)
			return;
	ev_timer_stop(loop, &g->start_limit);
	g->state = SERVING;
	g->common->events.ready(g->common->events.arg, g);
}

/* A generation that cannot start ends as a whole. */
static void
start_failed(struct generation *g)
{
	g->failed = true;
	generation_kill(g);
}

static void
say_how(const struct process *p, int status)
{
	if (WIFSIGNALED(status))
		log_error("worker %u (process %d) was ended by signal %d (%s)",
		    p->number, (int)p->pid, WTERMSIG(status),
		    strsignal(WTERMSIG(status)));
	else
		log_error("worker %u (process %d) ended with status %d",
		    p->number, (int)p->pid, WEXITSTATUS(status));
}

static void
all_ended(struct generation *g)
{
	const struct generation_events *e = &g->common->events;

	if (g->failed)
		e->failed(e->arg, g);
	else
		e->gone(e->arg, g);
}

static void
on_child(struct ev_loop *loop, ev_child *w, int events)
{
	struct process *p = w->data;
	struct generation *g = p->generation;

	(void)events;
	ev_child_stop(loop, w);
	process_close(p);
	limiter_drop_row(g->common->limiter, p->row);
	g->running--;
	if (g->state == SERVING ||
	    (g->state == ENDING && !g->failed && w->rstatus != 0))
		say_how(p, w->rstatus);
	p->pid = 0;
	if (g->state == SERVING)
		schedule_restart(p);
	else if (g->state == STARTING)
		start_failed(g);
	if (g->state == ENDING && g->running == 0)
		all_ended(g);
}

static void
on_start_limit(struct ev_loop *loop, ev_timer *t, int events)
{
	(void)loop;
	(void)events;
	log_error("the workers were not ready within %d s",
	    GENERATION_START_MS / 1000);
	start_failed(t->data);
}

size_t
generation_wants(const struct conf *conf)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (conf->workers > 0)
		return (size_t)conf->workers;
	return cpus > 0 ? (size_t)cpus : 1;
}

static struct generation *
generation_new(const struct generation_common *common, struct site *site,
    const struct listeners *listeners)
{
	size_t n = generation_wants(site->base->conf);
	struct generation *g = calloc(1, sizeof(*g) + n * sizeof(*g->processes));

	if (g == NULL)
		return NULL;
	g->common = common;
	g->site = site;
	g->listeners = *listeners;
	g->n = n;
	list_init(&g->link);
	list_append(&generations, &g->link);
	ev_timer_init(&g->start_limit, on_start_limit,
	    GENERATION_START_MS / 1000., 0);
	g->start_limit.data = g;
	for (size_t i = 0; i < n; i++) {
		struct process *p = &g->processes[i];

		p->generation = g;
		p->control = -1;
		p->row = -1;
		p->number = (unsigned)i;
		ev_timer_init(&p->restart, on_restart, 0, 0);
		p->restart.data = p;
	}
	return g;
}

struct generation *
generation_start(const struct generation_common *common, struct site *site,
    const struct listeners *listeners)
{
	struct generation *g = generation_new(common, site, listeners);

	if (g == NULL) {
		log_error("out of memory");
		site_free(&site);
		return NULL;
	}
	if (!access_init(&g->access, site->base->conf)) {
		log_error("access log %s: %s",
		    site->base->conf->log.access.text, strerror(errno));
		g->access.fd = -1;
		generation_free(&g);
		return NULL;
	}
	ev_timer_start(EV_DEFAULT_ &g->start_limit);
	for (size_t i = 0; i < g->n && !g->failed; i++)
		if (!process_fork(&g->processes[i]))
			start_failed(g);
	if (g->failed && g->running == 0)
		generation_free(&g);
	return g;
}

const struct site *
generation_site(const struct generation *g)
{
	return g->site;
}

size_t
generation_workers(const struct generation *g)
{
	return g->n;
}

static void
stop_timers(struct generation *g)
{
	ev_timer_stop(EV_DEFAULT_ &g->start_limit);
	for (size_t i = 0; i < g->n; i++)
		ev_timer_stop(EV_DEFAULT_ &g->processes[i].restart);
}

static void
on_nobody_left(int revents, void *arg)
{
	(void)revents;
	all_ended(arg);
}

void
generation_drain(struct generation *g, enum worker_word word)
{
	char byte = (char)word;

	g->state = ENDING;
	stop_timers(g);
	for (size_t i = 0; i < g->n; i++)
		if (g->processes[i].control != -1 &&
		    write(g->processes[i].control, &byte, 1) != 1)
			kill(g->processes[i].pid, SIGKILL);
	/* Told on the next turn of the loop, as ever: not from in here. */
	if (g->running == 0)
		ev_once(EV_DEFAULT_ -1, 0, 0., on_nobody_left, g);
}

void
generation_finish_all(void)
{
	struct list *l;

	LIST_EACH(l, &generations)
		generation_drain(LIST_ENTRY(l, struct generation, link),
		    WORKER_FINISH);
}

void
generation_kill(struct generation *g)
{
	g->state = ENDING;
	stop_timers(g);
	for (size_t i = 0; i < g->n; i++)
		if (g->processes[i].pid > 0)
			kill(g->processes[i].pid, SIGKILL);
}

void
generation_free(struct generation **gp)
{
	struct generation *g = *gp;

	if (g == NULL)
		return;
	assert(g->running == 0);
	stop_timers(g);
	list_remove(&g->link);
	access_fini(&g->access);
	site_free(&g->site);
	free(g);
	*gp = NULL;
}
