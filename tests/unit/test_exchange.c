/* SPDX-License-Identifier: ISC */
#include "support/script.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "support/address.h"
#include "support/link.h"
#include "util/clock.h"

static const struct tls_settings script_settings = { .tickets = true };

/* What a client received, and how its callbacks answer. */
struct received {
	bool trust;
	int status;
	char meta[1025];
	size_t body;
	size_t enough;
};

static bool
on_trust(void *arg, const struct target *t, const struct cert *c)
{
	struct received *h = arg;

	assert_true(cert_names(c, "one.test"));
	assert_string_equal(t->host, "127.0.0.1");
	return h->trust;
}

static bool
on_header(void *arg, int status, struct slice meta)
{
	struct received *h = arg;

	h->status = status;
	memcpy(h->meta, meta.ptr, meta.len);
	h->meta[meta.len] = '\0';
	return true;
}

static bool
on_body(void *arg, struct slice bytes)
{
	struct received *h = arg;

	assert_true(bytes.len > 0);
	h->body += bytes.len;
	return h->enough == 0 || h->body < h->enough;
}

/* A server by script, and an exchange with it. */
struct run {
	struct dial_names names;
	struct received received;
	struct fetch_handler handler;
	struct target target;
	struct exchange *x;
	struct why why;
	enum fetch_result result;
	unsigned steps;
	pid_t pid;
};

static struct tls_client *client;
static struct tls_server *server;

static int
set_up(void **state)
{
	struct why why;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	server = link_make_server(&script_settings, NULL);
	client = tls_client_new(NULL, NULL, &why);
	return client == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
	(void)state;
	tls_client_free(&client);
	tls_server_free(&server);
	return 0;
}

static void
run_start(
    struct run *p, const struct script *s, const struct exchange_limits *limits)
{
	struct exchange_limits with = *limits;
	char url[64];
	unsigned port;
	int listener = loopback_listen(&port);

	*p = (struct run){ .received = { .trust = true },
		.handler = { on_trust, on_header, on_body, NULL },
		.result = FETCH_GOING };
	p->handler.arg = &p->received;
	p->pid = fork();
	if (p->pid == 0)
		script_serve(listener, server, s);
	close(listener);
	snprintf(url, sizeof(url), "127.0.0.1:%u/x", port);
	assert_int_equal(
	    target_parse(slice_str(url), &p->target, &p->why), TARGET_OK);
	with.names = &p->names;
	p->x = exchange_new(&p->target, client, &with, &p->handler, &p->why);
	assert_non_null(p->x);
}

/* Both at once, until both have ended. */
static void
run_until_done(struct run *p, size_t n)
{
	for (;;) {
		struct pollfd want[2];
		uint64_t until = UINT64_MAX, one;
		nfds_t going = 0;

		for (size_t i = 0; i < n; i++) {
			if (p[i].result == FETCH_GOING) {
				p[i].result = exchange_step(p[i].x, &p[i].why);
				p[i].steps++;
			}
			if (p[i].result != FETCH_GOING)
				continue;
			exchange_wants(p[i].x, &want[going++], &one);
			until = one < until ? one : until;
		}
		if (going == 0)
			return;
		dial_wait(want, going, until, NULL);
	}
}

static void
run_stop(struct run *p)
{
	int status;

	exchange_free(&p->x);
	assert_null(p->x);
	dial_names_fini(&p->names);
	kill(p->pid, SIGKILL);
	waitpid(p->pid, &status, 0);
}

static void
test_limits(void **state)
{
	static const struct {
		struct script s;
		struct exchange_limits limits;
		enum fetch_result want;
		const char *why;
	} rows[] = {
		{ { .rule = "a byte now and then is too slow",
		      .bytes = { (const uint8_t *)"20 x\r\n", 6 },
		      .repeat = 1000,
		      .pause_ms = 50 },
		    { .silence_ms = 5000, .floor = 1024, .window_ms = 300 },
		    FETCH_FAILED, "too slow" },
		{ { .rule = "as much as the floor asks for, in each window",
		      .bytes = { (const uint8_t *)"20 x\r\n", 6 },
		      .repeat = 20,
		      .pause_ms = 50 },
		    { .silence_ms = 5000, .floor = 6, .window_ms = 400 },
		    FETCH_DONE, NULL },
		{ { .rule = "never silent, never done",
		      .bytes = { (const uint8_t *)"20 x\r\n", 6 },
		      .repeat = 1000,
		      .pause_ms = 50 },
		    { .silence_ms = 5000, .total_ms = 1000 }, FETCH_FAILED,
		    "not done within 1 s" },
		{ { .rule = "all of it covers the handshake too",
		      .deaf = true },
		    { .silence_ms = 9000, .total_ms = 1000 }, FETCH_FAILED,
		    "TLS handshake: not done within 1 s" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct run p;

		run_start(&p, &rows[i].s, &rows[i].limits);
		run_until_done(&p, 1);
		check_row(p.result == rows[i].want, rows[i].s.rule);
		if (rows[i].why != NULL)
			check_row(strstr(p.why.text, rows[i].why) != NULL,
			    p.why.text);
		run_stop(&p);
	}
}

/* Each gets its own, and neither waits for the other's end. */
static void
test_two_at_once(void **state)
{
	static uint8_t page[TLS_RECORD_MAX];
	const struct exchange_limits limits = { .silence_ms = 10000 };
	const struct script fast = { .bytes = slice_of(page, sizeof(page)),
		.repeat = 1000 };
	const struct script slow = { .bytes = SLICE("20 text/plain\r\n"),
		.repeat = 10,
		.pause_ms = 20 };
	struct run p[2];

	(void)state;
	memset(page, 'x', sizeof(page));
	memcpy(page, "20 x\r\n", 6);
	run_start(&p[0], &fast, &limits);
	run_start(&p[1], &slow, &limits);
	run_until_done(p, 2);
	assert_int_equal(p[0].result, FETCH_DONE);
	assert_int_equal(p[1].result, FETCH_DONE);
	assert_int_equal(p[0].received.body, 1000 * sizeof(page) - 6);
	assert_int_equal(p[1].received.body, 9 * slow.bytes.len);
	/* A flood is taken in portions. */
	assert_true(p[0].steps > 1000 / EXCHANGE_STEP_MAX);
	run_stop(&p[0]);
	run_stop(&p[1]);
}

/* At a rate they take turns; no time that it holds up counts as silence, as slow,
 * or as too long. */
static void
test_rate(void **state)
{
	static uint8_t page[TLS_RECORD_MAX];
	struct exchange_rate rate = { .per_s = 8 * sizeof(page) };
	const struct exchange_limits limits = { .silence_ms = 400,
		.total_ms = 900,
		.floor = sizeof(page),
		.window_ms = 100,
		.rate = &rate };
	const struct script s = { .bytes = slice_of(page, sizeof(page)),
		.repeat = 6 };
	const uint64_t began_ms = clock_ms();
	struct run p[2];

	(void)state;
	memset(page, 'x', sizeof(page));
	memcpy(page, "20 x\r\n", 6);
	for (size_t i = 0; i < 2; i++)
		run_start(&p[i], &s, &limits);
	run_until_done(p, 2);
	for (size_t i = 0; i < 2; i++) {
		check_row(p[i].result == FETCH_DONE, p[i].why.text);
		assert_int_equal(p[i].received.body, 6 * sizeof(page) - 6);
		assert_true(exchange_held_ms(p[i].x) >= 1000);
	}
	/* The last record of them is not waited for. */
	assert_true(clock_ms() - began_ms >= 11 * 1000 / 8);
	for (size_t i = 0; i < 2; i++)
		run_stop(&p[i]);
	assert_int_equal(rate.held, 0);
}

/* Given up in any state. */
static void
test_abort(void **state)
{
	const struct exchange_limits limits = { .silence_ms = 10000 };
	const struct script s = { .bytes = SLICE("20 text/plain\r\n"),
		.repeat = 10,
		.pause_ms = 20 };

	(void)state;
	for (unsigned steps = 0; steps < 5; steps++) {
		struct run p;

		run_start(&p, &s, &limits);
		for (unsigned i = 0; i < steps; i++) {
			struct pollfd want;
			uint64_t until;

			exchange_wants(p.x, &want, &until);
			dial_wait(&want, 1, until, NULL);
			assert_int_equal(
			    exchange_step(p.x, &p.why), FETCH_GOING);
		}
		assert_false(exchange_resumed(p.x));
		run_stop(&p);
	}
}

static enum fetch_result
script_fetch(const struct script *s, struct received *h, struct why *why)
{
	struct fetch_handler handler = { .trust = on_trust,
		.header = on_header,
		.body = on_body,
		.arg = h };
	struct tls_server *origin = link_make_server(&script_settings, NULL);
	struct tls_client *fetcher = tls_client_new(NULL, NULL, why);
	enum fetch_result result;
	struct target t;
	char url[64];
	unsigned port;
	int listener = loopback_listen(&port);
	int status;
	pid_t pid = fork();

	if (pid == 0)
		script_serve(listener, origin, s);
	close(listener);
	snprintf(url, sizeof(url), "127.0.0.1:%u/x", port);
	assert_int_equal(target_parse(slice_str(url), &t, why), TARGET_OK);
	result = fetch(
	    &t, fetcher, s->timeout_s == 0 ? 10 : s->timeout_s, &handler, why);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	tls_client_free(&fetcher);
	tls_server_free(&origin);
	return result;
}

static void
test_answers(void **state)
{
	static uint8_t page[TLS_RECORD_MAX];
	static uint8_t line[1100];
	const struct script rows[] = {
		{ .rule = "a page",
		    .bytes = SLICE("20 text/gemini\r\n# hi\n"),
		    .repeat = 1,
		    .want = FETCH_DONE,
		    .status = 20,
		    .meta = "text/gemini",
		    .body = 5 },
		{ .rule = "an empty page",
		    .bytes = SLICE("20 text/plain; charset=utf-8\r\n"),
		    .repeat = 1,
		    .want = FETCH_DONE,
		    .status = 20,
		    .meta = "text/plain; charset=utf-8" },
		{ .rule = "no close_notify",
		    .bytes = SLICE("20 text/gemini\r\n# hi\n"),
		    .repeat = 1,
		    .bare = true,
		    .want = FETCH_CUT,
		    .status = 20,
		    .meta = "text/gemini",
		    .body = 5 },
		{ .rule = "a reset in the body",
		    .bytes = SLICE("20 text/gemini\r\n# hi\n"),
		    .repeat = 1,
		    .reset = true,
		    .want = FETCH_FAILED,
		    .status = 20,
		    .meta = "text/gemini",
		    .body = 5,
		    .why = "in the middle of the answer" },
		{ .rule = "a refusal's body is nobody's",
		    .bytes = SLICE("51 Not found\r\nbody"),
		    .repeat = 1,
		    .want = FETCH_DONE,
		    .status = 51,
		    .meta = "Not found" },
		{ .rule = "no text after a code",
		    .bytes = SLICE("50\r\n"),
		    .repeat = 1,
		    .want = FETCH_DONE,
		    .status = 50,
		    .meta = "" },
		{ .rule = "not Gemini",
		    .bytes = SLICE("HTTP/1.1 400 Bad Request\r\n\r\n"),
		    .repeat = 1,
		    .want = FETCH_FAILED,
		    .why = "not Gemini" },
		{ .rule = "an unknown class",
		    .bytes = SLICE("99 x\r\n"),
		    .repeat = 1,
		    .want = FETCH_FAILED,
		    .why = "not Gemini" },
		{ .rule = "an escape in the header",
		    .bytes = SLICE("20 text/\x1b[2Jgemini\r\n"),
		    .repeat = 1,
		    .want = FETCH_FAILED,
		    .why = "not Gemini" },
		{ .rule = "a header without end",
		    .bytes = slice_of(line, sizeof(line)),
		    .repeat = 1000,
		    .want = FETCH_FAILED,
		    .why = "does not end" },
		{ .rule = "an end before the header's",
		    .bytes = SLICE("20 te"),
		    .repeat = 1,
		    .want = FETCH_FAILED,
		    .why = "closed the connection" },
		{ .rule = "silence in the handshake",
		    .deaf = true,
		    .timeout_s = 1,
		    .want = FETCH_FAILED,
		    .why = "TLS handshake: no answer within 1 s" },
		{ .rule = "silence before the header",
		    .bytes = SLICE("20 x\r\n"),
		    .repeat = 1,
		    .pause_ms = 10000,
		    .timeout_s = 1,
		    .want = FETCH_FAILED,
		    .why = "waiting for a header: no answer within 1 s" },
		{ .rule = "a header in drops does not extend the timeout",
		    .bytes = SLICE("2"),
		    .repeat = 100,
		    .pause_ms = 200,
		    .timeout_s = 1,
		    .want = FETCH_FAILED,
		    .why = "waiting for a header: no answer within 1 s" },
	};

	(void)state;
	memset(page, 'x', sizeof(page));
	memset(line, 'x', sizeof(line));
	memcpy(line, "20 ", 3);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct script *s = &rows[i];
		struct received h = { .trust = true };
		struct why why;

		why_clear(&why);
		check_row(script_fetch(s, &h, &why) == s->want, s->rule);
		assert_int_equal(h.status, s->status);
		if (s->meta != NULL)
			assert_string_equal(h.meta, s->meta);
		assert_int_equal(h.body, s->body);
		check_row((why.text[0] == '\0') == (s->why == NULL), s->rule);
		if (s->why != NULL)
			check_row(strstr(why.text, s->why) != NULL, why.text);
	}
}

/* Slow, but never silent for long: as long as it takes. */
static void
test_slow_body(void **state)
{
	const struct script s = { .bytes = SLICE("20 text/plain\r\n"),
		.repeat = 8,
		.pause_ms = 200,
		.timeout_s = 1 };
	struct received h = { .trust = true };
	struct why why;

	(void)state;
	assert_int_equal(script_fetch(&s, &h, &why), FETCH_DONE);
	assert_int_equal(h.body, 7 * s.bytes.len);
}

static void
test_stopped(void **state)
{
	static uint8_t page[TLS_RECORD_MAX];
	const struct script s = { .bytes = slice_of(page, sizeof(page)),
		.repeat = 1000 };
	struct received h = { .trust = false };
	struct why why;

	(void)state;
	memset(page, 'x', sizeof(page));
	memcpy(page, "20 x\r\n", 6);
	assert_int_equal(script_fetch(&s, &h, &why), FETCH_STOPPED);
	assert_int_equal(h.status, 0); /* nothing was asked */
	h = (struct received){ .trust = true, .enough = 100000 };
	assert_int_equal(script_fetch(&s, &h, &why), FETCH_STOPPED);
	assert_in_range(h.body, 100000, 100000 + sizeof(page));
	h = (struct received){ .trust = true };
	why_clear(&why);
	assert_int_equal(script_fetch(&s, &h, &why), FETCH_DONE);
	assert_int_equal(h.body, 1000 * sizeof(page) - 6);
	assert_string_equal(why.text, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_two_at_once),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_slow_body),
		cmocka_unit_test(test_stopped),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
