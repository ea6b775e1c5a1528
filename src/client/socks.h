/* SPDX-License-Identifier: ISC */
/* A SOCKS5 proxy (RFC 1928, no authentication), such as Tor's: it connects to a
 * host by name, and resolves the name itself. Depends on target and tls. */
#ifndef CLIENT_SOCKS_H
#define CLIENT_SOCKS_H

#include "client/target.h"
#include "tls/tls_conn.h"

enum {
	PROXY_URL_MAX = 300,
	SOCKS_MESSAGE_MAX = 4 + 1 + 255 + 2, /* with the longest name */
};

struct proxy {
	char host[HOSTNAME_SIZE]; /* canonical */
	unsigned port;
};

/* From "socks5://HOST:PORT". False and why. */
bool proxy_parse(const char *url, struct proxy *out, struct why *why);

/* One conversation with a proxy, zeroed at its start. */
struct socks {
	unsigned stage;
	uint8_t bytes[SOCKS_MESSAGE_MAX]; /* of the message at hand */
	size_t at, len;
};

/* Goes on over fd, connected to the proxy and non-blocking. IO_DONE: from now on
 * fd leads to t. IO_WANT_*: to be called again then. IO_FAILED: see why. */
enum io
socks_step(struct socks *s, int fd, const struct target *t, struct why *why);

#endif
