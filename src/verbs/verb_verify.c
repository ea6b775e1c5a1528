/* SPDX-License-Identifier: ISC */
#include "archive/verify.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/store.h"
#include "util/clock.h"
#include "util/json.h"
#include "util/log.h"
#include "verbs/verb_key.h"
#include "verbs/verbs.h"

enum {
	KEYS_MAX = 16,
	PATH_TEXT_MAX = 16 * 1024, /* a path, escaped */
	LIST_MAX = 8 << 20,        /* bytes of the paths of one kind of news */
	JSON_MAX = 32 * LIST_MAX,  /* 5 lists, each byte as \\u0000 */
};

struct verify_job {
	const char *copy;
	struct arg_list key_words;
	bool json;
	struct signify_key keys[KEYS_MAX];
	struct buf list[VERIFY_NEWS]; /* paths, each ended by a NUL */
};

static const char *const news_words[] = {
	[VERIFY_CHANGED] = "changed",
	[VERIFY_MISSING] = "missing",
	[VERIFY_EXTRA] = "extra",
	[VERIFY_UNREADABLE] = "unreadable",
	[VERIFY_REPAIRED] = "repaired",
};

static const char *const result_words[] = {
	[RESULT_GOOD] = "good",
	[RESULT_FAILED] = "later",
	[RESULT_USAGE] = "keyless",
	[RESULT_REFUSED] = "refused",
	[RESULT_LOCAL] = "local",
};

/* ----------------------------------------------------------------- output */

static void
news_print(void *arg, enum verify_news news, const char *path)
{
	struct buf text;

	(void)arg;
	buf_init(&text, PATH_TEXT_MAX);
	log_escape(&text, slice_str(path));
	printf("%s %.*s\n", news_words[news], SLICE_ARGS(buf_view(&text)));
	buf_fini(&text);
}

static void
news_keep(void *arg, enum verify_news news, const char *path)
{
	struct verify_job *j = arg;

	/* All of it with its NUL, or nothing. */
	buf_put(&j->list[news], slice_of(path, strlen(path) + 1));
}

/* Of the current release, or of older ones. */
static uint64_t
news_count(const struct verify *v, bool older, int news)
{
	return older ? v->older[news] : v->reported[news] - v->older[news];
}

static void
counts_print(const struct verify *v, bool older)
{
	const char *comma = "";

	for (int i = 0; i < VERIFY_NEWS; i++) {
		if (news_count(v, older, i) == 0)
			continue;
		printf("%s%" PRIu64 " %s", comma, news_count(v, older, i),
		    news_words[i]);
		comma = ", ";
	}
	printf("%s", comma[0] == '\0' ? "not looked through" : "");
}

static bool
news_any(const struct verify *v, bool older)
{
	bool any = false;

	for (int i = 0; i < VERIFY_NEWS; i++)
		any = any || news_count(v, older, i) > 0;
	return any;
}

static bool
is_refused(const struct verify *v, bool older)
{
	return news_count(v, older, VERIFY_CHANGED) > 0 ||
	       news_count(v, older, VERIFY_MISSING) > 0 ||
	       news_count(v, older, VERIFY_EXTRA) > 0;
}

static void
print_unopened(const char *word, const struct why *why)
{
	struct buf text;

	buf_init(&text, PATH_TEXT_MAX + WHY_MAX);
	(void)(log_escape(&text, slice_str(word)) &&
	       buf_str(&text, ": REFUSED: ") && buf_str(&text, why->text));
	printf("verify: %.*s\n", SLICE_ARGS(buf_view(&text)));
	buf_fini(&text);
}

/* What older releases come to. */
static void
print_older(const struct verify *v, enum result result)
{
	bool refused = result == RESULT_REFUSED && is_refused(v, true) &&
		       (v->n_serials > 0 || v->sound);

	printf("; %s%s", refused ? "REFUSED " : "",
	    v->n_serials == 0   ? "older releases"
	    : v->n_serials == 1 ? "serial "
				: "serials ");
	for (size_t i = 0; i < v->n_serials; i++)
		printf("%s%" PRIu64, i > 0 ? ", " : "", v->serial[i]);
	printf(": ");
	counts_print(v, true);
}

/* The last line: the release that is served first, then what is said of others. */
static void
summary_print(const struct verify *v, enum result result)
{
	bool sound = v->sound || result == RESULT_GOOD;
	bool older = news_any(v, true);
	const struct manifest *m = &v->manifest;
	struct slice place = manifest_place(m->origin);
	char created[CLOCK_RFC3339_SIZE];

	clock_rfc3339(m->created, created);
	printf(
	    "verify: %.*s: %sserial %" PRIu64 " of %.10s: ", SLICE_ARGS(place),
	    result == RESULT_REFUSED && !sound ? "REFUSED " : "", m->serial,
	    created);
	if (!sound || news_any(v, false)) {
		counts_print(v, false);
		printf("; ");
	}
	printf("%zu file%s, %" PRIu64 " bytes%s", m->n, m->n == 1 ? "" : "s",
	    m->bytes, sound ? ", all as signed" : "");
	if (older)
		print_older(v, result);
	else if (sound && result != RESULT_GOOD)
		printf("; older releases: not looked through");
	printf("\n");
}

static void
outcome_print_text(const struct verify_job *j, const struct verify *v,
    enum result result, struct why *why)
{
	bool refused = result == RESULT_REFUSED;

	if (v->opened)
		summary_print(v, result);
	else if (refused)
		print_unopened(j->copy, why);
	if (why->text[0] != '\0' && (v->opened || !refused))
		log_error("%s", why->text);
}

/* What the manifest says. */
static void
manifest_put(struct json *out, const struct verify *v)
{
	const struct manifest *m = &v->manifest;
	uint8_t memory[SIGNIFY_PUBLIC_TEXT];
	char created[CLOCK_RFC3339_SIZE];
	struct buf key;

	buf_wrap(&key, memory, sizeof(memory));
	signify_key_text(&v->signer, &key);
	clock_rfc3339(m->created, created);
	json_text(out, "origin", m->origin);
	json_text(out, "created", created);
	json_slice(out, "key", buf_view(&key));
	json_number(out, "serial", m->serial);
	json_bool(out, "final", m->final);
	json_number(out, "files", m->n);
	json_number(out, "bytes", m->bytes);
}

static void
outcome_put_json(const struct verify_job *j, const struct verify *v,
    enum result result, const struct why *why)
{
	struct buf out;
	struct json json = { .out = &out };

	buf_init(&out, JSON_MAX);
	json_object(&json, NULL);
	json_text(&json, "result", result_words[result]);
	json_text(&json, "why", why->text);
	if (v->opened)
		manifest_put(&json, v);
	for (int i = 0; i < VERIFY_NEWS; i++) {
		struct slice path, rest = buf_view(&j->list[i]);

		json_list(&json, news_words[i]);
		while (slice_cut(rest, '\0', &path, &rest))
			json_slice(&json, NULL, path);
		json_end(&json);
	}
	json_end(&json);
	verb_print(&out);
	buf_fini(&out);
}

/* --------------------------------------------------------------- the work */

static void
age_warn(const struct verify *v)
{
	char refresh[CLOCK_RFC3339_SIZE];

	if (!v->opened || v->manifest.refresh == 0 ||
	    v->manifest.refresh > clock_wall())
		return;
	clock_rfc3339(v->manifest.refresh, refresh);
	log_warn(
	    "stale: the author meant to publish again before %.10s", refresh);
}

static enum result
copy_verify(struct verify *v, const char *word, struct why *why)
{
	char base[MANIFEST_ORIGIN_MAX];
	struct stat st;

	if (manifest_origin(slice_str(word), base))
		return verify_host(v, base, why);
	if (stat(word, &st) == -1) {
		why_errno(why, word);
		return RESULT_LOCAL;
	}
	if (!S_ISDIR(st.st_mode))
		return verify_archive(v, word, why);
	return store_is(word) ? verify_store(v, word, why)
			      : verify_dir(v, word, why);
}

static enum result
verify(struct verify_job *j)
{
	struct verify v = { .arg = j };
	enum result result;
	struct why why;

	why_clear(&why);
	v.report = j->json ? news_keep : news_print;
	for (size_t i = 0; i < j->key_words.n; i++)
		(void)keyring_pin(&v.ring, &j->keys[i]);
	for (int i = 0; i < VERIFY_NEWS; i++)
		buf_init(&j->list[i], LIST_MAX);
	result = copy_verify(&v, j->copy, &why);
	if (result == RESULT_USAGE)
		why_set(&why, "%s: missing public key (use --key)", j->copy);
	if (j->json)
		outcome_put_json(j, &v, result, &why);
	else
		outcome_print_text(j, &v, result, &why);
	age_warn(&v);
	for (int i = 0; i < VERIFY_NEWS; i++)
		buf_fini(&j->list[i]);
	verify_fini(&v);
	return result;
}

/* ----------------------------------------------------------- command line */

/* A URL that verify cannot start with: a path, another scheme. */
static bool
copy_check(const char *word, struct why *why)
{
	char base[MANIFEST_ORIGIN_MAX];

	return strstr(word, "://") == NULL ||
	       manifest_origin(slice_str(word), base) ||
	       why_set(why,
		   "invalid URL \"%s\" (gemini://HOST/ without a path: all "
		   "files of a host are verified)",
		   word);
}

static enum result
verify_run(void *job)
{
	struct verify_job *j = job;
	enum result result = RESULT_GOOD;

	signal(SIGPIPE, SIG_IGN); /* a closed socket is an error code */
	for (size_t i = 0; i < j->key_words.n && result == RESULT_GOOD; i++)
		result =
		    key_read_public("--key", j->key_words.text[i], &j->keys[i]);
	return result == RESULT_GOOD ? verify(j) : result;
}

/* clang-format off */
const struct verb verb_verify = {
	.name = "verify",
	.summary = "compare a copy with what its author signed",
	.about =
	    "Hashes all files of a copy of a published capsule and reports "
	    "each that is not as its author signed it: changed, missing, or "
	    "extra. The copy is a store, a directory with mirror/MANIFEST in "
	    "it, an archive (mirror/capsule.tar), or what gemini://HOST/ "
	    "serves. Corrupt files in the store of a mirror are fetched "
	    "again.\n",
	.notes =
	    "Exit status: 0 all is as signed; 1 try again later (network, "
	    "lock); 2 wrong usage; 3 refused: it is not what the author "
	    "signed; 4 local (disk, permissions).\n",
	.args = (const struct arg[]){
		{ "--key", 0, "FILE|KEY",
		    "the author's public key or its text, not from the copy "
		    "(default: the keys that the store pins)",
		    ARG_LIST(struct verify_job, key_words, KEYS_MAX) },
		{ "--json", 0, NULL, "print a JSON object",
		    ARG_FLAG(struct verify_job, json) },
		{ "STORE|DIR|ARCHIVE|URL", 0, NULL, NULL,
		    ARG_TEXT(struct verify_job, copy), .check = copy_check },
		{ .name = NULL },
	},
	.job_size = sizeof(struct verify_job),
	.run = verify_run,
};
/* clang-format on */
