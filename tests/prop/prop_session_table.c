/* SPDX-License-Identifier: ISC */
/* Processes that put, take and sweep at the same time, die in the middle of it,
 * or write anything: what is taken is what was put, and is taken once. */
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "os/shared.h"
#include "support/random.h"
#include "tls/session_table.h"

enum {
	ROUNDS = 100000,
	PROCESSES = 4,
	NAMES = 256,  /* in few sets: they meet */
	TURNS = 4096, /* those counted */
	DEATHS = 200,
	NOW = 1000,
};

/* Shared: which sessions were put, and how often each was taken. */
struct counts {
	_Atomic uint32_t put[NAMES];
	_Atomic uint8_t taken[NAMES][TURNS];
	_Atomic uint32_t all, wrong;
};

/* Everything in it follows from its name and the turn. */
static void
make(uint32_t name, uint32_t turn, struct session *s)
{
	uint32_t x = name * 2654435761u ^ turn, set = name % 16;

	memset(s, 0, sizeof(*s));
	memcpy(s->id, &set, sizeof(set));
	memcpy(s->id + 4, &name, sizeof(name));
	for (size_t i = 0; i < sizeof(s->secret); i++) {
		x = x * 1664525 + 1013904223;
		s->secret[i] = (uint8_t)(x >> 24);
	}
	memcpy(s->context, &turn, sizeof(turn));
	s->suite = (uint16_t)x;
	s->secret_len = SESSION_SECRET_MAX;
}

static void
count_taken(struct counts *c, uint32_t name, const struct session *got)
{
	struct session want;
	uint32_t turn;

	memcpy(&turn, got->context, sizeof(turn));
	make(name, turn, &want);
	want.made_s = got->made_s;
	atomic_fetch_add(&c->all, 1);
	if (memcmp(&want, got, sizeof(want)) != 0 ||
	    turn >= atomic_load(&c->put[name]) ||
	    (turn < TURNS && atomic_fetch_add(&c->taken[name][turn], 1) != 0))
		atomic_fetch_add(&c->wrong, 1);
}

static void
step(struct session_table *t, struct counts *c)
{
	uint32_t name = (uint32_t)random_below(NAMES);
	struct session s;

	if (random_below(1000) == 0)
		session_table_sweep(t, NOW);
	if (random_below(2) == 0) {
		/* Counted first: it may be taken at once. */
		make(name, atomic_fetch_add(&c->put[name], 1), &s);
		session_table_put(t, &s, NOW);
	} else {
		make(name, 0, &s);
		if (session_table_take(t, s.id, NOW, &s))
			count_taken(c, name, &s);
	}
}

/* A process of its own, with random numbers of its own, until it has done
 * enough or is killed. */
static pid_t
start(size_t number, size_t rounds, struct session_table *t, struct counts *c)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	for (size_t i = 0; i < number * 1000; i++)
		random_below(2);
	for (size_t i = 0; i < rounds; i++)
		step(t, c);
	_exit(0);
}

static void
prop_what_was_put_is_taken_once(void **state)
{
	struct session_table *t = session_table_new();
	struct counts *c = shared_new(sizeof(*c));
	int status;

	(void)state;
	for (size_t i = 0; i < PROCESSES; i++)
		assert_true(start(i, ROUNDS, t, c) > 0);
	for (size_t i = 0; i < PROCESSES; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_true(c->all > ROUNDS / 10);
	assert_int_equal(c->wrong, 0);
	shared_free(c, sizeof(*c), NULL);
	session_table_free(&t);
}

/* How many different sessions it holds at most. */
static size_t
room(struct session_table *t)
{
	struct session s;
	size_t found = 0;

	for (int turn = 0; turn < 2; turn++)
		for (uint32_t i = 0; i < SESSION_TABLE_ROWS; i++) {
			make(i, 0, &s);
			memcpy(s.id, &i, sizeof(i));
			if (turn == 0)
				session_table_put(t, &s, NOW);
			else
				found += session_table_take(t, s.id, NOW, &s);
		}
	return found;
}

static void
prop_no_row_is_lost_with_a_process(void **state)
{
	struct session_table *t = session_table_new();
	struct counts *c = shared_new(sizeof(*c));

	(void)state;
	for (size_t i = 0; i < DEATHS; i++) {
		pid_t pid = start(i, SIZE_MAX, t, c);
		uint32_t before = atomic_load(&c->all);

		assert_true(pid > 0);
		while (atomic_load(&c->all) < before + 10 + i)
			;
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
	assert_int_equal(c->wrong, 0);
	session_table_sweep(t, NOW + SESSION_LIFETIME_S + 1);
	assert_int_equal(room(t), SESSION_TABLE_ROWS);
	shared_free(c, sizeof(*c), NULL);
	session_table_free(&t);
}

static _Noreturn void
write_anything(uint8_t *memory, size_t size)
{
	for (;;) {
		/* Often locks, and lengths. */
		size_t row = random_below(64) * 128, at = random_below(128);

		if (random_below(2) == 0)
			at = random_below(2) == 0 ? 0 : 126;
		memory[(row + at) % size] = (uint8_t)random_below(256);
	}
}

static void
prop_nothing_that_is_read_is_trusted(void **state)
{
	struct session_table *t = session_table_new();
	struct session s, got;
	uint8_t *memory;
	size_t size;
	pid_t pid;

	(void)state;
	memory = session_table_memory(t, &size);
	pid = fork();
	if (pid == 0)
		write_anything(memory, size);
	for (size_t i = 0; i < ROUNDS; i++) {
		make((uint32_t)random_below(NAMES), 0, &s);
		if (i % 100 == 0)
			session_table_sweep(t, NOW);
		if (i % 2 == 0) {
			session_table_put(t, &s, NOW);
		} else if (session_table_take(t, s.id, NOW, &got)) {
			assert_in_range(got.secret_len, 1, SESSION_SECRET_MAX);
			assert_memory_equal(got.id, s.id, sizeof(s.id));
			assert_in_range(
			    NOW - got.made_s, 0, SESSION_LIFETIME_S);
		}
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	session_table_sweep(t, NOW + SESSION_LIFETIME_S + 1);
	assert_int_equal(room(t), SESSION_TABLE_ROWS);
	session_table_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prop_what_was_put_is_taken_once),
		cmocka_unit_test(prop_no_row_is_lost_with_a_process),
		cmocka_unit_test(prop_nothing_that_is_read_is_trusted),
	};

	random_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
