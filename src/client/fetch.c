/* SPDX-License-Identifier: ISC */
#include "client/fetch.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/dial.h"
#include "proto/response.h"
#include "util/clock.h"

struct fetching {
	const struct target *target;
	const struct fetch_visitor *visitor;
	struct buf *why;
	struct tls_conn tls;
	int fd;
	uint64_t timeout_ms;
	uint64_t deadline_ms;
	uint8_t header[RESPONSE_HEADER_MAX];
	size_t header_len;
};

/* Waits for what io wants: true when it is worth trying again. */
static bool
again(struct fetching *f, enum io io)
{
	return (io == IO_WANT_READ || io == IO_WANT_WRITE) &&
	       dial_wait(f->fd, io == IO_WANT_READ ? POLLIN : POLLOUT,
		   f->deadline_ms);
}

/* Why a step went no further. */
static enum fetch_result
failed(struct fetching *f, enum io io, const char *doing)
{
	if (io == IO_WANT_READ || io == IO_WANT_WRITE)
		buf_printf(f->why, "%s: no answer within %u s", doing,
		    (unsigned)(f->timeout_ms / 1000));
	else if (io == IO_CLOSED)
		buf_printf(
		    f->why, "%s: the server closed the connection", doing);
	else
		buf_printf(f->why, "%s: %s", doing, tls_reason());
	return FETCH_FAILED;
}

static enum fetch_result
shake(struct fetching *f)
{
	struct cert *c;
	bool trusted;
	enum io io;

	do
		io = tls_conn_handshake(&f->tls);
	while (again(f, io));
	if (io != IO_DONE)
		return failed(f, io, "TLS handshake");
	c = tls_conn_peer(&f->tls);
	if (c == NULL) {
		buf_str(f->why, "the server shows no certificate");
		return FETCH_FAILED;
	}
	trusted = f->visitor->trust(f->visitor->arg, f->target, c);
	cert_free(&c);
	return trusted ? FETCH_DONE : FETCH_STOPPED;
}

static enum fetch_result
ask(struct fetching *f)
{
	char line[REQUEST_LINE_MAX + 1];
	int len = snprintf(line, sizeof(line), "%s\r\n", f->target->uri);
	enum io io;

	do
		io = tls_conn_write(&f->tls, slice_of(line, (size_t)len));
	while (again(f, io));
	return io == IO_DONE ? FETCH_DONE : failed(f, io, "sending");
}

/* The line that came, to the visitor; *status for us. */
static enum fetch_result
heed_header(struct fetching *f, struct slice line, int *status)
{
	struct slice meta;

	if (!response_parse(line, status, &meta)) {
		buf_str(f->why, "the answer is not Gemini: its first line "
				"breaks the rules for a header");
		return FETCH_FAILED;
	}
	return f->visitor->header(f->visitor->arg, *status, meta)
		   ? FETCH_DONE
		   : FETCH_STOPPED;
}

/* Reads as far as CRLF. *rest is what came behind it. */
static enum fetch_result
read_header(struct fetching *f, int *status, struct slice *rest)
{
	const uint8_t *end = NULL;
	enum io io = IO_DONE;

	while (end == NULL) {
		size_t got;

		if (f->header_len == sizeof(f->header)) {
			buf_str(f->why, "the answer is not Gemini: its first "
					"line does not end");
			return FETCH_FAILED;
		}
		do
			io = tls_conn_read(&f->tls, f->header + f->header_len,
			    sizeof(f->header) - f->header_len, &got);
		while (again(f, io));
		if (io != IO_DONE)
			return failed(f, io, "waiting for a header");
		f->header_len += got;
		end = memmem(f->header, f->header_len, "\r\n", 2);
	}
	*rest =
	    slice_of(end + 2, (size_t)(f->header + f->header_len - (end + 2)));
	return heed_header(
	    f, slice_of(f->header, (size_t)(end - f->header)), status);
}

static bool
heed_body(struct fetching *f, int status, struct slice bytes)
{
	if (status / 10 != 2 || bytes.len == 0)
		return true;
	return f->visitor->body(f->visitor->arg, bytes);
}

static enum fetch_result
read_body(struct fetching *f, int status, struct slice first)
{
	uint8_t chunk[TLS_RECORD_MAX];
	size_t got;
	enum io io;

	if (!heed_body(f, status, first))
		return FETCH_STOPPED;
	for (;;) {
		f->deadline_ms = clock_ms() + f->timeout_ms;
		do
			io = tls_conn_read(&f->tls, chunk, sizeof(chunk), &got);
		while (again(f, io));
		if (io == IO_CLOSED)
			return tls_conn_peer_closed(&f->tls) ? FETCH_DONE
							     : FETCH_CUT;
		if (io != IO_DONE)
			return failed(f, io, "in the middle of the answer");
		if (!heed_body(f, status, slice_of(chunk, got)))
			return FETCH_STOPPED;
	}
}

static enum fetch_result
converse(struct fetching *f)
{
	enum fetch_result result = shake(f);
	struct slice rest;
	int status = 0;

	if (result == FETCH_DONE)
		result = ask(f);
	if (result == FETCH_DONE)
		result = read_header(f, &status, &rest);
	if (result == FETCH_DONE)
		result = read_body(f, status, rest);
	return result;
}

enum fetch_result
fetch(const struct target *t, const struct tls_client *tls, unsigned timeout_s,
    const struct fetch_visitor *v, struct buf *why)
{
	struct fetching f = { .target = t, .visitor = v, .why = why };
	enum fetch_result result = FETCH_FAILED;

	f.timeout_ms = (uint64_t)timeout_s * 1000;
	f.deadline_ms = clock_ms() + f.timeout_ms;
	f.fd = dial(t->host, t->port, f.deadline_ms, why);
	if (f.fd == -1)
		return FETCH_FAILED;
	if (tls_conn_connect(&f.tls, tls, f.fd, t->host)) {
		result = converse(&f);
		tls_conn_close_notify(&f.tls);
		tls_conn_fini(&f.tls);
	} else {
		buf_str(why, "out of memory");
	}
	close(f.fd);
	return result;
}
