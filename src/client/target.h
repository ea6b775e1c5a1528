/* SPDX-License-Identifier: ISC */
/* Where a request of ours goes, and its URI.
 * Depends on util and proto. */
#ifndef CLIENT_TARGET_H
#define CLIENT_TARGET_H

#include "proto/uri.h"
#include "util/why.h"

enum { TARGET_PORT = 1965 }; /* when a URL names none */

struct target {
	char host[HOSTNAME_SIZE]; /* canonical: to connect to, to be named by
	                           * the certificate */
	bool is_address;
	unsigned port;
	char uri[REQUEST_URI_MAX + 1]; /* the request line without CRLF */
};

enum target_result {
	TARGET_OK,
	TARGET_BAD,          /* see why */
	TARGET_OTHER_SCHEME, /* not gemini */
};

/* From what a person wrote: "gemini://" may be left out; a fragment is; names,
 * spaces and text beyond ASCII are encoded; the default port is not sent. */
enum target_result
target_parse(struct slice text, struct target *out, struct why *why);

/* What a redirect means, seen from the target that answered with it. from and
 * out may be one. */
enum target_result target_follow(const struct target *from,
    struct slice reference, struct target *out, struct why *why);

/* The same target with a person's answer as its query, whatever bytes that
 * holds; false when the URI would be too long. */
bool target_answer(struct target *t, struct slice answer);

/* "gemini://example.org", "gemini://[::1]:1966": the default port is left out. */
bool target_root(const char *host, unsigned port, struct buf *out);

/* "example.org:1965", "[::1]:1965". */
bool target_place(const struct target *t, struct buf *out);

#endif
