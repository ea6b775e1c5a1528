/* SPDX-License-Identifier: ISC */
#include "server/conn.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/clock.h"

enum {
	RECORD_HEADER = 5, /* type, version, length (RFC 8446 5.1) */
	RECORD_HANDSHAKE = 22,
	HELLO_PEEK = 2048, /* holds nearly every ClientHello */
	HELLO_MAX = 18 * 1024, /* no record is longer */
};

void
conn_init(struct conn *c, int fd, const struct sockaddr_storage *from,
    unsigned port, uint64_t key, struct conn_text *text)
{
	memset(c, 0, sizeof(*c));
	c->state = CONN_HANDSHAKE;
	c->fd = fd;
	c->body = -1;
	c->from = *from;
	c->port = (uint16_t)port;
	c->key = key;
	c->text = text;
	c->version = "-";
	c->began_ms = clock_ms();
}

static void
wait_for_bytes(struct conn *c, int bytes)
{
	if (c->from.ss_family == AF_UNIX)
		return; /* poll(2) there does not heed SO_RCVLOWAT */
	setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
	c->peeking = bytes > 1;
}

/* No TLS object before a whole ClientHello is there: a silent or slow peer then
 * costs the kernel's memory, not 43 kB of ours. Bytes that are no handshake
 * are not answered at all (spec.md 1.5.58). */
static enum io
await_hello(struct conn *c, struct conn_world *w)
{
	uint8_t *p = w->chunk;
	ssize_t n = recv(c->fd, p, HELLO_PEEK, MSG_PEEK);
	int there, want;

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return IO_WANT_READ;
	if (n <= 0 || p[0] != RECORD_HANDSHAKE)
		return IO_CLOSED;
	want = n < RECORD_HEADER ? RECORD_HEADER
				 : RECORD_HEADER + (p[3] << 8 | p[4]);
	there = (int)n;
	if (there < want && n == HELLO_PEEK &&
	    ioctl(c->fd, FIONREAD, &there) == -1)
		return IO_FAILED;
	if (there < want && want <= HELLO_MAX &&
	    c->from.ss_family != AF_UNIX) {
		wait_for_bytes(c, want);
		return IO_WANT_READ;
	}
	if (c->peeking)
		wait_for_bytes(c, 1);
	return tls_conn_accept(&c->tls, w->tls, c->fd) ? IO_DONE : IO_FAILED;
}

static enum io
conn_handshake(struct conn *c, struct conn_world *w)
{
	enum io io = IO_DONE;

	if (!tls_conn_is_open(&c->tls))
		io = await_hello(c, w);
	if (io == IO_DONE)
		io = tls_conn_handshake(&c->tls);
	if (io == IO_CLOSED || io == IO_FAILED)
		c->state = CONN_DONE;
	if (io != IO_DONE)
		return io;
	c->version = tls_conn_version(&c->tls);
	c->resumed = tls_conn_resumed(&c->tls);
	c->received = tls_conn_received(&c->tls);
	c->state = CONN_REQUEST;
	return IO_DONE;
}

/* Where a view into the request line lies, for the log. */
static void
remember(const struct conn *c, struct slice s, uint16_t *at, uint16_t *len)
{
	*at = s.len == 0 ? 0 : (uint16_t)(s.ptr - c->text->line);
	*len = (uint16_t)s.len;
}

static void
remember_line(struct conn *c, const struct answer *a, struct slice line)
{
	struct slice path = a->uri.path, query = a->uri.query;

	c->has_query = a->uri.has_query;
	if (a->host == NULL) {
		/* Not for us, or no URI at all: all of it but a query. */
		c->has_query = slice_cut(line, '?', &path, &query);
	}
	remember(c, path, &c->path_at, &c->path_len);
	remember(c, query, &c->query_at, &c->query_len);
}

static enum status
decide(struct conn *c, struct conn_world *w, struct slice line)
{
	struct answer *a = &w->answer;
	const struct answer_origin origin = {
		.sni = tls_conn_sni(&c->tls),
		.sni_unknown = tls_conn_sni(&c->tls) == TLS_SNI_UNKNOWN,
		.port = c->port,
	};
	char wait[16];
	unsigned seconds;

	answer_init(a);
	if (answer_route(a, w->hosts, &origin, line) != STATUS_NONE)
		return a->status;
	seconds = limiter_request(w->limiter, c->key,
	    (unsigned)w->conf->limits.rate, (unsigned)w->conf->limits.burst,
	    clock_us());
	if (seconds > 0) {
		snprintf(wait, sizeof(wait), "%u", seconds);
		return answer_refuse(a, STATUS_SLOW_DOWN, wait);
	}
	return answer_open(a, w->mime, w->listings);
}

static void
write_header(struct conn *c, enum status status, struct slice meta)
{
	struct buf header;

	buf_wrap(&header, c->text->header, sizeof(c->text->header));
	c->status = response_header(&header, status, meta);
	c->header_len = (uint16_t)header.len;
}

static void
drop_body(struct conn *c)
{
	if (c->body != -1)
		close(c->body);
	if (c->listing != NULL)
		listing_release(c->listing);
	c->body = -1;
	c->listing = NULL;
	c->size = 0;
}

/* From the request line to a header and, perhaps, a body. */
static void
conn_answer(struct conn *c, struct conn_world *w, struct slice line)
{
	struct answer *a = &w->answer;

	decide(c, w, line);
	c->host = a->host;
	c->body = a->fd;
	c->listing = a->listing;
	c->size = a->size;
	remember_line(c, a, line);
	write_header(c, a->status, buf_view(&a->meta));
	if (c->status != STATUS_SUCCESS)
		drop_body(c);
	c->state = CONN_SEND;
}

static void
conn_refuse_line(struct conn *c, struct conn_world *w)
{
	struct slice line = slice_of(c->text->line, c->line_len);

	answer_init(&w->answer);
	answer_refuse(&w->answer, STATUS_BAD_REQUEST,
	    "Request longer than 1024 bytes");
	remember_line(c, &w->answer, line);
	write_header(c, STATUS_BAD_REQUEST, buf_view(&w->answer.meta));
	c->state = CONN_SEND;
}

/* Empty records, key updates and the like are no way to keep us busy; records of
 * a byte each are. */
static bool
too_much_noise(const struct conn *c)
{
	uint64_t came = tls_conn_received(&c->tls) - c->received;

	return came > CONN_BEFORE_REQUEST_MAX +
	    (uint64_t)c->line_len * CONN_RECORD_OVERHEAD;
}

static enum io
conn_request(struct conn *c, struct conn_world *w)
{
	uint8_t *line = c->text->line;
	struct slice uri;
	size_t got = 0;
	enum io io = tls_conn_read(&c->tls, line + c->line_len,
	    REQUEST_LINE_MAX - c->line_len, &got);

	c->line_len = (uint16_t)(c->line_len + got);
	switch (io == IO_DONE
		? request_parse(slice_of(line, c->line_len), &uri)
		: REQUEST_MORE) {
	case REQUEST_OK:
		conn_answer(c, w, uri);
		return IO_DONE;
	case REQUEST_TOO_LONG:
		conn_refuse_line(c, w);
		return IO_DONE;
	case REQUEST_MORE:
		break;
	}
	if (io == IO_FAILED || too_much_noise(c))
		c->state = CONN_DONE;
	else if (io == IO_CLOSED)
		c->state = CONN_SHUTDOWN; /* no request will come */
	else
		return io;
	return IO_DONE;
}

/* Body bytes from offset at into out; false when they are not there any
 * more. */
static bool
body_read(const struct conn *c, uint8_t *out, size_t len, uint64_t at)
{
	size_t done = 0;
	ssize_t n;

	if (c->listing != NULL) {
		memcpy(out, c->listing->body.ptr + at, len);
		return true;
	}
	while (done < len) {
		n = pread(c->body, out + done, len - done, (off_t)(at + done));
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

/* The next record: the header with the first bytes of the body, or 16 KiB of
 * body. The same bytes when asked again before they have gone. */
static bool
next_record(const struct conn *c, uint8_t chunk[TLS_RECORD_MAX],
    struct slice *record)
{
	size_t header = c->sent == 0 ? c->header_len : 0;
	uint64_t at = c->sent == 0 ? 0 : c->sent - c->header_len;
	size_t body = TLS_RECORD_MAX - header;

	if (body > c->size - at)
		body = (size_t)(c->size - at);
	memcpy(chunk, c->text->header, header);
	*record = slice_of(chunk, header + body);
	return body_read(c, chunk + header, body, at);
}

/* The body cannot be finished: the missing close_notify says so (spec.md
 * 1.5.50); but while nothing has gone, an honest header can. */
static void
body_failed(struct conn *c)
{
	if (c->sent > 0) {
		c->state = CONN_DONE;
		return;
	}
	drop_body(c);
	write_header(c, STATUS_TEMPORARY_FAILURE,
	    slice_str(status_text(STATUS_TEMPORARY_FAILURE)));
}

static enum io
conn_send(struct conn *c, struct conn_world *w)
{
	uint64_t total = c->header_len + c->size;
	struct slice record;
	enum io io;

	for (unsigned i = 0; i < CONN_TURN_RECORDS && c->sent < total; i++) {
		if (!next_record(c, w->chunk, &record)) {
			body_failed(c);
			return IO_DONE;
		}
		io = tls_conn_write(&c->tls, record);
		if (io == IO_CLOSED || io == IO_FAILED)
			c->state = CONN_DONE;
		if (io != IO_DONE)
			return io;
		c->sent += record.len;
		c->progress = true;
	}
	if (c->sent < total)
		return IO_WANT_WRITE;
	c->state = CONN_SHUTDOWN;
	return IO_DONE;
}

static enum io
conn_shutdown(struct conn *c)
{
	enum io io = tls_conn_close_notify(&c->tls);

	if (io == IO_WANT_READ || io == IO_WANT_WRITE)
		return io;
	c->state = CONN_DONE;
	if (io == IO_DONE && shutdown(c->fd, SHUT_WR) == 0) {
		tls_conn_fini(&c->tls); /* the drain needs none of it */
		c->state = CONN_DRAIN;
	}
	return IO_DONE;
}

/* Closing with unread input would make the kernel send a reset, and the answer
 * would be lost (spec.md 1.5.51). */
static enum io
conn_drain(struct conn *c, struct conn_world *w)
{
	ssize_t n;

	while ((n = recv(c->fd, w->chunk, sizeof(w->chunk), 0)) > 0) {
		c->drained += (uint32_t)n;
		if (c->drained > CONN_DRAIN_MAX)
			break;
	}
	if (n == -1 && errno == EAGAIN)
		return IO_WANT_READ;
	c->state = CONN_DONE;
	return IO_DONE;
}

enum io
conn_step(struct conn *c, struct conn_world *w)
{
	enum io io = IO_DONE;

	while (c->state != CONN_DONE && io == IO_DONE) {
		switch (c->state) { /* no default: -Wswitch finds the gap */
		case CONN_HANDSHAKE:
			io = conn_handshake(c, w);
			break;
		case CONN_REQUEST:
			io = conn_request(c, w);
			break;
		case CONN_SEND:
			io = conn_send(c, w);
			break;
		case CONN_SHUTDOWN:
			io = conn_shutdown(c);
			break;
		case CONN_DRAIN:
			io = conn_drain(c, w);
			break;
		case CONN_DONE:
			break;
		}
	}
	return c->state == CONN_DONE ? IO_DONE : io;
}

unsigned
conn_patience(const struct conn *c, const struct conf *conf)
{
	switch (c->state) {
	case CONN_HANDSHAKE:
		return (unsigned)conf->limits.handshake;
	case CONN_REQUEST:
		return (unsigned)conf->limits.request;
	case CONN_SEND:
		return (unsigned)conf->limits.stall;
	case CONN_SHUTDOWN:
	case CONN_DRAIN:
	case CONN_DONE:
		break;
	}
	return CONN_DRAIN_S;
}

void
conn_expire(struct conn *c)
{
	c->state = c->state == CONN_REQUEST ? CONN_SHUTDOWN : CONN_DONE;
}

static void
log_request(const struct conn *c, struct conn_world *w)
{
	const uint8_t *line = c->text->line;
	const struct access_entry entry = {
		.from = &c->from,
		.host = c->host != NULL ? c->host->names[0] : NULL,
		.status = c->sent > 0 ? c->status : STATUS_NONE,
		.bytes = c->sent,
		.ms = clock_ms() - c->began_ms,
		.tls = c->version,
		.resumed = c->resumed,
		.complete = c->sent == c->header_len + c->size,
		.path = c->path_len > 0 || c->host == NULL
		    ? slice_of(line + c->path_at, c->path_len)
		    : SLICE("/"),
		.query = slice_of(line + c->query_at, c->query_len),
		.has_query = c->has_query,
	};

	access_write(w->access, &entry);
}

void
conn_fini(struct conn *c, struct conn_world *w)
{
	if (c->status != STATUS_NONE)
		log_request(c, w);
	drop_body(c);
	tls_conn_fini(&c->tls);
	close(c->fd);
	c->fd = -1;
	c->state = CONN_DONE;
}
