/* SPDX-License-Identifier: ISC */
/* The inside of keyd: what happens in its process. Depends on os, confinement, notice
 * and tls. */
#ifndef SERVER_KEYD_PROCESS_H
#define SERVER_KEYD_PROCESS_H

#include <sys/types.h>

#include "conf/conf.h"
#include "os/privs.h"
#include "tls/signer.h"

/* The notices that it sends. */
enum keyd_notice {
	KEYD_FAULT = 1, /* the key of that slot cannot be used: why */
	KEYD_READY = 2, /* all others can */
};

/* Everything is inherited by fork. */
struct keyd_world {
	pid_t parent;
	const struct signer_pair *pairs;
	size_t n;
	const struct tls_settings *settings;
	const struct privs *privs; /* what it becomes */
	enum conf_sandbox sandbox;
	int *seats;     /* its ends */
	size_t n_seats; /* 0: it only checks, and ends */
	int report;     /* where notices go */
};

/* Runs keyd in a freshly forked process, with signals blocked: reads the keys as
 * the parent's user, then has nothing but them and its seats. Exits 1, having
 * logged the reason, when it cannot start. */
_Noreturn void keyd_run(const struct keyd_world *world);

#endif
