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
	assert_int_equal(low_water(&m), 5);
	assert_int_equal(write(m.v.fd, hello + 1, 9), 9);
	assert_int_equal(conn_step(&m.c, &stage.world), IO_WANT_READ);
	assert_int_equal(low_water(&m), len);
	assert_false(tls_conn_is_open(&m.c.tls));
	assert_int_equal(
	    write(m.v.fd, hello + 10, len - 10), (ssize_t)len - 10);
	assert_int_equal(conn_step(&m.c, &stage.world), IO_WANT_READ);
	assert_true(tls_conn_is_open(&m.c.tls));
	assert_int_equal(low_water(&m), 1);
	assert_int_equal(m.c.state, CONN_HANDSHAKE);
	part(&m);
}

/* Its poll(2) does not heed the mark. */
static void
test_a_unix_socket_does_not_wait(void **state)
{
	struct meeting m;

	(void)state;
	meet(&m, "unix", 0);
	assert_int_equal(write(m.v.fd, "\x16\x03\x01\x02", 4), 4);
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
	assert_int_equal(m.c.state, CONN_DONE);
	part(&m);
}

/* More of a hello than is looked at, of which the kernel holds the rest. */
static void
test_a_long_hello(void **state)
{
	static uint8_t hello[5 + 3000] = { 22, 3, 1, 3000 >> 8, 3000 & 255 };
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
	assert_int_equal(m.c.state, CONN_DONE); /* zeros are no hello */
	part(&m);
}

/* spec.md 1.5.58: no byte goes back to what is no TLS. */
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
		on_stage(test_a_unix_socket_does_not_wait),
		on_stage(test_a_hello_that_is_never_whole),
		on_stage(test_a_long_hello),
		on_stage(test_what_is_no_hello_is_not_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
