/* SPDX-License-Identifier: ISC */
/* The access log: one line a request, in one write, never in the way of
 * serving. Depends on util, proto and conf. */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include <sys/socket.h>

#include "conf/conf.h"
#include "proto/status.h"

enum { ACCESS_WARN_MS = 60000 }; /* a log that cannot be written: one warning */

struct access {
	int fd;         /* -1: no log */
	bool may_block; /* a pipe, socket or terminal: asked before writing */
	bool json;
	bool query;
	int addresses; /* enum conf_log_addresses */
	uint64_t warned_ms;
};

struct access_entry {
	const struct sockaddr_storage *from;
	const char *host;   /* NULL: none */
	enum status status; /* STATUS_NONE: no header was sent */
	uint64_t bytes;     /* header and body, really sent */
	uint64_t ms;
	const char *tls;
	bool resumed;
	bool complete;
	struct slice path;
	struct slice query;
	bool has_query;
};

/* As the configuration says; false and errno when the file cannot be opened. */
bool access_init(struct access *a, const struct conf *conf);
void access_fini(struct access *a);

/* For check: an error in r when the file could not be opened; makes none. */
void access_check(const struct conf *conf, struct report *r);

void access_write(struct access *a, const struct access_entry *e);

/* The line alone, with LF, for tests. */
void access_format(
    const struct access *a, const struct access_entry *e, struct buf *out);

#endif
