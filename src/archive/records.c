/* SPDX-License-Identifier: ISC */
#include "archive/records.h"

#include <inttypes.h>
#include <string.h>

#include "archive/manifest.h"
#include "proto/hostname.h"
#include "proto/moment.h"
#include "util/clock.h"
#include "util/log.h"

_Static_assert((int)RECORD_TEXT_MAX == (int)MANIFEST_ORIGIN_MAX,
    "one function writes texts and origins");

enum { RECORD_VALUE_MAX = 1024 };

bool
record_text_ok(struct slice text)
{
	uint8_t memory[RECORD_TEXT_MAX];
	struct buf shown;

	/* What would be escaped for a terminal does not get in at all. */
	buf_wrap(&shown, memory, RECORD_TEXT_MAX - 1);
	return slice_trim(text).len == text.len && log_escape(&shown, text) &&
	       slice_equal(buf_view(&shown), text);
}

/* --------------------------------------------------------------- kinds */

static bool
text_put(const void *from, struct buf *out)
{
	return record_text_ok(slice_str(from)) && buf_str(out, from);
}

static bool
text_take(struct slice value, void *to)
{
	char *text = to;

	if (value.len == 0 || !record_text_ok(value))
		return false;
	memcpy(text, value.ptr, value.len);
	text[value.len] = '\0';
	return true;
}

static bool
origin_take(struct slice value, void *to)
{
	return manifest_origin(value, to);
}

static bool
host_take(struct slice value, void *to)
{
	return hostname_canonical(value, to) != HOSTNAME_BAD;
}

static bool
number_take(struct slice value, void *to)
{
	return slice_number(value, MANIFEST_NUMBER_MAX, to);
}

static bool
number_put(const void *from, struct buf *out)
{
	const uint64_t *number = from;

	return *number == 0 || buf_printf(out, "%" PRIu64, *number);
}

bool
record_take_moment(struct slice value, void *to)
{
	return moment_parse(value, to);
}

static bool
moment_put(const void *from, struct buf *out)
{
	const int64_t *moment = from;
	char text[CLOCK_RFC3339_SIZE] = "";

	if (*moment != 0)
		clock_rfc3339(*moment, text);
	return buf_str(out, text);
}

static bool
hash_take(struct slice value, void *to)
{
	return digest_parse(value, to);
}

static bool
hash_put(const void *from, struct buf *out)
{
	static const uint8_t unknown[DIGEST_SIZE];
	char hex[DIGEST_HEX_SIZE] = "";

	if (!digest_equal(from, unknown))
		digest_hex(from, hex);
	return buf_str(out, hex);
}

bool
record_take_yes(struct slice value, void *to)
{
	*(bool *)to = slice_equal(value, SLICE("yes"));
	return true;
}

static bool
yes_put(const void *from, struct buf *out)
{
	return buf_str(out, *(const bool *)from ? "yes" : "");
}

/* clang-format off */
const struct record_kind
    record_origin = { origin_take, text_put, "a URL like gemini://host/" },
    record_host = { host_take, text_put, "the name of a host" },
    record_text = { text_take, text_put, "one short line" },
    record_number = { number_take, number_put, "a number" },
    record_moment = { record_take_moment, moment_put, "a moment like 2026-11-22T10:00:00Z" },
    record_digest = { hash_take, hash_put, "a hash of 64 digits" },
    record_yes = { record_take_yes, yes_put, "yes" };
/* clang-format on */

/* ------------------------------------------------------------- reading */

bool
record_take(
    const struct record_kind *kind, struct slice value, bool strict, void *to)
{
	uint8_t memory[RECORD_VALUE_MAX];
	struct buf again;

	buf_wrap(&again, memory, sizeof(memory));
	return kind->take(value, to) &&
	       (!strict || (kind->put(to, &again) &&
			       slice_equal(buf_view(&again), value)));
}

static bool
value_take(const struct record *row, bool strict, struct slice value, void *out,
    struct why *why)
{
	size_t *n = row->max > 0 ? (size_t *)((char *)out + row->n_at) : NULL;
	char *at = (char *)out + row->at;

	if (n != NULL && *n == row->max)
		return why_set(why, "too many of %s", row->name);
	at += n != NULL ? *n * row->size : 0;
	if (!record_take(row->kind, value, strict, at))
		return why_set(why, "invalid %s: expected %s", row->name,
		    row->kind->fault);
	if (row->tag_at > 0)
		memcpy(at + row->tag_at, &row->tag, sizeof(row->tag));
	if (n != NULL)
		++*n;
	return true;
}

/* *seen has a bit for each row that has come. */
static bool
line_take(const struct record *rows, bool strict, struct slice line,
    uint64_t *seen, void *out, struct why *why)
{
	const struct record *row = rows;
	struct slice name, value;
	uint64_t bit;

	if (line.len == 0 && !strict)
		return true;
	if (!slice_cut(line, ':', &name, &value) ||
	    (strict && (value.len < 2 || !slice_starts(value, SLICE(" ")))))
		return why_set(why, "invalid line: expected \"name: value\"");
	value = strict ? slice_skip(value, 1) : slice_trim(value);
	while (row->name != NULL && !slice_equal(name, slice_str(row->name)))
		row++;
	if (row->name == NULL)
		return !strict || why_set(why, "unknown field");
	bit = UINT64_C(1) << (row - rows);
	if (row->max == 0 && (*seen & bit) != 0)
		return why_set(why, "duplicate field");
	*seen |= bit;
	return value_take(row, strict, value, out, why);
}

bool
records_parse(const struct record *rows, bool strict, struct slice text,
    unsigned before, void *out, struct why *why)
{
	struct slice line;
	uint64_t seen = 0;

	for (unsigned i = before + 1; slice_line(&text, &line); i++)
		if (!line_take(rows, strict, line, &seen, out, why))
			return why_at(why, "line %u", i);
	return true;
}

/* ------------------------------------------------------------- writing */

bool
record_put(const struct record *row, const char *before, const void *from,
    struct buf *out)
{
	size_t start = out->len, value;

	if (!buf_printf(out, "%s%s: ", before, row->name))
		return false;
	value = out->len;
	if (!row->kind->put(from, out))
		return false;
	if (out->len > value)
		return buf_byte(out, '\n');
	buf_truncate(out, start);
	return true;
}

bool
records_format(const struct record *rows, const void *from, struct buf *out)
{
	const char *base = from;
	bool ok = true;

	for (const struct record *row = rows; row->name != NULL; row++) {
		const char *at = base + row->at;
		size_t n =
		    row->max == 0 ? 1 : *(const size_t *)(base + row->n_at);

		for (size_t i = 0; ok && i < n; i++, at += row->size)
			if (row->tag_at == 0 ||
			    memcmp(at + row->tag_at, &row->tag,
				sizeof(row->tag)) == 0)
				ok = record_put(row, "", at, out);
	}
	return ok;
}
