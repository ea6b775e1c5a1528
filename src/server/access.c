/* SPDX-License-Identifier: ISC */
#include "server/access.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/log.h"

/* A request of 1,024 bytes, each written as \xHH or \u00HH, and the rest. */
enum { ACCESS_LINE_MAX = 8192, V4_KEPT = 3, V6_KEPT = 6 };

bool
access_init(struct access *a, const struct conf *conf)
{
	const char *where = conf->log.access.text;
	struct stat st;

	memset(a, 0, sizeof(*a));
	a->json = conf->log.format == CONF_LOG_JSON;
	a->query = conf->log.query;
	a->addresses = conf->log.addresses;
	if (where != NULL && strcmp(where, "none") == 0) {
		a->fd = -1;
		return true;
	}
	if (where == NULL || strcmp(where, "stderr") == 0)
		a->fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		a->fd = open(where,
		    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY |
			O_NONBLOCK,
		    0640);
	if (a->fd == -1)
		return false;
	a->may_block = fstat(a->fd, &st) == 0 && !S_ISREG(st.st_mode);
	return true;
}

void
access_check(const struct conf *conf, struct report *r)
{
	const struct conf_text *where = &conf->log.access;
	struct access probe;
	struct stat st;
	bool there = where->text != NULL && stat(where->text, &st) == 0;

	if (!access_init(&probe, conf))
		report_add(r, REPORT_ERROR, where->file, where->line,
		    "log.access: %s: %s", where->text, strerror(errno));
	else if (probe.fd != -1 && where->text != NULL && !there &&
		 strcmp(where->text, "stderr") != 0)
		unlink(where->text); /* it was only a trial */
	access_fini(&probe);
}

void
access_fini(struct access *a)
{
	if (a->fd != -1)
		close(a->fd);
	a->fd = -1;
}

/* Truncated to /24 and /48: enough to see a pattern, not a person. */
static void
put_address(const struct access *a, const struct sockaddr_storage *from,
    struct buf *out)
{
	char text[INET6_ADDRSTRLEN];
	uint8_t bytes[16] = { 0 };
	bool v4 = from->ss_family == AF_INET;
	bool cut = a->addresses == CONF_ADDRESSES_TRUNCATED;

	if (from->ss_family == AF_UNIX) {
		buf_str(out, "unix");
		return;
	}
	if (a->addresses == CONF_ADDRESSES_NONE ||
	    (!v4 && from->ss_family != AF_INET6)) {
		buf_str(out, "-");
		return;
	}
	if (v4)
		memcpy(bytes, &((const struct sockaddr_in *)from)->sin_addr,
		    cut ? V4_KEPT : 4);
	else
		memcpy(bytes, &((const struct sockaddr_in6 *)from)->sin6_addr,
		    cut ? V6_KEPT : 16);
	inet_ntop(from->ss_family, bytes, text, sizeof(text));
	buf_printf(out, "%s%s", text, !cut ? "" : v4 ? "/24" : "/48");
}

static void
format_text(const struct access *a, const struct access_entry *e,
    const char *time, struct buf *out)
{
	buf_printf(out, "%s ", time);
	put_address(a, e->from, out);
	buf_printf(out, " %s ", e->host != NULL ? e->host : "-");
	if (e->status == STATUS_NONE)
		buf_byte(out, '-');
	else
		buf_printf(out, "%d", e->status);
	buf_printf(out, " %llu %llu %s %s %s ", (unsigned long long)e->bytes,
	    (unsigned long long)e->ms, e->tls, e->resumed ? "resumed" : "new",
	    e->complete ? "complete" : "cut");
	if (e->path.len == 0)
		buf_byte(out, '-');
	log_escape(out, e->path);
	if (a->query && e->has_query) {
		buf_byte(out, '?');
		log_escape(out, e->query);
	}
	buf_byte(out, '\n');
}

static void
format_json(const struct access *a, const struct access_entry *e,
    const char *time, struct buf *out)
{
	buf_printf(out, "{\"time\":\"%s\",\"address\":\"", time);
	put_address(a, e->from, out);
	buf_printf(out, "\",\"host\":\"%s\",\"status\":%d",
	    e->host != NULL ? e->host : "-", e->status);
	buf_printf(out, ",\"bytes\":%llu,\"ms\":%llu,\"tls\":\"%s\"",
	    (unsigned long long)e->bytes, (unsigned long long)e->ms, e->tls);
	buf_printf(out, ",\"resumed\":%s,\"complete\":%s,\"path\":\"",
	    e->resumed ? "true" : "false", e->complete ? "true" : "false");
	log_escape_json(out, e->path);
	if (a->query && e->has_query) {
		buf_byte(out, '?');
		log_escape_json(out, e->query);
	}
	buf_str(out, "\"}\n");
}

void
access_format(
    const struct access *a, const struct access_entry *e, struct buf *out)
{
	char time[CLOCK_RFC3339_SIZE];

	clock_rfc3339_now(time);
	if (a->json)
		format_json(a, e, time, out);
	else
		format_text(a, e, time, out);
}

/* poll(2) promises room for PIPE_BUF bytes only, and another worker may take
 * them first; before Linux 6.4 pipes do not know RWF_NOWAIT. */
static ssize_t
write_now(const struct access *a, const struct buf *line)
{
	struct iovec v = { line->ptr, line->len };
	ssize_t n;

	if (!a->may_block) {
		do
			n = write(a->fd, line->ptr, line->len);
		while (n == -1 && errno == EINTR);
		return n;
	}
	n = pwritev2(a->fd, &v, 1, -1, RWF_NOWAIT);
	if (n == -1 && (errno == EOPNOTSUPP || errno == ENOSYS))
		n = write(a->fd, line->ptr,
		    line->len < PIPE_BUF ? line->len : PIPE_BUF);
	return n;
}

/* A reader that has stopped reading our stderr must not stop the server. */
static bool
would_block(const struct access *a)
{
	struct pollfd p = { .fd = a->fd, .events = POLLOUT };

	return a->may_block && poll(&p, 1, 0) != 1;
}

void
access_write(struct access *a, const struct access_entry *e)
{
	uint8_t memory[ACCESS_LINE_MAX];
	struct buf line;
	ssize_t n;

	if (a->fd == -1)
		return;
	buf_wrap(&line, memory, sizeof(memory));
	access_format(a, e, &line);
	if (would_block(a))
		return;
	n = write_now(a, &line);
	if (n != (ssize_t)line.len && log_due(&a->warned_ms, ACCESS_WARN_MS))
		log_warn("access log: %s; serving goes on",
		    n == -1 ? strerror(errno) : "a line was cut");
}
