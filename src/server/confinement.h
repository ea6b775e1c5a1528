/* SPDX-License-Identifier: ISC */
/* The sandbox of the server's processes, as its configuration wants it.
 * Depends on site and os/sandbox. */
#ifndef SERVER_CONFINEMENT_H
#define SERVER_CONFINEMENT_H

#include "os/sandbox.h"
#include "server/site.h"

/* What this kernel offers, tried in a child the first time. */
const struct sandbox_state *confinement_offered(void);

/* An error in r when the configuration requires what the kernel does not
 * offer. */
void confinement_check(const struct conf *conf, struct report *r);

/* Confines this process to the roots and stores of site, which it may read. With
 * sandbox "off" nothing happens. False after a message: it must end. */
bool confinement_enter(enum sandbox_role role, const struct site *site);

/* The parent, which keeps its files; once, whatever a later configuration
 * says. False after a message. */
bool confinement_enter_parent(const struct conf *conf);

/* What is in force with conf: "files: Landlock 7; system calls: seccomp". */
void confinement_put(const struct conf *conf, struct buf *out);

#endif
