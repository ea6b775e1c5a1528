/* SPDX-License-Identifier: ISC */
/* The manifest as text from somewhere else: nothing in it is believed. */
#include <string.h>

#include "archive/manifest.h"
#include "proto/moment.h"
#include "util/clock.h"
#include "util/why.h"

enum {
	HEX_SIZE = DIGEST_HEX_SIZE - 1,
	BLANKS = 2, /* between hash and path: sha256sum's "text" */
};

struct reading {
	struct slice rest;
	unsigned line; /* the number of the one that was taken last */
	struct manifest *out;
	struct why *why;
};

/* "line 12: a backslash: name". */
static bool
reading_fault(struct reading *r, const char *text, struct slice name)
{
	struct slice shown = slice_head(name, name.len < 100 ? name.len : 100);

	return why_set(r->why, "line %u: %s%s%.*s", r->line, text,
	    shown.len > 0 ? ": " : "", SLICE_ARGS(shown));
}

#define FAULT(r, text) reading_fault((r), (text), SLICE(""))

/* The next line, without its LF, which it must have. */
static bool
reading_take_line(struct reading *r, struct slice *line)
{
	r->line++;
	return slice_cut(r->rest, '\n', line, &r->rest);
}

/* ------------------------------------------------------------- headers */

static bool
reading_take_origin(struct manifest *m, struct slice value)
{
	return value.len < MANIFEST_ORIGIN_MAX &&
	       manifest_origin(value, m->origin) &&
	       slice_equal(value, slice_str(m->origin));
}

static bool
reading_number(struct slice s, uint64_t *out)
{
	/* One number, one text: format(parse(x)) is x. */
	return slice_number(s, MANIFEST_NUMBER_MAX, out) &&
	       (s.len == 1 || s.ptr[0] != '0');
}

static bool
take_serial(struct manifest *m, struct slice value)
{
	return reading_number(value, &m->serial) && m->serial > 0;
}

static bool
moment(struct slice value, int64_t *out)
{
	char text[CLOCK_RFC3339_SIZE];

	if (!moment_parse(value, out))
		return false;
	clock_rfc3339(*out, text);
	return slice_equal(value, slice_str(text));
}

static bool
take_created(struct manifest *m, struct slice value)
{
	return moment(value, &m->created) && m->created >= 0 &&
	       m->created <= MANIFEST_CREATED_MAX;
}

static bool
take_refresh(struct manifest *m, struct slice value)
{
	return moment(value, &m->refresh) && m->refresh > m->created;
}

static bool
take_final(struct manifest *m, struct slice value)
{
	m->final = slice_equal(value, SLICE("yes"));
	return m->final ? m->refresh == 0 : slice_equal(value, SLICE("no"));
}

/* Takes a number off *s that ends there or at blanks, which go too. */
static bool
reading_take_number(struct slice *s, uint64_t *out)
{
	struct slice digits;

	(void)slice_cut(*s, ' ', &digits, s);
	while (slice_starts(*s, SLICE(" ")))
		*s = slice_skip(*s, 1);
	return reading_number(digits, out);
}

static bool
reading_take_word(struct slice *s, struct slice word)
{
	if (!slice_starts(*s, word))
		return false;
	*s = slice_skip(*s, word.len);
	return true;
}

static bool
take_files(struct manifest *m, struct slice value)
{
	return reading_take_number(&value, &m->files) &&
	       reading_take_word(&value, SLICE("bytes: ")) &&
	       reading_take_number(&value, &m->bytes) &&
	       reading_take_word(&value, SLICE("largest: ")) &&
	       reading_number(value, &m->largest) && m->largest <= m->bytes &&
	       m->files <= MANIFEST_FILES_MAX;
}

static bool
take_next_key(struct manifest *m, struct slice value)
{
	m->has_next_key = true;
	return value.len == SIGNIFY_PUBLIC_TEXT &&
	       signify_key_parse(value, &m->next_key);
}

static bool
take_signed_with(struct manifest *m, struct slice value)
{
	struct slice name = value;

	if (!slice_ends(value, SLICE(".pub")))
		return false;
	name.len -= sizeof(".pub") - 1;
	if (!signify_name(name))
		return false;
	memcpy(m->key_name, name.ptr, name.len);
	m->key_name[name.len] = '\0';
	return true;
}

/* In the order in which they come. */
static const struct header {
	const char *name;
	bool (*take)(struct manifest *m, struct slice value);
	bool optional;
	const char *fault;
} headers[] = {
	{ "origin", reading_take_origin, false,
	    "the origin is not gemini://host/ in its one form" },
	{ "serial", take_serial, false,
	    "the serial is not a number from 1 to 2^53-1" },
	{ "created", take_created, false,
	    "created is not a moment like 2026-11-22T10:00:00Z" },
	{ "refresh", take_refresh, true,
	    "refresh is not a moment after created" },
	{ "final", take_final, false,
	    "final is neither no, nor yes without refresh" },
	{ "files", take_files, false,
	    "not the numbers of files, bytes and the largest" },
	{ "next-key", take_next_key, true, "next-key is not a public key" },
	{ "signed-with", take_signed_with, true,
	    "signed-with is not NAME.pub" },
};

enum { HEADERS = sizeof(headers) / sizeof(headers[0]) };

/* The header called name, or HEADERS. */
static size_t
header_find(struct slice name)
{
	size_t i = 0;

	while (i < HEADERS && !slice_equal(name, slice_str(headers[i].name)))
		i++;
	return i;
}

static bool
printable(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
			return false;
	return slice_utf8(s);
}

/* "# name: value" parsed; neither is empty. */
static bool
split_header(struct slice line, struct slice *name, struct slice *value)
{
	if (!printable(line) || !slice_starts(line, SLICE("# ")) ||
	    !slice_cut(slice_skip(line, 2), ':', name, value) ||
	    !slice_starts(*value, SLICE(" ")))
		return false;
	*value = slice_skip(*value, 1);
	return name->len > 0 && value->len > 0 && !slice_find(*name, ' ', NULL);
}

/* The first header from *next to before which may not be left out. */
static const struct header *
missing(size_t next, size_t before)
{
	for (; next < before; next++)
		if (!headers[next].optional)
			return &headers[next];
	return NULL;
}

/* One line; *next is the first header that may still come. */
static bool
reading_take_header(struct reading *r, struct slice line, size_t *next)
{
	struct slice name, value;
	const struct header *gap;
	size_t i;

	if (!split_header(line, &name, &value))
		return reading_fault(r, "not \"# name: value\"", line);
	i = header_find(name);
	if (i == HEADERS)
		return slice_equal(name, SLICE("gemini-mirror"))
			   ? FAULT(r, "a second gemini-mirror")
			   : true;
	if (i < *next)
		return reading_fault(r, "duplicate, or out of order", name);
	gap = missing(*next, i);
	if (gap != NULL)
		return reading_fault(
		    r, "missing before it", slice_str(gap->name));
	if (!headers[i].take(r->out, value))
		return reading_fault(r, headers[i].fault, value);
	*next = i + 1;
	return true;
}

static bool
take_headers(struct reading *r)
{
	const struct header *gap;
	struct slice line;
	size_t next = 0;

	if (!reading_take_line(r, &line) ||
	    !slice_starts(line, SLICE("# gemini-mirror: ")))
		return FAULT(r, "not a manifest: no \"# gemini-mirror: 1\"");
	if (!slice_equal(line, SLICE("# gemini-mirror: 1")))
		return FAULT(r, "a manifest of another version than 1");
	while (slice_starts(r->rest, SLICE("#")))
		if (!reading_take_line(r, &line))
			return FAULT(r, "no line feed at the end");
		else if (!reading_take_header(r, line, &next))
			return false;
	gap = missing(next, HEADERS);
	if (gap == NULL)
		return true;
	r->line++;
	return reading_fault(r, "missing before it", slice_str(gap->name));
}

/* ------------------------------------------------------------- entries */

static bool
take_entry(struct reading *r, struct slice line)
{
	uint8_t digest[DIGEST_SIZE];
	struct slice path;
	const char *what;

	if (line.len <= HEX_SIZE + BLANKS ||
	    !digest_parse(slice_head(line, HEX_SIZE), digest) ||
	    !slice_starts(slice_skip(line, HEX_SIZE), SLICE("  ")))
		return reading_fault(r, "not \"hash  path\"", line);
	path = slice_skip(line, HEX_SIZE + BLANKS);
	what = manifest_name_fault(path);
	if (what != NULL)
		return reading_fault(r, what, path);
	if (r->out->n == r->out->files)
		return FAULT(r, "more files than the header says");
	return manifest_add(r->out, digest, path) || FAULT(r, "out of memory");
}

static bool
take_entries(struct reading *r)
{
	unsigned before = r->line;
	struct slice line;
	const char *what;
	size_t at;

	while (r->rest.len > 0)
		if (!reading_take_line(r, &line))
			return FAULT(r, "no line feed at the end");
		else if (!take_entry(r, line))
			return false;
	if (r->out->n < r->out->files)
		return FAULT(r, "fewer files than the header says");
	what = manifest_order_fault(r->out, &at);
	if (what == NULL)
		return true;
	r->line = before + (unsigned)at + 1;
	return reading_fault(r, what, slice_str(r->out->entry[at].path));
}

bool
manifest_parse(struct slice text, struct manifest *out, struct why *why)
{
	struct reading r = { .rest = text, .out = out, .why = why };

	*out = (struct manifest){ 0 };
	if (text.len > MANIFEST_MAX)
		return why_set(why, "longer than 16 MiB");
	if (take_headers(&r) && take_entries(&r))
		return true;
	manifest_fini(out);
	return false;
}
