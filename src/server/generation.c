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

#include "server/child.h"
#include "server/keyd.h"
#include "server/process.h"
#include "util/log.h"

enum state { STARTING, SERVING, ENDING };

/* One of a generation's workers, and when it is started again. */
struct member {
	struct generation *generation;
	struct process process;
	struct pulse pulse;
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
	struct list link; /* of generations */
	ev_timer start_limit;
	ev_timer end_limit;
	ev_timer pulses;
	size_t n;
	size_t running;
	struct member members[];
};

static struct list generations = { &generations, &generations };

/* What its workers inherit. */
static struct worker_world
generation_world(struct generation *g)
{
	return (struct worker_world){
		.site = g->site,
		.listeners = &g->listeners,
		.access = &g->access,
		.limiter = g->common->limiter,
		.heartbeats = g->common->heartbeats,
		.tickets = g->common->tickets,
		.seats = keyd_seats(g->site->base->keyd),
		.privs = &g->site->base->privs,
	};
}

static bool
member_start(struct member *m)
{
	struct generation *g = m->generation;
	const struct worker_world world = generation_world(g);

	if (!process_start(&m->process, &world))
		return false;
	m->pulse = (struct pulse){ 0 };
	g->running++;
	return true;
}

static void
member_restart_later(struct member *m)
{
	child_replace_later(&m->restart, &m->process.started_ms, &m->backoff_ms,
	    GENERATION_STABLE_MS);
}

static void
on_restart(struct ev_loop *loop, ev_timer *t, int events)
{
	struct member *m = t->data;

	(void)loop;
	(void)events;
	if (m->generation->state == SERVING && !member_start(m))
		member_restart_later(m);
}

/* All workers accept: only now does the generation serve. */
static void
on_message(struct ev_loop *loop, ev_io *w, int events)
{
	struct member *m = w->data;
	struct generation *g = m->generation;

	(void)events;
	if (!process_receive(&m->process) || g->state != STARTING)
		return;
	for (size_t i = 0; i < g->n; i++)
		if (!g->members[i].process.ready)
			return;
	ev_timer_stop(loop, &g->start_limit);
	g->state = SERVING;
	g->common->events.ready(g->common->events.arg, g);
}

/* A generation that cannot start ends as a whole. */
static void
generation_fail(struct generation *g)
{
	g->failed = true;
	generation_kill(g);
}

static void
generation_report_end(struct generation *g)
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
	struct member *m = w->data;
	struct generation *g = m->generation;
	bool odd = g->state == SERVING ||
		   (g->state == STARTING && WIFSIGNALED(w->rstatus)) ||
		   (g->state == ENDING && !g->failed && w->rstatus != 0);
	const struct worker_world world = generation_world(g);

	(void)loop;
	(void)events;
	process_ended(&m->process, &world, odd);
	g->running--;
	if (g->state == SERVING)
		member_restart_later(m);
	else if (g->state == STARTING)
		generation_fail(g);
	if (g->state == ENDING && g->running == 0)
		generation_report_end(g);
}

static void
on_start_limit(struct ev_loop *loop, ev_timer *t, int events)
{
	(void)loop;
	(void)events;
	log_error("the workers were not ready within %d s",
	    GENERATION_START_MS / 1000);
	generation_fail(t->data);
}

/* Workers that are not ready yet need no heartbeat. */
static bool
member_has_hung(struct member *m)
{
	const unsigned start = GENERATION_START_MS / HEARTBEAT_MS;

	if (m->process.pid <= 0 ||
	    !pulse_lost(
		&m->pulse, m->generation->common->heartbeats, m->process.row))
		return false;
	return m->process.ready || m->pulse.missed >= start;
}

/* A worker that hangs serves nobody; while the generation serves, it is
 * replaced. One that was asked to end may still hold a listening socket to
 * which the kernel assigns clients. While a generation starts, start_limit
 * watches. */
static void
on_pulses(struct ev_loop *loop, ev_timer *t, int events)
{
	struct generation *g = t->data;

	(void)loop;
	(void)events;
	for (size_t i = 0; g->state != STARTING && i < g->n; i++) {
		struct member *m = &g->members[i];

		if (!member_has_hung(m))
			continue;
		log_error("worker %u (process %d) does not respond: killed",
		    m->process.number, (int)m->process.pid);
		kill(m->process.pid, SIGKILL);
		m->pulse.missed = 0;
	}
}

static void
generation_kill_workers(const struct generation *g)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->members[i].process.pid > 0)
			kill(g->members[i].process.pid, SIGKILL);
}

static void
on_end_limit(struct ev_loop *loop, ev_timer *t, int events)
{
	const struct generation *g = t->data;

	(void)loop;
	(void)events;
	log_error("%zu worker%s did not exit in time: killed", g->running,
	    g->running == 1 ? "" : "s");
	generation_kill_workers(g);
}

static struct generation *
generation_new(const struct generation_common *common, struct site *site,
    const struct listeners *listeners)
{
	size_t n = site_workers(site->base->conf);
	struct generation *g = calloc(1, sizeof(*g) + n * sizeof(*g->members));

	if (g == NULL)
		return NULL;
	g->common = common;
	g->site = site;
	g->listeners = *listeners;
	g->n = n;
	list_init(&g->link);
	list_append(&generations, &g->link);
	ev_timer_init(
	    &g->start_limit, on_start_limit, GENERATION_START_MS / 1000., 0);
	g->start_limit.data = g;
	ev_init(&g->end_limit, on_end_limit);
	g->end_limit.data = g;
	ev_timer_init(
	    &g->pulses, on_pulses, HEARTBEAT_MS / 1000., HEARTBEAT_MS / 1000.);
	g->pulses.data = g;
	for (size_t i = 0; i < n; i++) {
		struct member *m = &g->members[i];

		m->generation = g;
		process_init(&m->process, (unsigned)i, on_child, on_message, m);
		ev_timer_init(&m->restart, on_restart, 0, 0);
		m->restart.data = m;
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
		    site->base->conf->log.access.text, access_error(errno));
		generation_free(&g);
		return NULL;
	}
	ev_now_update(EV_DEFAULT); /* reading the site may have taken long */
	ev_timer_start(EV_DEFAULT, &g->start_limit);
	ev_timer_start(EV_DEFAULT, &g->pulses);
	for (size_t i = 0; i < g->n && !g->failed; i++)
		if (!member_start(&g->members[i]))
			generation_fail(g);
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

const char *
generation_log(const struct generation *g, char *out, size_t size)
{
	const char *where = g->site->base->conf->log.access.text;

	if (access_name(&g->access, out, size))
		return out;
	return where != NULL ? where : "stderr";
}

static void
generation_stop_timers(struct generation *g)
{
	ev_timer_stop(EV_DEFAULT, &g->start_limit);
	ev_timer_stop(EV_DEFAULT, &g->end_limit);
	ev_timer_stop(EV_DEFAULT, &g->pulses);
	for (size_t i = 0; i < g->n; i++)
		ev_timer_stop(EV_DEFAULT, &g->members[i].restart);
}

static void
on_no_worker_left(int revents, void *arg)
{
	(void)revents;
	generation_report_end(arg);
}

void
generation_finish(struct generation *g, enum worker_message message)
{
	bool first = g->state != ENDING;
	int seconds = message != WORKER_STOP
			  ? WORKER_FINISH_S
			  : g->site->base->conf->limits.drain;

	g->state = ENDING;
	generation_stop_timers(g);
	ev_now_update(EV_DEFAULT);
	ev_timer_again(EV_DEFAULT, &g->pulses);
	ev_timer_set(&g->end_limit, seconds + GENERATION_LATE_S, 0);
	ev_timer_start(EV_DEFAULT, &g->end_limit);
	for (size_t i = 0; i < g->n; i++)
		process_send(&g->members[i].process, message);
	/* The event follows in the loop's next iteration, never from within
	 * this call. */
	if (g->running == 0 && first)
		ev_once(EV_DEFAULT, -1, 0, 0., on_no_worker_left, g);
}

void
generation_stop_all(void)
{
	struct list *l;

	LIST_EACH (l, &generations)
		generation_finish(
		    LIST_ENTRY(l, struct generation, link), WORKER_STOP);
}

void
generation_kill(struct generation *g)
{
	g->state = ENDING;
	generation_stop_timers(g);
	generation_kill_workers(g);
}

void
generation_kill_all(void)
{
	struct list *l;

	keyd_kill_all();
	LIST_EACH (l, &generations)
		generation_kill(LIST_ENTRY(l, struct generation, link));
	while (child_wait(-1) != -1)
		;
}

void
generation_free(struct generation **gp)
{
	struct generation *g = *gp;

	if (g == NULL)
		return;
	assert(g->running == 0);
	generation_stop_timers(g);
	list_remove(&g->link);
	access_fini(&g->access);
	site_free(&g->site);
	free(g);
	*gp = NULL;
}
