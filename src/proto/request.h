/* SPDX-License-Identifier: ISC */
/* The request line: a URI and CRLF, nothing else (Gemini protocol
 * specification, "Requests").
 * Pure; depends on util. */
#ifndef PROTO_REQUEST_H
#define PROTO_REQUEST_H

#include <assert.h>

#include "util/slice.h"

enum { REQUEST_URI_MAX = 1024, REQUEST_LINE_MAX = REQUEST_URI_MAX + 2 };
_Static_assert(REQUEST_LINE_MAX == REQUEST_URI_MAX + sizeof("\r\n") - 1,
    "a request line is a URI and CRLF, nothing else");

enum request {
	REQUEST_MORE,     /* not yet: no CRLF, and room for it */
	REQUEST_OK,       /* *uri is the line without CRLF */
	REQUEST_TOO_LONG, /* never: 59 at once */
};

/* Looks for the first CRLF in all that has come so far. Bytes after it are
 * ignored. *uri borrows from in; it is not looked at in any way: NULs and
 * other surprises are left to the URI parser. */
enum request request_parse(struct slice in, struct slice *uri);

#endif
