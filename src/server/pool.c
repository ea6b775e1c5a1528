/* SPDX-License-Identifier: ISC */
#include "server/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "util/list.h"

enum {
	POOL_TALLY = 4096,     /* addresses told apart by pool_victim */
	POOL_TALLY_SHIFT = 52, /* leaves as many values */
};

struct slot {
	struct conn conn;
	struct pool *pool;
	struct list link;      /* of pool->vacant or pool->waiting */
	bool waiting;          /* still without a request */
	enum conn_state armed; /* the state that the timer is set for */
	uint64_t greed;        /* the address's key, exempt or not */
	ev_io io;
	ev_timer timer;
};

struct pool {
	struct ev_loop *loop;
	struct conn_world *world;
	struct slot *slots;
	struct conn_text *texts;
	size_t n;
	size_t count;
	size_t row;
	struct list vacant;
	struct list waiting; /* oldest first */
	pool_freed *freed;
	void *arg;
	uint64_t seed;
	uint16_t tally[POOL_TALLY]; /* scratch of pool_victim */
};

static void on_io(struct ev_loop *loop, ev_io *w, int events);
static void on_timer(struct ev_loop *loop, ev_timer *w, int events);

struct pool *
pool_new(struct ev_loop *loop, size_t n, struct conn_world *world, size_t row,
    pool_freed *freed, void *arg)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	/* calloc: pages nobody has touched cost nothing. */
	p->slots = calloc(n, sizeof(*p->slots));
	p->texts = calloc(n, sizeof(*p->texts));
	p->loop = loop;
	p->world = world;
	p->n = n;
	p->row = row;
	p->freed = freed;
	p->arg = arg;
	list_init(&p->vacant);
	list_init(&p->waiting);
	if (p->slots == NULL || p->texts == NULL ||
	    getrandom(&p->seed, sizeof(p->seed), 0) != sizeof(p->seed)) {
		pool_free(&p);
		return NULL;
	}
	return p;
}

static void
slot_close(struct slot *s)
{
	struct pool *p = s->pool;

	ev_io_stop(p->loop, &s->io);
	ev_timer_stop(p->loop, &s->timer);
	conn_fini(&s->conn, p->world);
	limiter_close(p->world->limiter, p->row, (size_t)(s - p->slots));
	list_remove(&s->link);
	list_append(&p->vacant, &s->link);
	s->waiting = false;
	p->count--;
}

void
pool_free(struct pool **p)
{
	if (*p == NULL)
		return;
	for (size_t i = 0; (*p)->count > 0; i++) {
		assert(i < (*p)->n);
		if ((*p)->slots[i].conn.fd > 0 &&
		    (*p)->slots[i].conn.state != CONN_DONE)
			slot_close(&(*p)->slots[i]);
	}
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

/* A new deadline for a new state, and, while sending, for each progress. */
static void
slot_arm(struct slot *s)
{
	if (ev_is_active(&s->timer) && s->armed == s->conn.state &&
	    !s->conn.progress)
		return;
	s->armed = s->conn.state;
	s->conn.progress = false;
	s->timer.repeat = conn_patience(&s->conn, s->pool->world->conf);
	ev_timer_again(s->pool->loop, &s->timer);
}

static void
slot_step(struct slot *s)
{
	enum io io = conn_step(&s->conn, s->pool->world);
	struct pool *p = s->pool;

	if (s->conn.state == CONN_DONE) {
		slot_close(s);
		p->freed(p->arg);
		return;
	}
	if (s->waiting && s->conn.state > CONN_REQUEST) {
		list_remove(&s->link);
		s->waiting = false;
	}
	slot_watch(s, io == IO_WANT_WRITE ? EV_WRITE : EV_READ);
	slot_arm(s);
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
	conn_expire(&s->conn);
	slot_step(s);
}

/* Nobody outside can aim at another's place. */
static size_t
tally_place(const struct pool *p, const struct slot *s)
{
	return (size_t)(((s->greed ^ p->seed) * 0x9e3779b97f4a7c15u) >>
			POOL_TALLY_SHIFT);
}

/* The oldest of the greediest: one pass to count, one to choose. Two addresses
 * in one place of the tally only make each other look greedier. */
static struct slot *
pool_victim(struct pool *p)
{
	uint16_t *tally = p->tally;
	struct slot *victim = NULL;
	struct list *l;
	unsigned most = 0;

	memset(p->tally, 0, sizeof(p->tally));
	LIST_EACH (l, &p->waiting)
		tally[tally_place(p, LIST_ENTRY(l, struct slot, link))]++;
	LIST_EACH (l, &p->waiting) {
		struct slot *s = LIST_ENTRY(l, struct slot, link);

		if (tally[tally_place(p, s)] > most) {
			most = tally[tally_place(p, s)];
			victim = s;
		}
	}
	return victim;
}

/* Slots never used yet come last, so that their memory stays untouched. */
static struct slot *
slot_take(struct pool *p)
{
	struct slot *s;

	if (!list_empty(&p->vacant)) {
		s = LIST_ENTRY(p->vacant.prev, struct slot, link);
		list_remove(&s->link);
		return s;
	}
	if (p->count < p->n) {
		s = &p->slots[p->count];
		s->pool = p;
		list_init(&s->link);
		ev_init(&s->io, on_io);
		ev_init(&s->timer, on_timer);
		s->io.data = s;
		s->timer.data = s;
		return s;
	}
	s = pool_victim(p);
	if (s == NULL)
		return NULL;
	slot_close(s);
	list_remove(&s->link);
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
	s = slot_take(p);
	if (s == NULL)
		return POOL_FULL;
	at = (size_t)(s - p->slots);
	conn_init(&s->conn, fd, from, port, key, &p->texts[at]);
	limiter_open(p->world->limiter, p->row, at, key);
	s->greed = greed;
	s->waiting = true;
	list_append(&p->waiting, &s->link);
	p->count++;
	slot_step(s);
	return POOL_ADOPTED;
}

size_t
pool_count(const struct pool *p)
{
	return p->count;
}

bool
pool_has_room(const struct pool *p)
{
	return p->count < p->n || !list_empty(&p->waiting);
}
