/* SPDX-License-Identifier: ISC */
/* What a process takes away from itself before it touches anything hostile:
 * files outside a list of places (Landlock), system calls (seccomp).
 * Depends on util; the system calls are those of landlock(7) and seccomp(2). */
#ifndef OS_SANDBOX_H
#define OS_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "util/why.h"

/* What a process is for, and so what it keeps. None but the parent may execute
 * a program, trace, mount, load code, or signal a process outside its sandbox.
 *
 *            files             sockets         fork  else
 *   PARENT   all (no Landlock) all             yes   may execute a program
 *   WORKER   listed, read      accept only     no    no new code in memory
 *   KEYD     none              none            no    a list of calls; any other kills
 *   CHILD    listed            none            no    no new code in memory
 *   READER   listed            none            no
 *   CLIENT   listed            connect (IP)    no
 *   AUTHOR   listed            none            no
 */
enum sandbox_role {
	SANDBOX_PARENT,
	SANDBOX_WORKER,
	SANDBOX_KEYD,
	SANDBOX_CHILD,  /* inspection, making a pair: short-lived */
	SANDBOX_READER, /* lint, verify */
	SANDBOX_CLIENT, /* fetch, mirror, survey */
	SANDBOX_AUTHOR, /* publish */
};

/* A file, or a directory with all beneath it. */
struct sandbox_path {
	const char *path; /* NULL: fd. One that does not exist is passed over */
	int fd;           /* with path NULL; borrowed; -1 is passed over */
	bool write; /* also write, create, rename, link and remove there */
	/* No place but fd itself, open in other processes as well: read, written
	 * and accepted from as before, but never reconfigured (socket options,
	 * flags, shutdown), which would outlive this process. */
	bool shared;
};

/* What is in force, or could be. */
struct sandbox_state {
	int landlock; /* the kernel's version of it in use; 0: none */
	bool seccomp;
};

enum {
	/* The newest Landlock whose rights are known here; a kernel with a
	 * newer one is asked for these. */
	SANDBOX_LANDLOCK_NEWEST = 7,
	/* Below this files cannot be linked or renamed between directories:
	 * roles that write do without Landlock there. */
	SANDBOX_LANDLOCK_LINKS = 2,
};

/* Confines this process, and what it forks later, for good. Descriptors that are
 * open stay usable as they are. Sets no_new_privs. paths matter for all roles
 * but PARENT and KEYD. With no writable path, calls that change files are
 * refused as well. What the kernel does not offer (ENOSYS, EOPNOTSUPP, seccomp
 * compiled out) is left out, which *out says; that is a success. A parent whose
 * program was executed by one with the filter in force adds none. False and why
 * when something the kernel offers failed: the caller must end. Allocates and
 * frees; to be called before anything hostile is read. */
bool sandbox_enter(enum sandbox_role role, const struct sandbox_path *paths,
    size_t n, struct sandbox_state *out, struct why *why);

/* What is not in force: "Landlock", "seccomp", "Landlock and no seccomp"; NULL:
 * nothing is missing. */
const char *sandbox_missing(const struct sandbox_state *state);

/* What a worker would get here; tried in a child process, which is waited for.
 * False and errno when there can be no child; *out is then empty. */
bool sandbox_probe(struct sandbox_state *out);

#endif
