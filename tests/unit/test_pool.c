/* SPDX-License-Identifier: ISC */
#include "support/testbed.h"

#include "server/pool.h"
#include "util/clock.h"

enum { SLOTS = 4, ROW = 3, GUESTS = 8 };

static struct {
	struct ev_loop *loop;
	struct pool *pool;
	struct client guest[GUESTS];
	unsigned freed; /* how often the pool has told */
} scene;

static void
count_freed(void *arg)
{
	++*(unsigned *)arg;
}

static int
set_up(void **state)
{
	if (testbed_set_up(state) != 0)
		return -1;
	memset(&scene, 0, sizeof(scene));
	for (int i = 0; i < GUESTS; i++)
		scene.guest[i].fd = -1;
	scene.loop = ev_loop_new(EVFLAG_AUTO);
	scene.pool = pool_new(scene.loop, SLOTS, SLOTS, &testbed.world, ROW,
	    count_freed, &scene.freed);
	return scene.pool == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
	for (int i = 0; i < GUESTS; i++)
		client_fini(&scene.guest[i]);
	pool_free(&scene.pool);
	assert_null(scene.pool);
	pool_free(&scene.pool);
	ev_loop_destroy(scene.loop);
	return testbed_tear_down(state);
}

#define in_a_pool(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static void
adopt(struct pool *p, struct client *v, const char *address)
{
	const struct sockaddr_storage from = sockaddr_of(address);
	int fd = client_open(v);

	assert_true(pool_has_room(p));
	assert_int_equal(pool_adopt(p, fd, &from, 1965, false), POOL_ADOPTED);
}

static enum pool_adopted
come(int guest, const char *address, bool exempt)
{
	const struct sockaddr_storage from = sockaddr_of(address);
	int fd = client_open(&scene.guest[guest]);
	enum pool_adopted adopted;

	pool_has_room(scene.pool);
	adopted = pool_adopt(scene.pool, fd, &from, 1965, exempt);
	if (adopted == POOL_FULL)
		close(fd);
	return adopted;
}

static void
on_end(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)timer;
	(void)events;
	ev_break(loop, EVBREAK_ALL);
}

static void
run_for(double seconds)
{
	ev_timer end;

	ev_now_update(scene.loop);
	ev_timer_init(&end, on_end, seconds, 0.);
	ev_timer_start(scene.loop, &end);
	ev_run(scene.loop, 0);
	ev_timer_stop(scene.loop, &end);
}

/* Until the clock that connections are aged by has gone on. */
static void
tick(void)
{
	for (uint64_t now = clock_ms(); clock_ms() == now;)
		;
}

static void
turn(void)
{
	ev_run(scene.loop, EVRUN_NOWAIT);
}

static size_t
held_by(const char *address)
{
	const struct sockaddr_storage from = sockaddr_of(address);

	return limiter_count(testbed.world.limiter, limiter_key(&from));
}

/* Until the guest's request is under way, and its answer waits for him. */
static void
ask_for_big(int guest)
{
	struct client *v = &scene.guest[guest];

	for (int i = 0; i < 10 && !client_handshake(v); i++)
		turn();
	client_send(v, SLICE("gemini://localhost/big\r\n"));
	turn();
}

/* Who makes room when all slots are taken by those who come in this order. */
static void
test_which_connection_is_closed(void **state)
{
	static const struct {
		const char *rule;
		const char *from[SLOTS + 1];
		bool exempt;
		int victim;
	} rows[] = {
		{ "the oldest of strangers",
		    { "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4",
			"192.0.2.5" },
		    false, 0 },
		{ "the oldest of the greediest",
		    { "192.0.2.1", "192.0.2.2", "192.0.2.9", "192.0.2.9",
			"192.0.2.5" },
		    false, 2 },
		{ "of two as greedy, whose is the oldest",
		    { "192.0.2.8", "192.0.2.9", "192.0.2.9", "192.0.2.8",
			"192.0.2.5" },
		    false, 0 },
		{ "a /64 is one visitor",
		    { "192.0.2.1", "2001:db8::1", "2001:db8:0:1::2",
			"2001:db8::2", "192.0.2.5" },
		    false, 1 },
		{ "the newcomer's own greed is not counted",
		    { "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4",
			"192.0.2.4" },
		    false, 0 },
		{ "one who is not counted is as greedy as others",
		    { "192.0.2.1", "192.0.2.2", "192.0.2.9", "192.0.2.9",
			"192.0.2.5" },
		    true, 2 },
		{ "all of a unix socket are one",
		    { "192.0.2.1", "unix", "unix", "192.0.2.4", "192.0.2.5" },
		    false, 1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		for (int k = 0; k <= SLOTS; k++) {
			tick();
			assert_true(pool_has_room(scene.pool));
			check_row(come(k, rows[i].from[k], rows[i].exempt) ==
				      POOL_ADOPTED,
			    rows[i].rule);
		}
		assert_int_equal(pool_count(scene.pool), SLOTS);
		for (int k = 0; k <= SLOTS; k++)
			check_row(client_is_dropped(&scene.guest[k]) ==
				      (k == rows[i].victim),
			    rows[i].rule);
		tear_down(state);
		assert_int_equal(set_up(state), 0);
	}
}

/* Whoever has had 2 s, at random, though another comes from a greedier address. */
static void
test_any_connection_may_close_after_the_grace(void **state)
{
	enum { POOLS = 24 };
	struct pool *pools[POOLS];
	struct client guest[POOLS][SLOTS + 1];
	bool first = false, other = false;

	(void)state;
	capsule.conf->limits.per_address = 0;
	for (int i = 0; i < POOLS; i++) {
		pools[i] = pool_new(scene.loop, SLOTS, SLOTS, &testbed.world,
		    ROW + (size_t)i, count_freed, &scene.freed);
		for (int k = 0; k < 2; k++)
			adopt(pools[i], &guest[i][k],
			    k == 0 ? "192.0.2.1" : "192.0.2.2");
	}
	run_for(POOL_GRACE_MS / 1000. + 0.1);
	for (int i = 0; i < POOLS; i++) {
		adopt(pools[i], &guest[i][2], "192.0.2.9");
		adopt(pools[i], &guest[i][3], "192.0.2.9");
		adopt(pools[i], &guest[i][4], "192.0.2.5");
		assert_false(client_is_dropped(&guest[i][2]));
		assert_false(client_is_dropped(&guest[i][3]));
		first = first || client_is_dropped(&guest[i][0]);
		other = other || client_is_dropped(&guest[i][1]);
	}
	assert_true(first && other);
	for (int i = 0; i < POOLS; i++) {
		pool_free(&pools[i]);
		for (int k = 0; k <= SLOTS; k++)
			client_fini(&guest[i][k]);
	}
}

/* Whoever has his answer, before anybody who waits for one. */
static void
test_draining_connections_close_first(void **state)
{
	(void)state;
	assert_int_equal(come(0, "192.0.2.1", false), POOL_ADOPTED);
	for (int i = 1; i < SLOTS; i++)
		assert_int_equal(come(i, "192.0.2.9", false), POOL_ADOPTED);
	for (int i = 0; i < 10 && !client_handshake(&scene.guest[0]); i++)
		turn();
	client_send(&scene.guest[0], SLICE("gemini://localhost/\r\n"));
	turn();
	while (!scene.guest[0].ended && client_receive(&scene.guest[0]))
		;
	assert_int_equal(pool_count(scene.pool), SLOTS);
	assert_int_equal(come(SLOTS, "192.0.2.5", false), POOL_ADOPTED);
	assert_int_equal(pool_count(scene.pool), SLOTS);
	for (int i = 1; i <= SLOTS; i++)
		assert_false(client_is_dropped(&scene.guest[i]));
	assert_true(tls_conn_peer_closed(&scene.guest[0].tls));
}

/* A guest who has sent his hello before anybody looks. */
static void
come_with_a_hello(struct pool *p, struct client *v, const char *address)
{
	const struct sockaddr_storage from = sockaddr_of(address);
	int fd = client_open(v);

	client_handshake(v);
	assert_int_equal(pool_adopt(p, fd, &from, 1965, false), POOL_ADOPTED);
}

/* Whether the server has answered a hello. */
static bool
is_answered(const struct client *v)
{
	char byte;

	return recv(v->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

static void
ask_once(struct pool *p, const char *address)
{
	struct client v;

	come_with_a_hello(p, &v, address);
	turn();
	assert_true(client_handshake(&v));
	client_send(&v, SLICE("gemini://localhost/\r\n"));
	turn();
	client_fini(&v);
	turn();
	assert_int_equal(pool_count(p), 0);
}

/* So many handshakes are begun in a turn; whoever is further on is not kept waiting,
 * and an address that has asked before goes first. */
static void
test_handshakes_have_turns(void **state)
{
	enum { HELLOS = POOL_TURN + 3 };
	struct pool *p = pool_new(scene.loop, 1024, 1024, &testbed.world,
	    ROW + 1, count_freed, &scene.freed);
	struct client guest[HELLOS];
	int answered = 0;

	(void)state;
	ask_once(p, "192.0.2.1");
	for (int i = 0; i < HELLOS - 1; i++)
		come_with_a_hello(p, &guest[i], "192.0.2.2");
	come_with_a_hello(p, &guest[HELLOS - 1], "192.0.2.1");
	for (int i = 0; i < HELLOS; i++)
		answered += is_answered(&guest[i]);
	assert_int_equal(answered, POOL_TURN);
	assert_false(is_answered(&guest[HELLOS - 1]));
	assert_true(client_handshake(&guest[0]));
	client_send(&guest[0], SLICE("gemini://localhost/\r\n"));
	turn();
	assert_true(is_answered(&guest[HELLOS - 1]));
	turn();
	for (int i = 0; i < HELLOS; i++)
		assert_true(is_answered(&guest[i]));
	while (!guest[0].ended && client_receive(&guest[0]))
		;
	check_slice(
	    buf_view(&guest[0].got), SLICE("20 text/gemini\r\n# page\n"));
	pool_free(&p);
	for (int i = 0; i < HELLOS; i++)
		client_fini(&guest[i]);
}

/* Whoever is new is not kept waiting by many who are known, and a greedy one by
 * neither. */
static void
test_no_rank_waits_forever(void **state)
{
	enum { KNOWN = POOL_TURN + 6, GREEDY = 12 };
	struct pool *p = pool_new(scene.loop, 1024, 1024, &testbed.world,
	    ROW + 1, count_freed, &scene.freed);
	struct client known[KNOWN], greedy[GREEDY], newcomer;
	size_t answered = 0;

	(void)state;
	capsule.conf->limits.per_address = 0;
	ask_once(p, "192.0.2.1");
	ask_once(p, "192.0.2.3");
	for (int i = 0; i < KNOWN; i++)
		come_with_a_hello(
		    p, &known[i], i % 2 == 0 ? "192.0.2.1" : "192.0.2.3");
	come_with_a_hello(p, &newcomer, "192.0.2.2");
	for (int i = 0; i < GREEDY; i++)
		come_with_a_hello(p, &greedy[i], "192.0.2.9");
	assert_false(is_answered(&newcomer));
	turn();
	assert_true(is_answered(&newcomer));
	for (int i = 0; i < GREEDY; i++)
		answered += is_answered(&greedy[i]);
	assert_true(answered >= 1);
	assert_false(is_answered(&known[KNOWN - 1]));
	pool_free(&p);
	client_fini(&newcomer);
	for (int i = 0; i < KNOWN; i++)
		client_fini(&known[i]);
	for (int i = 0; i < GREEDY; i++)
		client_fini(&greedy[i]);
}

/* All workers together have so many half open; none has less than a few, whatever
 * the others' rows say. */
static void
test_half_open_handshakes_are_bounded(void **state)
{
	enum { HELLOS = POOL_HALF_OPEN_MIN + 4 };
	struct pool *p = pool_new(scene.loop, 1024, 1024, &testbed.world,
	    ROW + 1, count_freed, &scene.freed);
	struct limiter *l = testbed.world.limiter;
	struct client guest[HELLOS];

	(void)state;
	limiter_note_half_open(l, ROW + 2, LIMITER_HALF_OPEN - HELLOS);
	for (int i = 0; i < HELLOS; i++) {
		come_with_a_hello(p, &guest[i], "192.0.2.1");
		tick();
		turn();
	}
	assert_int_equal(pool_count(p), HELLOS);
	assert_int_equal(limiter_half_open(l), LIMITER_HALF_OPEN);
	/* One more: the oldest goes. */
	come_with_a_hello(p, &scene.guest[0], "192.0.2.1");
	turn();
	assert_int_equal(pool_count(p), HELLOS);
	assert_int_equal(limiter_half_open(l), LIMITER_HALF_OPEN);
	assert_true(is_answered(&scene.guest[0]));
	/* Somebody lies. */
	limiter_note_half_open(l, ROW + 2, UINT32_MAX);
	come_with_a_hello(p, &scene.guest[1], "192.0.2.1");
	turn();
	assert_int_equal(pool_count(p), POOL_HALF_OPEN_MIN);
	assert_true(is_answered(&scene.guest[1]));
	pool_free(&p);
	assert_int_equal(limiter_half_open(l), LIMITER_HALF_OPEN);
	for (int i = 0; i < HELLOS; i++)
		client_fini(&guest[i]);
}

/* Those whose requests are being answered are never dropped. */
static void
test_no_connection_to_close(void **state)
{
	(void)state;
	for (int i = 0; i < SLOTS; i++) {
		assert_int_equal(come(i, "192.0.2.1", false), POOL_ADOPTED);
		ask_for_big(i);
	}
	assert_false(pool_has_room(scene.pool));
	assert_int_equal(come(SLOTS, "192.0.2.2", false), POOL_FULL);
	assert_int_equal(pool_count(scene.pool), SLOTS);
	assert_int_equal(held_by("192.0.2.2"), 0);
	/* One goes: there is room, and somebody is told of it. */
	client_disconnect(&scene.guest[1]);
	turn();
	assert_int_equal(scene.freed, 1);
	assert_true(pool_has_room(scene.pool));
	client_fini(&scene.guest[SLOTS]);
	assert_int_equal(come(SLOTS, "192.0.2.2", false), POOL_ADOPTED);
	assert_int_equal(held_by("192.0.2.2"), 1);
	assert_int_equal(held_by("192.0.2.1"), SLOTS - 1);
}

/* Only one of four has no request yet: it goes, whoever is greedier. */
static void
test_responses_are_not_cut_for_new_connections(void **state)
{
	(void)state;
	for (int i = 0; i < SLOTS; i++) {
		assert_int_equal(
		    come(i, i == 2 ? "192.0.2.2" : "192.0.2.1", false),
		    POOL_ADOPTED);
		if (i != 2)
			ask_for_big(i);
	}
	assert_int_equal(come(SLOTS, "192.0.2.1", false), POOL_ADOPTED);
	for (int i = 0; i <= SLOTS; i++)
		if (i == 2)
			assert_true(client_is_dropped(&scene.guest[i]));
		else
			assert_false(client_is_dropped(&scene.guest[i]));
}

static void
test_limit_of_one_address(void **state)
{
	(void)state;
	capsule.conf->limits.per_address = 2;
	assert_int_equal(come(0, "192.0.2.1", false), POOL_ADOPTED);
	assert_int_equal(come(1, "192.0.2.1", false), POOL_ADOPTED);
	assert_int_equal(come(2, "192.0.2.1", false), POOL_REFUSED);
	assert_true(client_is_dropped(&scene.guest[2]));
	assert_int_equal(pool_count(scene.pool), 2);
	assert_int_equal(come(3, "192.0.2.2", false), POOL_ADOPTED);
	assert_int_equal(come(4, "192.0.2.1", true), POOL_ADOPTED);
	assert_int_equal(held_by("192.0.2.1"), 2);
	/* Other workers' are counted as well. */
	limiter_open(testbed.world.limiter, ROW + 1, 0, 0xffffc0000202);
	assert_int_equal(held_by("192.0.2.2"), 2);
	assert_int_equal(come(5, "192.0.2.2", false), POOL_REFUSED);
	/* One leaves: another may come. */
	client_disconnect(&scene.guest[0]);
	turn();
	assert_int_equal(held_by("192.0.2.1"), 1);
	client_fini(&scene.guest[2]);
	assert_int_equal(come(2, "192.0.2.1", false), POOL_ADOPTED);
}

static void
test_any_number_of_one_address(void **state)
{
	(void)state;
	capsule.conf->limits.per_address = 0;
	for (int i = 0; i < SLOTS; i++)
		assert_int_equal(come(i, "192.0.2.1", false), POOL_ADOPTED);
	assert_int_equal(pool_count(scene.pool), SLOTS);
}

/* One that is over at once takes no slot, and slots serve again and again. */
static void
test_slots_are_reused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3 * SLOTS; i++) {
		struct client *v = &scene.guest[i % GUESTS];
		const struct sockaddr_storage from = sockaddr_of("::1");
		int fd;

		client_fini(v);
		fd = client_open(v);
		assert_int_equal(write(v->fd, "GET", 3), 3);
		assert_int_equal(pool_adopt(scene.pool, fd, &from, 1965, false),
		    POOL_ADOPTED);
		assert_int_equal(pool_count(scene.pool), 0);
		assert_int_equal(scene.freed, i + 1);
		assert_int_equal(held_by("::1"), 0);
		assert_true(client_is_dropped(v));
	}
}

static void
test_response_from_the_loop(void **state)
{
	struct client *v = &scene.guest[0];

	(void)state;
	assert_int_equal(come(0, "192.0.2.1", false), POOL_ADOPTED);
	ask_for_big(0);
	for (int i = 0; i < 2000 && !v->ended; i++) {
		turn();
		while (!v->ended && client_receive(v))
			;
	}
	assert_true(tls_conn_peer_closed(&v->tls));
	assert_true(v->got.len > TESTBED_BIG_SIZE);
	/* The drain waits for his end. */
	assert_int_equal(pool_count(scene.pool), 1);
	client_disconnect(v);
	turn();
	assert_int_equal(pool_count(scene.pool), 0);
	assert_int_equal(scene.freed, 2); /* in its drain it would go */
	assert_int_equal(testbed_count_logged(" complete /big"), 1);
}

/* One in each state, and one who has more time than they. */
static void
test_deadlines(void **state)
{
	(void)state;
	capsule.conf->limits.handshake = 1;
	capsule.conf->limits.request = 1;
	capsule.conf->limits.stall = 1;
	assert_int_equal(come(0, "192.0.2.1", false), POOL_ADOPTED);
	assert_int_equal(come(1, "192.0.2.1", false), POOL_ADOPTED);
	assert_int_equal(come(2, "192.0.2.1", false), POOL_ADOPTED);
	for (int i = 0; i < 10 && !client_handshake(&scene.guest[1]); i++)
		turn();
	ask_for_big(2);
	capsule.conf->limits.handshake = 60;
	assert_int_equal(come(3, "192.0.2.1", false), POOL_ADOPTED);
	run_for(0.5);
	assert_int_equal(pool_count(scene.pool), 4);
	run_for(1.0);
	/* The second has been said goodbye to, and may still say his own. */
	assert_int_equal(pool_count(scene.pool), 2);
	assert_true(client_is_dropped(&scene.guest[0]));
	client_receive(&scene.guest[1]);
	assert_true(tls_conn_peer_closed(&scene.guest[1].tls));
	assert_int_equal(scene.guest[1].got.len, 0);
	assert_int_equal(testbed_count_logged(" cut /big"), 1);
	client_disconnect(&scene.guest[1]);
	turn();
	assert_int_equal(pool_count(scene.pool), 1);
	assert_false(client_is_dropped(&scene.guest[3]));
}

/* While he takes something, a reader is not cut off. */
static void
test_slow_reader_is_not_cut(void **state)
{
	char bytes[64 * 1024];

	(void)state;
	capsule.conf->limits.stall = 1;
	assert_int_equal(come(0, "192.0.2.1", false), POOL_ADOPTED);
	ask_for_big(0);
	for (int i = 0; i < 4; i++) {
		assert_true(read(scene.guest[0].fd, bytes, sizeof(bytes)) > 0);
		run_for(0.6);
		assert_int_equal(pool_count(scene.pool), 1);
	}
	run_for(2.2);
	assert_int_equal(pool_count(scene.pool), 0);
}

/* His time is counted from the last record that went, not from the first. */
static void
test_progress_extends_the_deadline(void **state)
{
	(void)state;
	capsule.conf->limits.stall = 1;
	assert_int_equal(come(0, "192.0.2.1", false), POOL_ADOPTED);
	ask_for_big(0);
	run_for(0.7);
	while (client_receive(&scene.guest[0]))
		;
	turn();
	run_for(0.6);
	assert_int_equal(pool_count(scene.pool), 1);
	run_for(0.9);
	assert_int_equal(pool_count(scene.pool), 0);
	assert_int_equal(testbed_count_logged(" cut /big"), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_a_pool(test_which_connection_is_closed),
		in_a_pool(test_any_connection_may_close_after_the_grace),
		in_a_pool(test_draining_connections_close_first),
		in_a_pool(test_handshakes_have_turns),
		in_a_pool(test_no_rank_waits_forever),
		in_a_pool(test_half_open_handshakes_are_bounded),
		in_a_pool(test_no_connection_to_close),
		in_a_pool(test_responses_are_not_cut_for_new_connections),
		in_a_pool(test_limit_of_one_address),
		in_a_pool(test_any_number_of_one_address),
		in_a_pool(test_slots_are_reused),
		in_a_pool(test_response_from_the_loop),
		in_a_pool(test_deadlines),
		in_a_pool(test_slow_reader_is_not_cut),
		in_a_pool(test_progress_extends_the_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
