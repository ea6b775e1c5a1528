/* SPDX-License-Identifier: ISC */
#include "server/pool_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "util/clock.h"

static void on_io(struct ev_loop *loop, ev_io *w, int events);
static void on_timer(struct ev_loop *loop, ev_timer *w, int events);
static void on_turn(struct ev_loop *loop, ev_idle *w, int events);

struct pool *
pool_new(struct ev_loop *loop, size_t n, size_t queued,
    struct conn_world *world, size_t row, pool_freed *freed, void *arg)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->max = n + queued;
	/* calloc: pages nobody has touched cost nothing. */
	p->slots = calloc(p->max, sizeof(*p->slots));
	p->texts = calloc(p->max, sizeof(*p->texts));
	p->loop = loop;
	p->world = world;
	p->n = n;
	p->row = row;
	p->freed = freed;
	p->arg = arg;
	for (size_t i = 0; i <= CONN_DONE; i++)
		list_init(&p->in[i]);
	for (size_t i = 0; i < RANKS; i++)
		list_init(&p->queue[i]);
	ev_idle_init(&p->turn, on_turn);
	p->turn.data = p;
	/* Every iteration, whatever else there is to do. */
	ev_set_priority(&p->turn, EV_MAXPRI);
	if (p->slots == NULL || p->texts == NULL ||
	    getrandom(&p->seed, sizeof(p->seed), 0) != sizeof(p->seed)) {
		pool_free(&p);
		return NULL;
	}
	p->random = p->seed;
	return p;
}

/* Moves a slot to the list of its connection's state. */
static void
slot_move(struct slot *s, enum conn_state state)
{
	struct pool *p = s->pool;
	uint64_t now = clock_ms();

	if (is_waiting(s->state) && s->conn.header_len > 0 &&
	    s->conn.status < STATUS_TEMPORARY_FAILURE)
		limiter_note_known(p->world->limiter, s->greed, now);
	p->tally[slot_address(s)] +=
	    (uint16_t)(is_waiting(state) - is_waiting(s->state));
	p->counts[s->state]--;
	p->counts[state]++;
	p->ended += s->state == CONN_HANDSHAKE || state == CONN_DONE;
	if (state == CONN_HANDSHAKE || s->state == CONN_HANDSHAKE)
		limiter_note_half_open(
		    p->world->limiter, p->row, p->counts[CONN_HANDSHAKE]);
	list_remove(&s->link);
	list_append(
	    state == CONN_QUEUED ? &p->queue[slot_rank(s)] : &p->in[state],
	    &s->link);
	s->state = state;
	s->since_ms = now;
	s->taken = 0;
}

static void
slot_close(struct slot *s)
{
	struct pool *p = s->pool;

	ev_io_stop(p->loop, &s->io);
	ev_timer_stop(p->loop, &s->timer);
	conn_fini(&s->conn, p->world);
	limiter_close(p->world->limiter, p->row, (size_t)(s - p->slots));
	slot_move(s, CONN_DONE);
	p->count--;
}

static void
slot_free(struct slot *s)
{
	struct pool *p = s->pool;

	slot_close(s);
	p->freed(p->arg);
}

void
pool_free(struct pool **p)
{
	if (*p == NULL)
		return;
	for (size_t i = 0; i < (*p)->used; i++)
		if ((*p)->slots[i].state != CONN_DONE)
			slot_close(&(*p)->slots[i]);
	ev_idle_stop((*p)->loop, &(*p)->turn);
	free((*p)->texts);
	free((*p)->slots);
	free(*p);
	*p = NULL;
}

static void
slot_watch(struct slot *s, int events)
{
	struct ev_loop *loop = s->pool->loop;

	if (ev_is_active(&s->io) && s->io.events == events)
		return;
	ev_io_stop(loop, &s->io);
	ev_io_set(&s->io, s->conn.fd, events);
	ev_io_start(loop, &s->io);
}

/* A new deadline for a new state, and, while sending, for each progress. All up to
 * the end of the handshake is one. */
static void
slot_arm(struct slot *s)
{
	enum conn_state state =
	    s->conn.state < CONN_HANDSHAKE ? CONN_HANDSHAKE : s->conn.state;

	if (ev_is_active(&s->timer) && s->armed == state && !s->conn.progress)
		return;
	s->armed = state;
	s->conn.progress = false;
	s->timer.repeat = conn_timeout(&s->conn, s->pool->world->conf);
	ev_timer_again(s->pool->loop, &s->timer);
}

/* Ends a connection to make room; during its answer, with a reset. */
static void
slot_drop(struct slot *s)
{
	if (s->state >= CONN_SEND)
		conn_cut(&s->conn);
	slot_close(s);
}

/* Makes room for one more handshake; false when none can be dropped. */
static bool
pool_make_room(struct pool *p)
{
	struct slot *s;

	while ((s = pool_for_handshake(p)) != NULL) {
		slot_drop(s);
		p->freed(p->arg);
	}
	return pool_begun(p) < p->n;
}

/* Whether this iteration has time for one more handshake. */
static bool
pool_turn(struct pool *p)
{
	if (p->iteration != ev_iteration(p->loop))
		p->begun = 0;
	p->iteration = ev_iteration(p->loop);
	return p->begun++ < POOL_TURN;
}

/* After a step. */
static void
slot_settle(struct slot *s, enum io io)
{
	struct pool *p = s->pool;

	if (s->conn.state == CONN_DONE) {
		slot_free(s);
		return;
	}
	if (s->conn.state != s->state) {
		slot_move(s, s->conn.state);
		if (s->state == CONN_DISCARD)
			p->freed(p->arg); /* it could be dropped */
	}
	if (s->state == CONN_QUEUED)
		ev_io_stop(p->loop, &s->io);
	else
		slot_watch(s, io == IO_WANT_WRITE ? EV_WRITE : EV_READ);
	slot_arm(s);
}

/* Each rank comes first in some turn, so that none starves. */
static struct slot *
pool_next(struct pool *p)
{
	size_t first = (p->begun - 1) % RANKS;

	if (!list_empty(&p->queue[first]))
		return slot_first(&p->queue[first]);
	for (size_t i = 0; i < RANKS; i++)
		if (!list_empty(&p->queue[i]))
			return slot_first(&p->queue[i]);
	return NULL;
}

/* Starts so many handshakes, then connections further on have their turn. */
static void
pool_take_turn(struct pool *p)
{
	while (p->counts[CONN_QUEUED] > 0 && pool_turn(p)) {
		struct slot *s;

		if (!pool_make_room(p)) {
			ev_idle_stop(p->loop, &p->turn);
			return;
		}
		s = pool_next(p);
		slot_settle(s, conn_step(&s->conn, p->world));
	}
	if (p->counts[CONN_QUEUED] > 0)
		ev_idle_start(p->loop, &p->turn);
	else
		ev_idle_stop(p->loop, &p->turn);
}

static void
on_turn(struct ev_loop *loop, ev_idle *w, int events)
{
	(void)loop;
	(void)events;
	pool_take_turn(w->data);
}

static void
slot_step(struct slot *s)
{
	struct pool *p = s->pool;

	slot_settle(s, conn_step(&s->conn, p->world));
	pool_take_turn(p);
}

static void
on_io(struct ev_loop *loop, ev_io *w, int events)
{
	(void)loop;
	(void)events;
	slot_step(w->data);
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	struct slot *s = w->data;

	(void)loop;
	(void)events;
	conn_expire(&s->conn, s->pool->world->conf);
	slot_step(s);
}

/* Slots never used yet come last, so that their memory stays untouched. */
static struct slot *
slot_take(struct pool *p, uint64_t greed)
{
	struct slot *s = pool_for_newcomer(p, greed);

	if (s != NULL)
		slot_drop(s);
	else if (!pool_has_slot(p))
		return NULL;
	if (!list_empty(&p->in[CONN_DONE]))
		return LIST_ENTRY(p->in[CONN_DONE].prev, struct slot, link);
	s = &p->slots[p->used++];
	s->pool = p;
	s->state = CONN_DONE;
	p->counts[CONN_DONE]++;
	list_init(&s->link);
	ev_init(&s->io, on_io);
	ev_init(&s->timer, on_timer);
	s->io.data = s;
	s->timer.data = s;
	return s;
}

enum pool_adopted
pool_adopt(struct pool *p, int fd, const struct sockaddr_storage *from,
    unsigned port, bool exempt)
{
	uint64_t greed = limiter_key(from), key = exempt ? 0 : greed;
	size_t most = (size_t)p->world->conf->limits.per_address;
	struct slot *s;
	size_t at;

	if (key != 0 && most != 0 &&
	    limiter_count(p->world->limiter, key) >= most) {
		close(fd);
		return POOL_REFUSED;
	}
	s = slot_take(p, greed);
	if (s == NULL)
		return POOL_FULL;
	at = (size_t)(s - p->slots);
	conn_init(&s->conn, fd, from, port, key, &p->texts[at]);
	limiter_open(p->world->limiter, p->row, at, key);
	s->greed = greed;
	slot_move(s, CONN_HELLO);
	p->count++;
	slot_step(s);
	return POOL_ADOPTED;
}

size_t
pool_count(const struct pool *p)
{
	return p->count;
}

uint64_t
pool_ended(const struct pool *p)
{
	return p->ended;
}

bool
pool_has_room(struct pool *p)
{
	return pool_has_slot(p) || pool_for_newcomer(p, 0) != NULL;
}
