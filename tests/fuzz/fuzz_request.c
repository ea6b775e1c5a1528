/* SPDX-License-Identifier: ISC */
/* The input is what a client sends; and, since they read the same way, what a
 * server answers and a page. */
#include <assert.h>
#include <string.h>

#include "proto/gemtext.h"
#include "proto/response.h"
#include "proto/uri.h"
#include "util/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* However it is cut into records, the answer comes as early as it can and
 * never changes. */
static enum request
try_pieces(struct slice in, struct slice *uri)
{
	enum request whole = request_parse(in, uri);
	struct slice early;

	for (size_t n = 0; n <= in.len && n <= REQUEST_LINE_MAX + 2; n++) {
		enum request part = request_parse(slice_head(in, n), &early);

		if (part == REQUEST_MORE) {
			assert(n < REQUEST_LINE_MAX);
			continue;
		}
		assert(part == whole);
		if (part == REQUEST_OK)
			assert(slice_equal(early, *uri) && n >= uri->len + 2);
		else
			assert(n >= REQUEST_LINE_MAX);
	}
	return whole;
}

static void
try_log(struct slice s)
{
	static uint8_t memory[65536];
	struct buf out;

	buf_wrap(&out, memory, sizeof(memory));
	if (!log_escape(&out, s))
		assert(out.len == 0);
	assert(slice_utf8(buf_view(&out)));
	for (size_t i = 0; i < out.len; i++)
		assert(memory[i] >= 0x20 && memory[i] != 0x7f);
	buf_wrap(&out, memory, sizeof(memory));
	if (!log_escape_json(&out, s))
		assert(out.len == 0);
	assert(slice_utf8(buf_view(&out)));
	for (size_t i = 0; i < out.len; i++)
		assert(memory[i] >= 0x20 && memory[i] != 0x7f);
}

static void
try_header(struct slice meta)
{
	uint8_t memory[RESPONSE_HEADER_MAX];
	struct slice got;
	struct buf out;
	enum status sent;
	int code;

	buf_wrap(&out, memory, sizeof(memory));
	sent = response_header(&out, STATUS_REDIRECT_PERMANENT, meta);
	assert(sent == STATUS_REDIRECT_PERMANENT || sent == STATUS_NOT_FOUND);
	assert(memmem(memory, out.len, "\r\n", 2) == memory + out.len - 2);
	assert(response_parse(
	    slice_head(buf_view(&out), out.len - 2), &code, &got));
	assert(code == (int)sent);
	if (sent == STATUS_REDIRECT_PERMANENT)
		assert(slice_equal(got, meta));
}

static void
try_page(struct slice page)
{
	struct gemtext g = { .rest = page };
	struct gemtext_line line;
	unsigned last = 0;

	while (gemtext_next(&g, &line)) {
		last++;
		assert(line.number == last);
		assert((line.kind == GEMTEXT_HEADING) == (line.level > 0));
		assert(line.kind == GEMTEXT_LINK || line.url.len == 0);
		assert(!slice_find(line.text, '\n', NULL));
	}
	assert(g.rest.len == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size), uri, meta;
	const char *why;
	struct uri u;
	int code;

	if (try_pieces(in, &uri) == REQUEST_OK) {
		assert(uri.len <= REQUEST_URI_MAX);
		assert(memmem(data, uri.len + 1, "\r\n", 2) == NULL);
		if (uri_parse(uri, &u, &why) != URI_OK)
			try_header(slice_str(why));
		try_header(uri);
		if (response_parse(uri, &code, &meta))
			assert(code >= 10 && code <= 69 && slice_utf8(meta));
	}
	try_log(in);
	try_header(in);
	try_page(in);
	return 0;
}
