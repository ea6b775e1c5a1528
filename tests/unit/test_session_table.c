/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "tls/session_table.h"

enum { NOW = 100000 };

/* Sessions of the same set differ only behind the bytes that choose it. */
static struct session
make(uint32_t set, uint8_t number)
{
	struct session s = { .suite = 0x1301, .secret_len = 32 };

	memset(s.id, number, sizeof(s.id));
	memcpy(s.id, &set, sizeof(set));
	memset(s.context, 0xc0, sizeof(s.context));
	memset(s.secret, 0xa0 + number % 16, s.secret_len);
	return s;
}

static bool
take(struct session_table *t, const struct session *s, uint32_t now)
{
	struct session got;

	if (!session_table_take(t, s->id, now, &got))
		return false;
	assert_memory_equal(got.context, s->context, sizeof(s->context));
	assert_memory_equal(got.secret, s->secret, sizeof(s->secret));
	assert_int_equal(got.secret_len, s->secret_len);
	assert_int_equal(got.suite, s->suite);
	return true;
}

static bool
holds_byte_twice(struct session_table *t, uint8_t byte)
{
	const uint8_t pair[2] = { byte, byte };
	size_t size;
	const void *memory = session_table_memory(t, &size);

	return memmem(memory, size, pair, sizeof(pair)) != NULL;
}

static void
test_each_is_taken_once(void **state)
{
	struct session_table *t = session_table_new();
	struct session s = make(7, 1), other = make(7, 2);

	(void)state;
	assert_false(take(t, &s, NOW));
	session_table_put(t, &s, NOW);
	assert_false(take(t, &other, NOW));
	assert_true(take(t, &s, NOW));
	assert_false(take(t, &s, NOW));
	session_table_free(&t);
	assert_null(t);
}

static void
test_nothing_is_left_of_what_was_taken(void **state)
{
	struct session_table *t = session_table_new();
	struct session s = make(7, 1);

	(void)state;
	session_table_put(t, &s, NOW);
	assert_true(holds_byte_twice(t, 0xa1));
	assert_true(take(t, &s, NOW));
	assert_false(holds_byte_twice(t, 0xa1));
	session_table_free(&t);
}

static void
test_what_is_too_old_is_not_taken(void **state)
{
	struct session_table *t = session_table_new();
	struct session s = make(7, 1);

	(void)state;
	session_table_put(t, &s, NOW);
	assert_true(take(t, &s, NOW + SESSION_LIFETIME_S));
	session_table_put(t, &s, NOW);
	assert_false(take(t, &s, NOW + SESSION_LIFETIME_S + 1));
	assert_false(holds_byte_twice(t, 0xa1));
	/* From the future: nothing that we wrote. */
	session_table_put(t, &s, NOW);
	assert_false(take(t, &s, NOW - 1));
	/* Where the clock wraps. */
	session_table_put(t, &s, UINT32_MAX);
	assert_true(take(t, &s, 5));
	session_table_free(&t);
}

static void
test_sweep_erases_what_is_too_old(void **state)
{
	struct session_table *t = session_table_new();
	struct session old = make(7, 1), young = make(7, 2);

	(void)state;
	session_table_put(t, &old, NOW);
	session_table_put(t, &young, NOW + 1);
	session_table_sweep(t, NOW + SESSION_LIFETIME_S);
	assert_true(holds_byte_twice(t, 0xa1));
	session_table_sweep(t, NOW + SESSION_LIFETIME_S + 1);
	assert_false(holds_byte_twice(t, 0xa1));
	assert_true(take(t, &young, NOW + SESSION_LIFETIME_S + 1));
	session_table_put(t, &young, NOW);
	session_table_sweep(t, NOW + 2 * SESSION_LIFETIME_S);
	assert_false(holds_byte_twice(t, 0xa2));
	session_table_free(&t);
}

static void
test_a_full_set_gives_up_its_oldest(void **state)
{
	struct session_table *t = session_table_new();
	struct session s[SESSION_TABLE_SET + 1];

	(void)state;
	for (unsigned i = 0; i <= SESSION_TABLE_SET; i++)
		s[i] = make(7, (uint8_t)(i + 1));
	for (uint32_t i = 0; i < SESSION_TABLE_SET; i++)
		session_table_put(t, &s[i], NOW + i);
	/* The first row is free again, and the first one to be used. */
	assert_true(take(t, &s[0], NOW + 5));
	session_table_put(t, &s[0], NOW + 5);
	session_table_put(t, &s[SESSION_TABLE_SET], NOW + 6);
	for (uint32_t i = 0; i <= SESSION_TABLE_SET; i++)
		assert_int_equal(take(t, &s[i], NOW + 7), i != 1);
	session_table_free(&t);
}

static void
test_a_flood_takes_no_more_memory(void **state)
{
	struct session_table *t = session_table_new();
	struct session s;
	size_t size, found = 0;

	(void)state;
	for (uint32_t i = 0; i < 10 * SESSION_TABLE_ROWS; i++) {
		s = make(i, (uint8_t)(i / 1024 + 1));
		session_table_put(t, &s, NOW);
	}
	for (uint32_t i = 0; i < 10 * SESSION_TABLE_ROWS; i++) {
		s = make(i, (uint8_t)(i / 1024 + 1));
		found += take(t, &s, NOW);
	}
	assert_int_equal(found, SESSION_TABLE_ROWS);
	session_table_memory(t, &size);
	assert_int_equal(size, 512 * 1024);
	session_table_free(&t);
}

static void
test_lengths_and_suites_of_secrets(void **state)
{
	struct session_table *t = session_table_new();
	struct session s = make(7, 1);

	(void)state;
	for (unsigned len = 1; len <= SESSION_SECRET_MAX; len++) {
		s.secret_len = (uint8_t)len;
		s.suite = (uint16_t)(0xffff - len);
		memset(s.secret, 0, sizeof(s.secret));
		memset(s.secret, (int)len, len);
		session_table_put(t, &s, NOW);
		assert_true(take(t, &s, NOW));
	}
	session_table_free(&t);
}

/* Each bit of a row, its lock and its check alike, changed by another. */
static void
test_damage_is_found(void **state)
{
	struct session_table *t = session_table_new();
	struct session s = make(0, 1);
	uint8_t *memory;
	size_t size;

	(void)state;
	memory = session_table_memory(t, &size);
	for (size_t bit = 32; bit < 128 * 8; bit++) {
		session_table_put(t, &s, NOW);
		memory[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(take(t, &s, NOW));
		memset(memory, 0, size);
	}
	session_table_free(&t);
}

/* A process that died, or stands still, while it wrote: its rows are the last
 * to be given away, and are whole again. */
static void
test_rows_left_locked(void **state)
{
	struct session_table *t = session_table_new();
	struct session s[SESSION_TABLE_SET];
	uint32_t locked = 5, now;
	uint8_t *memory;
	size_t size;

	(void)state;
	memory = session_table_memory(t, &size);
	for (size_t i = 0; i < SESSION_TABLE_SET; i++) {
		s[i] = make(0, (uint8_t)(i + 1));
		session_table_put(t, &s[i], NOW);
		memcpy(memory + i * 128, &locked, sizeof(locked));
		assert_false(take(t, &s[i], NOW));
	}
	/* All are: one is used all the same. */
	session_table_put(t, &s[0], NOW);
	assert_true(take(t, &s[0], NOW));
	/* The former owner of the row cannot unlock what it no longer owns. */
	memcpy(&now, memory, sizeof(now));
	assert_int_equal(now % 2, 0);
	assert_true(now > locked + 1);
	session_table_sweep(t, NOW);
	for (size_t i = 0; i < SESSION_TABLE_SET; i++)
		session_table_put(t, &s[i], NOW);
	for (size_t i = 0; i < SESSION_TABLE_SET; i++)
		assert_true(take(t, &s[i], NOW));
	session_table_free(&t);
}

static void
test_processes_share_it(void **state)
{
	struct session_table *t = session_table_new();
	struct session s = make(9, 1);
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		session_table_put(t, &s, NOW);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(take(t, &s, NOW));
	session_table_free(&t);
}

static void
test_the_clock(void **state)
{
	uint32_t now = session_table_now();

	(void)state;
	assert_in_range(session_table_now() - now, 0, 60);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_is_taken_once),
		cmocka_unit_test(test_nothing_is_left_of_what_was_taken),
		cmocka_unit_test(test_what_is_too_old_is_not_taken),
		cmocka_unit_test(test_sweep_erases_what_is_too_old),
		cmocka_unit_test(test_a_full_set_gives_up_its_oldest),
		cmocka_unit_test(test_a_flood_takes_no_more_memory),
		cmocka_unit_test(test_lengths_and_suites_of_secrets),
		cmocka_unit_test(test_damage_is_found),
		cmocka_unit_test(test_rows_left_locked),
		cmocka_unit_test(test_processes_share_it),
		cmocka_unit_test(test_the_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
