/* SPDX-License-Identifier: ISC */
/* The files of `carnation fetch`, in a broker, a process of its own: the one that
 * talks to servers has none. Asks known hosts, makes the output, and gives it its
 * name in the end. Depends on tofu and verb_sandbox. */
#ifndef VERBS_FETCH_BROKER_H
#define VERBS_FETCH_BROKER_H

#include "client/tofu.h"

enum { FETCH_NOTES_MAX = 16 * 1024 }; /* bytes of what is said of a host */

/* Zeroed but for fd = -1: none. */
struct fetch_broker {
	int fd; /* to it */
};

/* Begins; it ends when this process does. known_hosts and output are borrowed, NULL:
 * none. Every failure of the next three is reported by errno (EPIPE: it has ended).
 * False after a message. */
bool fetch_broker_start(
    struct fetch_broker *k, const char *known_hosts, const char *output);

/* As tofu_judge. TOFU_REFUSED after a line in said when it cannot be asked. */
enum tofu fetch_broker_judge(const struct fetch_broker *k,
    const char place[TOFU_PLACE_SIZE], const struct tofu_shown *shown,
    struct buf *said);

/* A new file beside the output, or the device or pipe that it is; the caller's. A
 * signal interrupts it. -1 and errno. */
int fetch_broker_open(const struct fetch_broker *k);

/* Gives that file the output's name when it is whole; otherwise, or when that failed
 * (false and errno), appends to kept the name under which it stays; nothing for a
 * device. */
bool
fetch_broker_end(const struct fetch_broker *k, bool whole, struct buf *kept);

void fetch_broker_free(struct fetch_broker *k);

#endif
