/* SPDX-License-Identifier: ISC */
/* Which connection is dropped when there are too many. */
#include "server/pool_internal.h"

#include "util/clock.h"

/* So that a client cannot aim at another's place. */
size_t
slot_address(const struct slot *s)
{
	return ((s->greed ^ s->pool->seed) * 0x9e3779b97f4a7c15u) >>
	       POOL_TALLY_SHIFT;
}

/* How many connections without a request the address has, in shares: two addresses
 * in one place of the tally are no more than one. */
static unsigned
slot_share(const struct slot *s)
{
	const struct pool *p = s->pool;

	return (unsigned)(p->tally[slot_address(s)] / (1 + p->n / POOL_SHARES));
}

/* More than any household needs: a flood. */
static bool
slot_is_greedy(const struct slot *s)
{
	const struct pool *p = s->pool;
	size_t share = p->n / POOL_SHARES;

	return p->tally[slot_address(s)] >
	       (share > POOL_GREED ? share : POOL_GREED);
}

enum rank
slot_rank(const struct slot *s)
{
	if (slot_is_greedy(s))
		return RANK_GREEDY;
	return limiter_is_known(s->pool->world->limiter, s->greed, clock_ms())
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

/* What a connection is dropped for. */
struct need {
	enum conn_state first, last; /* states that may */
	uint64_t greed;              /* the newcomer's address; 0: unknown */
	/* else only the old and the greedy ones are */
	bool pressing;
	uint64_t now_ms;
	enum conn_state crowd;
};

/* The higher, the sooner s is dropped; 0: never. After POOL_GRACE_MS of
 * silence, the address with the largest share. Before that, the same, and among
 * those in the crowd the one silent longest, known addresses last; never one
 * that waits for us, except a greedy one for another. */
static uint64_t
slot_burden(const struct slot *s, const struct need *need)
{
	uint64_t silent = need->now_ms - s->since_ms;
	uint64_t share = (uint64_t)slot_share(s) << 32;

	if (s->state < need->first || s->state > need->last)
		return 0;
	if (s->state == CONN_QUEUED &&
	    (!slot_is_greedy(s) || s->greed == need->greed))
		return 0;
	if (s->state != CONN_QUEUED && silent >= POOL_GRACE_MS)
		return share | UINT64_C(1) << 63;
	if (!slot_is_greedy(s) && !need->pressing)
		return 0;
	if (slot_rank(s) != RANK_KNOWN)
		return share | UINT64_C(1) << 31 |
		       (uint64_t)(s->state == need->crowd) << 30 | silent << 1 |
		       1;
	/* No matter who shares its place in the tally. */
	return silent << 1 | 1;
}

/* The connection to drop first, of POOL_PROBES chosen at random and the oldest
 * in each state. NULL: none. */
static struct slot *
pool_victim(struct pool *p, struct need need)
{
	size_t step = p->used / POOL_PROBES + 1;
	size_t at = (size_t)pool_random(p), n = 0;
	struct slot *seen[POOL_PROBES + CONN_DONE + 1], *victim = NULL;
	uint64_t most = 0;

	need.now_ms = clock_ms();
	need.crowd = pool_crowd(p);
	for (; n < POOL_PROBES && n < p->used; n++)
		seen[n] = &p->slots[(at + n * step) % p->used];
	for (enum conn_state state = need.first; state <= need.last; state++)
		if (!list_empty(&p->in[state]))
			seen[n++] = slot_first(&p->in[state]);
	if (!list_empty(&p->queue[RANK_GREEDY]))
		seen[n++] = slot_first(&p->queue[RANK_GREEDY]);
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
		struct slot *s = slot_first(sending);
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

/* A connection in CONN_DISCARD that conn_is_spent; NULL: none. */
static struct slot *
pool_spent(struct pool *p)
{
	struct list *l;
	int looks = 0;

	LIST_EACH (l, &p->in[CONN_DISCARD]) {
		struct slot *s = LIST_ENTRY(l, struct slot, link);

		if (conn_is_spent(&s->conn))
			return s;
		if (++looks == POOL_PROBES)
			break;
	}
	return NULL;
}

/* While the processor is the bottleneck, more connections may wait for their
 * handshake: each costs only a socket. */
bool
pool_has_slot(const struct pool *p)
{
	return p->count < p->n ||
	       (p->counts[CONN_QUEUED] > 0 && p->count < p->max);
}

struct slot *
pool_for_newcomer(struct pool *p, uint64_t greed)
{
	struct slot *s = is_crowded(p) ? pool_slow_reader(p) : NULL;

	if (s != NULL || pool_has_slot(p))
		return s;
	s = pool_spent(p);
	if (s != NULL)
		return s;
	/* Newcomers would only be queued as well: not worth dropping a young
	 * one. */
	return pool_victim(p, (struct need){ CONN_HELLO, CONN_REQUEST, greed,
				  .pressing = pool_crowd(p) != CONN_QUEUED });
}

size_t
pool_begun(const struct pool *p)
{
	return p->count - p->counts[CONN_HELLO] - p->counts[CONN_QUEUED];
}

/* Whatever other workers report, each worker may have some. */
struct slot *
pool_for_handshake(struct pool *p)
{
	struct slot *s;

	if (p->counts[CONN_HANDSHAKE] >= POOL_HALF_OPEN_MIN &&
	    limiter_half_open(p->world->limiter) >= LIMITER_HALF_OPEN)
		return pool_victim(p, (struct need){ CONN_HANDSHAKE,
					  CONN_HANDSHAKE, .pressing = true });
	if (pool_begun(p) < p->n)
		return NULL;
	s = is_crowded(p) ? pool_slow_reader(p) : NULL;
	if (s == NULL)
		s = pool_spent(p);
	return s != NULL ? s
			 : pool_victim(p, (struct need){ CONN_HANDSHAKE,
					      CONN_REQUEST, .pressing = true });
}
