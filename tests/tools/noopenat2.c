/* SPDX-License-Identifier: ISC */
/* Runs a program on a kernel that does not know openat2, as far as the program
 * can tell, or in a container that forbids it:
 * noopenat2 [-e ENOSYS|EPERM] PROGRAM [ARGUMENT]... */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FAILED = 125, NOT_FOUND = 127 };

static int
hide_openat2(unsigned answer)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | answer),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {
		.len = sizeof(filter) / sizeof(filter[0]),
		.filter = filter,
	};

	/* An ordinary user may filter only itself, without new privileges. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int
main(int argc, char **argv)
{
	unsigned answer = ENOSYS;

	if (argc > 3 && strcmp(argv[1], "-e") == 0) {
		if (strcmp(argv[2], "EPERM") == 0)
			answer = EPERM;
		else if (strcmp(argv[2], "ENOSYS") != 0)
			argc = 0;
		argv += 2;
	}
	if (argc < 2) {
		(void)fprintf(stderr, "usage: noopenat2 [-e ENOSYS|EPERM] "
				      "PROGRAM [ARGUMENT]...\n");
		return 2;
	}
	if (hide_openat2(answer) == -1) {
		(void)fprintf(
		    stderr, "noopenat2: seccomp: %s\n", strerror(errno));
		return FAILED;
	}
	(void)execvp(argv[1], argv + 1);
	(void)fprintf(stderr, "noopenat2: %s: %s\n", argv[1], strerror(errno));
	return NOT_FOUND;
}
