/* SPDX-License-Identifier: ISC */
/* What a child reports to its parent over a pipe: notices of a kind, a number and
 * a text each. The parent trusts nothing in them but their form.
 * Depends on util. */
#ifndef SERVER_NOTICE_H
#define SERVER_NOTICE_H

#include <stddef.h>
#include <stdint.h>

#include "util/why.h"

struct notice {
	uint32_t kind; /* the two agree on their meaning */
	uint32_t number;
	char text[WHY_MAX]; /* perhaps "" */
};

/* In the child: sends one; text may be NULL. False and errno. */
bool notice_send(int fd, uint32_t kind, uint32_t number, const char *text);

/* The parent's end. */
struct notices {
	int fd; /* -1: closed */
	size_t n;
	uint8_t bytes[2 * WHY_MAX];
};

enum notices_next {
	NOTICES_ONE,
	NOTICES_WAIT, /* for the child */
	NOTICES_END, /* no more will come: it closed its end, or broke the form */
};

/* Makes a pipe: the child's end is *child, ours does not block. False and
 * errno. */
bool notices_open(struct notices *in, int *child);

/* Takes the next notice, if it is there. */
enum notices_next notices_next(struct notices *in, struct notice *out);

/* The same, waiting for it: until end_ms (clock_ms), 0: without end. NOTICES_WAIT:
 * it did not come in time. */
enum notices_next
notices_wait(struct notices *in, uint64_t end_ms, struct notice *out);

void notices_close(struct notices *in);

#endif
