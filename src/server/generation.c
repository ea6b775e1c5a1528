/* SPDX-License-Identifier: ISC */
#include "server/generation.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/process.h"
#include "util/clock.h"
#include "util/log.h"

enum state { STARTING, SERVING, ENDING };

/* A worker's place, and when it is filled again. */
struct seat {
	struct generation *generation;
	struct process process;
	unsigned backoff_ms;
	ev_timer restart;
};

struct generation {
	const struct generation_common *common;
	enum state state;
	bool failed;
	struct site *site;
	struct listeners listeners;
	struct access access;
	struct privs privs;
	struct list link; /* of generations */
	ev_timer start_limit;
	size_t n;
	size_t running;
	struct seat seats[];
};

static struct list generations = { &generations, &generations };

/* again: a worker has died, another takes its place. */
static bool
seat_fill(struct seat *s, bool again)
{
	struct generation *g = s->generation;
	const struct worker_world world = {
		.site = g->site,
		.listeners = &g->listeners,
		.access = &g->access,
		.limiter = g->common->limiter,
		.tickets = g->common->tickets,
		.privs = &g->privs,
		.again = again,
	};

	if (!process_start(&s->process, &world))
		return false;
	g->running++;
	return true;
}

static void
seat_refill_later(struct seat *s)
{
	uint64_t lived = clock_ms() - s->process.started_ms;
	unsigned wait = lived >= GENERATION_STABLE_MS ? 0 : s->backoff_ms;

	/* A fork that fails is no long life. */
	s->process.started_ms = clock_ms();
	s->backoff_ms = wait == 0 ? GENERATION_BACKOFF_MS : 2 * wait;
	if (s->backoff_ms > GENERATION_BACKOFF_MAX_MS)
		s->backoff_ms = GENERATION_BACKOFF_MAX_MS;
	ev_timer_set(&s->restart, wait / 1000., 0);
	ev_timer_start(EV_DEFAULT, &s->restart);
}

static void
on_restart(struct ev_loop *loop, ev_timer *t, int events)
{
	struct seat *s = t->data;

	(void)loop;
	(void)events;
	if (s->generation->state == SERVING && !seat_fill(s, true))
		seat_refill_later(s);
}

/* All workers accept: now, and not before, the generation serves. */
static void
on_word(struct ev_loop *loop, ev_io *w, int events)
{
	struct seat *s = w->data;
	struct generation *g = s->generation;

	(void)events;
	if (!process_hear(&s->process) || g->state != STARTING)
		return;
	for (size_t i = 0; i < g->n; i++)
		if (!g->seats[i].process.ready)
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
	struct seat *s = w->data;
	struct generation *g = s->generation;
	bool odd = g->state == SERVING ||
		   (g->state == STARTING && WIFSIGNALED(w->rstatus)) ||
		   (g->state == ENDING && !g->failed && w->rstatus != 0);

	(void)loop;
	(void)events;
	process_ended(&s->process, g->common->limiter, odd);
	g->running--;
	if (g->state == SERVING)
		seat_refill_later(s);
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
	if (cpus > CONF_WORKERS_MAX)
		return CONF_WORKERS_MAX;
	return cpus > 0 ? (size_t)cpus : 1;
}

static struct generation *
generation_new(const struct generation_common *common, struct site *site,
    const struct listeners *listeners)
{
	size_t n = generation_wants(site->base->conf);
	struct generation *g = calloc(1, sizeof(*g) + n * sizeof(*g->seats));

	if (g == NULL)
		return NULL;
	g->common = common;
	g->site = site;
	g->listeners = *listeners;
	g->privs = *common->privs;
	g->n = n;
	list_init(&g->link);
	list_append(&generations, &g->link);
	ev_timer_init(
	    &g->start_limit, on_start_limit, GENERATION_START_MS / 1000., 0);
	g->start_limit.data = g;
	for (size_t i = 0; i < n; i++) {
		struct seat *s = &g->seats[i];

		s->generation = g;
		process_init(&s->process, (unsigned)i, on_child, on_word, s);
		ev_timer_init(&s->restart, on_restart, 0, 0);
		s->restart.data = s;
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
	ev_now_update(EV_DEFAULT); /* reading the site may have taken long */
	ev_timer_start(EV_DEFAULT, &g->start_limit);
	for (size_t i = 0; i < g->n && !g->failed; i++)
		if (!seat_fill(&g->seats[i], false))
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
	ev_timer_stop(EV_DEFAULT, &g->start_limit);
	for (size_t i = 0; i < g->n; i++)
		ev_timer_stop(EV_DEFAULT, &g->seats[i].restart);
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
	bool first = g->state != ENDING;

	g->state = ENDING;
	stop_timers(g);
	for (size_t i = 0; i < g->n; i++)
		process_tell(&g->seats[i].process, word);
	/* Told on the next turn of the loop, as ever: not from in here. */
	if (g->running == 0 && first)
		ev_once(EV_DEFAULT, -1, 0, 0., on_nobody_left, g);
}

void
generation_finish_all(void)
{
	struct list *l;

	LIST_EACH (l, &generations)
		generation_drain(
		    LIST_ENTRY(l, struct generation, link), WORKER_FINISH);
}

void
generation_kill(struct generation *g)
{
	g->state = ENDING;
	stop_timers(g);
	for (size_t i = 0; i < g->n; i++)
		if (g->seats[i].process.pid > 0)
			kill(g->seats[i].process.pid, SIGKILL);
}

void
generation_kill_all(void)
{
	struct list *l;

	LIST_EACH (l, &generations)
		generation_kill(LIST_ENTRY(l, struct generation, link));
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
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
