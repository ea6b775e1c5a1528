/* SPDX-License-Identifier: ISC */
/* What host.c and host_root.c share. Depends on host. */
#ifndef CAPSULE_HOST_INTERNAL_H
#define CAPSULE_HOST_INTERNAL_H

#include "capsule/host.h"

/* Opens the root that h's configuration names, or the current release of the store
 * there. False, told in r: it cannot be opened, or the store has none. */
bool host_root_open(struct host *h, struct report *r);

#endif
