/* SPDX-License-Identifier: ISC */
/* The manifest as text: written, and read from somewhere else, when nothing in it
 * is believed. */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "archive/manifest.h"
#include "archive/records.h"
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

/* The next line, without its LF. */
static bool
reading_take_line(struct reading *r, struct slice *line)
{
	r->line++;
	return slice_cut(r->rest, '\n', line, &r->rest) ||
	       FAULT(r, "no line feed at the end");
}

/* ------------------------------------------------------------- headers */

/* 1970 too. */
static bool
created_put(const void *from, struct buf *out)
{
	char text[CLOCK_RFC3339_SIZE];

	clock_rfc3339(*(const int64_t *)from, text);
	return buf_str(out, text);
}

static bool
final_put(const void *from, struct buf *out)
{
	return buf_str(out, *(const bool *)from ? "yes" : "no");
}

/* Takes "WORD12" and the blanks after it off *s. */
static bool
count_take(struct slice *s, struct slice word, uint64_t *out)
{
	struct slice digits;

	if (!slice_starts(*s, word))
		return false;
	(void)slice_cut(slice_skip(*s, word.len), ' ', &digits, s);
	while (slice_starts(*s, SLICE(" ")))
		*s = slice_skip(*s, 1);
	/* One number, one text: format(parse(x)) is x. */
	return slice_number(digits, MANIFEST_NUMBER_MAX, out) &&
	       (digits.len == 1 || digits.ptr[0] != '0');
}

static bool
files_take(struct slice value, void *to)
{
	struct manifest *m = to;

	return !slice_ends(value, SLICE(" ")) &&
	       count_take(&value, SLICE(""), &m->files) &&
	       count_take(&value, SLICE("bytes: "), &m->bytes) &&
	       count_take(&value, SLICE("largest: "), &m->largest) &&
	       value.len == 0;
}

static bool
files_put(const void *from, struct buf *out)
{
	const struct manifest *m = from;

	return buf_printf(out,
	    "%" PRIu64 "   bytes: %" PRIu64 "   largest: %" PRIu64, m->files,
	    m->bytes, m->largest);
}

static bool
next_take(struct slice value, void *to)
{
	struct manifest *m = to;

	m->has_next_key = true;
	return value.len == SIGNIFY_PUBLIC_TEXT &&
	       signify_key_parse(value, &m->next_key);
}

static bool
next_put(const void *from, struct buf *out)
{
	const struct manifest *m = from;

	return !m->has_next_key || signify_key_text(&m->next_key, out);
}

static bool
signed_with_take(struct slice value, void *to)
{
	struct slice name = value;
	char *text = to;

	if (!slice_ends(value, SLICE(".pub")))
		return false;
	name.len -= sizeof(".pub") - 1;
	if (!signify_name(name))
		return false;
	memcpy(text, name.ptr, name.len);
	text[name.len] = '\0';
	return true;
}

static bool
signed_with_put(const void *from, struct buf *out)
{
	const char *name = from;

	return name[0] == '\0' || buf_printf(out, "%s.pub", name);
}

static const struct record_kind created = { record_take_moment, created_put,
	NULL },
				final = { record_take_yes, final_put, NULL },
				files = { files_take, files_put, NULL },
				next_key = { next_take, next_put, NULL },
				signed_with = { signed_with_take,
					signed_with_put, NULL };

/* In the order in which they come. clang-format off */
static const struct header {
	struct record record;
	bool optional;
	const char *fault;
} headers[] = {
	{ RECORD(struct manifest, origin, "origin", record_origin), false,
	    "the origin is not gemini://host/ in its one form" },
	{ RECORD(struct manifest, serial, "serial", record_number), false,
	    "the serial is not a number from 1 to 2^53-1" },
	{ RECORD(struct manifest, created, "created", created), false,
	    "created is not a moment like 2026-11-22T10:00:00Z" },
	{ RECORD(struct manifest, refresh, "refresh", record_moment), true,
	    "refresh is not a moment after created" },
	{ RECORD(struct manifest, final, "final", final), false,
	    "final is neither no, nor yes without refresh" },
	{ { .name = "files", .kind = &files }, false,
	    "not the numbers of files, bytes and the largest" },
	{ { .name = "next-key", .kind = &next_key }, true,
	    "next-key is not a public key" },
	{ RECORD(struct manifest, key_name, "signed-with", signed_with), true,
	    "signed-with is not NAME.pub" },
};
/* clang-format on */

enum { HEADERS = sizeof(headers) / sizeof(headers[0]) };

/* What a header says by itself may yet not go with those before it. */
static bool
headers_agree(const struct manifest *m)
{
	return m->created >= 0 && m->created <= MANIFEST_CREATED_MAX &&
	       (m->refresh == 0 || (m->refresh > m->created && !m->final)) &&
	       m->largest <= m->bytes && m->files <= MANIFEST_FILES_MAX;
}

/* The header called name, or HEADERS. */
static size_t
header_find(struct slice name)
{
	size_t i = 0;

	while (i < HEADERS &&
	       !slice_equal(name, slice_str(headers[i].record.name)))
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

/* Passes over headers that do not come, from *next to before i. */
static bool
reading_skip_to(struct reading *r, size_t i, size_t *next)
{
	for (; *next < i; ++*next)
		if (!headers[*next].optional)
			return reading_fault(r, "missing before it",
			    slice_str(headers[*next].record.name));
	return true;
}

/* One line; *next is the first header that may still come. */
static bool
reading_take_header(struct reading *r, struct slice line, size_t *next)
{
	struct slice name, value;
	const struct header *h;
	size_t i;

	if (!split_header(line, &name, &value))
		return reading_fault(r, "not \"# name: value\"", line);
	if (slice_equal(name, SLICE("gemini-mirror")))
		return FAULT(r, "a second gemini-mirror");
	i = header_find(name);
	if (i == HEADERS)
		return true;
	if (i < *next)
		return reading_fault(r, "duplicate, or out of order", name);
	if (!reading_skip_to(r, i, next))
		return false;
	h = &headers[i];
	*next = i + 1;
	/* How many blanks stand between the counts is free. */
	return (record_take(h->record.kind, value, h->record.kind != &files,
		    (char *)r->out + h->record.at) &&
		   headers_agree(r->out)) ||
	       reading_fault(r, h->fault, value);
}

static bool
take_headers(struct reading *r)
{
	struct slice line;
	size_t next = 0;

	if (!reading_take_line(r, &line))
		return false;
	if (!slice_starts(line, SLICE("# gemini-mirror: ")))
		return FAULT(r, "not a manifest: no \"# gemini-mirror: 1\"");
	if (!slice_equal(line, SLICE("# gemini-mirror: 1")))
		return FAULT(r, "a manifest of another version than 1");
	while (slice_starts(r->rest, SLICE("#")))
		if (!reading_take_line(r, &line) ||
		    !reading_take_header(r, line, &next))
			return false;
	r->line++; /* the first of those with a file, if any */
	if (!reading_skip_to(r, HEADERS, &next))
		return false;
	r->line--;
	return true;
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
		if (!reading_take_line(r, &line) || !take_entry(r, line))
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

/* ------------------------------------------------------------- written */

bool
manifest_format(const struct manifest *m, struct buf *out)
{
	size_t start = out->len;
	char hex[DIGEST_HEX_SIZE];
	bool ok = buf_str(out, "# gemini-mirror: 1\n");

	assert(m->files == m->n);
	for (size_t i = 0; ok && i < HEADERS; i++)
		ok = record_put(&headers[i].record, "# ",
		    (const char *)m + headers[i].record.at, out);
	for (size_t i = 0; ok && i < m->n; i++) {
		digest_hex(m->entry[i].digest, hex);
		ok = buf_printf(out, "%s  %s\n", hex, m->entry[i].path);
	}
	if (!ok)
		buf_truncate(out, start);
	return ok;
}

/* ------------------------------------------------------------ signature */

/* The key that made the signature. NULL and why: none of those in the ring. */
static const struct keyring_key *
signer_find(const struct keyring *ring,
    const uint8_t signature[SIGNIFY_SIGNATURE_SIZE], struct slice message,
    struct why *why)
{
	char number[SIGNIFY_NUMBER_TEXT];
	bool known = false;

	for (size_t i = 0; i < ring->n; i++) {
		enum signify_result result =
		    signify_verify(&ring->key[i].key, signature, message);

		if (result == SIGNIFY_GOOD)
			return &ring->key[i];
		known = known || result == SIGNIFY_BAD;
	}
	signify_number_text(signature + SIGNIFY_NUMBER_AT, number);
	if (known)
		why_set(why, "the signature is wrong (key %s)", number);
	else
		keyring_distrust(ring, number, "is not trusted here", why);
	return NULL;
}

enum manifest_result
manifest_open(struct slice text, const struct keyring *ring,
    const struct keyring_key **signer, struct manifest *out, struct why *why)
{
	uint8_t signature[SIGNIFY_SIGNATURE_SIZE];
	const struct keyring_key *by = NULL;
	struct slice name, message;

	if (!signify_split(text, &name, signature, &message))
		why_set(why, "not a signed manifest");
	else
		by = signer_find(ring, signature, message, why);
	if (by == NULL)
		return MANIFEST_UNSIGNED;
	if (!manifest_parse(message, out, why))
		return MANIFEST_UNSOUND;
	if (out->key_name[0] != '\0' &&
	    !slice_equal(name, slice_str(out->key_name))) {
		why_set(why, "line 1 does not name the key that "
			     "signed-with does");
		manifest_fini(out);
		return MANIFEST_UNSIGNED;
	}
	digest_sha256(message, out->digest);
	if (signer != NULL)
		*signer = by;
	return MANIFEST_GOOD;
}
