/* SPDX-License-Identifier: ISC */
#include "server/limiter.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "os/shared.h"

enum { PROBES = 8, US_PER_S = 1000000 };

/* One address's rate: the moment up to which it has used its share (the
 * "theoretical arrival time" of the generic cell rate algorithm). One word, so
 * no lock is needed and a process killed in between leaves it whole. */
struct rate {
	_Atomic uint64_t key;
	_Atomic uint64_t used_until_us;
};

/* When a request came from an address. A compromised worker can only change
 * whose handshake is started first. */
struct known {
	_Atomic uint64_t key;
	_Atomic uint64_t asked_ms;
};

/* Every worker can write all of this, even a compromised one: no value is used
 * before its bounds are checked. */
struct shared {
	struct rate rates[LIMITER_RATES];
	struct known known[LIMITER_KNOWN];
	/* One more than the highest slot that a row has used. */
	_Atomic uint32_t high[LIMITER_ROWS];
	_Atomic uint64_t keys[LIMITER_ROWS][LIMITER_SLOTS];
	_Atomic uint32_t half_open[LIMITER_ROWS];
};

struct limiter {
	struct shared *shared;
	bool taken[LIMITER_ROWS]; /* the parent's own */
	uint64_t seed; /* so that a client cannot choose its place in rates */
};

struct limiter *
limiter_new(void)
{
	struct limiter *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->shared = shared_new(sizeof(*l->shared));
	if (l->shared == NULL ||
	    getrandom(&l->seed, sizeof(l->seed), 0) != sizeof(l->seed))
		limiter_free(&l);
	return l;
}

void
limiter_free(struct limiter **l)
{
	if (*l == NULL)
		return;
	if ((*l)->shared != NULL)
		shared_free((*l)->shared, sizeof(*(*l)->shared), NULL);
	free(*l);
	*l = NULL;
}

static uint64_t
bytes_big_endian(const uint8_t *bytes, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | bytes[i];
	return v;
}

void
limiter_unmap(struct sockaddr_storage *addr)
{
	const struct sockaddr_in6 *v6 = (const void *)addr;
	struct sockaddr_in v4 = { .sin_family = AF_INET };

	if (addr->ss_family != AF_INET6 ||
	    !IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		return;
	v4.sin_port = v6->sin6_port;
	memcpy(&v4.sin_addr, &v6->sin6_addr.s6_addr[12], sizeof(v4.sin_addr));
	memset(addr, 0, sizeof(*addr));
	memcpy(addr, &v4, sizeof(v4));
}

uint64_t
limiter_key(const struct sockaddr_storage *addr)
{
	if (addr->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)addr;

		/* No IPv6 /64 begins like this: ::ffff:0:0/96 is not a real
		 * network. */
		return (uint64_t)0xffff << 32 | ntohl(v4->sin_addr.s_addr);
	}
	if (addr->ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)addr;
		uint64_t key = bytes_big_endian(v6->sin6_addr.s6_addr, 8);

		return key != 0 ? key : 1; /* ::1 is in ::/64 */
	}
	return 0;
}

size_t
limiter_networks(const struct conf_list *list,
    struct network out[LIMITER_EXEMPT_MAX], struct report *r)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++) {
		const struct conf_text *t = &list->item[i];

		if (n == LIMITER_EXEMPT_MAX)
			report_add(r, REPORT_ERROR, t->file, t->line,
			    "limits.exempt: more than %d entries",
			    LIMITER_EXEMPT_MAX);
		else if (!network_parse(slice_str(t->text), &out[n]))
			report_add(r, REPORT_ERROR, t->file, t->line,
			    "limits.exempt: invalid address or network \"%s\"",
			    t->text);
		else
			n++;
	}
	return n;
}

bool
limiter_exempt(const struct network *networks, size_t n,
    const struct sockaddr_storage *addr)
{
	for (size_t i = 0; i < n; i++)
		if (network_has(&networks[i], addr))
			return true;
	return false;
}

uint64_t
limiter_hash(const struct limiter *l, uint64_t key)
{
	uint64_t hash = (key ^ l->seed) * 0x9e3779b97f4a7c15u;

	return hash ^ hash >> 32;
}

/* The place of key's rate: its own, a free or idle one, or else the one that
 * has used the least of its share. */
static struct rate *
rate_find(struct limiter *l, uint64_t key, uint64_t now_us)
{
	uint64_t hash = limiter_hash(l, key);
	struct rate *least = NULL;
	uint64_t least_until = UINT64_MAX;

	for (unsigned i = 0; i < PROBES; i++) {
		struct rate *r = &l->shared->rates[(hash + i) % LIMITER_RATES];
		uint64_t until = atomic_load(&r->used_until_us);

		if (atomic_load(&r->key) == key)
			return r;
		if (least == NULL || until < least_until) {
			least = r;
			least_until = until;
		}
	}
	atomic_store(&least->used_until_us, now_us);
	atomic_store(&least->key, key);
	return least;
}

unsigned
limiter_request(struct limiter *l, uint64_t key, unsigned rate, unsigned burst,
    uint64_t now_us)
{
	uint64_t step, share, until, next;
	struct rate *r;

	if (rate == 0 || key == 0)
		return 0;
	step = US_PER_S / rate;
	/* After the burst is used up, one more request a step. */
	share = step * (burst > 0 ? burst : 1);
	r = rate_find(l, key, now_us);
	until = atomic_load(&r->used_until_us);
	do {
		/* More than a whole share ahead is possible only if a
		 * compromised worker wrote it. */
		if (until > now_us && until - now_us > share) {
			atomic_store(&r->used_until_us, now_us + share);
			until = now_us + share;
		}
		next = (until > now_us ? until : now_us) + step;
		if (next - now_us > share)
			return (
			    unsigned)((next - now_us - share + US_PER_S - 1) /
				      US_PER_S);
	} while (
	    !atomic_compare_exchange_weak(&r->used_until_us, &until, next));
	return 0;
}

void
limiter_note_known(struct limiter *l, uint64_t key, uint64_t now_ms)
{
	struct known *k =
	    &l->shared->known[limiter_hash(l, key) % LIMITER_KNOWN];

	atomic_store(&k->key, key);
	atomic_store(&k->asked_ms, now_ms);
}

bool
limiter_is_known(const struct limiter *l, uint64_t key, uint64_t now_ms)
{
	struct known *k =
	    &l->shared->known[limiter_hash(l, key) % LIMITER_KNOWN];
	uint64_t asked = atomic_load(&k->asked_ms);

	return atomic_load(&k->key) == key && asked != 0 &&
	       now_ms - asked < LIMITER_KNOWN_MS;
}

static size_t
row_high(const struct limiter *l, size_t row)
{
	size_t high = atomic_load(&l->shared->high[row]);

	return high < LIMITER_SLOTS ? high : LIMITER_SLOTS;
}

void
limiter_open(struct limiter *l, size_t row, size_t slot, uint64_t key)
{
	assert(row < LIMITER_ROWS && slot < LIMITER_SLOTS);
	atomic_store(&l->shared->keys[row][slot], key);
	if (row_high(l, row) <= slot)
		atomic_store(&l->shared->high[row], (uint32_t)slot + 1);
}

void
limiter_close(struct limiter *l, size_t row, size_t slot)
{
	assert(row < LIMITER_ROWS && slot < LIMITER_SLOTS);
	atomic_store(&l->shared->keys[row][slot], 0);
}

size_t
limiter_count(const struct limiter *l, uint64_t key)
{
	size_t count = 0;

	for (size_t row = 0; row < LIMITER_ROWS; row++) {
		size_t high = row_high(l, row);

		for (size_t i = 0; i < high; i++)
			count += atomic_load_explicit(&l->shared->keys[row][i],
				     memory_order_relaxed) == key;
	}
	return count;
}

void
limiter_note_half_open(struct limiter *l, size_t row, size_t n)
{
	assert(row < LIMITER_ROWS);
	atomic_store_explicit(
	    &l->shared->half_open[row], (uint32_t)n, memory_order_relaxed);
}

size_t
limiter_half_open(const struct limiter *l)
{
	size_t sum = 0;

	for (size_t row = 0; row < LIMITER_ROWS; row++) {
		size_t n = atomic_load_explicit(
		    &l->shared->half_open[row], memory_order_relaxed);

		sum += n < LIMITER_HALF_OPEN ? n : LIMITER_HALF_OPEN;
	}
	return sum;
}

int
limiter_take_row(struct limiter *l)
{
	for (size_t row = 0; row < LIMITER_ROWS; row++) {
		if (!l->taken[row]) {
			l->taken[row] = true;
			return (int)row;
		}
	}
	return -1;
}

void
limiter_drop_row(struct limiter *l, int row)
{
	size_t high;

	assert(row >= 0 && row < LIMITER_ROWS);
	high = row_high(l, (size_t)row);
	for (size_t i = 0; i < high; i++)
		limiter_close(l, (size_t)row, i);
	atomic_store(&l->shared->high[row], 0);
	limiter_note_half_open(l, (size_t)row, 0);
	l->taken[row] = false;
}

size_t
limiter_rows_free(const struct limiter *l)
{
	size_t n = 0;

	for (size_t row = 0; row < LIMITER_ROWS; row++)
		n += !l->taken[row];
	return n;
}
