/* SPDX-License-Identifier: ISC */
#include "support/testbed.h"

#include "server/hello.h"
#include "support/tls_memory.h"

/* A ClientHello as our client sends it. */
static size_t
hello_make(struct tls_conn *client, uint8_t *out, size_t size)
{
	struct buf b;

	buf_wrap(&b, out, size);
	assert_true(tls_memory_connect(client, testbed.client, NULL));
	assert_int_equal(tls_conn_handshake(client), IO_WANT_READ);
	assert_true(tls_memory_take(client, &b));
	tls_conn_fini(client);
	return b.len;
}

static int
conn_low_water(const struct session *s)
{
	socklen_t len = sizeof(int);
	int value = 0;

	assert_int_equal(
	    getsockopt(s->conn.fd, SOL_SOCKET, SO_RCVLOWAT, &value, &len), 0);
	return value;
}

/* Nothing of TLS before a whole hello: the kernel is asked to wait for it. */
static void
test_hello_in_pieces(void **state)
{
	uint8_t hello[4096];
	struct tls_conn client;
	struct session s;
	size_t len = hello_make(&client, hello, sizeof(hello));

	(void)state;
	session_connect(&s, "192.0.2.7", 0);
	assert_int_equal(conn_step(&s.conn, &testbed.world), IO_WANT_READ);
	assert_int_equal(write(s.client.fd, hello, 1), 1);
	assert_int_equal(conn_step(&s.conn, &testbed.world), IO_WANT_READ);
	assert_int_equal(conn_low_water(&s), 5 + 4);
	assert_int_equal(write(s.client.fd, hello + 1, 9), 9);
	assert_int_equal(conn_step(&s.conn, &testbed.world), IO_WANT_READ);
	assert_int_equal(conn_low_water(&s), len);
	assert_false(tls_conn_is_open(&s.conn.tls));
	assert_int_equal(
	    write(s.client.fd, hello + 10, len - 10), (ssize_t)len - 10);
	assert_int_equal(conn_step(&s.conn, &testbed.world), IO_DONE);
	assert_int_equal(s.conn.state, CONN_QUEUED);
	assert_false(tls_conn_is_open(&s.conn.tls));
	assert_int_equal(conn_low_water(&s), 1);
	assert_int_equal(conn_step(&s.conn, &testbed.world), IO_WANT_READ);
	assert_true(tls_conn_is_open(&s.conn.tls));
	assert_int_equal(s.conn.state, CONN_HANDSHAKE);
	session_disconnect(&s);
}

/* The same hello, cut into records of few bytes (RFC 8446 5.1 allows it): it is
 * waited for to its end, and looked at a few times only. */
static void
test_hello_in_tiny_records(void **state)
{
	uint8_t hello[4096], cut[6 * 4096];
	struct tls_conn client;
	struct session s;
	size_t len = hello_make(&client, hello, sizeof(hello)), n = 0;
	int looks = 0;

	(void)state;
	for (size_t i = 5; i < len; i++) {
		memcpy(cut + n, "\x16\x03\x01\x00\x01", 5);
		cut[n + 5] = hello[i];
		n += 6;
	}
	assert_true(n < HELLO_MAX);
	session_connect(&s, "192.0.2.7", 0);
	for (size_t sent = 0, want = 1; s.conn.state == CONN_HELLO;
	     want = (size_t)s.conn.wanted) {
		assert_true(want > sent && want <= n);
		assert_int_equal(write(s.client.fd, cut + sent, want - sent),
		    (ssize_t)(want - sent));
		sent = want;
		conn_step(&s.conn, &testbed.world);
		assert_false(tls_conn_is_open(&s.conn.tls));
		looks++;
	}
	assert_int_equal(s.conn.wanted, 1);
	assert_int_equal(s.conn.state, CONN_QUEUED);
	assert_true(looks < 60);
	assert_int_equal(conn_step(&s.conn, &testbed.world), IO_WANT_READ);
	assert_int_equal(recv(s.client.fd, cut, 1, MSG_PEEK), 1);
	session_disconnect(&s);
}

/* A length beyond any ClientHello, or a forbidden record, gets nothing and
 * is not kept. */
static void
test_never_a_hello(void **state)
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
	struct session s;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		session_connect(&s, "192.0.2.7", 0);
		assert_true(write(s.client.fd, rows[i].bytes, rows[i].n) > 0);
		conn_step(&s.conn, &testbed.world);
		check_row(s.conn.state == CONN_DONE, rows[i].rule);
		check_row(!tls_conn_is_open(&s.conn.tls), rows[i].rule);
		session_disconnect(&s);
	}
}

/* OpenSSL refuses these, and gets them at once. */
static void
test_invalid_hello_is_refused_at_once(void **state)
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
	struct session s;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		session_connect(&s, "192.0.2.7", 0);
		assert_true(write(s.client.fd, rows[i].bytes, rows[i].n) > 0);
		assert_int_equal(conn_step(&s.conn, &testbed.world), IO_DONE);
		check_row(s.conn.state == CONN_QUEUED, rows[i].rule);
		session_disconnect(&s);
	}
}

/* Its poll(2) ignores SO_RCVLOWAT. */
static void
test_unix_socket_does_not_wait(void **state)
{
	struct session s;

	(void)state;
	session_connect(&s, "unix", 0);
	assert_int_equal(write(s.client.fd, "\x16\x03\x01\x02", 4), 4);
	assert_int_equal(conn_step(&s.conn, &testbed.world), IO_DONE);
	assert_int_equal(conn_step(&s.conn, &testbed.world), IO_WANT_READ);
	assert_true(tls_conn_is_open(&s.conn.tls));
	assert_int_equal(conn_low_water(&s), 1);
	session_disconnect(&s);
}

/* Half a hello and then no more: OpenSSL sees that for itself. */
static void
test_incomplete_hello(void **state)
{
	struct session s;

	(void)state;
	session_connect(&s, "192.0.2.7", 0);
	assert_int_equal(write(s.client.fd, "\x16\x03\x01\x02\x00", 5), 5);
	assert_int_equal(conn_step(&s.conn, &testbed.world), IO_WANT_READ);
	assert_int_equal(conn_low_water(&s), 5 + 0x200);
	shutdown(s.client.fd, SHUT_WR);
	assert_int_equal(conn_step(&s.conn, &testbed.world), IO_DONE);
	assert_int_equal(s.conn.state, CONN_QUEUED);
	while (conn_step(&s.conn, &testbed.world) == IO_WANT_READ)
		continue;
	assert_int_equal(s.conn.state, CONN_DONE);
	session_disconnect(&s);
}

static void
test_long_hello(void **state)
{
	static uint8_t hello[5 + 3000] = { 22, 3, 1, 3000 >> 8, 3000 & 255, 1,
		0, 2996 >> 8, 2996 & 255 };
	struct session s;

	(void)state;
	session_connect(&s, "192.0.2.7", 0);
	assert_int_equal(write(s.client.fd, hello, 2500), 2500);
	assert_int_equal(conn_step(&s.conn, &testbed.world), IO_WANT_READ);
	assert_int_equal(conn_low_water(&s), sizeof(hello));
	assert_false(tls_conn_is_open(&s.conn.tls));
	assert_int_equal(write(s.client.fd, hello + 2500, 505), 505);
	conn_step(&s.conn, &testbed.world);
	assert_int_equal(conn_low_water(&s), 1);
	assert_int_equal(s.conn.state, CONN_QUEUED);
	conn_step(&s.conn, &testbed.world);
	assert_int_equal(s.conn.state, CONN_DONE); /* zeros are no hello */
	session_disconnect(&s);
}

/* Not a byte is sent in answer to bytes that are not TLS. */
static void
test_other_protocols_are_not_answered(void **state)
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
	struct session s;
	char byte;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct slice bytes = slice_str(rows[i].bytes);

		session_connect(&s, "192.0.2.7", 0);
		assert_int_equal(write(s.client.fd, bytes.ptr, bytes.len),
		    (ssize_t)bytes.len);
		shutdown(s.client.fd, SHUT_WR);
		check_row(conn_step(&s.conn, &testbed.world) == IO_DONE,
		    rows[i].rule);
		check_row(s.conn.state == CONN_DONE, rows[i].rule);
		check_row(!tls_conn_is_open(&s.conn.tls), rows[i].rule);
		conn_fini(&s.conn, &testbed.world);
		check_row(read(s.client.fd, &byte, 1) <= 0, rows[i].rule);
		client_fini(&s.client);
	}
	assert_int_equal(testbed_count_logged(""), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		testbed_test(test_hello_in_pieces),
		testbed_test(test_hello_in_tiny_records),
		testbed_test(test_never_a_hello),
		testbed_test(test_invalid_hello_is_refused_at_once),
		testbed_test(test_unix_socket_does_not_wait),
		testbed_test(test_incomplete_hello),
		testbed_test(test_long_hello),
		testbed_test(test_other_protocols_are_not_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
