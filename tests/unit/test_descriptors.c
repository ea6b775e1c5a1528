/* SPDX-License-Identifier: ISC */
#include "support/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "server/descriptors.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

static int
forbid_close_range(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {
		.len = sizeof(filter) / sizeof(filter[0]),
		.filter = filter,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

/* In a child: descriptors 100 to 139 exist, three of them are kept. */
static int
keep(void *arg)
{
	const bool *forbidden = arg;
	int own[] = { 139, -1, 100, 120, 120 };

	if (*forbidden && forbid_close_range() == -1)
		return 1;
	for (int fd = 100; fd < 140; fd++)
		if (dup2(STDERR_FILENO, fd) == -1)
			return 2;
	if (!descriptors_keep(own, sizeof(own) / sizeof(*own)))
		return 3;
	for (int fd = 3; fd < 200; fd++)
		if (is_open(fd) != (fd == 100 || fd == 120 || fd == 139))
			return 4;
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (!is_open(fd))
			return 5;
	return 0;
}

static void
test_keep(void **state)
{
	bool forbidden = false;

	(void)state;
	assert_int_equal(tree_run_child(keep, &forbidden, false), 0);
	forbidden = true;
	assert_int_equal(tree_run_child(keep, &forbidden, false), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
