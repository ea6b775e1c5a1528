/* SPDX-License-Identifier: ISC */
#include "conn_help.h"

#include <openssl/ssl.h>
#include <sys/resource.h>

#define H "gemini://localhost"
#define PAGE "20 text/gemini\r\n# page\n"

static void
test_a_request_too_long(void **state) /* rule 1.1.3 */
{
	static char line[REQUEST_LINE_MAX + 1] = H "/";
	struct meeting m;

	(void)state;
	memset(line + strlen(H "/"), 'x', REQUEST_LINE_MAX - strlen(H "/"));
	meet(&m, "192.0.2.7", 0);
	shake(&m);
	visitor_say(&m.v, slice_of(line, REQUEST_LINE_MAX - 1));
	assert_int_equal(conn_step(&m.c, &stage.world), IO_WANT_READ);
	visitor_say(&m.v, SLICE("x"));
	listen_to(&m);
	check_slice(
	    buf_view(&m.v.got), SLICE("59 Request longer than 1024 bytes\r\n"));
	part(&m);
	assert_int_equal(stage_logged(" - 59 "), 1);
}

static void
test_an_end_without_a_request(void **state)
{
	struct meeting m;

	(void)state;
	for (int bare = 0; bare < 2; bare++) {
		meet(&m, "192.0.2.7", 0);
		shake(&m);
		visitor_say(&m.v, SLICE(H "/"));
		if (bare == 0)
			tls_conn_close_notify(&m.v.tls);
		shutdown(m.v.fd, SHUT_WR);
		listen_to(&m);
		assert_true(tls_conn_peer_closed(&m.v.tls));
		assert_int_equal(m.v.got.len, 0);
		part(&m);
	}
	assert_int_equal(stage_logged(""), 0);
}

/* A broken record, and a reset. */
static void
test_a_failure_before_the_request(void **state)
{
	static const char junk[] = "\x17\x03\x03\x00\x20"
				   "01234567890123456789012345678901";
	struct meeting m;

	(void)state;
	meet(&m, "192.0.2.7", 0);
	shake(&m);
	assert_true(write(m.v.fd, junk, sizeof(junk) - 1) > 0);
	assert_int_equal(conn_step(&m.c, &stage.world), IO_DONE);
	assert_int_equal(m.c.state, CONN_DONE);
	part(&m);
	meet(&m, "192.0.2.7", 0);
	visitor_shake(&m.v);
	assert_int_equal(conn_step(&m.c, &stage.world), IO_DONE);
	assert_int_equal(m.c.state, CONN_QUEUED);
	assert_int_equal(conn_step(&m.c, &stage.world), IO_WANT_READ);
	visitor_leave(&m.v); /* with our hello unread */
	assert_int_equal(conn_step(&m.c, &stage.world), IO_DONE);
	assert_int_equal(m.c.state, CONN_DONE);
	part(&m);
	assert_int_equal(stage_logged(""), 0);
}

static void
test_a_rate_is_told_to_slow_down(void **state)
{
	struct meeting m;

	(void)state;
	help.conf->limits.rate = 1;
	help.conf->limits.burst = 1;
	for (int i = 0; i < 3; i++) {
		meet(&m, "192.0.2.7", i < 2 ? 7 : 0);
		shake(&m);
		visitor_say(&m.v, SLICE(H "/\r\n"));
		listen_to(&m);
		check_slice(buf_view(&m.v.got),
		    i == 1 ? SLICE("44 1\r\n") : SLICE(PAGE));
		part(&m);
	}
	assert_int_equal(stage_logged(" 44 6 "), 1);
}

/* Descriptors have run out but for a spare one, and then for good. */
static void
test_a_spare_descriptor_answers(void **state)
{
	struct rlimit before, few;
	struct spares spares = { .original = STDERR_FILENO };
	struct meeting m;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	stage.world.spares = &spares;
	for (int i = 0; i < 2; i++) {
		meet(&m, "192.0.2.7", 0);
		shake(&m);
		visitor_say(&m.v, SLICE(H "/\r\n"));
		spares.fd[0] = dup(spares.original);
		spares.n = 1;
		few = before;
		few.rlim_cur = (rlim_t)spares.fd[0] + 1;
		if (i == 1) {
			assert_true(spares_give(&spares));
			few.rlim_cur--;
		}
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		listen_to(&m);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		assert_true(slice_starts(
		    buf_view(&m.v.got), i == 0 ? SLICE(PAGE) : SLICE("40 ")));
		assert_int_equal(spares.n, 0);
		part(&m);
	}
	stage.world.spares = NULL;
	assert_int_equal(stage_logged(" localhost 20 "), 1);
	assert_int_equal(stage_logged(" localhost 40 "), 1);
}

static void
test_patience_with_each_state(void **state)
{
	static const struct {
		const char *rule;
		enum conn_state state;
		unsigned seconds;
		enum conn_state after; /* its end */
	} patience[] = {
		{ "no hello yet", CONN_HELLO, 11, CONN_DONE },
		{ "our turn", CONN_QUEUED, 11, CONN_DONE },
		{ "handshake", CONN_HANDSHAKE, 11, CONN_DONE },
		{ "a request that never came: close_notify", CONN_REQUEST, 12,
		    CONN_SHUTDOWN },
		{ "a reader who takes nothing", CONN_SEND, 13, CONN_DONE },
		{ "no room for close_notify", CONN_SHUTDOWN, 13, CONN_DONE },
		{ "more to drain", CONN_DRAIN, CONN_DRAIN_S, CONN_DONE },
		{ "at the end", CONN_DONE, CONN_DRAIN_S, CONN_DONE },
	};
	struct meeting m;

	(void)state;
	help.conf->limits.handshake = 11;
	help.conf->limits.request = 12;
	help.conf->limits.stall = 13;
	meet(&m, "192.0.2.7", 0);
	for (size_t i = 0; i < sizeof(patience) / sizeof(*patience); i++) {
		m.c.state = patience[i].state;
		check_row(conn_patience(&m.c, help.conf) == patience[i].seconds,
		    patience[i].rule);
		conn_expire(&m.c, help.conf);
		check_row(m.c.state == patience[i].after, patience[i].rule);
	}
	part(&m);
}

static void
test_a_request_that_never_came(void **state)
{
	struct meeting m;

	(void)state;
	meet(&m, "192.0.2.7", 0);
	shake(&m);
	visitor_say(&m.v, SLICE(H "/"));
	conn_step(&m.c, &stage.world);
	conn_expire(&m.c, help.conf);
	listen_to(&m);
	assert_true(tls_conn_peer_closed(&m.v.tls));
	assert_int_equal(m.v.got.len, 0);
	part(&m);
	assert_int_equal(stage_logged(""), 0);
}

/* Key updates are bytes that never become a request: bounded, unlike those of a
 * request that comes a byte a record. */
static void
test_noise_before_the_request_is_bounded(void **state)
{
	enum { KEY_UPDATE = 5 + 5 + 1 + 16 }; /* bytes of its record */
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	struct meeting m;
	int sent = 0;

	(void)state;
	meet(&m, "192.0.2.7", 0);
	SSL_set_fd(ssl, m.v.fd);
	SSL_set_connect_state(ssl);
	while (m.c.state <= CONN_HANDSHAKE) {
		SSL_do_handshake(ssl);
		conn_step(&m.c, &stage.world);
	}
	while (m.c.state == CONN_REQUEST) {
		assert_true(sent++ * KEY_UPDATE <= CONN_BEFORE_REQUEST_MAX);
		SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
		assert_int_equal(SSL_do_handshake(ssl), 1);
		conn_step(&m.c, &stage.world);
	}
	assert_int_equal(m.c.state, CONN_DONE);
	assert_true(sent * KEY_UPDATE > CONN_BEFORE_REQUEST_MAX);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	part(&m);
	assert_int_equal(stage_logged(""), 0);
}

/* After the answer, what still comes is read, to a bound (spec.md 1.5.51). */
static void
test_drain(void **state)
{
	static const char junk[64 * 1024];
	struct meeting m;
	size_t sent = 0;
	ssize_t n;

	(void)state;
	meet(&m, "192.0.2.7", 0);
	shake(&m);
	visitor_say(&m.v, SLICE(H "/\r\n"));
	assert_int_equal(conn_step(&m.c, &stage.world), IO_WANT_READ);
	assert_int_equal(m.c.state, CONN_DRAIN);
	assert_false(tls_conn_is_open(&m.c.tls));
	/* The line is there before the drain is over. */
	assert_int_equal(stage_logged(" complete /"), 1);
	while (m.c.state != CONN_DONE) {
		assert_true(sent <= 2 * CONN_DRAIN_MAX);
		n = write(m.v.fd, junk, sizeof(junk));
		sent += n > 0 ? (size_t)n : 0;
		conn_step(&m.c, &stage.world);
	}
	assert_true(sent > CONN_DRAIN_MAX);
	part(&m);
	assert_int_equal(stage_logged(" complete /"), 1);
}

static void
test_no_room_for_close_notify(void **state)
{
	static const char junk[4096];
	struct meeting m;

	(void)state;
	meet(&m, "192.0.2.7", 0);
	shake(&m);
	for (size_t len = sizeof(junk); len > 0; len /= 2)
		while (write(m.c.fd, junk, len) > 0)
			;
	shutdown(m.v.fd, SHUT_WR);
	assert_int_equal(conn_step(&m.c, &stage.world), IO_WANT_WRITE);
	assert_int_equal(m.c.state, CONN_SHUTDOWN);
	conn_expire(&m.c, help.conf);
	assert_int_equal(m.c.state, CONN_DONE);
	part(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		on_stage(test_a_request_too_long),
		on_stage(test_an_end_without_a_request),
		on_stage(test_a_failure_before_the_request),
		on_stage(test_a_rate_is_told_to_slow_down),
		on_stage(test_a_spare_descriptor_answers),
		on_stage(test_patience_with_each_state),
		on_stage(test_a_request_that_never_came),
		on_stage(test_noise_before_the_request_is_bounded),
		on_stage(test_drain),
		on_stage(test_no_room_for_close_notify),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
