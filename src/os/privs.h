/* SPDX-License-Identifier: ISC */
/* Privileges, which only go down, and what a process may use.
 * Depends on util. */
#ifndef OS_PRIVS_H
#define OS_PRIVS_H

#include <sys/types.h>

#include "util/buf.h"
#include "util/why.h"

struct privs {
	bool wanted; /* false: not started as root, nothing to drop */
	uid_t uid;
	gid_t gid;
	char user[64]; /* its name, for messages */
};

/* The user that a worker changes to: user (NULL: "carnation" if it exists, else
 * "nobody") and group (NULL: the user's). Not root: wanted is false; a
 * configured user other than ours is then an error. False and why. */
bool privs_find(
    const char *user, const char *group, struct privs *out, struct why *why);

/* Groups, gid, uid, when wanted; then proves that none of them can be regained.
 * Always clears the ambient, effective, permitted and inheritable capabilities
 * and proves that, clears dumpable, sets no_new_privs. False when any step or
 * proof fails: the caller must end. */
bool privs_drop(const struct privs *p);

/* Ends this process (SIGKILL) when its parent does; false when it already has.
 * To be called after privs_drop: the kernel forgets it when the user
 * changes. */
bool privs_die_with(pid_t parent);

/* Ignores signals that would end a process for nothing: a peer that is gone, a
 * limit on the size of files (both also return an error), USR2. */
void privs_ignore_signals(void);

/* The same for a child forked with its signals blocked. The parent decides when
 * it ends, though Ctrl-C and a service manager's TERM reach every process. */
void privs_quiet_signals(void);

/* No core file, not dumpable: a process with keys leaves no copies of them. */
void privs_no_core(void);

/* Opens /dev/null in place of a standard descriptor that was closed, so that no
 * socket or key ever is standard output. */
void privs_standard_descriptors(void);

/* Raises the soft descriptor limit to the hard one; returns it. */
size_t privs_descriptors(void);

#endif
