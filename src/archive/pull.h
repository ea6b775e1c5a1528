/* SPDX-License-Identifier: ISC */
/* One file from a host, asked for until it answers: redirects on the same host and
 * "slow down" are obeyed, a body that trickles is not waited for. What came is for
 * a hash to judge, not for TLS. Depends on util, proto, client and manifest. */
#ifndef ARCHIVE_PULL_H
#define ARCHIVE_PULL_H

#include "archive/manifest.h"
#include "client/fetch.h"

enum {
	PULL_SILENCE_S = 20,   /* to the header, and of silence in a body */
	PULL_FLOOR = 1024,     /* bytes that a body brings */
	PULL_WINDOW_S = 10,    /* in so many seconds */
	PULL_WAIT_MAX_S = 60,  /* that "44 N" may cost us in all */
	PULL_MANIFEST_S = 600, /* for a whole manifest */
	PULL_FILE_S = 120,     /* for a file, and ... */
	PULL_RATE = 1024,      /* ... a second more for so many bytes */
};

/* One host's, or several's: tls and names are ours. */
struct pull {
	struct tls_client *tls;
	struct dial_names *names;
	unsigned waited_s;
};

enum pull_result {
	PULL_DONE, /* with the end that TLS promises */
	PULL_CUT,  /* that is missing: a wrong hash is the network's fault */
	PULL_TOO_LONG, /* more than was asked for */
	PULL_NONE,     /* it has no such file: see why */
	PULL_LATER,    /* see why */
	PULL_STOPPED,  /* the sink said so */
};

/* False and why. */
bool pull_init(struct pull *p, struct buf *why);
void pull_fini(struct pull *p);

/* The time that a file of at most max bytes may take, in milliseconds. */
uint64_t pull_file_ms(uint64_t max);

typedef bool pull_sink(void *arg, struct slice bytes);

/* base + path, at most max bytes of it, into sink as they come, within
 * total_ms. SIGPIPE must be ignored. */
enum pull_result
pull(struct pull *p, const char *base, const char *path, uint64_t max,
    uint64_t total_ms, pull_sink *sink, void *arg, struct buf *why);

#endif
