/* SPDX-License-Identifier: ISC */
/* The input is a URI, a reference, a path and a host name, each in turn. */
#include <assert.h>
#include <string.h>

#include "proto/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
inside(struct slice part, struct slice whole)
{
	return part.len == 0 ||
	       (part.ptr >= whole.ptr &&
		   part.ptr + part.len <= whole.ptr + whole.len);
}

/* A path as it may be handed to openat2 and shown in a redirect. */
static void
check_path(struct slice path)
{
	assert(slice_starts(path, SLICE("/")));
	assert(!slice_find(path, '\0', NULL));
	assert(memmem(path.ptr, path.len, "//", 2) == NULL);
	assert(memmem(path.ptr, path.len, "/./", 3) == NULL);
	assert(memmem(path.ptr, path.len, "/../", 4) == NULL);
	assert(!slice_ends(path, SLICE("/.")));
	assert(!slice_ends(path, SLICE("/..")));
}

static void
check_encoded(const struct uri_path *p, enum uri_path_result result)
{
	struct slice encoded = slice_of(p->encoded, p->encoded_len);
	struct uri_path again;

	if (encoded.len == 0)
		return;
	check_path(encoded);
	for (size_t i = 0; i < encoded.len; i++)
		assert(encoded.ptr[i] > ' ' && encoded.ptr[i] < 0x7f);
	if (result != URI_PATH_OK || encoded.len > REQUEST_URI_MAX)
		return;
	assert(uri_path_normalise(encoded, &again) == URI_PATH_OK);
	assert(!strcmp(again.decoded, p->decoded));
	assert(!strcmp(again.encoded, p->encoded));
}

static void
try_path(struct slice path)
{
	char memory[3 * REQUEST_URI_MAX];
	struct uri_path p, again;
	struct buf link;
	enum uri_path_result result = uri_path_normalise(path, &p);

	check_path(slice_of(p.decoded, p.decoded_len));
	check_encoded(&p, result);
	if (result != URI_PATH_OK || p.decoded_len > REQUEST_URI_MAX)
		return;
	buf_wrap(&link, memory, sizeof(memory));
	assert(uri_encode(&link, slice_of(p.decoded, p.decoded_len), true));
	if (link.len <= REQUEST_URI_MAX) {
		assert(
		    uri_path_normalise(buf_view(&link), &again) == URI_PATH_OK);
		assert(!strcmp(again.decoded, p.decoded));
	}
}

static void
try_host(struct slice raw)
{
	char name[HOSTNAME_SIZE], again[HOSTNAME_SIZE];
	char shown[1024];
	enum hostname_kind kind = hostname_canonical(raw, name);

	if (kind == HOSTNAME_BAD) {
		assert(name[0] == '\0');
		return;
	}
	assert(strchr(name, '/') == NULL && name[0] != '.');
	assert(strstr(name, "..") == NULL);
	assert(hostname_canonical(slice_str(name), again) == kind);
	assert(!strcmp(name, again));
	assert(hostname_display(name, shown, sizeof(shown)));
	assert(hostname_canonical(slice_str(shown), again) == kind);
	assert(!strcmp(name, again));
}

static void
try_round(const struct uri *u)
{
	char memory[REQUEST_URI_MAX + 10];
	struct buf text;
	struct uri again;
	const char *why;

	buf_wrap(&text, memory, sizeof(memory));
	assert(uri_resolve(u, SLICE(""), &text));
	if (text.len > REQUEST_URI_MAX)
		return;
	assert(uri_parse(buf_view(&text), &again, &why) == URI_OK);
	assert(slice_equal(u->host, again.host) && u->port == again.port);
	assert(slice_equal(u->path, again.path));
	assert(u->has_query == again.has_query);
	assert(slice_equal(u->query, again.query));
}

static void
try_resolve(const struct uri *base, struct slice reference)
{
	char memory[8192];
	struct buf out;

	buf_wrap(&out, memory, sizeof(memory));
	if (uri_resolve(base, reference, &out))
		assert(uri_is_absolute(buf_view(&out)));
	else
		assert(out.len == 0);
}

static void
try_uri(struct slice text)
{
	const struct slice page = SLICE("gemini://h:1/a/b/c?q");
	const char *why;
	struct uri u;
	enum uri_result result = uri_parse(text, &u, &why);

	assert((result == URI_OK) == (why == NULL));
	if (result == URI_BAD)
		return;
	assert(inside(u.host, text) && inside(u.path, text) &&
	       inside(u.query, text) && u.host.len > 0);
	try_host(u.host);
	try_path(u.path);
	try_resolve(&u, page);
	if (result == URI_OK)
		try_round(&u);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char memory[REQUEST_URI_MAX];
	struct slice text = slice_of(data, size);
	const char *why;
	struct uri base;
	struct buf path;

	assert(uri_parse(SLICE("gemini://h:1/a/b/c?q"), &base, &why) == URI_OK);
	try_resolve(&base, text);
	try_host(text);
	try_uri(text);
	buf_wrap(&path, memory, sizeof(memory));
	if (buf_str(&path, "gemini://h/") && buf_put(&path, text))
		try_uri(buf_view(&path));
	return 0;
}
