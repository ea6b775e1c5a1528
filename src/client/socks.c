/* SPDX-License-Identifier: ISC */
#include "client/socks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

bool
proxy_parse(const char *url, struct proxy *out, struct why *why)
{
	const struct slice scheme = SLICE("socks5://");
	struct slice host = slice_str(url);
	uint64_t port = 0;
	size_t colon;

	if (host.len < PROXY_URL_MAX && slice_starts(host, scheme)) {
		host = slice_skip(host, scheme.len);
		if (slice_ends(host, SLICE("/")))
			host.len--;
		for (colon = host.len; colon > 0 && host.ptr[colon - 1] != ':';)
			colon--;
		if (colon > 1 &&
		    slice_number(slice_skip(host, colon), UINT16_MAX, &port) &&
		    port > 0 &&
		    hostname_canonical(slice_head(host, colon - 1),
			out->host) != HOSTNAME_BAD) {
			out->port = (unsigned)port;
			return true;
		}
	}
	return why_set(
	    why, "invalid proxy \"%s\" (as socks5://127.0.0.1:9050)", url);
}

enum { SOCKS_VERSION = 5, SOCKS_CONNECT = 1 };
enum { SOCKS_IPV4 = 1, SOCKS_NAME = 3, SOCKS_IPV6 = 4 };

enum socks_stage {
	SOCKS_START,
	SOCKS_GREETING, /* sent: which kinds of login we know: none */
	SOCKS_CHOICE,   /* read: the kind that it wants */
	SOCKS_REQUEST,  /* sent: where to */
	SOCKS_REPLY,    /* read: whether; the kind of an address, its start */
	SOCKS_ADDRESS,  /* read: the rest of it, which is of no use to us */
	SOCKS_OPEN,
};

/* Sends or reads what is left of the message. */
static enum io
message_move(struct socks *s, int fd)
{
	const bool out =
	    s->stage == SOCKS_GREETING || s->stage == SOCKS_REQUEST;

	while (s->at < s->len) {
		uint8_t *at = s->bytes + s->at;
		ssize_t n = out ? send(fd, at, s->len - s->at, MSG_NOSIGNAL)
				: recv(fd, at, s->len - s->at, 0);

		if (n == 0)
			return IO_CLOSED;
		if (n > 0)
			s->at += (size_t)n;
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			return out ? IO_WANT_WRITE : IO_WANT_READ;
		else if (errno != EINTR)
			return IO_FAILED;
	}
	return IO_DONE;
}

/* The next message is one of ours, or len bytes of the proxy's. */
static bool
message_begin(struct socks *s, enum socks_stage stage, size_t len)
{
	s->stage = stage;
	s->at = 0;
	s->len = len;
	return true;
}

static bool
request_make(struct socks *s, const struct target *t)
{
	uint8_t *b = s->bytes;
	size_t n = strlen(t->host);

	*b++ = SOCKS_VERSION;
	*b++ = SOCKS_CONNECT;
	*b++ = 0;
	if (inet_pton(AF_INET, t->host, b + 1) == 1) {
		*b = SOCKS_IPV4;
		b += 1 + sizeof(struct in_addr);
	} else if (inet_pton(AF_INET6, t->host, b + 1) == 1) {
		*b = SOCKS_IPV6;
		b += 1 + sizeof(struct in6_addr);
	} else {
		*b++ = SOCKS_NAME;
		*b++ = (uint8_t)n;
		memcpy(b, t->host, n);
		b += n;
	}
	*b++ = (uint8_t)(t->port >> 8);
	*b++ = (uint8_t)t->port;
	return message_begin(s, SOCKS_REQUEST, (size_t)(b - s->bytes));
}

/* The answer, and how much of it has not come. */
static bool
reply_handle(struct socks *s, struct why *why)
{
	static const char *const words[] = { "", "failed", "not allowed",
		"network unreachable", "host unreachable", "connection refused",
		"timed out", "not supported", "kind of address not supported" };
	const unsigned code = s->bytes[1], kind = s->bytes[3];
	const size_t port = sizeof(in_port_t);

	if (s->bytes[0] != SOCKS_VERSION)
		return why_set(why, "does not speak SOCKS5");
	if (code != 0)
		return why_set(why, "answers %u, %s", code,
		    code < sizeof(words) / sizeof(words[0])
			? words[code]
			: "a failure of its own");
	if (kind == SOCKS_IPV4)
		return message_begin(
		    s, SOCKS_ADDRESS, sizeof(struct in_addr) - 1 + port);
	if (kind == SOCKS_IPV6)
		return message_begin(
		    s, SOCKS_ADDRESS, sizeof(struct in6_addr) - 1 + port);
	if (kind == SOCKS_NAME)
		return message_begin(s, SOCKS_ADDRESS, s->bytes[4] + port);
	return why_set(why, "does not speak SOCKS5");
}

/* The message at hand is complete. False and why: that was the end. */
static bool
message_handle(struct socks *s, const struct target *t, struct why *why)
{
	static const uint8_t greeting[] = { SOCKS_VERSION, 1, 0 };

	switch ((enum socks_stage)s->stage) {
	case SOCKS_START:
		memcpy(s->bytes, greeting, sizeof(greeting));
		return message_begin(s, SOCKS_GREETING, sizeof(greeting));
	case SOCKS_GREETING:
		return message_begin(s, SOCKS_CHOICE, 2);
	case SOCKS_CHOICE:
		if (s->bytes[0] != SOCKS_VERSION)
			return why_set(why, "does not speak SOCKS5");
		if (s->bytes[1] != 0)
			return why_set(why, "wants a login");
		return request_make(s, t);
	case SOCKS_REQUEST:
		return message_begin(s, SOCKS_REPLY, 5);
	case SOCKS_REPLY:
		return reply_handle(s, why);
	case SOCKS_ADDRESS:
	case SOCKS_OPEN:
		break;
	}
	return message_begin(s, SOCKS_OPEN, 0);
}

enum io
socks_step(struct socks *s, int fd, const struct target *t, struct why *why)
{
	while (s->stage != SOCKS_OPEN) {
		enum io io = message_move(s, fd);

		if (io == IO_CLOSED)
			why_set(why, "closed the connection");
		else if (io == IO_FAILED)
			why_set(why, "%s", strerror(errno));
		if (io == IO_WANT_READ || io == IO_WANT_WRITE)
			return io;
		if (io != IO_DONE || !message_handle(s, t, why))
			return IO_FAILED;
	}
	return IO_DONE;
}
