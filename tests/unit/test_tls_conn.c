/* SPDX-License-Identifier: ISC */
#include "support/link.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/tls_memory.h"

static const struct tls_settings defaults = { .tickets = true };

struct fixture {
	struct tls_server *server;
	SSL_CTX *client[2]; /* TLS 1.2, TLS 1.3 */
};

static struct fixture fixture;

static int
set_up(void **state)
{
	(void)state;
	fixture.server = link_make_server(&defaults, NULL);
	fixture.client[0] = link_make_client(TLS1_2_VERSION, TLS1_2_VERSION);
	fixture.client[1] = link_make_client(TLS1_3_VERSION, TLS1_3_VERSION);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	tls_server_free(&fixture.server);
	SSL_CTX_free(fixture.client[0]);
	SSL_CTX_free(fixture.client[1]);
	return 0;
}

static void
test_handshake(void **state)
{
	static const char *const version[] = { "TLSv1.2", "TLSv1.3" };
	struct link l;

	(void)state;
	for (int i = 0; i < 2; i++) {
		link_open(&l, fixture.server, fixture.client[i], NULL, NULL);
		assert_string_equal(tls_conn_version(&l.conn), "-");
		assert_true(link_handshake(&l));
		assert_string_equal(tls_conn_version(&l.conn), version[i]);
		assert_false(tls_conn_resumed(&l.conn));
		assert_true(tls_conn_received(&l.conn) > 100);
		link_send(&l, "20 text/gemini\r\n");
		link_close(&l);
		assert_false(tls_conn_is_open(&l.conn));
		tls_conn_fini(&l.conn); /* harmless */
	}
}

static void
test_sni(void **state)
{
	static const struct {
		const char *name;
		int sni;
		const char *shown;
	} rows[] = {
		{ NULL, TLS_SNI_NONE, "one.test" },
		{ "one.test", 0, "one.test" },
		{ "two.test", 1, "two.test" },
		{ "TWO.test", 1, "two.test" },
		{ "else.test", TLS_SNI_UNKNOWN, "one.test" },
		{ "two.test.", TLS_SNI_UNKNOWN, "one.test" },
		{ "192.0.2.1", TLS_SNI_UNKNOWN, "one.test" },
		{ "[::1]", TLS_SNI_UNKNOWN, "one.test" },
		{ "\xff\x01 strange", TLS_SNI_UNKNOWN, "one.test" },
	};
	struct link l;

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(*rows); i++) {
		const char *name = rows[i / 2].name;

		link_open(
		    &l, fixture.server, fixture.client[i % 2], name, NULL);
		check_row(link_handshake(&l), name == NULL ? "none" : name);
		assert_int_equal(tls_conn_sni(&l.conn), rows[i / 2].sni);
		link_check_name(&l, rows[i / 2].shown);
		link_close(&l);
	}
}

/* A client that first guesses a group we do not have sends two ClientHellos. */
static void
test_sni_after_retry(void **state)
{
	SSL_CTX *ctx = link_make_client(TLS1_3_VERSION, TLS1_3_VERSION);
	struct link l;

	(void)state;
	assert_int_equal(SSL_CTX_set1_groups_list(ctx, "P-521:P-384"), 1);
	link_open(&l, fixture.server, ctx, "two.test", NULL);
	assert_true(link_handshake(&l));
	assert_int_equal(tls_conn_sni(&l.conn), 1);
	link_check_name(&l, "two.test");
	link_close(&l);
	SSL_CTX_free(ctx);
}

/* The peer's close_notify, and then our answer all the same. */
static void
test_half_close(void **state)
{
	char byte;
	size_t got;
	struct link l;

	(void)state;
	for (int i = 0; i < 4; i++) {
		bool bare = i >= 2;

		link_open(
		    &l, fixture.server, fixture.client[i % 2], NULL, NULL);
		assert_true(link_handshake(&l));
		if (!bare)
			assert_true(SSL_shutdown(l.client) >= 0);
		assert_int_equal(shutdown(l.fd[1], SHUT_WR), 0);
		assert_int_equal(
		    tls_conn_read(&l.conn, &byte, 1, &got), IO_CLOSED);
		assert_int_equal(tls_conn_peer_closed(&l.conn), !bare);
		assert_int_equal(
		    tls_conn_read(&l.conn, &byte, 1, &got), IO_CLOSED);
		assert_int_equal(tls_conn_peer_closed(&l.conn), !bare);
		link_send(&l, "still here");
		assert_int_equal(tls_conn_close_notify(&l.conn), IO_DONE);
		assert_int_equal(SSL_read(l.client, &byte, 1), 0);
		assert_int_equal(
		    SSL_get_error(l.client, 0), SSL_ERROR_ZERO_RETURN);
		link_close(&l);
	}
}

static void
test_close_notify(void **state)
{
	char byte;
	struct link l;

	(void)state;
	for (int i = 0; i < 2; i++) {
		link_open(&l, fixture.server, fixture.client[i], NULL, NULL);
		assert_int_equal(tls_conn_close_notify(&l.conn), IO_FAILED);
		assert_true(link_handshake(&l));
		link_send(&l, "all of it");
		assert_int_equal(tls_conn_close_notify(&l.conn), IO_DONE);
		/* The client sends nothing back: we do not wait for it. */
		assert_int_equal(tls_conn_close_notify(&l.conn), IO_DONE);
		assert_int_equal(SSL_read(l.client, &byte, 1), 0);
		assert_int_equal(
		    SSL_get_error(l.client, 0), SSL_ERROR_ZERO_RETURN);
		link_close(&l);
	}
}

static void
test_gone(void **state)
{
	char byte;
	size_t got;
	struct link l;

	(void)state;
	for (int i = 0; i < 2; i++) {
		link_open(&l, fixture.server, fixture.client[i], NULL, NULL);
		close(l.fd[1]);
		l.fd[1] = -1;
		assert_int_equal(tls_conn_handshake(&l.conn), IO_CLOSED);
		link_close(&l);

		/* Gone with unread data: a reset. */
		link_open(&l, fixture.server, fixture.client[i], NULL, NULL);
		assert_true(link_handshake(&l));
		assert_int_equal(
		    tls_conn_write(&l.conn, SLICE("unread")), IO_DONE);
		assert_int_equal(tls_conn_flush(&l.conn), IO_DONE);
		close(l.fd[1]);
		l.fd[1] = -1;
		assert_int_equal(
		    tls_conn_read(&l.conn, &byte, 1, &got), IO_FAILED);
		assert_string_equal(tls_reason(), strerror(ECONNRESET));
		assert_int_equal(
		    tls_conn_write(&l.conn, SLICE("more")), IO_FAILED);
		link_close(&l);
	}
}

/* No plaintext, not even an alert, in answer to bytes that are not TLS. */
static void
test_plaintext(void **state)
{
	static const char *const rows[] = { "gemini://one.test/\r\n",
		"GET / HTTP/1.0\r\n\r\n" };
	uint8_t memory[256];
	struct tls_conn c;
	struct buf out;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		buf_wrap(&out, memory, sizeof(memory));
		assert_true(tls_memory_accept(&c, fixture.server, NULL));
		assert_true(tls_memory_give(&c, slice_str(rows[i])));
		assert_int_equal(tls_conn_handshake(&c), IO_FAILED);
		assert_true(strlen(tls_reason()) > 5);
		assert_true(tls_memory_take(&c, &out));
		assert_int_equal(out.len, 0);
		tls_conn_fini(&c);
	}
}

/* A record that did not go out is offered again from another place. */
static void
test_moving_buffer(void **state)
{
	static uint8_t place[2][TLS_RECORD_MAX];
	static uint8_t got[TLS_RECORD_MAX];
	size_t sent = 0, seen = 0;
	int small = 4096, waits = 0, n;
	enum io io;
	struct link l;

	(void)state;
	link_open(&l, fixture.server, fixture.client[1], NULL, NULL);
	assert_true(link_handshake(&l));
	setsockopt(l.fd[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	for (int turn = 0; seen < 40 * sizeof(got); turn++) {
		uint8_t *p = place[turn % 2];

		memset(place[(turn + 1) % 2], 'x', sizeof(place[0]));
		memset(p, (int)('0' + sent % 10), sizeof(place[0]));
		io = tls_conn_write(&l.conn, slice_of(p, sizeof(place[0])));
		assert_true(io == IO_DONE || io == IO_WANT_WRITE);
		sent += io == IO_DONE;
		waits += io == IO_WANT_WRITE;
		n = SSL_read(l.client, got, sizeof(got));
		for (int i = 0; i < n; i++)
			assert_int_equal(got[i],
			    '0' + (seen + (size_t)i) / sizeof(got) % 10);
		seen += n > 0 ? (size_t)n : 0;
	}
	assert_true(waits > 10);
	link_close(&l);
}

static void
test_close_notify_waits(void **state)
{
	static const char junk[4096];
	static uint8_t got[4096];
	ssize_t n, last = 0;
	struct link l;

	(void)state;
	link_open(&l, fixture.server, fixture.client[1], NULL, NULL);
	assert_true(link_handshake(&l));
	/* TLS does not see what fills the socket. */
	for (size_t len = sizeof(junk); len > 0; len /= 2)
		while (write(l.fd[0], junk, len) > 0)
			continue;
	assert_int_equal(tls_conn_close_notify(&l.conn), IO_WANT_WRITE);
	assert_int_equal(tls_conn_close_notify(&l.conn), IO_WANT_WRITE);
	while (read(l.fd[1], got, sizeof(got)) > 0)
		continue;
	assert_int_equal(tls_conn_close_notify(&l.conn), IO_DONE);
	while ((n = read(l.fd[1], got, sizeof(got))) > 0)
		last = n;
	assert_int_equal(last, 5 + 2 + 1 + 16); /* one alert, encrypted */
	link_close(&l);
}

/* Renegotiation is refused without a crash, and the connection is still
 * usable. */
static void
test_renegotiation(void **state)
{
	char byte;
	size_t got;
	struct link l;

	(void)state;
	link_open(&l, fixture.server, fixture.client[0], NULL, NULL);
	assert_true(link_handshake(&l));
	assert_int_equal(SSL_renegotiate(l.client), 1);
	assert_int_equal(SSL_do_handshake(l.client), -1);
	assert_int_equal(tls_conn_read(&l.conn, &byte, 1, &got), IO_WANT_READ);
	assert_int_equal(SSL_do_handshake(l.client), -1);
	assert_int_equal(
	    ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
	assert_int_equal(tls_conn_write(&l.conn, SLICE("on")), IO_DONE);
	link_close(&l);
}

/* Not much more is read than the limit, whatever waits. */
static void
test_limit(void **state)
{
	static char bytes[1000];
	struct link l;
	size_t got, all = 0;
	enum io io;

	(void)state;
	for (int i = 0; i < 2; i++, all = 0) {
		link_open(&l, fixture.server, fixture.client[i], NULL, NULL);
		assert_true(link_handshake(&l));
		tls_conn_limit(&l.conn, 3 * sizeof(bytes));
		while (SSL_write(l.client, bytes, sizeof(bytes)) > 0)
			continue;
		while ((io = tls_conn_read(
			    &l.conn, bytes, sizeof(bytes), &got)) == IO_DONE)
			all += got;
		assert_int_equal(io, IO_FAILED);
		assert_true(all >= 2 * sizeof(bytes));
		assert_true(all <= 3 * sizeof(bytes) + 2 * TLS_RECORD_MAX);
		link_close(&l);
	}
}

/* Our client and our server, carried by hand. */
static void
bytes_transfer(struct tls_conn *from, struct tls_conn *to)
{
	struct buf bytes;

	buf_init(&bytes, 1 << 20);
	assert_true(tls_memory_take(from, &bytes));
	assert_true(tls_memory_give(to, buf_view(&bytes)));
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
	assert_true(tls_memory_accept(server, fixture.server, NULL));
	assert_true(tls_memory_connect(client, *ctx, "two.test"));
	assert_null(tls_conn_peer(client));
	for (int i = 0; i < 5 && (ours != IO_DONE || theirs != IO_DONE); i++) {
		theirs = tls_conn_handshake(client);
		bytes_transfer(client, server);
		ours = tls_conn_handshake(server);
		bytes_transfer(server, client);
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
	bytes_transfer(&client, &server);
	assert_int_equal(tls_conn_read(&server, got, sizeof(got), &n), IO_DONE);
	check_slice(slice_of(got, n), SLICE("hello"));
	assert_int_equal(tls_conn_close_notify(&server), IO_DONE);
	bytes_transfer(&server, &client);
	assert_int_equal(
	    tls_conn_read(&client, got, sizeof(got), &n), IO_CLOSED);
	assert_true(tls_conn_peer_closed(&client));
	tls_conn_fini(&server);
	tls_conn_fini(&client);
	tls_client_free(&ctx);
}

/* The client distinguishes a cut response from a complete one. */
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
	assert_true(tls_conn_accept(&server, fixture.server, NULL, fd[0]));
	assert_true(tls_conn_connect(&client, ctx, fd[1], "127.0.0.1"));
	for (int i = 0; i < 5 && (ours != IO_DONE || theirs != IO_DONE); i++) {
		theirs = tls_conn_handshake(&client);
		ours = tls_conn_handshake(&server);
	}
	assert_int_equal(theirs, IO_DONE);
	assert_int_equal(tls_conn_sni(&server), TLS_SNI_NONE);
	assert_int_equal(tls_conn_write(&server, SLICE("half")), IO_DONE);
	assert_int_equal(tls_conn_flush(&server), IO_DONE);
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
	assert_true(tls_memory_take(&server, &out));
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
	assert_true(tls_memory_connect(&client, ctx, "two.test"));
	assert_int_equal(tls_conn_handshake(&client), IO_WANT_READ);
	assert_true(tls_memory_take(&client, &bytes));
	for (size_t i = 0; i < 3 * bytes.len; i++) {
		static const uint8_t flip[] = { 0x01, 0x80, 0xff };
		uint8_t was = hello[i / 3];

		hello[i / 3] ^= flip[i % 3];
		buf_wrap(&answer, other, sizeof(other));
		assert_true(tls_memory_accept(&server, fixture.server, NULL));
		assert_true(tls_memory_give(&server, buf_view(&bytes)));
		assert_int_not_equal(tls_conn_handshake(&server), IO_DONE);
		assert_true(tls_memory_take(&server, &answer));
		tls_conn_fini(&server);
		hello[i / 3] = was;
	}
	tls_conn_fini(&client);
	tls_client_free(&ctx);
}

/* It ends a handshake, too. */
static void
test_limit_of_the_handshake(void **state)
{
	struct tls_conn server = { 0 }, client = { 0 };
	struct tls_client *ctx;
	struct why why;

	(void)state;
	ctx = tls_client_new(NULL, NULL, &why);
	assert_true(tls_memory_accept(&server, fixture.server, NULL));
	assert_true(tls_memory_connect(&client, ctx, "two.test"));
	tls_conn_limit(&server, 100); /* less than a ClientHello */
	assert_int_equal(tls_conn_handshake(&client), IO_WANT_READ);
	bytes_transfer(&client, &server);
	assert_int_equal(tls_conn_handshake(&server), IO_CLOSED);
	tls_conn_fini(&client);
	tls_conn_fini(&server);
	tls_client_free(&ctx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshake),
		cmocka_unit_test(test_sni),
		cmocka_unit_test(test_sni_after_retry),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_close_notify),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_plaintext),
		cmocka_unit_test(test_moving_buffer),
		cmocka_unit_test(test_close_notify_waits),
		cmocka_unit_test(test_renegotiation),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_client_bare_end),
		cmocka_unit_test(test_one_record),
		cmocka_unit_test(test_mutated_hello),
		cmocka_unit_test(test_limit_of_the_handshake),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
