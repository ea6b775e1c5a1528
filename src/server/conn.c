/* SPDX-License-Identifier: ISC */
#include "server/conn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/hello.h"
#include "util/clock.h"
#include "util/fd.h"

/* Makes the close a reset (SO_LINGER in socket(7)), so that what the kernel
 * still holds for the peer is freed at once. */
static void
socket_reset_on_close(int fd)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void
conn_init(struct conn *c, int fd, const struct sockaddr_storage *from,
    unsigned port, uint64_t key, struct conn_text *text)
{
	memset(c, 0, sizeof(*c));
	c->state = CONN_HELLO;
	c->fd = fd;
	c->body = -1;
	memcpy(&c->from, from, sizeof(c->from));
	c->port = (uint16_t)port;
	c->key = key;
	c->text = text;
	c->version = "-";
	c->began_ms = clock_ms();
}

/* Writes the access line of a handshake that has failed. */
static void
conn_log_handshake(
    const struct conn *c, struct conn_world *w, const char *reason)
{
	struct sockaddr_storage from = { 0 };
	int sni = tls_conn_is_open(&c->tls) ? tls_conn_sni(&c->tls) : -1;
	const struct access_entry entry = {
		.from = &from,
		.host = sni >= 0 ? w->hosts->host[sni].names[0] : NULL,
		.ms = clock_ms() - c->began_ms,
		.tls = "-",
		.handshake = reason,
	};

	memcpy(&from, &c->from, sizeof(c->from));
	access_write(w->access, &entry);
}

/* Ends a handshake; logs it, if so configured, unless reason is NULL. */
static enum io
conn_fail_handshake(struct conn *c, struct conn_world *w, const char *reason)
{
	if (reason != NULL && w->access->handshakes)
		conn_log_handshake(c, w, reason);
	c->state = CONN_DONE;
	return IO_DONE;
}

/* The same; a client that has sent nothing has not begun a handshake. */
static void
conn_cancel_handshake(struct conn *c, struct conn_world *w, const char *reason)
{
	bool begun = c->state != CONN_HELLO || c->wanted > 0;

	if (c->state <= CONN_HANDSHAKE)
		conn_fail_handshake(c, w, begun ? reason : NULL);
}

static void
conn_wait_for(struct conn *c, int bytes)
{
	setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
	c->wanted = bytes;
}

/* Whether to wait for want bytes, of which some have come. When woken with
 * fewer than were waited for, the peer has ended its side, which OpenSSL then
 * finds out. poll(2) of a unix socket ignores SO_RCVLOWAT. */
static bool
hello_is_worth_waiting(const struct conn *c, size_t there, size_t want)
{
	return there < want && (int)want > c->wanted &&
	       c->from.sin6_family != AF_UNIX;
}

/* Waits for a whole ClientHello (RFC 8446 4.1.2, 5.1), in any number of
 * records. No TLS object is made before it has come: a silent or slow peer then
 * costs the kernel's memory, not 43 kB of ours. Bytes that are not a handshake,
 * or too long a hello, are not answered at all: plaintext, even an alert, would
 * only confuse a client of another protocol. */
static enum io
conn_hello(struct conn *c, struct conn_world *w)
{
	ssize_t n = recv(c->fd, w->chunk, HELLO_MAX, MSG_PEEK);
	size_t want;

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return IO_WANT_READ;
	/* 0 only if nothing has come: what was peeked at stays. */
	if (n <= 0)
		return conn_fail_handshake(
		    c, w, c->wanted > 0 ? strerror(errno) : NULL);
	if (w->chunk[0] != HELLO_RECORD)
		return conn_fail_handshake(c, w, "not TLS");
	want = hello_needs(slice_of(w->chunk, (size_t)n));
	if (want > HELLO_MAX)
		return conn_fail_handshake(
		    c, w, "malformed or too long ClientHello");
	if (hello_is_worth_waiting(c, (size_t)n, want)) {
		conn_wait_for(c, (int)want);
		return IO_WANT_READ;
	}
	if (c->wanted > 0)
		conn_wait_for(c, 1);
	c->state = CONN_QUEUED;
	return IO_DONE;
}

static enum io
conn_begin(struct conn *c, struct conn_world *w)
{
	if (!tls_conn_accept(&c->tls, w->tls, w->hosts, c->fd))
		return conn_fail_handshake(c, w, "out of memory");
	tls_conn_limit(&c->tls, CONN_HANDSHAKE_MAX);
	c->state = CONN_HANDSHAKE;
	return IO_DONE;
}

static enum io
conn_handshake(struct conn *c, struct conn_world *w)
{
	uint64_t before = tls_conn_received(&c->tls);
	enum io io = tls_conn_handshake(&c->tls);

	if (io == IO_CLOSED)
		return conn_fail_handshake(c, w, "closed by the client");
	if (io == IO_FAILED)
		return conn_fail_handshake(c, w,
		    w->access->handshakes ? tls_handshake_reason() : NULL);
	if (io != IO_DONE)
		return io;
	c->version = tls_conn_version(&c->tls);
	c->resumed = tls_conn_resumed(&c->tls);
	/* The last call may have read on past the client's Finished message:
	 * what came with it is not part of the handshake. */
	c->received = tls_conn_received(&c->tls);
	if (c->received - before > CONN_FINISHED_MAX)
		c->received = before + CONN_FINISHED_MAX;
	tls_conn_limit(&c->tls,
	    CONN_BEFORE_REQUEST_MAX + REQUEST_LINE_MAX * CONN_RECORD_OVERHEAD);
	c->state = CONN_REQUEST;
	return IO_DONE;
}

/* Every complete request counts, whatever the answer would be. Returns the
 * whole seconds to wait when it is one too many, else 0. */
static unsigned
conn_count_request(const struct conn *c, const struct conn_world *w)
{
	return limiter_request(w->limiter, c->key,
	    (unsigned)w->conf->limits.rate, (unsigned)w->conf->limits.burst,
	    clock_us());
}

static enum status
conn_refuse_rate(struct answer *a, unsigned seconds)
{
	char wait[16];

	snprintf(wait, sizeof(wait), "%u", seconds);
	return answer_refuse(a, STATUS_SLOW_DOWN, wait);
}

static enum status
conn_decide(struct conn *c, struct conn_world *w, struct slice line)
{
	struct answer *a = &w->answer;
	const struct answer_origin origin = {
		.sni = tls_conn_sni(&c->tls),
		.port = c->port,
	};
	unsigned seconds = conn_count_request(c, w);

	answer_init(a);
	/* Routed in any case: the log names the host and the path. */
	answer_route(a, w->hosts, &origin, line);
	if (seconds > 0)
		return conn_refuse_rate(a, seconds);
	if (a->status != STATUS_NONE)
		return a->status;
	if (answer_open(a, w->mime, w->listings) == STATUS_TEMPORARY_FAILURE &&
	    w->spares != NULL && spares_give(w->spares)) {
		a->status = STATUS_NONE;
		buf_reset(&a->meta);
		answer_open(a, w->mime, w->listings);
	}
	return a->status;
}

static void
conn_write_header(struct conn *c, enum status status, struct slice meta)
{
	struct buf header;

	buf_wrap(&header, c->text->header, sizeof(c->text->header));
	c->status = response_header(&header, status, meta);
	c->header_len = (uint16_t)header.len;
}

/* Gives back the body: its file or its listing. */
static void
conn_drop_body(struct conn *c)
{
	fd_close(c->body);
	if (c->listing != NULL)
		listing_release(c->listing);
	c->body = -1;
	c->listing = NULL;
	c->size = 0;
}

/* Where s lies in the request line. */
static void
conn_locate(const struct conn *c, struct slice s, uint16_t *at, uint16_t *len)
{
	*at = s.len == 0 ? 0 : (uint16_t)(s.ptr - c->text->line);
	*len = (uint16_t)s.len;
}

/* Notes where in the request line the path and the query for the log lie. */
static void
conn_remember(struct conn *c, const struct answer *a, struct slice line)
{
	struct slice path = a->uri.path, query = a->uri.query;

	c->has_query = a->uri.has_query;
	if (a->host == NULL) {
		/* Not one of our hosts, or an invalid URI: the whole line
		 * without the query. */
		c->has_query = slice_cut(line, '?', &path, &query);
	}
	conn_locate(c, path, &c->path_at, &c->path_len);
	conn_locate(c, query, &c->query_at, &c->query_len);
}

/* Turns the request line into a header and, perhaps, a body. */
static void
conn_answer(struct conn *c, struct conn_world *w, struct slice line)
{
	struct answer *a = &w->answer;

	conn_decide(c, w, line);
	c->host = a->host;
	c->body = a->fd;
	c->listing = a->listing;
	c->size = a->size;
	conn_remember(c, a, line);
	conn_write_header(c, a->status, buf_view(&a->meta));
	if (c->status != STATUS_SUCCESS)
		conn_drop_body(c);
	c->state = CONN_SEND;
}

static void
conn_refuse_line(struct conn *c, struct conn_world *w)
{
	struct slice line = slice_of(c->text->line, c->line_len);
	unsigned seconds = conn_count_request(c, w);

	answer_init(&w->answer);
	if (seconds > 0)
		conn_refuse_rate(&w->answer, seconds);
	else
		answer_refuse(&w->answer, STATUS_BAD_REQUEST,
		    "Request longer than 1024 bytes");
	conn_remember(c, &w->answer, line);
	conn_write_header(c, w->answer.status, buf_view(&w->answer.meta));
	c->state = CONN_SEND;
}

/* Bounds empty records, key updates and the like; a request of one byte a
 * record is still within the bound. */
static bool
conn_is_noisy(const struct conn *c)
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
	enum io io = tls_conn_read(
	    &c->tls, line + c->line_len, REQUEST_LINE_MAX - c->line_len, &got);

	c->line_len = (uint16_t)(c->line_len + got);
	if (conn_is_noisy(c)) {
		c->state = CONN_DONE;
		return IO_DONE;
	}
	switch (io == IO_DONE ? request_parse(slice_of(line, c->line_len), &uri)
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
	if (io == IO_FAILED)
		c->state = CONN_DONE;
	else if (io == IO_CLOSED)
		c->state = CONN_SHUTDOWN; /* no request will come */
	else
		return io;
	return IO_DONE;
}

/* Reads body bytes from offset at into out; false when there are no longer so
 * many. */
static bool
conn_read_body(const struct conn *c, uint8_t *out, size_t len, uint64_t at)
{
	ssize_t n;

	if (c->listing != NULL) {
		memcpy(out, c->listing->body.ptr + at, len);
		return true;
	}
	n = fd_read_at(c->body, out, len, (off_t)at);
	return n != -1 && (size_t)n == len;
}

/* The next record to send, in chunk: the header with the first bytes of the
 * body, or 16 KiB of body. The same bytes until c->sent moves on. False when
 * the body has become shorter than it was. */
static bool
conn_record(
    const struct conn *c, uint8_t chunk[TLS_RECORD_MAX], struct slice *record)
{
	size_t header = c->sent == 0 ? c->header_len : 0;
	uint64_t at = c->sent == 0 ? 0 : c->sent - c->header_len;
	size_t body = TLS_RECORD_MAX - header;

	if (body > c->size - at)
		body = (size_t)(c->size - at);
	memcpy(chunk, c->text->header, header);
	*record = slice_of(chunk, header + body);
	return conn_read_body(c, chunk + header, body, at);
}

/* The body cannot be completed. The client learns it from the missing
 * close_notify (RFC 8446 6.1); while nothing has been sent yet, from a
 * header. */
static void
conn_fail_body(struct conn *c)
{
	if (c->sent > 0) {
		c->state = CONN_DONE;
		return;
	}
	conn_drop_body(c);
	conn_write_header(c, STATUS_TEMPORARY_FAILURE,
	    slice_str(status_text(STATUS_TEMPORARY_FAILURE)));
}

/* Bytes written that the peer has not acknowledged. A slow reader's socket
 * takes more only when a third of its queue is free: until then this number
 * alone shows that it reads. */
static int
conn_unacknowledged(const struct conn *c)
{
	int held = (int)tls_conn_held(&c->tls);
	int bytes = 0;

	return held + (ioctl(c->fd, TIOCOUTQ, &bytes) == 0 ? bytes : 0);
}

uint64_t
conn_acknowledged(const struct conn *c)
{
	uint64_t holds = (uint64_t)conn_unacknowledged(c);

	return c->sent > holds ? c->sent - holds : 0;
}

static enum io
conn_send(struct conn *c, struct conn_world *w)
{
	uint64_t total = c->header_len + c->size;
	struct slice record;
	enum io io = IO_DONE;

	for (unsigned i = 0; i < CONN_TURN_RECORDS && c->sent < total; i++) {
		if (!conn_record(c, w->chunk, &record)) {
			conn_fail_body(c);
			return IO_DONE;
		}
		io = tls_conn_write(&c->tls, record);
		if (io == IO_CLOSED || io == IO_FAILED)
			c->state = CONN_DONE;
		if (io != IO_DONE)
			break;
		c->sent += record.len;
		c->progress = true;
	}
	if (c->sent < total) {
		c->queued = conn_unacknowledged(c);
		return io == IO_DONE ? IO_WANT_WRITE : io;
	}
	conn_drop_body(c); /* others may need its descriptor */
	c->state = CONN_SHUTDOWN;
	return IO_DONE;
}

/* Writes the access line if there was a request, once: as soon as the answer
 * has been sent, because CONN_DISCARD is not part of the time it took. */
static void
conn_log(struct conn *c, struct conn_world *w)
{
	const uint8_t *line = c->text->line;
	struct sockaddr_storage from = { 0 };
	const struct access_entry entry = {
		.from = &from,
		.host = c->host != NULL ? c->host->names[0] : NULL,
		.status = c->sent > 0 ? c->status : STATUS_NONE,
		.bytes = c->sent,
		.ms = clock_ms() - c->began_ms,
		.tls = c->version,
		.resumed = c->resumed,
		.complete = c->complete,
		.path = c->path_len > 0 || c->host == NULL
			    ? slice_of(line + c->path_at, c->path_len)
			    : SLICE("/"),
		.query = slice_of(line + c->query_at, c->query_len),
		.has_query = c->has_query,
	};

	if (c->status == STATUS_NONE || c->logged)
		return;
	memcpy(&from, &c->from, sizeof(c->from));
	access_write(w->access, &entry);
	c->logged = true;
}

static enum io
conn_shutdown(struct conn *c, struct conn_world *w)
{
	enum io io = tls_conn_close_notify(&c->tls);

	if (io == IO_WANT_READ || io == IO_WANT_WRITE)
		return io;
	c->complete = io == IO_DONE;
	c->state = CONN_DONE;
	if (io == IO_DONE && shutdown(c->fd, SHUT_WR) == 0) {
		c->drained = tls_conn_is_drained(&c->tls);
		tls_conn_fini(&c->tls); /* no longer needed */
		c->state = CONN_DISCARD;
	}
	conn_log(c, w);
	return IO_DONE;
}

/* Reads what still comes: closing with unread input would make the kernel send
 * a reset, and the client could lose the answer (RFC 1122 4.2.2.13). */
static enum io
conn_discard(struct conn *c, struct conn_world *w)
{
	ssize_t n;

	if (c->drained) { /* there is nothing to read yet */
		c->drained = false;
		return IO_WANT_READ;
	}
	while ((n = recv(c->fd, w->chunk, sizeof(w->chunk), 0)) > 0) {
		c->discarded += (uint32_t)n;
		if (c->discarded > CONN_DISCARD_MAX)
			break;
	}
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
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
		case CONN_HELLO:
			io = conn_hello(c, w);
			if (c->state == CONN_QUEUED)
				return IO_DONE;
			break;
		case CONN_QUEUED:
			io = conn_begin(c, w);
			break;
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
			io = conn_shutdown(c, w);
			break;
		case CONN_DISCARD:
			io = conn_discard(c, w);
			break;
		case CONN_DONE:
			break;
		}
	}
	return c->state == CONN_DONE ? IO_DONE : io;
}

unsigned
conn_timeout(const struct conn *c, const struct conf *conf)
{
	switch (c->state) {
	case CONN_HELLO:
	case CONN_QUEUED:
	case CONN_HANDSHAKE:
		return (unsigned)conf->limits.handshake;
	case CONN_REQUEST:
		return (unsigned)conf->limits.request;
	case CONN_SEND:
	case CONN_SHUTDOWN: /* close_notify is queued after the body */
		return (unsigned)conf->limits.stall;
	case CONN_DISCARD:
	case CONN_DONE:
		break;
	}
	return CONN_DISCARD_S;
}

bool
conn_is_finished(const struct conn *c)
{
	return c->stalled_s > 0 || conn_unacknowledged(c) == 0;
}

void
conn_cut(struct conn *c)
{
	socket_reset_on_close(c->fd);
	c->state = CONN_DONE;
}

/* All has been written, but a stalled reader would leave it in the kernel for
 * minutes, held by no process. */
static void
conn_expire_discard(struct conn *c, unsigned stall)
{
	int holds = conn_unacknowledged(c);

	c->progress = true; /* CONN_DISCARD_S more */
	c->stalled_s = holds < c->queued ? 0 : c->stalled_s + CONN_DISCARD_S;
	c->queued = holds;
	if (holds == 0)
		c->state = CONN_DONE;
	else if (c->stalled_s >= stall)
		conn_cut(c);
}

void
conn_expire(struct conn *c, struct conn_world *w)
{
	bool sending = c->state == CONN_SEND || c->state == CONN_SHUTDOWN;
	int holds = sending ? conn_unacknowledged(c) : 0;

	if (sending && holds < c->queued) {
		c->queued = holds;
		c->progress = true;
	} else if (sending) {
		conn_cut(c);
	} else if (c->state == CONN_DISCARD) {
		conn_expire_discard(c, (unsigned)w->conf->limits.stall);
	} else if (c->state == CONN_REQUEST) {
		c->state = CONN_SHUTDOWN;
	} else {
		conn_cancel_handshake(c, w,
		    c->state == CONN_QUEUED ? "the server was too busy"
					    : "timed out");
	}
}

void
conn_fini(struct conn *c, struct conn_world *w)
{
	conn_cancel_handshake(c, w, "closed by the server");
	conn_log(c, w);
	conn_drop_body(c);
	tls_conn_fini(&c->tls);
	close(c->fd);
	c->fd = -1;
	c->state = CONN_DONE;
}
