/* SPDX-License-Identifier: ISC */
#include "archive/state.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "archive/store_internal.h"
#include "util/fd.h"
#include "util/version.h"

#define STATE_FIRST "carnation-store: 2"
#define STATE_FIRST_1 "carnation-store: 1"

/* The releases are what counts: a run without a state begins with them. */
#define STATE_RECOVERY                                                         \
	"to recover, remove it, then mirror or publish once more with --key, " \
	"as the first time: the releases stay"

/* ---------------------------------------------------- values of the state */

static bool
key_take(struct slice value, void *to)
{
	return value.len == SIGNIFY_PUBLIC_TEXT && signify_key_parse(value, to);
}

static bool
key_put(const void *from, struct buf *out)
{
	return signify_key_text(from, out);
}

/* "gemini://host/ HASH" */
static bool
pin_take(struct slice value, void *to)
{
	struct state_pin *p = to;
	uint8_t digest[DIGEST_SIZE];
	struct slice source, hash;

	if (!slice_cut(value, ' ', &source, &hash) ||
	    !manifest_origin(source, p->source) || !digest_parse(hash, digest))
		return false;
	digest_hex(digest, p->certificate);
	return true;
}

static bool
pin_put(const void *from, struct buf *out)
{
	const struct state_pin *p = from;

	return record_text_ok(slice_str(p->source)) &&
	       buf_printf(out, "%s %s", p->source, p->certificate);
}

/* Seconds, or -1: never. */
static bool
stale_take(struct slice value, void *to)
{
	uint64_t seconds;

	*(int64_t *)to = -1;
	if (slice_equal(value, SLICE("never")))
		return true;
	if (!slice_number(value, MANIFEST_NUMBER_MAX, &seconds))
		return false;
	*(int64_t *)to = (int64_t)seconds;
	return true;
}

static bool
stale_put(const void *from, struct buf *out)
{
	int64_t seconds = *(const int64_t *)from;

	if (seconds == -1)
		return buf_str(out, "never");
	return seconds == 0 || buf_printf(out, "%" PRId64, seconds);
}

/* clang-format off */
static const struct record_kind
    key = { key_take, key_put, "a public key" },
    certificate = { pin_take, pin_put, "URL HASH" },
    stale_after = { stale_take, stale_put, "seconds, or never" };

_Static_assert(offsetof(struct keyring_key, key) == 0, "what key_take fills");

#define KEYS(text, how) \
	{ .name = (text), .kind = &key, \
	  .at = offsetof(struct state, ring.key), .max = KEYRING_MAX, \
	  .size = sizeof(struct keyring_key), \
	  .n_at = offsetof(struct state, ring.n), \
	  .tag_at = offsetof(struct keyring_key, standing), .tag = (how) }

static const struct record state_rows[] = {
	RECORD(struct state, is_mirror, "mirror", record_yes),
	RECORD(struct state, origin, "origin", record_origin),
	RECORD(struct state, upstream, "upstream", record_origin),
	RECORD(struct state, serial, "serial", record_number),
	RECORD(struct state, manifest, "manifest", record_digest),
	RECORD(struct state, created, "created", record_moment),
	RECORD(struct state, refresh, "refresh", record_moment),
	RECORD(struct state, final, "final", record_yes),
	RECORD(struct state, tried, "tried", record_moment),
	RECORD(struct state, checked, "checked", record_moment),
	RECORD(struct state, heard, "heard", record_moment),
	RECORD(struct state, synced, "synced", record_moment),
	RECORD(struct state, archive_begun, "archive-begun", record_number),
	RECORD(struct state, host, "host", record_host),
	RECORD(struct state, contact, "contact", record_text),
	RECORD(struct state, url, "url", record_origin),
	RECORDS(struct state, also, n_also, "also", record_origin),
	RECORD(struct state, max_file, "max-file", record_number),
	RECORD(struct state, max_bytes, "max-bytes", record_number),
	RECORD(struct state, max_files, "max-files", record_number),
	RECORD(struct state, limit_rate, "limit-rate", record_number),
	RECORD(struct state, proxy, "proxy", record_text),
	RECORD(struct state, strict_tls, "strict-tls", record_yes),
	RECORD(struct state, stale_after, "stale-after", stale_after),
	RECORDS(struct state, retracted, n_retracted, "retracted",
	    record_number),
	KEYS("key", KEYRING_PINNED),
	KEYS("announced-key", KEYRING_ANNOUNCED),
	KEYS("retired-key", KEYRING_RETIRED),
	RECORDS(struct state, pin, n_pins, "certificate", certificate),
	{ .name = NULL },
};

static const struct record trace_rows[] = {
	RECORD(struct trace, host, "host", record_host),
	RECORD(struct trace, origin, "origin", record_origin),
	RECORD(struct trace, serial, "serial", record_number),
	RECORD(struct trace, manifest, "manifest", record_digest),
	RECORD(struct trace, created, "created", record_moment),
	RECORD(struct trace, synced, "synced", record_moment),
	RECORD(struct trace, checked, "checked", record_moment),
	RECORD(struct trace, heard, "heard", record_moment),
	RECORD(struct trace, upstream, "upstream", record_origin),
	RECORD(struct trace, software, "software", record_text),
	RECORD(struct trace, contact, "contact", record_text),
	RECORD(struct trace, stale, "stale", record_yes),
	{ .name = NULL },
};
/* clang-format on */

/* --------------------------------------------------------------- its text */

/* Version 1 knows keys and retired ones: those after the first were announced. */
static void
state_modernize(struct state *st)
{
	size_t pinned = 0;

	for (size_t i = 0; i < st->ring.n; i++)
		if (st->ring.key[i].standing == KEYRING_PINNED && pinned++ > 0)
			st->ring.key[i].standing = KEYRING_ANNOUNCED;
	st->heard = st->checked;
}

bool
state_parse(struct slice text, struct state *out, struct why *why)
{
	struct slice rest = text, line = SLICE("");
	bool old;

	*out = (struct state){ 0 };
	(void)slice_line(&rest, &line);
	old = slice_equal(line, SLICE(STATE_FIRST_1));
	if (!slice_ends(text, SLICE("\n")) ||
	    (!old && !slice_equal(line, SLICE(STATE_FIRST))))
		return why_set(why, "line 1: expected \"" STATE_FIRST
				    "\", or the end is missing");
	if (!records_parse(state_rows, true, rest, 1, out, why))
		return false;
	if (old)
		state_modernize(out);
	return true;
}

bool
state_format(const struct state *st, struct buf *out)
{
	return buf_str(out, STATE_FIRST "\n") &&
	       records_format(state_rows, st, out);
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
	} else if (state_parse(buf_view(&text), out, why)) {
		result = STATE_READ;
	} else {
		why_at(why, "%s/" STORE_STATE, s->path);
	}
	if (result == STATE_BROKEN)
		why_set(why, "%s; " STATE_RECOVERY, why->text);
	buf_fini(&text);
	fd_close(fd);
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
    uint64_t serial, struct manifest *out, struct why *why)
{
	struct buf text;
	bool good;

	buf_init(&text, MANIFEST_MAX);
	good = store_read(s, serial, MANIFEST_PATH, &text);
	if (!good)
		why_errno(why, MANIFEST_PATH);
	good = good && manifest_open(buf_view(&text), &st->ring, NULL, out,
			   why) == MANIFEST_GOOD;
	buf_fini(&text);
	return good;
}

void
state_accept(struct state *st, const struct manifest *m,
    const struct signify_key *signer, int64_t now, struct buf *said)
{
	memcpy(st->origin, m->origin, sizeof(st->origin));
	st->serial = m->serial;
	memcpy(st->manifest, m->digest, sizeof(st->manifest));
	st->created = m->created;
	st->refresh = m->refresh;
	st->final = m->final;
	st->checked = st->heard = st->synced = now;
	keyring_accept(
	    &st->ring, signer, m->has_next_key ? &m->next_key : NULL, said);
}

bool
state_retracts(const struct state *st, uint64_t serial)
{
	for (size_t i = 0; i < st->n_retracted; i++)
		if (st->retracted[i] == serial)
			return true;
	return false;
}

bool
state_is_stale(const struct state *st, int64_t now)
{
	int64_t after = st->stale_after == 0 ? STATE_STALE_S : st->stale_after;

	return st->heard != 0 && after != -1 && !st->final &&
	       now - st->heard > after;
}

/* ------------------------------------------------------------------ trace */

bool
trace_format(const struct state *st, const struct manifest *m, int64_t now,
    struct buf *out)
{
	struct trace t = {
		.serial = m->serial,
		.created = m->created,
		.synced = st->synced,
		.checked = st->checked,
		.heard = st->is_mirror ? st->heard : 0,
		.software = "carnation " CARNATION_VERSION,
		.stale = m->refresh != 0 && now > m->refresh,
	};

	memcpy(t.host, st->host, sizeof(t.host));
	memcpy(t.origin, st->origin, sizeof(t.origin));
	memcpy(t.manifest, m->digest, sizeof(t.manifest));
	memcpy(t.upstream, st->upstream, sizeof(t.upstream));
	memcpy(t.contact, st->contact, sizeof(t.contact));
	return records_format(trace_rows, &t, out);
}

bool
trace_write(
    struct store *s, const struct state *st, int64_t now, struct why *why)
{
	struct manifest m;
	struct buf text;
	bool ok;

	/* Be it the highest serial or one that was rolled back to. */
	if (!state_open_release(s, st, store_current(s), &m, why))
		return false;
	buf_init(&text, TRACE_MAX);
	ok = trace_format(st, &m, now, &text)
		 ? store_put_file(s, s->root, STORE_TRACE, buf_view(&text),
		       STORE_FILE_MODE) ||
		       store_fault(s, why, STORE_TRACE, NULL)
		 : why_set(why, "the trace is too long");
	buf_fini(&text);
	manifest_fini(&m);
	return ok;
}

bool
trace_parse(struct slice text, struct trace *out)
{
	struct why unused;

	*out = (struct trace){ 0 };
	if (text.len <= TRACE_MAX &&
	    records_parse(trace_rows, false, text, 0, out, &unused) &&
	    out->origin[0] != '\0' && out->serial != 0)
		return true;
	*out = (struct trace){ 0 };
	return false;
}
