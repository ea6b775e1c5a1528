/* SPDX-License-Identifier: ISC */
#include "support/tree.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "os/service.h"

/* A datagram socket at path, '@' for an abstract one, as a service manager has
 * it; $NOTIFY_SOCKET names it. */
static int
manager(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	size_t len = strlen(path);

	assert_true(len < sizeof(sun.sun_path));
	memcpy(sun.sun_path, path, len);
	if (path[0] == '@')
		sun.sun_path[0] = '\0';
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&sun,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
	    0);
	assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
	return fd;
}

static void
check_told(int fd, const char *want)
{
	char got[128];
	ssize_t n = recv(fd, got, sizeof(got), 0);

	assert_true(n >= 0);
	check_slice(slice_of(got, (size_t)n), slice_str(want));
}

static void
test_notify(void **state)
{
	char abstract[64];
	int fd;

	(void)state;
	fd = manager(tree_path("s"));
	service_notify("READY=1");
	check_told(fd, "READY=1");
	close(fd);
	service_notify("READY=1"); /* no service manager: nothing happens */
	snprintf(
	    abstract, sizeof(abstract), "@carnation-test-%d", (int)getpid());
	fd = manager(abstract);
	service_notify("STOPPING=1");
	check_told(fd, "STOPPING=1");
	close(fd);
}

static void
test_reloading_reports_the_time(void **state)
{
	char got[128] = "";
	unsigned long long us = 0;
	int fd = manager(tree_path("s"));

	(void)state;
	service_notify_reloading();
	assert_true(recv(fd, got, sizeof(got) - 1, 0) > 0);
	assert_int_equal(
	    sscanf(got, "RELOADING=1\nMONOTONIC_USEC=%llu", &us), 1);
	assert_true(us > 0);
	close(fd);
}

static void
test_no_manager(void **state)
{
	char path[300];
	int fd = manager(tree_path("s"));

	(void)state;
	memset(path, '/', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	setenv("NOTIFY_SOCKET", path, 1);
	service_notify("READY=1");
	setenv("NOTIFY_SOCKET", "vsock:2:1", 1);
	service_notify("READY=1");
	setenv("NOTIFY_SOCKET", "/", 1);
	service_notify("READY=1");
	unsetenv("NOTIFY_SOCKET");
	service_notify("READY=1");
	assert_int_equal(recv(fd, path, sizeof(path), 0), -1);
	close(fd);
}

#define in_a_tree(test)                                                        \
	cmocka_unit_test_setup_teardown(test, tree_set_up, tree_tear_down)

struct cgroup_row {
	const char *text, *want; /* NULL: no service */
};

static void
test_unit_of_cgroup(void **state)
{
	static const struct cgroup_row rows[] = {
		{ "0::/system.slice/carnation.service\n",
		    "systemctl stop carnation" },
		{ "0::/system.slice/system-gemini.slice/gemini@two.service",
		    "systemctl stop gemini@two" },
		{ "12:pids:/payload\n1:name=systemd:/payload/system.slice/"
		  "carnation.service\n0::/payload\n",
		    "systemctl stop carnation" },
		{ "0::/user.slice/user-1000.slice/user@1000.service/app.slice/"
		  "my-capsule.service\n",
		    "systemctl --user stop my-capsule" },
		{ "0::/user.slice/user-1000.slice/session-3.scope\n", NULL },
		{ "0::/user.slice/user-1000.slice/user@1000.service\n", NULL },
		{ "0::/user.slice/user-1000.slice/user@1000.service/app.slice/"
		  "app-foot-4711.scope\n",
		    NULL },
		{ "0::/system.slice/.service\n", NULL },
		{ "0::/\n", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint8_t memory[64];
		struct buf out;
		bool found;

		buf_wrap(&out, memory, sizeof(memory) - 1);
		found = service_put_systemctl(slice_str(rows[i].text), &out);
		assert_int_equal(found, rows[i].want != NULL);
		if (found)
			assert_string_equal(buf_cstr(&out), rows[i].want);
	}
}

static void
check_stop(const char *want)
{
	uint8_t memory[64];
	struct buf out;

	buf_wrap(&out, memory, sizeof(memory) - 1);
	assert_true(service_put_stop(&out));
	assert_string_equal(buf_cstr(&out), want);
}

/* In a session without a terminal, as a service manager starts it. */
static void
stop_without_terminal(void)
{
	char want[64];

	setsid();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("SYSTEMD_EXEC_PID");
	unsetenv("RC_SVCNAME");
	snprintf(want, sizeof(want), "kill %d", (int)getpid());
	check_stop(want);
	/* Inherited from a shell that a service started: not ours. */
	setenv("SYSTEMD_EXEC_PID", "1", 1);
	check_stop(want);
	setenv("RC_SVCNAME", "carnation", 1);
	check_stop("rc-service carnation stop");
}

static void
test_stop_without_terminal(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		stop_without_terminal();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_a_tree(test_notify),
		in_a_tree(test_reloading_reports_the_time),
		in_a_tree(test_no_manager),
		cmocka_unit_test(test_unit_of_cgroup),
		cmocka_unit_test(test_stop_without_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
