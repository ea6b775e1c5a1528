/* SPDX-License-Identifier: ISC */
#include "verbs/publish_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"
#include "util/clock.h"
#include "util/log.h"
#include "verbs/args.h"
#include "verbs/key_word.h"
#include "verbs/verbs.h"

enum {
	OPTION_KEY = ARGS_LONG,
	OPTION_ORIGIN,
	OPTION_AUTHOR,
	OPTION_FINAL,
	OPTION_REFRESH,
	OPTION_NEXT_KEY,
	OPTION_UNSIGNED,
	OPTION_SIGNED,
	OPTION_STRICT,
	OPTION_DRY_RUN,
	OPTION_YES,
	OPTION_JSON,
};

/* The latest moment that RFC 3339 can say, and a list's dates with it. */
static const uint64_t created_max =
    UINT64_C(253402300799) - UINT64_C(86400) * PUBLISH_REFRESH_DAYS_MAX;

static bool
misused(const char *what, const char *about)
{
	fprintf(stderr, "carnation publish: %s%s%s\n", about,
	    about[0] == '\0' ? "" : ": ", what);
	return false;
}

static bool
take_origin(struct publish_job *j, const char *text)
{
	const char *why = NULL;

	if (!feed_origin(slice_str(text), &j->origin, &why))
		return misused(why, "--origin");
	j->o.origin = &j->origin;
	return true;
}

static bool
take_days(struct publish_job *j, const struct args *a)
{
	long days;

	if (!args_number(a, "--refresh", 1, PUBLISH_REFRESH_DAYS_MAX, &days))
		return false;
	j->o.refresh_days = (unsigned)days;
	j->refresh_said = true;
	return true;
}

static bool
take_word(struct publish_job *j, const char *word)
{
	const char **place = j->o.src == NULL ? &j->o.src : &j->o.store;

	if (*place != NULL)
		return misused("a folder and a store, no more", word);
	*place = word;
	return true;
}

/* False after a message. */
static bool
take(struct publish_job *j, const struct args *a, int letter)
{
	switch (letter) {
	case ARGS_WORD:
		return take_word(j, a->value);
	case OPTION_KEY:
		j->key_file = a->value;
		return true;
	case OPTION_ORIGIN:
		return take_origin(j, a->value);
	case OPTION_AUTHOR:
		return args_name(a, "--author", &j->o.author);
	case OPTION_FINAL:
		j->o.final = true;
		return true;
	case OPTION_REFRESH:
		return take_days(j, a);
	case OPTION_NEXT_KEY:
		j->next_file = a->value;
		return true;
	case OPTION_UNSIGNED:
		j->unsigned_file = a->value;
		return true;
	case OPTION_SIGNED:
		j->signed_file = a->value;
		return true;
	case OPTION_STRICT:
		j->o.strict = true;
		return true;
	case OPTION_DRY_RUN:
		j->dry_run = true;
		return true;
	case OPTION_YES:
		j->yes = true;
		return true;
	case OPTION_JSON:
		j->json = true;
		return true;
	default:
		return false;
	}
}

static bool
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* "-", or what the standard output is, under a name such as /dev/stdout. */
static bool
is_stdout(const char *file)
{
	struct stat a, b;

	if (file == NULL || strcmp(file, "-") == 0)
		return file != NULL;
	return stat(file, &a) == 0 && fstat(STDOUT_FILENO, &b) == 0 &&
	       is_same(&a, &b);
}

/* What does not go together. */
static bool
check_words(const struct publish_job *j)
{
	if (j->o.store == NULL)
		return misused("name a folder and a store", "");
	if (j->unsigned_file != NULL && (j->signed_file != NULL || j->dry_run))
		return misused(
		    "goes with neither --signed nor --dry-run", "--unsigned");
	if (j->json && j->to_stdout)
		return misused("the list and --json cannot both go to the "
			       "standard output",
		    "--unsigned");
	if (j->o.final && j->refresh_said)
		return misused("after a final release nothing is to be "
			       "refreshed: not both",
		    "--final, --refresh");
	if (j->signed_file != NULL &&
	    (j->o.final || j->refresh_said || j->next_file != NULL))
		return misused("the signed list says these: they go with "
			       "--unsigned",
		    "--final, --refresh, --next-key");
	if (j->key_file == NULL && j->unsigned_file == NULL &&
	    j->signed_file == NULL && !j->dry_run)
		return misused(
		    "which key signs it? See carnation key", "--key");
	return true;
}

/* The clock, unless a build that is to be repeated says otherwise. */
static bool
take_time(struct publish_job *j)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");
	uint64_t seconds;

	j->o.now = j->o.created = clock_wall();
	if (text == NULL)
		return true;
	if (!slice_number(slice_str(text), created_max, &seconds))
		return misused(
		    "is no number of seconds since 1970", "SOURCE_DATE_EPOCH");
	j->o.created = (int64_t)seconds;
	return true;
}

void
publish_options_init(struct publish_job *j)
{
	*j = (struct publish_job){ .o.refresh_days = PUBLISH_REFRESH_DAYS };
	buf_init(&j->sealed, MANIFEST_MAX);
	j->o.key_name = j->key_name;
	j->o.certs = j->certs = default_certs_dir();
}

bool
publish_options_parse(struct publish_job *j, int argc, char **argv)
{
	static const struct args_option known[] = {
		{ "--key", OPTION_KEY, true },
		{ "--origin", OPTION_ORIGIN, true },
		{ "--author", OPTION_AUTHOR, true },
		{ "--final", OPTION_FINAL, false },
		{ "--refresh", OPTION_REFRESH, true },
		{ "--next-key", OPTION_NEXT_KEY, true },
		{ "--unsigned", OPTION_UNSIGNED, true },
		{ "--signed", OPTION_SIGNED, true },
		{ "--strict", OPTION_STRICT, false },
		{ "--dry-run", OPTION_DRY_RUN, false },
		{ "--yes", OPTION_YES, false },
		{ "--json", OPTION_JSON, false },
		{ NULL, 0, false },
	};
	struct args a = {
		.verb = "publish", .options = known, .argc = argc, .argv = argv
	};
	int letter;

	while ((letter = args_next(&a)) != ARGS_END)
		if (!take(j, &a, letter))
			return false;
	j->o.look_only = j->dry_run || j->unsigned_file != NULL;
	j->to_stdout = is_stdout(j->unsigned_file);
	return check_words(j) && take_time(j);
}

/* NAME of dir/NAME.sec. */
static bool
take_key_name(struct publish_job *j)
{
	const char *slash = strrchr(j->key_file, '/');
	struct slice name = slice_str(slash == NULL ? j->key_file : slash + 1);

	if (slice_ends(name, SLICE(".sec")) || slice_ends(name, SLICE(".pub")))
		name = slice_head(name, name.len - strlen(".sec"));
	if (!signify_name(name)) {
		log_error("%s: no name for a key: NAME.sec", j->key_file);
		return false;
	}
	memcpy(j->key_name, name.ptr, name.len);
	j->key_name[name.len] = '\0';
	return true;
}

/* The exit status, EXIT_GOOD when the key was read. */
static int
read_word(const char *word, struct signify_key *out, struct why *why)
{
	enum key_word kind = key_word_read(word, out, why);

	if (kind == KEY_WORD_SECRET)
		key_word_check_mode(word);
	return key_word_status(kind);
}

/* The exit status. */
static int
read_key(struct publish_job *j, struct why *why)
{
	bool signs = j->unsigned_file == NULL && j->signed_file == NULL;

	if (j->key_file == NULL)
		return EXIT_GOOD;
	if (!take_key_name(j))
		return EXIT_LOCAL;
	j->o.key = &j->key;
	if (!signs)
		return read_word(j->key_file, &j->key, why);
	j->secret = signify_secret_load(j->key_file, why);
	if (j->secret == NULL)
		return errno == 0 ? EXIT_USAGE : EXIT_LOCAL;
	key_word_check_mode(j->key_file);
	signify_public(j->secret, &j->key);
	j->o.secret = j->secret;
	return EXIT_GOOD;
}

/* Whether the list may be written to OUT: neither over what is read nor where
 * only carnation, or nothing, writes. */
static bool
check_out(const struct publish_job *j, struct why *why)
{
	const char *out = j->unsigned_file;
	const struct {
		const char *path, *what;
	} files[] = { { j->key_file, "--key" },
		{ j->next_file, "--next-key" } };
	char target[PATH_MAX];
	bool fit = true;
	struct stat a, b;

	if (out == NULL || j->to_stdout)
		return true;
	if (!file_target(out, target))
		return why_set(why, "--unsigned %s: %s", out, strerror(errno));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (files[i].path != NULL && stat(target, &a) == 0 &&
		    stat(files[i].path, &b) == 0 && is_same(&a, &b)) {
			fit = false;
			why_set(why,
			    "--unsigned %s: is the file of %s, which would be "
			    "lost",
			    out, files[i].what);
		}
	if (fit && file_is_inside(target, j->o.store)) {
		fit = false;
		why_set(why,
		    "--unsigned %s: lies in the store, where carnation alone "
		    "writes",
		    out);
	}
	if (fit && file_is_inside(target, j->o.src)) {
		fit = false;
		why_set(why,
		    "--unsigned %s: lies in %s, which is not written to", out,
		    j->o.src);
	}
	return fit;
}

static bool
read_signed(struct publish_job *j, struct why *why)
{
	if (j->signed_file == NULL)
		return true;
	if (!file_read_path(j->signed_file, &j->sealed))
		return why_errno(why, j->signed_file);
	j->o.sealed = buf_view(&j->sealed);
	if (j->sealed.len > 0)
		return true;
	return why_set(why, "%s: is empty", j->signed_file);
}

int
publish_options_read(struct publish_job *j)
{
	int status = EXIT_LOCAL;
	struct why why;
	bool ok;

	why_clear(&why);
	if (check_out(j, &why))
		status = read_key(j, &why);
	if (status == EXIT_GOOD && j->next_file != NULL) {
		status = read_word(j->next_file, &j->next_key, &why);
		j->o.next_key = &j->next_key;
	}
	if (status == EXIT_GOOD && !read_signed(j, &why))
		status = EXIT_LOCAL;
	ok = status == EXIT_GOOD;
	if (!ok && why.text[0] != '\0')
		log_error("%s", why.text);
	return status;
}

void
publish_options_fini(struct publish_job *j)
{
	signify_secret_free(&j->secret);
	buf_fini(&j->sealed);
	free(j->certs);
}
