/* SPDX-License-Identifier: ISC */
#include "server/parent.h"

#include <errno.h>
#include <ev.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "os/service.h"
#include "server/confinement.h"
#include "server/inspection.h"
#include "util/log.h"

/* Why a new generation is needed; a greater value includes the lesser ones. */
enum change {
	CHANGE_NONE,
	CHANGE_LOG,   /* it is to be opened again */
	CHANGE_ROOTS, /* some moved, or should be tried again */
	CHANGE_CONFIGURATION,
};

struct parent {
	const struct parent_source *source;
	struct generation_common common;
	struct listeners listeners; /* of the generation that serves */
	struct listeners next;      /* of the one that starts */
	struct generation *serving;
	struct generation *starting;
	struct site *site;             /* the one that serves */
	struct site *next_site;        /* being inspected, or starting */
	struct inspection *inspection; /* NULL: none */
	enum change change;            /* that next_site is for */
	uint64_t waited_ms; /* when a delayed reload was last logged */
	size_t alive;       /* generations with workers left */
	enum change wanted;
	bool stopping;
	bool cut; /* did not end well: the second INT */
	bool start_failed;
	ev_signal hup, usr1, term, interrupt;
	ev_timer roots, expiry, keys, timeout;
};

static struct site *
parent_load_configuration(struct parent *p, struct report *r)
{
	const struct site_options o = {
		.certs_dir = p->source->certs_dir,
		.tickets = p->common.tickets,
	};
	struct conf *conf = p->source->load(p->source->arg, r);
	struct site *site = NULL;

	if (conf == NULL)
		return NULL;
	confinement_check(conf, r);
	if (r->errors > 0 || !confinement_enter_parent(conf)) {
		conf_free(&conf);
		return NULL;
	}
	if (listeners_open(&p->next, &p->listeners, conf, r))
		site = site_load(conf, p->site, &o, r);
	else
		conf_free(&conf);
	if (site != NULL)
		site_warn(site, r);
	return site;
}

static struct site *
parent_load_site(struct parent *p, enum change change, struct report *r)
{
	if (change == CHANGE_CONFIGURATION)
		return parent_load_configuration(p, r);
	p->next = p->listeners;
	if (change == CHANGE_ROOTS)
		return site_reopen(p->site, r);
	return site_ref(p->site);
}

/* The message names what was requested. */
static void
parent_log_refusal(const struct parent *p)
{
	char log[PATH_MAX];

	switch (p->change) {
	case CHANGE_NONE:
		break;
	case CHANGE_LOG:
		log_error("cannot reopen the log: see above; still writing %s",
		    generation_log(p->serving, log, sizeof(log)));
		break;
	case CHANGE_ROOTS:
		log_error("switch refused: see above; the content served so "
			  "far is kept");
		break;
	case CHANGE_CONFIGURATION:
		log_error("reload refused: see above; the old configuration "
			  "stays in use");
		break;
	}
}

static void
parent_refuse(struct parent *p)
{
	inspection_free(&p->inspection);
	/* Roots that moved are tried again when they move again, or at HUP. */
	if (p->site != NULL && p->next_site != NULL &&
	    p->change == CHANGE_ROOTS)
		site_remember(p->site, p->next_site);
	site_free(&p->next_site);
	if (p->serving == NULL) {
		p->start_failed = true;
		ev_break(EV_DEFAULT_ EVBREAK_ALL);
		return;
	}
	listeners_close(&p->next, &p->listeners);
	parent_log_refusal(p);
	service_notify("READY=1");
}

static void parent_pursue(struct parent *p);
static void parent_inspect(struct parent *p);

static void
parent_start_generation(struct parent *p)
{
	p->starting =
	    generation_start(&p->common, site_ref(p->next_site), &p->next);
	if (p->starting == NULL)
		parent_refuse(p);
	else
		p->alive++;
}

/* Nothing that can be served has changed; what failed is not tried again. */
static void
parent_keep_generation(struct parent *p)
{
	site_remember(p->site, p->next_site);
	site_free(&p->next_site);
	service_notify("READY=1");
}

static void
on_inspected(void *arg, const struct site_finding *findings)
{
	struct parent *p = arg;
	struct report report = { 0 };
	bool good = site_apply(p->next_site, p->site, findings, &report);

	inspection_free(&p->inspection);
	report_log(&report);
	report_fini(&report);
	if (!good)
		parent_refuse(p);
	else
		parent_inspect(p);
	if (p->serving != NULL)
		parent_pursue(p); /* another change may have come meanwhile */
}

/* New content is inspected first. */
static void
parent_inspect(struct parent *p)
{
	if (site_any_fresh(p->next_site)) {
		p->inspection = inspection_start(p->next_site, on_inspected, p);
		if (p->inspection != NULL)
			return;
		log_error("cannot inspect capsules: %s", strerror(errno));
		parent_refuse(p);
	} else if (p->change == CHANGE_ROOTS &&
		   !site_has_news(p->next_site, p->site)) {
		parent_keep_generation(p);
	} else {
		parent_start_generation(p);
	}
}

/* Every change of state goes through here. */
static void
parent_change(struct parent *p, enum change change)
{
	struct report report = { 0 };

	p->change = change;
	p->next_site = parent_load_site(p, change, &report);
	report_log(&report);
	report_fini(&report);
	if (p->next_site == NULL)
		parent_refuse(p);
	else
		parent_inspect(p);
}

/* Whether another generation like the one that serves could start beside those
 * that are still finishing. Where seats are spoiled a configuration brings new
 * ones. */
static bool
parent_has_room(const struct parent *p, enum change change)
{
	const struct site_base *base = generation_site(p->serving)->base;
	struct seats *seats = keyd_seats(base->keyd);
	size_t n = site_workers(base->conf);

	return limiter_rows_free(p->common.limiter) >= n &&
	       (seats_free(seats) >= n ||
		   (change == CHANGE_CONFIGURATION && seats_spoiled(seats)));
}

/* One at a time; and while many old ones are still finishing, none. */
static void
parent_pursue(struct parent *p)
{
	enum change change = p->wanted;

	if (change == CHANGE_NONE || p->next_site != NULL || p->stopping)
		return;
	if (p->serving != NULL && !parent_has_room(p, change)) {
		if (log_due(&p->waited_ms, PARENT_WAIT_LOG_MS))
			log_warn("reload delayed: too many old workers are "
				 "still finishing");
		return;
	}
	p->wanted = CHANGE_NONE;
	if (p->serving != NULL)
		service_notify_reloading();
	parent_change(p, change);
}

static void
parent_want(struct parent *p, enum change change)
{
	if (p->wanted < change)
		p->wanted = change;
	parent_pursue(p);
}

static void
listeners_log_new(const struct listeners *now, const struct listeners *before)
{
	for (size_t i = 0; i < now->n; i++)
		if (!listeners_have(before, now->item[i].fd))
			log_info("listening on %s", now->item[i].real.text);
}

/* Logs what clients can get now that they could not get before. */
static void
hosts_log_releases(const struct hosts *now, const struct hosts *before)
{
	for (size_t i = 0; i < now->n; i++) {
		const struct host *h = &now->host[i];

		if (h->serial != 0 &&
		    (i >= before->n || before->host[i].serial != h->serial))
			log_info("%s: serving release %" PRIu64,
			    h->conf->root.text, h->serial);
	}
}

static void
generation_log_workers(const char *what, const struct generation *g)
{
	size_t n = generation_workers(g);

	log_info("%s: %zu worker%s", what, n, n == 1 ? "" : "s");
}

static void
on_ready(void *arg, struct generation *g)
{
	struct parent *p = arg;
	struct generation *old = p->serving;
	bool left;

	p->serving = g;
	p->starting = NULL;
	/* Its workers finish, and are not replaced. */
	if (p->site != NULL && p->site->base->keyd != p->next_site->base->keyd)
		seats_retire(keyd_seats(p->site->base->keyd));
	site_free(&p->site);
	p->site = p->next_site;
	p->next_site = NULL;
	listeners_log_new(
	    &p->next, old == NULL ? &(struct listeners){ 0 } : &p->listeners);
	left = listeners_close(&p->listeners, &p->next);
	p->listeners = p->next;
	if (old != NULL) {
		generation_log_workers("reloaded", g);
		hosts_log_releases(
		    generation_site(g)->hosts, generation_site(old)->hosts);
		generation_finish(old, left ? WORKER_LEAVE : WORKER_FINISH);
	} else {
		if (p->source->started != NULL)
			p->source->started(
			    p->source->arg, generation_site(g), &p->listeners);
		generation_log_workers("ready", g);
	}
	service_notify("READY=1");
	parent_pursue(p);
}

static void
on_gone(void *arg, struct generation *g)
{
	struct parent *p = arg;

	if (g == p->serving)
		p->serving = NULL;
	generation_free(&g);
	if (--p->alive == 0 && p->stopping)
		ev_break(EV_DEFAULT_ EVBREAK_ALL);
	parent_pursue(p);
}

static void
on_failed(void *arg, struct generation *g)
{
	struct parent *p = arg;

	p->starting = NULL;
	if (!p->stopping)
		parent_refuse(p);
	on_gone(p, g); /* last: it may start the next one */
}

static void
on_hup(struct ev_loop *loop, ev_signal *w, int events)
{
	(void)loop;
	(void)events;
	parent_want(w->data, CHANGE_CONFIGURATION);
}

static void
on_usr1(struct ev_loop *loop, ev_signal *w, int events)
{
	(void)loop;
	(void)events;
	parent_want(w->data, CHANGE_LOG);
}

static void
parent_stop(struct parent *p)
{
	int seconds = generation_site(p->serving)->base->conf->limits.drain;

	p->stopping = true;
	service_notify("STOPPING=1");
	log_info("stopping: open connections have %d s to finish", seconds);
	listeners_close(&p->listeners, NULL);
	if (p->starting != NULL)
		generation_kill(p->starting);
	p->starting = NULL;
	inspection_free(&p->inspection);
	site_free(&p->next_site);
	generation_stop_all();
	ev_timer_set(&p->timeout, seconds + PARENT_TIMEOUT_S, 0);
	ev_timer_start(EV_DEFAULT_ & p->timeout);
}

/* The workers enforce the limit themselves; this is for one that hangs. */
static void
on_timeout(struct ev_loop *loop, ev_timer *w, int events)
{
	struct parent *p = w->data;

	(void)events;
	log_error("a worker did not exit in time");
	p->cut = true;
	ev_break(loop, EVBREAK_ALL);
}

static void
on_stop(struct ev_loop *loop, ev_signal *w, int events)
{
	struct parent *p = w->data;

	(void)events;
	if (p->stopping && w->signum == SIGINT) {
		p->cut = true;
		ev_break(loop, EVBREAK_ALL);
	} else if (p->serving == NULL) {
		ev_break(loop, EVBREAK_ALL);
	} else if (!p->stopping) {
		parent_stop(p);
	}
}

static void
on_roots(struct ev_loop *loop, ev_timer *w, int events)
{
	struct parent *p = w->data;

	(void)loop;
	(void)events;
	if (p->serving != NULL && p->next_site == NULL &&
	    site_has_moved(p->site))
		parent_want(p, CHANGE_ROOTS);
	else
		parent_pursue(p); /* a seat may have become free */
}

static void
on_expiry(struct ev_loop *loop, ev_timer *w, int events)
{
	struct parent *p = w->data;
	struct report report = { 0 };

	(void)loop;
	(void)events;
	if (p->serving == NULL)
		return;
	site_warn_expiry(generation_site(p->serving), &report);
	report_log(&report);
	report_fini(&report);
}

static void
on_keys(struct ev_loop *loop, ev_timer *w, int events)
{
	struct parent *p = w->data;

	(void)loop;
	(void)events;
	tickets_rotate(p->common.tickets);
}

static void
parent_watch_signal(struct parent *p, ev_signal *w,
    void (*on)(struct ev_loop *, ev_signal *, int), int signum)
{
	ev_signal_init(w, on, signum);
	w->data = p;
	ev_signal_start(EV_DEFAULT_ w);
}

static void
parent_watch_clock(struct parent *p, ev_timer *w,
    void (*on)(struct ev_loop *, ev_timer *, int), double seconds)
{
	ev_timer_init(w, on, seconds, seconds);
	w->data = p;
	ev_timer_start(EV_DEFAULT_ w);
}

static bool
parent_prepare(struct parent *p)
{
	privs_ignore_signals();
	privs_no_core();
	p->common.events = (struct generation_events){
		.ready = on_ready,
		.failed = on_failed,
		.gone = on_gone,
		.arg = p,
	};
	p->common.limiter = limiter_new();
	p->common.heartbeats = heartbeats_new();
	p->common.tickets = tickets_new();
	if (ev_default_loop(EVFLAG_AUTO) == NULL || p->common.limiter == NULL ||
	    p->common.heartbeats == NULL || p->common.tickets == NULL) {
		log_error("cannot start: %s", strerror(errno));
		return false;
	}
	privs_descriptors();
	parent_watch_signal(p, &p->hup, on_hup, SIGHUP);
	parent_watch_signal(p, &p->usr1, on_usr1, SIGUSR1);
	parent_watch_signal(p, &p->term, on_stop, SIGTERM);
	parent_watch_signal(p, &p->interrupt, on_stop, SIGINT);
	parent_watch_clock(p, &p->roots, on_roots, PARENT_ROOTS_MS / 1000.);
	parent_watch_clock(p, &p->expiry, on_expiry, PARENT_EXPIRY_S);
	parent_watch_clock(p, &p->keys, on_keys, TICKETS_ROTATE_S);
	ev_init(&p->timeout, on_timeout);
	p->timeout.data = p;
	listeners_inherit(&p->listeners);
	return true;
}

int
parent_run(const struct parent_source *source)
{
	struct parent *p = calloc(1, sizeof(*p));
	bool good;

	if (p == NULL)
		return EXIT_FAILURE;
	p->source = source;
	good = parent_prepare(p);
	if (good) {
		parent_want(p, CHANGE_CONFIGURATION);
		if (!p->start_failed)
			ev_run(EV_DEFAULT_ 0);
		good = !p->start_failed && !p->cut;
	}
	inspection_free(&p->inspection);
	generation_kill_all();
	site_free(&p->next_site);
	site_free(&p->site);
	limiter_free(&p->common.limiter);
	heartbeats_free(&p->common.heartbeats);
	tickets_free(&p->common.tickets);
	free(p);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
