/* SPDX-License-Identifier: ISC */
#include "support/testbed.h"

#include "server/pool.h"
#include "util/clock.h"

enum { SLOTS = 4, ROW = 3, CLIENTS = 8 };

static struct {
	struct ev_loop *loop;
	struct pool *pool;
	struct client client[CLIENTS];
	unsigned freed; /* calls of the callback */
} fixture;

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
	memset(&fixture, 0, sizeof(fixture));
	for (int i = 0; i < CLIENTS; i++)
		fixture.client[i].fd = -1;
	fixture.loop = ev_loop_new(EVFLAG_AUTO);
	fixture.pool = pool_new(fixture.loop, SLOTS, SLOTS, &testbed.world, ROW,
	    count_freed, &fixture.freed);
	return fixture.pool == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
	for (int i = 0; i < CLIENTS; i++)
		client_fini(&fixture.client[i]);
	pool_free(&fixture.pool);
	assert_null(fixture.pool);
	pool_free(&fixture.pool);
	ev_loop_destroy(fixture.loop);
	return testbed_tear_down(state);
}

#define pool_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static void
client_adopt_into(struct pool *p, struct client *v, const char *address)
{
	const struct sockaddr_storage from = sockaddr_of(address);
	int fd = client_open(v);

	assert_true(pool_has_room(p));
	assert_int_equal(pool_adopt(p, fd, &from, 1965, false), POOL_ADOPTED);
}

static enum pool_adopted
client_adopt(int client, const char *address, bool exempt)
{
	const struct sockaddr_storage from = sockaddr_of(address);
	int fd = client_open(&fixture.client[client]);
	enum pool_adopted adopted;

	pool_has_room(fixture.pool);
	adopted = pool_adopt(fixture.pool, fd, &from, 1965, exempt);
	if (adopted == POOL_FULL)
		close(fd);
	return adopted;
}

static void
loop_break(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)timer;
	(void)events;
	ev_break(loop, EVBREAK_ALL);
}

static void
loop_run_for(double seconds)
{
	ev_timer end;

	ev_now_update(fixture.loop);
	ev_timer_init(&end, loop_break, seconds, 0.);
	ev_timer_start(fixture.loop, &end);
	ev_run(fixture.loop, 0);
	ev_timer_stop(fixture.loop, &end);
}

/* Until the clock that connections are aged by has advanced. */
static void
clock_wait_tick(void)
{
	for (uint64_t now = clock_ms(); clock_ms() == now;)
		;
}

static void
loop_run_once(void)
{
	ev_run(fixture.loop, EVRUN_NOWAIT);
}

static size_t
address_count(const char *address)
{
	const struct sockaddr_storage from = sockaddr_of(address);

	return limiter_count(testbed.world.limiter, limiter_key(&from));
}

/* Until the client has sent its request, and the response waits to be read. */
static void
client_request_big(int client)
{
	struct client *v = &fixture.client[client];

	for (int i = 0; i < 10 && !client_handshake(v); i++)
		loop_run_once();
	client_send(v, SLICE("gemini://localhost/big\r\n"));
	loop_run_once();
}

/* Which is closed when all slots are taken by connections in this order. */
static void
test_which_connection_is_closed(void **state)
{
	static const struct {
		const char *rule;
		const char *from[SLOTS + 1];
		bool exempt;
		int closed;
	} rows[] = {
		{ "the oldest, one connection each",
		    { "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4",
			"192.0.2.5" },
		    false, 0 },
		{ "the oldest of the address with most",
		    { "192.0.2.1", "192.0.2.2", "192.0.2.9", "192.0.2.9",
			"192.0.2.5" },
		    false, 2 },
		{ "the oldest of two addresses with as many",
		    { "192.0.2.8", "192.0.2.9", "192.0.2.9", "192.0.2.8",
			"192.0.2.5" },
		    false, 0 },
		{ "a /64 is one client",
		    { "192.0.2.1", "2001:db8::1", "2001:db8:0:1::2",
			"2001:db8::2", "192.0.2.5" },
		    false, 1 },
		{ "the new connection is not counted",
		    { "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4",
			"192.0.2.4" },
		    false, 0 },
		{ "an exempt address is counted like others",
		    { "192.0.2.1", "192.0.2.2", "192.0.2.9", "192.0.2.9",
			"192.0.2.5" },
		    true, 2 },
		{ "all of a unix socket are one",
		    { "192.0.2.1", "unix", "unix", "192.0.2.4", "192.0.2.5" },
		    false, 1 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		for (int k = 0; k <= SLOTS; k++) {
			clock_wait_tick();
			assert_true(pool_has_room(fixture.pool));
			check_row(client_adopt(k, rows[i].from[k],
				      rows[i].exempt) == POOL_ADOPTED,
			    rows[i].rule);
		}
		assert_int_equal(pool_count(fixture.pool), SLOTS);
		for (int k = 0; k <= SLOTS; k++)
			check_row(client_is_dropped(&fixture.client[k]) ==
				      (k == rows[i].closed),
			    rows[i].rule);
		tear_down(state);
		assert_int_equal(set_up(state), 0);
	}
}

/* Any that has had 2 s, at random, though another address has more
 * connections. */
static void
test_any_connection_may_close_after_the_grace(void **state)
{
	enum { POOLS = 24 };
	struct pool *pools[POOLS];
	struct client client[POOLS][SLOTS + 1];
	bool first = false, other = false;

	(void)state;
	capsule.conf->limits.per_address = 0;
	for (int i = 0; i < POOLS; i++) {
		pools[i] = pool_new(fixture.loop, SLOTS, SLOTS, &testbed.world,
		    ROW + (size_t)i, count_freed, &fixture.freed);
		for (int k = 0; k < 2; k++)
			client_adopt_into(pools[i], &client[i][k],
			    k == 0 ? "192.0.2.1" : "192.0.2.2");
	}
	loop_run_for(POOL_GRACE_MS / 1000. + 0.1);
	for (int i = 0; i < POOLS; i++) {
		client_adopt_into(pools[i], &client[i][2], "192.0.2.9");
		client_adopt_into(pools[i], &client[i][3], "192.0.2.9");
		client_adopt_into(pools[i], &client[i][4], "192.0.2.5");
		assert_false(client_is_dropped(&client[i][2]));
		assert_false(client_is_dropped(&client[i][3]));
		first = first || client_is_dropped(&client[i][0]);
		other = other || client_is_dropped(&client[i][1]);
	}
	assert_true(first && other);
	for (int i = 0; i < POOLS; i++) {
		pool_free(&pools[i]);
		for (int k = 0; k <= SLOTS; k++)
			client_fini(&client[i][k]);
	}
}

/* Those that have their response, before any that waits for one. */
static void
test_draining_connections_close_first(void **state)
{
	(void)state;
	assert_int_equal(client_adopt(0, "192.0.2.1", false), POOL_ADOPTED);
	for (int i = 1; i < SLOTS; i++)
		assert_int_equal(
		    client_adopt(i, "192.0.2.9", false), POOL_ADOPTED);
	for (int i = 0; i < 10 && !client_handshake(&fixture.client[0]); i++)
		loop_run_once();
	client_send(&fixture.client[0], SLICE("gemini://localhost/\r\n"));
	loop_run_once();
	while (!fixture.client[0].ended && client_receive(&fixture.client[0]))
		;
	assert_int_equal(pool_count(fixture.pool), SLOTS);
	assert_int_equal(client_adopt(SLOTS, "192.0.2.5", false), POOL_ADOPTED);
	assert_int_equal(pool_count(fixture.pool), SLOTS);
	for (int i = 1; i <= SLOTS; i++)
		assert_false(client_is_dropped(&fixture.client[i]));
	assert_true(tls_conn_peer_closed(&fixture.client[0].tls));
}

/* A client that has sent its ClientHello before it is accepted. */
static void
client_adopt_with_hello(struct pool *p, struct client *v, const char *address)
{
	const struct sockaddr_storage from = sockaddr_of(address);
	int fd = client_open(v);

	client_handshake(v);
	assert_int_equal(pool_adopt(p, fd, &from, 1965, false), POOL_ADOPTED);
}

/* Whether the server has answered a hello. */
static bool
client_is_answered(const struct client *v)
{
	char byte;

	return recv(v->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

static void
client_request_once(struct pool *p, const char *address)
{
	struct client v;

	client_adopt_with_hello(p, &v, address);
	loop_run_once();
	assert_true(client_handshake(&v));
	client_send(&v, SLICE("gemini://localhost/\r\n"));
	loop_run_once();
	client_fini(&v);
	loop_run_once();
	assert_int_equal(pool_count(p), 0);
}

/* So many handshakes are started in a turn; those further on do not wait, and
 * an address that was answered before goes first. */
static void
test_handshakes_have_turns(void **state)
{
	enum { HELLOS = POOL_TURN + 3 };
	struct pool *p = pool_new(fixture.loop, 1024, 1024, &testbed.world,
	    ROW + 1, count_freed, &fixture.freed);
	struct client client[HELLOS];
	int answered = 0;

	(void)state;
	client_request_once(p, "192.0.2.1");
	for (int i = 0; i < HELLOS - 1; i++)
		client_adopt_with_hello(p, &client[i], "192.0.2.2");
	client_adopt_with_hello(p, &client[HELLOS - 1], "192.0.2.1");
	for (int i = 0; i < HELLOS; i++)
		answered += client_is_answered(&client[i]);
	assert_int_equal(answered, POOL_TURN);
	assert_false(client_is_answered(&client[HELLOS - 1]));
	assert_true(client_handshake(&client[0]));
	client_send(&client[0], SLICE("gemini://localhost/\r\n"));
	loop_run_once();
	assert_true(client_is_answered(&client[HELLOS - 1]));
	loop_run_once();
	for (int i = 0; i < HELLOS; i++)
		assert_true(client_is_answered(&client[i]));
	while (!client[0].ended && client_receive(&client[0]))
		;
	check_slice(
	    buf_view(&client[0].got), SLICE("20 text/gemini\r\n# page\n"));
	pool_free(&p);
	for (int i = 0; i < HELLOS; i++)
		client_fini(&client[i]);
}

/* A new address does not wait for many known ones, and a crowded one for
 * neither. */
static void
test_no_rank_waits_forever(void **state)
{
	enum { KNOWN = POOL_TURN + 6, GREEDY = 12 };
	struct pool *p = pool_new(fixture.loop, 1024, 1024, &testbed.world,
	    ROW + 1, count_freed, &fixture.freed);
	struct client known[KNOWN], crowd[GREEDY], newcomer;
	size_t answered = 0;

	(void)state;
	capsule.conf->limits.per_address = 0;
	client_request_once(p, "192.0.2.1");
	client_request_once(p, "192.0.2.3");
	for (int i = 0; i < KNOWN; i++)
		client_adopt_with_hello(
		    p, &known[i], i % 2 == 0 ? "192.0.2.1" : "192.0.2.3");
	client_adopt_with_hello(p, &newcomer, "192.0.2.2");
	for (int i = 0; i < GREEDY; i++)
		client_adopt_with_hello(p, &crowd[i], "192.0.2.9");
	assert_false(client_is_answered(&newcomer));
	loop_run_once();
	assert_true(client_is_answered(&newcomer));
	for (int i = 0; i < GREEDY; i++)
		answered += client_is_answered(&crowd[i]);
	assert_true(answered >= 1);
	assert_false(client_is_answered(&known[KNOWN - 1]));
	pool_free(&p);
	client_fini(&newcomer);
	for (int i = 0; i < KNOWN; i++)
		client_fini(&known[i]);
	for (int i = 0; i < GREEDY; i++)
		client_fini(&crowd[i]);
}

/* All workers together have so many half open; none has less than a few,
 * whatever the others' rows say. */
static void
test_half_open_handshakes_are_bounded(void **state)
{
	enum { HELLOS = POOL_HALF_OPEN_MIN + 4 };
	struct pool *p = pool_new(fixture.loop, 1024, 1024, &testbed.world,
	    ROW + 1, count_freed, &fixture.freed);
	struct limiter *l = testbed.world.limiter;
	struct client client[HELLOS];

	(void)state;
	limiter_note_half_open(l, ROW + 2, LIMITER_HALF_OPEN - HELLOS);
	for (int i = 0; i < HELLOS; i++) {
		client_adopt_with_hello(p, &client[i], "192.0.2.1");
		clock_wait_tick();
		loop_run_once();
	}
	assert_int_equal(pool_count(p), HELLOS);
	assert_int_equal(limiter_half_open(l), LIMITER_HALF_OPEN);
	/* One more: the oldest goes. */
	client_adopt_with_hello(p, &fixture.client[0], "192.0.2.1");
	loop_run_once();
	assert_int_equal(pool_count(p), HELLOS);
	assert_int_equal(limiter_half_open(l), LIMITER_HALF_OPEN);
	assert_true(client_is_answered(&fixture.client[0]));
	/* Somebody lies. */
	limiter_note_half_open(l, ROW + 2, UINT32_MAX);
	client_adopt_with_hello(p, &fixture.client[1], "192.0.2.1");
	loop_run_once();
	assert_int_equal(pool_count(p), POOL_HALF_OPEN_MIN);
	assert_true(client_is_answered(&fixture.client[1]));
	pool_free(&p);
	assert_int_equal(limiter_half_open(l), LIMITER_HALF_OPEN);
	for (int i = 0; i < HELLOS; i++)
		client_fini(&client[i]);
}

/* Those whose requests are being answered are never dropped. */
static void
test_no_connection_to_close(void **state)
{
	(void)state;
	for (int i = 0; i < SLOTS; i++) {
		assert_int_equal(
		    client_adopt(i, "192.0.2.1", false), POOL_ADOPTED);
		client_request_big(i);
	}
	assert_false(pool_has_room(fixture.pool));
	assert_int_equal(client_adopt(SLOTS, "192.0.2.2", false), POOL_FULL);
	assert_int_equal(pool_count(fixture.pool), SLOTS);
	assert_int_equal(address_count("192.0.2.2"), 0);
	/* One ends: there is room, and the callback is called. */
	client_disconnect(&fixture.client[1]);
	loop_run_once();
	assert_int_equal(fixture.freed, 1);
	assert_true(pool_has_room(fixture.pool));
	client_fini(&fixture.client[SLOTS]);
	assert_int_equal(client_adopt(SLOTS, "192.0.2.2", false), POOL_ADOPTED);
	assert_int_equal(address_count("192.0.2.2"), 1);
	assert_int_equal(address_count("192.0.2.1"), SLOTS - 1);
}

/* Only one of four has no request yet: it is closed, whichever address has
 * more. */
static void
test_responses_are_not_cut_for_new_connections(void **state)
{
	(void)state;
	for (int i = 0; i < SLOTS; i++) {
		assert_int_equal(
		    client_adopt(i, i == 2 ? "192.0.2.2" : "192.0.2.1", false),
		    POOL_ADOPTED);
		if (i != 2)
			client_request_big(i);
	}
	assert_int_equal(client_adopt(SLOTS, "192.0.2.1", false), POOL_ADOPTED);
	for (int i = 0; i <= SLOTS; i++)
		if (i == 2)
			assert_true(client_is_dropped(&fixture.client[i]));
		else
			assert_false(client_is_dropped(&fixture.client[i]));
}

static void
test_limit_of_one_address(void **state)
{
	(void)state;
	capsule.conf->limits.per_address = 2;
	assert_int_equal(client_adopt(0, "192.0.2.1", false), POOL_ADOPTED);
	assert_int_equal(client_adopt(1, "192.0.2.1", false), POOL_ADOPTED);
	assert_int_equal(client_adopt(2, "192.0.2.1", false), POOL_REFUSED);
	assert_true(client_is_dropped(&fixture.client[2]));
	assert_int_equal(pool_count(fixture.pool), 2);
	assert_int_equal(client_adopt(3, "192.0.2.2", false), POOL_ADOPTED);
	assert_int_equal(client_adopt(4, "192.0.2.1", true), POOL_ADOPTED);
	assert_int_equal(address_count("192.0.2.1"), 2);
	/* Other workers' are counted as well. */
	limiter_open(testbed.world.limiter, ROW + 1, 0, 0xffffc0000202);
	assert_int_equal(address_count("192.0.2.2"), 2);
	assert_int_equal(client_adopt(5, "192.0.2.2", false), POOL_REFUSED);
	/* One leaves: another may come. */
	client_disconnect(&fixture.client[0]);
	loop_run_once();
	assert_int_equal(address_count("192.0.2.1"), 1);
	client_fini(&fixture.client[2]);
	assert_int_equal(client_adopt(2, "192.0.2.1", false), POOL_ADOPTED);
}

static void
test_any_number_of_one_address(void **state)
{
	(void)state;
	capsule.conf->limits.per_address = 0;
	for (int i = 0; i < SLOTS; i++)
		assert_int_equal(
		    client_adopt(i, "192.0.2.1", false), POOL_ADOPTED);
	assert_int_equal(pool_count(fixture.pool), SLOTS);
}

/* One that is over at once takes no slot, and slots serve again and again. */
static void
test_slots_are_reused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3 * SLOTS; i++) {
		struct client *v = &fixture.client[i % CLIENTS];
		const struct sockaddr_storage from = sockaddr_of("::1");
		int fd;

		client_fini(v);
		fd = client_open(v);
		assert_int_equal(write(v->fd, "GET", 3), 3);
		assert_int_equal(
		    pool_adopt(fixture.pool, fd, &from, 1965, false),
		    POOL_ADOPTED);
		assert_int_equal(pool_count(fixture.pool), 0);
		assert_int_equal(fixture.freed, i + 1);
		assert_int_equal(address_count("::1"), 0);
		assert_true(client_is_dropped(v));
	}
}

static void
test_response_from_the_loop(void **state)
{
	struct client *v = &fixture.client[0];

	(void)state;
	assert_int_equal(client_adopt(0, "192.0.2.1", false), POOL_ADOPTED);
	client_request_big(0);
	for (int i = 0; i < 2000 && !v->ended; i++) {
		loop_run_once();
		while (!v->ended && client_receive(v))
			;
	}
	assert_true(tls_conn_peer_closed(&v->tls));
	assert_true(v->got.len > TESTBED_BIG_SIZE);
	/* The drain waits for the client's end. */
	assert_int_equal(pool_count(fixture.pool), 1);
	client_disconnect(v);
	loop_run_once();
	assert_int_equal(pool_count(fixture.pool), 0);
	assert_int_equal(fixture.freed, 2); /* in its drain it would go */
	assert_int_equal(testbed_count_logged(" complete /big"), 1);
}

/* One in each state, and one that has more time than they. */
static void
test_deadlines(void **state)
{
	(void)state;
	capsule.conf->limits.handshake = 1;
	capsule.conf->limits.request = 1;
	capsule.conf->limits.stall = 1;
	assert_int_equal(client_adopt(0, "192.0.2.1", false), POOL_ADOPTED);
	assert_int_equal(client_adopt(1, "192.0.2.1", false), POOL_ADOPTED);
	assert_int_equal(client_adopt(2, "192.0.2.1", false), POOL_ADOPTED);
	for (int i = 0; i < 10 && !client_handshake(&fixture.client[1]); i++)
		loop_run_once();
	client_request_big(2);
	capsule.conf->limits.handshake = 60;
	assert_int_equal(client_adopt(3, "192.0.2.1", false), POOL_ADOPTED);
	loop_run_for(0.5);
	assert_int_equal(pool_count(fixture.pool), 4);
	loop_run_for(1.0);
	/* The second has close_notify, and may still send its own. */
	assert_int_equal(pool_count(fixture.pool), 2);
	assert_true(client_is_dropped(&fixture.client[0]));
	client_receive(&fixture.client[1]);
	assert_true(tls_conn_peer_closed(&fixture.client[1].tls));
	assert_int_equal(fixture.client[1].got.len, 0);
	assert_int_equal(testbed_count_logged(" cut /big"), 1);
	client_disconnect(&fixture.client[1]);
	loop_run_once();
	assert_int_equal(pool_count(fixture.pool), 1);
	assert_false(client_is_dropped(&fixture.client[3]));
}

/* A client that reads something is not cut off. */
static void
test_slow_reader_is_not_cut(void **state)
{
	char bytes[64 * 1024];

	(void)state;
	capsule.conf->limits.stall = 1;
	assert_int_equal(client_adopt(0, "192.0.2.1", false), POOL_ADOPTED);
	client_request_big(0);
	for (int i = 0; i < 4; i++) {
		assert_true(
		    read(fixture.client[0].fd, bytes, sizeof(bytes)) > 0);
		loop_run_for(0.6);
		assert_int_equal(pool_count(fixture.pool), 1);
	}
	loop_run_for(2.2);
	assert_int_equal(pool_count(fixture.pool), 0);
}

/* His time is counted from the last record that went, not from the first. */
static void
test_progress_extends_the_deadline(void **state)
{
	(void)state;
	capsule.conf->limits.stall = 1;
	assert_int_equal(client_adopt(0, "192.0.2.1", false), POOL_ADOPTED);
	client_request_big(0);
	loop_run_for(0.7);
	while (client_receive(&fixture.client[0]))
		;
	loop_run_once();
	loop_run_for(0.6);
	assert_int_equal(pool_count(fixture.pool), 1);
	loop_run_for(0.9);
	assert_int_equal(pool_count(fixture.pool), 0);
	assert_int_equal(testbed_count_logged(" cut /big"), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		pool_test(test_which_connection_is_closed),
		pool_test(test_any_connection_may_close_after_the_grace),
		pool_test(test_draining_connections_close_first),
		pool_test(test_handshakes_have_turns),
		pool_test(test_no_rank_waits_forever),
		pool_test(test_half_open_handshakes_are_bounded),
		pool_test(test_no_connection_to_close),
		pool_test(test_responses_are_not_cut_for_new_connections),
		pool_test(test_limit_of_one_address),
		pool_test(test_any_number_of_one_address),
		pool_test(test_slots_are_reused),
		pool_test(test_response_from_the_loop),
		pool_test(test_deadlines),
		pool_test(test_slow_reader_is_not_cut),
		pool_test(test_progress_extends_the_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
