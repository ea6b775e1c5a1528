/* SPDX-License-Identifier: ISC */
#include "proto/request.h"

#include <string.h>

enum request
request_parse(struct slice in, struct slice *uri)
{
	/* What follows the longest line is never looked at. */
	struct slice line = slice_head(
	    in, in.len < REQUEST_LINE_MAX ? in.len : REQUEST_LINE_MAX);
	const uint8_t *end =
	    line.len > 0 ? memmem(line.ptr, line.len, "\r\n", 2) : NULL;

	if (end != NULL) {
		*uri = slice_head(line, (size_t)(end - line.ptr));
		return REQUEST_OK;
	}
	return line.len < REQUEST_LINE_MAX ? REQUEST_MORE : REQUEST_TOO_LONG;
}
