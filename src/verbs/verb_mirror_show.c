/* SPDX-License-Identifier: ISC */
#include "verbs/verb_mirror.h"

#include <errno.h>
#include <fts.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/mirror.h"
#include "archive/state.h"
#include "archive/store.h"
#include "capsule/listing.h"
#include "util/clock.h"
#include "util/json.h"
#include "util/log.h"
#include "verbs/verbs.h"

enum {
	SHOW_MAX = 256 * 1024,
	BLOCK = 512,
	SIZE_TEXT = 16,
	LINE_MAX_SIZE = 128
};

static const char *const standings[] = { [KEYRING_PINNED] = "pinned",
	[KEYRING_ANNOUNCED] = "announced",
	[KEYRING_RETIRED] = "retired" };

struct show {
	const char *path;
	struct state st;
	struct store_release *release;
	size_t n;
	uint64_t serving, disk;
	int64_t now;
};

/* Of all blocks, each once: a file in a release is mostly an object's name. */
static bool
disk_used(const char *path, uint64_t *bytes)
{
	char *const roots[] = { (char *)path, NULL };
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	const FTSENT *e;
	bool ok = walk != NULL;
	bool objects = false;

	*bytes = 0;
	while (ok && (errno = 0, e = fts_read(walk)) != NULL) {
		if (e->fts_level == 1 && e->fts_info == FTS_D)
			objects = strcmp(e->fts_name, "objects") == 0;
		if (e->fts_info == FTS_D ||
		    (e->fts_info == FTS_F &&
			(objects || e->fts_statp->st_nlink == 1)))
			*bytes += (uint64_t)e->fts_statp->st_blocks * BLOCK;
	}
	ok = ok && errno == 0;
	if (walk != NULL)
		(void)fts_close(walk);
	return ok;
}

/* ---------------------------------------------------------------- as text */

/* "2026-11-22T10:00:00Z, 3 hours ago" */
static void
text_put_moment(
    struct buf *out, const char *name, const struct show *w, int64_t moment)
{
	char when[CLOCK_RFC3339_SIZE], span[CLOCK_SPAN_SIZE];

	buf_printf(out, "%-14s ", name);
	if (moment == 0) {
		buf_str(out, "never\n");
		return;
	}
	clock_rfc3339(moment, when);
	clock_span(w->now > moment ? (uint64_t)(w->now - moment) : 0, span);
	buf_printf(out, "%s, %s ago\n", when, span);
}

static void
text_put(struct buf *out, const char *name, const char *value)
{
	if (value[0] != '\0')
		buf_printf(out, "%-14s %s\n", name, value);
}

static void
text_put_size(
    struct buf *out, const char *name, uint64_t bytes, const char *after)
{
	char size[16];

	listing_size(bytes, size);
	buf_printf(out, "%-14s %s%s\n", name, size, after);
}

static void
text_put_stale(struct buf *out, const struct show *w)
{
	int64_t after = w->st.stale_after;
	char span[CLOCK_SPAN_SIZE];

	clock_span(
	    (uint64_t)(after > 0 ? after : (int64_t)STATE_STALE_S), span);
	buf_printf(out, "%-14s ", "stale");
	if (after == -1)
		buf_str(out, "never (--stale-after)\n");
	else if (w->st.final)
		buf_str(out, "no: the last release is final\n");
	else
		buf_printf(out, "%s %s without news\n",
		    state_is_stale(&w->st, w->now) ? "YES: more than"
						   : "no: after",
		    span);
}

static void
text_put_releases(struct buf *out, const struct show *w)
{
	buf_printf(out, "%-14s %" PRIu64 "\n%-14s ", "serial", w->st.serial,
	    "releases");
	for (size_t i = 0; i < w->n; i++)
		buf_printf(out, "%s%" PRIu64 "%s", i > 0 ? ", " : "",
		    w->release[i].serial,
		    w->release[i].serial == w->serving ? " (served)" : "");
	buf_str(out, w->n == 0 ? "none\n" : "\n");
}

static void
text_put_keys(struct buf *out, const struct keyring *ring)
{
	char number[SIGNIFY_NUMBER_TEXT];

	for (size_t i = 0; i < ring->n; i++) {
		signify_number_text(ring->key[i].key.number, number);
		buf_printf(out, "%-14s %s %-9s ", "key", number,
		    standings[ring->key[i].standing]);
		signify_key_text(&ring->key[i].key, out);
		buf_byte(out, '\n');
	}
}

static void
show_put_text(const struct show *w, struct buf *out)
{
	const struct state *st = &w->st;

	text_put(out, "origin", st->origin);
	text_put(out, "URL", st->url);
	for (size_t i = 0; i < st->n_also; i++)
		text_put(out, "also", st->also[i]);
	text_put(out, "upstream", st->upstream);
	text_put_releases(out, w);
	text_put_moment(out, "last check", w, st->tried);
	text_put_moment(out, "last success", w, st->checked);
	text_put_moment(out, "last update", w, st->synced);
	text_put_moment(out, "last heard", w, st->heard);
	text_put_stale(out, w);
	text_put_keys(out, &st->ring);
	text_put_size(out, "max file",
	    st->max_file > 0 ? st->max_file : (uint64_t)MIRROR_FILE_MIB << 20,
	    "");
	text_put_size(out, "max bytes",
	    st->max_bytes > 0 ? st->max_bytes
			      : (uint64_t)MIRROR_BYTES_GIB << 30,
	    "");
	buf_printf(out, "%-14s %" PRIu64 "\n", "max files",
	    st->max_files > 0 ? st->max_files : (uint64_t)MANIFEST_FILES_MAX);
	if (st->limit_rate > 0)
		text_put_size(out, "limit rate", st->limit_rate, "/s");
	text_put(out, "proxy", st->proxy);
	text_put(out, "strict TLS", st->strict_tls ? "yes" : "");
	text_put(out, "host", st->host);
	text_put(out, "contact", st->contact);
	text_put_size(out, "disk used", w->disk, "");
}

/* ---------------------------------------------------------------- as JSON */

static void
json_moment(struct json *j, const char *name, int64_t moment)
{
	char when[CLOCK_RFC3339_SIZE];

	if (moment != 0)
		clock_rfc3339(moment, when);
	json_text(j, name, moment != 0 ? when : NULL);
}

static void
json_given(struct json *j, const char *name, const char *text)
{
	json_text(j, name, text[0] != '\0' ? text : NULL);
}

/* null: what is the rule without the option. */
static void
json_limit(struct json *j, const char *name, uint64_t limit)
{
	if (limit != 0)
		json_number(j, name, limit);
	else
		json_null(j, name);
}

static void
json_keys(struct json *j, const struct keyring *ring)
{
	char number[SIGNIFY_NUMBER_TEXT], memory[SIGNIFY_PUBLIC_TEXT];
	struct buf text;

	json_list(j, "keys");
	for (size_t i = 0; i < ring->n; i++) {
		signify_number_text(ring->key[i].key.number, number);
		buf_wrap(&text, memory, sizeof(memory));
		signify_key_text(&ring->key[i].key, &text);
		json_object(j, NULL);
		json_text(j, "number", number);
		json_text(j, "standing", standings[ring->key[i].standing]);
		json_slice(j, "public_key", buf_view(&text));
		json_end(j);
	}
	json_end(j);
}

static void
show_put_json(const struct show *w, struct json *j)
{
	const struct state *st = &w->st;

	json_object(j, NULL);
	json_given(j, "origin", st->origin);
	json_given(j, "url", st->url);
	json_list(j, "also");
	for (size_t i = 0; i < st->n_also; i++)
		json_text(j, NULL, st->also[i]);
	json_end(j);
	json_given(j, "upstream", st->upstream);
	json_number(j, "serial", st->serial);
	json_number(j, "serving", w->serving);
	json_list(j, "releases");
	for (size_t i = 0; i < w->n; i++)
		json_number(j, NULL, w->release[i].serial);
	json_end(j);
	json_moment(j, "tried", st->tried);
	json_moment(j, "checked", st->checked);
	json_moment(j, "synced", st->synced);
	json_moment(j, "heard", st->heard);
	json_bool(j, "final", st->final);
	json_bool(j, "stale", state_is_stale(st, w->now));
	json_limit(j, "stale_after",
	    st->stale_after > 0    ? (uint64_t)st->stale_after
	    : st->stale_after == 0 ? (uint64_t)STATE_STALE_S
				   : 0);
	json_keys(j, &st->ring);
	json_limit(j, "max_file", st->max_file);
	json_limit(j, "max_bytes", st->max_bytes);
	json_limit(j, "max_files", st->max_files);
	json_limit(j, "limit_rate", st->limit_rate);
	json_given(j, "proxy", st->proxy);
	json_bool(j, "strict_tls", st->strict_tls);
	json_given(j, "host", st->host);
	json_given(j, "contact", st->contact);
	json_number(j, "disk_used", w->disk);
	json_end(j);
}

/* ------------------------------------------------------------------- show */

static bool
show_look(struct show *w, const struct store *s)
{
	w->now = clock_wall();
	w->serving = store_current(s);
	w->release = store_releases(s, &w->n);
	if ((w->release != NULL || w->n == 0) && disk_used(w->path, &w->disk))
		return true;
	log_error("%s: %s", w->path, strerror(errno));
	return false;
}

static enum result
show_print(const struct show *w, bool as_json)
{
	struct buf text;
	struct json json = { .out = &text };
	bool ok;

	buf_init(&text, SHOW_MAX);
	if (as_json)
		show_put_json(w, &json);
	else
		show_put_text(w, &text);
	ok = verb_print(&text);
	buf_fini(&text);
	return ok ? RESULT_GOOD : RESULT_FAILED;
}

/* ------------------------------------------------------------------- keys */

/* A word of 16 hexadecimal digits: a key's number. */
static bool
is_number(const char *word)
{
	size_t n = 0;

	while (hex_value((uint8_t)word[n]) != -1)
		n++;
	return word[n] == '\0' && n == SIGNIFY_NUMBER_TEXT - 1;
}

/* The key of that number. RESULT_USAGE after a message: there is none, or more. */
static enum result
number_find(
    const struct keyring *ring, const char *word, struct signify_key *out)
{
	char number[SIGNIFY_NUMBER_TEXT];
	unsigned found = 0;

	for (size_t i = 0; i < ring->n; i++) {
		signify_number_text(ring->key[i].key.number, number);
		if (strcasecmp(number, word) != 0)
			continue;
		*out = ring->key[i].key;
		found++;
	}
	if (found == 1)
		return RESULT_GOOD;
	return verb_misused(found == 0 ? "--drop-key %s: no such key here"
				       : "--drop-key %s: two keys have this "
					 "number: give the key's text",
	    word);
}

static void
key_note(struct buf *said, const struct signify_key *key, const char *what)
{
	char number[SIGNIFY_NUMBER_TEXT];

	signify_number_text(key->number, number);
	buf_printf(said, "mirror: key %s %s\n", number, what);
}

static bool
is_last_pinned(const struct keyring *ring, const struct signify_key *key)
{
	for (size_t i = 0; i < ring->n; i++)
		if (ring->key[i].standing == KEYRING_PINNED &&
		    !signify_key_equal(&ring->key[i].key, key))
			return false;
	return true;
}

static enum result
key_drop(struct keyring *ring, const char *word, struct buf *said)
{
	struct signify_key key;
	enum result result = is_number(word)
				 ? number_find(ring, word, &key)
				 : key_read_public("--drop-key", word, &key);

	if (result != RESULT_GOOD)
		return result;
	if (is_last_pinned(ring, &key))
		return verb_misused("--drop-key %s: no other key is pinned: "
				    "give the author's new one with --add-key",
		    word);
	if (!keyring_drop(ring, &key, said))
		return verb_misused("--drop-key %s: no such key here", word);
	key_note(said, &key,
	    keyring_find(ring, &key) != NULL
		? "is retired: nothing new that it signs is taken"
		: "is forgotten");
	return RESULT_GOOD;
}

static enum result
key_add(struct keyring *ring, const char *word, struct buf *said)
{
	struct signify_key key;
	enum result result = key_read_public("--add-key", word, &key);

	if (result != RESULT_GOOD)
		return result;
	if (!keyring_pin(ring, &key))
		return verb_misused("--add-key %s: no more than %d keys can be "
				    "pinned: drop one with --drop-key",
		    word, KEYRING_MAX);
	key_note(said, &key, "is pinned");
	return RESULT_GOOD;
}

static enum result
keys_change(struct show *w, struct store *s, const struct arg_list *add,
    const struct arg_list *drop)
{
	enum result result = RESULT_GOOD;
	struct state *st = &w->st;
	struct buf said;
	struct why why;

	if (!st->is_mirror)
		return verb_misused(
		    "%s: an author's store: its keys are those that sign (see "
		    "--next-key of carnation publish)",
		    w->path);
	buf_init(&said, SHOW_MAX);
	for (size_t i = 0; result == RESULT_GOOD && i < add->n; i++)
		result = key_add(&st->ring, add->text[i], &said);
	for (size_t i = 0; result == RESULT_GOOD && i < drop->n; i++)
		result = key_drop(&st->ring, drop->text[i], &said);
	if (result == RESULT_GOOD && !state_write(s, st, &why)) {
		log_error("%s", why.text);
		result = RESULT_LOCAL;
	}
	if (result == RESULT_GOOD && !verb_print(&said))
		result = RESULT_FAILED;
	buf_fini(&said);
	return result;
}

/* ------------------------------------------------------------------ memory */

/* The store at w->path, locked when it is to be changed, and what it remembers. Not
 * RESULT_GOOD after a message. */
static enum result
memory_open(struct show *w, bool change, struct store **s)
{
	enum state_read read = STATE_UNREAD;
	struct why why;

	if (change) {
		enum result result = verb_store_take(w->path, s);

		if (result != RESULT_GOOD)
			return result;
	} else {
		*s = store_open(w->path, false, &why);
	}
	if (*s != NULL)
		read = state_read(*s, &w->st, &why);
	if (read == STATE_READ)
		return RESULT_GOOD;
	if (read == STATE_NONE)
		log_error("%s: nothing is remembered here yet", w->path);
	else
		log_error("%s", why.text);
	return RESULT_LOCAL;
}

enum result
verb_mirror_memory(const char *path, const struct arg_list *add,
    const struct arg_list *drop, bool show, bool as_json)
{
	struct show w = { .path = path };
	bool change = add->n > 0 || drop->n > 0;
	struct store *s = NULL;
	enum result result = memory_open(&w, change, &s);

	if (result == RESULT_GOOD && change)
		result = keys_change(&w, s, add, drop);
	if (result == RESULT_GOOD && show)
		result =
		    show_look(&w, s) ? show_print(&w, as_json) : RESULT_LOCAL;
	free(w.release);
	store_close(&s);
	return result;
}

/* -------------------------------------------------------------- the result */

/* "48 KiB", without a ".0". */
static void
size_text(uint64_t bytes, char out[SIZE_TEXT])
{
	char *tenth;

	listing_size(bytes, out);
	tenth = strstr(out, ".0 ");
	if (tenth != NULL)
		memmove(tenth, tenth + 2, strlen(tenth + 2) + 1);
}

void
mirror_progress_print(const struct download *p, uint64_t took_ms)
{
	uint64_t rate = took_ms == 0 ? 0 : p->bytes * 1000 / took_ms;
	uint64_t left = p->to_come > p->bytes ? p->to_come - p->bytes : 0;
	char done[SIZE_TEXT], all[SIZE_TEXT], speed[SIZE_TEXT];
	char memory[LINE_MAX_SIZE];
	struct buf line;

	size_text(p->bytes, done);
	size_text(p->to_come, all);
	size_text(rate, speed);
	buf_wrap(&line, memory, sizeof(memory) - 1);
	buf_printf(&line, "%" PRIu64 " of %zu files, %s of %s, %s/s", p->files,
	    p->n_missing, done, all, speed);
	if (rate > 0)
		buf_printf(&line, ", %" PRIu64 " s left", left / rate);
	log_status(buf_cstr(&line));
}

static void
serving_text(const struct mirror_outcome *out, char text[64])
{
	if (out->serving == 0)
		snprintf(text, 64, "nothing is served yet");
	else
		snprintf(text, 64, "%s serving %" PRIu64,
		    out->switched || out->result == RESULT_GOOD ? "now"
								: "still",
		    out->serving);
}

static void
updated_print(const struct mirror_outcome *out, const char *serving)
{
	const struct changes *c = &out->changes;
	char size[SIZE_TEXT];

	printf("serial ");
	if (out->before != 0)
		printf("%" PRIu64 " -> ", out->before);
	size_text(out->bytes, size);
	printf("%" PRIu64 ": %" PRIu64 " new, %" PRIu64 " gone, %" PRIu64
	       " kept; %s fetched in %" PRIu64 " request%s, %" PRIu64
	       ".%" PRIu64 " s; %s\n",
	    out->serial, c->added + c->changed, c->gone, c->kept, size,
	    out->requests, out->requests == 1 ? "" : "s", out->ms / 1000,
	    out->ms % 1000 / 100, serving);
}

/* One line; of a run without news only when verbose. */
static void
outcome_print(const struct mirror_outcome *out, bool verbose)
{
	static const char *const verdicts[] = {
		[RESULT_STALE] = "STALE", [RESULT_REFUSED] = "REFUSED"
	};
	const char *verdict = verdicts[out->result];
	struct slice place = strncmp(out->origin, "gemini://", 9) == 0
				 ? manifest_place(out->origin)
				 : slice_str(out->origin);
	char text[64];

	if (out->result == RESULT_GOOD && !out->updated && !verbose)
		return;
	serving_text(out, text);
	if (out->result != RESULT_GOOD && verdict == NULL) {
		log_error(
		    "%.*s: %s; %s", SLICE_ARGS(place), out->why.text, text);
		return;
	}
	printf("mirror: %.*s: ", SLICE_ARGS(place));
	if (verdict != NULL && out->serial != 0)
		printf("%s serial %" PRIu64 ": %s; %s\n", verdict, out->serial,
		    out->why.text, text);
	else if (verdict != NULL)
		printf("%s: %s; %s\n", verdict, out->why.text, text);
	else if (out->updated)
		updated_print(out, text);
	else
		printf("serial %" PRIu64 ": no change%s; %s\n", out->serial,
		    out->overdue ? " (stale: the author intended to publish "
				   "again)"
				 : "",
		    text);
}

static void
outcome_json(const struct mirror_outcome *out, struct json *j)
{
	static const char *const results[] = {
		[RESULT_GOOD] = "same",
		[RESULT_FAILED] = "later",
		[RESULT_USAGE] = "usage",
		[RESULT_REFUSED] = "refused",
		[RESULT_LOCAL] = "local",
		[RESULT_STALE] = "stale",
	};
	const struct changes *c = &out->changes;

	json_object(j, NULL);
	json_text(j, "result",
	    out->result == RESULT_GOOD && out->updated ? "updated"
						       : results[out->result]);
	json_text(j, "origin", out->origin);
	json_text(j, "source", out->source);
	json_number(j, "before", out->before);
	json_number(j, "serial", out->serial);
	json_number(j, "serving", out->serving);
	json_number(j, "new", c->added + c->changed);
	json_number(j, "gone", c->gone);
	json_number(j, "kept", c->kept);
	json_number(j, "bytes", out->bytes);
	json_number(j, "requests", out->requests);
	json_number(j, "resumed", out->resumed);
	json_number(j, "milliseconds", out->ms);
	json_text(j, "why", out->why.text);
	json_bool(j, "stale", out->overdue);
	json_end(j);
}

bool
mirror_outcome_print(
    const struct mirror_outcome *out, bool as_json, bool verbose)
{
	struct buf text;
	struct json json = { .out = &text };
	bool ok;

	if (!as_json) {
		outcome_print(out, verbose);
		return true;
	}
	buf_init(&text, SHOW_MAX);
	outcome_json(out, &json);
	ok = verb_print(&text);
	buf_fini(&text);
	return ok;
}
