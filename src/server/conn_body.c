/* SPDX-License-Identifier: ISC */
#include "os/file.h"
#include "server/conn_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Body bytes from offset at into out; false when they are not there any
 * more. */
static bool
body_read(const struct conn *c, uint8_t *out, size_t len, uint64_t at)
{
	ssize_t n;

	if (c->listing != NULL) {
		memcpy(out, c->listing->body.ptr + at, len);
		return true;
	}
	n = file_read_at(c->body, out, len, (off_t)at);
	return n != -1 && (size_t)n == len;
}

/* The header with the first bytes of the body, or 16 KiB of body. */
bool
conn_record(
    const struct conn *c, uint8_t chunk[TLS_RECORD_MAX], struct slice *record)
{
	size_t header = c->sent == 0 ? c->header_len : 0;
	uint64_t at = c->sent == 0 ? 0 : c->sent - c->header_len;
	size_t body = TLS_RECORD_MAX - header;

	if (body > c->size - at)
		body = (size_t)(c->size - at);
	memcpy(chunk, c->text->header, header);
	*record = slice_of(chunk, header + body);
	return body_read(c, chunk + header, body, at);
}

void
conn_drop_body(struct conn *c)
{
	if (c->body != -1)
		close(c->body);
	if (c->listing != NULL)
		listing_release(c->listing);
	c->body = -1;
	c->listing = NULL;
	c->size = 0;
}
