/* SPDX-License-Identifier: ISC */
/* URIs as a Gemini request carries them: parsed as views, nothing decoded but
 * the path, and that once (RFC 3986; Gemini protocol specification,
 * "Requests"). Pure; depends on util and hostname. */
#ifndef PROTO_URI_H
#define PROTO_URI_H

#include "proto/hostname.h"
#include "proto/request.h"
#include "util/buf.h"

enum uri_result {
	URI_OK,
	URI_BAD,          /* 59: not a URI we take; see *why */
	URI_OTHER_SCHEME, /* 53: well-formed, with an authority, but not gemini */
};

/* Views of the parsed bytes. */
struct uri {
	struct slice scheme;
	struct slice host; /* raw: may be percent-encoded, [..] kept for IPv6 */
	int port;          /* -1: not given, or given empty */
	struct slice path; /* raw, "" or beginning with '/' */
	struct slice query; /* raw, without '?' */
	bool has_query;
};

/* Parses an absolute URI of at most REQUEST_URI_MAX bytes. Refuses userinfo
 * and fragments even when empty, control bytes, raw space and <>"\^{|}`, a BOM,
 * malformed UTF-8 and escapes, %00, ports that are not 0-65535, brackets that
 * hold no IPv6 address, an empty host. Raw UTF-8 passes. *why is then a
 * constant text of a few words, NULL on URI_OK. */
enum uri_result uri_parse(struct slice text, struct uri *out, const char **why);

/* Why a link that is to be followed must not be written like this: control
 * bytes, <>"\^{|}`, a malformed escape. NULL: it may; raw UTF-8 passes. */
const char *uri_fault(struct slice reference);

/* RFC 3986 5.2 against base (which is absolute), as a client resolves a
 * redirect or link; dots above the root are dropped as 5.2.4 says; a fragment,
 * which no request may carry, is dropped too. An empty reference gives base
 * itself. The result is text in out, not yet parsed. False when it does not
 * fit. */
bool
uri_resolve(const struct uri *base, struct slice reference, struct buf *out);

/* Whether reference begins with a scheme and ':' (RFC 3986 4.1). */
bool uri_is_absolute(struct slice reference);

enum uri_path_result {
	URI_PATH_OK,
	URI_PATH_ABOVE_ROOT, /* 59: dots climb above the root */
	URI_PATH_IMPOSSIBLE, /* 51: no file has such a name (an escaped '/') */
};

/* A request's path, normalised once for all who decide by it. */
struct uri_path {
	/* Decoded, NUL-terminated, begins with '/', no empty, "." or ".."
	 * segments, no NUL inside; a final '/' is kept. */
	char decoded[REQUEST_URI_MAX + 2];
	size_t decoded_len;
	/* The same segments still encoded as they came, raw non-ASCII and
	 * brackets newly encoded: for redirects. Empty when too long. */
	char encoded[REQUEST_URI_MAX + 2];
	size_t encoded_len;
};

/* Splits at '/', drops empty segments, decodes each segment once, then resolves
 * dot segments, escaped ones too (RFC 3986 5.2.4, 6.2.2). path as uri_parse
 * gave it. *out is always filled, for the log: dots above the root are dropped
 * then, and an impossible escape stays as it came. */
enum uri_path_result
uri_path_normalise(struct slice path, struct uri_path *out);

/* Appends a file name or a path (then keep_slash) percent-encoded so that it
 * may stand in a link: unreserved, sub-delims, ':' and '@' stay; a ':' in the
 * first segment of a relative link is encoded too. */
bool uri_encode(struct buf *out, struct slice name, bool keep_slash);

/* Appends query with raw non-ASCII and brackets percent-encoded, so that it may
 * stand in a redirect, and nothing else changed. */
bool uri_encode_query(struct buf *out, struct slice query);

#endif
