/* SPDX-License-Identifier: ISC */
#include "conn_help.h"

/* A ClientHello as our client sends it. */
static size_t
hello_of(struct tls_conn *client, uint8_t *out, size_t size)
{
	struct buf b;

	buf_wrap(&b, out, size);
	assert_true(tls_conn_connect_memory(client, stage.client, NULL));
	assert_int_equal(tls_conn_handshake(client), IO_WANT_READ);
	assert_true(tls_conn_take(client, &b));
	tls_conn_fini(client);
	return b.len;
}

static int
low_water(const struct meeting *m)
{
	socklen_t len = sizeof(int);
	int value = 0;

	assert_int_equal(
	    getsockopt(m->c.fd, SOL_SOCKET, SO_RCVLOWAT, &value, &len), 0);
	return value;
}

/* Nothing of TLS before a whole hello: the kernel is asked to wait for it. */
static void
test_a_hello_in_pieces(void **state)
{
	uint8_t hello[4096];
	struct tls_conn client;
	struct meeting m;
	size_t len = hello_of(&client, hello, sizeof(hello));

	(void)state;
	meet(&m, "192.0.2.7", 0);
	assert_int_equal(conn_step(&m.c, &stage.world), IO_WANT_READ);
	assert_int_equal(write(m.v.fd, hello, 1), 1);
	assert_int_equal(conn_step(&m.c, &stage.world), IO_WANT_READ);
	assert_int_equal(low_water(&m), 5 + 4);
	assert_int_equal(write(m.v.fd, hello + 1, 9), 9);
	assert_int_equal(conn_step(&m.c, &stage.world), IO_WANT_READ);
	assert_int_equal(low_water(&m), len);
	assert_false(tls_conn_is_open(&m.c.tls));
	assert_int_equal(
	    write(m.v.fd, hello + 10, len - 10), (ssize_t)len - 10);
	assert_int_equal(conn_step(&m.c, &stage.world), IO_DONE);
	assert_int_equal(m.c.state, CONN_QUEUED);
	assert_false(tls_conn_is_open(&m.c.tls));
	assert_int_equal(low_water(&m), 1);
	assert_int_equal(conn_step(&m.c, &stage.world), IO_WANT_READ);
	assert_true(tls_conn_is_open(&m.c.tls));
	assert_int_equal(m.c.state, CONN_HANDSHAKE);
	part(&m);
}

/* The same hello, cut into records of few bytes (RFC 8446 5.1 allows it): it is
 * waited for to its end, and looked at a few times only. */
static void
test_a_hello_in_tiny_records(void **state)
{
	uint8_t hello[4096], cut[6 * 4096];
	struct tls_conn client;
	struct meeting m;
	size_t len = hello_of(&client, hello, sizeof(hello)), n = 0;
	int looks = 0;

	(void)state;
	for (size_t i = 5; i < len; i++) {
		memcpy(cut + n, "\x16\x03\x01\x00\x01", 5);
		cut[n + 5] = hello[i];
		n += 6;
	}
	assert_true(n < CONN_HELLO_MAX);
	meet(&m, "192.0.2.7", 0);
	for (size_t sent = 0, want = 1; m.c.state == CONN_HELLO;
	     want = (size_t)m.c.wanted) {
		assert_true(want > sent && want <= n);
		assert_int_equal(write(m.v.fd, cut + sent, want - sent),
		    (ssize_t)(want - sent));
		sent = want;
		conn_step(&m.c, &stage.world);
		assert_false(tls_conn_is_open(&m.c.tls));
		looks++;
	}
	assert_int_equal(m.c.wanted, 1);
	assert_int_equal(m.c.state, CONN_QUEUED);
	assert_true(looks < 60);
	assert_int_equal(conn_step(&m.c, &stage.world), IO_WANT_READ);
	assert_int_equal(recv(m.v.fd, cut, 1, MSG_PEEK), 1);
	part(&m);
}

/* What says that it is longer than any hello, or what is forbidden, gets nothing and
 * is not kept. */
static void
test_what_will_never_be_a_hello(void **state)
{
	static const struct {
		const char *rule;
		uint8_t bytes[11];
		size_t n;
	} rows[] = {
		{ "a message of 16 MiB",
		    { 22, 3, 1, 0, 5, 1, 255, 255, 255, 3 }, 10 },
		{ "a message a little too long",
		    { 22, 3, 1, 0x3f, 0xf8, 1, 0, 0x3f, 0xf8, 3 }, 10 },
		{ "a record too long", { 22, 3, 1, 0x40, 0 }, 5 },
		{ "a record of nothing", { 22, 3, 1, 0, 0 }, 5 },
		{ "a record of nothing after a piece",
		    { 22, 3, 1, 0, 1, 1, 22, 3, 1, 0, 0 }, 11 },
	};
	struct meeting m;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		meet(&m, "192.0.2.7", 0);
		assert_true(write(m.v.fd, rows[i].bytes, rows[i].n) > 0);
		conn_step(&m.c, &stage.world);
		check_row(m.c.state == CONN_DONE, rows[i].rule);
		check_row(!tls_conn_is_open(&m.c.tls), rows[i].rule);
		part(&m);
	}
}

/* OpenSSL says what is wrong with these, and is asked at once. */
static void
test_what_openssl_refuses_is_not_waited_for(void **state)
{
	static const struct {
		const char *rule;
		uint8_t bytes[11];
		size_t n;
	} rows[] = {
		{ "another record after a piece",
		    { 22, 3, 1, 0, 1, 1, 21, 3, 1, 0, 2 }, 11 },
		{ "another message", { 22, 3, 1, 0, 4, 2, 0, 0, 4 }, 9 },
	};
	struct meeting m;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		meet(&m, "192.0.2.7", 0);
		assert_true(write(m.v.fd, rows[i].bytes, rows[i].n) > 0);
		assert_int_equal(conn_step(&m.c, &stage.world), IO_DONE);
		check_row(m.c.state == CONN_QUEUED, rows[i].rule);
		part(&m);
	}
}

/* Its poll(2) does not heed the mark. */
static void
test_a_unix_socket_does_not_wait(void **state)
{
	struct meeting m;

	(void)state;
	meet(&m, "unix", 0);
	assert_int_equal(write(m.v.fd, "\x16\x03\x01\x02", 4), 4);
	assert_int_equal(conn_step(&m.c, &stage.world), IO_DONE);
	assert_int_equal(conn_step(&m.c, &stage.world), IO_WANT_READ);
	assert_true(tls_conn_is_open(&m.c.tls));
	assert_int_equal(low_water(&m), 1);
	part(&m);
}

/* Half a hello and then no more: OpenSSL sees that for itself. */
static void
test_a_hello_that_is_never_whole(void **state)
{
	struct meeting m;

	(void)state;
	meet(&m, "192.0.2.7", 0);
	assert_int_equal(write(m.v.fd, "\x16\x03\x01\x02\x00", 5), 5);
	assert_int_equal(conn_step(&m.c, &stage.world), IO_WANT_READ);
	assert_int_equal(low_water(&m), 5 + 0x200);
	shutdown(m.v.fd, SHUT_WR);
	assert_int_equal(conn_step(&m.c, &stage.world), IO_DONE);
	assert_int_equal(m.c.state, CONN_QUEUED);
	assert_int_equal(conn_step(&m.c, &stage.world), IO_DONE);
	assert_int_equal(m.c.state, CONN_DONE);
	part(&m);
}

static void
test_a_long_hello(void **state)
{
	static uint8_t hello[5 + 3000] = { 22, 3, 1, 3000 >> 8, 3000 & 255, 1,
		0, 2996 >> 8, 2996 & 255 };
	struct meeting m;

	(void)state;
	meet(&m, "192.0.2.7", 0);
	assert_int_equal(write(m.v.fd, hello, 2500), 2500);
	assert_int_equal(conn_step(&m.c, &stage.world), IO_WANT_READ);
	assert_int_equal(low_water(&m), sizeof(hello));
	assert_false(tls_conn_is_open(&m.c.tls));
	assert_int_equal(write(m.v.fd, hello + 2500, 505), 505);
	conn_step(&m.c, &stage.world);
	assert_int_equal(low_water(&m), 1);
	assert_int_equal(m.c.state, CONN_QUEUED);
	conn_step(&m.c, &stage.world);
	assert_int_equal(m.c.state, CONN_DONE); /* zeros are no hello */
	part(&m);
}

/* Not a byte is sent in answer to bytes that are not TLS. */
static void
test_what_is_no_hello_is_not_answered(void **state)
{
	static const struct {
		const char *rule;
		const char *bytes;
	} rows[] = {
		{ "a request in the clear", "gemini://localhost/\r\n" },
		{ "another protocol", "GET / HTTP/1.0\r\n\r\n" },
		{ "an alert", "\x15\x03\x01" },
		{ "data before a handshake", "\x17\x03\x03" },
		{ "nothing at all", "" },
	};
	struct meeting m;
	char byte;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct slice bytes = slice_str(rows[i].bytes);

		meet(&m, "192.0.2.7", 0);
		assert_int_equal(
		    write(m.v.fd, bytes.ptr, bytes.len), (ssize_t)bytes.len);
		shutdown(m.v.fd, SHUT_WR);
		check_row(
		    conn_step(&m.c, &stage.world) == IO_DONE, rows[i].rule);
		check_row(m.c.state == CONN_DONE, rows[i].rule);
		check_row(!tls_conn_is_open(&m.c.tls), rows[i].rule);
		conn_fini(&m.c, &stage.world);
		check_row(read(m.v.fd, &byte, 1) <= 0, rows[i].rule);
		visitor_fini(&m.v);
	}
	assert_int_equal(stage_logged(""), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		on_stage(test_a_hello_in_pieces),
		on_stage(test_a_hello_in_tiny_records),
		on_stage(test_what_will_never_be_a_hello),
		on_stage(test_what_openssl_refuses_is_not_waited_for),
		on_stage(test_a_unix_socket_does_not_wait),
		on_stage(test_a_hello_that_is_never_whole),
		on_stage(test_a_long_hello),
		on_stage(test_what_is_no_hello_is_not_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
