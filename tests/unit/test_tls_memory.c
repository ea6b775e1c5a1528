/* SPDX-License-Identifier: ISC */
#include "support/link.h"

#include <sys/socket.h>
#include <unistd.h>

static const struct tls_settings defaults = { .tickets = true };

static struct tls_server *server_ctx;

static int
set_up(void **state)
{
	(void)state;
	server_ctx = link_make_server(&defaults, NULL);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	tls_server_free(&server_ctx);
	return 0;
}

/* Our client and our server, carried by hand. */
static void
carry(struct tls_conn *from, struct tls_conn *to)
{
	struct buf bytes;

	buf_init(&bytes, 1 << 20);
	assert_true(tls_conn_take(from, &bytes));
	assert_true(tls_conn_give(to, buf_view(&bytes)));
	buf_fini(&bytes);
}

static void
memory_pair(
    struct tls_conn *server, struct tls_conn *client, struct tls_client **ctx)
{
	struct why why;
	enum io ours = IO_WANT_READ, theirs = IO_WANT_READ;

	*ctx = tls_client_new(NULL, NULL, &why);
	assert_non_null(*ctx);
	assert_true(tls_conn_accept_memory(server, server_ctx, NULL));
	assert_true(tls_conn_connect_memory(client, *ctx, "two.test"));
	assert_null(tls_conn_peer(client));
	for (int i = 0; i < 5 && (ours != IO_DONE || theirs != IO_DONE); i++) {
		theirs = tls_conn_handshake(client);
		carry(client, server);
		ours = tls_conn_handshake(server);
		carry(server, client);
	}
	assert_int_equal(ours, IO_DONE);
	assert_int_equal(theirs, IO_DONE);
}

static void
test_memory(void **state)
{
	char got[64];
	size_t n;
	struct tls_client *ctx;
	struct tls_conn server, client;
	struct cert *cert;

	(void)state;
	memory_pair(&server, &client, &ctx);
	assert_int_equal(tls_conn_sni(&server), 1);
	cert = tls_conn_peer(&client);
	assert_true(cert_names(cert, "two.test"));
	cert_free(&cert);
	assert_int_equal(
	    tls_conn_read(&server, got, sizeof(got), &n), IO_WANT_READ);
	assert_int_equal(tls_conn_write(&client, SLICE("hello")), IO_DONE);
	carry(&client, &server);
	assert_int_equal(tls_conn_read(&server, got, sizeof(got), &n), IO_DONE);
	check_slice(slice_of(got, n), SLICE("hello"));
	assert_int_equal(tls_conn_close_notify(&server), IO_DONE);
	carry(&server, &client);
	assert_int_equal(
	    tls_conn_read(&client, got, sizeof(got), &n), IO_CLOSED);
	assert_true(tls_conn_peer_closed(&client));
	tls_conn_fini(&server);
	tls_conn_fini(&client);
	tls_client_free(&ctx);
}

/* The client tells a cut answer from a whole one. */
static void
test_client_bare_end(void **state)
{
	char got[64];
	size_t n;
	int fd[2];
	struct why why;
	struct tls_conn server, client;
	struct tls_client *ctx;
	enum io ours = IO_WANT_READ, theirs = IO_WANT_READ;

	(void)state;
	ctx = tls_client_new(NULL, NULL, &why);
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	assert_true(tls_conn_accept(&server, server_ctx, NULL, fd[0]));
	assert_true(tls_conn_connect(&client, ctx, fd[1], "127.0.0.1"));
	for (int i = 0; i < 5 && (ours != IO_DONE || theirs != IO_DONE); i++) {
		theirs = tls_conn_handshake(&client);
		ours = tls_conn_handshake(&server);
	}
	assert_int_equal(theirs, IO_DONE);
	assert_int_equal(tls_conn_sni(&server), TLS_SNI_NONE);
	assert_int_equal(tls_conn_write(&server, SLICE("half")), IO_DONE);
	shutdown(fd[0], SHUT_WR);
	assert_int_equal(tls_conn_read(&client, got, sizeof(got), &n), IO_DONE);
	assert_int_equal(
	    tls_conn_read(&client, got, sizeof(got), &n), IO_CLOSED);
	assert_false(tls_conn_peer_closed(&client));
	tls_conn_fini(&server);
	tls_conn_fini(&client);
	tls_client_free(&ctx);
	close(fd[0]);
	close(fd[1]);
}

/* Header and body bytes that were written at once arrive at once. */
static void
test_one_record(void **state)
{
	static uint8_t page[TLS_RECORD_MAX];
	static uint8_t memory[2 * TLS_RECORD_MAX];
	struct tls_client *ctx;
	struct tls_conn server, client;
	struct buf out;

	(void)state;
	memory_pair(&server, &client, &ctx);
	buf_wrap(&out, memory, sizeof(memory));
	assert_int_equal(
	    tls_conn_write(&server, slice_of(page, sizeof(page))), IO_DONE);
	assert_true(tls_conn_take(&server, &out));
	assert_int_equal(memory[3] << 8 | memory[4], out.len - 5);
	tls_conn_fini(&server);
	tls_conn_fini(&client);
	tls_client_free(&ctx);
}

/* Every byte of a ClientHello changed in turn: nothing breaks but the
 * handshake. */
static void
test_mutated_hello(void **state)
{
	static uint8_t hello[4096], other[65536];
	struct tls_client *ctx;
	struct tls_conn client, server;
	struct buf bytes, answer;
	struct why why;

	(void)state;
	buf_wrap(&bytes, hello, sizeof(hello));
	ctx = tls_client_new(NULL, NULL, &why);
	assert_true(tls_conn_connect_memory(&client, ctx, "two.test"));
	assert_int_equal(tls_conn_handshake(&client), IO_WANT_READ);
	assert_true(tls_conn_take(&client, &bytes));
	for (size_t i = 0; i < 3 * bytes.len; i++) {
		static const uint8_t flip[] = { 0x01, 0x80, 0xff };
		uint8_t was = hello[i / 3];

		hello[i / 3] ^= flip[i % 3];
		buf_wrap(&answer, other, sizeof(other));
		assert_true(tls_conn_accept_memory(&server, server_ctx, NULL));
		assert_true(tls_conn_give(&server, buf_view(&bytes)));
		assert_int_not_equal(tls_conn_handshake(&server), IO_DONE);
		assert_true(tls_conn_take(&server, &answer));
		tls_conn_fini(&server);
		hello[i / 3] = was;
	}
	tls_conn_fini(&client);
	tls_client_free(&ctx);
}

/* It ends a handshake, too. */
static void
test_a_limit_on_the_handshake(void **state)
{
	struct tls_conn server = { 0 }, client = { 0 };
	struct tls_client *ctx;
	struct why why;

	(void)state;
	ctx = tls_client_new(NULL, NULL, &why);
	assert_true(tls_conn_accept_memory(&server, server_ctx, NULL));
	assert_true(tls_conn_connect_memory(&client, ctx, "two.test"));
	tls_conn_limit(&server, 100); /* less than a ClientHello */
	assert_int_equal(tls_conn_handshake(&client), IO_WANT_READ);
	carry(&client, &server);
	assert_int_equal(tls_conn_handshake(&server), IO_CLOSED);
	tls_conn_fini(&client);
	tls_conn_fini(&server);
	tls_client_free(&ctx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_client_bare_end),
		cmocka_unit_test(test_one_record),
		cmocka_unit_test(test_mutated_hello),
		cmocka_unit_test(test_a_limit_on_the_handshake),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
