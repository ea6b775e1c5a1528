/* SPDX-License-Identifier: ISC */
#include "support/address.h"

#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#include "support/tree.h"

static void
check_holder(const char *text)
{
	struct listen_address a = address_of(text);
	int fd = listen_open(&a);
	char want[64];
	struct buf out;

	if (fd == -1)
		return; /* a machine without IPv6 */
	buf_init(&out, 1000);
	snprintf(want, sizeof(want), " (process %d)", (int)getpid());
	assert_true(listen_holder(&a, &out));
	assert_true(slice_ends(buf_view(&out), slice_str(want)));
	assert_true(slice_starts(buf_view(&out), SLICE("test_listen")));
	close(fd);
	buf_reset(&out);
	assert_false(listen_holder(&a, &out));
	buf_fini(&out);
}

static void
test_holder(void **state)
{
	struct listen_address a = address_of_unix("s");
	struct listen_address six = address_of("[::]:0");
	struct listen_address four;
	char text[64];
	struct buf out;
	int off = 0;
	int fd;

	(void)state;
	check_holder("127.0.0.1:0");
	check_holder("0.0.0.0:0");
	check_holder("[::1]:0");
	buf_init(&out, 1000);
	assert_false(listen_holder(&a, &out));
	/* One socket for both families stands in the way of IPv4 as well. */
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd != -1 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0 &&
	    bind(fd, (struct sockaddr *)&six.addr, six.len) == 0 &&
	    listen(fd, 1) == 0 &&
	    getsockname(fd, (struct sockaddr *)&six.addr, &six.len) == 0) {
		snprintf(text, sizeof(text), "127.0.0.1:%u", listen_port(&six));
		four = address_of(text);
		assert_true(listen_holder(&four, &out));
	}
	if (fd != -1)
		close(fd);
	buf_fini(&out);
}

#define in_a_tree(test)                                                        \
	cmocka_unit_test_setup_teardown(test, tree_set_up, tree_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_a_tree(test_holder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
