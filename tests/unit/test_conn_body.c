/* SPDX-License-Identifier: ISC */
#include "conn_help.h"

#define H "gemini://localhost"

/* A reader who takes nothing: others have their turn, the answer waits. */
static void
begin_big(struct meeting *m)
{
	meet(m, "192.0.2.7", 0);
	shake(m);
	visitor_say(&m->v, SLICE(H "/big\r\n"));
	assert_int_equal(conn_step(&m->c, &stage.world), IO_WANT_WRITE);
	assert_int_equal(m->c.state, CONN_SEND);
	assert_true(m->c.sent > 0 && m->c.sent < STAGE_BIG);
	assert_true(m->c.progress);
	m->c.progress = false;
}

static void
test_a_big_body_comes_whole(void **state)
{
	struct meeting m;

	(void)state;
	begin_big(&m);
	assert_int_equal(conn_step(&m.c, &stage.world), IO_WANT_WRITE);
	assert_int_equal(m.c.state, CONN_SEND);
	listen_to(&m);
	assert_true(tls_conn_peer_closed(&m.v.tls));
	assert_int_equal(m.v.got.len, m.c.header_len + STAGE_BIG);
	part(&m);
	assert_int_equal(stage_logged(" complete /big"), 1);
}

static void
test_one_turn_is_bounded(void **state)
{
	struct meeting m;
	int big = 8 * STAGE_BIG;

	(void)state;
	meet(&m, "192.0.2.7", 0);
	if (setsockopt(m.c.fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big)) ==
	    -1)
		skip();
	shake(&m);
	visitor_say(&m.v, SLICE(H "/big\r\n"));
	assert_int_equal(conn_step(&m.c, &stage.world), IO_WANT_WRITE);
	assert_int_equal(m.c.sent, CONN_TURN_RECORDS * TLS_RECORD_MAX);
	part(&m);
	assert_int_equal(stage_logged(" cut /big"), 1);
}

/* spec.md 1.5.50: no close_notify behind a body that is not whole. */
static void
test_a_body_that_shrinks_is_cut(void **state)
{
	struct meeting m;

	(void)state;
	begin_big(&m);
	assert_int_equal(truncate(tree_path("root/big"), 1), 0);
	listen_to(&m);
	conn_fini(&m.c, &stage.world);
	while (visitor_hear(&m.v))
		;
	assert_true(m.v.ended);
	assert_false(tls_conn_peer_closed(&m.v.tls));
	visitor_fini(&m.v);
	assert_int_equal(stage_logged(" cut /big"), 1);
}

static void
test_a_body_that_is_gone_before_it_began(void **state)
{
	static const char header[] = "20 text/plain\r\n";
	struct meeting m;

	(void)state;
	meet(&m, "192.0.2.7", 0);
	shake(&m);
	m.c.body = open(tree_path("root/dir/a.txt"), O_RDONLY | O_CLOEXEC);
	m.c.size = 3; /* of which two are there */
	m.c.status = STATUS_SUCCESS;
	memcpy(m.text.header, header, sizeof(header) - 1);
	m.c.header_len = sizeof(header) - 1;
	m.c.state = CONN_SEND;
	listen_to(&m);
	assert_true(slice_starts(buf_view(&m.v.got), SLICE("40 ")));
	assert_true(tls_conn_peer_closed(&m.v.tls));
	assert_int_equal(m.c.body, -1);
	part(&m);
	assert_int_equal(stage_logged(" 40 "), 1);
}

static void
test_a_visitor_who_leaves(void **state)
{
	struct meeting m;

	(void)state;
	begin_big(&m);
	visitor_leave(&m.v);
	assert_int_equal(conn_step(&m.c, &stage.world), IO_DONE);
	assert_int_equal(m.c.state, CONN_DONE);
	part(&m);
	assert_int_equal(stage_logged(" cut /big"), 1);
}

/* The kernel's queue shrinks long before it takes more: he does read. */
static void
test_a_slow_reader_has_more_time(void **state)
{
	struct meeting m;
	char bytes[64 * 1024];

	(void)state;
	begin_big(&m);
	assert_true(m.c.queued > 0);
	assert_true(read(m.v.fd, bytes, sizeof(bytes)) > 0);
	conn_expire(&m.c, help.conf);
	assert_int_equal(m.c.state, CONN_SEND);
	assert_true(m.c.progress);
	m.c.progress = false;
	conn_expire(&m.c, help.conf); /* nothing more was taken */
	assert_int_equal(m.c.state, CONN_DONE);
	part(&m);
	assert_int_equal(stage_logged(" cut /big"), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		on_stage(test_a_big_body_comes_whole),
		on_stage(test_one_turn_is_bounded),
		on_stage(test_a_body_that_shrinks_is_cut),
		on_stage(test_a_body_that_is_gone_before_it_began),
		on_stage(test_a_visitor_who_leaves),
		on_stage(test_a_slow_reader_has_more_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
