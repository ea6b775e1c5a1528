/* SPDX-License-Identifier: ISC */
#include "archive/state.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "archive/store_internal.h"
#include "proto/moment.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/log.h"

#define STATE_FIRST "carnation-store: 1"

/* How a value of the state is written. */
enum kind {
	KIND_ORIGIN,
	KIND_NUMBER,
	KIND_MOMENT,
	KIND_DIGEST,
	KIND_YES,
	KIND_HOST,
	KIND_TEXT,
};

static const struct field {
	const char *name;
	enum kind kind;
	size_t at;
} fields[] = {
	{ "mirror", KIND_YES, offsetof(struct state, is_mirror) },
	{ "origin", KIND_ORIGIN, offsetof(struct state, origin) },
	{ "upstream", KIND_ORIGIN, offsetof(struct state, upstream) },
	{ "serial", KIND_NUMBER, offsetof(struct state, serial) },
	{ "manifest", KIND_DIGEST, offsetof(struct state, manifest) },
	{ "created", KIND_MOMENT, offsetof(struct state, created) },
	{ "refresh", KIND_MOMENT, offsetof(struct state, refresh) },
	{ "final", KIND_YES, offsetof(struct state, final) },
	{ "checked", KIND_MOMENT, offsetof(struct state, checked) },
	{ "synced", KIND_MOMENT, offsetof(struct state, synced) },
	{ "host", KIND_HOST, offsetof(struct state, host) },
	{ "contact", KIND_TEXT, offsetof(struct state, contact) },
};

enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

bool
state_text_ok(struct slice text)
{
	uint8_t memory[STATE_TEXT_MAX];
	struct buf shown;

	/* What would be escaped for a terminal does not get in at all. */
	buf_wrap(&shown, memory, STATE_TEXT_MAX - 1);
	return slice_trim(text).len == text.len && log_escape(&shown, text) &&
	       slice_equal(buf_view(&shown), text);
}

static const void *
value_of(const struct state *st, const struct field *f)
{
	return (const char *)st + f->at;
}

static bool
state_take_text(struct slice value, size_t size, char *out)
{
	if (value.len == 0 || value.len >= size || !state_text_ok(value))
		return false;
	memcpy(out, value.ptr, value.len);
	out[value.len] = '\0';
	return true;
}

static bool
state_take_host(struct slice value, char out[HOSTNAME_SIZE])
{
	/* In its one form, or what is written is not what was read. */
	return hostname_canonical(value, out) != HOSTNAME_BAD &&
	       slice_equal(slice_str(out), value);
}

static bool
state_take_value(const struct field *f, struct slice value, struct state *out)
{
	void *at = (char *)out + f->at;

	switch (f->kind) {
	case KIND_ORIGIN:
		return manifest_origin(value, at) &&
		       slice_equal(slice_str(at), value);
	case KIND_NUMBER:
		return slice_number(value, STORE_SERIAL_MAX, at);
	case KIND_MOMENT:
		return moment_parse(value, at);
	case KIND_DIGEST:
		return digest_parse(value, at);
	case KIND_YES:
		*(bool *)at = true;
		return slice_equal(value, SLICE("yes"));
	case KIND_HOST:
		return state_take_host(value, at);
	case KIND_TEXT:
		return state_take_text(value, STATE_TEXT_MAX, at);
	}
	return false;
}

static bool
state_take_key(struct slice value, bool retired, struct state *out)
{
	struct state_key *k;

	if (out->n_keys == STATE_KEYS_MAX || value.len != SIGNIFY_PUBLIC_TEXT)
		return false;
	k = &out->key[out->n_keys++];
	k->retired = retired;
	return signify_key_parse(value, &k->key);
}

/* "gemini://host/ HASH" */
static bool
take_pin(struct slice value, struct state *out)
{
	struct state_pin *p = &out->pin[out->n_pins];
	uint8_t digest[DIGEST_SIZE];
	struct slice source, hash;

	if (out->n_pins == STATE_PINS_MAX ||
	    !slice_cut(value, ' ', &source, &hash) ||
	    !manifest_origin(source, p->source) ||
	    !slice_equal(slice_str(p->source), source) ||
	    !digest_parse(hash, digest))
		return false;
	out->n_pins++;
	return state_take_text(hash, sizeof(p->certificate), p->certificate);
}

/* One line; seen has a bit for each field that has come. */
static const char *
state_take_line(struct slice line, unsigned *seen, struct state *out)
{
	struct slice name, value;

	if (!slice_cut(line, ':', &name, &value) || value.len < 2 ||
	    value.ptr[0] != ' ')
		return "invalid line: expected \"name: value\"";
	value = slice_skip(value, 1);
	if (slice_equal(name, SLICE("key")) ||
	    slice_equal(name, SLICE("retired-key")))
		return state_take_key(value, name.len > sizeof("key") - 1, out)
			   ? NULL
			   : "invalid key, or too many keys";
	if (slice_equal(name, SLICE("certificate")))
		return take_pin(value, out) ? NULL
					    : "invalid certificate: expected "
					      "\"URL HASH\", or too many";
	for (unsigned i = 0; i < FIELDS; i++) {
		if (!slice_equal(name, slice_str(fields[i].name)))
			continue;
		if ((*seen & 1U << i) != 0)
			return "duplicate field";
		*seen |= 1U << i;
		return state_take_value(&fields[i], value, out)
			   ? NULL
			   : "invalid value";
	}
	return "unknown field";
}

bool
state_parse(struct slice text, struct state *out, struct why *why)
{
	struct slice rest = text, line;
	const char *fault = NULL;
	unsigned number = 1, seen = 0;

	*out = (struct state){ 0 };
	if (!slice_ends(text, SLICE("\n")) || !slice_line(&rest, &line) ||
	    !slice_equal(line, SLICE(STATE_FIRST)))
		fault = "expected \"" STATE_FIRST "\", or the end is missing";
	while (fault == NULL && slice_line(&rest, &line)) {
		number++;
		fault = state_take_line(line, &seen, out);
	}
	if (fault == NULL)
		return true;
	return why_set(why, "line %u: %s", number, fault);
}

/* A line, unless the value is not known. False when it cannot be written. */
static bool
put_value(const struct field *f, const struct state *st, struct buf *out)
{
	const void *at = value_of(st, f);
	char text[DIGEST_HEX_SIZE] = "";
	const char *shown = text;

	switch (f->kind) {
	case KIND_NUMBER:
		return *(const uint64_t *)at == 0 ||
		       buf_printf(out, "%s: %" PRIu64 "\n", f->name,
			   *(const uint64_t *)at);
	case KIND_MOMENT:
		if (*(const int64_t *)at != 0)
			clock_rfc3339(*(const int64_t *)at, text);
		break;
	case KIND_DIGEST:
		if (st->serial != 0)
			digest_hex(at, text);
		break;
	case KIND_YES:
		shown = *(const bool *)at ? "yes" : "";
		break;
	case KIND_ORIGIN:
	case KIND_HOST:
	case KIND_TEXT:
		shown = at;
		break;
	}
	return shown[0] == '\0' ||
	       (state_text_ok(slice_str(shown)) &&
		   buf_printf(out, "%s: %s\n", f->name, shown));
}

bool
state_format(const struct state *st, struct buf *out)
{
	bool ok = buf_str(out, STATE_FIRST "\n");

	for (size_t i = 0; ok && i < FIELDS; i++)
		ok = put_value(&fields[i], st, out);
	for (size_t i = 0; ok && i < st->n_keys; i++)
		ok = buf_str(
			 out, st->key[i].retired ? "retired-key: " : "key: ") &&
		     signify_key_text(&st->key[i].key, out) &&
		     buf_byte(out, '\n');
	for (size_t i = 0; ok && i < st->n_pins; i++)
		ok = buf_printf(out, "certificate: %s %s\n", st->pin[i].source,
		    st->pin[i].certificate);
	return ok;
}

enum state_read
state_read(const struct store *s, struct state *out, struct why *why)
{
	enum state_read result = STATE_BROKEN;
	struct stat st;
	struct buf text;
	int fd = store_file_open(s->root, STORE_STATE, &st);

	*out = (struct state){ 0 };
	if (fd == -1 && errno == ENOENT)
		return STATE_NONE;
	buf_init(&text, STATE_MAX);
	if (fd == -1 || !fd_read_all(fd, &text)) {
		/* Too long, a directory, a link: nothing that we wrote. */
		if (errno != EFBIG && errno != EINVAL && errno != ELOOP)
			result = STATE_UNREAD;
		(void)store_fault(s, why, STORE_STATE, NULL);
	} else {
		if (state_parse(buf_view(&text), out, why))
			result = STATE_READ;
		else
			why_at(why, "%s/" STORE_STATE, s->path);
	}
	buf_fini(&text);
	store_shut(fd);
	return result;
}

bool
state_write(struct store *s, const struct state *st, struct why *why)
{
	struct state again;
	struct buf text;
	bool ok;

	buf_init(&text, STATE_MAX);
	if (!state_format(st, &text) ||
	    !state_parse(buf_view(&text), &again, why))
		ok = store_fault(
		    s, why, STORE_STATE, "a value cannot be written");
	else
		ok = store_put_file(s, s->root, STORE_STATE, buf_view(&text),
			 STORE_FILE_MODE) ||
		     store_fault(s, why, STORE_STATE, NULL);
	buf_fini(&text);
	return ok;
}

bool
state_open_release(const struct store *s, const struct state *st,
    uint64_t serial, struct manifest *out, uint8_t digest[DIGEST_SIZE],
    struct why *why)
{
	struct signify_key keys[STATE_KEYS_MAX];
	struct slice signed_part;
	struct buf text;
	bool good;

	for (size_t i = 0; i < st->n_keys; i++)
		keys[i] = st->key[i].key;
	buf_init(&text, MANIFEST_MAX);
	good = store_manifest(s, serial, &text);
	if (!good)
		why_errno(why, MANIFEST_PATH);
	good = good && manifest_open(buf_view(&text), keys, st->n_keys, NULL,
			   out, &signed_part, why) == MANIFEST_GOOD;
	if (good && digest != NULL)
		digest_sha256(signed_part, digest);
	buf_fini(&text);
	return good;
}
