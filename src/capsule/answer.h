/* SPDX-License-Identifier: ISC */
/* What a request line is answered with: the order of refusals, in one place
 * (ARCHITECTURE.md, "A request becomes a file").
 * Depends on host, policy, resolve, mime, listing. */
#ifndef CAPSULE_ANSWER_H
#define CAPSULE_ANSWER_H

#include "capsule/listing.h"
#include "capsule/mime.h"
#include "capsule/policy.h"
#include "capsule/resolve.h"

/* What the connection knows about where a request came in. */
struct answer_origin {
	int sni;       /* index of the capsule named by SNI, or negative */
	unsigned port; /* the port that clients use; 0: do not check */
};

struct answer {
	enum status status; /* STATUS_NONE: not decided yet */
	struct buf meta;    /* over meta_bytes */
	uint8_t meta_bytes[RESPONSE_META_MAX];
	const struct host *host; /* NULL until known */
	struct uri uri;          /* borrows from the request line */
	struct uri_path path;
	int fd;                  /* body of a file, or -1 */
	uint64_t size;           /* bytes of body */
	struct listing *listing; /* body of a listing, or NULL */
};

/* Readies a for a request; call once before each answer_route. */
void answer_init(struct answer *a);

/* Line (without CRLF) to host and normalised path: syntax 59, scheme 53, host
 * or port 53, a capsule without a root 41, dots 59, gone 52, redirect 30/31.
 * STATUS_NONE: answer_open is next. Looks at no file. */
enum status answer_route(struct answer *a, const struct hosts *hosts,
    const struct answer_origin *origin, struct slice line);

/* Opens what was routed: 20 with a body, 31, 51 or 40. fd and listing are then
 * the caller's. */
enum status
answer_open(struct answer *a, struct mime *mime, struct listings *listings);

/* Whether h's root answers 51 or 52 and so needs an index page, a listing or a
 * redirect; *status is that answer. What the redirects of another capsule do
 * is not looked at. */
bool answer_lacks_front(const struct host *h, enum status *status);

/* Decides by hand: text of the status itself when why is NULL. */
enum status
answer_refuse(struct answer *a, enum status status, const char *why);

#endif
