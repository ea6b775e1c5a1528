/* SPDX-License-Identifier: ISC */
#include "archive/mirror.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archive/fetcher.h"
#include "archive/survey.h"
#include "capsule/listing.h"
#include "util/clock.h"
#include "util/json.h"
#include "util/log.h"
#include "verbs/verb_key.h"
#include "verbs/verbs.h"

enum {
	PROGRESS_MS = 200,
	SIZE_TEXT = 16,
	MIRROR_JSON_MAX = 64 * 1024,
	SURVEY_KEYS_MAX = 8,
};

struct mirror_job {
	const char *url;
	const char *store;
	struct arg_list key_words;
	struct arg_list also_words;
	const char *host;
	const char *contact;
	uint64_t allow_serial, max_file, max_bytes,
	    max_files; /* 0: not given */
	bool strict_tls, json, survey;
	/* What the words mean. */
	char base[MANIFEST_ORIGIN_MAX];
	char also[SOURCES_MAX][MANIFEST_ORIGIN_MAX];
	const char *also_list[SOURCES_MAX];
	struct signify_key keys[SURVEY_KEYS_MAX];
	char canonical[HOSTNAME_SIZE];
	/* Progress. */
	bool progress; /* stderr is a terminal */
	bool shown;    /* a line of progress is on it */
	uint64_t shown_ms;
	uint64_t began_ms; /* the first progress */
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
	const int numbers[] = { SIGINT, SIGTERM };
	struct sigaction a = { .sa_handler = on_signal,
		.sa_flags = (int)SA_RESETHAND };

	sigemptyset(&a.sa_mask);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &a, NULL);
	signal(SIGPIPE, SIG_IGN); /* a closed socket is an error code */
}

/* ------------------------------------------------------------- progress */

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

static void
progress_clear(struct mirror_job *j)
{
	if (j->shown)
		fputs("\r\x1b[K", stderr);
	j->shown = false;
}

static void
mirror_show_progress(const struct mirror_progress *p, uint64_t took_ms)
{
	uint64_t rate = took_ms == 0 ? 0 : p->bytes * 1000 / took_ms;
	uint64_t left = p->bytes_all > p->bytes ? p->bytes_all - p->bytes : 0;
	char done[SIZE_TEXT], all[SIZE_TEXT], speed[SIZE_TEXT];

	size_text(p->bytes, done);
	size_text(p->bytes_all, all);
	size_text(rate, speed);
	fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " files, %s of %s, %s/s",
	    p->files, p->files_all, done, all, speed);
	if (rate > 0)
		fprintf(stderr, ", %" PRIu64 " s left", left / rate);
	fputs("\x1b[K", stderr);
}

static void
on_progress(void *arg, const struct mirror_progress *p)
{
	struct mirror_job *j = arg;
	uint64_t now;

	if (!j->progress)
		return;
	now = clock_ms();
	if (j->began_ms == 0)
		j->began_ms = now;
	if (j->shown_ms != 0 && now - j->shown_ms < PROGRESS_MS)
		return;
	j->shown_ms = now;
	j->shown = true;
	mirror_show_progress(p, now - j->began_ms);
}

static void
on_say(void *arg, enum mirror_level level, const char *text)
{
	progress_clear(arg);
	switch (level) {
	case MIRROR_INFO:
		log_info("%s", text);
		break;
	case MIRROR_WARNING:
		log_warn("%s", text);
		break;
	case MIRROR_ERROR:
		log_error("%s", text);
		break;
	}
}

/* -------------------------------------------------------------- the result */

static const char *
serving_text(const struct mirror_outcome *out, char text[64])
{
	if (out->serving == 0)
		return "nothing is served yet";
	snprintf(text, 64, "%s serving %" PRIu64,
	    out->switched || out->result == MIRROR_SAME ? "now" : "still",
	    out->serving);
	return text;
}

static void
updated_print(const struct mirror_outcome *out)
{
	const struct changes *c = &out->changes;
	char size[SIZE_TEXT], text[64];

	printf(
	    "mirror: %.*s: serial ", SLICE_ARGS(manifest_place(out->origin)));
	if (out->before != 0)
		printf("%" PRIu64 " -> ", out->before);
	size_text(out->bytes, size);
	printf("%" PRIu64 ": %" PRIu64 " new, %" PRIu64 " gone, %" PRIu64
	       " kept; %s fetched in %" PRIu64 " request%s, %" PRIu64
	       ".%" PRIu64 " s; %s\n",
	    out->serial, c->added + c->changed, c->gone, c->kept, size,
	    out->requests, out->requests == 1 ? "" : "s", out->ms / 1000,
	    out->ms % 1000 / 100, serving_text(out, text));
}

static void
refused_print(const struct mirror_outcome *out)
{
	char text[64];

	printf(
	    "mirror: %.*s: REFUSED", SLICE_ARGS(manifest_place(out->origin)));
	if (out->serial != 0)
		printf(" serial %" PRIu64, out->serial);
	printf(": %s; %s\n", out->why.text, serving_text(out, text));
}

static void
outcome_print(const struct mirror_outcome *out)
{
	char text[64];

	switch (out->result) {
	case MIRROR_UPDATED:
		updated_print(out);
		break;
	case MIRROR_SAME:
		if (isatty(STDOUT_FILENO) == 1)
			printf("mirror: %.*s: serial %" PRIu64
			       ": no change%s; %s\n",
			    SLICE_ARGS(manifest_place(out->origin)),
			    out->serial,
			    out->stale ? " (stale: the author intended to "
					 "publish again)"
				       : "",
			    serving_text(out, text));
		break;
	case MIRROR_REFUSED:
		refused_print(out);
		break;
	case MIRROR_LATER:
	case MIRROR_USAGE:
	case MIRROR_LOCAL:
		log_error("%.*s: %s; %s",
		    SLICE_ARGS(manifest_place(out->origin)), out->why.text,
		    serving_text(out, text));
		break;
	}
}

static void
outcome_json(const struct mirror_outcome *out, struct json *j)
{
	static const char *const results[] = {
		[MIRROR_UPDATED] = "updated",
		[MIRROR_SAME] = "same",
		[MIRROR_LATER] = "later",
		[MIRROR_USAGE] = "usage",
		[MIRROR_REFUSED] = "refused",
		[MIRROR_LOCAL] = "local",
	};
	const struct changes *c = &out->changes;

	json_object(j, NULL);
	json_text(j, "result", results[out->result]);
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
	json_bool(j, "stale", out->stale);
	json_end(j);
}

/* False after a message when it could not be printed. */
static bool
outcome_report(struct mirror_job *j, const struct mirror_outcome *out)
{
	struct buf text;
	struct json json = { .out = &text };
	bool ok;

	progress_clear(j);
	if (!j->json) {
		outcome_print(out);
		return true;
	}
	buf_init(&text, MIRROR_JSON_MAX);
	outcome_json(out, &json);
	ok = verb_print(&text);
	buf_fini(&text);
	return ok;
}

/* --------------------------------------------------------------- the work */

static enum result
result_of(enum mirror_result result)
{
	switch (result) {
	case MIRROR_UPDATED:
	case MIRROR_SAME:
		return RESULT_GOOD;
	case MIRROR_LATER:
		break;
	case MIRROR_USAGE:
		return RESULT_USAGE;
	case MIRROR_REFUSED:
		return RESULT_REFUSED;
	case MIRROR_LOCAL:
		return RESULT_LOCAL;
	}
	return RESULT_FAILED;
}

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

/* Whether URL is one that can be mirrored, into base. */
static enum result
base_set(struct mirror_job *j)
{
	struct why why;

	if (!origin_check(j->url, &why))
		return verb_misused("URL: %s", why.text);
	manifest_origin(slice_str(j->url), j->base);
	return RESULT_GOOD;
}

/* What mirror_run needs of the words, except for the key. */
static struct mirror_options
mirror_options_of(struct mirror_job *j)
{
	for (size_t i = 0; i < j->also_words.n; i++) {
		manifest_origin(slice_str(j->also_words.text[i]), j->also[i]);
		j->also_list[i] = j->also[i];
	}
	if (j->host != NULL)
		hostname_canonical(slice_str(j->host), j->canonical);
	return (struct mirror_options){
		.store = j->store,
		.url = j->base,
		.also = j->also_list,
		.n_also = j->also_words.n,
		.strict_tls = j->strict_tls,
		.allow_serial = j->allow_serial,
		.max_file = j->max_file > 0 ? j->max_file
					    : (uint64_t)MIRROR_FILE_MIB << 20,
		.max_bytes = j->max_bytes > 0
				 ? j->max_bytes
				 : (uint64_t)MIRROR_BYTES_GIB << 30,
		.max_files =
		    j->max_files > 0 ? j->max_files : MANIFEST_FILES_MAX,
		.host = j->host != NULL ? j->canonical : NULL,
		.contact = j->contact,
		.stop = &stopping,
		.listener = { on_say, on_progress, j },
	};
}

static enum result
mirror(struct mirror_job *j)
{
	struct mirror_options options;
	struct mirror_outcome out;
	enum result result = base_set(j);

	if (result != RESULT_GOOD)
		return result;
	if (j->store == NULL)
		return verb_misused("missing argument: STORE");
	if (j->key_words.n > 1)
		return verb_misused("duplicate option --key");
	result = keys_read(j);
	if (result != RESULT_GOOD)
		return result;
	options = mirror_options_of(j);
	if (j->key_words.n > 0)
		options.key = &j->keys[0];
	j->progress = isatty(STDERR_FILENO) == 1;
	mirror_run(&options, &out);
	result = result_of(out.result);
	if (!outcome_report(j, &out) && result == RESULT_GOOD)
		result = RESULT_FAILED;
	return result;
}

/* A URL names its scheme; everything else is a directory. */
static enum result
survey_place(struct mirror_job *j, struct survey_options *o)
{
	if (j->store != NULL)
		return verb_misused("too many arguments: %s", j->store);
	if (j->also_words.n > 0 || j->host != NULL || j->contact != NULL ||
	    j->allow_serial > 0 || j->strict_tls || j->json ||
	    j->max_file > 0 || j->max_bytes > 0 || j->max_files > 0)
		return verb_misused("only --key goes with --survey");
	if (strstr(j->url, "://") == NULL) {
		o->store = j->url;
		return RESULT_GOOD;
	}
	o->url = j->base;
	if (base_set(j) != RESULT_GOOD)
		return RESULT_USAGE;
	return o->n_keys > 0
		   ? RESULT_GOOD
		   : verb_misused("a survey of a URL needs the author's --key");
}

static enum result
survey(struct mirror_job *j)
{
	struct survey_options o = {
		.keys = j->keys, .n_keys = j->key_words.n, .stop = &stopping
	};
	enum result result = survey_place(j, &o);
	struct buf page;
	struct why why;

	if (result == RESULT_GOOD)
		result = keys_read(j);
	if (result != RESULT_GOOD)
		return result;
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

static enum result
mirror_verb_run(void *job)
{
	struct mirror_job *j = job;

	signals_handle();
	return j->survey ? survey(j) : mirror(j);
}

/* clang-format off */
const struct verb verb_mirror = {
	.name = "mirror",
	.summary = "copy what is new of a published capsule",
	.forms = (const char *const[]){
		"URL STORE --key FILE|TEXT [OPTION]...",
		"--survey [--key FILE|TEXT]... STORE|URL",
		NULL,
	},
	.about =
	    "Copies what is new of a published capsule into STORE, which "
	    "carnation serve serves: all of it as the author has signed it, or "
	    "nothing. URL is the origin's or another mirror's, as "
	    "gemini://example.org/. Run it again and again: an interrupted run "
	    "is resumed, and a run that finds nothing new prints nothing.\n",
	.notes =
	    "Exit status: 0 updated, or nothing new; 1 try again later; 2 "
	    "wrong usage; 3 refused: signature, serial, names or hashes; 4 "
	    "disk, permissions, limits. Of a survey: 0 all mirrors are well; 1 "
	    "some are not, or none could be asked.\n",
	.args = (const struct arg[]){
		{ "--key", 0, "FILE|TEXT",
		    "the author's public key, from a trusted source; needed "
		    "once, then remembered",
		    ARG_LIST(struct mirror_job, key_words, SURVEY_KEYS_MAX) },
		{ "--also", 0, "URL",
		    "another mirror, when URL does not answer or is wrong",
		    ARG_LIST(struct mirror_job, also_words, SOURCES_MAX),
		    .check = origin_check },
		{ "--strict-tls", 0, NULL,
		    "skip a host whose certificate is not the one it had before",
		    ARG_FLAG(struct mirror_job, strict_tls) },
		{ "--allow-serial", 0, "N",
		    "accept this serial, though it is lower than the last, or "
		    "far above it",
		    ARG_NUMBER(struct mirror_job, allow_serial, 1,
			MANIFEST_NUMBER_MAX) },
		{ "--host", 0, "NAME",
		    "the name of this mirror, for its trace; remembered",
		    ARG_TEXT(struct mirror_job, host), .check = arg_check_host },
		{ "--contact", 0, "TEXT",
		    "how to reach its operator, for its trace; remembered",
		    ARG_TEXT(struct mirror_job, contact),
		    .check = contact_check },
		{ "--max-file", 0, "SIZE", "the largest file accepted (64M)",
		    ARG_SIZE(struct mirror_job, max_file, 1,
			MANIFEST_NUMBER_MAX) },
		{ "--max-bytes", 0, "SIZE", "all files together (4G)",
		    ARG_SIZE(struct mirror_job, max_bytes, 1,
			MANIFEST_NUMBER_MAX) },
		{ "--max-files", 0, "N", "how many files (100000)",
		    ARG_NUMBER(struct mirror_job, max_files, 1,
			MANIFEST_FILES_MAX) },
		{ "--json", 0, NULL, "print the result as a JSON object",
		    ARG_FLAG(struct mirror_job, json) },
		{ "--survey", 0, NULL,
		    "copy nothing: ask the origin and all mirrors in the "
		    "mirrors.gmi of STORE (or of URL) for their state, and "
		    "write a page about it",
		    ARG_FLAG(struct mirror_job, survey) },
		{ "URL", 0, NULL, NULL, ARG_TEXT(struct mirror_job, url) },
		{ "STORE", 0, NULL, NULL, ARG_TEXT(struct mirror_job, store),
		    .optional = true },
		{ .name = NULL },
	},
	.job_size = sizeof(struct mirror_job),
	.run = mirror_verb_run,
};
/* clang-format on */
