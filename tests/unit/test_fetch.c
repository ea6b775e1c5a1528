/* SPDX-License-Identifier: ISC */
#include "client/fetch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "client/dial.h"
#include "tls_help.h"
#include "util/clock.h"

static const struct tls_settings defaults = { .tickets = true };

/* What a server does, in a process of its own. */
struct script {
	const char *rule;
	struct slice bytes; /* sent once a whole line has come */
	unsigned repeat;    /* that often */
	unsigned pause_ms;  /* before each */
	bool deaf;          /* never even shakes hands */
	bool bare;          /* ends without close_notify */
	bool reset;         /* ends with a reset */
	unsigned timeout_s;
	enum fetch_result want;
	int status;
	const char *meta;
	size_t body;
	const char *why;
};

static bool
serve_all(struct tls_conn *c, int fd, enum io io)
{
	return (io == IO_WANT_READ || io == IO_WANT_WRITE) &&
	       dial_wait(fd, io == IO_WANT_READ ? POLLIN : POLLOUT,
		   clock_ms() + 20000) &&
	       tls_conn_is_open(c);
}

static void
serve_lines(struct tls_conn *c, int fd, const struct script *s)
{
	char line[REQUEST_LINE_MAX];
	size_t len = 0, got;
	enum io io;

	do
		io = tls_conn_handshake(c);
	while (serve_all(c, fd, io));
	while (len < 2 || memcmp(line + len - 2, "\r\n", 2) != 0) {
		do
			io = tls_conn_read(
			    c, line + len, sizeof(line) - len, &got);
		while (serve_all(c, fd, io));
		if (io != IO_DONE)
			return;
		len += got;
	}
	for (unsigned i = 0; i < s->repeat; i++) {
		usleep(s->pause_ms * 1000);
		do
			io = tls_conn_write(c, s->bytes);
		while (serve_all(c, fd, io));
		if (io != IO_DONE)
			return;
	}
	if (!s->bare && !s->reset)
		tls_conn_close_notify(c);
}

static void
serve(int listener, const struct tls_server *tls, const struct script *s)
{
	const struct linger hard = { .l_onoff = 1, .l_linger = 0 };
	struct tls_conn c;
	char byte;
	int fd = accept(listener, NULL, NULL);

	alarm(30);
	signal(SIGPIPE, SIG_IGN);
	if (s->deaf) {
		while (read(fd, &byte, 1) == 1)
			continue;
		_exit(0);
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (!tls_conn_accept(&c, tls, fd))
		_exit(1);
	serve_lines(&c, fd, s);
	if (s->reset) {
		usleep(100 * 1000); /* or the data would go with it */
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	} else {
		shutdown(fd, SHUT_WR);
		dial_wait(fd, POLLIN, clock_ms() + 5000);
	}
	close(fd);
	_exit(0);
}

struct heard {
	bool trust;
	int status;
	char meta[1025];
	size_t body;
	size_t enough;
};

static bool
on_trust(void *arg, const struct target *t, const struct cert *c)
{
	struct heard *h = arg;

	assert_true(cert_names(c, "one.test"));
	assert_string_equal(t->host, "127.0.0.1");
	return h->trust;
}

static bool
on_header(void *arg, int status, struct slice meta)
{
	struct heard *h = arg;

	h->status = status;
	memcpy(h->meta, meta.ptr, meta.len);
	h->meta[meta.len] = '\0';
	return true;
}

static bool
on_body(void *arg, struct slice bytes)
{
	struct heard *h = arg;

	assert_true(bytes.len > 0);
	h->body += bytes.len;
	return h->enough == 0 || h->body < h->enough;
}

static int
listen_here(unsigned *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static enum fetch_result
play(const struct script *s, struct heard *h, struct buf *why)
{
	struct fetch_visitor visitor = { on_trust, on_header, on_body, h };
	struct tls_server *server = help_server(&defaults, NULL);
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
		{ .rule = "no close_notify (spec.md 1.5.50)",
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
		{ .rule = "no text behind a code (spec.md 1.2.30)",
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
		struct buf why;

		buf_init(&why, 4096);
		check_row(play(s, &h, &why) == s->want, s->rule);
		assert_int_equal(h.status, s->status);
		if (s->meta != NULL)
			assert_string_equal(h.meta, s->meta);
		assert_int_equal(h.body, s->body);
		check_row((why.len == 0) == (s->why == NULL), s->rule);
		if (s->why != NULL)
			check_row(strstr(buf_cstr(&why), s->why) != NULL,
			    buf_cstr(&why));
		buf_fini(&why);
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
	struct buf why;

	(void)state;
	buf_init(&why, 4096);
	assert_int_equal(play(&s, &h, &why), FETCH_DONE);
	assert_int_equal(h.body, 7 * s.bytes.len);
	buf_fini(&why);
}

static void
test_stopped(void **state)
{
	static uint8_t page[TLS_RECORD_MAX];
	const struct script s = { .bytes = slice_of(page, sizeof(page)),
		.repeat = 1000 };
	struct heard h = { .trust = false };
	struct buf why;

	(void)state;
	memset(page, 'x', sizeof(page));
	memcpy(page, "20 x\r\n", 6);
	buf_init(&why, 4096);
	assert_int_equal(play(&s, &h, &why), FETCH_STOPPED);
	assert_int_equal(h.status, 0); /* nothing was asked */
	h = (struct heard){ .trust = true, .enough = 100000 };
	assert_int_equal(play(&s, &h, &why), FETCH_STOPPED);
	assert_in_range(h.body, 100000, 100000 + sizeof(page));
	h = (struct heard){ .trust = true };
	assert_int_equal(play(&s, &h, &why), FETCH_DONE);
	assert_int_equal(h.body, 1000 * sizeof(page) - 6);
	assert_int_equal(why.len, 0);
	buf_fini(&why);
}

static void
test_dial(void **state)
{
	char text[256];
	struct buf why;
	unsigned port;
	int fd;

	(void)state;
	buf_wrap(&why, text, sizeof(text));
	close(listen_here(&port)); /* nobody listens there now */
	assert_int_equal(dial("127.0.0.1", port, clock_ms() + 5000, &why), -1);
	assert_non_null(strstr(buf_cstr(&why), "Connection refused"));
	buf_reset(&why);
	assert_int_equal(
	    dial("nothing.invalid", 1965, clock_ms() + 5000, &why), -1);
	assert_non_null(strstr(buf_cstr(&why), "nothing.invalid: "));
	buf_reset(&why);
	fd = listen_here(&port);
	/* The time is over before it began. */
	assert_int_equal(dial("127.0.0.1", port, clock_ms(), &why), -1);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_slow_body),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_dial),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
