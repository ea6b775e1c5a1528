/* SPDX-License-Identifier: ISC */
#include "server/access.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "os/file.h"
#include "os/shared.h"
#include "proto/request.h"
#include "util/clock.h"
#include "util/json.h"
#include "util/log.h"

enum {
	V4_KEPT = 3,
	V6_KEPT = 6,
	ADDRESS_TEXT_MAX = INET6_ADDRSTRLEN + sizeof("/48"),
};

/* Places that are not files: the words of the configuration, and what they are
 * also known as. */
enum place { PLACE_FILE = -1, PLACE_NONE = -2 };

/* The descriptor to write to, or an enum place. */
static int
log_place(const char *where)
{
	static const struct {
		const char *name;
		int place;
	} names[] = {
		{ "none", PLACE_NONE },
		{ "/dev/null", PLACE_NONE },
		{ "stderr", STDERR_FILENO },
		{ "/dev/stderr", STDERR_FILENO },
		{ "/dev/stdout", STDOUT_FILENO },
		/* what these are links to, as containers name them */
		{ "/dev/fd/1", STDOUT_FILENO },
		{ "/dev/fd/2", STDERR_FILENO },
		{ "/proc/self/fd/1", STDOUT_FILENO },
		{ "/proc/self/fd/2", STDERR_FILENO },
	};

	if (where == NULL)
		return STDERR_FILENO;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(where, names[i].name) == 0)
			return names[i].place;
	return PLACE_FILE;
}

static bool
log_is_file(const char *where)
{
	return log_place(where) == PLACE_FILE;
}

/* Opens the log at path: a regular file, or a pipe that has a reader. What
 * somebody else put there (a symbolic link, a device) is not written to: the
 * owner of the directory must not choose what root appends to. */
static int
log_open(const char *path, int create)
{
	int fd = open(path,
	    O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK |
		O_NOFOLLOW | create,
	    0640);
	struct stat st;

	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == 0 &&
	    (S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode)))
		return fd;
	close(fd);
	errno = EINVAL;
	return -1;
}

const char *
access_error(int error)
{
	switch (error) {
	case ELOOP:
		return "a symbolic link, which is not followed: name the file "
		       "itself";
	case EINVAL:
		return "neither a regular file nor a pipe";
	case ENXIO:
		return "a pipe without a reader";
	default:
		return strerror(error);
	}
}

/* Whether the last line of the file at path lacks its LF: the disk was full, or
 * the machine stopped, while it was written. */
static bool
log_is_cut(const char *path)
{
	int fd = open(
	    path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
	struct stat st;
	char last = '\n';

	if (fd == -1)
		return false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
	    pread(fd, &last, 1, st.st_size - 1) != 1)
		last = '\n';
	close(fd);
	return last != '\n';
}

bool
access_init(struct access *a, const struct conf *conf)
{
	const char *where = conf->log.access.text;
	struct stat st;

	memset(a, 0, sizeof(*a));
	a->json = conf->log.format == CONF_LOG_JSON;
	a->query = conf->log.query;
	a->addresses = conf->log.addresses;
	a->handshakes = conf->log.handshakes;
	a->fd = -1;
	if (log_place(where) == PLACE_NONE)
		return true;
	a->cut = shared_new(sizeof(*a->cut));
	if (a->cut == NULL)
		return false;
	if (log_is_file(where))
		a->fd = log_open(where, O_CREAT);
	else
		a->fd = fcntl(log_place(where), F_DUPFD_CLOEXEC, 3);
	if (a->fd == -1)
		return false;
	if (log_is_file(where))
		atomic_store(a->cut, log_is_cut(where));
	a->named = log_is_file(where);
	a->may_block = fstat(a->fd, &st) == 0 && !S_ISREG(st.st_mode);
	return true;
}

bool
access_name(const struct access *a, char *out, size_t size)
{
	char path[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", a->fd);
	len = a->fd == -1 || !a->named ? -1 : readlink(path, out, size - 1);
	if (len == -1)
		return false;
	out[len] = '\0';
	return true;
}

/* Whether a file could be created at path, without creating it. */
static bool
log_may_be_created(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX] = ".";
	size_t len = slash == NULL ? 1 : (size_t)(slash - path);

	if (len >= sizeof(dir)) {
		errno = ENAMETOOLONG;
		return false;
	}
	if (slash != NULL)
		memcpy(dir, len == 0 ? "/" : path, len == 0 ? 1 : len);
	return faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) == 0;
}

void
access_check(const struct conf *conf, struct report *r)
{
	const struct conf_text *where = &conf->log.access;
	int fd;

	if (!log_is_file(where->text))
		return;
	fd = log_open(where->text, 0);
	if (fd == -1 && (errno != ENOENT || !log_may_be_created(where->text)))
		report_add(r, REPORT_ERROR, where->file, where->line,
		    "log.access: %s: %s", where->text, access_error(errno));
	if (fd != -1)
		close(fd);
}

void
access_check_roots(const struct conf *conf, struct report *r)
{
	const struct conf_text *where = &conf->log.access;

	if (!log_is_file(where->text))
		return;
	for (size_t i = 0; i < conf->n_capsules; i++) {
		const char *root = conf->capsules[i].root.text;

		if (root != NULL && file_is_inside(where->text, root))
			report_add(r, REPORT_ERROR, where->file, where->line,
			    "log.access: %s is inside the root \"%s\": clients "
			    "could read it",
			    where->text, root);
	}
}

void
access_fini(struct access *a)
{
	int none = -1;

	access_flush(a);
	free(a->held);
	a->held = NULL;
	if (a->fd != -1)
		close(a->fd);
	a->fd = -1;
	if (a->cut != NULL)
		shared_free(a->cut, sizeof(*a->cut), &none);
	a->cut = NULL;
}

/* Truncated to /24 and /48: enough to see a pattern, not a person. */
static void
line_put_address(const struct access *a, const struct sockaddr_storage *from,
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
line_format_text(const struct access *a, const struct access_entry *e,
    const char *time, struct buf *out)
{
	buf_printf(out, "%s ", time);
	line_put_address(a, e->from, out);
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
	if (e->handshake != NULL) {
		buf_byte(out, ' ');
		log_escape(out, slice_str(e->handshake));
	}
	buf_byte(out, '\n');
}

static void
line_format_json(const struct access *a, const struct access_entry *e,
    const char *time, struct buf *out)
{
	uint8_t address_memory[ADDRESS_TEXT_MAX];
	uint8_t path_memory[2 * REQUEST_LINE_MAX];
	struct json j = { .out = out };
	struct buf address, path;

	buf_wrap(&address, address_memory, sizeof(address_memory));
	line_put_address(a, e->from, &address);
	buf_wrap(&path, path_memory, sizeof(path_memory));
	buf_put(&path, e->path);
	if (a->query && e->has_query) {
		buf_byte(&path, '?');
		buf_put(&path, e->query);
	}
	json_object(&j, NULL);
	json_text(&j, "time", time);
	json_slice(&j, "address", buf_view(&address));
	json_text(&j, "host", e->host != NULL ? e->host : "-");
	json_number(&j, "status", (uint64_t)e->status);
	json_number(&j, "bytes", e->bytes);
	json_number(&j, "ms", e->ms);
	json_text(&j, "tls", e->tls);
	json_bool(&j, "resumed", e->resumed);
	json_bool(&j, "complete", e->complete);
	json_slice(&j, "path", buf_view(&path));
	if (e->handshake != NULL)
		json_text(&j, "handshake", e->handshake);
	json_end(&j);
}

void
access_format(
    const struct access *a, const struct access_entry *e, struct buf *out)
{
	char time[CLOCK_RFC3339_SIZE];

	clock_rfc3339_now(time);
	if (a->json)
		line_format_json(a, e, time, out);
	else
		line_format_text(a, e, time, out);
}

/* musl has pwritev2 and its flag since 1.2.5 only. */
static ssize_t
access_write_no_wait(int fd, const struct iovec *v)
{
#ifdef RWF_NOWAIT
	return pwritev2(fd, v, 1, -1, RWF_NOWAIT);
#else
	(void)fd;
	(void)v;
	errno = ENOSYS;
	return -1;
#endif
}

/* poll(2) promises room for PIPE_BUF bytes only, and another worker may take
 * them first; before Linux 6.4 pipes do not know RWF_NOWAIT. */
static ssize_t
access_write_now(const struct access *a, uint8_t *line, size_t len)
{
	struct iovec v = { line, len };
	ssize_t n;

	if (!a->may_block) {
		do
			n = write(a->fd, line, len);
		while (n == -1 && errno == EINTR);
		return n;
	}
	n = access_write_no_wait(a->fd, &v);
	if (n == -1 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
		if (len > PIPE_BUF)
			line[PIPE_BUF - 1] = '\n';
		n = write(a->fd, line, len < PIPE_BUF ? len : PIPE_BUF);
	}
	return n;
}

/* A reader that has stopped reading our stderr must not stop the server. */
static bool
access_would_block(const struct access *a)
{
	struct pollfd p = { .fd = a->fd, .events = POLLOUT };

	return a->may_block && poll(&p, 1, 0) != 1;
}

/* A file that was truncated in place no longer has an incomplete line. */
static bool
access_is_empty(const struct access *a)
{
	struct stat st;

	return !a->may_block && fstat(a->fd, &st) == 0 && st.st_size == 0;
}

/* Writes lines of len bytes that follow an LF at memory. Where the last line
 * of any worker was truncated the LF is written first, so that the first of
 * these is whole. */
static ssize_t
access_write_line(const struct access *a, uint8_t *memory, size_t len)
{
	bool cut = a->cut != NULL && atomic_exchange(a->cut, false) &&
		   !access_is_empty(a);
	size_t lead = cut ? 1 : 0;
	uint8_t *start = memory + 1 - lead;
	ssize_t n = access_write_now(a, start, len + lead);

	if (a->cut != NULL && (n > 0 ? start[n - 1] != '\n' : cut))
		atomic_store(a->cut, true);
	return n > 0 ? n - (ssize_t)lead : n;
}

/* How many of the len bytes of lines that follow an LF at memory go in one
 * write: into a file all; a pipe takes or refuses as a whole what is no longer
 * than PIPE_BUF (pipe(7)), besides an LF that may come before it. */
static size_t
lines_in_one_write(const struct access *a, const uint8_t *memory, size_t len)
{
	const size_t most = PIPE_BUF - 1;
	const uint8_t *end;

	if (!a->may_block || len <= most)
		return len;
	end = memrchr(memory + 1, '\n', most);
	if (end == NULL) /* a long line */
		end = memchr(memory + 1, '\n', len);
	return (size_t)(end - memory);
}

/* What cannot be written is lost. */
static void
access_write_lines(struct access *a, uint8_t *memory, size_t len)
{
	while (len > 0 && !access_would_block(a)) {
		size_t part = lines_in_one_write(a, memory, len);
		ssize_t n = access_write_line(a, memory, part);

		if (n != (ssize_t)part) {
			if (log_due(&a->warned_ms, ACCESS_WARN_MS))
				log_warn("access log: %s; serving continues",
				    n == -1 ? strerror(errno)
					    : "a line was truncated");
			return;
		}
		memory += part;
		len -= part;
	}
}

/* Appends a line, with its LF, to the len bytes of lines that follow an LF at
 * memory; returns how many bytes there are then. */
static size_t
access_put_line(const struct access *a, const struct access_entry *e,
    uint8_t *memory, size_t len)
{
	struct buf line;

	buf_wrap(&line, memory + 1 + len, ACCESS_LINE_MAX - 1);
	access_format(a, e, &line);
	len += line.len;
	if (line.len == 0 || memory[len] != '\n')
		memory[++len] = '\n'; /* truncated, but still a line */
	return len;
}

bool
access_hold(struct access *a)
{
	a->held = malloc(1 + ACCESS_HELD_MAX);
	if (a->held == NULL)
		return false;
	a->held[0] = '\n';
	return true;
}

void
access_flush(struct access *a)
{
	if (a->held_len > 0)
		access_write_lines(a, a->held, a->held_len);
	a->held_len = 0;
}

static void
access_write_at_once(struct access *a, const struct access_entry *e)
{
	uint8_t memory[1 + ACCESS_LINE_MAX];

	memory[0] = '\n';
	access_write_lines(a, memory, access_put_line(a, e, memory, 0));
}

/* Whether one more failed handshake is logged in the present period. */
static bool
access_admits_handshake(struct access *a)
{
	uint64_t now = clock_ms();

	if (now - a->period_ms >= ACCESS_HANDSHAKES_MS) {
		a->period_ms = now;
		a->period_lines = 0;
	}
	if (a->period_lines < ACCESS_HANDSHAKES_MAX) {
		a->period_lines++;
		return true;
	}
	if (log_due(&a->unlogged_ms, ACCESS_WARN_MS))
		log_warn("access log: more than %d failed handshakes in %d "
			 "seconds; the others are not logged",
		    ACCESS_HANDSHAKES_MAX, ACCESS_HANDSHAKES_MS / 1000);
	return false;
}

void
access_write(struct access *a, const struct access_entry *e)
{
	if (a->fd == -1 ||
	    (e->handshake != NULL && !access_admits_handshake(a)))
		return;
	if (a->held == NULL) {
		access_write_at_once(a, e);
		return;
	}
	if (ACCESS_HELD_MAX - a->held_len < ACCESS_LINE_MAX)
		access_flush(a);
	a->held_len = access_put_line(a, e, a->held, a->held_len);
}
