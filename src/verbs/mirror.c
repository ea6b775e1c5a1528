/* SPDX-License-Identifier: ISC */
#include "archive/mirror.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/source.h"
#include "util/log.h"
#include "util/why.h"
#include "verbs/args.h"
#include "verbs/key_word.h"
#include "verbs/mirror_output.h"
#include "verbs/mirror_survey.h"
#include "verbs/verbs.h"

enum {
	OPTION_KEY = ARGS_LONG,
	OPTION_ALSO,
	OPTION_STRICT,
	OPTION_ALLOW,
	OPTION_HOST,
	OPTION_CONTACT,
	OPTION_MAX_FILE,
	OPTION_MAX_BYTES,
	OPTION_MAX_FILES,
	OPTION_JSON,
	OPTION_SURVEY,
};

const char mirror_usage[] =
    "usage: carnation mirror URL STORE --key FILE|TEXT [--also URL]... "
    "[--strict-tls]\n"
    "                        [--allow-serial N] [--host NAME] [--contact "
    "TEXT]\n"
    "                        [--max-file SIZE] [--max-bytes SIZE] "
    "[--max-files N] [--json]\n"
    "       carnation mirror --survey [--key FILE|TEXT]... STORE|URL\n"
    "\n"
    "Takes over what is new of a published capsule into STORE, which carnation "
    "serve\n"
    "serves: all of it as the author has signed it, or nothing. URL is the "
    "origin's or\n"
    "another mirror's, as gemini://example.org/. To be run again and again: a "
    "run that\n"
    "was interrupted is gone on with, and says nothing when nothing is new.\n"
    "\n"
    "  --key FILE|TEXT    the author's public key, from a trusted hand; needed "
    "once, then\n"
    "                     remembered\n"
    "  --also URL         another mirror, when URL does not answer or is not "
    "right\n"
    "  --strict-tls       do not ask a host that shows another certificate "
    "than before\n"
    "  --allow-serial N   take this serial, though it is lower than the last, "
    "or far\n"
    "                     above it\n"
    "  --host NAME        the name of this mirror, for its trace; remembered\n"
    "  --contact TEXT     how its operator is reached, for its trace; "
    "remembered\n"
    "  --max-file SIZE    the largest file that is taken (64M)\n"
    "  --max-bytes SIZE   all files together (4G)\n"
    "  --max-files N      how many files (100000)\n"
    "  --json             tell the end as JSON\n"
    "  --survey           take nothing over: ask the origin and all mirrors in "
    "STORE's\n"
    "                     (or URL's) mirrors.gmi how they are, and write a "
    "page of it\n"
    "\n"
    "Exit status: 0 taken over, or nothing new; 1 try again later; 2 wrong "
    "usage;\n"
    "3 refused: signature, serial, names or hashes; 4 disk, permissions, "
    "limits. Of a\n"
    "survey: 0 all are well; 1 some are not, or nobody could be asked.\n";

struct job {
	struct mirror_wish wish;
	char url[MANIFEST_ORIGIN_MAX];
	char also[SOURCES_MAX][MANIFEST_ORIGIN_MAX];
	const char *also_list[SOURCES_MAX];
	const char *key_word; /* as said; NULL: nothing was */
	struct signify_key key;
	char host[HOSTNAME_SIZE];
	struct mirror_output output;
};

static volatile sig_atomic_t stopping;

static void
on_signal(int number)
{
	stopping = number;
}

/* The first one ends the run in good order, the second at once. */
static void
heed_signals(void)
{
	const int numbers[] = { SIGINT, SIGTERM };
	struct sigaction a = { .sa_handler = on_signal,
		.sa_flags = (int)SA_RESETHAND };

	sigemptyset(&a.sa_mask);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &a, NULL);
	signal(SIGPIPE, SIG_IGN); /* a closed socket is an error code */
}

static bool
complain(const char *what, const char *value, const char *why)
{
	fprintf(stderr, "carnation mirror: %s \"%s\": %s\n", what, value, why);
	return false;
}

static bool
take_url(const char *what, const char *value, char out[MANIFEST_ORIGIN_MAX])
{
	return manifest_origin(slice_str(value), out) ||
	       complain(what, value,
		   "not the root of a capsule, as gemini://example.org/");
}

static bool
take_also(struct job *j, const char *value)
{
	size_t n = j->wish.n_also;

	if (n == SOURCES_MAX)
		return complain("--also", value, "one too many");
	j->also_list[n] = j->also[n];
	j->wish.also = j->also_list;
	j->wish.n_also++;
	return take_url("--also", value, j->also[n]);
}

/* The exit status, after a message when it is not EXIT_GOOD. */
static int
read_key(struct job *j)
{
	enum key_word kind;
	struct why why;

	if (j->key_word == NULL)
		return EXIT_GOOD;
	kind = key_word_read_public(j->key_word, &j->key, &why);
	if (!key_word_good(kind)) {
		log_error("--key %s (see carnation help mirror)", why.text);
		return key_word_status(kind);
	}
	j->wish.key = &j->key;
	return EXIT_GOOD;
}

/* "500", "64K", "64M", "4G". */
static bool
take_size(const char *what, const char *value, uint64_t *out)
{
	static const struct slice units = { (const uint8_t *)"KMG", 3 };
	struct slice digits = slice_str(value);
	unsigned shift = 0;

	for (unsigned i = 0; i < units.len && digits.len > 0; i++)
		if (digits.ptr[digits.len - 1] == units.ptr[i])
			shift = 10 * (i + 1);
	if (shift > 0)
		digits = slice_head(digits, digits.len - 1);
	if (!slice_number(digits, MANIFEST_NUMBER_MAX >> shift, out) ||
	    *out == 0)
		return complain(what, value,
		    "not a number of bytes, as 500, 64K, 64M or 4G");
	*out <<= shift;
	return true;
}

static bool
take_number(const char *what, const char *value, uint64_t max, uint64_t *out)
{
	return (slice_number(slice_str(value), max, out) && *out > 0) ||
	       complain(what, value, "not such a number");
}

static bool
take_host(struct job *j, const char *value)
{
	j->wish.host = j->host;
	return hostname_canonical(slice_str(value), j->host) != HOSTNAME_BAD ||
	       complain("--host", value, "not a host name");
}

static bool
take_contact(struct job *j, const char *value)
{
	j->wish.contact = value;
	return state_text_ok(slice_str(value)) ||
	       complain("--contact", value, "not one short line of text");
}

static bool
take_word(struct job *j, const char *value)
{
	if (j->wish.url == NULL) {
		j->wish.url = j->url;
		return take_url("URL", value, j->url);
	}
	if (j->wish.store != NULL)
		return complain("word", value, "one too many");
	j->wish.store = value;
	return true;
}

static bool
take_option(struct job *j, int letter, const char *value)
{
	switch (letter) {
	case ARGS_WORD:
		return take_word(j, value);
	case OPTION_KEY:
		j->key_word = value;
		return true;
	case OPTION_ALSO:
		return take_also(j, value);
	case OPTION_STRICT:
		j->wish.strict_tls = true;
		return true;
	case OPTION_ALLOW:
		return take_number("--allow-serial", value, MANIFEST_NUMBER_MAX,
		    &j->wish.allow_serial);
	case OPTION_HOST:
		return take_host(j, value);
	case OPTION_CONTACT:
		return take_contact(j, value);
	case OPTION_MAX_FILE:
		return take_size("--max-file", value, &j->wish.max_file);
	case OPTION_MAX_BYTES:
		return take_size("--max-bytes", value, &j->wish.max_bytes);
	case OPTION_MAX_FILES:
		return take_number("--max-files", value, MANIFEST_FILES_MAX,
		    &j->wish.max_files);
	case OPTION_JSON:
		j->output.json = true;
		return true;
	default:
		return false;
	}
}

/* False, and a message, when the words are no job. */
static bool
parse(struct job *j, int argc, char **argv)
{
	static const struct args_option known[] = {
		{ "--key", OPTION_KEY, true },
		{ "--also", OPTION_ALSO, ARGS_MANY },
		{ "--strict-tls", OPTION_STRICT, false },
		{ "--allow-serial", OPTION_ALLOW, true },
		{ "--host", OPTION_HOST, true },
		{ "--contact", OPTION_CONTACT, true },
		{ "--max-file", OPTION_MAX_FILE, true },
		{ "--max-bytes", OPTION_MAX_BYTES, true },
		{ "--max-files", OPTION_MAX_FILES, true },
		{ "--json", OPTION_JSON, false },
		/* For who mistypes it: it has a parser of its own. */
		{ "--survey", OPTION_SURVEY, false },
		{ NULL, 0, false },
	};
	struct args a = {
		.verb = "mirror", .options = known, .argc = argc, .argv = argv
	};
	int letter;

	while ((letter = args_next(&a)) != ARGS_END)
		if (!take_option(j, letter, a.value))
			return false;
	if (j->wish.store == NULL)
		fprintf(stderr, "carnation mirror: name a URL and a store\n");
	return j->wish.store != NULL;
}

static int
exit_status(enum mirror_result result)
{
	switch (result) {
	case MIRROR_UPDATED:
	case MIRROR_SAME:
		return EXIT_GOOD;
	case MIRROR_LATER:
		break;
	case MIRROR_USAGE:
		return EXIT_USAGE;
	case MIRROR_REFUSED:
		return EXIT_REFUSED;
	case MIRROR_LOCAL:
		return EXIT_LOCAL;
	}
	return EXIT_FAILED;
}

static int
run(struct job *j)
{
	struct mirror_outcome out;
	int status;

	j->wish.listener = mirror_output_open(&j->output);
	mirror_run(&j->wish, &out);
	status = exit_status(out.result);
	if (!mirror_output_close(&j->output, &out) && status == EXIT_GOOD)
		status = EXIT_FAILED;
	return status;
}

int
verb_mirror(int argc, char **argv)
{
	struct job j = { .wish = { .max_file = (uint64_t)MIRROR_FILE_MIB << 20,
			     .max_bytes = (uint64_t)MIRROR_BYTES_GIB << 30,
			     .max_files = MANIFEST_FILES_MAX,
			     .stop = &stopping } };
	int status;

	if (mirror_survey_wanted(argc, argv)) {
		heed_signals();
		return mirror_survey(argc, argv, &stopping);
	}
	if (!parse(&j, argc, argv))
		return verb_misused("mirror");
	status = read_key(&j);
	if (status != EXIT_GOOD)
		return status;
	heed_signals();
	return run(&j);
}
