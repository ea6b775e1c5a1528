/* SPDX-License-Identifier: ISC */
#include "archive/verify.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/store.h"
#include "capsule/listing.h"
#include "util/clock.h"
#include "util/json.h"
#include "util/list.h"
#include "util/log.h"
#include "verbs/verb_mirror.h"
#include "verbs/verb_sandbox.h"
#include "verbs/verbs.h"

enum {
	PATH_TEXT_MAX = 16 * 1024, /* a path, escaped */
	LIST_MAX = 8 << 20,        /* bytes of the paths of one kind of news */
	JSON_MAX = 32 * LIST_MAX,  /* 5 lists, each byte as \\u0000 */
};

/* A path that was reported before a repair. */
struct found {
	char *path;
	bool still; /* it was reported again */
};

struct verify_job {
	const char *copy, *from;
	struct arg_list key_words;
	bool json, repair;
	struct keyring ring;
	struct buf list[VERIFY_NEWS]; /* paths, each ended by a NUL */
	struct found *found;          /* of a store that is to be repaired */
	size_t n_found;
	bool again; /* that was done: they are sorted */
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
news_tell(struct verify_job *j, enum verify_news news, const char *path)
{
	struct buf text;

	if (j->json) {
		/* All of it with its NUL, or nothing. */
		buf_put(&j->list[news], slice_of(path, strlen(path) + 1));
		return;
	}
	buf_init(&text, PATH_TEXT_MAX);
	log_escape(&text, slice_str(path));
	printf("%s %.*s\n", news_words[news], SLICE_ARGS(buf_view(&text)));
	buf_fini(&text);
}

static int
found_compare(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return strcmp(x->path, y->path);
}

/* What is not known when memory runs out is not called repaired. */
static void
found_add(struct verify_job *j, const char *path)
{
	struct found *grown = array_grow(j->found, j->n_found, sizeof(*grown));

	if (grown == NULL)
		return;
	j->found = grown;
	grown[j->n_found] = (struct found){ .path = strdup(path) };
	j->n_found += grown[j->n_found].path != NULL;
}

/* The second time: what is as it was. */
static void
on_news(void *arg, enum verify_news news, const char *path)
{
	struct verify_job *j = arg;
	struct found key = { .path = (char *)path }, *f;

	if (!j->again) {
		news_tell(j, news, path);
		if (j->repair)
			found_add(j, path);
		return;
	}
	f = j->n_found == 0 ? NULL
			    : bsearch(&key, j->found, j->n_found, sizeof(key),
				  found_compare);
	if (f != NULL)
		f->still = true;
}

static bool
news_any(const uint64_t n[VERIFY_NEWS])
{
	bool any = false;

	for (int i = 0; i < VERIFY_NEWS; i++)
		any = any || n[i] > 0;
	return any;
}

static void
counts_print(const uint64_t n[VERIFY_NEWS])
{
	const char *comma = "";

	for (int i = 0; i < VERIFY_NEWS; i++) {
		if (n[i] == 0)
			continue;
		printf("%s%" PRIu64 " %s", comma, n[i], news_words[i]);
		comma = ", ";
	}
	printf("%s", comma[0] == '\0' ? "not looked through" : "");
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
print_older(const struct verify_outcome *v, enum result result)
{
	bool refused =
	    result == RESULT_REFUSED &&
	    (v->older[VERIFY_CHANGED] > 0 || v->older[VERIFY_MISSING] > 0 ||
		v->older[VERIFY_EXTRA] > 0);

	printf("; %s%s", refused ? "REFUSED " : "",
	    v->n_serials == 0   ? "older releases"
	    : v->n_serials == 1 ? "serial "
				: "serials ");
	for (size_t i = 0; i < v->n_serials; i++)
		printf("%s%" PRIu64, i > 0 ? ", " : "", v->serial[i]);
	printf(": ");
	counts_print(v->older);
}

/* The last line: the release that is served first, then what is said of others. */
static void
summary_print(const struct verify_outcome *v, enum result result)
{
	bool sound = v->sound || result == RESULT_GOOD;
	bool older = news_any(v->older);
	const struct manifest *m = &v->list.m;
	struct slice place = manifest_place(m->origin);
	char created[CLOCK_RFC3339_SIZE], size[16];

	clock_rfc3339(m->created, created);
	printf(
	    "verify: %.*s: %sserial %" PRIu64 " of %.10s: ", SLICE_ARGS(place),
	    result == RESULT_REFUSED && !sound ? "REFUSED " : "", m->serial,
	    created);
	if (!sound || news_any(v->current)) {
		counts_print(v->current);
		printf("; ");
	}
	listing_size(m->bytes, size);
	printf("%zu file%s, %s%s", m->n, m->n == 1 ? "" : "s", size,
	    sound ? ", all as signed" : "");
	if (older)
		print_older(v, result);
	else if (sound && result != RESULT_GOOD)
		printf("; older releases: not looked through");
	printf("\n");
}

static void
outcome_print_text(const struct verify_job *j, const struct verify_outcome *v,
    enum result result)
{
	bool refused = result == RESULT_REFUSED;

	if (v->list.m.serial != 0)
		summary_print(v, result);
	else if (refused)
		print_unopened(j->copy, &v->why);
	if (v->why.text[0] != '\0' && (v->list.m.serial != 0 || !refused))
		log_error("%s", v->why.text);
}

/* What the manifest says. */
static void
manifest_put(struct json *out, const struct verify_outcome *v)
{
	const struct manifest *m = &v->list.m;
	uint8_t memory[SIGNIFY_PUBLIC_TEXT];
	char created[CLOCK_RFC3339_SIZE];
	struct buf key;

	buf_wrap(&key, memory, sizeof(memory));
	signify_key_text(&v->list.signer, &key);
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
outcome_put_json(const struct verify_job *j, const struct verify_outcome *v,
    enum result result)
{
	struct buf out;
	struct json json = { .out = &out };

	buf_init(&out, JSON_MAX);
	json_object(&json, NULL);
	json_text(&json, "result", result_words[result]);
	json_text(&json, "why", v->why.text);
	if (v->list.m.serial != 0)
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
age_warn(const struct verify_outcome *v)
{
	char refresh[CLOCK_RFC3339_SIZE];

	if (v->list.m.serial == 0 || v->list.m.refresh == 0 ||
	    v->list.m.refresh > clock_wall())
		return;
	clock_rfc3339(v->list.m.refresh, refresh);
	log_warn(
	    "stale: the author meant to publish again before %.10s", refresh);
}

static enum result
copy_verify(struct verify_job *j, struct verify_outcome *v)
{
	const struct verify_options o = {
		.ring = &j->ring, .report = on_news, .arg = j
	};

	return verify_copy(&o, j->copy, v);
}

static enum result
store_mend(const struct verify_job *j)
{
	char base[MANIFEST_ORIGIN_MAX];
	enum result result;
	struct why why;

	if (j->from == NULL)
		return verb_mirror_again(j->copy, j->json);
	why_clear(&why);
	(void)manifest_origin(slice_str(j->from), base);
	result = verify_repair(j->copy, base, &why);
	if (why.text[0] != '\0')
		log_error("%s", why.text);
	return result;
}

/* Reports what is right again, and what is not. */
static enum result
repair(struct verify_job *j, enum result result, struct verify_outcome *v)
{
	enum result mended;

	if (!v->wrong)
		return result;
	if (j->from == NULL && !v->is_mirror) {
		log_error("%s: publish the pages again, or name a mirror that "
			  "has them: carnation verify --repair --from URL %s",
		    j->copy, j->copy);
		return result;
	}
	mended = store_mend(j);
	verify_fini(v);
	*v = (struct verify_outcome){ .sound = false };
	if (j->n_found > 0)
		qsort(j->found, j->n_found, sizeof(*j->found), found_compare);
	j->again = true;
	result = copy_verify(j, v);
	for (size_t i = 0; i < j->n_found; i++) {
		if (j->found[i].still)
			continue;
		news_tell(j, VERIFY_REPAIRED, j->found[i].path);
		v->current[VERIFY_REPAIRED]++;
	}
	if (v->n_serials > 0)
		log_warn("older releases are not whole: carnation prune can "
			 "remove them");
	if (result == RESULT_GOOD || mended != RESULT_GOOD)
		return result == RESULT_GOOD ? result : mended;
	return v->wrong ? RESULT_FAILED : result;
}

static enum result
verify(struct verify_job *j)
{
	struct verify_outcome v = { .sound = false };
	enum result result;

	for (int i = 0; i < VERIFY_NEWS; i++)
		buf_init(&j->list[i], LIST_MAX);
	result = copy_verify(j, &v);
	if (j->repair)
		result = repair(j, result, &v);
	if (result == RESULT_USAGE)
		why_set(&v.why, "%s: missing public key (use --key)", j->copy);
	if (j->json)
		outcome_put_json(j, &v, result);
	else
		outcome_print_text(j, &v, result);
	age_warn(&v);
	for (int i = 0; i < VERIFY_NEWS; i++)
		buf_fini(&j->list[i]);
	while (j->n_found > 0)
		free(j->found[--j->n_found].path);
	free(j->found);
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

static bool
from_check(const char *word, struct why *why)
{
	char base[MANIFEST_ORIGIN_MAX];

	return manifest_origin(slice_str(word), base) ||
	       why_set(why, "invalid URL \"%s\" (gemini://HOST/)", word);
}

/* The keys have been read. A store's STORE/wrong is written where it may be; a failure
 * is not reported. */
static bool
sandbox_begin(const struct verify_job *j)
{
	bool is_url = strstr(j->copy, "://") != NULL;
	struct verb_sandbox s = { 0 };

	if (is_url)
		return verb_sandbox_enter(&s, SANDBOX_CLIENT);
	return verb_sandbox_store(j->copy, store_is(j->copy),
	    j->repair ? SANDBOX_CLIENT : SANDBOX_READER);
}

static enum result
verify_run(void *job)
{
	struct verify_job *j = job;
	enum result result = RESULT_GOOD;
	struct signify_key key;

	signal(SIGPIPE, SIG_IGN); /* a closed socket is an error code */
	for (size_t i = 0; i < j->key_words.n && result == RESULT_GOOD; i++) {
		result = key_read_public("--key", j->key_words.text[i], &key);
		if (result == RESULT_GOOD)
			(void)keyring_pin(&j->ring, &key);
	}
	if (result != RESULT_GOOD)
		return result;
	if (j->repair && !store_is(j->copy))
		return verb_misused("--repair is for a store: %s", j->copy);
	if (j->repair && j->key_words.n > 0)
		return verb_misused("--repair goes by the store's own keys, "
				    "not --key");
	if (j->from != NULL && !j->repair)
		return verb_misused("--from goes with --repair");
	if (j->repair && !verb_store_become(j->copy))
		return RESULT_LOCAL;
	return sandbox_begin(j) ? verify(j) : RESULT_LOCAL;
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
	    "serves. Nothing is changed, but what is wrong in a store is "
	    "listed in STORE/wrong, and fetched again by the next run of "
	    "carnation mirror.\n",
	.notes =
	    "Exit status: 0 all is as signed; 1 try again later (network, "
	    "lock); 2 wrong usage; 3 refused: it is not what the author "
	    "signed; 4 local (disk, permissions).\n",
	.args = (const struct arg[]){
		{ "--key", 0, "FILE|KEY",
		    "the author's public key or its text, not from the copy "
		    "(default: the keys that the store pins)",
		    ARG_LIST(struct verify_job, key_words, KEYRING_MAX) },
		{ "--repair", 0, NULL,
		    "fetch what is wrong in a store again: run carnation "
		    "mirror with what the store remembers",
		    ARG_FLAG(struct verify_job, repair) },
		{ "--from", 0, "URL",
		    "with --repair: fetch it from this mirror alone, for an "
		    "author's own store",
		    ARG_TEXT(struct verify_job, from), .check = from_check },
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
