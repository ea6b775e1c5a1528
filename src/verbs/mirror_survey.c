/* SPDX-License-Identifier: ISC */
#include "verbs/mirror_survey.h"

#include <stdio.h>
#include <string.h>

#include "archive/survey.h"
#include "util/log.h"
#include "util/why.h"
#include "verbs/args.h"
#include "verbs/key_word.h"
#include "verbs/verbs.h"

enum { OPTION_SURVEY = ARGS_LONG, OPTION_KEY };

enum { SURVEY_WORDS_KEYS_MAX = 8 };

struct words {
	struct survey_options options;
	const char *key_word[SURVEY_WORDS_KEYS_MAX];
	struct signify_key key[SURVEY_WORDS_KEYS_MAX];
	char url[MANIFEST_ORIGIN_MAX];
	bool named;
};

bool
mirror_survey_wanted(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--survey") == 0)
			return true;
	return false;
}

static bool
complain(const char *what, const char *why)
{
	fprintf(stderr, "carnation mirror: %s: %s\n", what, why);
	return false;
}

static bool
take_key(struct words *w, const char *value)
{
	if (w->options.n_keys == SURVEY_WORDS_KEYS_MAX)
		return complain("--key", "one too many");
	w->key_word[w->options.n_keys++] = value;
	return true;
}

/* The exit status, after a message when it is not EXIT_GOOD. */
static int
read_keys(struct words *w)
{
	enum key_word kind;
	struct why why;

	for (size_t i = 0; i < w->options.n_keys; i++) {
		kind = key_word_read_public(w->key_word[i], &w->key[i], &why);
		if (!key_word_good(kind)) {
			log_error(
			    "--key %s (see carnation help mirror)", why.text);
			return key_word_status(kind);
		}
	}
	return EXIT_GOOD;
}

/* A URL names its scheme; everything else is a directory. */
static bool
take_place(struct words *w, const char *value)
{
	if (w->named)
		return complain(value, "one word too many");
	w->named = true;
	if (strstr(value, "://") == NULL) {
		w->options.store = value;
		return true;
	}
	w->options.url = w->url;
	return manifest_origin(slice_str(value), w->url) ||
	       complain(value,
		   "not the root of a capsule, as gemini://example.org/");
}

/* False, and a message, when the words are no survey. */
static bool
parse(struct words *w, int argc, char **argv)
{
	static const struct args_option known[] = {
		{ "--survey", OPTION_SURVEY, false },
		{ "--key", OPTION_KEY, ARGS_MANY },
		{ NULL, 0, false },
	};
	struct args a = {
		.verb = "mirror", .options = known, .argc = argc, .argv = argv
	};
	int letter;

	while ((letter = args_next(&a)) != ARGS_END) {
		if (letter == ARGS_BAD ||
		    (letter == OPTION_KEY && !take_key(w, a.value)) ||
		    (letter == ARGS_WORD && !take_place(w, a.value)))
			return false;
	}
	if (!w->named)
		return complain("--survey", "name a store or a URL");
	if (w->options.url != NULL && w->options.n_keys == 0)
		return complain(
		    "--survey", "a URL needs the author's --key as well");
	return true;
}

static int
exit_status(enum survey_result result)
{
	switch (result) {
	case SURVEY_WELL:
		return EXIT_GOOD;
	case SURVEY_ILL:
	case SURVEY_FAILED:
		break;
	case SURVEY_LOCAL:
		return EXIT_LOCAL;
	}
	return EXIT_FAILED;
}

int
mirror_survey(int argc, char **argv, const volatile sig_atomic_t *stop)
{
	struct words w = { .options = { .stop = stop } };
	enum survey_result result;
	struct buf page;
	struct why why;
	bool written;
	int status;

	w.options.keys = w.key;
	if (!parse(&w, argc, argv))
		return verb_misused("mirror");
	status = read_keys(&w);
	if (status != EXIT_GOOD)
		return status;
	buf_init(&page, SURVEY_PAGE_MAX);
	why_clear(&why);
	result = survey_run(&w.options, &page, &why);
	if (why.text[0] != '\0')
		log_error("%s", why.text);
	written = (page.len == 0 ||
		      fwrite(page.ptr, 1, page.len, stdout) == page.len) &&
		  fflush(stdout) == 0;
	buf_fini(&page);
	return written ? exit_status(result) : EXIT_FAILED;
}
