/* SPDX-License-Identifier: ISC */
#include "tls/session_table.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "os/shared.h"

enum {
	SESSION_WORDS = sizeof(struct session) / sizeof(uint64_t),
	SETS = SESSION_TABLE_ROWS / SESSION_TABLE_SET,
	PAGE_ROWS = 32, /* of 128 bytes */
	PAGES = SESSION_TABLE_ROWS / PAGE_ROWS,
	META_WORD = offsetof(struct session, made_s) / sizeof(uint64_t),
};

_Static_assert(sizeof(struct session) % sizeof(uint64_t) == 0,
    "a session is copied in whole words");
_Static_assert(offsetof(struct session, made_s) % sizeof(uint64_t) == 0 &&
		   META_WORD == SESSION_WORDS - 1,
    "its numbers are in the last word");
_Static_assert((SETS & (SETS - 1)) == 0, "the sets divide a number's range");

/* A sequence lock: odd while a process writes. The one that makes the number
 * odd owns the row until it makes it even again. A process may die in between,
 * and an owner that was only stopped may write after its row was given to
 * another: so a check over all words shows what was written by two. Words are
 * atomic because others may read while they change; their order does not
 * matter. */
struct row {
	_Atomic uint32_t sequence;
	_Atomic uint32_t check;
	_Atomic uint64_t word[SESSION_WORDS];
};

_Static_assert(sizeof(struct row) == 128, "two cache lines");

struct rows {
	struct row row[SESSION_TABLE_ROWS];
	/* Pages that may hold anything: the others need not become memory only
	 * to be swept. */
	_Atomic uint8_t touched[PAGES];
};

struct session_table {
	struct rows *rows;
};

struct session_table *
session_table_new(void)
{
	struct session_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->rows = shared_new(sizeof(*t->rows));
	if (t->rows == NULL) {
		free(t);
		return NULL;
	}
	return t;
}

void
session_table_free(struct session_table **t)
{
	if (*t == NULL)
		return;
	shared_free((*t)->rows, sizeof(*(*t)->rows), NULL);
	free(*t);
	*t = NULL;
}

uint32_t
session_table_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint32_t)now.tv_sec;
}

void *
session_table_memory(struct session_table *t, size_t *size)
{
	*size = sizeof(t->rows->row);
	return t->rows->row;
}

/* Against accidents, not against an attacker, who could compute it as well:
 * a process that can write here can also talk to each client itself. */
static uint32_t
words_check(const uint64_t word[SESSION_WORDS])
{
	uint64_t sum = 0x9e3779b97f4a7c15u;

	for (size_t i = 0; i < SESSION_WORDS; i++)
		sum = (sum ^ word[i] ^ sum >> 29) * 0xbf58476d1ce4e5b9u;
	return (uint32_t)(sum >> 32);
}

static void
row_read(const struct row *r, uint64_t word[SESSION_WORDS])
{
	for (size_t i = 0; i < SESSION_WORDS; i++)
		word[i] =
		    atomic_load_explicit(&r->word[i], memory_order_relaxed);
}

static void
row_write(struct row *r, const uint64_t word[SESSION_WORDS])
{
	for (size_t i = 0; i < SESSION_WORDS; i++)
		atomic_store_explicit(
		    &r->word[i], word[i], memory_order_relaxed);
	atomic_store_explicit(
	    &r->check, words_check(word), memory_order_relaxed);
}

static void
row_erase(struct row *r)
{
	static const uint64_t nothing[SESSION_WORDS];

	row_write(r, nothing);
}

/* Makes the row ours if its sequence still is *sequence, which becomes the
 * number of our ownership. An odd one is taken from its owner. */
static bool
row_own(struct row *r, uint32_t *sequence)
{
	uint32_t mine = (*sequence | 1) + (*sequence & 1) * 2;
	bool owned = atomic_compare_exchange_strong_explicit(&r->sequence,
	    sequence, mine, memory_order_acq_rel, memory_order_relaxed);

	*sequence = mine;
	return owned;
}

/* No more ours; false when it was taken from us, and may have been damaged. */
static bool
row_release(struct row *r, uint32_t sequence)
{
	return atomic_compare_exchange_strong_explicit(&r->sequence, &sequence,
	    sequence + 1, memory_order_release, memory_order_relaxed);
}

static bool
session_is_old(const struct session *s, uint32_t now_s)
{
	/* Unsigned: a time that has not come yet is too old as well. */
	return now_s - s->made_s > SESSION_LIFETIME_S;
}

static struct row *
set_of(const struct session_table *t, const uint8_t *id)
{
	uint32_t number;

	memcpy(&number, id, sizeof(number));
	return &t->rows->row[number % SETS * SESSION_TABLE_SET];
}

/* How willingly a row is given to a new session: the higher the better. One
 * that is being written is the last choice, but a choice: its owner may have
 * died. */
static uint64_t
row_worth_replacing(const struct row *r, uint32_t sequence, uint32_t now_s)
{
	struct session s;
	uint64_t numbers =
	    atomic_load_explicit(&r->word[META_WORD], memory_order_relaxed);

	memcpy((uint8_t *)&s + offsetof(struct session, made_s), &numbers,
	    sizeof(numbers));
	if (sequence & 1)
		return 0;
	if (s.secret_len == 0 || session_is_old(&s, now_s))
		return UINT64_MAX;
	return 1 + (uint64_t)(now_s - s.made_s);
}

/* Owns the best row of a set. NULL when others were faster. */
static struct row *
set_own_row(struct row *set, uint32_t now_s, uint32_t *sequence)
{
	struct row *best = NULL;
	uint64_t most = 0;

	for (size_t i = 0; i < SESSION_TABLE_SET; i++) {
		uint32_t seen = atomic_load_explicit(
		    &set[i].sequence, memory_order_acquire);
		uint64_t worth = row_worth_replacing(&set[i], seen, now_s);

		if (best == NULL || worth > most) {
			best = &set[i];
			most = worth;
			*sequence = seen;
		}
	}
	return row_own(best, sequence) ? best : NULL;
}

void
session_table_put(
    struct session_table *t, const struct session *s, uint32_t now_s)
{
	struct session copy = *s;
	uint64_t word[SESSION_WORDS];
	struct row *set = set_of(t, s->id), *r = NULL;
	uint32_t sequence = 0;

	assert(s->secret_len > 0 && s->secret_len <= SESSION_SECRET_MAX);
	copy.made_s = now_s;
	copy.spare = 0;
	memcpy(word, &copy, sizeof(word));
	/* Not without end: a hostile process may be changing the numbers. */
	for (size_t i = 0; i < SESSION_TABLE_SET && r == NULL; i++)
		r = set_own_row(set, now_s, &sequence);
	if (r != NULL) {
		_Atomic uint8_t *touched =
		    &t->rows->touched[(r - t->rows->row) / PAGE_ROWS];

		/* Before, for we may die while we write; and after, for a sweep
		 * may have found nothing meanwhile. */
		atomic_store(touched, 1);
		row_write(r, word);
		row_release(r, sequence);
		atomic_store(touched, 1);
	}
	OPENSSL_cleanse(word, sizeof(word));
	OPENSSL_cleanse(&copy, sizeof(copy));
}

/* Whether the words are a session of that name that may be resumed. */
static bool
words_hold(const uint64_t word[SESSION_WORDS], uint32_t check,
    const uint8_t *id, uint32_t now_s, struct session *out)
{
	memcpy(out, word, sizeof(*out));
	return check == words_check(word) && out->secret_len > 0 &&
	       out->secret_len <= SESSION_SECRET_MAX &&
	       !session_is_old(out, now_s) &&
	       CRYPTO_memcmp(out->id, id, SESSION_ID_SIZE) == 0;
}

/* Whether the row is at rest and seems to hold that name. */
static bool
row_names(const struct row *r, const uint8_t *id, uint32_t *sequence)
{
	uint64_t name[SESSION_ID_SIZE / sizeof(uint64_t)];

	*sequence = atomic_load_explicit(&r->sequence, memory_order_acquire);
	for (size_t i = 0; i < sizeof(name) / sizeof(name[0]); i++)
		name[i] =
		    atomic_load_explicit(&r->word[i], memory_order_relaxed);
	return (*sequence & 1) == 0 &&
	       CRYPTO_memcmp(name, id, SESSION_ID_SIZE) == 0;
}

static bool
row_take(struct row *r, const uint8_t *id, uint32_t now_s, struct session *out)
{
	uint64_t word[SESSION_WORDS];
	uint32_t sequence;
	bool found;

	if (!row_names(r, id, &sequence) || !row_own(r, &sequence))
		return false;
	row_read(r, word);
	found = words_hold(word,
	    atomic_load_explicit(&r->check, memory_order_relaxed), id, now_s,
	    out);
	row_erase(r);
	/* Taken from us: another may have got the same session. */
	found = row_release(r, sequence) && found;
	OPENSSL_cleanse(word, sizeof(word));
	return found;
}

bool
session_table_take(struct session_table *t, const uint8_t id[SESSION_ID_SIZE],
    uint32_t now_s, struct session *out)
{
	struct row *set = set_of(t, id);

	for (size_t i = 0; i < SESSION_TABLE_SET; i++)
		if (row_take(&set[i], id, now_s, out))
			return true;
	OPENSSL_cleanse(out, sizeof(*out));
	return false;
}

/* Erases the row if it is to be; whether it still holds anything. */
static bool
row_sweep(struct row *r, uint32_t now_s)
{
	uint32_t sequence =
	    atomic_load_explicit(&r->sequence, memory_order_acquire);
	uint64_t worth = row_worth_replacing(r, sequence, now_s);

	if (worth > 0 && worth < UINT64_MAX)
		return true;
	if (row_own(r, &sequence)) {
		row_erase(r);
		row_release(r, sequence);
		return false;
	}
	return true;
}

void
session_table_sweep(struct session_table *t, uint32_t now_s)
{
	for (size_t page = 0; page < PAGES; page++) {
		bool left = false;

		if (atomic_exchange(&t->rows->touched[page], 0) == 0)
			continue;
		for (size_t i = 0; i < PAGE_ROWS; i++)
			left = row_sweep(&t->rows->row[page * PAGE_ROWS + i],
				   now_s) ||
			       left;
		if (left)
			atomic_store(&t->rows->touched[page], 1);
	}
}
