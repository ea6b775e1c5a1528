/* SPDX-License-Identifier: ISC */
#include "server/parent.h"

#include <errno.h>
#include <ev.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/service.h"
#include "util/log.h"

/* Why there is to be a next generation; the greater includes the lesser. */
enum change {
	CHANGE_NONE,
	CHANGE_ROOTS, /* a root moved, or the log is to be opened again */
	CHANGE_CONFIGURATION,
};

struct parent {
	const struct parent_source *source;
	struct generation_common common;
	struct privs privs;         /* of the generation that serves */
	struct privs next_privs;    /* of the one that starts */
	struct listeners listeners; /* of the generation that serves */
	struct listeners next;      /* of the one that starts */
	struct generation *serving;
	struct generation *starting;
	uint64_t moved; /* where the roots were when that was last acted on */
	uint64_t waited_ms; /* when a reload that waits was last told of */
	size_t alive;       /* generations that are not gone yet */
	enum change wanted;
	bool stopping;
	bool cut; /* did not end well: the second INT */
	bool start_failed;
	ev_signal hup, usr1, term, interrupt;
	ev_timer roots, expiry, keys, patience;
};

/* Whom the workers become. */
static bool
find_privs(const struct conf *conf, struct privs *out, struct report *r)
{
	struct buf why;
	bool ok;

	buf_init(&why, 512);
	ok = privs_find(conf->user.text, conf->group.text, out, &why);
	if (!ok)
		report_add(r, REPORT_ERROR, conf->user.file, conf->user.line,
		    "user: %s", buf_cstr(&why));
	buf_fini(&why);
	return ok;
}

static struct site *
load_site(struct parent *p, enum change change, struct report *r)
{
	const struct site_options o = {
		.certs_dir = p->source->certs_dir,
		.tickets = p->common.tickets,
	};
	struct conf *conf;
	struct site *site = NULL;

	if (change == CHANGE_ROOTS) {
		p->next = p->listeners;
		p->next_privs = p->privs;
		return site_again(generation_site(p->serving), &o, r);
	}
	conf = p->source->load(p->source->arg, r);
	if (conf == NULL)
		return NULL;
	if (listeners_open(&p->next, &p->listeners, conf, r) &&
	    find_privs(conf, &p->next_privs, r))
		site = site_load(conf, &o, r);
	else
		conf_free(&conf);
	return site;
}

static void
refused(struct parent *p)
{
	if (p->serving == NULL) {
		p->start_failed = true;
		ev_break(EV_DEFAULT_ EVBREAK_ALL);
		return;
	}
	listeners_close(&p->next, &p->listeners);
	log_error("reload refused: see above; the old configuration goes on");
	service_notify("READY=1");
}

/* The one mechanism that changes anything. */
static void
next_generation(struct parent *p, enum change change)
{
	struct report report = { 0 };
	struct site *site = load_site(p, change, &report);

	if (site != NULL)
		site_warn(site, &report);
	report_log(&report);
	report_fini(&report);
	if (site != NULL)
		p->starting = generation_start(&p->common, site, &p->next);
	if (p->starting == NULL)
		refused(p);
	else
		p->alive++;
}

/* One at a time; and while many old ones are still finishing, none. */
static void
pursue(struct parent *p)
{
	enum change change = p->wanted;

	if (change == CHANGE_NONE || p->starting != NULL || p->stopping)
		return;
	if (p->serving != NULL &&
	    limiter_rows_free(p->common.limiter) <
		generation_wants(generation_site(p->serving)->base->conf)) {
		if (log_due(&p->waited_ms, PARENT_WAIT_SAID_MS))
			log_warn("reload waits: too many old workers are "
				 "still finishing");
		return;
	}
	p->wanted = CHANGE_NONE;
	if (p->serving != NULL)
		service_notify_reloading();
	next_generation(p, change);
}

static void
want(struct parent *p, enum change change)
{
	if (p->wanted < change)
		p->wanted = change;
	pursue(p);
}

static void
say_listening(const struct listeners *now, const struct listeners *before)
{
	for (size_t i = 0; i < now->n; i++)
		if (!listeners_have(before, now->item[i].fd))
			log_info("listening on %s", now->item[i].real.text);
}

/* What visitors get now that they did not get before. */
static void
say_releases(const struct hosts *now, const struct hosts *before)
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
on_ready(void *arg, struct generation *g)
{
	struct parent *p = arg;
	struct generation *old = p->serving;

	p->serving = g;
	p->starting = NULL;
	p->moved = 0; /* a place that was refused may be led to once more */
	say_listening(
	    &p->next, old == NULL ? &(struct listeners){ 0 } : &p->listeners);
	listeners_close(&p->listeners, &p->next);
	p->listeners = p->next;
	p->privs = p->next_privs;
	if (old != NULL) {
		log_info("reloaded: %zu workers", generation_workers(g));
		say_releases(
		    generation_site(g)->hosts, generation_site(old)->hosts);
		generation_drain(old, WORKER_DRAIN);
	} else {
		if (p->source->started != NULL)
			p->source->started(
			    p->source->arg, generation_site(g), &p->listeners);
		log_info("ready: %zu workers", generation_workers(g));
	}
	service_notify("READY=1");
	pursue(p);
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
	pursue(p);
}

static void
on_failed(void *arg, struct generation *g)
{
	struct parent *p = arg;

	p->starting = NULL;
	if (!p->stopping)
		refused(p);
	on_gone(p, g); /* last: it may start the next one */
}

static void
on_hup(struct ev_loop *loop, ev_signal *w, int events)
{
	(void)loop;
	(void)events;
	want(w->data, CHANGE_CONFIGURATION);
}

static void
on_usr1(struct ev_loop *loop, ev_signal *w, int events)
{
	(void)loop;
	(void)events;
	want(w->data, CHANGE_ROOTS);
}

static void
stop(struct parent *p)
{
	int seconds = generation_site(p->serving)->base->conf->limits.drain;

	p->stopping = true;
	service_notify("STOPPING=1");
	log_info("stopping: connections may finish for %d s", seconds);
	listeners_close(&p->listeners, NULL);
	if (p->starting != NULL)
		generation_kill(p->starting);
	p->starting = NULL;
	generation_finish_all();
	ev_timer_set(&p->patience, seconds + PARENT_PATIENCE_S, 0);
	ev_timer_start(EV_DEFAULT_ & p->patience);
}

/* The workers keep the limit themselves; one that hangs does not. */
static void
on_patience(struct ev_loop *loop, ev_timer *w, int events)
{
	struct parent *p = w->data;

	(void)events;
	log_error("a worker did not end in time");
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
		stop(p);
	}
}

static void
on_roots(struct ev_loop *loop, ev_timer *w, int events)
{
	struct parent *p = w->data;
	uint64_t moved;

	(void)loop;
	(void)events;
	if (p->serving == NULL || p->starting != NULL)
		return;
	moved = hosts_moved(generation_site(p->serving)->hosts);
	if (moved != 0 && moved != p->moved)
		want(p, CHANGE_ROOTS);
	p->moved = moved;
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
watch_signal(struct parent *p, ev_signal *w,
    void (*on)(struct ev_loop *, ev_signal *, int), int signum)
{
	ev_signal_init(w, on, signum);
	w->data = p;
	ev_signal_start(EV_DEFAULT_ w);
}

static void
watch_clock(struct parent *p, ev_timer *w,
    void (*on)(struct ev_loop *, ev_timer *, int), double seconds)
{
	ev_timer_init(w, on, seconds, seconds);
	w->data = p;
	ev_timer_start(EV_DEFAULT_ w);
}

static bool
prepare(struct parent *p)
{
	signal(SIGPIPE, SIG_IGN);
	privs_no_core();
	p->common.privs = &p->next_privs;
	p->common.events = (struct generation_events){
		.ready = on_ready,
		.failed = on_failed,
		.gone = on_gone,
		.arg = p,
	};
	p->common.limiter = limiter_new();
	p->common.tickets = tickets_new();
	if (ev_default_loop(EVFLAG_AUTO) == NULL || p->common.limiter == NULL ||
	    p->common.tickets == NULL) {
		log_error("could not start: %s", strerror(errno));
		return false;
	}
	privs_descriptors();
	watch_signal(p, &p->hup, on_hup, SIGHUP);
	watch_signal(p, &p->usr1, on_usr1, SIGUSR1);
	watch_signal(p, &p->term, on_stop, SIGTERM);
	watch_signal(p, &p->interrupt, on_stop, SIGINT);
	watch_clock(p, &p->roots, on_roots, PARENT_ROOTS_MS / 1000.);
	watch_clock(p, &p->expiry, on_expiry, PARENT_EXPIRY_S);
	watch_clock(p, &p->keys, on_keys, TICKETS_ROTATE_S);
	ev_init(&p->patience, on_patience);
	p->patience.data = p;
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
	good = prepare(p);
	if (good) {
		want(p, CHANGE_CONFIGURATION);
		if (!p->start_failed)
			ev_run(EV_DEFAULT_ 0);
		good = !p->start_failed && !p->cut;
	}
	generation_kill_all();
	limiter_free(&p->common.limiter);
	tickets_free(&p->common.tickets);
	free(p);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
