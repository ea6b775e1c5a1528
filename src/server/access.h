/* SPDX-License-Identifier: ISC */
/* The access log: one line per request and, if configured, per handshake that
 * failed. It never delays serving; the lines of one turn of a worker's loop are
 * one write. Depends on util, proto and conf. */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include <stdatomic.h>
#include <sys/socket.h>

#include "conf/conf.h"
#include "proto/response.h"

enum {
	ACCESS_WARN_MS = 60000, /* a log that cannot be written: one warning */
	/* A request of 1,024 bytes, each written as \xHH or \u00HH, the rest
	 * and the LF. */
	ACCESS_LINE_MAX = 8192,
	ACCESS_HELD_MAX = 4 * ACCESS_LINE_MAX, /* bytes of lines not written */
	/* Failed handshakes of one worker that are logged in a period. Garbage
	 * costs a stranger far less than a request. */
	ACCESS_HANDSHAKES_MAX = 100,
	ACCESS_HANDSHAKES_MS = 10000,
};

struct access {
	int fd;         /* -1: no log */
	bool named;     /* a file of the configuration, not stderr */
	bool may_block; /* a pipe, socket or terminal: polled before writing */
	/* Shared by a generation's workers: the last line lacks its LF. NULL:
	 * not known. */
	_Atomic bool *cut;
	bool json;
	bool query;
	int addresses;   /* enum conf_log_addresses */
	bool handshakes; /* those that failed are logged */
	uint64_t warned_ms;
	uint64_t period_ms; /* when the present ACCESS_HANDSHAKES_MS began */
	unsigned period_lines;
	uint64_t unlogged_ms; /* when it was last reported that some are not */
	uint8_t *held;        /* an LF and the lines held; NULL: none is */
	size_t held_len;
};

struct access_entry {
	const struct sockaddr_storage *from;
	const char *host;   /* NULL: none */
	enum status status; /* STATUS_NONE: no header was sent */
	uint64_t bytes;     /* header and body, actually sent */
	uint64_t ms;
	const char *tls;
	bool resumed;
	bool complete;
	struct slice path;
	struct slice query;
	bool has_query;
	const char *handshake; /* why it failed; NULL: this is a request */
};

/* As the configuration says. The file is created when missing; only a regular
 * file or a pipe is opened, never through a symbolic link. False and errno, for
 * access_error, when it cannot be; access_fini must be called all the same. */
bool access_init(struct access *a, const struct conf *conf);
void access_fini(struct access *a);

/* What errno of access_init means, as text for a message. */
const char *access_error(int error);

/* For check: an error in r when serve could not open the file. Creates, changes
 * and deletes nothing. */
void access_check(const struct conf *conf, struct report *r);

/* An error in r, at log.access, for each root that the file is in. */
void access_check_roots(const struct conf *conf, struct report *r);

/* The present name of the open file, "PATH (deleted)" when it has none. False
 * when it is not a file or the kernel does not report it. */
bool access_name(const struct access *a, char *out, size_t size);

/* From now on lines are held, ACCESS_HELD_MAX bytes at most, until access_flush
 * or access_fini. False: out of memory, each is written at once. */
bool access_hold(struct access *a);

/* Writes one line, ended by LF even where it had to be truncated, or holds it.
 * Never waits for a reader. Of failed handshakes, those above
 * ACCESS_HANDSHAKES_MAX are dropped, which is reported. */
void access_write(struct access *a, const struct access_entry *e);

/* Writes the lines that are held, in their order. */
void access_flush(struct access *a);

/* Formats the line, with LF; for tests. */
void access_format(
    const struct access *a, const struct access_entry *e, struct buf *out);

#endif
