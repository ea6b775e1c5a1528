/* SPDX-License-Identifier: ISC */
/* The two halves of sandbox.c: landlock.c and seccomp.c.
 * Depends on sandbox. */
#ifndef OS_SANDBOX_INTERNAL_H
#define OS_SANDBOX_INTERNAL_H

#include <stdint.h>

#include "os/sandbox.h"
#include "util/sanitized.h"

/* SANITIZED: a sanitizer needs what the sandbox takes away: at exit LeakSanitizer starts a
 * process beside this one (clone, without CLONE_THREAD), which traces it and
 * reads its list of mappings in /proc. In such a build every role keeps these
 * three, and keyd what the sanitizer's own allocator calls; all else is confined
 * as in the program that is installed, so that the same tests say as much of
 * both. Reports of faults come without names of functions there: the symbolizer
 * would be another program. */
/* Whether this process is to change files at any of paths. */
bool sandbox_writes(const struct sandbox_path *paths, size_t n);

/* Landlock for role, at paths; *version is what is in force then, 0: none. False
 * and why, as sandbox_enter. */
bool landlock_enter(enum sandbox_role role, const struct sandbox_path *paths,
    size_t n, int *version, struct why *why);

/* The filter for role, then *in_force; false and why, as sandbox_enter. */
bool seccomp_enter(enum sandbox_role role, const struct sandbox_path *paths,
    size_t n, bool *in_force, struct why *why);

/* Writes the BPF program of role's filter for another processor (an AUDIT_ARCH_
 * of linux/audit.h; 0: this one) to fd, as an array of struct sock_filter. For
 * tests: those that cannot be run here can be simulated. */
bool seccomp_export(enum sandbox_role role, bool writes, uint32_t arch, int fd);

#endif
