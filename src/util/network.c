/* SPDX-License-Identifier: ISC */
#include "util/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

bool
network_parse(struct slice text, struct network *out)
{
	char address[INET6_ADDRSTRLEN] = "";
	struct slice before, after;
	uint64_t bits;
	bool has_bits = slice_cut(text, '/', &before, &after);

	memset(out, 0, sizeof(*out));
	if (before.len >= sizeof(address))
		return false;
	memcpy(address, before.ptr, before.len);
	if (inet_pton(AF_INET, address, out->address) == 1)
		out->family = AF_INET;
	else if (inet_pton(AF_INET6, address, out->address) == 1)
		out->family = AF_INET6;
	else
		return false;
	bits = out->family == AF_INET ? 32 : 128;
	if (has_bits && !slice_number(after, bits, &bits))
		return false;
	out->bits = (unsigned)bits;
	return true;
}

bool
network_has(const struct network *n, const struct sockaddr_storage *addr)
{
	const struct sockaddr_in *v4 = (const void *)addr;
	const struct sockaddr_in6 *v6 = (const void *)addr;
	const uint8_t *bytes = addr->ss_family == AF_INET
				   ? (const void *)&v4->sin_addr
				   : v6->sin6_addr.s6_addr;
	size_t whole = n->bits / 8;
	uint8_t mask = (uint8_t)(0xff00u >> (n->bits % 8));

	return n->family == addr->ss_family &&
	       memcmp(n->address, bytes, whole) == 0 &&
	       (n->bits % 8 == 0 ||
		   ((n->address[whole] ^ bytes[whole]) & mask) == 0);
}
