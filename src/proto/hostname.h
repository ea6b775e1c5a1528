/* SPDX-License-Identifier: ISC */
/* Host names in the one form in which they are compared
 * (RFC 3986 3.2.2, RFC 5891). The only user of libidn2.
 * Pure; depends on util. */
#ifndef PROTO_HOSTNAME_H
#define PROTO_HOSTNAME_H

#include "util/slice.h"

enum { HOSTNAME_MAX = 253, HOSTNAME_SIZE = HOSTNAME_MAX + 1 };

enum hostname_kind {
	HOSTNAME_BAD,
	HOSTNAME_NAME,
	HOSTNAME_IPV4,
	HOSTNAME_IPV6,
};

/* raw: a host as in a URI (percent-encoded or raw UTF-8, [..] around IPv6),
 * in SNI, in a configuration or on a command line (IPv6 without brackets is
 * taken too). out receives lower-case A-labels without a trailing dot, of
 * letters, digits, '-', '_' and single dots alone, so that it may be a
 * file's name; or the canonical text of an address without brackets; or ""
 * with HOSTNAME_BAD. */
enum hostname_kind
hostname_canonical(struct slice raw, char out[HOSTNAME_SIZE]);

/* The U-label form of a canonical name, for people; the same name when it has
 * none. False when it does not fit in size bytes. */
bool hostname_display(const char *canonical, char *out, size_t size);

#endif
