/* SPDX-License-Identifier: ISC */
/* The capsule that a verb of its author works on, with the configuration of the
 * server or without. Depends on capsule. */
#ifndef VERBS_VERB_CAPSULE_H
#define VERBS_VERB_CAPSULE_H

#include "capsule/host.h"

/* Zeroed = closed. */
struct verb_capsule {
	struct conf *conf;
	struct hosts *hosts;
	struct host *host; /* one of hosts */
};

/* Opens the capsule in dir, without its capsule.conf. With file (NULL: none), a
 * carnation.conf, dir is the root of one of its capsules, or stands for the root
 * of the only one; without, the host is localhost. False, and errors in r;
 * verb_capsule_close in any case. */
bool verb_capsule_open(struct verb_capsule *c, const char *file,
    const char *dir, struct report *r);
void verb_capsule_close(struct verb_capsule *c);

#endif
