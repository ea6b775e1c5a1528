/* SPDX-License-Identifier: ISC */
#include "support/tree.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "server/listeners.h"
#include "support/report.h"

static struct {
	struct conf *conf;
	struct report report;
	struct listeners now;
	struct listeners next;
} scene;

static int
set_up(void **state)
{
	memset(&scene, 0, sizeof(scene));
	return tree_set_up(state);
}

static int
tear_down(void **state)
{
	listeners_close(&scene.now, NULL);
	listeners_close(&scene.next, NULL);
	conf_free(&scene.conf);
	report_fini(&scene.report);
	return tree_tear_down(state);
}

#define in_a_scene(test)                                                       \
	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* A configuration with these addresses; texts end with NULL. */
static void
configure(const char *const texts[])
{
	conf_free(&scene.conf);
	report_fini(&scene.report);
	memset(&scene.report, 0, sizeof(scene.report));
	scene.conf = conf_new();
	assert_non_null(scene.conf);
	for (size_t i = 0; texts[i] != NULL; i++)
		assert_true(
		    conf_list_add(scene.conf, &scene.conf->listen, texts[i]));
}

#define CONFIGURE(...) configure((const char *const[]){ __VA_ARGS__, NULL })

static bool
open_next(void)
{
	return listeners_open(
	    &scene.next, &scene.now, scene.conf, &scene.report);
}

/* What the parent does once a configuration is in force. */
static void
settle(void)
{
	listeners_close(&scene.now, &scene.next);
	scene.now = scene.next;
	memset(&scene.next, 0, sizeof(scene.next));
}

static bool
reported(enum report_level level, const char *words)
{
	return report_contains(&scene.report, level, 0, words);
}

static bool
listens(int fd)
{
	socklen_t len = sizeof(int);
	int on = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 &&
	       on == 1;
}

/* The lowest descriptor that is free. */
static int
lowest(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static const char *
unix_text(const char *name)
{
	static char text[PATH_MAX];

	snprintf(text, sizeof(text), "unix:%s", tree_path(name));
	return text;
}

static void
test_open_and_close(void **state)
{
	int before = lowest();

	(void)state;
	CONFIGURE("127.0.0.1:0", unix_text("s"));
	assert_true(open_next());
	assert_int_equal(scene.next.n, 2);
	assert_int_equal(listen_port(&scene.next.item[0].asked), 0);
	assert_int_not_equal(listen_port(&scene.next.item[0].real), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_true(listens(scene.next.item[i].fd));
		assert_true(listeners_have(&scene.next, scene.next.item[i].fd));
	}
	assert_false(listeners_have(&scene.next, -1));
	assert_false(listeners_have(NULL, scene.next.item[0].fd));
	assert_int_equal(access(tree_path("s"), F_OK), 0);
	listeners_close(&scene.next, NULL);
	assert_int_equal(scene.next.n, 0);
	assert_int_equal(access(tree_path("s"), F_OK), -1);
	assert_int_equal(lowest(), before);
}

/* What is still wanted goes on, the port that the system chose too. */
static void
test_kept_over_a_reload(void **state)
{
	char chosen[LISTEN_TEXT_SIZE];
	int kept;

	(void)state;
	CONFIGURE("127.0.0.1:0", unix_text("s"));
	assert_true(open_next());
	settle();
	kept = scene.now.item[0].fd;
	snprintf(chosen, sizeof(chosen), "%s", scene.now.item[0].real.text);
	CONFIGURE(unix_text("s"), "127.0.0.2:0", "127.0.0.1:0");
	assert_true(open_next());
	assert_int_equal(scene.next.n, 3);
	assert_int_equal(scene.next.item[0].fd, scene.now.item[1].fd);
	assert_false(listeners_have(&scene.now, scene.next.item[1].fd));
	assert_int_equal(scene.next.item[2].fd, kept);
	assert_string_equal(scene.next.item[2].real.text, chosen);
	settle();
	assert_true(listens(kept));
	assert_int_equal(access(tree_path("s"), F_OK), 0);
	/* No longer wanted: closed, and its file is gone. */
	CONFIGURE("127.0.0.1:0");
	assert_true(open_next());
	settle();
	assert_int_equal(scene.now.n, 1);
	assert_true(listens(kept));
	assert_int_equal(access(tree_path("s"), F_OK), -1);
}

static void
test_same_address_is_opened_once(void **state)
{
	char text[LISTEN_TEXT_SIZE];

	(void)state;
	CONFIGURE("127.0.0.1:0");
	assert_true(open_next());
	snprintf(text, sizeof(text), "%s", scene.next.item[0].real.text);
	listeners_close(&scene.next, NULL);
	CONFIGURE(text, text);
	assert_true(open_next());
	assert_int_equal(scene.next.n, 1);
	listeners_close(&scene.next, NULL);
	/* Any port, twice, is two ports. */
	CONFIGURE("127.0.0.1:0", "127.0.0.1:0");
	assert_true(open_next());
	assert_int_equal(scene.next.n, 2);
}

/* All or nothing: what was opened for it is closed, what was open goes on. */
static void
test_port_in_use(void **state)
{
	char text[LISTEN_TEXT_SIZE], want[256];
	int before;

	(void)state;
	CONFIGURE("127.0.0.1:0");
	assert_true(open_next());
	settle();
	snprintf(text, sizeof(text), "%s", scene.now.item[0].real.text);
	before = lowest();
	CONFIGURE("127.0.0.1:0", "127.0.0.2:0", text);
	assert_false(open_next());
	assert_int_equal(scene.next.n, 0);
	assert_int_equal(scene.report.errors, 1);
	snprintf(want, sizeof(want), "%s is in use by test_listeners", text);
	assert_true(reported(REPORT_ERROR, want));
	snprintf(want, sizeof(want), "(process %d)", (int)getpid());
	assert_true(reported(REPORT_ERROR, want));
	assert_true(reported(REPORT_ERROR, "--listen :PORT"));
	assert_true(listens(scene.now.item[0].fd));
	assert_int_equal(lowest(), before);
	/* check only warns of it: perhaps the server itself has it. */
	CONFIGURE(text, unix_text("s"));
	listeners_check(scene.conf, &scene.report);
	assert_int_equal(scene.report.errors, 0);
	assert_int_equal(scene.report.warnings, 1);
	assert_true(reported(REPORT_WARNING, "is in use by"));
	assert_int_equal(access(tree_path("s"), F_OK), -1);
	assert_int_equal(lowest(), before);
}

static bool
shares_its_port(int fd)
{
	socklen_t len = sizeof(int);
	int on = 1;

	assert_int_equal(
	    getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, &len), 0);
	return on != 0;
}

/* One address of a port that is ours already in place of another: both listen
 * for a while, and no other process may join them. */
static void
change_address(const char *before, const char *after)
{
	char text[LISTEN_TEXT_SIZE];
	struct listen_address other;
	unsigned port;

	snprintf(text, sizeof(text), "%s:0", before);
	CONFIGURE(text);
	assert_true(open_next());
	settle();
	port = listen_port(&scene.now.item[0].real);
	snprintf(text, sizeof(text), "%s:%u", after, port);
	CONFIGURE(text);
	assert_true(open_next());
	assert_int_equal(scene.next.n, 1);
	assert_true(listens(scene.now.item[0].fd));
	assert_true(listens(scene.next.item[0].fd));
	assert_false(shares_its_port(scene.now.item[0].fd));
	assert_false(shares_its_port(scene.next.item[0].fd));
	for (int i = 0; i < 2; i++) {
		other = scene.next.item[0].real;
		assert_int_equal(listen_open(&other), -1);
		assert_int_equal(errno, EADDRINUSE);
		settle();
		scene.next = scene.now;
	}
	memset(&scene.next, 0, sizeof(scene.next));
}

static void
test_another_address_of_the_same_port(void **state)
{
	(void)state;
	change_address("127.0.0.1", "0.0.0.0");
	change_address("0.0.0.0", "127.0.0.1");
	change_address("[::1]", "[::]");
}

/* What a start would refuse a reload refuses as well, in either order. */
static void
test_any_address_and_another(void **state)
{
	char one[LISTEN_TEXT_SIZE], any[LISTEN_TEXT_SIZE];

	(void)state;
	CONFIGURE("127.0.0.1:0");
	assert_true(open_next());
	settle();
	snprintf(one, sizeof(one), "%s", scene.now.item[0].real.text);
	snprintf(any, sizeof(any), "0.0.0.0:%u",
	    listen_port(&scene.now.item[0].real));
	for (int i = 0; i < 2; i++) {
		scene.now.item[0].asked = scene.now.item[0].real;
		CONFIGURE(i == 0 ? one : any, i == 0 ? any : one);
		assert_false(open_next());
		assert_int_equal(scene.report.errors, 1);
		assert_true(reported(REPORT_ERROR, "cannot listen on both"));
		CONFIGURE(i == 0 ? one : any, i == 0 ? any : one);
		listeners_check(scene.conf, &scene.report);
		assert_int_equal(scene.report.errors, 1);
		assert_true(listens(scene.now.item[0].fd));
	}
}

/* Another process with another address of that port still prevents it. */
static void
test_address_partly_in_use(void **state)
{
	char text[LISTEN_TEXT_SIZE];
	struct listen_address other;
	int fd;

	(void)state;
	CONFIGURE("127.0.0.1:0");
	assert_true(open_next());
	settle();
	other = scene.now.item[0].real;
	((struct sockaddr_in *)&other.addr)->sin_addr.s_addr =
	    htonl(INADDR_LOOPBACK + 1);
	fd = listen_open(&other);
	assert_int_not_equal(fd, -1);
	snprintf(text, sizeof(text), "0.0.0.0:%u",
	    listen_port(&scene.now.item[0].real));
	CONFIGURE(text);
	assert_false(open_next());
	assert_true(reported(REPORT_ERROR, "is in use by"));
	assert_false(shares_its_port(scene.now.item[0].fd));
	close(fd);
}

/* Its file was replaced: what lies there now is another server's. */
static void
test_unix_socket_of_another_is_left(void **state)
{
	struct listeners other = { 0 };

	(void)state;
	CONFIGURE(unix_text("s"));
	assert_true(open_next());
	settle();
	assert_int_equal(unlink(tree_path("s")), 0);
	assert_true(
	    listeners_open(&scene.next, &other, scene.conf, &scene.report));
	listeners_close(&scene.now, NULL);
	assert_int_equal(access(tree_path("s"), F_OK), 0);
	listeners_close(&scene.next, NULL);
	assert_int_equal(access(tree_path("s"), F_OK), -1);
	/* Nor is a file that is not a socket. */
	CONFIGURE(unix_text("s"));
	assert_true(open_next());
	assert_int_equal(unlink(tree_path("s")), 0);
	assert_int_equal(close(creat(tree_path("s"), 0600)), 0);
	listeners_close(&scene.next, NULL);
	assert_int_equal(access(tree_path("s"), F_OK), 0);
}

static void
test_unix_socket_in_use(void **state)
{
	(void)state;
	CONFIGURE(unix_text("s"));
	assert_true(open_next());
	settle();
	memset(&scene.next, 0, sizeof(scene.next));
	assert_false(listeners_open(
	    &scene.next, &scene.next, scene.conf, &scene.report));
	assert_true(reported(REPORT_ERROR, "is in use by another program"));
	/* The process that listens keeps the file. */
	assert_int_equal(access(tree_path("s"), F_OK), 0);
}

static void
test_missing_address_family(void **state)
{
	(void)state;
	CONFIGURE("[2001:db8::7]:0", "127.0.0.1:0"); /* nobody's (RFC 3849) */
	assert_true(open_next());
	assert_int_equal(scene.next.n, 1);
	assert_int_equal(scene.report.warnings, 1);
	assert_true(reported(REPORT_WARNING, "[2001:db8::7]:0: "));
	listeners_close(&scene.next, NULL);
	CONFIGURE("[2001:db8::7]:0");
	assert_false(open_next());
	assert_int_equal(scene.report.warnings, 1);
	assert_true(reported(REPORT_ERROR, "no address to listen on"));
	/* An IPv4 address of nobody's (RFC 5737) is a mistake. */
	CONFIGURE("192.0.2.1:0", "127.0.0.1:0");
	assert_false(open_next());
	assert_true(reported(REPORT_ERROR, "192.0.2.1:0: "));
}

static void
test_invalid_addresses(void **state)
{
	(void)state;
	CONFIGURE("127.0.0.1:0", "localhost", "127.0.0.1:99999");
	assert_false(open_next());
	assert_int_equal(scene.report.errors, 2);
	assert_true(reported(REPORT_ERROR, "listen: "));
	assert_int_equal(scene.next.n, 0);
	CONFIGURE("127.0.0.1:0", "localhost");
	listeners_check(scene.conf, &scene.report);
	assert_int_equal(scene.report.errors, 1);
}

static void
test_too_many(void **state)
{
	int before = lowest();

	(void)state;
	CONFIGURE("127.0.0.1:0");
	for (int i = 1; i < LISTENERS_MAX; i++)
		assert_true(conf_list_add(
		    scene.conf, &scene.conf->listen, "127.0.0.1:0"));
	assert_true(open_next());
	assert_int_equal(scene.next.n, LISTENERS_MAX);
	listeners_close(&scene.next, NULL);
	assert_true(
	    conf_list_add(scene.conf, &scene.conf->listen, "127.0.0.1:0"));
	assert_false(open_next());
	assert_true(reported(REPORT_ERROR, "more than 64 addresses"));
	assert_int_equal(lowest(), before);
}

/* In a child, where descriptor 3 and the environment are ours. */
static int
inherit(void *arg)
{
	char pid[16];
	int fd;

	(void)arg;
	CONFIGURE(unix_text("s"));
	if (!open_next())
		return 1;
	fd = fcntl(scene.next.item[0].fd, F_DUPFD, 100);
	if (dup2(fd, 3) != 3)
		return 2;
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	listeners_inherit(&scene.now);
	if (scene.now.n != 1 || !scene.now.inherited ||
	    scene.now.item[0].fd != 3)
		return 3;
	/* Whatever the configuration has. */
	CONFIGURE("127.0.0.1:0", "127.0.0.2:0");
	memset(&scene.next, 0, sizeof(scene.next));
	if (!open_next() || scene.next.n != 1 || scene.next.item[0].fd != 3)
		return 4;
	/* The file is the service manager's. */
	listeners_close(&scene.now, NULL);
	if (listens(3) || access(tree_path("s"), F_OK) != 0)
		return 5;
	listeners_inherit(&scene.now);
	return scene.now.n == 0 && !scene.now.inherited ? 0 : 6;
}

static void
test_inherited(void **state)
{
	(void)state;
	assert_int_equal(tree_run_child(inherit, NULL, false), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_a_scene(test_open_and_close),
		in_a_scene(test_kept_over_a_reload),
		in_a_scene(test_same_address_is_opened_once),
		in_a_scene(test_port_in_use),
		in_a_scene(test_another_address_of_the_same_port),
		in_a_scene(test_any_address_and_another),
		in_a_scene(test_address_partly_in_use),
		in_a_scene(test_unix_socket_of_another_is_left),
		in_a_scene(test_unix_socket_in_use),
		in_a_scene(test_missing_address_family),
		in_a_scene(test_invalid_addresses),
		in_a_scene(test_too_many),
		in_a_scene(test_inherited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
