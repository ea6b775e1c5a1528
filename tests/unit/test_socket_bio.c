/* SPDX-License-Identifier: ISC */
/* What a server sends and receives, counted by calls of the system. */
#include "support/link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tls/parts.h"
#include "tls/socket_bio.h"

enum { CLOSE_NOTIFY = 5 + 2 + 1 + 16, PAGE = 4096 };

static const struct tls_settings defaults = { .tickets = true };

static struct {
	int sends, more; /* with MSG_MORE */
	int looks;       /* that found nothing */
	int quick;       /* acknowledgements asked for */
	size_t most;     /* bytes that the next send takes; 0: as many as go */
	bool refuse;     /* sends take nothing */
} calls;

/* In place of libc's, for all that is linked with this file: OpenSSL, which is
 * the client, does not come here. */
ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
	struct iovec iov[2];
	struct msghdr less = *m;

	calls.sends++;
	calls.more += (flags & MSG_MORE) != 0;
	if (calls.refuse) {
		errno = EAGAIN;
		return -1;
	}
	if (calls.most > 0) {
		iov[0] = m->msg_iov[0];
		assert_true(iov[0].iov_len > calls.most);
		iov[0].iov_len = calls.most;
		less.msg_iov = iov;
		less.msg_iovlen = 1;
		calls.most = 0;
	}
	return syscall(SYS_sendmsg, fd, &less, flags);
}

ssize_t
recv(int fd, void *into, size_t size, int flags)
{
	ssize_t n = syscall(SYS_recvfrom, fd, into, size, flags, NULL, NULL);

	calls.looks += n == -1;
	return n;
}

int
setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	calls.quick += level == IPPROTO_TCP && name == TCP_QUICKACK;
	return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}

static struct {
	struct tls_server *server;
	struct tickets *tickets;
	SSL_CTX *client[2]; /* TLS 1.2, TLS 1.3 */
} fixture;

static int
set_up(void **state)
{
	(void)state;
	fixture.tickets = tickets_new();
	fixture.server = link_make_server(&defaults, fixture.tickets);
	fixture.client[0] = link_make_client(TLS1_2_VERSION, TLS1_2_VERSION);
	fixture.client[1] = link_make_client(TLS1_3_VERSION, TLS1_3_VERSION);
	memset(&calls, 0, sizeof(calls));
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	tls_server_free(&fixture.server);
	tickets_free(&fixture.tickets);
	SSL_CTX_free(fixture.client[0]);
	SSL_CTX_free(fixture.client[1]);
	return 0;
}

/* The server's turns until it has a request; the client sends it with the end
 * of its handshake when together, else when the server waits for it. */
static void
link_ask(struct link *l, bool together)
{
	char line[16];
	size_t got = 0;
	int theirs = 0, asked = 0;
	enum io io = IO_WANT_READ, read = IO_WANT_READ;

	for (int i = 0; i < 20 && read != IO_DONE; i++) {
		ERR_clear_error();
		if (theirs != 1)
			theirs = SSL_do_handshake(l->client);
		if (theirs == 1 && asked == 0 && (together || io == IO_DONE))
			asked = SSL_write(l->client, "/\r\n", 3);
		if (io == IO_WANT_READ)
			io = tls_conn_handshake(&l->conn);
		if (io == IO_DONE)
			read =
			    tls_conn_read(&l->conn, line, sizeof(line), &got);
	}
	assert_int_equal(read, IO_DONE);
	assert_int_equal(got, 3);
}

/* A page of a byte repeated has come whole, then close_notify. */
static void
link_check_page(struct link *l, char byte)
{
	static char got[PAGE + 1];
	int n, all = 0;

	while ((n = SSL_read(l->client, got + all, PAGE + 1 - all)) > 0)
		all += n;
	assert_int_equal(SSL_get_error(l->client, n), SSL_ERROR_ZERO_RETURN);
	assert_int_equal(all, PAGE);
	for (int i = 0; i < PAGE; i++)
		assert_int_equal(got[i], byte);
}

static enum io
link_write_page(struct link *l, char byte)
{
	static char page[PAGE];

	memset(page, byte, sizeof(page));
	return tls_conn_write(&l->conn, slice_of(page, sizeof(page)));
}

static void
link_answer(struct link *l)
{
	assert_int_equal(link_write_page(l, 'x'), IO_DONE);
	assert_int_equal(tls_conn_close_notify(&l->conn), IO_DONE);
	shutdown(l->fd[0], SHUT_WR);
	link_check_page(l, 'x');
}

/* From 3.2 on OpenSSL reads the plain part of a handshake record by record, in
 * spite of SSL_CTX_set_read_ahead: its last look there finds nothing. */
static int
looks_of_openssl(void)
{
	return OpenSSL_version_num() < 0x30200000L ? 0 : 1;
}

/* One send whenever the client must answer, one for all that is left. */
static void
test_sends(void **state)
{
	static const struct {
		const char *what;
		int version;
		bool resumed, together;
		int sends, looks, quick;
	} rows[] = {
		{ "1.3", 1, false, true, 2, 0, 0 },
		{ "1.3 resumed", 1, true, true, 2, 0, 0 },
		{ "1.3, the request by itself", 1, false, false, 3, 2, 0 },
		{ "1.3 resumed, the request by itself", 1, true, false, 3, 2,
		    0 },
		{ "1.2", 0, false, true, 3, 0, 0 },
		{ "1.2 resumed", 0, true, true, 2, 0, 0 },
	};
	SSL_SESSION *kept[2] = { NULL, NULL };
	struct link l;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int v = rows[i].version;

		link_open(&l, fixture.server, fixture.client[v], NULL,
		    rows[i].resumed ? kept[v] : NULL);
		memset(&calls, 0, sizeof(calls));
		link_ask(&l, rows[i].together);
		link_answer(&l);
		check_row(
		    tls_conn_resumed(&l.conn) == rows[i].resumed, rows[i].what);
		check_row(calls.sends == rows[i].sends, rows[i].what);
		check_row(calls.more == 1, rows[i].what);
		check_row(calls.looks <= rows[i].looks + looks_of_openssl(),
		    rows[i].what);
		check_row(calls.quick == rows[i].quick, rows[i].what);
		SSL_SESSION_free(kept[v]);
		kept[v] = SSL_get1_session(l.client);
		SSL_set_shutdown(
		    l.client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		link_close(&l);
	}
	SSL_SESSION_free(kept[0]);
	SSL_SESSION_free(kept[1]);
}

/* The first bytes of a flight, and nothing of ours to answer them with: they
 * are acknowledged, or Nagle's algorithm would hold the rest back. */
static void
test_half_a_flight_is_acknowledged(void **state)
{
	uint8_t flight[4096];
	ssize_t n;
	struct link l;
	BIO *out = BIO_new(BIO_s_mem());

	(void)state;
	link_open(&l, fixture.server, fixture.client[1], NULL, NULL);
	SSL_do_handshake(l.client);
	assert_int_equal(tls_conn_handshake(&l.conn), IO_WANT_READ);
	assert_int_equal(calls.quick, 0);
	SSL_set0_wbio(l.client, out);
	assert_int_equal(SSL_do_handshake(l.client), 1);
	n = BIO_read(out, flight, sizeof(flight));
	assert_true(n > 6);
	assert_int_equal(write(l.fd[1], flight, 6), 6);
	assert_int_equal(tls_conn_handshake(&l.conn), IO_WANT_READ);
	assert_int_equal(calls.quick, 1);
	assert_int_equal(write(l.fd[1], flight + 6, (size_t)n - 6), n - 6);
	assert_int_equal(tls_conn_handshake(&l.conn), IO_DONE);
	assert_int_equal(calls.quick, 1);
	link_close(&l);
}

/* A client that waits for its ticket before it asks gets it. */
static void
test_ticket_is_sent_while_we_wait(void **state)
{
	struct link l;
	char byte;
	size_t got;

	(void)state;
	link_open(&l, fixture.server, fixture.client[1], NULL, NULL);
	while (tls_conn_handshake(&l.conn) != IO_DONE)
		SSL_do_handshake(l.client);
	assert_true(tls_conn_held(&l.conn) > 0);
	assert_int_equal(tls_conn_read(&l.conn, &byte, 1, &got), IO_WANT_READ);
	assert_int_equal(tls_conn_held(&l.conn), 0);
	assert_int_equal(SSL_read(l.client, &byte, 1), -1);
	assert_int_equal(l.kept.n, 1);
	link_close(&l);
}

/* Whatever of it the socket takes: the rest is kept, nothing is lost or sent
 * twice, and others gather what they write. */
static void
test_sends_cut_short(void **state)
{
	static const size_t most[] = { 1, 100, 300, 1000, PAGE };
	struct link l, other;

	(void)state;
	for (size_t i = 0; i < sizeof(most) / sizeof(*most); i++) {
		link_open(&l, fixture.server, fixture.client[1], NULL, NULL);
		link_ask(&l, true);
		assert_int_equal(link_write_page(&l, 'l'), IO_DONE);
		calls.most = most[i];
		assert_int_equal(tls_conn_close_notify(&l.conn), IO_WANT_WRITE);
		assert_true(tls_conn_held(&l.conn) > 0);
		link_open(
		    &other, fixture.server, fixture.client[i % 2], NULL, NULL);
		link_ask(&other, true);
		link_answer(&other);
		link_close(&other);
		calls.refuse = true;
		assert_int_equal(tls_conn_close_notify(&l.conn), IO_WANT_WRITE);
		assert_int_equal(tls_conn_close_notify(&l.conn), IO_WANT_WRITE);
		calls.refuse = false;
		assert_int_equal(tls_conn_close_notify(&l.conn), IO_DONE);
		assert_int_equal(tls_conn_held(&l.conn), 0);
		link_check_page(&l, 'l');
		link_close(&l);
	}
}

/* A full record is not copied, but sent with what was held. */
static void
test_full_records_are_written_through(void **state)
{
	static uint8_t record[TLS_RECORD_MAX], got[TLS_RECORD_MAX];
	struct link l;
	int before;

	(void)state;
	link_open(&l, fixture.server, fixture.client[1], NULL, NULL);
	link_ask(&l, true);
	assert_true(tls_conn_held(&l.conn) > 0); /* the ticket */
	before = calls.sends;
	for (int i = 0; i < 3; i++) {
		memset(record, i, sizeof(record));
		assert_int_equal(
		    tls_conn_write(&l.conn, slice_of(record, sizeof(record))),
		    IO_DONE);
		assert_int_equal(tls_conn_held(&l.conn), 0);
		assert_int_equal(
		    SSL_read(l.client, got, sizeof(got)), sizeof(got));
		assert_memory_equal(got, record, sizeof(got));
	}
	assert_int_equal(calls.sends - before, 3);
	link_close(&l);
}

/* Two that gather at once, as no step of a server's does: the second one sends
 * at once. */
static void
test_one_gathers_at_a_time(void **state)
{
	struct link l[2];
	char got[8];

	(void)state;
	for (int i = 0; i < 2; i++) {
		link_open(&l[i], fixture.server, fixture.client[1], NULL, NULL);
		assert_true(link_handshake(&l[i]));
	}
	assert_int_equal(tls_conn_write(&l[0].conn, SLICE("one")), IO_DONE);
	assert_int_equal(tls_conn_write(&l[1].conn, SLICE("two")), IO_DONE);
	assert_int_equal(SSL_read(l[1].client, got, sizeof(got)), 3);
	assert_memory_equal(got, "two", 3);
	assert_true(tls_conn_held(&l[0].conn) > 3);
	assert_int_equal(tls_conn_flush(&l[0].conn), IO_DONE);
	assert_int_equal(SSL_read(l[0].client, got, sizeof(got)), 3);
	assert_memory_equal(got, "one", 3);
	link_close(&l[0]);
	link_close(&l[1]);
}

/* What was held dies with its connection: the next one starts empty, though it
 * may have the same BIO. */
static void
test_nothing_is_left_for_the_next(void **state)
{
	struct link l;

	(void)state;
	for (int i = 0; i < 2 * SOCKET_BIO_SPARES; i++) {
		link_open(
		    &l, fixture.server, fixture.client[i % 2], NULL, NULL);
		assert_int_equal(tls_conn_received(&l.conn), 0);
		assert_int_equal(tls_conn_held(&l.conn), 0);
		link_ask(&l, true);
		if (i % 4 < 2)
			link_answer(&l);
		else
			assert_int_equal(link_write_page(&l, 'n'), IO_DONE);
		link_close(&l);
	}
}

/* Many at once: more than the spares. */
static void
test_many_at_once(void **state)
{
	static struct link l[SOCKET_BIO_SPARES + 8];

	(void)state;
	for (size_t i = 0; i < sizeof(l) / sizeof(*l); i++)
		link_open(&l[i], fixture.server, fixture.client[1], NULL, NULL);
	for (size_t i = 0; i < sizeof(l) / sizeof(*l); i++) {
		link_ask(&l[i], false);
		link_answer(&l[i]);
	}
	for (size_t i = 0; i < sizeof(l) / sizeof(*l); i++)
		link_close(&l[i]);
}

/* The peer's last bytes and its end come in one look: both are seen. */
static void
test_end_after_the_last_bytes(void **state)
{
	struct link l;
	char line[8];
	size_t got;

	(void)state;
	link_open(&l, fixture.server, fixture.client[1], NULL, NULL);
	assert_true(link_handshake(&l));
	assert_int_equal(SSL_write(l.client, "/", 1), 1);
	shutdown(l.fd[1], SHUT_WR);
	assert_int_equal(
	    tls_conn_read(&l.conn, line, sizeof(line), &got), IO_DONE);
	assert_true(tls_conn_is_drained(&l.conn));
	assert_int_equal(
	    tls_conn_read(&l.conn, line, sizeof(line), &got), IO_WANT_READ);
	assert_false(tls_conn_is_drained(&l.conn));
	assert_int_equal(
	    tls_conn_read(&l.conn, line, sizeof(line), &got), IO_CLOSED);
	assert_false(tls_conn_peer_closed(&l.conn));
	link_answer(&l);
	link_close(&l);
}

/* The alert is the last that a client gets, and it does. */
static void
test_alert_is_sent(void **state)
{
	SSL_CTX *ctx = link_make_client(TLS1_3_VERSION, TLS1_3_VERSION);
	struct link l;

	(void)state;
	assert_int_equal(SSL_CTX_set1_groups_list(ctx, "P-521"), 1);
	link_open(&l, fixture.server, ctx, NULL, NULL);
	assert_false(link_handshake(&l));
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()),
	    SSL_AD_REASON_OFFSET + SSL_AD_HANDSHAKE_FAILURE);
	link_close(&l);
	SSL_CTX_free(ctx);
}

#define bio_test(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		bio_test(test_sends),
		bio_test(test_half_a_flight_is_acknowledged),
		bio_test(test_ticket_is_sent_while_we_wait),
		bio_test(test_sends_cut_short),
		bio_test(test_full_records_are_written_through),
		bio_test(test_one_gathers_at_a_time),
		bio_test(test_nothing_is_left_for_the_next),
		bio_test(test_many_at_once),
		bio_test(test_end_after_the_last_bytes),
		bio_test(test_alert_is_sent),
	};

	if (!tls_part_on(TLS_PART_SENDING))
		return 0; /* OpenSSL's own BIO is not counted here */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
