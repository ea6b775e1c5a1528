/* SPDX-License-Identifier: ISC */
#include "client/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/response.h"
#include "util/clock.h"

enum exchange_state {
	EXCHANGE_CONNECT,
	EXCHANGE_PROXY,
	EXCHANGE_HANDSHAKE,
	EXCHANGE_ASK,
	EXCHANGE_HEADER,
	EXCHANGE_BODY,
	EXCHANGE_END, /* x->result */
};

struct exchange {
	enum exchange_state state;
	enum fetch_result result;
	const struct target *target;
	const struct tls_client *client;
	const struct fetch_handler *handler;
	struct exchange_limits limits;
	struct dial dial;
	struct socks socks;
	struct tls_conn tls;
	enum io io;          /* what the last step waits for */
	uint64_t silence_ms; /* when the present silence times out */
	uint64_t end_ms;     /* of all of it; 0: none */
	uint64_t window_ms;  /* the end of a body's window; 0: none yet */
	uint64_t in_window;  /* bytes that came in it */
	uint64_t received;   /* bytes on the wire, as told to the rate */
	bool held;           /* by the rate, since held_since_ms */
	uint64_t held_since_ms, held_ms;
	int status;
	uint8_t header[RESPONSE_HEADER_MAX];
	size_t header_len;
};

/* The moment at which the exchange is not to be waited for any longer. */
static uint64_t
exchange_deadline(const struct exchange *x)
{
	uint64_t at = x->silence_ms;

	if (x->state == EXCHANGE_CONNECT && x->dial.until_ms < at)
		at = x->dial.until_ms;
	if (x->window_ms != 0 && x->window_ms < at)
		at = x->window_ms;
	if (x->end_ms != 0 && x->end_ms < at)
		at = x->end_ms;
	return at;
}

static enum io
exchange_end(struct exchange *x, enum fetch_result result)
{
	x->state = EXCHANGE_END;
	x->result = result;
	return IO_DONE;
}

static enum io
exchange_fail(struct exchange *x, struct why *why, const char *words)
{
	why_set(why, "%s", words);
	return exchange_end(x, FETCH_FAILED);
}

/* What the states are called, for a person. */
static const char *const doing[] = {
	[EXCHANGE_CONNECT] = "connecting",
	[EXCHANGE_PROXY] = "asking the proxy",
	[EXCHANGE_HANDSHAKE] = "TLS handshake",
	[EXCHANGE_ASK] = "sending",
	[EXCHANGE_HEADER] = "waiting for a header",
	[EXCHANGE_BODY] = "in the middle of the answer",
};

/* A step that went no further: waits, or fails. */
static enum io
exchange_stop(struct exchange *x, enum io io, struct why *why)
{
	if (io == IO_WANT_READ || io == IO_WANT_WRITE)
		return io;
	if (io == IO_CLOSED)
		why_set(why, "%s: the server closed the connection",
		    doing[x->state]);
	else
		why_set(why, "%s: %s", doing[x->state], tls_reason());
	return exchange_end(x, FETCH_FAILED);
}

/* Why a connection did not come about; of a proxy, so that it is not taken for
 * the host. */
static enum io
exchange_fail_to_connect(struct exchange *x, struct why *why)
{
	if (x->limits.local != NULL)
		*x->limits.local = x->dial.local;
	if (x->limits.proxy != NULL && !x->dial.local)
		why_at(why, "proxy");
	return exchange_end(x, FETCH_FAILED);
}

static enum io
exchange_step_connect(struct exchange *x, struct why *why)
{
	enum io io = dial_step(&x->dial, why);

	if (io == IO_FAILED)
		return exchange_fail_to_connect(x, why);
	if (io == IO_DONE)
		x->state = EXCHANGE_PROXY;
	return io;
}

static enum io
exchange_step_proxy(struct exchange *x, struct why *why)
{
	const struct proxy *proxy = x->limits.proxy;
	enum io io = IO_DONE;

	if (proxy != NULL)
		io = socks_step(&x->socks, x->dial.fd, x->target, why);
	if (io == IO_FAILED) {
		why_at(why, "%s port %u", proxy->host, proxy->port);
		return exchange_fail_to_connect(x, why);
	}
	if (io != IO_DONE)
		return io;
	if (!tls_conn_connect(&x->tls, x->client, x->dial.fd, x->target->host))
		return exchange_fail(x, why, "out of memory");
	x->state = EXCHANGE_HANDSHAKE;
	return IO_DONE;
}

static enum io
exchange_step_handshake(struct exchange *x, struct why *why)
{
	enum io io = tls_conn_handshake(&x->tls);
	struct cert *c;
	bool trusted;

	if (io != IO_DONE)
		return exchange_stop(x, io, why);
	c = tls_conn_peer(&x->tls);
	if (c == NULL)
		return exchange_fail(x, why, "the server shows no certificate");
	trusted = x->handler->trust(x->handler->arg, x->target, c);
	cert_free(&c);
	if (!trusted)
		return exchange_end(x, FETCH_STOPPED);
	x->state = EXCHANGE_ASK;
	return IO_DONE;
}

static enum io
exchange_step_ask(struct exchange *x, struct why *why)
{
	char line[REQUEST_LINE_MAX + 1];
	int len = snprintf(line, sizeof(line), "%s\r\n", x->target->uri);
	enum io io = tls_conn_write(&x->tls, slice_of(line, (size_t)len));

	if (io != IO_DONE)
		return exchange_stop(x, io, why);
	x->state = EXCHANGE_HEADER;
	return IO_DONE;
}

static void
exchange_restart_timeout(struct exchange *x)
{
	x->silence_ms = clock_ms() + x->limits.silence_ms;
}

static enum io
exchange_handle_body(struct exchange *x, struct slice bytes)
{
	x->in_window += bytes.len;
	if (x->status / 10 == 2 && bytes.len > 0 &&
	    !x->handler->body(x->handler->arg, bytes))
		return exchange_end(x, FETCH_STOPPED);
	return IO_DONE;
}

/* The line that came, and what came after it. */
static enum io
exchange_handle_header(
    struct exchange *x, struct slice line, struct slice rest, struct why *why)
{
	struct slice meta;

	if (!response_parse(line, &x->status, &meta))
		return exchange_fail(x, why,
		    "the answer is not Gemini: its first line breaks the "
		    "rules for a header");
	if (!x->handler->header(x->handler->arg, x->status, meta))
		return exchange_end(x, FETCH_STOPPED);
	x->state = EXCHANGE_BODY;
	exchange_restart_timeout(x);
	if (x->limits.window_ms != 0)
		x->window_ms = clock_ms() + x->limits.window_ms;
	return exchange_handle_body(x, rest);
}

static enum io
exchange_step_header(struct exchange *x, struct why *why)
{
	const uint8_t *crlf;
	size_t got;
	enum io io;

	if (x->header_len == sizeof(x->header))
		return exchange_fail(x, why,
		    "the answer is not Gemini: its first line does not end");
	io = tls_conn_read(&x->tls, x->header + x->header_len,
	    sizeof(x->header) - x->header_len, &got);
	if (io != IO_DONE)
		return exchange_stop(x, io, why);
	x->header_len += got;
	crlf = memmem(x->header, x->header_len, "\r\n", 2);
	if (crlf == NULL)
		return IO_DONE;
	got = (size_t)(crlf - x->header);
	return exchange_handle_header(x, slice_of(x->header, got),
	    slice_of(crlf + 2, x->header_len - got - 2), why);
}

static enum io
exchange_step_body(struct exchange *x, struct why *why)
{
	uint8_t chunk[TLS_RECORD_MAX];
	size_t got;
	enum io io = tls_conn_read(&x->tls, chunk, sizeof(chunk), &got);

	if (io == IO_CLOSED)
		return exchange_end(
		    x, tls_conn_peer_closed(&x->tls) ? FETCH_DONE : FETCH_CUT);
	if (io != IO_DONE)
		return exchange_stop(x, io, why);
	exchange_restart_timeout(x);
	return exchange_handle_body(x, slice_of(chunk, got));
}

static enum io
exchange_step_once(struct exchange *x, struct why *why)
{
	static enum io (*const steps[])(struct exchange *, struct why *) = {
		[EXCHANGE_CONNECT] = exchange_step_connect,
		[EXCHANGE_PROXY] = exchange_step_proxy,
		[EXCHANGE_HANDSHAKE] = exchange_step_handshake,
		[EXCHANGE_ASK] = exchange_step_ask,
		[EXCHANGE_HEADER] = exchange_step_header,
		[EXCHANGE_BODY] = exchange_step_body,
	};

	return steps[x->state](x, why);
}

/* Whether the rate lets x read now. Who has read just now lets those who wait go
 * first. */
static bool
rate_allows(const struct exchange *x)
{
	const struct exchange_rate *r = x->limits.rate;

	if (r == NULL || r->per_s == 0 || x->state < EXCHANGE_HEADER)
		return true;
	return clock_us() >= r->free_us &&
	       (r->last != x || r->held == (unsigned)x->held);
}

static void
rate_take(struct exchange *x)
{
	struct exchange_rate *r = x->limits.rate;
	uint64_t now = clock_us(), bytes;

	if (r == NULL || r->per_s == 0 || !tls_conn_is_open(&x->tls))
		return;
	bytes = tls_conn_received(&x->tls) - x->received;
	x->received += bytes;
	if (bytes == 0)
		return;
	r->last = x;
	r->free_us =
	    (r->free_us > now ? r->free_us : now) + bytes * 1000000 / r->per_s;
}

/* Held up, or no longer: the other side is given that time. */
static void
exchange_hold(struct exchange *x, bool held)
{
	uint64_t now = clock_ms(), took = now - x->held_since_ms;

	if (held == x->held)
		return;
	x->held = held;
	x->held_since_ms = now;
	if (held)
		x->limits.rate->held++;
	else
		x->limits.rate->held--;
	if (held)
		return;
	x->held_ms += took;
	x->silence_ms += took;
	x->window_ms += x->window_ms != 0 ? took : 0;
	x->end_ms += x->end_ms != 0 ? took : 0;
}

uint64_t
exchange_held_ms(const struct exchange *x)
{
	return x->held_ms + (x->held ? clock_ms() - x->held_since_ms : 0);
}

/* Ends what has taken too long. */
static void
exchange_handle_clock(struct exchange *x, struct why *why)
{
	uint64_t now = clock_ms();

	if (x->end_ms != 0 && now >= x->end_ms) {
		why_set(why, "%s: not done within %u s", doing[x->state],
		    (unsigned)(x->limits.total_ms / 1000));
	} else if (x->io != IO_DONE && now >= x->silence_ms) {
		why_set(why, "%s: no answer within %u s", doing[x->state],
		    (unsigned)(x->limits.silence_ms / 1000));
	} else if (x->window_ms != 0 && now >= x->window_ms) {
		if (x->in_window >= x->limits.floor) {
			x->in_window = 0;
			x->window_ms = now + x->limits.window_ms;
			return;
		}
		why_set(why, "%s: too slow, %u bytes in %u s", doing[x->state],
		    (unsigned)x->in_window,
		    (unsigned)(x->limits.window_ms / 1000));
	} else {
		return;
	}
	exchange_end(x, FETCH_FAILED);
}

enum fetch_result
exchange_step(struct exchange *x, struct why *why)
{
	x->io = IO_DONE;
	for (int i = 0; i < EXCHANGE_STEP_MAX && x->io == IO_DONE &&
			x->state != EXCHANGE_END;
	     i++) {
		exchange_hold(x, !rate_allows(x));
		if (x->held)
			return FETCH_GOING;
		x->io = exchange_step_once(x, why);
		rate_take(x);
	}
	if (x->state != EXCHANGE_END)
		exchange_handle_clock(x, why);
	return x->state == EXCHANGE_END ? x->result : FETCH_GOING;
}

void
exchange_wants(
    const struct exchange *x, struct pollfd *p, uint64_t *deadline_ms)
{
	*p = (struct pollfd){ .fd = x->dial.fd };
	*deadline_ms = 0; /* there is more to do at once */
	if (x->held) {
		p->fd = -1;
		*deadline_ms = x->limits.rate->free_us / 1000 + 1;
		return;
	}
	if (x->io == IO_DONE)
		return;
	p->events = x->io == IO_WANT_READ ? POLLIN : POLLOUT;
	*deadline_ms = exchange_deadline(x);
}

bool
exchange_resumed(const struct exchange *x)
{
	return tls_conn_is_open(&x->tls) && tls_conn_resumed(&x->tls);
}

struct exchange *
exchange_new(const struct target *t, const struct tls_client *tls,
    const struct exchange_limits *limits, const struct fetch_handler *v,
    struct why *why)
{
	const struct proxy *proxy = limits->proxy;
	struct exchange *x = calloc(1, sizeof(*x));

	if (x == NULL) {
		why_memory(why);
		return NULL;
	}
	x->target = t;
	x->client = tls;
	x->handler = v;
	x->limits = *limits;
	exchange_restart_timeout(x);
	if (limits->total_ms != 0)
		x->end_ms = clock_ms() + limits->total_ms;
	if (!dial_open(&x->dial, limits->names,
		proxy != NULL ? proxy->host : t->host,
		proxy != NULL ? proxy->port : t->port, x->silence_ms, why)) {
		exchange_fail_to_connect(x, why);
		exchange_free(&x);
	}
	return x;
}

void
exchange_free(struct exchange **x)
{
	if (*x == NULL)
		return;
	exchange_hold(*x, false);
	if (tls_conn_is_open(&(*x)->tls)) {
		tls_conn_close_notify(&(*x)->tls);
		tls_conn_fini(&(*x)->tls);
	}
	dial_close(&(*x)->dial);
	free(*x);
	*x = NULL;
}

enum fetch_result
fetch(const struct target *t, const struct tls_client *tls, unsigned timeout_s,
    const struct fetch_handler *v, struct why *why)
{
	struct dial_names names = { 0 };
	const struct exchange_limits limits = {
		.silence_ms = (uint64_t)timeout_s * 1000,
		.names = &names,
	};
	struct exchange *x = exchange_new(t, tls, &limits, v, why);
	enum fetch_result result;
	struct pollfd p;
	uint64_t deadline_ms;

	if (x == NULL)
		result = FETCH_FAILED;
	while (x != NULL && (result = exchange_step(x, why)) == FETCH_GOING) {
		if (v->stop != NULL && *v->stop != 0) {
			result = FETCH_STOPPED;
			break;
		}
		exchange_wants(x, &p, &deadline_ms);
		dial_wait(&p, 1, deadline_ms, v->stop);
	}
	exchange_free(&x);
	dial_names_fini(&names);
	return result;
}
