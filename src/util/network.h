/* SPDX-License-Identifier: ISC */
/* An address or a network of addresses: "192.0.2.1", "2001:db8::/32".
 * Depends on slice. */
#ifndef UTIL_NETWORK_H
#define UTIL_NETWORK_H

#include <sys/socket.h>

#include "util/slice.h"

struct network {
	int family;
	unsigned bits;
	uint8_t address[16];
};

/* "ADDR" or "ADDR/BITS"; false when text is neither. */
bool network_parse(struct slice text, struct network *out);

/* Whether an IPv4 or IPv6 address lies in the network; others never do. */
bool network_has(const struct network *n, const struct sockaddr_storage *addr);

#endif
