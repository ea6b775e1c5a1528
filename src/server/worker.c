/* SPDX-License-Identifier: ISC */
#include "server/worker.h"

#include <errno.h>
#include <ev.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/confinement.h"
#include "server/descriptors.h"
#include "server/pool.h"
#include "tls/memory.h"
#include "tls/signing.h"
#include "util/fd.h"
#include "util/log.h"

enum {
	WARN_MS = 60000,
	LOOP_DESCRIPTORS = 4, /* libev's own */
};

/* One listening socket's watcher. */
struct acceptor {
	ev_io io;
	struct worker *worker;
	unsigned port;
	unsigned iteration; /* of the loop, when it was last readable */
	unsigned busy;      /* iterations in a row, with enough to accept */
};

struct worker {
	const struct worker_world *world;
	struct ev_loop *loop;
	struct pool *pool;
	struct conn_world conns;
	struct acceptor acceptors[LISTENERS_MAX];
	size_t n_acceptors;
	ev_io control;
	ev_timer pause;
	ev_timer deadline;
	ev_timer heart;
	ev_prepare rest;
	struct spares spares;
	bool paused;
	bool full; /* paused because no connection can be dropped */
	bool finishing;
	uint64_t warned_ms;
	uint64_t trimmed; /* pool_ended at the last give_back_memory */
	struct network exempt[LIMITER_EXEMPT_MAX];
	size_t n_exempt;
};

static void
worker_set_accepting(struct worker *w, bool yes)
{
	for (size_t i = 0; i < w->n_acceptors; i++) {
		if (yes)
			ev_io_start(w->loop, &w->acceptors[i].io);
		else
			ev_io_stop(w->loop, &w->acceptors[i].io);
	}
	w->paused = !yes;
	w->full = false;
	ev_timer_stop(w->loop, &w->pause);
}

static void
worker_pause(struct worker *w, unsigned ms)
{
	worker_set_accepting(w, false);
	w->pause.repeat = ms / 1000.;
	ev_timer_again(w->loop, &w->pause);
}

/* Out of descriptors: closes the connection at the head of the queue instead of
 * letting it wait, then pauses, so that the loop does not spin. */
static void
worker_lacks_descriptors(struct worker *w, int listening)
{
	int fd;

	if (log_due(&w->warned_ms, WARN_MS))
		log_warn("out of descriptors or memory (%s): not accepting for "
			 "a moment",
		    strerror(errno));
	if (spares_give(&w->spares)) {
		fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
		fd_close(fd);
		spares_fill(&w->spares);
	}
	worker_pause(w, WORKER_ACCEPT_PAUSE_MS);
}

/* None can be dropped yet: the queue waits for a free slot, or for a reader
 * that turns out to be too slow. */
static void
worker_lacks_slots(struct worker *w)
{
	worker_pause(w, WORKER_FULL_PAUSE_MS);
	w->full = true;
}

static void
on_pause_over(struct ev_loop *loop, ev_timer *t, int events)
{
	struct worker *w = t->data;

	(void)loop;
	(void)events;
	spares_fill(&w->spares);
	if (pool_has_room(w->pool))
		worker_set_accepting(w, true);
	else
		worker_lacks_slots(w);
}

static void
worker_end_if_idle(struct worker *w)
{
	if (w->finishing && pool_count(w->pool) == 0)
		ev_break(w->loop, EVBREAK_ALL);
}

/* A slot is free again. */
static void
on_freed(void *arg)
{
	struct worker *w = arg;

	spares_fill(&w->spares);
	if (w->paused && !w->finishing && (w->full || !ev_is_active(&w->pause)))
		worker_set_accepting(w, true);
	worker_end_if_idle(w);
}

/* False when there is nothing to accept, or no means to. */
static bool
acceptor_accept(struct acceptor *a)
{
	struct worker *w = a->worker;
	struct sockaddr_storage from = { 0 };
	socklen_t len = sizeof(from);
	int fd = accept4(a->io.fd, (struct sockaddr *)&from, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd == -1) {
		switch (errno) {
		case EMFILE:
		case ENFILE:
		case ENOBUFS:
		case ENOMEM:
			worker_lacks_descriptors(w, a->io.fd);
			return false;
		case ECONNABORTED:
		case EINTR:
			return true;
		default:
			return false;
		}
	}
	if (len == 0 || from.ss_family == AF_UNSPEC)
		from.ss_family = AF_UNIX;
	limiter_unmap(&from);
	if (pool_adopt(w->pool, fd, &from, a->port,
		limiter_exempt(w->exempt, w->n_exempt, &from)) == POOL_FULL) {
		close(fd);
		return false;
	}
	return true;
}

/* How many to accept in this iteration: one, because an accept that finds
 * nothing costs more than an iteration, unless there is a crowd. */
static unsigned
acceptor_turn(struct acceptor *a)
{
	unsigned now = ev_iteration(a->worker->loop);

	a->busy = a->iteration + 1 == now ? a->busy + 1 : 0;
	a->iteration = now;
	return a->busy < WORKER_ACCEPT_BUSY ? 1 : WORKER_ACCEPT_TURN;
}

static void
on_accept(struct ev_loop *loop, ev_io *io, int events)
{
	struct acceptor *a = io->data;
	struct worker *w = a->worker;

	(void)loop;
	(void)events;
	for (unsigned i = acceptor_turn(a); i > 0; i--) {
		if (!pool_has_room(w->pool)) {
			worker_lacks_slots(w);
			return;
		}
		if (!acceptor_accept(a)) {
			a->busy = 0;
			return;
		}
	}
}

static void
on_deadline(struct ev_loop *loop, ev_timer *t, int events)
{
	struct worker *w = t->data;
	size_t n = pool_count(w->pool);

	(void)events;
	log_warn(n == 1 ? "%zu connection did not finish in time and was cut"
			: "%zu connections did not finish in time and were cut",
	    n);
	ev_break(loop, EVBREAK_ALL);
}

/* What is in the queue when a server ends, or when a reload gives up an
 * address, would be reset; it was there first. */
static void
worker_accept_queued(struct worker *w)
{
	for (size_t i = 0; i < w->n_acceptors; i++)
		for (int n = 0; n < SOMAXCONN && pool_has_room(w->pool); n++)
			if (!acceptor_accept(&w->acceptors[i]))
				break;
}

static void
worker_finish(struct worker *w, unsigned seconds, bool rest)
{
	if (w->finishing)
		ev_timer_stop(w->loop, &w->deadline);
	else if (rest)
		worker_accept_queued(w);
	w->finishing = true;
	worker_set_accepting(w, false);
	for (size_t i = 0; i < w->n_acceptors; i++)
		close(w->acceptors[i].io.fd);
	w->n_acceptors = 0;
	ev_timer_set(&w->deadline, seconds, 0);
	ev_timer_start(w->loop, &w->deadline);
	worker_end_if_idle(w);
}

static void
on_control(struct ev_loop *loop, ev_io *io, int events)
{
	struct worker *w = io->data;
	char byte;
	ssize_t n = read(io->fd, &byte, 1);

	(void)events;
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		ev_break(loop, EVBREAK_ALL); /* the parent has exited */
	else if (byte == WORKER_FINISH || byte == WORKER_LEAVE)
		worker_finish(w, WORKER_FINISH_S, byte == WORKER_LEAVE);
	else if (byte == WORKER_STOP)
		worker_finish(w,
		    (unsigned)w->world->site->base->conf->limits.drain, true);
}

static size_t
size_least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Two descriptors a connection (socket and file), besides what we hold; one for
 * each queued connection. */
static struct pool *
worker_make_pool(struct worker *w, size_t held)
{
	const struct conf *conf = w->world->site->base->conf;
	size_t wanted =
	    size_least((size_t)conf->limits.connections, LIMITER_SLOTS);
	size_t descriptors = privs_descriptors();
	size_t own = held + LOOP_DESCRIPTORS;
	size_t left = descriptors > own + 2 ? descriptors - own : 2;
	size_t n = size_least(wanted, left / 2);
	size_t queued = size_least(size_least(WORKER_QUEUED * n, left - 2 * n),
	    (size_t)LIMITER_SLOTS - n);

	if (n < wanted)
		log_warn("limits.connections = %zu, but %zu descriptors are "
			 "enough for only %zu",
		    wanted, descriptors, n);
	return pool_new(
	    w->loop, n, queued, &w->conns, (size_t)w->world->row, on_freed, w);
}

/* What the parent holds for others (older roots and logs, other workers'
 * control sockets, its event loop) is closed in a worker. */
static bool
worker_close_foreign(const struct worker_world *world)
{
	const struct listeners *l = world->listeners;
	size_t n;
	int *own = site_descriptors(world->site, l->n + 4, &n);
	bool ok;

	if (own == NULL)
		return false;
	own[n++] = world->control;
	own[n++] = world->access->fd;
	own[n++] = tickets_descriptor(world->tickets);
	own[n++] = world->signing;
	for (size_t i = 0; i < l->n; i++)
		own[n++] = l->item[i].fd;
	ok = descriptors_keep(own, n);
	free(own);
	return ok;
}

/* Taken over, it spoils nothing of what the next worker will have. */
static bool
worker_confine(const struct worker_world *world)
{
	const struct listeners *l = world->listeners;
	int shared[LISTENERS_MAX + 5];
	size_t n = 0;

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		shared[n++] = fd;
	for (size_t i = 0; i < l->n; i++)
		shared[n++] = l->item[i].fd;
	if (world->signing != -1)
		shared[n++] = world->signing;
	if (world->access->fd != -1)
		shared[n++] = world->access->fd;
	return confinement_enter_roots(SANDBOX_WORKER, world->site->base->conf,
	    world->site->hosts, shared, n);
}

/* Everything that can fail happens before the first accept. */
static bool
worker_prepare(struct worker *w)
{
	const struct worker_world *world = w->world;
	struct site_base *base = world->site->base;
	struct report report = { 0 };
	size_t held;
	bool ok;

	ok = privs_drop(world->privs);
	if (!ok)
		log_error("cannot drop privileges: %s", strerror(errno));
	ok = ok && privs_die_with(world->parent);
	ok = ok &&
	     (world->tickets == NULL || tickets_read_only(world->tickets) == 0);
	ok = ok && worker_confine(world);
	/* What the inspection accepted; its warnings were logged then. */
	ok = ok && hosts_read_content(world->site->hosts, &report);
	report_fini(&report);
	for (size_t i = 0; ok && i < world->site->hosts->n; i++)
		if (!host_find_withheld(&world->site->hosts->host[i]))
			log_warn("%s: mirror/objects/ is not served: %s",
			    world->site->hosts->host[i].conf->root.text,
			    strerror(errno));
	w->n_exempt =
	    limiter_networks(&base->conf->limits.exempt, w->exempt, &report);
	report_log(&report);
	ok = ok && report.errors == 0;
	report_fini(&report);
	spares_init(&w->spares, world->control);
	held = spares_highest(&w->spares) + 1;
	w->conns = (struct conn_world){
		.spares = &w->spares,
		.conf = base->conf,
		.hosts = world->site->hosts,
		.tls = base->tls,
		.mime = base->mime,
		.listings = listings_new(),
		.limiter = world->limiter,
		.access = world->access,
	};
	w->loop = ev_loop_new(EVFLAG_AUTO);
	if (ok && w->loop != NULL)
		w->pool = worker_make_pool(w, held);
	return ok && w->pool != NULL && w->conns.listings != NULL;
}

/* Returns to the kernel what many simultaneous handshakes left free between
 * buffers still in use: malloc itself returns only memory at the end of its
 * heap. */
static void
worker_trim_memory(struct worker *w)
{
	if (pool_ended(w->pool) - w->trimmed < WORKER_TRIM_AFTER)
		return;
	w->trimmed = pool_ended(w->pool);
	tls_memory_trim();
#ifdef __GLIBC__
	malloc_trim(0);
#endif
}

static void
on_heart(struct ev_loop *loop, ev_timer *t, int events)
{
	struct worker *w = t->data;

	(void)loop;
	(void)events;
	worker_trim_memory(w);
	heartbeat(w->world->heartbeats, w->world->row);
}

/* Before the loop waits: the lines of this turn in one write. */
static void
on_rest(struct ev_loop *loop, ev_prepare *p, int events)
{
	struct worker *w = p->data;

	(void)loop;
	(void)events;
	access_flush(w->world->access);
}

static void
worker_open_acceptors(struct worker *w)
{
	const struct listeners *l = w->world->listeners;
	int public_port = w->world->site->base->conf->public_port;

	for (size_t i = 0; i < l->n; i++) {
		struct acceptor *a = &w->acceptors[w->n_acceptors++];

		a->worker = w;
		a->port = public_port != 0 ? (unsigned)public_port
					   : listen_port(&l->item[i].real);
		ev_io_init(&a->io, on_accept, l->item[i].fd, EV_READ);
		a->io.data = a;
	}
	ev_io_init(&w->control, on_control, w->world->control, EV_READ);
	w->control.data = w;
	ev_io_start(w->loop, &w->control);
	ev_init(&w->pause, on_pause_over);
	w->pause.data = w;
	ev_init(&w->deadline, on_deadline);
	w->deadline.data = w;
	ev_timer_init(&w->heart, on_heart, 0, HEARTBEAT_MS / 1000.);
	w->heart.data = w;
	ev_timer_start(w->loop, &w->heart);
	ev_prepare_init(&w->rest, on_rest);
	w->rest.data = w;
	ev_prepare_start(w->loop, &w->rest);
	worker_set_accepting(w, true);
}

void
worker_run(const struct worker_world *world)
{
	struct worker *w = calloc(1, sizeof(*w));
	const char ready = WORKER_READY;
	char who[32];

	snprintf(who, sizeof(who), "carnation worker %u", world->number);
	log_identify(who);
	privs_quiet_signals();
	if (!worker_close_foreign(world)) {
		log_error("cannot close the parent's descriptors: %s (needs "
			  "close_range or /proc)",
		    strerror(errno));
		exit(EXIT_FAILURE);
	}
	signing_attach(world->signing);
	if (w != NULL)
		w->world = world;
	if (w == NULL || !worker_prepare(w))
		exit(EXIT_FAILURE);
	access_hold(world->access);
	worker_open_acceptors(w);
	if (!fd_write_all(world->control, slice_of(&ready, 1)))
		exit(EXIT_FAILURE);
	ev_run(w->loop, 0);
	pool_free(&w->pool);
	access_flush(world->access);
	listings_free(&w->conns.listings);
	ev_loop_destroy(w->loop);
	while (spares_give(&w->spares))
		;
	free(w);
	exit(EXIT_SUCCESS);
}
