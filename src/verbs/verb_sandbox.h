/* SPDX-License-Identifier: ISC */
/* The places that a verb needs, for the sandbox it enters before it parses what
 * others wrote (os/sandbox.h). Depends on sandbox, file and mime. */
#ifndef VERBS_VERB_SANDBOX_H
#define VERBS_VERB_SANDBOX_H

#include "os/sandbox.h"

/* Zeroed: no place. A place is opened when it is added, with the rights of then:
 * a verb may change its user before it enters. A failure to add one is reported
 * by verb_sandbox_enter. */
struct verb_sandbox {
	struct sandbox_path *place; /* descriptors of ours */
	size_t n;
	bool failed; /* out of memory or descriptors */
};

/* A file or directory that is read, with all beneath it. NULL, or nothing there:
 * passed over. */
void verb_sandbox_read(struct verb_sandbox *s, const char *path);

/* The same by an open descriptor; -1 is passed over. */
void verb_sandbox_read_fd(struct verb_sandbox *s, int fd);

/* A directory that is written to: what is not there yet is made in the nearest
 * parent that is. */
void verb_sandbox_write(struct verb_sandbox *s, const char *path);

/* A file that is written beside its name and renamed onto it: its directory; with
 * follow that of what a symbolic link leads to, too. Of a device or a pipe, the
 * file alone. NULL is passed over. */
void verb_sandbox_output(struct verb_sandbox *s, const char *file, bool follow);

/* libmagic's database. */
void verb_sandbox_types(struct verb_sandbox *s);

/* Enters, with what the role needs besides: a client resolves names. The
 * environment's CARNATION_SANDBOX may be "off", or "required": then a kernel
 * without Landlock or seccomp is a failure. Frees s. False after a message. */
bool verb_sandbox_enter(struct verb_sandbox *s, enum sandbox_role role);

/* Gives up before that. Harmless after it. */
void verb_sandbox_free(struct verb_sandbox *s);

/* One store alone, written to or only read (NULL: none). False after a message. */
bool verb_sandbox_store(const char *store, bool write, enum sandbox_role role);

#endif
