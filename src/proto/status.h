/* SPDX-License-Identifier: ISC */
/* The status codes of Gemini and the words we send with them.
 * Pure; depends on nothing. */
#ifndef PROTO_STATUS_H
#define PROTO_STATUS_H

#include <stdbool.h>

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

/* What we say with a code when there is nothing better: never empty, plain
 * ASCII, constant. */
const char *status_text(enum status code);

/* 30 or 31. */
bool status_is_redirect(enum status code);

#endif
