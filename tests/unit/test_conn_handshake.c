/* SPDX-License-Identifier: ISC */
/* Handshakes that fail, and their lines in the access log. */
#include "support/testbed.h"

#include "support/tls_memory.h"

static int
set_up(void **state)
{
	int failed = testbed_set_up(state);

	testbed.access.handshakes = true;
	return failed;
}
#define handshake_test(test)                                                   \
	cmocka_unit_test_setup_teardown(test, set_up, testbed_tear_down)

/* The log has one line, of a handshake that failed for that reason; it is empty
 * afterwards. NULL: it has none. */
static void
check_logged(const char *host, const char *reason)
{
	char start[64], end[128];
	struct slice line, rest;
	struct buf log;

	testbed_read_log(&log);
	rest = buf_view(&log);
	if (reason == NULL) {
		check_slice(rest, SLICE(""));
	} else {
		snprintf(start, sizeof(start), "Z 192.0.2.7 %s - 0 ", host);
		snprintf(end, sizeof(end), " - new cut - %s", reason);
		assert_true(slice_line(&rest, &line));
		assert_int_equal(rest.len, 0);
		assert_non_null(
		    memmem(line.ptr, line.len, start, strlen(start)));
		assert_true(line.len > strlen(end));
		check_slice(
		    slice_skip(line, line.len - strlen(end)), slice_str(end));
	}
	buf_fini(&log);
	assert_int_equal(ftruncate(testbed.access.fd, 0), 0);
}

/* Steps as far as it goes without the client. */
static void
session_step(struct session *s)
{
	while (s->conn.state != CONN_DONE &&
	       conn_step(&s->conn, &testbed.world) == IO_DONE)
		continue;
}

static void
test_bytes_that_fail(void **state)
{
	static const struct {
		const char *rule;
		const char *bytes;
		size_t n;
		const char *reason;
	} rows[] = {
		{ "another protocol", "GET / HTTP/1.0\r\n\r\n", 18, "not TLS" },
		{ "a first record of another type", "\x15\x03\x01", 3,
		    "not TLS" },
		{ "a record of nothing", "\x16\x03\x01\x00\x00", 5,
		    "malformed or too long ClientHello" },
		{ "a message of 16 MiB",
		    "\x16\x03\x01\x00\x05\x01\xff\xff\xff\x03", 10,
		    "malformed or too long ClientHello" },
		{ "OpenSSL's reason", "\x16\x03\x01\x00\x04\x02\x00\x00\x00", 9,
		    "unexpected message" },
		{ "an end in the ClientHello", "\x16\x03\x01\x02", 4,
		    "closed by the client" },
		{ "an end without a byte", "", 0, NULL },
	};
	struct session s;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		session_connect(&s, "192.0.2.7", 0);
		assert_int_equal(write(s.client.fd, rows[i].bytes, rows[i].n),
		    (ssize_t)rows[i].n);
		session_step(&s);
		shutdown(s.client.fd, SHUT_WR);
		session_step(&s);
		session_step(&s); /* the bytes, and then their end */
		check_row(s.conn.state == CONN_DONE, rows[i].rule);
		session_disconnect(&s);
		check_logged("-", rows[i].reason);
	}
}

/* Leaves a session in the handshake, the server's flight sent. */
static void
session_shake(struct session *s, const char *sni)
{
	uint8_t hello[4096];
	struct tls_conn client;
	struct buf b;

	session_connect(s, "192.0.2.7", 0);
	buf_wrap(&b, hello, sizeof(hello));
	assert_true(tls_memory_connect(&client, testbed.client, sni));
	assert_int_equal(tls_conn_handshake(&client), IO_WANT_READ);
	assert_true(tls_memory_take(&client, &b));
	tls_conn_fini(&client);
	assert_int_equal(write(s->client.fd, b.ptr, b.len), (ssize_t)b.len);
	while (s->conn.state != CONN_HANDSHAKE)
		conn_step(&s->conn, &testbed.world);
	assert_int_equal(conn_step(&s->conn, &testbed.world), IO_WANT_READ);
}

static void
test_alerts_of_the_client(void **state)
{
	static const struct {
		uint8_t alert;
		const char *reason;
	} rows[] = {
		{ 48, "alert from the client: unknown CA" },
		{ 42, "alert from the client: bad certificate" },
		{ 45, "alert from the client: certificate expired" },
		{ 200, "alert 200 from the client" },
		{ 0, "closed by the client" }, /* close_notify */
	};
	struct session s;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint8_t alert[] = { 21, 3, 3, 0, 2, 2, rows[i].alert };

		session_shake(&s, NULL);
		assert_int_equal(
		    write(s.client.fd, alert, sizeof(alert)), sizeof(alert));
		session_step(&s);
		assert_int_equal(s.conn.state, CONN_DONE);
		session_disconnect(&s);
		check_logged("-", rows[i].reason);
	}
}

/* The host is the one of ours that the client named. */
static void
test_host(void **state)
{
	static const struct {
		const char *sni;
		const char *host;
	} rows[] = {
		{ "localhost", "localhost" },
		{ "LOCALHOST", "localhost" },
		{ "unknown.example", "-" },
		{ NULL, "-" },
	};
	struct session s;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		session_shake(&s, rows[i].sni);
		shutdown(s.client.fd, SHUT_WR);
		session_step(&s);
		assert_int_equal(s.conn.state, CONN_DONE);
		session_disconnect(&s);
		check_logged(rows[i].host, "closed by the client");
	}
}

static void
test_timeouts(void **state)
{
	struct session s;

	(void)state;
	session_shake(&s, NULL);
	conn_expire(&s.conn, &testbed.world);
	assert_int_equal(s.conn.state, CONN_DONE);
	session_disconnect(&s);
	check_logged("-", "timed out");

	session_connect(&s, "192.0.2.7", 0);
	assert_int_equal(write(s.client.fd, "\x16\x03", 2), 2);
	session_step(&s);
	conn_expire(&s.conn, &testbed.world);
	session_disconnect(&s);
	check_logged("-", "timed out");

	session_connect(&s, "192.0.2.7", 0);
	session_step(&s);
	conn_expire(&s.conn, &testbed.world); /* it never sent a byte */
	session_disconnect(&s);
	check_logged("-", NULL);

	session_connect(&s, "192.0.2.7", 0);
	s.conn.state = CONN_QUEUED;
	conn_expire(&s.conn, &testbed.world);
	session_disconnect(&s);
	check_logged("-", "the server was too busy");
}

/* To make room, or at the server's end. */
static void
test_closed_by_the_server(void **state)
{
	struct session s;

	(void)state;
	session_shake(&s, NULL);
	session_disconnect(&s);
	check_logged("-", "closed by the server");

	session_connect(&s, "192.0.2.7", 0);
	session_step(&s);
	session_disconnect(&s); /* it never sent a byte */
	check_logged("-", NULL);
}

/* A handshake that succeeded has no line, with or without a request. */
static void
test_success_is_not_logged(void **state)
{
	struct session s;

	(void)state;
	session_connect(&s, "192.0.2.7", 0);
	session_handshake(&s);
	session_disconnect(&s);
	check_logged("-", NULL);
	session_request(&s, SLICE("gemini://localhost/\r\n"));
	session_finish(&s);
	session_disconnect(&s);
	assert_int_equal(testbed_count_logged(""), 1);
	assert_int_equal(testbed_count_logged(" complete /"), 1);
}

static void
test_off(void **state)
{
	struct session s;

	(void)state;
	testbed.access.handshakes = false;
	session_shake(&s, NULL);
	conn_expire(&s.conn, &testbed.world);
	session_disconnect(&s);
	session_shake(&s, NULL);
	session_disconnect(&s);
	session_connect(&s, "192.0.2.7", 0);
	assert_int_equal(write(s.client.fd, "GET /", 5), 5);
	session_step(&s);
	session_disconnect(&s);
	check_logged("-", NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		handshake_test(test_bytes_that_fail),
		handshake_test(test_alerts_of_the_client),
		handshake_test(test_host),
		handshake_test(test_timeouts),
		handshake_test(test_closed_by_the_server),
		handshake_test(test_success_is_not_logged),
		handshake_test(test_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
