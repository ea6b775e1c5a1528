/* SPDX-License-Identifier: ISC */
#include "server/keyd.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/child.h"
#include "server/keyd_process.h"
#include "server/notice.h"
#include "tls/signing.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/list.h"
#include "util/log.h"

_Static_assert(CHILD_BACKOFF_MAX_MS < 1000, "replaced within a second");

enum state {
	KEYD_DOWN,
	KEYD_STARTING, /* it reads keys */
	KEYD_SERVING,
};

struct keyd {
	unsigned references;
	struct list link; /* of keyds */
	struct keyset keys;
	struct seats seats;
	size_t n_seats;
	uint8_t mark[DIGEST_SIZE]; /* of all that it was made for */
	struct privs privs;
	bool own_user;

	enum state state;
	pid_t pid;     /* 0: not running */
	bool replaced; /* killed by us */
	uint64_t started_ms;
	unsigned backoff_ms;
	unsigned missed; /* pings */
	enum conf_sandbox wanted;
	struct notices notices;
	ev_child child;
	ev_io notice;
	ev_io pong;
	ev_timer pulse;
	ev_timer restart;
};

static struct list keyds = { &keyds, &keyds };

/* ------------------------------------------------------------ made and freed */

/* As root an account of its own, if there is one. */
static void
keyd_set_privs(struct keyd *k, const struct privs *workers)
{
	struct why ignored;

	k->privs = *workers;
	if (!workers->wanted)
		return;
	k->own_user = privs_find(KEYD_USER, NULL, &k->privs, &ignored) &&
		      k->privs.uid != workers->uid;
	if (!k->own_user)
		k->privs = *workers;
}

static bool
keyd_set_mark(struct keyd *k)
{
	struct digest d;

	digest_init(&d);
	keyset_digest(&k->keys, &d);
	digest_add(&d, slice_of(&k->n_seats, sizeof(k->n_seats)));
	digest_add(&d, slice_of(&k->privs.uid, sizeof(k->privs.uid)));
	digest_add(&d, slice_of(&k->privs.gid, sizeof(k->privs.gid)));
	return digest_end(&d, k->mark);
}

static void on_child(struct ev_loop *loop, ev_child *w, int events);
static void on_notice(struct ev_loop *loop, ev_io *w, int events);
static void on_pong(struct ev_loop *loop, ev_io *w, int events);
static void on_pulse(struct ev_loop *loop, ev_timer *t, int events);
static void on_restart(struct ev_loop *loop, ev_timer *t, int events);

struct keyd *
keyd_new(const struct keyd_set *set)
{
	struct keyd *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	k->references = 1;
	k->notices.fd = -1;
	list_init(&k->link);
	list_append(&keyds, &k->link);
	k->n_seats = set->seats;
	k->wanted = set->sandbox;
	keyd_set_privs(k, set->privs);
	ev_init(&k->child, on_child);
	ev_init(&k->notice, on_notice);
	ev_init(&k->pong, on_pong);
	ev_timer_init(
	    &k->pulse, on_pulse, KEYD_PING_MS / 1000., KEYD_PING_MS / 1000.);
	ev_init(&k->restart, on_restart);
	k->child.data = k->notice.data = k->pong.data = k;
	k->pulse.data = k->restart.data = k;
	if (!keyset_init(&k->keys, set->pairs, set->n, &set->settings) ||
	    !keyd_set_mark(k))
		keyd_free(&k);
	return k;
}

struct keyd *
keyd_ref(struct keyd *k)
{
	k->references++;
	return k;
}

/* After its end, or without one. */
static void
keyd_stop_watching(struct keyd *k)
{
	if (k->pid != 0) {
		ev_child_stop(EV_DEFAULT, &k->child);
		ev_io_stop(EV_DEFAULT, &k->notice);
		ev_io_stop(EV_DEFAULT, &k->pong);
		ev_timer_stop(EV_DEFAULT, &k->pulse);
	}
	notices_close(&k->notices);
	k->pid = 0;
	k->state = KEYD_DOWN;
}

static void
keyd_end(struct keyd *k)
{
	pid_t pid = k->pid;

	if (ev_is_active(&k->restart))
		ev_timer_stop(EV_DEFAULT, &k->restart);
	if (pid > 0)
		kill(pid, SIGKILL);
	keyd_stop_watching(k);
	if (pid > 0)
		child_wait(pid);
}

void
keyd_free(struct keyd **kp)
{
	struct keyd *k = *kp;

	*kp = NULL;
	if (k == NULL || --k->references > 0)
		return;
	keyd_end(k);
	list_remove(&k->link);
	seats_close(&k->seats);
	keyset_fini(&k->keys);
	free(k);
}

bool
keyd_can_replace(struct keyd *k, const struct keyd *other)
{
	return !k->seats.retired && !seats_spoiled(&k->seats) &&
	       keyset_is_usable(&k->keys) && k->wanted == other->wanted &&
	       digest_equal(k->mark, other->mark);
}

const char *
keyd_fault(const struct keyd *k, size_t slot)
{
	assert(slot < k->keys.n);
	return k->keys.slots[slot].fault;
}

struct seats *
keyd_seats(struct keyd *k)
{
	return &k->seats;
}

/* ---------------------------------------------------------------- the process */

/* With signals blocked until it is itself. serve: else it only checks. */
static pid_t
keyd_fork(struct keyd *k, bool serve)
{
	struct keyd_world world = {
		.parent = getpid(),
		.pairs = k->keys.pairs,
		.n = k->keys.n,
		.settings = &k->keys.settings,
		.privs = &k->privs,
		.sandbox = k->wanted,
	};
	int *seats = calloc(k->n_seats + 1, sizeof(*seats));
	pid_t pid = -1;

	if (seats != NULL && serve)
		world.n_seats = seats_keyd_fds(&k->seats, seats);
	world.seats = seats;
	keyset_begin_reading(&k->keys);
	if (seats != NULL && notices_open(&k->notices, &world.report)) {
		pid = child_fork();
		if (pid == 0)
			keyd_run(&world);
		fd_close(world.report);
		if (pid == -1)
			notices_close(&k->notices);
	}
	free(seats);
	return pid;
}

/* Takes what it says of a key. False: not what it may say. */
static bool
keyd_take_fault(struct keyd *k, const struct notice *notice)
{
	const struct keyset_slot *s;
	bool changed;

	if (!keyset_set_fault(&k->keys, notice->number, notice->text, &changed))
		return false;
	s = &k->keys.slots[notice->number];
	/* At the start it goes to the report. */
	if (changed && k->state == KEYD_STARTING)
		log_error("%s (%s): clients cannot connect to %s; fix it%s "
			  "reload",
		    notice->text, s->key_path, s->name,
		    k->keys.n <= KEYD_RETRY_KEYS_MAX ? ", or" : ", then");
	return true;
}

/* What it says until it is ready. False and why. */
static bool
keyd_await_ready(struct keyd *k, struct why *why)
{
	uint64_t end = clock_ms() + KEYD_START_MS;
	struct notice notice;

	for (;;) {
		switch (notices_wait(&k->notices, end, &notice)) {
		case NOTICES_ONE:
			break;
		case NOTICES_WAIT:
			return why_set(why, "keyd was not ready within %d s",
			    KEYD_START_MS / 1000);
		case NOTICES_END:
			return why_set(why, "keyd ended while it started");
		}
		if (notice.kind == KEYD_READY)
			return true;
		if (notice.kind != KEYD_FAULT || !keyd_take_fault(k, &notice))
			return why_set(why, "keyd sent an invalid message");
	}
}

static void
keyd_watch(struct keyd *k)
{
	k->missed = 0;
	k->replaced = false;
	k->started_ms = clock_ms();
	ev_now_update(EV_DEFAULT);
	ev_child_set(&k->child, k->pid, 0);
	ev_child_start(EV_DEFAULT, &k->child);
	ev_io_set(&k->notice, k->notices.fd, EV_READ);
	if (k->state == KEYD_STARTING)
		ev_io_start(EV_DEFAULT, &k->notice);
	ev_io_set(&k->pong, seats_worker_fd(&k->seats, 0), EV_READ);
	ev_io_start(EV_DEFAULT, &k->pong);
	ev_timer_again(EV_DEFAULT, &k->pulse);
}

bool
keyd_start(struct keyd *k, struct why *why)
{
	if (!seats_open(&k->seats, k->n_seats) ||
	    (k->pid = keyd_fork(k, true)) == -1) {
		k->pid = 0;
		return why_errno(why, "keyd");
	}
	if (!keyd_await_ready(k, why)) {
		kill(k->pid, SIGKILL);
		child_wait(k->pid);
		k->pid = 0;
		return false;
	}
	notices_close(&k->notices);
	k->state = KEYD_SERVING;
	keyd_watch(k);
	return true;
}

bool
keyd_check(struct keyd *k, struct why *why)
{
	pid_t pid = keyd_fork(k, false);
	bool good;

	if (pid == -1)
		return why_errno(why, "keyd");
	good = keyd_await_ready(k, why);
	if (!good)
		kill(pid, SIGKILL);
	notices_close(&k->notices);
	child_wait(pid);
	return good;
}

/* ------------------------------------------- ends, pings, and its successor */

static void
keyd_log_end(const struct keyd *k, int status)
{
	if (WIFSIGNALED(status))
		log_error("keyd (process %d) was killed by signal %d (%s)",
		    (int)k->pid, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		log_error("keyd (process %d) exited with status %d",
		    (int)k->pid, WEXITSTATUS(status));
}

static void
keyd_restart_later(struct keyd *k)
{
	child_replace_later(
	    &k->restart, &k->started_ms, &k->backoff_ms, KEYD_STABLE_MS);
}

/* Its end; handshakes wait in their seats meanwhile. */
static void
on_child(struct ev_loop *loop, ev_child *w, int events)
{
	struct keyd *k = w->data;

	(void)loop;
	(void)events;
	if (!k->replaced)
		keyd_log_end(k, w->rstatus);
	keyd_stop_watching(k);
	keyd_restart_later(k);
}

static void
on_restart(struct ev_loop *loop, ev_timer *t, int events)
{
	struct keyd *k = t->data;

	(void)loop;
	(void)events;
	k->pid = keyd_fork(k, true);
	if (k->pid == -1) {
		k->pid = 0;
		log_error("keyd: %s", strerror(errno));
		keyd_restart_later(k);
		return;
	}
	k->state = KEYD_STARTING;
	keyd_watch(k);
}

/* Kills it; its successor follows. */
static void
keyd_replace(struct keyd *k)
{
	k->replaced = true;
	kill(k->pid, SIGKILL);
}

static void
on_notice(struct ev_loop *loop, ev_io *w, int events)
{
	struct keyd *k = w->data;
	struct notice notice;
	enum notices_next next;

	(void)events;
	while ((next = notices_next(&k->notices, &notice)) == NOTICES_ONE &&
	       notice.kind == KEYD_FAULT && keyd_take_fault(k, &notice))
		;
	if (next == NOTICES_WAIT)
		return;
	ev_io_stop(loop, w);
	notices_close(&k->notices);
	if (next == NOTICES_END)
		return; /* its own end follows, or that of its time */
	if (notice.kind != KEYD_READY) {
		log_error("keyd (process %d) sent an invalid message: killed",
		    (int)k->pid);
		keyd_replace(k);
		return;
	}
	keyset_end_reading(&k->keys);
	k->state = KEYD_SERVING;
	log_info("keyd started again (process %d)", (int)k->pid);
}

static void
on_pong(struct ev_loop *loop, ev_io *w, int events)
{
	struct keyd *k = w->data;

	(void)loop;
	(void)events;
	if (signing_pong(w->fd))
		k->missed = 0;
}

/* Whether a key that could not be used should be read again: by the next keyd,
 * while nobody signs. */
static bool
keyd_may_recover(const struct keyd *k)
{
	return k->keys.n <= KEYD_RETRY_KEYS_MAX &&
	       !keyset_is_usable(&k->keys) &&
	       (keyset_has_changed(&k->keys) ||
		   clock_ms() - k->started_ms >= KEYD_RETRY_MS);
}

static void
on_pulse(struct ev_loop *loop, ev_timer *t, int events)
{
	struct keyd *k = t->data;

	(void)loop;
	(void)events;
	if (k->replaced)
		return;
	if (k->state == KEYD_STARTING) {
		if (clock_ms() - k->started_ms < KEYD_START_MS)
			return;
		log_error("keyd (process %d) was not ready within %d s: killed",
		    (int)k->pid, KEYD_START_MS / 1000);
		keyd_replace(k);
	} else if (k->missed >= KEYD_PINGS_MAX) {
		log_error(
		    "keyd (process %d) does not respond: killed", (int)k->pid);
		keyd_replace(k);
	} else if (keyd_may_recover(k)) {
		keyd_replace(k);
	} else {
		k->missed++;
		(void)signing_ping(seats_worker_fd(&k->seats, 0));
	}
}

void
keyd_kill_all(void)
{
	struct list *l;

	LIST_EACH (l, &keyds)
		keyd_end(LIST_ENTRY(l, struct keyd, link));
}

bool
keyd_put(const struct keyd *k, struct buf *out)
{
	return buf_printf(
	    out, "process %d, user %s", (int)k->pid, k->privs.user);
}

bool
keyd_has_own_user(const struct keyd *k)
{
	return k->own_user;
}
