/* SPDX-License-Identifier: ISC */
/* The response header: "NN SP META CRLF", the status codes and the words we
 * send with them (Gemini protocol specification, "Responses", "Status codes").
 * Pure; depends on util. */
#ifndef PROTO_RESPONSE_H
#define PROTO_RESPONSE_H

#include "util/buf.h"

/* The status codes of the Gemini protocol specification that are ever sent.
 * STATUS_NONE: no header at all, the connection is only closed (a request that
 * never came). */
enum status {
	STATUS_NONE = 0,
	STATUS_INPUT = 10,
	STATUS_SENSITIVE_INPUT = 11,
	STATUS_SUCCESS = 20,
	STATUS_REDIRECT = 30,
	STATUS_REDIRECT_PERMANENT = 31,
	STATUS_TEMPORARY_FAILURE = 40,
	STATUS_UNAVAILABLE = 41,
	STATUS_CGI_ERROR = 42,
	STATUS_PROXY_ERROR = 43,
	STATUS_SLOW_DOWN = 44,
	STATUS_FAILURE = 50,
	STATUS_NOT_FOUND = 51,
	STATUS_GONE = 52,
	STATUS_PROXY_REFUSED = 53,
	STATUS_BAD_REQUEST = 59,
	STATUS_CERTIFICATE_REQUIRED = 60,
	STATUS_CERTIFICATE_NOT_AUTHORISED = 61,
	STATUS_CERTIFICATE_NOT_VALID = 62,
};

/* How many redirects a client follows one after another (Gemini protocol
 * specification, "Redirection"). */
enum { STATUS_REDIRECTS_MAX = 5 };

/* Whether code is one of the above but STATUS_NONE. */
bool status_known(int code);

/* The text sent with a code when there is nothing better: never empty, plain
 * ASCII, constant. */
const char *status_text(enum status code);

/* 30 or 31. */
bool status_is_redirect(enum status code);

enum {
	/* The limit of earlier specifications, which clients may still have. */
	RESPONSE_META_MAX = 1024,
	RESPONSE_HEADER_MAX = 2 + 1 + RESPONSE_META_MAX + 2,
};

/* Writes the whole header into out, after resetting it. Meta that is empty, too
 * long, not UTF-8, begins with a BOM or a space or holds a C0, DEL or C1
 * control is never sent: the header is then 40 with its own text (51 for a
 * redirect), and the code really written is returned. out must hold
 * RESPONSE_HEADER_MAX. */
enum status
response_header(struct buf *out, enum status code, struct slice meta);

/* A header as a client receives it: false when it breaks the grammar.
 * *meta borrows from line, which is without CRLF. */
bool response_parse(struct slice line, int *code, struct slice *meta);

/* Appends "type[; lang=L][; charset=C]": lang on text/gemini alone, quoted when
 * it lists several; charset on text/ alone. Empty
 * slices mean none. A type that already has a parameter of that name keeps its
 * own. */
bool response_type(struct buf *out, struct slice type, struct slice lang,
    struct slice charset);

#endif
