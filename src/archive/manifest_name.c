/* SPDX-License-Identifier: ISC */
/* Names of files and origins: what a manifest may hold, and as URLs. */
#include <stdio.h>
#include <string.h>

#include "archive/manifest.h"
#include "client/target.h"

/* The shortest origin there is. */
static const char shortest[] = "gemini://h/";

static const char *
name_part_fault(struct slice part)
{
	if (part.len == 0)
		return "an empty part";
	if (slice_equal(part, SLICE(".")) || slice_equal(part, SLICE("..")))
		return "a part of dots alone";
	if (part.len > MANIFEST_PART_MAX)
		return "a part of more than 255 bytes";
	return NULL;
}

static const char *
bytes_fault(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] < 0x20 || name.ptr[i] == 0x7f)
			return "a control byte";
		if (name.ptr[i] == '\\')
			return "a backslash";
	}
	return NULL;
}

/* C1 too: the tools that people have write them to a terminal as they are. */
static const char *
runes_fault(struct slice name)
{
	uint32_t rune;
	size_t n;

	for (; name.len > 0; name = slice_skip(name, n)) {
		n = slice_rune(name, &rune);
		if (n == 0)
			return "not UTF-8";
		if (rune >= 0x80 && rune <= 0x9f)
			return "a control character";
	}
	return NULL;
}

/* Whether base and name fit into a request together. */
static bool
url(const char *base, struct slice name, struct buf *out)
{
	uint8_t memory[REQUEST_URI_MAX];
	struct buf text;

	buf_wrap(&text, memory, sizeof(memory));
	return buf_str(&text, base) && uri_encode(&text, name, true) &&
	       (out == NULL || buf_put(out, buf_view(&text)));
}

const char *
manifest_name_fault(struct slice name)
{
	const char *why = bytes_fault(name);
	struct slice rest = name, first, part;
	bool more;

	if (why == NULL)
		why = runes_fault(name);
	if (why != NULL)
		return why;
	if (slice_starts(name, SLICE("/")))
		return "not relative";
	(void)slice_cut(name, '/', &first, &part);
	if (slice_equal(first, SLICE("mirror")))
		return "under mirror/, which is not for pages";
	do {
		more = slice_cut(rest, '/', &part, &rest);
		why = name_part_fault(part);
		if (why != NULL)
			return why;
	} while (more);
	return url(shortest, name, NULL) ? NULL : "too long for a URL";
}

bool
manifest_url(const char *base, const char *path, struct buf *out)
{
	return url(base, slice_str(path), out);
}

bool
manifest_origin(struct slice text, char out[MANIFEST_ORIGIN_MAX])
{
	char host[HOSTNAME_SIZE];
	char port[16] = "";
	enum hostname_kind kind;
	const char *why;
	struct uri u;
	bool six;

	out[0] = '\0';
	if (uri_parse(text, &u, &why) != URI_OK || u.has_query || u.port == 0 ||
	    (u.path.len > 0 && !slice_equal(u.path, SLICE("/"))))
		return false;
	kind = hostname_canonical(u.host, host);
	if (kind == HOSTNAME_BAD)
		return false;
	six = kind == HOSTNAME_IPV6;
	if (u.port != -1 && u.port != TARGET_PORT)
		(void)snprintf(port, sizeof(port), ":%d", u.port);
	(void)snprintf(out, MANIFEST_ORIGIN_MAX, "gemini://%s%s%s%s/",
	    six ? "[" : "", host, six ? "]" : "", port);
	return true;
}
