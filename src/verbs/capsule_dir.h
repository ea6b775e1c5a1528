/* SPDX-License-Identifier: ISC */
/* One directory as a capsule, for verbs that work on its files and serve nothing.
 * Depends on conf and host. */
#ifndef VERBS_CAPSULE_DIR_H
#define VERBS_CAPSULE_DIR_H

#include "capsule/host.h"

/* Zeroed = closed. */
struct capsule_dir {
	struct conf *conf;
	struct hosts *hosts;
};

/* Opens dir as the only capsule, for the host localhost, and reads its
 * capsule.conf. False when r gained an error; close it all the same. */
bool capsule_dir_open(struct capsule_dir *d, const char *dir, struct report *r);
void capsule_dir_close(struct capsule_dir *d);

/* The capsule; valid until it is closed. */
const struct host *capsule_dir_host(const struct capsule_dir *d);

#endif
