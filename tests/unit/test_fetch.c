/* SPDX-License-Identifier: ISC */
#include "client/fetch.h"

#include "fetch_help.h"

static enum fetch_result
play(const struct script *s, struct heard *h, struct why *why)
{
	struct fetch_visitor visitor = { on_trust, on_header, on_body, h };
	struct tls_server *server = help_server(&help_settings, NULL);
	struct tls_client *client = tls_client_new(NULL, NULL, why);
	enum fetch_result result;
	struct target t;
	char url[64];
	unsigned port;
	int listener = listen_here(&port);
	int status;
	pid_t pid = fork();

	if (pid == 0)
		serve(listener, server, s);
	close(listener);
	snprintf(url, sizeof(url), "127.0.0.1:%u/x", port);
	assert_int_equal(target_parse(slice_str(url), &t, why), TARGET_OK);
	result = fetch(
	    &t, client, s->timeout_s == 0 ? 10 : s->timeout_s, &visitor, why);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	tls_client_free(&client);
	tls_server_free(&server);
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
		{ .rule = "no text behind a code",
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
		{ .rule = "a header in drops does not stretch the patience",
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
		struct heard h = { .trust = true };
		struct why why;

		why_clear(&why);
		check_row(play(s, &h, &why) == s->want, s->rule);
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
	struct heard h = { .trust = true };
	struct why why;

	(void)state;
	assert_int_equal(play(&s, &h, &why), FETCH_DONE);
	assert_int_equal(h.body, 7 * s.bytes.len);
}

static void
test_stopped(void **state)
{
	static uint8_t page[TLS_RECORD_MAX];
	const struct script s = { .bytes = slice_of(page, sizeof(page)),
		.repeat = 1000 };
	struct heard h = { .trust = false };
	struct why why;

	(void)state;
	memset(page, 'x', sizeof(page));
	memcpy(page, "20 x\r\n", 6);
	assert_int_equal(play(&s, &h, &why), FETCH_STOPPED);
	assert_int_equal(h.status, 0); /* nothing was asked */
	h = (struct heard){ .trust = true, .enough = 100000 };
	assert_int_equal(play(&s, &h, &why), FETCH_STOPPED);
	assert_in_range(h.body, 100000, 100000 + sizeof(page));
	h = (struct heard){ .trust = true };
	why_clear(&why);
	assert_int_equal(play(&s, &h, &why), FETCH_DONE);
	assert_int_equal(h.body, 1000 * sizeof(page) - 6);
	assert_string_equal(why.text, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_slow_body),
		cmocka_unit_test(test_stopped),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
