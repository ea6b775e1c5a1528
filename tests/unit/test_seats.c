/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/limiter.h"
#include "server/seats.h"
#include "tls/signing_wire.h"

static void
test_number(void **state)
{
	static const struct {
		const char *name;
		size_t workers, descriptors, want;
	} rows[] = {
		{ "a small server", 1, 1000, SEATS_MIN },
		{ "a large one", 16, 1000, 64 },
		{ "never more than there are rows", CONF_WORKERS_MAX, 100000,
		    SEATS_MAX },
		{ "as many as there are descriptors for", 1, 40, 9 },
		{ "two generations at least", 2, 20, 4 },
		{ "or none", 2, 19, 0 },
		{ "nothing left", 1, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		size_t n = seats_wanted(rows[i].workers, rows[i].descriptors);

		if (n != rows[i].want)
			fail_msg("%s: %zu", rows[i].name, n);
	}
	for (size_t n = 1; n <= CONF_WORKERS_MAX; n++) {
		assert_int_equal(seats_wanted(n, seats_descriptors(n)), 2 * n);
		assert_int_equal(seats_wanted(n, seats_descriptors(n) - 1), 0);
	}
	assert_int_equal(SEATS_MAX, LIMITER_ROWS);
	assert_true(SEATS_MAX >= 4 * CONF_WORKERS_MAX);
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

/* What the process with the keys answers to a ping. */
static void
pong(int fd, uint32_t status)
{
	const struct signing_answer answer = { .status = status };

	assert_int_equal(
	    send(fd, &answer, SIGNING_ANSWER_HEAD, 0), SIGNING_ANSWER_HEAD);
}

static void
test_turns(void **state)
{
	struct seats s;
	int keyd[4], worker[4], a, b;
	char byte, request[sizeof(struct signing_request)];

	(void)state;
	assert_true(seats_open(&s, 3));
	assert_int_equal(seats_free(&s), 3);
	assert_int_equal(seats_keyd_fds(&s, keyd), 4);
	a = seats_take(&s);
	b = seats_take(&s);
	assert_true(a > 0 && b > 0 && a != b);
	assert_true(seats_take(&s) > 0);
	assert_int_equal(seats_take(&s), -1);
	assert_int_equal(seats_free(&s), 0);
	for (int i = 0; i < 4; i++) {
		worker[i] = seats_worker_fd(&s, i);
		assert_int_equal(send(worker[i], "x", 1, 0), 1);
		assert_int_equal(recv(keyd[i], &byte, 1, 0), 1);
	}
	/* The next one gets the same pair, when that has proved to work. */
	pong(keyd[b], SIGNING_DONE); /* of its own */
	seats_drop(&s, b);
	assert_int_equal(seats_free(&s), 0);
	assert_int_equal(seats_take(&s), -1);
	assert_int_equal(recv(keyd[b], request, sizeof(request), MSG_DONTWAIT),
	    SIGNING_REQUEST_HEAD);
	pong(keyd[b], SIGNING_REFUSED);
	assert_int_equal(seats_free(&s), 0);
	pong(keyd[b], SIGNING_DONE);
	assert_int_equal(seats_free(&s), 1);
	assert_int_equal(seats_take(&s), b);
	assert_int_equal(seats_worker_fd(&s, b), worker[b]);

	/* Spoiled by its worker, it never comes back. */
	assert_int_equal(shutdown(worker[a], SHUT_WR), 0);
	seats_drop(&s, a);
	assert_int_equal(seats_free(&s), 0);
	pong(keyd[a], SIGNING_DONE);
	assert_int_equal(seats_free(&s), 0);
	assert_false(seats_spoiled(&s));
	s.seat[a].doubtful_ms -= SEATS_SPOILED_MS;
	assert_true(seats_spoiled(&s));

	/* Without successors, what is not taken is closed. */
	seats_retire(&s);
	assert_false(seats_spoiled(&s));
	assert_false(is_open(worker[a]));
	assert_true(is_open(worker[b]) && is_open(worker[0]));
	assert_int_equal(seats_take(&s), -1);
	assert_int_equal(seats_free(&s), 0);
	assert_int_equal(seats_keyd_fds(&s, keyd), 3);
	seats_drop(&s, b);
	assert_false(is_open(worker[b]));
	assert_int_equal(seats_keyd_fds(&s, keyd), 2);
	seats_close(&s);
	seats_close(&s);
	assert_false(is_open(worker[0]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_number),
		cmocka_unit_test(test_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
