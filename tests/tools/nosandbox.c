/* SPDX-License-Identifier: ISC */
/* Runs a program on a kernel without Landlock (-l), seccomp (-s) or both, as far
 * as the program can tell, or in a container that forbids them (-e EPERM):
 * nosandbox [-l] [-s] [-e ENOSYS|EPERM] PROGRAM [ARGUMENT]... */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FAILED = 125, NOT_FOUND = 127, NOT_A_CALL = 0x3fffffff };

/* landlock_create_ruleset(2), which <sys/syscall.h> may not know. */
enum { LANDLOCK = 444 };

static int
hide(bool landlock, bool seccomp, unsigned answer)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
		    landlock ? LANDLOCK : NOT_A_CALL, 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
		    seccomp ? SYS_seccomp : NOT_A_CALL, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
		    seccomp ? SYS_prctl : NOT_A_CALL, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_SECCOMP, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | answer),
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
	bool landlock = false, seccomp = false;
	int option;

	while ((option = getopt(argc, argv, "+lse:")) != -1) {
		if (option == 'l')
			landlock = true;
		else if (option == 's')
			seccomp = true;
		else if (option == 'e' && strcmp(optarg, "EPERM") == 0)
			answer = EPERM;
		else if (option != 'e' || strcmp(optarg, "ENOSYS") != 0)
			optind = argc;
	}
	if (optind >= argc) {
		(void)fprintf(stderr, "usage: nosandbox [-l] [-s] "
				      "[-e ENOSYS|EPERM] PROGRAM "
				      "[ARGUMENT]...\n");
		return 2;
	}
	if (hide(landlock, seccomp, answer) == -1) {
		(void)fprintf(
		    stderr, "nosandbox: seccomp: %s\n", strerror(errno));
		return FAILED;
	}
	(void)execvp(argv[optind], argv + optind);
	(void)fprintf(
	    stderr, "nosandbox: %s: %s\n", argv[optind], strerror(errno));
	return NOT_FOUND;
}
