/* SPDX-License-Identifier: ISC */
#include "archive/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/store.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/why.h"
#include "verbs/args.h"
#include "verbs/key_word.h"
#include "verbs/verbs.h"

enum { OPTION_KEY = ARGS_LONG, OPTION_JSON };

enum {
	KEYS_MAX = 16,
	PATH_TEXT_MAX = 16 * 1024, /* a path, escaped */
	LIST_MAX = 64 << 20,       /* bytes of JSON for one kind of news */
	SCREEN = 6,                /* a byte may become "\\u0000" */
};

const char verify_usage[] =
    "usage: carnation verify [--key FILE|KEY]... [--json] "
    "STORE|DIR|ARCHIVE|URL\n"
    "\n"
    "Hashes a copy of a published capsule anew and tells each file that is "
    "not as its\n"
    "author signed it: changed, missing, or extra. The copy is a store, a "
    "directory\n"
    "with mirror/MANIFEST in it, an archive (mirror/capsule.tar), or what "
    "gemini://HOST/\n"
    "serves. What has rotted in the store of a mirror is fetched anew.\n"
    "\n"
    "  --key FILE|KEY  the author's public key, or its text, from elsewhere "
    "than the\n"
    "                  copy; for a store the ones that it pins\n"
    "  --json          one JSON object instead of lines\n"
    "\n"
    "Exit status: 0 all is as signed; 1 try again later (network, lock); 2 "
    "wrong usage;\n"
    "3 refused: it is not what the author signed; 4 local (disk, "
    "permissions).\n";

struct job {
	const char *word;
	bool json;
	struct signify_key keys[KEYS_MAX];
	size_t n_keys;
	struct buf list[VERIFY_NEWS]; /* of paths, as JSON */
};

static const char *const news_words[] = {
	[VERIFY_CHANGED] = "changed",
	[VERIFY_MISSING] = "missing",
	[VERIFY_EXTRA] = "extra",
	[VERIFY_UNREADABLE] = "unreadable",
	[VERIFY_REPAIRED] = "repaired",
};

static const char *const result_words[] = {
	[VERIFY_GOOD] = "good",
	[VERIFY_LATER] = "later",
	[VERIFY_KEYLESS] = "keyless",
	[VERIFY_REFUSED] = "refused",
	[VERIFY_LOCAL] = "local",
};

/* ----------------------------------------------------------------- output */

static void
print_line(void *arg, enum verify_news news, const char *path)
{
	struct buf text;

	(void)arg;
	buf_init(&text, PATH_TEXT_MAX);
	(void)log_escape(&text, slice_str(path));
	printf("%s %.*s\n", news_words[news], SLICE_ARGS(buf_view(&text)));
	buf_fini(&text);
}

static void
keep_json(void *arg, enum verify_news news, const char *path)
{
	struct job *j = arg;
	struct buf *list = &j->list[news];
	size_t before = list->len;

	/* An entry without room is left out whole. */
	if (!buf_str(list, before > 0 ? ",\"" : "\"") ||
	    !log_escape_json(list, slice_str(path)) || !buf_byte(list, '"'))
		buf_truncate(list, before);
}

/* "example.org:1966" of "gemini://example.org:1966/". */
static struct slice
place_of(const char *origin)
{
	struct slice place = slice_str(origin);

	place = slice_skip(place, strlen("gemini://"));
	place.len--;
	return place;
}

/* Of the current release, or of older ones. */
static uint64_t
count_of(const struct verify *v, bool older, int news)
{
	return older ? v->older[news] : v->told[news] - v->older[news];
}

static void
print_counts(const struct verify *v, bool older)
{
	const char *comma = "";

	for (int i = 0; i < VERIFY_NEWS; i++) {
		if (count_of(v, older, i) == 0)
			continue;
		printf("%s%" PRIu64 " %s", comma, count_of(v, older, i),
		    news_words[i]);
		comma = ", ";
	}
	printf("%s", comma[0] == '\0' ? "not looked through" : "");
}

static bool
any_told(const struct verify *v, bool older)
{
	bool any = false;

	for (int i = 0; i < VERIFY_NEWS; i++)
		any = any || count_of(v, older, i) > 0;
	return any;
}

static bool
is_refused(const struct verify *v, bool older)
{
	return count_of(v, older, VERIFY_CHANGED) > 0 ||
	       count_of(v, older, VERIFY_MISSING) > 0 ||
	       count_of(v, older, VERIFY_EXTRA) > 0;
}

static void
print_unopened(const char *word, const struct why *why)
{
	struct buf text;

	buf_init(&text, PATH_TEXT_MAX + SCREEN * WHY_MAX);
	(void)(log_escape(&text, slice_str(word)) &&
	       buf_str(&text, ": REFUSED: ") && buf_str(&text, why->text));
	printf("verify: %.*s\n", SLICE_ARGS(buf_view(&text)));
	buf_fini(&text);
}

/* What older releases come to. */
static void
print_older(const struct verify *v, enum verify_result result)
{
	bool refused = result == VERIFY_REFUSED && is_refused(v, true) &&
		       (v->n_serials > 0 || v->sound);

	printf("; %s%s", refused ? "REFUSED " : "",
	    v->n_serials == 0   ? "older releases"
	    : v->n_serials == 1 ? "serial "
				: "serials ");
	for (size_t i = 0; i < v->n_serials; i++)
		printf("%s%" PRIu64, i > 0 ? ", " : "", v->serial[i]);
	printf(": ");
	print_counts(v, true);
}

/* The last line: the release that is served first, then what is said of others. */
static void
print_summary(const struct verify *v, enum verify_result result)
{
	bool sound = v->sound || result == VERIFY_GOOD;
	bool older = any_told(v, true);
	const struct manifest *m = &v->manifest;
	struct slice place = place_of(m->origin);
	char created[CLOCK_RFC3339_SIZE];

	clock_rfc3339(m->created, created);
	printf(
	    "verify: %.*s: %sserial %" PRIu64 " of %.10s: ", SLICE_ARGS(place),
	    result == VERIFY_REFUSED && !sound ? "REFUSED " : "", m->serial,
	    created);
	if (!sound || any_told(v, false)) {
		print_counts(v, false);
		printf("; ");
	}
	printf("%zu file%s, %" PRIu64 " bytes%s", m->n, m->n == 1 ? "" : "s",
	    m->bytes, sound ? ", all as signed" : "");
	if (older)
		print_older(v, result);
	else if (sound && result != VERIFY_GOOD)
		printf("; older releases: not looked through");
	printf("\n");
}

static void
print_text(const struct job *j, const struct verify *v,
    enum verify_result result, struct why *why)
{
	bool refused = result == VERIFY_REFUSED;

	if (v->opened)
		print_summary(v, result);
	else if (refused)
		print_unopened(j->word, why);
	if (why->text[0] != '\0' && (v->opened || !refused))
		log_error("%s", why->text);
}

static void
put_string(struct buf *out, const char *name, struct slice text)
{
	(void)(buf_printf(out, "\"%s\":\"", name) &&
	       log_escape_json(out, text) && buf_str(out, "\","));
}

/* What the manifest says. */
static void
put_manifest(struct buf *out, const struct verify *v)
{
	const struct manifest *m = &v->manifest;
	uint8_t memory[SIGNIFY_PUBLIC_TEXT];
	char created[CLOCK_RFC3339_SIZE];
	struct buf key;

	buf_wrap(&key, memory, sizeof(memory));
	(void)signify_key_text(&v->signer, &key);
	clock_rfc3339(m->created, created);
	put_string(out, "origin", slice_str(m->origin));
	put_string(out, "created", slice_str(created));
	put_string(out, "key", buf_view(&key));
	(void)buf_printf(out,
	    "\"serial\":%" PRIu64 ",\"final\":%s,\"files\":%zu,"
	    "\"bytes\":%" PRIu64 ",",
	    m->serial, m->final ? "true" : "false", m->n, m->bytes);
}

static void
print_json(const struct job *j, const struct verify *v,
    enum verify_result result, const struct why *why)
{
	struct buf out;

	buf_init(&out, PATH_TEXT_MAX + SCREEN * WHY_MAX);
	put_string(&out, "result", slice_str(result_words[result]));
	put_string(&out, "why", slice_str(why->text));
	if (v->opened)
		put_manifest(&out, v);
	printf("{%.*s", SLICE_ARGS(buf_view(&out)));
	for (int i = 0; i < VERIFY_NEWS; i++)
		printf("%s\"%s\":[%.*s]", i > 0 ? "," : "", news_words[i],
		    SLICE_ARGS(buf_view(&j->list[i])));
	printf("}\n");
	buf_fini(&out);
}

/* --------------------------------------------------------------- the work */

static void
warn_of_age(const struct verify *v)
{
	char refresh[CLOCK_RFC3339_SIZE];

	if (!v->opened || v->manifest.refresh == 0 ||
	    v->manifest.refresh > clock_wall())
		return;
	clock_rfc3339(v->manifest.refresh, refresh);
	log_warn(
	    "stale: the author meant to publish again before %.10s", refresh);
}

static enum verify_result
verify_word(struct verify *v, const char *word, struct why *why)
{
	char base[MANIFEST_ORIGIN_MAX];
	struct stat st;

	if (manifest_origin(slice_str(word), base))
		return verify_host(v, base, why);
	if (stat(word, &st) == -1) {
		why_errno(why, word);
		return VERIFY_LOCAL;
	}
	if (!S_ISDIR(st.st_mode))
		return verify_archive(v, word, why);
	return store_is(word) ? verify_store(v, word, why)
			      : verify_dir(v, word, why);
}

static int
exit_of(enum verify_result result)
{
	switch (result) {
	case VERIFY_GOOD:
		return EXIT_GOOD;
	case VERIFY_LATER:
		return EXIT_FAILED;
	case VERIFY_KEYLESS:
		return EXIT_USAGE;
	case VERIFY_REFUSED:
		return EXIT_REFUSED;
	case VERIFY_LOCAL:
		break;
	}
	return EXIT_LOCAL;
}

static int
run(struct job *j)
{
	struct verify v = { .keys = j->keys, .n_keys = j->n_keys };
	enum verify_result result;
	struct why why;

	v.tell = j->json ? keep_json : print_line;
	v.arg = j;
	why_clear(&why);
	for (int i = 0; i < VERIFY_NEWS; i++)
		buf_init(&j->list[i], LIST_MAX);
	result = verify_word(&v, j->word, &why);
	if (result == VERIFY_KEYLESS)
		why_set(&why, "%s: it takes the author's public key: --key",
		    j->word);
	if (j->json)
		print_json(j, &v, result, &why);
	else
		print_text(j, &v, result, &why);
	warn_of_age(&v);
	for (int i = 0; i < VERIFY_NEWS; i++)
		buf_fini(&j->list[i]);
	verify_fini(&v);
	if (fflush(stdout) != 0 || ferror(stdout))
		return result == VERIFY_GOOD ? EXIT_FAILED : exit_of(result);
	return exit_of(result);
}

/* ----------------------------------------------------------- command line */

/* The exit status, EXIT_GOOD when the key was added. */
static int
add_key(struct job *j, const char *word)
{
	enum key_word kind = KEY_WORD_NONE;
	struct why why;

	if (j->n_keys == KEYS_MAX)
		why_set(&why, "too many keys");
	else
		kind = key_word_read_public(word, &j->keys[j->n_keys], &why);
	if (!key_word_good(kind))
		log_error("--key %s", why.text);
	j->n_keys += key_word_good(kind);
	return key_word_status(kind);
}

/* What a person may have meant by a URL that verify cannot begin with. */
static bool
word_is_sound(const char *word)
{
	char base[MANIFEST_ORIGIN_MAX];

	if (strstr(word, "://") == NULL ||
	    manifest_origin(slice_str(word), base))
		return true;
	fprintf(stderr, "carnation verify: of a host's files all are verified: "
			"gemini://HOST/ without a path\n");
	return false;
}

/* EXIT_GOOD: go on. */
static int
parse(struct job *j, int argc, char **argv)
{
	static const struct args_option options[] = {
		{ "--key", OPTION_KEY, ARGS_MANY },
		{ "--json", OPTION_JSON, false },
		{ NULL, 0, false },
	};
	struct args a = {
		.verb = "verify", .options = options, .argc = argc, .argv = argv
	};
	int letter, status;

	while ((letter = args_next(&a)) != ARGS_END) {
		if (letter == OPTION_KEY) {
			status = add_key(j, a.value);
			if (status != EXIT_GOOD)
				return status;
		} else if (letter == OPTION_JSON) {
			j->json = true;
		} else if (letter == ARGS_WORD && j->word == NULL) {
			j->word = a.value;
		} else {
			if (letter == ARGS_WORD)
				fprintf(stderr,
				    "carnation verify: one copy, not also "
				    "\"%s\"\n",
				    a.value);
			return verb_misused("verify");
		}
	}
	if (j->word == NULL)
		fprintf(stderr, "carnation verify: name a copy\n");
	if (j->word == NULL || !word_is_sound(j->word))
		return verb_misused("verify");
	return EXIT_GOOD;
}

int
verb_verify(int argc, char **argv)
{
	struct job *j = calloc(1, sizeof(*j));
	int status = EXIT_LOCAL;

	signal(SIGPIPE, SIG_IGN); /* a closed socket is an error code */
	if (j == NULL)
		log_error("out of memory");
	else
		status = parse(j, argc, argv);
	if (j != NULL && status == EXIT_GOOD)
		status = run(j);
	free(j);
	return status;
}
