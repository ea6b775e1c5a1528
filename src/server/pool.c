/* SPDX-License-Identifier: ISC */
#include "server/pool.h"

#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/list.h"

enum {
	POOL_TALLY = 4096,  /* addresses distinguished by slot_tally */
	POOL_PROBES = 32,   /* connections compared when one must be dropped */
	POOL_SHARE_MIN = 8, /* connections that every share allows */
	POOL_SHARES = 128,  /* of the slots: so much is an address's share */
};

/* Whose handshake is started first; each rank comes first in some turn. */
enum rank {
	RANK_KNOWN, /* the address has had an answer lately */
	RANK_UNKNOWN,
	RANK_FLOOD, /* it has more than its share of the slots */
	RANKS,
};

struct slot {
	struct conn conn;
	struct pool *pool;
	struct list link;      /* of pool->in[state], or on none */
	enum conn_state state; /* the conn's, when last looked at */
	enum conn_state armed; /* the state that the timer is set for */
	uint64_t address;      /* the address's key, exempt or not */
	uint64_t since_ms;     /* in this state; in SEND: being measured */
	uint64_t acknowledged; /* bytes of the answer at that time */
	ev_io io;
	ev_timer timer;
};

struct pool {
	struct ev_loop *loop;
	struct conn_world *world;
	struct slot *slots;
	struct conn_text *texts;
	size_t n;
	size_t max; /* including those queued for a handshake */
	size_t count;
	size_t used; /* slots that were ever taken: the first ones */
	size_t row;
	/* By state, oldest first; DONE: vacant. Of QUEUED: by rank. */
	struct list in[CONN_DONE + 1];
	struct list queue[RANKS];
	size_t counts[CONN_DONE + 1];
	uint64_t ended;            /* see pool_ended */
	ev_idle turn;              /* active while any is in CONN_QUEUED */
	unsigned iteration, begun; /* handshakes begun in that iteration */
	struct slot *victim;       /* see pool_has_room; NULL: none needed */
	pool_freed *freed;
	void *arg;
	uint64_t random;
	uint16_t tally[POOL_TALLY]; /* connections without a request */
};

/* The first of a list that is not empty. */
static struct slot *
slot_first(const struct list *l)
{
	return LIST_ENTRY(l->next, struct slot, link);
}

/* Still without a request. */
static bool
state_is_waiting(enum conn_state state)
{
	return state <= CONN_REQUEST;
}

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
	    getrandom(&p->random, sizeof(p->random), 0) != sizeof(p->random)) {
		pool_free(&p);
		return NULL;
	}
	return p;
}

/* Where its address's connections are counted. */
static size_t
slot_tally(const struct slot *s)
{
	return limiter_hash(s->pool->world->limiter, s->address) % POOL_TALLY;
}

/* How many connections without a request the address has, in shares: two
 * addresses in one place of the tally are no more than one. */
static unsigned
slot_share(const struct slot *s)
{
	const struct pool *p = s->pool;

	return (unsigned)(p->tally[slot_tally(s)] / (1 + p->n / POOL_SHARES));
}

/* More than any household needs: a flood. */
static bool
slot_floods(const struct slot *s)
{
	const struct pool *p = s->pool;
	size_t share = p->n / POOL_SHARES;

	return p->tally[slot_tally(s)] >
	       (share > POOL_SHARE_MIN ? share : POOL_SHARE_MIN);
}

/* Which queue for a handshake it belongs in. */
static enum rank
slot_rank(const struct slot *s)
{
	if (slot_floods(s))
		return RANK_FLOOD;
	return limiter_is_known(s->pool->world->limiter, s->address, clock_ms())
		   ? RANK_KNOWN
		   : RANK_UNKNOWN;
}

static uint64_t
pool_random(struct pool *p)
{
	uint64_t x = p->random += 0x9e3779b97f4a7c15u; /* splitmix64 */

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* The state of most connections without a request: in a flood, of the flood. */
static enum conn_state
pool_fullest_state(const struct pool *p)
{
	enum conn_state most = CONN_HELLO;

	for (enum conn_state state = CONN_HELLO; state_is_waiting(state);
	     state++)
		if (p->counts[state] > p->counts[most])
			most = state;
	return most;
}

/* What a connection is dropped for. */
struct drop {
	enum conn_state first, last; /* only connections in these states */
	uint64_t address;            /* of the new connection; 0: unknown */
	bool urgent; /* else only those long silent, and floods */
	uint64_t now_ms;
	enum conn_state fullest;
};

/* The higher, the sooner s is dropped; 0: never. After POOL_GRACE_MS of
 * silence, of the address with the largest share the one silent longest. Before
 * that, the same, but those in the fullest state first, known addresses last;
 * never one that waits for us, except a flood's for another address. */
static uint64_t
slot_priority(const struct slot *s, const struct drop *drop)
{
	uint64_t silent = drop->now_ms - s->since_ms;
	uint64_t share = (uint64_t)slot_share(s) << 32;

	if (s->state < drop->first || s->state > drop->last)
		return 0;
	if (s->state == CONN_QUEUED &&
	    (!slot_floods(s) || s->address == drop->address))
		return 0;
	if (s->state != CONN_QUEUED && silent >= POOL_GRACE_MS)
		return share | UINT64_C(1) << 63 | silent << 1;
	if (!slot_floods(s) && !drop->urgent)
		return 0;
	if (slot_rank(s) != RANK_KNOWN)
		return share | UINT64_C(1) << 31 |
		       (uint64_t)(s->state == drop->fullest) << 30 |
		       silent << 1 | 1;
	/* No matter who shares its place in the tally. */
	return silent << 1 | 1;
}

/* The connection to drop first, of POOL_PROBES chosen at random and the oldest
 * in each state. NULL: none. */
static struct slot *
pool_victim(struct pool *p, struct drop drop)
{
	size_t step = p->used / POOL_PROBES + 1;
	size_t at = (size_t)pool_random(p), n = 0;
	struct slot *seen[POOL_PROBES + CONN_DONE + 1], *victim = NULL;
	uint64_t most = 0;

	drop.now_ms = clock_ms();
	drop.fullest = pool_fullest_state(p);
	for (; n < POOL_PROBES && n < p->used; n++)
		seen[n] = &p->slots[(at + n * step) % p->used];
	for (enum conn_state state = drop.first; state <= drop.last; state++)
		if (!list_empty(&p->in[state]))
			seen[n++] = slot_first(&p->in[state]);
	if (!list_empty(&p->queue[RANK_FLOOD]))
		seen[n++] = slot_first(&p->queue[RANK_FLOOD]);
	for (size_t i = 0; i < n; i++) {
		uint64_t priority = slot_priority(seen[i], &drop);

		if (priority > most) {
			victim = seen[i];
			most = priority;
		}
	}
	return victim;
}

static bool
pool_is_nearly_full(const struct pool *p)
{
	return p->count * 100 >= p->n * POOL_NEARLY_FULL;
}

/* A reader slower than POOL_SLOW_PACE; NULL: none. The list is in the order in
 * which their pace began to be measured. */
static struct slot *
pool_slow_reader(struct pool *p)
{
	struct list *sending = &p->in[CONN_SEND];
	uint64_t now = clock_ms();

	for (int i = 0; i < POOL_PROBES && !list_empty(sending); i++) {
		struct slot *s = slot_first(sending);
		uint64_t time = now - s->since_ms, bytes;

		if (time < POOL_SLOW_MS)
			return NULL;
		bytes = conn_acknowledged(&s->conn);
		if (bytes < s->acknowledged + time * POOL_SLOW_PACE / 1000)
			return s;
		s->since_ms = now;
		s->acknowledged = bytes;
		list_remove(&s->link);
		list_append(sending, &s->link);
	}
	return NULL;
}

/* A connection in CONN_DISCARD that conn_is_finished; NULL: none. */
static struct slot *
pool_finished(struct pool *p)
{
	struct list *l;
	int looks = 0;

	LIST_EACH (l, &p->in[CONN_DISCARD]) {
		struct slot *s = LIST_ENTRY(l, struct slot, link);

		if (conn_is_finished(&s->conn))
			return s;
		if (++looks == POOL_PROBES)
			break;
	}
	return NULL;
}

/* While the processor is the bottleneck, more connections may wait for their
 * handshake: each costs only a socket. */
static bool
pool_has_slot(const struct pool *p)
{
	return p->count < p->n ||
	       (p->counts[CONN_QUEUED] > 0 && p->count < p->max);
}

/* The connection to drop for a new one of an address (0: not known yet) when
 * all slots are taken, or a slow reader somewhat earlier; NULL: none. */
static struct slot *
pool_for_newcomer(struct pool *p, uint64_t address)
{
	struct slot *s = pool_is_nearly_full(p) ? pool_slow_reader(p) : NULL;

	if (s != NULL || pool_has_slot(p))
		return s;
	s = pool_finished(p);
	if (s != NULL)
		return s;
	/* Newcomers would only be queued as well: not worth dropping a young
	 * one. */
	return pool_victim(
	    p, (struct drop){ CONN_HELLO, CONN_REQUEST, address,
		   .urgent = pool_fullest_state(p) != CONN_QUEUED });
}

/* Connections that have more than a socket. */
static size_t
pool_count_begun(const struct pool *p)
{
	return p->count - p->counts[CONN_HELLO] - p->counts[CONN_QUEUED];
}

/* The connection to drop for one more handshake; NULL: none needs to be, or,
 * when pool_count_begun is at its maximum, none can be. Whatever other workers
 * report, each worker may have some. */
static struct slot *
pool_for_handshake(struct pool *p)
{
	struct slot *s;

	if (p->counts[CONN_HANDSHAKE] >= POOL_HALF_OPEN_MIN &&
	    limiter_half_open(p->world->limiter) >= LIMITER_HALF_OPEN)
		return pool_victim(p, (struct drop){ CONN_HANDSHAKE,
					  CONN_HANDSHAKE, .urgent = true });
	if (pool_count_begun(p) < p->n)
		return NULL;
	s = pool_is_nearly_full(p) ? pool_slow_reader(p) : NULL;
	if (s == NULL)
		s = pool_finished(p);
	return s != NULL ? s
			 : pool_victim(p, (struct drop){ CONN_HANDSHAKE,
					      CONN_REQUEST, .urgent = true });
}

/* Moves a slot to the list of its connection's state. */
static void
slot_move(struct slot *s, enum conn_state state)
{
	struct pool *p = s->pool;
	uint64_t now = clock_ms();

	if (state_is_waiting(s->state) && s->conn.header_len > 0 &&
	    s->conn.status < STATUS_TEMPORARY_FAILURE)
		limiter_note_known(p->world->limiter, s->address, now);
	p->tally[slot_tally(s)] +=
	    (uint16_t)(state_is_waiting(state) - state_is_waiting(s->state));
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
	s->acknowledged = 0;
}

static void
slot_close(struct slot *s)
{
	struct pool *p = s->pool;

	ev_io_stop(p->loop, &s->io);
	ev_timer_stop(p->loop, &s->timer);
	conn_fini(&s->conn, p->world);
	limiter_close(p->world->limiter, p->row, (size_t)(s - p->slots));
	if (p->victim == s)
		p->victim = NULL;
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

/* A new deadline for a new state, and, while sending, for each progress. All up
 * to the end of the handshake is one. */
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
	return pool_count_begun(p) < p->n;
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
slot_update(struct slot *s, enum io io)
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
		slot_update(s, conn_step(&s->conn, p->world));
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

	slot_update(s, conn_step(&s->conn, p->world));
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
	conn_expire(&s->conn, s->pool->world);
	slot_step(s);
}

/* Slots never used yet come last, so that their memory stays untouched. */
static struct slot *
pool_take_slot(struct pool *p, uint64_t address)
{
	struct slot *s = p->victim;

	/* A flood's own waiting connections do not make room for it. */
	if (s != NULL && s->state == CONN_QUEUED && s->address == address)
		s = pool_for_newcomer(p, address);
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
	uint64_t address = limiter_key(from), key = exempt ? 0 : address;
	size_t most = (size_t)p->world->conf->limits.per_address;
	struct slot *s;
	size_t at;

	if (key != 0 && most != 0 &&
	    limiter_count(p->world->limiter, key) >= most) {
		close(fd);
		return POOL_REFUSED;
	}
	s = pool_take_slot(p, address);
	if (s == NULL)
		return POOL_FULL;
	at = (size_t)(s - p->slots);
	conn_init(&s->conn, fd, from, port, key, &p->texts[at]);
	limiter_open(p->world->limiter, p->row, at, key);
	s->address = address;
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
	p->victim = pool_for_newcomer(p, 0);
	return p->victim != NULL || pool_has_slot(p);
}
