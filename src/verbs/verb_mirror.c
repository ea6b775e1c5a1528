/* SPDX-License-Identifier: ISC */
#include "verbs/verb_mirror.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "archive/fetcher.h"
#include "archive/mirror.h"
#include "archive/store.h"
#include "archive/survey.h"
#include "client/socks.h"
#include "os/privs.h"
#include "util/clock.h"
#include "util/log.h"
#include "verbs/verb_sandbox.h"
#include "verbs/verbs.h"

enum {
	PROGRESS_MS = 200,
	SURVEY_KEYS_MAX = 8,
	DAY_S = 86400,
	STALE_DAYS_MAX = 36500,
	DEADLINE_MAX_S = 365 * DAY_S,
};

struct mirror_job {
	const char *first, *second; /* URL and STORE, or STORE alone */
	const char *all;            /* a directory of stores */
	struct arg_list key_words, also, add_words, drop_words;
	const char *stale_after;
	bool json, survey, show;
	struct mirror_options options;
	struct signify_key keys[SURVEY_KEYS_MAX];
};

static volatile sig_atomic_t stopping;

static void
on_signal(int number)
{
	stopping = number;
}

/* The first one ends the run in good order, the second one at once. */
static void
signals_handle(void)
{
	const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction a = { .sa_handler = on_signal,
		.sa_flags = (int)SA_RESETHAND };

	sigemptyset(&a.sa_mask);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &a, NULL);
	signal(SIGPIPE, SIG_IGN); /* a closed socket is an error code */
}

/* ------------------------------------------------------------- progress */

/* When a run's progress was shown last, and first; 0: not yet. */
struct progress {
	uint64_t shown_ms, began_ms;
};

static void
on_progress(void *arg, const struct download *d)
{
	struct progress *p = arg;
	uint64_t now = clock_ms();

	if (p->began_ms == 0)
		p->began_ms = now;
	if (p->shown_ms != 0 && now - p->shown_ms < PROGRESS_MS)
		return;
	p->shown_ms = now;
	mirror_progress_print(d, now - p->began_ms);
}

/* --------------------------------------------------------------- the work */

static bool
origin_check(const char *text, struct why *why)
{
	char base[MANIFEST_ORIGIN_MAX];

	return manifest_origin(slice_str(text), base) ||
	       why_set(why,
		   "invalid URL \"%s\" (a whole capsule, as "
		   "gemini://example.org/)",
		   text);
}

static enum result
keys_read(struct mirror_job *j)
{
	enum result result = RESULT_GOOD;

	for (size_t i = 0; i < j->key_words.n && result == RESULT_GOOD; i++)
		result =
		    key_read_public("--key", j->key_words.text[i], &j->keys[i]);
	return result;
}

static bool
is_url(const char *word)
{
	return strstr(word, "://") != NULL;
}

/* URL and STORE of what was given: a URL names its scheme, everything else is a
 * directory. With --all there is neither, and a survey has just one. */
static enum result
places_set(struct mirror_job *j)
{
	const char *extra = j->all != NULL ? j->first
			    : j->survey    ? j->second
					   : NULL;
	struct mirror_options *o = &j->options;
	struct why why;

	if (extra != NULL)
		return verb_misused("too many arguments: %s", extra);
	if (j->all != NULL)
		return RESULT_GOOD;
	o->store = j->second;
	if (j->first != NULL && j->second == NULL && !is_url(j->first))
		o->store = j->first;
	else
		o->url = j->first;
	if (o->store == NULL && (o->url == NULL || !j->survey))
		return verb_misused("missing argument: STORE");
	if (o->url != NULL && !origin_check(o->url, &why))
		return verb_misused("URL: %s", why.text);
	return RESULT_GOOD;
}

/* 0: not given; -1: never. */
static int64_t
stale_after_parse(const char *text)
{
	uint64_t days = 0;

	if (text == NULL)
		return 0;
	if (strcmp(text, "never") == 0)
		return -1;
	return slice_number(slice_str(text), STALE_DAYS_MAX, &days)
		   ? (int64_t)days * DAY_S
		   : 0;
}

/* One run, and what is printed of it. */
static enum result
run_print(
    const struct mirror_options *given, bool as_json, bool verbose, bool quiet)
{
	struct mirror_options o = *given;
	struct progress progress = { 0 };
	struct mirror_outcome out;

	if (isatty(STDERR_FILENO) == 1)
		o.progress = on_progress;
	o.arg = &progress;
	mirror_run(&o, &out);
	log_status("");
	if (!quiet && !mirror_outcome_print(&out, as_json, verbose) &&
	    out.result == RESULT_GOOD)
		return RESULT_FAILED;
	return out.result;
}

enum result
verb_mirror_again(const char *store, bool quiet)
{
	struct mirror_options o = { .store = store,
		.limit_rate = MIRROR_AS_BEFORE,
		.stop = &stopping };

	return run_print(&o, false, false, quiet);
}

/* A store that is new is made first, as the run would: so that nothing around it has to
 * be writable. What is wrong with it, the run says. */
static bool
sandbox_begin(const struct mirror_options *o)
{
	struct store *s = NULL;
	struct why why;

	if (o->key != NULL)
		s = store_open(o->store, true, &why);
	store_close(&s);
	return verb_sandbox_store(o->store, true, SANDBOX_CLIENT);
}

static enum result
mirror(struct mirror_job *j, bool verbose)
{
	return verb_store_become(j->options.store) && sandbox_begin(&j->options)
		   ? run_print(&j->options, j->json, verbose, false)
		   : RESULT_LOCAL;
}

/* ----------------------------------------------------------- many stores */

/* Whether a store is a mirror's; a line when it is not. One whose state is lost or
 * cannot be read is, so that the run says why. */
static bool
is_mirrors(const char *path)
{
	enum state_read read = STATE_UNREAD;
	struct store *s;
	struct state st = { 0 };
	struct why why;

	s = store_open(path, false, &why);
	if (s != NULL)
		read = state_read(s, &st, &why);
	if (read == STATE_NONE && store_current(s) != 0)
		read = STATE_BROKEN;
	store_close(&s);
	if (read == STATE_NONE || (read == STATE_READ && !st.is_mirror)) {
		log_info("%s: skipped: %s", path,
		    read == STATE_NONE ? "nothing is mirrored in it yet"
				       : "its author publishes into it");
		return false;
	}
	return true;
}

/* In a process of its own, which may become the owner of the store, and whose
 * faults are its own. */
static enum result
store_fork(struct mirror_job *j, const char *path)
{
	pid_t child, parent = getpid();
	int status = 0;

	if (!verb_flush())
		return RESULT_LOCAL;
	child = fork();
	if (child == 0) {
		enum result result = RESULT_GOOD;

		j->options.store = path;
		if (!verb_store_become(path) || !privs_die_with(parent) ||
		    !verb_sandbox_store(path, true, SANDBOX_CLIENT))
			result = RESULT_LOCAL;
		else if (is_mirrors(path))
			result = run_print(&j->options, j->json, true, false);
		_exit(verb_flush() ? (int)result : (int)RESULT_FAILED);
	}
	if (child == -1)
		log_error("%s: %s", path, strerror(errno));
	while (child != -1 && waitpid(child, &status, 0) == -1)
		/* It may have had the same one: a second ends it at once. */
		if (stopping != 0)
			(void)kill(
			    child, stopping == SIGTERM ? SIGINT : SIGTERM);
	return child != -1 && WIFEXITED(status) &&
		       WEXITSTATUS(status) <= RESULT_STALE
		   ? (enum result)WEXITSTATUS(status)
		   : RESULT_LOCAL;
}

static enum result
mirror_all(struct mirror_job *j)
{
	/* What an operator must look at first, first. */
	static const enum result order[] = { RESULT_LOCAL, RESULT_USAGE,
		RESULT_REFUSED, RESULT_STALE, RESULT_FAILED, RESULT_GOOD };
	const enum result *worst = order;
	bool seen[RESULT_STALE + 1] = { [RESULT_GOOD] = true };
	struct dirent **entry = NULL;
	int n, stores = 0;

	n = scandir(j->all, &entry, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		char *path = NULL;

		if (entry[i]->d_name[0] != '.' && stopping == 0 &&
		    asprintf(&path, "%s/%s", j->all, entry[i]->d_name) == -1)
			path = NULL;
		if (path != NULL && store_is(path)) {
			stores++;
			seen[store_fork(j, path)] = true;
		}
		free(path);
		free(entry[i]);
	}
	free(entry);
	while (!seen[*worst])
		worst++;
	if (stores > 0 || stopping != 0)
		return stores > 0 ? *worst : RESULT_FAILED;
	log_error("%s: %s", j->all,
	    n == -1 ? strerror(errno) : "there is no store in it");
	return RESULT_LOCAL;
}

/* ------------------------------------------------------------- surveys */

static enum result
survey(struct mirror_job *j)
{
	const struct survey_options o = { .store = j->options.store,
		.url = j->options.url,
		.keys = j->keys,
		.n_keys = j->key_words.n,
		.proxy = j->options.proxy,
		.stop = &stopping };
	enum result result;
	struct buf page;
	struct why why;

	if (o.url != NULL && o.n_keys == 0)
		return verb_misused(
		    "a survey of a URL needs the author's --key");
	if (!verb_sandbox_store(o.store, false, SANDBOX_CLIENT))
		return RESULT_LOCAL;
	why_clear(&why);
	buf_init(&page, SURVEY_PAGE_MAX);
	result = survey_run(&o, &page, &why);
	if (why.text[0] != '\0')
		log_error("%s", why.text);
	if (!verb_print(&page))
		result = RESULT_FAILED;
	buf_fini(&page);
	return result;
}

/* ----------------------------------------------------------- command line */

static bool
contact_check(const char *text, struct why *why)
{
	return record_text_ok(slice_str(text)) ||
	       why_set(why, "invalid text \"%s\" (one short line)", text);
}

static bool
stale_check(const char *text, struct why *why)
{
	return stale_after_parse(text) != 0 ||
	       why_set(
		   why, "invalid time \"%s\" (days, as 14; or never)", text);
}

static bool
proxy_check(const char *text, struct why *why)
{
	struct proxy p;

	return strcmp(text, "none") == 0 || proxy_parse(text, &p, why);
}

/* Whether options were given that only a run has. */
static bool
has_run_options(const struct mirror_job *j)
{
	const struct mirror_options *o = &j->options;

	return j->also.n > 0 || o->origin != NULL || o->host != NULL ||
	       o->contact != NULL || j->stale_after != NULL ||
	       o->allow_serial > 0 || o->max_file > 0 || o->max_bytes > 0 ||
	       o->max_files > 0 || o->deadline_s > 0 ||
	       o->limit_rate != MIRROR_AS_BEFORE || o->strict_tls || o->lax_tls;
}

static bool
changes_keys(const struct mirror_job *j)
{
	return j->add_words.n > 0 || j->drop_words.n > 0;
}

/* No run: what STORE remembers is changed, shown, or both. */
static enum result
memory_run(struct mirror_job *j)
{
	if (has_run_options(j) || j->options.proxy != NULL ||
	    j->key_words.n > 0 || j->survey || j->all != NULL ||
	    (j->json && !j->show))
		return verb_misused("only --json goes with --show, and nothing "
				    "with --add-key and --drop-key");
	if (j->first == NULL || j->second != NULL || is_url(j->first))
		return verb_misused("just one argument goes with --show, "
				    "--add-key and --drop-key: STORE");
	return verb_mirror_memory(
	    j->first, &j->add_words, &j->drop_words, j->show, j->json);
}

static enum result
mirror_verb_run(void *job)
{
	struct mirror_job *j = job;
	struct mirror_options *o = &j->options;
	enum result result;

	if (o->proxy != NULL && strcmp(o->proxy, "none") == 0)
		o->proxy = "";
	signals_handle();
	if (j->show || changes_keys(j))
		return memory_run(j);
	if (j->survey && (has_run_options(j) || j->json || j->all != NULL))
		return verb_misused("only --key and --proxy go with --survey");
	if (j->all != NULL && (j->key_words.n > 0 || j->also.n > 0 ||
				  o->origin != NULL || o->allow_serial > 0))
		return verb_misused("--key, --also, --origin and "
				    "--allow-serial do not go with --all");
	if (j->key_words.n > 1 && !j->survey)
		return verb_misused("duplicate option --key");
	result = places_set(j);
	if (result == RESULT_GOOD)
		result = keys_read(j);
	if (result != RESULT_GOOD)
		return result;
	if (j->survey)
		return survey(j);
	o->key = j->key_words.n > 0 ? &j->keys[0] : NULL;
	o->also = j->also.text;
	o->n_also = j->also.n;
	o->stale_after = stale_after_parse(j->stale_after);
	o->stop = &stopping;
	return j->all != NULL ? mirror_all(j)
			      : mirror(j, isatty(STDOUT_FILENO) == 1);
}

/* clang-format off */
const struct verb verb_mirror = {
	.name = "mirror",
	.summary = "copy what is new of a published capsule",
	.forms = (const char *const[]){
		"URL STORE --key FILE|TEXT [OPTION]...",
		"STORE [OPTION]...",
		"--all DIR [OPTION]...",
		"--show [--json] STORE",
		("[--add-key FILE|TEXT]... [--drop-key FILE|TEXT|NUMBER]... "
		 "STORE"),
		"--survey [--key FILE|TEXT]... [--proxy URL] STORE|URL",
		NULL,
	},
	.about =
	    "Copies what is new of a published capsule into STORE, which "
	    "carnation serve serves: all of it as the author has signed it, or "
	    "nothing. URL is the origin's or another mirror's, as "
	    "gemini://example.org/. Later runs need STORE alone: URL and "
	    "options are remembered, and replaced when they are given again. "
	    "Run it again and again: an interrupted run is resumed, and a run "
	    "that finds nothing new prints nothing.\n",
	.notes =
	    "Exit status: 0 updated, or nothing new; 1 try again later; 2 "
	    "wrong usage; 3 refused: signature, serial, names or hashes; 4 "
	    "disk, permissions, limits; 5 the author was not heard for longer "
	    "than --stale-after. Of a survey: 0 all mirrors are well; 1 some "
	    "are not, or none could be asked.\n",
	.args = (const struct arg[]){
		{ "--key", 0, "FILE|TEXT",
		    "the author's public key, from a trusted source; needed "
		    "once, then remembered",
		    ARG_LIST(struct mirror_job, key_words, SURVEY_KEYS_MAX) },
		{ "--also", 0, "URL",
		    "another mirror, when URL does not answer or is wrong",
		    ARG_LIST(struct mirror_job, also, STATE_ALSO_MAX),
		    .check = origin_check },
		{ "--origin", 0, "URL",
		    "the capsule's own place, when its host is neither URL's "
		    "nor one of --also",
		    ARG_TEXT(struct mirror_job, options.origin),
		    .check = origin_check },
		{ "--stale-after", 0, "DAYS|never",
		    "end with status 5 when the author was not heard for so "
		    "long (14)",
		    ARG_TEXT(struct mirror_job, stale_after),
		    .check = stale_check },
		{ "--strict-tls", 0, NULL,
		    "skip a host whose certificate is not the one it had before",
		    ARG_FLAG(struct mirror_job, options.strict_tls) },
		{ "--no-strict-tls", 0, NULL,
		    "only warn of that (the default)",
		    ARG_FLAG(struct mirror_job, options.lax_tls) },
		{ "--allow-serial", 0, "N",
		    "accept this serial, though it is lower than the last, or "
		    "far above it; not remembered",
		    ARG_NUMBER(struct mirror_job, options.allow_serial, 1,
			STORE_SERIAL_MAX) },
		{ "--host", 0, "NAME", "the name of this mirror, for its trace",
		    ARG_TEXT(struct mirror_job, options.host),
		    .check = arg_check_host },
		{ "--contact", 0, "TEXT",
		    "how to reach its operator, for its trace",
		    ARG_TEXT(struct mirror_job, options.contact),
		    .check = contact_check },
		{ "--max-file", 0, "SIZE", "the largest file accepted (64M)",
		    ARG_SIZE(struct mirror_job, options.max_file, 1,
			STORE_SERIAL_MAX) },
		{ "--max-bytes", 0, "SIZE", "all files together (4G)",
		    ARG_SIZE(struct mirror_job, options.max_bytes, 1,
			STORE_SERIAL_MAX) },
		{ "--max-files", 0, "N", "how many files (100000)",
		    ARG_NUMBER(struct mirror_job, options.max_files, 1,
			MANIFEST_FILES_MAX) },
		{ "--limit-rate", 0, "SIZE",
		    "at most so many bytes a second (0: as many as come)",
		    ARG_SIZE(struct mirror_job, options.limit_rate, 0,
			STORE_SERIAL_MAX) },
		{ "--proxy", 0, "URL",
		    "connect through this SOCKS proxy, which looks names up, "
		    "as socks5://127.0.0.1:9050; or none",
		    ARG_TEXT(struct mirror_job, options.proxy),
		    .check = proxy_check },
		{ "--deadline", 0, "TIME",
		    "end the run after so long (6h); not remembered",
		    ARG_TIME(struct mirror_job, options.deadline_s, 1,
			DEADLINE_MAX_S) },
		{ "--all", 0, "DIR",
		    "run each mirror's store in DIR, one after the other, and "
		    "end with the worst status: 4, 2, 3, 5, 1, 0",
		    ARG_TEXT(struct mirror_job, all) },
		{ "--show", 0, NULL,
		    "copy nothing: print what STORE remembers, its keys, and "
		    "how old it is",
		    ARG_FLAG(struct mirror_job, show) },
		{ "--add-key", 0, "FILE|TEXT",
		    "copy nothing: trust this key of the author's as well, as "
		    "when an announced one was missed",
		    ARG_LIST(struct mirror_job, add_words, KEYRING_MAX) },
		{ "--drop-key", 0, "FILE|TEXT|NUMBER",
		    "copy nothing: take nothing new that this key signs; one "
		    "pinned key must be left",
		    ARG_LIST(struct mirror_job, drop_words, KEYRING_MAX) },
		{ "--json", 0, NULL, "print the result as a JSON object",
		    ARG_FLAG(struct mirror_job, json) },
		{ "--survey", 0, NULL,
		    "copy nothing: ask the origin and all mirrors in the "
		    "mirrors.gmi of STORE (or of URL) for their state, and "
		    "write a page about it",
		    ARG_FLAG(struct mirror_job, survey) },
		{ "URL", 0, NULL, NULL, ARG_TEXT(struct mirror_job, first),
		    .optional = true },
		{ "STORE", 0, NULL, NULL, ARG_TEXT(struct mirror_job, second),
		    .optional = true },
		{ .name = NULL },
	},
	.job_size = sizeof(struct mirror_job),
	.defaults = &(const struct mirror_job){
		.options.limit_rate = MIRROR_AS_BEFORE,
	},
	.run = mirror_verb_run,
};
/* clang-format on */
