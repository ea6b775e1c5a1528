/* SPDX-License-Identifier: ISC */
#include "client/socks.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

static void
test_urls(void **state)
{
	static const struct {
		const char *url;
		const char *host; /* NULL: refused */
		unsigned port;
	} rows[] = {
		{ "socks5://127.0.0.1:9050", "127.0.0.1", 9050 },
		{ "socks5://localhost:1/", "localhost", 1 },
		{ "socks5://[::1]:65535", "::1", 65535 },
		{ "socks5://127.0.0.1", NULL, 0 },
		{ "socks5://:9050", NULL, 0 },
		{ "socks5://127.0.0.1:", NULL, 0 },
		{ "socks5://127.0.0.1:0", NULL, 0 },
		{ "socks5://127.0.0.1:65536", NULL, 0 },
		{ "socks5://me@127.0.0.1:9050", NULL, 0 },
		{ "socks5://127.0.0.1:9050/x", NULL, 0 },
		{ "socks4://127.0.0.1:9050", NULL, 0 },
		{ "http://127.0.0.1:9050", NULL, 0 },
		{ "127.0.0.1:9050", NULL, 0 },
		{ "", NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct proxy p;
		struct why why;
		bool ok = proxy_parse(rows[i].url, &p, &why);

		check_row(ok == (rows[i].host != NULL), rows[i].url);
		if (!ok) {
			check_row(strstr(why.text, "invalid proxy \"") != NULL,
			    why.text);
			continue;
		}
		assert_string_equal(p.host, rows[i].host);
		assert_int_equal(p.port, rows[i].port);
	}
}

#define NAMED "\x05\x01\x00\x03\x08one.test\x07\xad"

static const struct {
	const char *rule;
	const char *host;
	struct slice choice;  /* the answer to the greeting */
	struct slice request; /* what must come then; "": nothing */
	struct slice reply;
	enum io want;
	const char *why;
} rows[] = {
	{ "a name goes to the proxy", "one.test:1965",
	    { (const uint8_t *)"\x05\x00", 2 }, { (const uint8_t *)NAMED, 15 },
	    { (const uint8_t *)"\x05\x00\x00\x01\0\0\0\0\0\0", 10 }, IO_DONE,
	    NULL },
	{ "an address goes as one", "127.0.0.1:258",
	    { (const uint8_t *)"\x05\x00", 2 },
	    { (const uint8_t *)"\x05\x01\x00\x01\x7f\0\0\x01\x01\x02", 10 },
	    { (const uint8_t *)"\x05\x00\x00\x04"
			       "0123456789abcdef\0\0",
		22 },
	    IO_DONE, NULL },
	{ "and so does a long one", "[::1]:1965",
	    { (const uint8_t *)"\x05\x00", 2 },
	    { (const uint8_t *)"\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
			       "\x01\x07\xad",
		22 },
	    { (const uint8_t *)"\x05\x00\x00\x03\x02xy\0\0", 9 }, IO_DONE,
	    NULL },
	{ "a refusal has its number and its words", "one.test",
	    { (const uint8_t *)"\x05\x00", 2 }, { (const uint8_t *)NAMED, 15 },
	    { (const uint8_t *)"\x05\x04\x00\x01\0\0\0\0\0\0", 10 }, IO_FAILED,
	    "answers 4, host unreachable" },
	{ "one that nobody knows, too", "one.test",
	    { (const uint8_t *)"\x05\x00", 2 }, { (const uint8_t *)NAMED, 15 },
	    { (const uint8_t *)"\x05\xf4\x00\x01\0\0\0\0\0\0", 10 }, IO_FAILED,
	    "answers 244, a failure of its own" },
	{ "a login is wanted", "one.test", { (const uint8_t *)"\x05\xff", 2 },
	    { NULL, 0 }, { NULL, 0 }, IO_FAILED, "wants a login" },
	{ "another version", "one.test", { (const uint8_t *)"\x04\x00", 2 },
	    { NULL, 0 }, { NULL, 0 }, IO_FAILED, "does not speak SOCKS5" },
	{ "no proxy at all", "one.test", { (const uint8_t *)"HTTP", 4 },
	    { NULL, 0 }, { NULL, 0 }, IO_FAILED, "does not speak SOCKS5" },
	{ "an odd kind of address", "one.test",
	    { (const uint8_t *)"\x05\x00", 2 }, { (const uint8_t *)NAMED, 15 },
	    { (const uint8_t *)"\x05\x00\x00\x02\0\0\0\0\0\0", 10 }, IO_FAILED,
	    "does not speak SOCKS5" },
	{ "the end before a reply", "one.test",
	    { (const uint8_t *)"\x05\x00", 2 }, { (const uint8_t *)NAMED, 15 },
	    { (const uint8_t *)"\x05", 1 }, IO_FAILED,
	    "closed the connection" },
};

struct talk {
	struct socks socks;
	struct target target;
	int fd[2]; /* ours, the proxy's */
	struct why why;
};

/* Gives bytes to our side, one by one; what that comes to. */
static enum io
talk_say(struct talk *t, struct slice bytes)
{
	enum io io = IO_WANT_READ;

	for (size_t i = 0; i < bytes.len && io == IO_WANT_READ; i++) {
		assert_int_equal(write(t->fd[1], bytes.ptr + i, 1), 1);
		io = socks_step(&t->socks, t->fd[0], &t->target, &t->why);
	}
	return io;
}

static void
talk_expect(struct talk *t, struct slice bytes)
{
	uint8_t got[SOCKS_MESSAGE_MAX + 1];
	ssize_t n = recv(t->fd[1], got, sizeof(got), MSG_DONTWAIT);

	assert_int_equal(n, bytes.len);
	assert_memory_equal(got, bytes.ptr, bytes.len);
}

static enum io
talk_run(struct talk *t, size_t row)
{
	enum io io = socks_step(&t->socks, t->fd[0], &t->target, &t->why);

	assert_int_equal(io, IO_WANT_READ);
	talk_expect(t, SLICE("\x05\x01\x00"));
	io = talk_say(t, rows[row].choice);
	if (io != IO_WANT_READ)
		return io;
	talk_expect(t, rows[row].request);
	io = talk_say(t, rows[row].reply);
	if (io != IO_WANT_READ)
		return io;
	close(t->fd[1]);
	t->fd[1] = -1;
	return socks_step(&t->socks, t->fd[0], &t->target, &t->why);
}

static void
test_talks(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct talk t = { .fd = { -1, -1 } };

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, t.fd), 0);
		fcntl(t.fd[0], F_SETFL, O_NONBLOCK);
		assert_int_equal(
		    target_parse(slice_str(rows[i].host), &t.target, &t.why),
		    TARGET_OK);
		check_row(talk_run(&t, i) == rows[i].want, rows[i].rule);
		if (rows[i].why != NULL)
			check_row(
			    strcmp(t.why.text, rows[i].why) == 0, t.why.text);
		close(t.fd[0]);
		if (t.fd[1] != -1)
			close(t.fd[1]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_talks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
