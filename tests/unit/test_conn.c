/* SPDX-License-Identifier: ISC */
#include "support/testbed.h"

#include <fcntl.h>
#include <openssl/ssl.h>

#define H "gemini://localhost"
#define PAGE "20 text/gemini\r\n# page\n"

static void
test_too_long_request(void **state) /* rule 1.1.3 */
{
	static char line[REQUEST_LINE_MAX + 1] = H "/";
	struct session s;

	(void)state;
	memset(line + strlen(H "/"), 'x', REQUEST_LINE_MAX - strlen(H "/"));
	session_request(&s, slice_of(line, REQUEST_LINE_MAX - 1));
	assert_int_equal(conn_step(&s.conn, &testbed.world), IO_WANT_READ);
	client_send(&s.client, SLICE("x"));
	session_finish(&s);
	check_slice(buf_view(&s.client.got),
	    SLICE("59 Request longer than 1024 bytes\r\n"));
	session_disconnect(&s);
	assert_int_equal(testbed_count_logged(" - 59 "), 1);
}

static void
test_end_without_a_request(void **state)
{
	struct session s;

	(void)state;
	for (int bare = 0; bare < 2; bare++) {
		session_request(&s, SLICE(H "/"));
		if (bare == 0)
			tls_conn_close_notify(&s.client.tls);
		shutdown(s.client.fd, SHUT_WR);
		session_finish(&s);
		assert_true(tls_conn_peer_closed(&s.client.tls));
		assert_int_equal(s.client.got.len, 0);
		session_disconnect(&s);
	}
	assert_int_equal(testbed_count_logged(""), 0);
}

/* A broken record, and a reset. */
static void
test_failure_before_the_request(void **state)
{
	static const char junk[] = "\x17\x03\x03\x00\x20"
				   "01234567890123456789012345678901";
	struct session s;

	(void)state;
	session_connect(&s, "192.0.2.7", 0);
	session_handshake(&s);
	assert_true(write(s.client.fd, junk, sizeof(junk) - 1) > 0);
	assert_int_equal(conn_step(&s.conn, &testbed.world), IO_DONE);
	assert_int_equal(s.conn.state, CONN_DONE);
	session_disconnect(&s);
	session_connect(&s, "192.0.2.7", 0);
	client_handshake(&s.client);
	assert_int_equal(conn_step(&s.conn, &testbed.world), IO_DONE);
	assert_int_equal(s.conn.state, CONN_QUEUED);
	assert_int_equal(conn_step(&s.conn, &testbed.world), IO_WANT_READ);
	client_disconnect(&s.client); /* with our hello unread */
	assert_int_equal(conn_step(&s.conn, &testbed.world), IO_DONE);
	assert_int_equal(s.conn.state, CONN_DONE);
	session_disconnect(&s);
	assert_int_equal(testbed_count_logged(""), 0);
}

static void
test_rate_limit_is_answered_44(void **state)
{
	struct session s;

	(void)state;
	capsule.conf->limits.rate = 1;
	capsule.conf->limits.burst = 1;
	for (int i = 0; i < 3; i++) {
		session_connect(&s, "192.0.2.7", i < 2 ? 7 : 0);
		session_handshake(&s);
		client_send(&s.client, SLICE(H "/\r\n"));
		session_finish(&s);
		check_slice(buf_view(&s.client.got),
		    i == 1 ? SLICE("44 1\r\n") : SLICE(PAGE));
		session_disconnect(&s);
	}
	assert_int_equal(testbed_count_logged(" 44 6 "), 1);
}

/* Descriptors have run out but for a spare one, and then for good. */
static void
test_spare_descriptor_is_used(void **state)
{
	struct spares spares = { .original = STDERR_FILENO };
	struct session s;

	(void)state;
	testbed.world.spares = &spares;
	for (int i = 0; i < 2; i++) {
		session_request(&s, SLICE(H "/\r\n"));
		spares.fd[0] = dup(spares.original);
		spares.n = 1;
		if (i == 1)
			assert_true(spares_give(&spares));
		descriptors_limit(0);
		session_finish(&s);
		descriptors_unlimit();
		assert_true(slice_starts(buf_view(&s.client.got),
		    i == 0 ? SLICE(PAGE) : SLICE("40 ")));
		assert_int_equal(spares.n, 0);
		session_disconnect(&s);
	}
	testbed.world.spares = NULL;
	assert_int_equal(testbed_count_logged(" localhost 20 "), 1);
	assert_int_equal(testbed_count_logged(" localhost 40 "), 1);
}

static void
test_timeout_of_each_state(void **state)
{
	static const struct {
		const char *rule;
		enum conn_state state;
		unsigned seconds;
		enum conn_state after; /* its end */
	} timeouts[] = {
		{ "no hello yet", CONN_HELLO, 11, CONN_DONE },
		{ "our turn", CONN_QUEUED, 11, CONN_DONE },
		{ "handshake", CONN_HANDSHAKE, 11, CONN_DONE },
		{ "a request that never came: close_notify", CONN_REQUEST, 12,
		    CONN_SHUTDOWN },
		{ "a client that reads nothing", CONN_SEND, 13, CONN_DONE },
		{ "no room for close_notify", CONN_SHUTDOWN, 13, CONN_DONE },
		{ "more to drain", CONN_DISCARD, CONN_DISCARD_S, CONN_DONE },
		{ "at the end", CONN_DONE, CONN_DISCARD_S, CONN_DONE },
	};
	struct session s;

	(void)state;
	capsule.conf->limits.handshake = 11;
	capsule.conf->limits.request = 12;
	capsule.conf->limits.stall = 13;
	session_connect(&s, "192.0.2.7", 0);
	for (size_t i = 0; i < sizeof(timeouts) / sizeof(*timeouts); i++) {
		s.conn.state = timeouts[i].state;
		check_row(
		    conn_timeout(&s.conn, capsule.conf) == timeouts[i].seconds,
		    timeouts[i].rule);
		conn_expire(&s.conn, &testbed.world);
		check_row(s.conn.state == timeouts[i].after, timeouts[i].rule);
	}
	session_disconnect(&s);
}

static void
test_request_that_never_came(void **state)
{
	struct session s;

	(void)state;
	session_request(&s, SLICE(H "/"));
	conn_step(&s.conn, &testbed.world);
	conn_expire(&s.conn, &testbed.world);
	session_finish(&s);
	assert_true(tls_conn_peer_closed(&s.client.tls));
	assert_int_equal(s.client.got.len, 0);
	session_disconnect(&s);
	assert_int_equal(testbed_count_logged(""), 0);
}

/* Key updates are bytes that never become a request: bounded, unlike those of a
 * request that comes a byte a record. */
static void
test_noise_before_the_request_is_bounded(void **state)
{
	enum { KEY_UPDATE = 5 + 5 + 1 + 16 }; /* bytes of its record */
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	struct session s;
	int sent = 0;

	(void)state;
	session_connect(&s, "192.0.2.7", 0);
	SSL_set_fd(ssl, s.client.fd);
	SSL_set_connect_state(ssl);
	while (s.conn.state <= CONN_HANDSHAKE) {
		SSL_do_handshake(ssl);
		conn_step(&s.conn, &testbed.world);
	}
	while (s.conn.state == CONN_REQUEST) {
		assert_true(sent++ * KEY_UPDATE <= CONN_BEFORE_REQUEST_MAX);
		SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
		assert_int_equal(SSL_do_handshake(ssl), 1);
		conn_step(&s.conn, &testbed.world);
	}
	assert_int_equal(s.conn.state, CONN_DONE);
	assert_true(sent * KEY_UPDATE > CONN_BEFORE_REQUEST_MAX);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	session_disconnect(&s);
	assert_int_equal(testbed_count_logged(""), 0);
}

/* After the answer, what still comes is read, up to a limit: a close with
 * unread input would be a reset (RFC 1122 4.2.2.13). */
static void
test_drain(void **state)
{
	static const char junk[64 * 1024];
	struct session s;
	size_t sent = 0;
	ssize_t n;

	(void)state;
	session_request(&s, SLICE(H "/\r\n"));
	assert_int_equal(conn_step(&s.conn, &testbed.world), IO_WANT_READ);
	assert_int_equal(s.conn.state, CONN_DISCARD);
	assert_false(tls_conn_is_open(&s.conn.tls));
	/* The line is there before the drain is over. */
	assert_int_equal(testbed_count_logged(" complete /"), 1);
	while (s.conn.state != CONN_DONE) {
		assert_true(sent <= 2 * CONN_DISCARD_MAX);
		n = write(s.client.fd, junk, sizeof(junk));
		sent += n > 0 ? (size_t)n : 0;
		conn_step(&s.conn, &testbed.world);
	}
	assert_true(sent > CONN_DISCARD_MAX);
	session_disconnect(&s);
	assert_int_equal(testbed_count_logged(" complete /"), 1);
}

static void
test_no_room_for_close_notify(void **state)
{
	static const char junk[4096];
	struct session s;

	(void)state;
	session_connect(&s, "192.0.2.7", 0);
	session_handshake(&s);
	for (size_t len = sizeof(junk); len > 0; len /= 2)
		while (write(s.conn.fd, junk, len) > 0)
			;
	shutdown(s.client.fd, SHUT_WR);
	assert_int_equal(conn_step(&s.conn, &testbed.world), IO_WANT_WRITE);
	assert_int_equal(s.conn.state, CONN_SHUTDOWN);
	conn_expire(&s.conn, &testbed.world);
	assert_int_equal(s.conn.state, CONN_DONE);
	session_disconnect(&s);
}

/* A client that reads nothing: others have their turn, the response waits. */
static void
begin_big(struct session *s)
{
	session_connect(s, "192.0.2.7", 0);
	session_handshake(s);
	client_send(&s->client, SLICE(H "/big\r\n"));
	assert_int_equal(conn_step(&s->conn, &testbed.world), IO_WANT_WRITE);
	assert_int_equal(s->conn.state, CONN_SEND);
	assert_true(s->conn.sent > 0 && s->conn.sent < TESTBED_BIG_SIZE);
	assert_true(s->conn.progress);
	s->conn.progress = false;
}

static void
test_big_body_is_complete(void **state)
{
	struct session s;

	(void)state;
	begin_big(&s);
	assert_int_equal(conn_step(&s.conn, &testbed.world), IO_WANT_WRITE);
	assert_int_equal(s.conn.state, CONN_SEND);
	session_finish(&s);
	assert_true(tls_conn_peer_closed(&s.client.tls));
	assert_int_equal(
	    s.client.got.len, s.conn.header_len + TESTBED_BIG_SIZE);
	session_disconnect(&s);
	assert_int_equal(testbed_count_logged(" complete /big"), 1);
}

static void
test_one_step_is_bounded(void **state)
{
	struct session s;
	int big = 8 * TESTBED_BIG_SIZE;

	(void)state;
	session_connect(&s, "192.0.2.7", 0);
	if (setsockopt(
		s.conn.fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big)) == -1)
		skip();
	session_handshake(&s);
	client_send(&s.client, SLICE(H "/big\r\n"));
	assert_int_equal(conn_step(&s.conn, &testbed.world), IO_WANT_WRITE);
	assert_int_equal(s.conn.sent, CONN_TURN_RECORDS * TLS_RECORD_MAX);
	session_disconnect(&s);
	assert_int_equal(testbed_count_logged(" cut /big"), 1);
}

/* No close_notify after a body that is not complete (RFC 8446 6.1). */
static void
test_shrinking_body_is_cut(void **state)
{
	struct session s;

	(void)state;
	begin_big(&s);
	assert_int_equal(truncate(tree_path("root/big"), 1), 0);
	session_finish(&s);
	conn_fini(&s.conn, &testbed.world);
	while (client_receive(&s.client))
		;
	assert_true(s.client.ended);
	assert_false(tls_conn_peer_closed(&s.client.tls));
	client_fini(&s.client);
	assert_int_equal(testbed_count_logged(" cut /big"), 1);
}

static void
test_body_truncated_before_it_starts(void **state)
{
	static const char header[] = "20 text/plain\r\n";
	struct session s;

	(void)state;
	session_connect(&s, "192.0.2.7", 0);
	session_handshake(&s);
	s.conn.body = open(tree_path("root/dir/a.txt"), O_RDONLY | O_CLOEXEC);
	s.conn.size = 3; /* of which two are there */
	s.conn.status = STATUS_SUCCESS;
	memcpy(s.text.header, header, sizeof(header) - 1);
	s.conn.header_len = sizeof(header) - 1;
	s.conn.state = CONN_SEND;
	session_finish(&s);
	assert_true(slice_starts(buf_view(&s.client.got), SLICE("40 ")));
	assert_true(tls_conn_peer_closed(&s.client.tls));
	assert_int_equal(s.conn.body, -1);
	session_disconnect(&s);
	assert_int_equal(testbed_count_logged(" 40 "), 1);
}

static void
test_client_that_disconnects(void **state)
{
	struct session s;

	(void)state;
	begin_big(&s);
	client_disconnect(&s.client);
	assert_int_equal(conn_step(&s.conn, &testbed.world), IO_DONE);
	assert_int_equal(s.conn.state, CONN_DONE);
	session_disconnect(&s);
	assert_int_equal(testbed_count_logged(" cut /big"), 1);
}

/* The kernel's queue shrinks long before it takes more: the client does
 * read. */
static void
test_slow_reader_has_more_time(void **state)
{
	struct session s;
	char bytes[64 * 1024];

	(void)state;
	begin_big(&s);
	assert_true(s.conn.queued > 0);
	assert_true(read(s.client.fd, bytes, sizeof(bytes)) > 0);
	conn_expire(&s.conn, &testbed.world);
	assert_int_equal(s.conn.state, CONN_SEND);
	assert_true(s.conn.progress);
	s.conn.progress = false;
	conn_expire(&s.conn, &testbed.world); /* nothing more was taken */
	assert_int_equal(s.conn.state, CONN_DONE);
	session_disconnect(&s);
	assert_int_equal(testbed_count_logged(" cut /big"), 1);
}

/* Whether text is the pattern, where a '#' stands for a number. */
static bool
is_like(struct slice text, const char *pattern)
{
	size_t i = 0;

	for (; *pattern != '\0'; pattern++) {
		size_t before = i;

		while (*pattern == '#' && i < text.len && text.ptr[i] >= '0' &&
		       text.ptr[i] <= '9')
			i++;
		if (*pattern == '#' && i > before)
			continue;
		if (i == text.len || text.ptr[i++] != (uint8_t)*pattern)
			return false;
	}
	return i == text.len;
}

/* All that is in the log: one line, after its time. */
static void
check_log(const char *rule, const char *pattern)
{
	struct slice time, rest;
	struct buf log;

	testbed_read_log(&log);
	if (!slice_cut(buf_view(&log), ' ', &time, &rest))
		rest = buf_view(&log);
	if (!is_like(rest, pattern))
		fail_msg(
		    "row \"%s\": the log has \"%.*s\"", rule, SLICE_ARGS(rest));
	buf_fini(&log);
	assert_int_equal(truncate(tree_path("access"), 0), 0);
}

static const struct row {
	const char *rule;
	const char *request;
	const char *answer;
	const char *line; /* of the log, after the time and the address */
} rows[] = {
	{ "a page", H "/\r\n", PAGE,
	    "localhost 20 23 # TLSv1.3 new complete /\n" },
	{ "no path", H "\r\n", PAGE,
	    "localhost 20 23 # TLSv1.3 new complete /\n" },
	{ "a query is not logged", H "/?secret\r\n", PAGE,
	    "localhost 20 23 # TLSv1.3 new complete /\n" },
	{ "a listing", H "/dir/\r\n",
	    "20 text/gemini\r\n# /dir/\n\n=> ../ ..\n=> a.txt a.txt (2 B)\n",
	    "localhost 20 56 # TLSv1.3 new complete /dir/\n" },
	{ "nothing there", H "/none\r\n", "51 Not found\r\n",
	    "localhost 51 14 # TLSv1.3 new complete /none\n" },
	{ "a path is logged as it came", H "/%6eone\r\n", "51 Not found\r\n",
	    "localhost 51 14 # TLSv1.3 new complete /%6eone\n" },
	{ "not our host: all but the query is logged",
	    "gemini://else.test/x?q\r\n", "53 hosts served here: localhost\r\n",
	    "- 53 # # TLSv1.3 new complete gemini://else.test/x\n" },
	{ "an empty line", "\r\n", NULL, "- 59 # # TLSv1.3 new complete -\n" },
	{ "what follows the line is ignored", H "/\r\nGET / HTTP/1.0", PAGE,
	    "localhost 20 23 # TLSv1.3 new complete /\n" },
};

static void
check_row_of_answers(const struct row *row, bool in_pieces)
{
	struct slice request = slice_str(row->request);
	char line[256];
	struct session s;

	session_connect(&s, "192.0.2.7", 0);
	session_handshake(&s);
	for (size_t i = 0; in_pieces && i < request.len; i++) {
		bool ended = memchr(request.ptr, '\n', i + 1) != NULL;

		client_send(&s.client, slice_of(request.ptr + i, 1));
		if (s.conn.state == CONN_REQUEST)
			conn_step(&s.conn, &testbed.world);
		check_row((s.conn.state != CONN_REQUEST) == ended, row->rule);
	}
	if (!in_pieces)
		client_send(&s.client, request);
	session_finish(&s);
	check_row(tls_conn_peer_closed(&s.client.tls), row->rule);
	if (row->answer != NULL)
		check_slice(buf_view(&s.client.got), slice_str(row->answer));
	session_disconnect(&s);
	snprintf(line, sizeof(line), "192.0.2.7 %s", row->line);
	check_log(row->rule, line);
}

static void
test_responses_and_their_log_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		check_row_of_answers(&rows[i], false);
		check_row_of_answers(&rows[i], true);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		testbed_test(test_too_long_request),
		testbed_test(test_end_without_a_request),
		testbed_test(test_failure_before_the_request),
		testbed_test(test_rate_limit_is_answered_44),
		testbed_test(test_spare_descriptor_is_used),
		testbed_test(test_timeout_of_each_state),
		testbed_test(test_request_that_never_came),
		testbed_test(test_noise_before_the_request_is_bounded),
		testbed_test(test_drain),
		testbed_test(test_no_room_for_close_notify),
		testbed_test(test_big_body_is_complete),
		testbed_test(test_one_step_is_bounded),
		testbed_test(test_shrinking_body_is_cut),
		testbed_test(test_body_truncated_before_it_starts),
		testbed_test(test_client_that_disconnects),
		testbed_test(test_slow_reader_has_more_time),
		testbed_test(test_responses_and_their_log_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
