/* SPDX-License-Identifier: ISC */
/* The sandbox of the server's processes, as its configuration wants it.
 * Depends on conf, host and os/sandbox. */
#ifndef SERVER_CONFINEMENT_H
#define SERVER_CONFINEMENT_H

#include "capsule/host.h"
#include "conf/conf.h"
#include "os/sandbox.h"

/* What this kernel offers, tried in a child the first time. */
const struct sandbox_state *confinement_offered(void);

/* An error in r when the configuration requires what the kernel does not
 * offer. */
void confinement_check(const struct conf *conf, struct report *r);

/* Confines this process to what role may do, at paths. With sandbox "off" nothing
 * happens. False after a message: it must end. */
bool confinement_enter(enum sandbox_role role, enum conf_sandbox wanted,
    const struct sandbox_path *paths, size_t n);

/* The same with the roots and stores of hosts, which may be read. The descriptors
 * in shared, which its successors get too, cannot be reconfigured. */
bool confinement_enter_roots(enum sandbox_role role, const struct conf *conf,
    const struct hosts *hosts, const int *shared, size_t n_shared);

/* The parent, which keeps its files; once, whatever a later configuration
 * says. False after a message. */
bool confinement_enter_parent(const struct conf *conf);

/* What is in force with conf: "files: Landlock 7; system calls: seccomp". */
void confinement_put(const struct conf *conf, struct buf *out);

#endif
