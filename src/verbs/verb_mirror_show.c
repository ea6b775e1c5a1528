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
#include "verbs/verb_sandbox.h"
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
	/* Both are written, and one is printed. */
	struct buf text;
	struct json json;
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

/* --------------------------------------------------- a field, in both forms */

/* The text leaves out what is not known or not given; in JSON it is null. */

static void
put_text(struct show *w, const char *label, const char *name, const char *value)
{
	json_text(&w->json, name, value[0] != '\0' ? value : NULL);
	if (value[0] != '\0')
		buf_printf(&w->text, "%-14s %s\n", label, value);
}

/* "2026-11-22T10:00:00Z, 3 hours ago" */
static void
put_moment(struct show *w, const char *label, const char *name, int64_t moment)
{
	char when[CLOCK_RFC3339_SIZE], span[CLOCK_SPAN_SIZE];

	clock_rfc3339(moment, when);
	clock_span(w->now > moment ? (uint64_t)(w->now - moment) : 0, span);
	json_text(&w->json, name, moment != 0 ? when : NULL);
	if (moment != 0)
		buf_printf(&w->text, "%-14s %s, %s ago\n", label, when, span);
	else
		buf_printf(&w->text, "%-14s never\n", label);
}

static void
text_put_size(
    struct show *w, const char *label, uint64_t bytes, const char *after)
{
	char size[SIZE_TEXT];

	listing_size(bytes, size);
	buf_printf(&w->text, "%-14s %s%s\n", label, size, after);
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
put_limits(struct show *w)
{
	const struct state *st = &w->st;

	json_limit(&w->json, "max_file", st->max_file);
	json_limit(&w->json, "max_bytes", st->max_bytes);
	json_limit(&w->json, "max_files", st->max_files);
	json_limit(&w->json, "limit_rate", st->limit_rate);
	text_put_size(w, "max file",
	    st->max_file > 0 ? st->max_file : (uint64_t)MIRROR_FILE_MIB << 20,
	    "");
	text_put_size(w, "max bytes",
	    st->max_bytes > 0 ? st->max_bytes
			      : (uint64_t)MIRROR_BYTES_GIB << 30,
	    "");
	buf_printf(&w->text, "%-14s %" PRIu64 "\n", "max files",
	    st->max_files > 0 ? st->max_files : (uint64_t)MANIFEST_FILES_MAX);
	if (st->limit_rate > 0)
		text_put_size(w, "limit rate", st->limit_rate, "/s");
}

static void
put_stale(struct show *w)
{
	const struct state *st = &w->st;
	uint64_t after = st->stale_after > 0 ? (uint64_t)st->stale_after
					     : (uint64_t)STATE_STALE_S;
	bool stale = state_is_stale(st, w->now);
	char span[CLOCK_SPAN_SIZE];

	json_bool(&w->json, "final", st->final);
	json_bool(&w->json, "stale", stale);
	json_limit(&w->json, "stale_after", st->stale_after < 0 ? 0 : after);
	clock_span(after, span);
	buf_printf(&w->text, "%-14s ", "stale");
	if (st->stale_after < 0)
		buf_str(&w->text, "never (--stale-after)\n");
	else if (st->final)
		buf_str(&w->text, "no: the last release is final\n");
	else
		buf_printf(&w->text, "%s %s unheard\n",
		    stale ? "YES: more than" : "no: after", span);
}

static void
put_releases(struct show *w)
{
	json_number(&w->json, "serial", w->st.serial);
	json_number(&w->json, "serving", w->serving);
	json_list(&w->json, "releases");
	buf_printf(&w->text, "%-14s %" PRIu64 "\n%-14s ", "serial",
	    w->st.serial, "releases");
	for (size_t i = 0; i < w->n; i++) {
		uint64_t serial = w->release[i].serial;

		json_number(&w->json, NULL, serial);
		buf_printf(&w->text, "%s%" PRIu64 "%s", i > 0 ? ", " : "",
		    serial, serial == w->serving ? " (served)" : "");
	}
	json_end(&w->json);
	buf_str(&w->text, w->n == 0 ? "none\n" : "\n");
}

static void
put_keys(struct show *w)
{
	char number[SIGNIFY_NUMBER_TEXT], memory[SIGNIFY_PUBLIC_TEXT + 1];
	struct buf key;

	json_list(&w->json, "keys");
	for (size_t i = 0; i < w->st.ring.n; i++) {
		const struct keyring_key *k = &w->st.ring.key[i];

		signify_number_text(k->key.number, number);
		buf_wrap(&key, memory, sizeof(memory));
		signify_key_text(&k->key, &key);
		json_object(&w->json, NULL);
		json_text(&w->json, "number", number);
		json_text(&w->json, "standing", standings[k->standing]);
		json_slice(&w->json, "public_key", buf_view(&key));
		json_end(&w->json);
		buf_printf(&w->text, "%-14s %s %-9s %s\n", "key", number,
		    standings[k->standing], buf_cstr(&key));
	}
	json_end(&w->json);
}

static void
show_put(struct show *w)
{
	const struct state *st = &w->st;

	json_object(&w->json, NULL);
	put_text(w, "origin", "origin", st->origin);
	put_text(w, "URL", "url", st->url);
	json_list(&w->json, "also");
	for (size_t i = 0; i < st->n_also; i++)
		put_text(w, "also", NULL, st->also[i]);
	json_end(&w->json);
	put_text(w, "upstream", "upstream", st->upstream);
	put_releases(w);
	put_moment(w, "last check", "tried", st->tried);
	put_moment(w, "last success", "checked", st->checked);
	put_moment(w, "last update", "synced", st->synced);
	put_moment(w, "last heard", "heard", st->heard);
	put_stale(w);
	put_keys(w);
	put_limits(w);
	put_text(w, "proxy", "proxy", st->proxy);
	json_bool(&w->json, "strict_tls", st->strict_tls);
	if (st->strict_tls)
		buf_printf(&w->text, "%-14s yes\n", "strict TLS");
	put_text(w, "host", "host", st->host);
	put_text(w, "contact", "contact", st->contact);
	json_number(&w->json, "disk_used", w->disk);
	text_put_size(w, "disk used", w->disk, "");
	json_end(&w->json);
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
show_print(struct show *w, bool as_json)
{
	struct buf object;
	bool ok;

	buf_init(&w->text, SHOW_MAX);
	buf_init(&object, SHOW_MAX);
	w->json.out = &object;
	show_put(w);
	ok = verb_print(as_json ? &object : &w->text);
	buf_fini(&object);
	buf_fini(&w->text);
	return ok ? RESULT_GOOD : RESULT_FAILED;
}

/* ------------------------------------------------------------------- keys */

/* A word of 16 hexadecimal digits: a key's number. */
static bool
is_number(const char *word)
{
	size_t n = strspn(word, "0123456789abcdefABCDEF");

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

/* Of --add-key and --drop-key; no key where the word is a number. */
struct key_words {
	const struct arg_list *add, *drop;
	struct signify_key add_key[KEYRING_MAX], drop_key[KEYRING_MAX];
};

static enum result
key_words_read(struct key_words *w)
{
	enum result result = RESULT_GOOD;

	for (size_t i = 0; result == RESULT_GOOD && i < w->add->n; i++)
		result = key_read_public(
		    "--add-key", w->add->text[i], &w->add_key[i]);
	for (size_t i = 0; result == RESULT_GOOD && i < w->drop->n; i++)
		if (!is_number(w->drop->text[i]))
			result = key_read_public(
			    "--drop-key", w->drop->text[i], &w->drop_key[i]);
	return result;
}

static enum result
key_drop(struct keyring *ring, const char *word, struct signify_key key,
    struct buf *said)
{
	if (is_number(word) && number_find(ring, word, &key) != RESULT_GOOD)
		return RESULT_USAGE;
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
key_add(struct keyring *ring, const char *word, const struct signify_key *key,
    struct buf *said)
{
	if (!keyring_pin(ring, key))
		return verb_misused("--add-key %s: no more than %d keys can be "
				    "pinned: drop one with --drop-key",
		    word, KEYRING_MAX);
	key_note(said, key, "is pinned");
	return RESULT_GOOD;
}

static enum result
keys_change(struct show *w, struct store *s, const struct key_words *k)
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
	for (size_t i = 0; result == RESULT_GOOD && i < k->add->n; i++)
		result =
		    key_add(&st->ring, k->add->text[i], &k->add_key[i], &said);
	for (size_t i = 0; result == RESULT_GOOD && i < k->drop->n; i++)
		result = key_drop(
		    &st->ring, k->drop->text[i], k->drop_key[i], &said);
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
	} else if (verb_sandbox_store(w->path, false, SANDBOX_READER)) {
		*s = store_open(w->path, false, &why);
	} else {
		return RESULT_LOCAL;
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
	struct key_words k = { .add = add, .drop = drop };
	bool change = add->n > 0 || drop->n > 0;
	struct store *s = NULL;
	/* Before root becomes the store's owner, who may not read them. */
	enum result result = key_words_read(&k);

	if (result == RESULT_GOOD)
		result = memory_open(&w, change, &s);
	if (result == RESULT_GOOD && change)
		result = keys_change(&w, s, &k);
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
	if (out->before != 0 && out->before != out->serial)
		printf("%" PRIu64 " -> ", out->before);
	size_text(out->bytes, size);
	printf("%" PRIu64 ": ", out->serial);
	if (out->before == out->serial)
		printf("repaired");
	else
		printf("%" PRIu64 " new, %" PRIu64 " gone, %" PRIu64 " kept",
		    c->added + c->changed, c->gone, c->kept);
	printf("; %s fetched in %" PRIu64 " request%s, %" PRIu64 ".%" PRIu64
	       " s; %s\n",
	    size, out->requests, out->requests == 1 ? "" : "s", out->ms / 1000,
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
		/* A path that begins the reason is named once. */
		if (slice_starts(slice_str(out->why.text), place))
			log_error("%s; %s", out->why.text, text);
		else
			log_error("%.*s: %s; %s", SLICE_ARGS(place),
			    out->why.text, text);
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
