/* SPDX-License-Identifier: ISC */
#include "support/address.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/tree.h"

/* What people write, and what it means: one or two addresses. */
struct parsing {
	const char *text;
	const char *first; /* NULL: refused */
	const char *second;
};

static const struct parsing parsings[] = {
	{ "127.0.0.1", "127.0.0.1:1965", NULL }, /* rule 1.1.16 */
	{ "127.0.0.1:1966", "127.0.0.1:1966", NULL },
	{ "127.0.0.1:0", "127.0.0.1:0", NULL },
	{ "127.0.0.1:65535", "127.0.0.1:65535", NULL },
	{ "0.0.0.0", "0.0.0.0:1965", NULL },
	{ "::1", "[::1]:1965", NULL },
	{ "[::1]", "[::1]:1965", NULL },
	{ "[0:0::1]:7", "[::1]:7", NULL },
	{ "::", "[::]:1965", NULL },
	{ "2001:DB8::1", "[2001:db8::1]:1965", NULL },
	{ "[fe80::1%lo]:1", "[fe80::1%lo]:1", NULL },
	{ "*", "0.0.0.0:1965", "[::]:1965" },
	{ "*:7", "0.0.0.0:7", "[::]:7" },
	{ ":7", "0.0.0.0:7", "[::]:7" },
	{ "unix:/run/x.sock", "unix:/run/x.sock", NULL },
	{ "", NULL, NULL },
	{ "localhost", NULL, NULL },
	{ "1965", NULL, NULL },
	{ "127.1", NULL, NULL },
	{ "127.0.0.1:65536", NULL, NULL },
	{ "127.0.0.1:", NULL, NULL },
	{ "127.0.0.1:1x", NULL, NULL },
	{ "127.0.0.1:-1", NULL, NULL },
	{ ":", NULL, NULL },
	{ "[::1", NULL, NULL },
	{ "[::1]1965", NULL, NULL },
	{ "[]:1965", NULL, NULL },
	{ "[fe80::1%nosuchif0]", NULL, NULL },
	{ "::ffff:127.0.0.1", NULL, NULL },
	{ "unix:", NULL, NULL },
};

static void
test_parse(void **state)
{
	struct listen_address a[2];
	struct why why = { "" };
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(parsings) / sizeof(parsings[0]); i++) {
		const struct parsing *row = &parsings[i];
		bool ok = listen_parse(row->text, a, &n, &why);

		check_row(ok == (row->first != NULL), row->text);
		check_row(ok == (why.text[0] == '\0'), row->text);
		why_clear(&why);
		if (!ok)
			continue;
		check_row(n == (row->second == NULL ? 1 : 2), row->text);
		check_row(strcmp(a[0].text, row->first) == 0, row->text);
		if (n == 2)
			check_row(
			    strcmp(a[1].text, row->second) == 0, row->text);
	}
}

static void
test_parse_of_too_long_text(void **state)
{
	struct listen_address a[2];
	char text[300] = "unix:/";
	struct why why;
	size_t n;

	(void)state;
	memset(text + 6, 'x', sizeof(text) - 7);
	text[5 + 107] = '\0';
	assert_true(listen_parse(text, a, &n, &why));
	assert_string_equal(a[0].text, text);
	text[5 + 107] = 'x';
	text[5 + 108] = '\0';
	assert_false(listen_parse(text, a, &n, &why));
	assert_false(listen_parse(text + 6, a, &n, &why));
}

static void
test_equal(void **state)
{
	struct listen_address a = address_of("[::1]:7");
	struct listen_address b = address_of("[0::1]:7");
	struct listen_address c = address_of("[::1]:8");
	struct listen_address d = address_of("127.0.0.1:7");
	struct listen_address e = address_of("unix:/a");
	struct listen_address f = address_of("unix:/b");

	(void)state;
	assert_true(listen_equal(&a, &b));
	assert_false(listen_equal(&a, &c));
	assert_false(listen_equal(&a, &d));
	assert_true(listen_equal(&e, &e));
	assert_false(listen_equal(&e, &f));
	assert_int_equal(listen_port(&a), 7);
	assert_int_equal(listen_port(&d), 7);
	assert_int_equal(listen_port(&e), 0);
}

static int
option(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void
test_open(void **state)
{
	static const char *const texts[] = { "127.0.0.1:0", "[::1]:0" };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct listen_address a = address_of(texts[i]);
		char text[LISTEN_TEXT_SIZE];
		int fd = listen_open(&a);

		if (fd == -1 && i == 1 && errno == EADDRNOTAVAIL)
			continue; /* a machine without IPv6 */
		assert_int_not_equal(fd, -1);
		assert_int_not_equal(listen_port(&a), 0);
		snprintf(text, sizeof(text), "%.*s%u",
		    (int)strlen(texts[i]) - 1, texts[i], listen_port(&a));
		assert_string_equal(a.text, text);
		assert_int_equal(option(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
		assert_int_equal(option(fd, SOL_SOCKET, SO_REUSEADDR), 1);
		assert_int_equal(option(fd, SOL_SOCKET, SO_REUSEPORT), 0);
		if (i == 1)
			assert_int_equal(
			    option(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
		assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		close(fd);
	}
}

/* What an accepted connection has from its listening socket, which saves a call
 * for each. */
static void
test_connections_inherit(void **state)
{
	struct listen_address a = address_of("127.0.0.1:0");
	int fd = listen_open(&a), client, server;

	(void)state;
	assert_int_not_equal(fd, -1);
	assert_int_equal(
	    option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT), LISTEN_DEFER_S);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&a.addr, a.len), 0);
	assert_int_equal(accept(fd, NULL, NULL), -1); /* nothing sent yet */
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(send(client, "x", 1, MSG_NOSIGNAL), 1);
	do
		server = accept(fd, NULL, NULL);
	while (server == -1 && errno == EAGAIN);
	assert_int_not_equal(server, -1);
	assert_int_equal(
	    option(server, IPPROTO_TCP, TCP_NOTSENT_LOWAT), LISTEN_UNSENT_MAX);
	close(server);
	close(client);
	close(fd);
}

static void
test_open_any_of_both_families_on_one_port(void **state)
{
	struct listen_address four = address_of("0.0.0.0:0");
	int fd4 = listen_open(&four);
	struct listen_address six;
	char text[32];
	int fd6;

	(void)state;
	assert_int_not_equal(fd4, -1);
	snprintf(text, sizeof(text), "[::]:%u", listen_port(&four));
	six = address_of(text);
	fd6 = listen_open(&six);
	if (fd6 == -1)
		assert_int_equal(errno, EAFNOSUPPORT);
	else
		close(fd6);
	close(fd4);
}

static void
test_open_address_in_use(void **state)
{
	struct listen_address a = address_of("127.0.0.1:0");
	int first = listen_open(&a);

	(void)state;
	assert_int_not_equal(first, -1);
	assert_int_equal(listen_open(&a), -1);
	assert_int_equal(errno, EADDRINUSE);
	close(first);
	a = address_of("192.0.2.1:0"); /* nobody's (RFC 5737) */
	assert_int_equal(listen_open(&a), -1);
	assert_int_equal(errno, EADDRNOTAVAIL);
}

static void
test_open_unix(void **state)
{
	struct listen_address a = address_of_unix("s");
	int first = listen_open(&a);
	int second;

	(void)state;
	assert_int_not_equal(first, -1);
	assert_int_equal(listen_port(&a), 0);
	/* Somebody answers: it stays theirs. */
	assert_int_equal(listen_open(&a), -1);
	assert_int_equal(errno, EADDRINUSE);
	close(first);
	/* Nobody does: a leftover. */
	second = listen_open(&a);
	assert_int_not_equal(second, -1);
	close(second);
}

/* A server that is only too busy to answer still exists. */
static void
test_open_unix_of_a_busy_server(void **state)
{
	struct listen_address a = address_of_unix("s");
	const struct sockaddr *addr = (const struct sockaddr *)&a.addr;
	int first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int waiting;

	(void)state;
	assert_int_equal(bind(first, addr, a.len), 0);
	assert_int_equal(listen(first, 0), 0);
	waiting = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(waiting, addr, a.len), 0);
	assert_int_equal(listen_open(&a), -1);
	assert_int_equal(errno, EADDRINUSE);
	assert_int_equal(access(tree_path("s"), F_OK), 0);
	close(waiting);
	close(first);
}

static void
test_open_unix_leaves_files_alone(void **state)
{
	struct listen_address a = address_of_unix("f");

	(void)state;
	tree_write("f", "x");
	assert_int_equal(listen_open(&a), -1);
	assert_int_equal(errno, EADDRINUSE);
	assert_int_equal(access(tree_path("f"), F_OK), 0);
	a = address_of_unix("none/s");
	assert_int_equal(listen_open(&a), -1);
	assert_int_equal(errno, ENOENT);
}

/* In a child, where descriptor 3 and the environment are ours: sockets that the
 * service manager of a test hands over. */
static int
inherit(void *arg)
{
	struct listen_address a[LISTEN_INHERIT_MAX];
	int fds[LISTEN_INHERIT_MAX];
	struct listen_address tcp = address_of("127.0.0.1:0");
	struct listen_address local = *(struct listen_address *)arg;
	const int other = 1 << 20;
	char pid[16];
	int at[3];

	at[0] = fcntl(listen_open(&tcp), F_DUPFD, 100);
	at[1] = fcntl(socket(AF_INET, SOCK_STREAM, 0), F_DUPFD, 100);
	at[2] = fcntl(listen_open(&local), F_DUPFD, 100);
	if (dup2(at[0], 3) != 3 || dup2(at[1], 4) != 4 || dup2(at[2], 5) != 5)
		return 1;
	if (fcntl(3, F_SETFL, 0) == -1 ||
	    setsockopt(
		3, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &other, sizeof(other)) == -1)
		return 2;
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	/* Meant for another process. */
	setenv("LISTEN_PID", "1", 1);
	setenv("LISTEN_FDS", "1", 1);
	if (listen_inherit(fds, a) != 0)
		return 9;
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "4", 1); /* 6 is not even open */
	close(6);
	if (listen_inherit(fds, a) != 2 || fds[0] != 3 || fds[1] != 5)
		return 3;
	if (!listen_equal(&a[0], &tcp) || strcmp(a[0].text, tcp.text) != 0)
		return 4;
	if (!listen_equal(&a[1], &local) || strcmp(a[1].text, local.text) != 0)
		return 5;
	if (!(fcntl(3, F_GETFL) & O_NONBLOCK) ||
	    !(fcntl(3, F_GETFD) & FD_CLOEXEC))
		return 6;
	if (option(3, IPPROTO_TCP, TCP_NOTSENT_LOWAT) != LISTEN_UNSENT_MAX)
		return 10;
	if (getenv("LISTEN_PID") != NULL || getenv("LISTEN_FDS") != NULL)
		return 7;
	return listen_inherit(fds, a) == 0 ? 0 : 8;
}

static void
test_inherit(void **state)
{
	struct listen_address a = address_of_unix("s");

	(void)state;
	assert_int_equal(chmod(tree_path(""), 0777), 0);
	assert_int_equal(tree_run_as_nobody(inherit, &a), 0);
}

static void
test_inherit_ignores_other_descriptors(void **state)
{
	struct listen_address a[LISTEN_INHERIT_MAX];
	int fds[LISTEN_INHERIT_MAX];
	char pid[16];

	(void)state;
	setenv("LISTEN_PID", "1", 1);
	setenv("LISTEN_FDS", "1", 1);
	assert_int_equal(listen_inherit(fds, a), 0);
	assert_null(getenv("LISTEN_FDS"));
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	assert_int_equal(listen_inherit(fds, a), 0);
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "65", 1);
	assert_int_equal(listen_inherit(fds, a), 0);
}

#define in_a_tree(test)                                                        \
	cmocka_unit_test_setup_teardown(test, tree_set_up, tree_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_of_too_long_text),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_connections_inherit),
		cmocka_unit_test(test_open_any_of_both_families_on_one_port),
		cmocka_unit_test(test_open_address_in_use),
		in_a_tree(test_open_unix),
		in_a_tree(test_open_unix_of_a_busy_server),
		in_a_tree(test_open_unix_leaves_files_alone),
		in_a_tree(test_inherit),
		cmocka_unit_test(test_inherit_ignores_other_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
