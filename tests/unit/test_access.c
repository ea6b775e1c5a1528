/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/access.h"

static struct sockaddr_storage v4, v6, local;

static int
addresses(void **state)
{
	struct sockaddr_in *a = (void *)&v4;
	struct sockaddr_in6 *b = (void *)&v6;

	(void)state;
	v4.ss_family = AF_INET;
	v6.ss_family = AF_INET6;
	local.ss_family = AF_UNIX;
	return inet_pton(AF_INET, "192.0.2.77", &a->sin_addr) +
	       inet_pton(AF_INET6, "2001:db8:1:2:3::4", &b->sin6_addr) - 2;
}

static struct access_entry
entry(void)
{
	return (struct access_entry){
		.from = &v4,
		.host = "localhost",
		.status = STATUS_SUCCESS,
		.bytes = 5120,
		.ms = 3,
		.tls = "TLSv1.3",
		.complete = true,
		.path = SLICE("/page.gmi"),
		.query = SLICE("secret"),
		.has_query = true,
	};
}

/* The line after its time, which is checked for its shape. */
static const char *
line(const struct access *a, const struct access_entry *e)
{
	static char text[8192];
	struct buf out;

	buf_init(&out, sizeof(text) - 1);
	access_format(a, e, &out);
	memcpy(text, out.ptr, out.len);
	text[out.len] = '\0';
	buf_fini(&out);
	if (a->json)
		return text;
	assert_int_equal(text[10], 'T');
	assert_int_equal(text[23], 'Z');
	return text + 25;
}

static void
test_text(void **state)
{
	struct access a = { .addresses = CONF_ADDRESSES_TRUNCATED };
	struct access_entry e = entry();

	(void)state;
	assert_string_equal(line(&a, &e),
	    "192.0.2.0/24 localhost 20 5120 3 TLSv1.3 new complete "
	    "/page.gmi\n");
	e.from = &v6;
	e.resumed = true;
	e.complete = false;
	assert_string_equal(line(&a, &e),
	    "2001:db8:1::/48 localhost 20 5120 3 TLSv1.3 resumed cut "
	    "/page.gmi\n");
	a.addresses = CONF_ADDRESSES_FULL;
	a.query = true;
	assert_string_equal(line(&a, &e),
	    "2001:db8:1:2:3::4 localhost 20 5120 3 TLSv1.3 resumed cut "
	    "/page.gmi?secret\n");
	a.addresses = CONF_ADDRESSES_NONE;
	e.host = NULL;
	e.status = STATUS_NONE;
	e.path = SLICE("");
	e.has_query = false;
	assert_string_equal(
	    line(&a, &e), "- - - 5120 3 TLSv1.3 resumed cut -\n");
	e.from = &local;
	assert_string_equal(
	    line(&a, &e), "unix - - 5120 3 TLSv1.3 resumed cut -\n");
}

/* Nothing that a client sends reaches a terminal unescaped. */
static void
test_escape(void **state)
{
	struct access a = { .addresses = CONF_ADDRESSES_NONE };
	struct access_entry e = entry();

	(void)state;
	e.path = SLICE("/\x1b[31m\r\n\x07\xff");
	assert_string_equal(strstr(line(&a, &e), "complete "),
	    "complete /\\x1b[31m\\x0d\\x0a\\x07\\xff\n");
	a.json = true;
	e.path = SLICE("/\"\\\x1b\n");
	assert_null(strchr(line(&a, &e), '\x1b'));
	assert_ptr_equal(strchr(line(&a, &e), '\n'),
	    line(&a, &e) + strlen(line(&a, &e)) - 1);
}

/* The fields of a request's line, then the reason to the end of the line. */
static void
test_failed_handshake(void **state)
{
	struct access a = { .addresses = CONF_ADDRESSES_FULL };
	struct access_entry e = { .from = &v4, .ms = 3, .tls = "-" };

	(void)state;
	e.handshake = "not TLS";
	assert_string_equal(
	    line(&a, &e), "192.0.2.77 - - 0 3 - new cut - not TLS\n");
	e.host = "localhost";
	e.handshake = "a\n\x1b[31m\"b";
	assert_string_equal(line(&a, &e),
	    "192.0.2.77 localhost - 0 3 - new cut - a\\x0a\\x1b[31m\"b\n");
	a.json = true;
	assert_string_equal(strstr(line(&a, &e), ",\"address\""),
	    ",\"address\":\"192.0.2.77\",\"host\":\"localhost\",\"status\":0,"
	    "\"bytes\":0,\"ms\":3,\"tls\":\"-\",\"resumed\":false,"
	    "\"complete\":false,\"path\":\"\","
	    "\"handshake\":\"a\\u000a\\u001b[31m\\\"b\"}\n");
	e.handshake = NULL;
	assert_null(strstr(line(&a, &e), "handshake"));
}

static void
test_longest(void **state)
{
	static uint8_t path[1024];
	struct access a = { .addresses = CONF_ADDRESSES_FULL, .query = true };
	struct access_entry e = entry();
	const char *text;

	(void)state;
	memset(path, 0x01, sizeof(path));
	e.path = slice_of(path, sizeof(path));
	text = line(&a, &e);
	assert_int_equal(text[strlen(text) - 1], '\n');
	a.json = true;
	text = line(&a, &e);
	assert_string_equal(text + strlen(text) - 3, "\"}\n");
}

/* A pipe without a reader loses lines and does not block the server. */
static void
test_full_pipe(void **state)
{
	struct access a = { .may_block = true };
	struct access_entry e = entry();
	int pair[2];

	(void)state;
	assert_int_equal(pipe(pair), 0);
	a.fd = pair[1];
	for (int i = 0; i < 5000; i++)
		access_write(&a, &e);
	close(pair[0]);
	close(pair[1]);
}

/* A scene with a log in a file of its own, read back by content(). */
static struct {
	struct access access;
	_Atomic bool cut;
	FILE *file;
} scene;

static void
open_scene(void)
{
	scene.file = tmpfile();
	assert_non_null(scene.file);
	scene.access = (struct access){ .cut = &scene.cut };
	scene.access.fd = fcntl(fileno(scene.file), F_DUPFD_CLOEXEC, 3);
	atomic_store(&scene.cut, false);
}

static void
close_scene(void)
{
	close(scene.access.fd);
	fclose(scene.file);
}

/* Of any length there is one LF, at the end of at most ACCESS_LINE_MAX
 * bytes. */
static void
test_cut_line_ends_with_lf(void **state)
{
	static uint8_t path[ACCESS_LINE_MAX + 100];
	static char text[ACCESS_LINE_MAX + 100];
	struct access_entry e = entry();

	(void)state;
	memset(path, 'a', sizeof(path));
	for (size_t len = ACCESS_LINE_MAX - 250; len < sizeof(path); len++) {
		ssize_t n;

		open_scene();
		scene.access.json = len % 2 == 0;
		e.path = slice_of(path, len);
		access_write(&scene.access, &e);
		n = pread(scene.access.fd, text, sizeof(text), 0);
		assert_in_range(n, 1, ACCESS_LINE_MAX);
		assert_ptr_equal(memchr(text, '\n', (size_t)n), text + n - 1);
		close_scene();
	}
}

/* Another worker's line was cut: the next begins a line of its own, once. */
static void
test_the_line_after_a_cut_one(void **state)
{
	struct access_entry e = entry();
	char text[1000];
	ssize_t n;

	(void)state;
	open_scene();
	assert_int_equal(write(scene.access.fd, "2020-01", 7), 7);
	atomic_store(&scene.cut, true);
	access_write(&scene.access, &e);
	access_write(&scene.access, &e);
	n = pread(scene.access.fd, text, sizeof(text) - 1, 0);
	assert_true(n > 8);
	text[n] = '\0';
	assert_memory_equal(text, "2020-01\n2", 9);
	assert_null(strstr(text, "\n\n"));
	assert_false(atomic_load(&scene.cut));
	close_scene();
}

/* Lines longer than PIPE_BUF, of which only a part fits into the pipe. */
static void
test_line_cut_by_a_pipe(void **state)
{
	static uint8_t path[1024];
	static char text[1 << 20];
	struct access_entry e = entry();
	int pair[2];
	size_t got = 0;
	ssize_t n;

	(void)state;
	memset(path, 0x01, sizeof(path));
	e.path = slice_of(path, sizeof(path));
	assert_int_equal(pipe2(pair, O_NONBLOCK), 0);
	open_scene();
	scene.access.may_block = scene.access.json = true;
	dup2(pair[1], scene.access.fd);
	for (int i = 0; i < 100; i++) {
		access_write(&scene.access, &e);
		if (i % 20 == 19)
			while ((n = read(pair[0], text + got,
				    sizeof(text) - got)) > 0)
				got += (size_t)n;
	}
	assert_true(got > 0 && got < sizeof(text));
	text[got] = '\0';
	for (char *at = text; (at = strstr(at, "{\"time")) != NULL; at++)
		assert_true(at == text || at[-1] == '\n');
	close_scene();
	close(pair[0]);
	close(pair[1]);
}

static size_t
lines_in(int fd)
{
	static char text[1 << 17];
	ssize_t n = pread(fd, text, sizeof(text), 0);
	size_t lines = 0;

	assert_true(n >= 0 && n < (ssize_t)sizeof(text));
	assert_true(n == 0 || text[n - 1] == '\n');
	for (ssize_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	return lines;
}

static void
test_lines_are_held_until_flushed(void **state)
{
	static const char *const paths[] = { "/one", "/two", "/three" };
	struct access_entry e = entry();
	char text[1000], *at = text;
	ssize_t n;

	(void)state;
	open_scene();
	assert_true(access_hold(&scene.access));
	for (size_t i = 0; i < 3; i++) {
		e.path = slice_str(paths[i]);
		access_write(&scene.access, &e);
	}
	assert_int_equal(lines_in(scene.access.fd), 0);
	access_flush(&scene.access);
	access_flush(&scene.access);
	assert_int_equal(lines_in(scene.access.fd), 3);
	n = pread(scene.access.fd, text, sizeof(text) - 1, 0);
	text[n] = '\0';
	for (size_t i = 0; i < 3; i++) {
		at = strstr(at, paths[i]);
		assert_non_null(at);
	}
	free(scene.access.held);
	close_scene();
}

/* Not more than there is room for. */
static void
test_many_lines_are_written_meanwhile(void **state)
{
	static uint8_t path[1024];
	struct access_entry e = entry();

	(void)state;
	memset(path, 0x01, sizeof(path));
	e.path = slice_of(path, sizeof(path));
	open_scene();
	assert_true(access_hold(&scene.access));
	for (size_t i = 0; i < 20; i++) {
		access_write(&scene.access, &e);
		assert_in_range(scene.access.held_len, 1, ACCESS_HELD_MAX);
	}
	assert_in_range(lines_in(scene.access.fd), 1, 19);
	access_flush(&scene.access);
	assert_int_equal(lines_in(scene.access.fd), 20);
	free(scene.access.held);
	close_scene();
}

/* Requests do not count, and are logged in any case. */
static void
test_a_flood_of_failed_handshakes(void **state)
{
	struct access_entry failed = { .from = &v4, .tls = "-" };
	struct access_entry request = entry();

	(void)state;
	failed.handshake = "not TLS";
	open_scene();
	for (int i = 0; i < 3 * ACCESS_HANDSHAKES_MAX; i++)
		access_write(&scene.access, &failed);
	assert_int_equal(lines_in(scene.access.fd), ACCESS_HANDSHAKES_MAX);
	assert_true(scene.access.unlogged_ms > 0);
	access_write(&scene.access, &request);
	assert_int_equal(lines_in(scene.access.fd), ACCESS_HANDSHAKES_MAX + 1);
	scene.access.period_ms -= ACCESS_HANDSHAKES_MS; /* it is over */
	access_write(&scene.access, &failed);
	assert_int_equal(lines_in(scene.access.fd), ACCESS_HANDSHAKES_MAX + 2);
	close_scene();
}

static void
test_the_end_of_a_log_writes_what_is_held(void **state)
{
	struct access_entry e = entry();

	(void)state;
	open_scene();
	assert_true(access_hold(&scene.access));
	access_write(&scene.access, &e);
	scene.access.cut = NULL;
	access_fini(&scene.access);
	assert_null(scene.access.held);
	assert_int_equal(lines_in(fileno(scene.file)), 1);
	fclose(scene.file);
}

/* Short and long ones: each as a whole, in order, also where one was cut. */
static void
test_held_lines_through_a_pipe(void **state)
{
	static uint8_t path[1000];
	static char text[1 << 17];
	struct access_entry e = entry();
	size_t got = 0, found = 0;
	char *at = text;
	int pair[2];
	ssize_t n;

	(void)state;
	memset(path, 'p', sizeof(path));
	assert_int_equal(pipe2(pair, O_NONBLOCK), 0);
	open_scene();
	scene.access.may_block = true;
	dup2(pair[1], scene.access.fd);
	atomic_store(&scene.cut, true);
	assert_true(access_hold(&scene.access));
	for (size_t i = 0; i < 60; i++) {
		e.ms = i;
		e.path = slice_of(path, i % 7 == 0 ? sizeof(path) : 1);
		access_write(&scene.access, &e);
	}
	access_flush(&scene.access);
	while ((n = read(pair[0], text + got, sizeof(text) - 1 - got)) > 0)
		got += (size_t)n;
	text[got] = '\0';
	assert_true(text[0] == '\n' && text[got - 1] == '\n');
	for (at = text + 1; *at != '\0'; at = strchr(at, '\n') + 1) {
		char number[32];

		snprintf(number, sizeof(number), " %zu TLSv", found++);
		assert_non_null(memmem(at, (size_t)(strchr(at, '\n') - at),
		    number, strlen(number)));
	}
	assert_int_equal(found, 60);
	free(scene.access.held);
	close_scene();
	close(pair[0]);
	close(pair[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_failed_handshake),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_full_pipe),
		cmocka_unit_test(test_cut_line_ends_with_lf),
		cmocka_unit_test(test_the_line_after_a_cut_one),
		cmocka_unit_test(test_line_cut_by_a_pipe),
		cmocka_unit_test(test_lines_are_held_until_flushed),
		cmocka_unit_test(test_many_lines_are_written_meanwhile),
		cmocka_unit_test(test_a_flood_of_failed_handshakes),
		cmocka_unit_test(test_the_end_of_a_log_writes_what_is_held),
		cmocka_unit_test(test_held_lines_through_a_pipe),
	};

	return cmocka_run_group_tests(tests, addresses, NULL);
}
