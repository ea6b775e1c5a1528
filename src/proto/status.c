/* SPDX-License-Identifier: ISC */
#include "proto/status.h"

#include <stddef.h>

/* NULL for what is no status of ours: status_known() asks this table too. */
static const char *
text_of(int code)
{
	switch (code) {
	case STATUS_INPUT:
		return "Input";
	case STATUS_SENSITIVE_INPUT:
		return "Sensitive input";
	case STATUS_SUCCESS:
		return "application/octet-stream";
	case STATUS_REDIRECT:
	case STATUS_REDIRECT_PERMANENT:
		return "/";
	case STATUS_TEMPORARY_FAILURE:
		return "Temporary failure";
	case STATUS_UNAVAILABLE:
		return "Server unavailable";
	case STATUS_CGI_ERROR:
		return "CGI error";
	case STATUS_PROXY_ERROR:
		return "Proxy error";
	case STATUS_SLOW_DOWN:
		return "1"; /* seconds to wait: an integer */
	case STATUS_FAILURE:
		return "Permanent failure";
	case STATUS_NOT_FOUND:
		return "Not found";
	case STATUS_GONE:
		return "Gone";
	case STATUS_PROXY_REFUSED:
		return "Not served here";
	case STATUS_BAD_REQUEST:
		return "Bad request";
	case STATUS_CERTIFICATE_REQUIRED:
		return "Client certificate required";
	case STATUS_CERTIFICATE_NOT_AUTHORISED:
		return "Client certificate not authorised";
	case STATUS_CERTIFICATE_NOT_VALID:
		return "Client certificate not valid";
	default:
		return NULL;
	}
}

bool
status_known(int code)
{
	return text_of(code) != NULL;
}

const char *
status_text(enum status code)
{
	const char *text = text_of((int)code);

	return text != NULL ? text : "No status";
}

bool
status_is_redirect(enum status code)
{
	return code == STATUS_REDIRECT || code == STATUS_REDIRECT_PERMANENT;
}
