/* SPDX-License-Identifier: ISC */
#include "support/tree.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_a_tree(test_notify),
		in_a_tree(test_reloading_reports_the_time),
		in_a_tree(test_no_manager),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
