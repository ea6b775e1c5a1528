/* SPDX-License-Identifier: ISC */
#include "archive/trace.h"

#include <inttypes.h>
#include <string.h>

#include "archive/store.h"
#include "proto/moment.h"
#include "util/clock.h"
#include "util/version.h"

static bool
trace_put_text(struct buf *out, const char *name, const char *value)
{
	return value[0] == '\0' || buf_printf(out, "%s: %s\n", name, value);
}

static bool
trace_put_moment(struct buf *out, const char *name, int64_t when)
{
	char text[CLOCK_RFC3339_SIZE] = "";

	if (when != 0)
		clock_rfc3339(when, text);
	return trace_put_text(out, name, text);
}

bool
trace_format(const struct state *st, int64_t now, struct buf *out)
{
	char hex[DIGEST_HEX_SIZE] = "";
	bool stale = st->refresh != 0 && now > st->refresh && !st->final;

	if (st->serial != 0)
		digest_hex(st->manifest, hex);
	return trace_put_text(out, "host", st->host) &&
	       trace_put_text(out, "origin", st->origin) &&
	       buf_printf(out, "serial: %" PRIu64 "\n", st->serial) &&
	       trace_put_text(out, "manifest", hex) &&
	       trace_put_moment(out, "created", st->created) &&
	       trace_put_moment(out, "synced", st->synced) &&
	       trace_put_moment(out, "checked", st->checked) &&
	       trace_put_text(out, "upstream", st->upstream) &&
	       trace_put_text(
		   out, "software", "carnation " CARNATION_VERSION) &&
	       trace_put_text(out, "contact", st->contact) &&
	       trace_put_text(out, "stale", stale ? "yes" : "");
}

/* Makes st say what the current release is, be it the highest serial or one
 * that was rolled back to. False and why. */
static bool
trace_describe(const struct store *s, struct state *st, struct why *why)
{
	struct manifest m;

	if (!state_open_release(s, st, store_current(s), &m, st->manifest, why))
		return false;
	st->serial = m.serial;
	st->created = m.created;
	st->refresh = m.refresh;
	st->final = m.final;
	manifest_fini(&m);
	return true;
}

bool
trace_write(
    struct store *s, const struct state *st, int64_t now, struct why *why)
{
	struct state shown = *st;
	struct buf text;
	bool ok;

	buf_init(&text, TRACE_MAX);
	ok = trace_describe(s, &shown, why);
	if (ok && !trace_format(&shown, now, &text)) {
		ok = false;
		why_set(why, "the trace is too long");
	}
	ok = ok && store_write_trace(s, buf_view(&text), why);
	buf_fini(&text);
	return ok;
}

enum kind { ORIGIN, SERIAL, HASH, MOMENT, HOST, TEXT, YES };

static const struct field {
	const char *name;
	enum kind kind;
	size_t at;
} fields[] = {
	{ "host", HOST, offsetof(struct trace, host) },
	{ "origin", ORIGIN, offsetof(struct trace, origin) },
	{ "serial", SERIAL, offsetof(struct trace, serial) },
	{ "manifest", HASH, offsetof(struct trace, manifest) },
	{ "created", MOMENT, offsetof(struct trace, created) },
	{ "synced", MOMENT, offsetof(struct trace, synced) },
	{ "checked", MOMENT, offsetof(struct trace, checked) },
	{ "upstream", ORIGIN, offsetof(struct trace, upstream) },
	{ "software", TEXT, offsetof(struct trace, software) },
	{ "contact", TEXT, offsetof(struct trace, contact) },
	{ "stale", YES, offsetof(struct trace, stale) },
};

enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

static bool
trace_take_text(struct slice value, size_t size, char *out)
{
	if (value.len >= size || !state_text_ok(value))
		return false;
	memcpy(out, value.ptr, value.len);
	out[value.len] = '\0';
	return true;
}

static bool
field_take(const struct field *f, struct slice value, struct trace *out)
{
	void *at = (char *)out + f->at;
	uint8_t digest[DIGEST_SIZE];

	switch (f->kind) {
	case ORIGIN:
		return manifest_origin(value, at);
	case SERIAL:
		return slice_number(value, STORE_SERIAL_MAX, at);
	case HASH:
		return digest_parse(value, digest) &&
		       trace_take_text(value, DIGEST_HEX_SIZE, at);
	case MOMENT:
		return moment_parse(value, at);
	case HOST:
		return hostname_canonical(value, at) != HOSTNAME_BAD;
	case TEXT:
		return trace_take_text(value, STATE_TEXT_MAX, at);
	case YES:
		*(bool *)at = slice_equal(value, SLICE("yes"));
		return true;
	}
	return false;
}

static bool
trace_take_line(struct slice line, unsigned *seen, struct trace *out)
{
	struct slice name, value;

	if (!slice_cut(line, ':', &name, &value))
		return line.len == 0;
	value = slice_trim(value);
	for (unsigned i = 0; i < FIELDS; i++) {
		if (!slice_equal(name, slice_str(fields[i].name)))
			continue;
		if ((*seen & 1U << i) != 0)
			return false;
		*seen |= 1U << i;
		return field_take(&fields[i], value, out);
	}
	return true;
}

bool
trace_parse(struct slice text, struct trace *out)
{
	struct slice line;
	unsigned seen = 0;
	bool ok = text.len <= TRACE_MAX;

	*out = (struct trace){ 0 };
	while (ok && slice_line(&text, &line))
		ok = trace_take_line(line, &seen, out);
	ok = ok && out->origin[0] != '\0' && out->serial != 0;
	if (!ok)
		*out = (struct trace){ 0 };
	return ok;
}
