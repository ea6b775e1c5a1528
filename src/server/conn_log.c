/* SPDX-License-Identifier: ISC */
#include "server/conn_internal.h"

#include "util/clock.h"

/* Where a view into the request line lies, for the log. */
static void
remember(const struct conn *c, struct slice s, uint16_t *at, uint16_t *len)
{
	*at = s.len == 0 ? 0 : (uint16_t)(s.ptr - c->text->line);
	*len = (uint16_t)s.len;
}

void
conn_remember(struct conn *c, const struct answer *a, struct slice line)
{
	struct slice path = a->uri.path, query = a->uri.query;

	c->has_query = a->uri.has_query;
	if (a->host == NULL) {
		/* Not for us, or no URI at all: all of it but a query. */
		c->has_query = slice_cut(line, '?', &path, &query);
	}
	remember(c, path, &c->path_at, &c->path_len);
	remember(c, query, &c->query_at, &c->query_len);
}

/* Once, as soon as the answer has gone: the drain is not the visitor's time. */
void
conn_log(struct conn *c, struct conn_world *w)
{
	const uint8_t *line = c->text->line;
	const struct access_entry entry = {
		.from = &c->from,
		.host = c->host != NULL ? c->host->names[0] : NULL,
		.status = c->sent > 0 ? c->status : STATUS_NONE,
		.bytes = c->sent,
		.ms = clock_ms() - c->began_ms,
		.tls = c->version,
		.resumed = c->resumed,
		.complete = c->complete,
		.path = c->path_len > 0 || c->host == NULL
			    ? slice_of(line + c->path_at, c->path_len)
			    : SLICE("/"),
		.query = slice_of(line + c->query_at, c->query_len),
		.has_query = c->has_query,
	};

	if (c->status == STATUS_NONE || c->logged)
		return;
	access_write(w->access, &entry);
	c->logged = true;
}
