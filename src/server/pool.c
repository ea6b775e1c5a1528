/* SPDX-License-Identifier: ISC */
#include "server/pool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/list.h"

enum {
	POOL_TALLY = 4096,     /* addresses told apart by slot_address */
	POOL_TALLY_SHIFT = 52, /* leaves as many values */
	POOL_PROBES = 32,      /* connections compared when one must go */
	POOL_SHARES = 128,     /* of the slots, see slot_share */
};

/* Whose handshake is begun first. */
enum rank {
	RANK_KNOWN, /* the address has made a request lately */
	RANK_UNKNOWN,
	RANK_GREEDY, /* it has more than a share of the slots */
	RANKS,
};

struct slot {
	struct conn conn;
	struct pool *pool;
	struct list link;      /* of pool->in[state], or on none */
	enum conn_state state; /* the conn's, when last looked at */
	enum conn_state armed; /* the state that the timer is set for */
	uint64_t greed;        /* the address's key, exempt or not */
	uint64_t since_ms;     /* in this state; in SEND: being measured */
	uint64_t taken;        /* bytes of the answer at that time */
	ev_io io;
	ev_timer timer;
};

struct pool {
	struct ev_loop *loop;
	struct conn_world *world;
	struct slot *slots;
	struct conn_text *texts;
	size_t n;
	size_t max; /* with those who only wait for a handshake */
	size_t count;
	size_t used; /* slots that were ever taken: the first ones */
	size_t row;
	/* By state, oldest first; DONE: vacant. Of QUEUED: by rank. */
	struct list in[CONN_DONE + 1];
	struct list queue[RANKS];
	size_t counts[CONN_DONE + 1];
	uint64_t ended;            /* see pool_ended */
	ev_idle turn;              /* active while somebody is in CONN_QUEUED */
	unsigned iteration, begun; /* handshakes begun in that iteration */
	pool_freed *freed;
	void *arg;
	uint64_t seed;
	uint64_t random;
	uint16_t tally[POOL_TALLY]; /* connections without a request */
};

static void on_io(struct ev_loop *loop, ev_io *w, int events);
static void on_timer(struct ev_loop *loop, ev_timer *w, int events);
static void on_turn(struct ev_loop *loop, ev_idle *w, int events);

static bool
is_waiting(enum conn_state state)
{
	return state <= CONN_REQUEST;
}

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

/* Nobody outside can aim at another's place. */
static size_t
slot_address(const struct slot *s)
{
	return ((s->greed ^ s->pool->seed) * 0x9e3779b97f4a7c15u) >>
	       POOL_TALLY_SHIFT;
}

/* How much of the slots the address has with connections without a request, in
 * POOL_SHARES: 0 for nearly all, though two are in one place of the tally. */
static unsigned
slot_share(const struct slot *s)
{
	const struct pool *p = s->pool;

	return (unsigned)(p->tally[slot_address(s)] * POOL_SHARES / p->n);
}

static enum rank
slot_rank(const struct slot *s)
{
	if (slot_share(s) > 0)
		return RANK_GREEDY;
	return limiter_is_known(s->pool->world->limiter, s->greed, clock_ms())
		   ? RANK_KNOWN
		   : RANK_UNKNOWN;
}

/* Moves a slot to the list of its connection's state. */
static void
slot_move(struct slot *s, enum conn_state state)
{
	struct pool *p = s->pool;
	uint64_t now = clock_ms();

	if (is_waiting(s->state) && s->conn.header_len > 0)
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
	s->timer.repeat = conn_patience(&s->conn, s->pool->world->conf);
	ev_timer_again(s->pool->loop, &s->timer);
}

/* ---- who gives way */

static uint64_t
pool_random(struct pool *p)
{
	uint64_t x = p->random += 0x9e3779b97f4a7c15u; /* splitmix64 */

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* Where most of those without a request are: in a flood, the flood. */
static enum conn_state
pool_crowd(const struct pool *p)
{
	enum conn_state most = CONN_HELLO;

	for (enum conn_state state = CONN_HELLO; is_waiting(state); state++)
		if (p->counts[state] > p->counts[most])
			most = state;
	return most;
}

/* For whom somebody gives way. */
struct need {
	enum conn_state first, last; /* states that may */
	uint64_t greed;              /* the newcomer's address; 0: unknown */
	bool pressing;               /* else only the old and the greedy do */
	uint64_t now_ms;
	enum conn_state crowd;
};

/* The higher, the sooner s gives way; 0: never. After POOL_GRACE_MS of silence,
 * whoever has the largest share. Before, the same, then of those in the crowd
 * whoever has been silent longest; and nobody who waits for us, except a greedy one
 * for another. */
static uint64_t
slot_burden(const struct slot *s, const struct need *need)
{
	uint64_t silent = need->now_ms - s->since_ms;
	uint64_t share = (uint64_t)slot_share(s) << 32;
	bool known = slot_rank(s) == RANK_KNOWN;

	if (s->state < need->first || s->state > need->last)
		return 0;
	if (s->state == CONN_QUEUED)
		return s->greed != need->greed ? share : 0;
	if (silent >= POOL_GRACE_MS)
		return share | UINT64_C(1) << 63;
	if (share == 0 && !need->pressing)
		return 0;
	return share | (uint64_t)!known << 31 |
	       (uint64_t)(s->state == need->crowd) << 30 | silent << 1 | 1;
}

/* Who gives way soonest, of POOL_PROBES connections chosen at random and of the
 * oldest in each state. NULL: nobody. */
static struct slot *
pool_victim(struct pool *p, struct need need)
{
	size_t step = p->used / POOL_PROBES + 1;
	size_t at = (size_t)pool_random(p), n = 0;
	struct slot *seen[POOL_PROBES + CONN_DONE], *victim = NULL;
	uint64_t most = 0;

	need.now_ms = clock_ms();
	need.crowd = pool_crowd(p);
	for (; n < POOL_PROBES && n < p->used; n++)
		seen[n] = &p->slots[(at + n * step) % p->used];
	for (enum conn_state state = need.first; state <= need.last; state++)
		if (!list_empty(&p->in[state]))
			seen[n++] =
			    LIST_ENTRY(p->in[state].next, struct slot, link);
	for (size_t i = 0; i < n; i++) {
		uint64_t burden = slot_burden(seen[i], &need);

		if (burden > most) {
			victim = seen[i];
			most = burden;
		}
	}
	return victim;
}

static bool
is_crowded(const struct pool *p)
{
	return p->count * 100 >= p->n * POOL_CROWDED;
}

/* A reader slower than POOL_SLOW_PACE; NULL: none. The list is in the order in which
 * their pace began to be measured. */
static struct slot *
pool_slow_reader(struct pool *p)
{
	struct list *sending = &p->in[CONN_SEND];
	uint64_t now = clock_ms();

	for (int i = 0; i < POOL_PROBES && !list_empty(sending); i++) {
		struct slot *s = LIST_ENTRY(sending->next, struct slot, link);
		uint64_t took = now - s->since_ms, taken;

		if (took < POOL_SLOW_MS)
			return NULL;
		taken = conn_taken(&s->conn);
		if (taken < s->taken + took * POOL_SLOW_PACE / 1000)
			return s;
		s->since_ms = now;
		s->taken = taken;
		list_remove(&s->link);
		list_append(sending, &s->link);
	}
	return NULL;
}

/* Whether there is a slot without dropping anybody. While handshakes are what there
 * is no time for, more may wait for theirs: that costs a socket each. */
static bool
pool_has_slot(const struct pool *p)
{
	return p->count < p->n ||
	       (p->counts[CONN_QUEUED] > 0 && p->count < p->max);
}

/* Who gives way to a newcomer when all slots are taken, or a slow reader somewhat
 * earlier; NULL: nobody. */
static struct slot *
pool_who_gives_way(struct pool *p, uint64_t greed)
{
	struct slot *s = is_crowded(p) ? pool_slow_reader(p) : NULL;

	if (s != NULL || pool_has_slot(p))
		return s;
	if (!list_empty(&p->in[CONN_DRAIN]))
		return LIST_ENTRY(p->in[CONN_DRAIN].next, struct slot, link);
	/* Newcomers would only queue, too: that is no reason to drop the young. */
	return pool_victim(p, (struct need){ CONN_HELLO, CONN_REQUEST, greed,
				  .pressing = pool_crowd(p) != CONN_QUEUED });
}

/* Connections that have more than a socket. */
static size_t
pool_begun(const struct pool *p)
{
	return p->count - p->counts[CONN_HELLO] - p->counts[CONN_QUEUED];
}

/* Makes room for one more handshake; false when nobody can be dropped. What other
 * workers say of theirs does not leave a worker with none. */
static bool
pool_bound_handshakes(struct pool *p)
{
	struct slot *s;

	while (p->counts[CONN_HANDSHAKE] >= POOL_HALF_OPEN_MIN &&
	       limiter_half_open(p->world->limiter) >= LIMITER_HALF_OPEN) {
		s = pool_victim(p, (struct need){ CONN_HANDSHAKE,
				       CONN_HANDSHAKE, .pressing = true });
		slot_free(s);
	}
	if (pool_begun(p) < p->n)
		return true;
	s = !list_empty(&p->in[CONN_DRAIN])
		? LIST_ENTRY(p->in[CONN_DRAIN].next, struct slot, link)
		: pool_victim(p, (struct need){ CONN_HANDSHAKE, CONN_REQUEST,
				     .pressing = true });
	if (s != NULL)
		slot_free(s);
	return s != NULL;
}

/* ---- steps */

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
	if (s->conn.state != s->state)
		slot_move(s, s->conn.state);
	if (s->state == CONN_QUEUED)
		ev_io_stop(p->loop, &s->io);
	else
		slot_watch(s, io == IO_WANT_WRITE ? EV_WRITE : EV_READ);
	slot_arm(s);
}

static struct slot *
pool_next(struct pool *p)
{
	for (size_t i = 0; i < RANKS; i++)
		if (!list_empty(&p->queue[i]))
			return LIST_ENTRY(p->queue[i].next, struct slot, link);
	return NULL;
}

/* So many handshakes, then those that are further on have their turn. */
static void
pool_take_turn(struct pool *p)
{
	while (p->counts[CONN_QUEUED] > 0 && pool_turn(p)) {
		struct slot *s;

		if (!pool_bound_handshakes(p)) {
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
	conn_expire(&s->conn);
	slot_step(s);
}

/* Slots never used yet come last, so that their memory stays untouched. */
static struct slot *
slot_take(struct pool *p, uint64_t greed)
{
	struct slot *s = pool_who_gives_way(p, greed);

	if (s != NULL) {
		if (s->state == CONN_SEND)
			conn_cut(&s->conn);
		slot_close(s);
	} else if (!pool_has_slot(p)) {
		return NULL;
	}
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
	return pool_has_slot(p) || pool_who_gives_way(p, 0) != NULL;
}
