/* SPDX-License-Identifier: ISC */
#include "archive/publish.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/store.h"
#include "capsule/lint.h"
#include "os/file.h"
#include "util/clock.h"
#include "util/log.h"
#include "verbs/verb_publish.h"
#include "verbs/verb_sandbox.h"
#include "verbs/verbs.h"

enum {
	LIST_MODE = 0644,
	LOSSES_MAX = 20,
};

struct publish_job {
	struct publish_options o;
	const char *key_file, *next_file, *unsigned_file, *signed_file;
	const char *origin_text, *author;
	struct arg_list levels; /* "G031=off" */
	struct arg_list retract,
	    more;              /* paths: of --retract; after SRC STORE */
	uint64_t refresh_days; /* 0: not given */
	bool dry_run, yes, json;
	bool to_stdout; /* the list is, and nothing else */
	/* What o borrows. */
	char *certs;
	struct feed_origin origin;
	struct signify_secret *secret;
	struct signify_key key, next_key;
	char key_name[SIGNIFY_NAME_MAX];
	struct buf sealed;
};

/* ------------------------------------------------ options that go together */

/* "/night.gmi" too, as readers know it. */
static bool
path_check(const char *path, struct why *why)
{
	const char *fault =
	    manifest_name_fault(slice_str(path + (path[0] == '/')));

	return fault == NULL || why_set(why, "%s: %s", path, fault);
}

static enum result
paths_set(struct publish_job *j)
{
	struct arg_list *paths = &j->retract;

	if (j->more.n > 0 && paths->n == 0)
		return verb_misused("too many arguments: %s", j->more.text[0]);
	for (size_t i = 0; i < j->more.n; i++)
		paths->text[paths->n++] = j->more.text[i];
	for (size_t i = 0; i < paths->n; i++)
		paths->text[i] += paths->text[i][0] == '/';
	j->o.retract = paths->text;
	j->o.n_retract = paths->n;
	return RESULT_GOOD;
}

/* The latest moment that RFC 3339 can express, and a list's dates with it. */
static const uint64_t created_max =
    UINT64_C(253402300799) - UINT64_C(86400) * PUBLISH_REFRESH_DAYS_MAX;

static bool
file_is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* "-", or what the standard output is, under a name such as /dev/stdout. */
static bool
file_is_stdout(const char *file)
{
	struct stat a, b;

	if (file == NULL || strcmp(file, "-") == 0)
		return file != NULL;
	return stat(file, &a) == 0 && fstat(STDOUT_FILENO, &b) == 0 &&
	       file_is_same(&a, &b);
}

static enum result
options_check(const struct publish_job *j)
{
	bool is_signed = j->signed_file != NULL;

	if (j->unsigned_file != NULL && (is_signed || j->dry_run))
		return verb_misused("--unsigned cannot be combined with "
				    "--signed or --dry-run");
	if (j->json && j->to_stdout)
		return verb_misused("--unsigned and --json cannot both write "
				    "to the standard output");
	if (j->o.final && j->refresh_days > 0)
		return verb_misused("--final cannot be combined with "
				    "--refresh: nothing follows");
	if (is_signed &&
	    (j->o.final || j->refresh_days > 0 || j->next_file != NULL))
		return verb_misused("--final, --refresh and --next-key are in "
				    "the signed list: give them with "
				    "--unsigned");
	if (j->key_file == NULL && j->unsigned_file == NULL && !is_signed &&
	    !j->dry_run)
		return verb_misused(
		    "missing option --key (see carnation key new)");
	return RESULT_GOOD;
}

/* The clock, or SOURCE_DATE_EPOCH for a build that is to be repeated
 * (reproducible-builds.org). */
static enum result
time_set(struct publish_job *j)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");
	uint64_t seconds;

	j->o.now = j->o.created = clock_wall();
	if (text == NULL)
		return RESULT_GOOD;
	if (!slice_number(slice_str(text), created_max, &seconds))
		return verb_misused(
		    "SOURCE_DATE_EPOCH: invalid number of seconds \"%s\"",
		    text);
	j->o.created = (int64_t)seconds;
	return RESULT_GOOD;
}

static enum result
options_set(struct publish_job *j)
{
	struct why why;
	enum result result;

	if (j->origin_text != NULL) {
		feed_origin(slice_str(j->origin_text), &j->origin, &why);
		j->o.origin = &j->origin;
	}
	if (j->author != NULL)
		j->o.author = slice_str(j->author);
	j->o.refresh_days = j->refresh_days > 0 ? (unsigned)j->refresh_days
						: PUBLISH_REFRESH_DAYS;
	j->o.levels = j->levels.text;
	j->o.n_levels = j->levels.n;
	j->o.key_name = j->key_name;
	j->o.certs = j->certs = default_certs_dir();
	j->o.look_only = j->dry_run || j->unsigned_file != NULL;
	j->to_stdout = file_is_stdout(j->unsigned_file);
	result = options_check(j);
	if (result == RESULT_GOOD)
		result = paths_set(j);
	return result == RESULT_GOOD ? time_set(j) : result;
}

/* NAME of dir/NAME.sec. */
static bool
key_name_set(struct publish_job *j)
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

static enum result
key_load(const char *word, struct signify_key *out, struct why *why)
{
	enum key_kind kind;
	enum result result = key_read(word, out, &kind, why);

	if (result == RESULT_GOOD && kind == KEY_SECRET)
		key_check_mode(word);
	return result;
}

static enum result
keys_load(struct publish_job *j, struct why *why)
{
	bool signs = j->unsigned_file == NULL && j->signed_file == NULL;

	if (j->key_file == NULL)
		return RESULT_GOOD;
	if (!key_name_set(j))
		return RESULT_LOCAL;
	j->o.key = &j->key;
	if (!signs)
		return key_load(j->key_file, &j->key, why);
	j->secret = signify_secret_load(j->key_file, why);
	if (j->secret == NULL)
		return errno == 0 ? RESULT_USAGE : RESULT_LOCAL;
	key_check_mode(j->key_file);
	signify_public(j->secret, &j->key);
	j->o.secret = j->secret;
	return RESULT_GOOD;
}

/* Whether the list may be written to OUT: not over a file that is read, and not
 * into the store or the pages. */
static bool
out_check(const struct publish_job *j, struct why *why)
{
	const char *out = j->unsigned_file;
	const struct {
		const char *path, *what;
	} files[] = { { j->key_file, "--key" },
		{ j->next_file, "--next-key" } };
	char target[PATH_MAX];
	struct stat a, b;

	if (out == NULL || j->to_stdout)
		return true;
	if (!file_target(out, target))
		return why_set(why, "--unsigned %s: %s", out, strerror(errno));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (files[i].path != NULL && stat(target, &a) == 0 &&
		    stat(files[i].path, &b) == 0 && file_is_same(&a, &b))
			return why_set(why,
			    "--unsigned %s: is the file of %s, which would be "
			    "lost",
			    out, files[i].what);
	if (file_is_inside(target, j->o.store))
		return why_set(why,
		    "--unsigned %s: lies in the store, where carnation alone "
		    "writes",
		    out);
	return !file_is_inside(target, j->o.src) ||
	       why_set(why,
		   "--unsigned %s: lies in %s, which is not written to", out,
		   j->o.src);
}

static bool
signed_read(struct publish_job *j, struct why *why)
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

/* Reads keys and the signed list, after options_set. */
static enum result
files_read(struct publish_job *j, struct why *why)
{
	enum result result = RESULT_LOCAL;

	if (out_check(j, why))
		result = keys_load(j, why);
	if (result == RESULT_GOOD && j->next_file != NULL) {
		result = key_load(j->next_file, &j->next_key, why);
		j->o.next_key = &j->next_key;
	}
	if (result == RESULT_GOOD && !signed_read(j, why))
		result = RESULT_LOCAL;
	return result;
}

/* ---------------------------------------------------- what would be lost */

/* Whether readers lose anything for good. */
static bool
losses_warn(const struct publish_plan *plan)
{
	if (plan->final_serial > 0)
		log_warn("serial %" PRIu64 " was published as the final one: "
			 "mirrors stop looking for another, and readers expect "
			 "nothing more",
		    plan->final_serial);
	for (size_t i = 0; i < plan->n_losses && i < LOSSES_MAX; i++) {
		const struct publish_loss *l = &plan->loss[i];

		log_warn("%s goes, and %s:%u links to it; %zu link%s in all",
		    l->path, l->page, l->line, l->links,
		    l->links == 1 ? "" : "s");
	}
	if (plan->n_losses > LOSSES_MAX)
		log_warn("and %zu pages more", plan->n_losses - LOSSES_MAX);
	return plan->final_serial > 0 || plan->n_losses > 0;
}

/* Asks before pages go that others link to, and before a series that was final is
 * continued. */
static bool
plan_agreed(const struct publish_plan *plan, bool yes)
{
	if (!losses_warn(plan) || yes)
		return true;
	if (plan->n_losses > 0)
		log_info("a redirect in capsule.conf keeps such links working");
	yes = verb_confirm(plan->final_serial > 0 ? "Publish all the same?"
						  : "Publish without them?",
	    yes);
	if (!yes)
		log_error("nothing was published");
	return yes;
}

/* --------------------------------------------------------------- the work */

static void
report_flush(struct report *r)
{
	report_log(r);
	report_fini(r);
	*r = (struct report){ 0 };
}

/* Writes the list, to be signed elsewhere. */
static enum result
list_write(const struct publish_job *j, struct slice list)
{
	const char *out = j->to_stdout ? "LIST" : j->unsigned_file;
	bool ok = j->to_stdout
		      ? fwrite(list.ptr, 1, list.len, stdout) == list.len &&
			    fflush(stdout) == 0
		      : file_write(out, list, LIST_MODE);
	const char *name = j->to_stdout ? "standard output" : out;

	if (!ok) {
		log_error("%s: %s", name, strerror(errno));
		return RESULT_LOCAL;
	}
	log_info("%s: written; sign it (signify -S -e -s NAME.sec -m %s "
		 "-x %s.sig), then publish with --signed %s.sig",
	    name, out, out, out);
	return RESULT_GOOD;
}

/* What comes of the plan: a release, a list to be signed, or nothing. */
static enum result
plan_carry_out(const struct publish_job *j, struct publish *p,
    const struct publish_plan *plan, struct report *r)
{
	enum result result = RESULT_GOOD, cleared = RESULT_GOOD;
	char span[CLOCK_SPAN_SIZE];

	if (j->unsigned_file != NULL)
		result = list_write(j, buf_view(&plan->list));
	else if (!j->dry_run)
		result = publish_commit(p, r);
	report_flush(r);
	if (result != RESULT_GOOD && !plan->published)
		return result;
	if (j->json && !publish_print_json(plan))
		result = RESULT_FAILED;
	if (!j->json && !j->to_stdout)
		publish_print_end(
		    plan, plan->published ? "published" : "not published");
	(void)verb_flush();
	clock_span(STORE_SUPERSEDED_S, span);
	if (plan->published && j->o.n_retract > 0)
		log_info(
		    "waiting up to %s for servers to let go of what is removed",
		    span);
	if (plan->published)
		cleared = publish_clear(p, r);
	report_flush(r);
	return result != RESULT_GOOD ? result : cleared;
}

static enum result
plan_commit(const struct publish_job *j, struct publish *p,
    const struct publish_plan *plan, struct report *r)
{
	if (plan->lint_warnings > 0)
		log_info("%zu warning%s of the linter", plan->lint_warnings,
		    plan->lint_warnings == 1 ? "" : "s");
	if (plan->other_key)
		log_warn("this key retires the earlier ones: mirrors will "
			 "refuse what those sign from now on");
	if (!j->json && !j->to_stdout)
		publish_print_changes(plan);
	return plan_agreed(plan, j->yes || j->o.look_only)
		   ? plan_carry_out(j, p, plan, r)
		   : RESULT_FAILED;
}

/* Keys and the signed list have been read. */
static bool
sandbox_begin(const struct publish_job *j)
{
	struct verb_sandbox s = { 0 };

	verb_sandbox_read(&s, j->o.src);
	if (j->o.look_only)
		verb_sandbox_read(&s, j->o.store);
	else
		verb_sandbox_write(&s, j->o.store);
	if (!j->to_stdout)
		verb_sandbox_output(&s, j->unsigned_file, true);
	verb_sandbox_types(&s);
	return verb_sandbox_enter(&s, SANDBOX_AUTHOR);
}

static enum result
publish(const struct publish_job *j)
{
	const struct publish_plan *plan = NULL;
	struct report r = { 0 };
	struct publish *p;
	enum result result;
	size_t errors;

	if (!sandbox_begin(j))
		return RESULT_LOCAL;
	result = publish_prepare(&j->o, &p, &plan, &r);
	errors = r.errors;
	report_flush(&r);
	if (result == RESULT_GOOD)
		result = plan_commit(j, p, plan, &r);
	else if (errors > 0)
		log_error("nothing was published: %zu error%s", errors,
		    errors == 1 ? "" : "s");
	publish_free(&p);
	return result;
}

static enum result
publish_run(void *job)
{
	struct publish_job *j = job;
	enum result result;
	struct why why;

	buf_init(&j->sealed, MANIFEST_MAX);
	result = options_set(j);
	if (result == RESULT_GOOD) {
		why_clear(&why);
		result = files_read(j, &why);
		if (result == RESULT_GOOD)
			result = publish(j);
		else if (why.text[0] != '\0')
			log_error("%s", why.text);
	}
	signify_secret_free(&j->secret);
	buf_fini(&j->sealed);
	free(j->certs);
	return result;
}

/* clang-format off */
const struct verb verb_publish = {
	.name = "publish",
	.summary = "make the next signed release of a capsule",
	.forms = (const char *const[]){
		"SRC STORE --key FILE [OPTION]...",
		"SRC STORE --unsigned OUT [--key FILE] [OPTION]...",
		"SRC STORE --signed FILE [--key FILE] [OPTION]...",
		"SRC STORE --key FILE --retract PATH... [OPTION]...",
		NULL,
	},
	.about =
	    "Makes the capsule in SRC the next release in STORE, which "
	    "carnation serve serves: checks it as carnation lint does (errors "
	    "stop it), adds atom.xml, the text copy, an archive and a signed "
	    "list of all files, prints what changed, and switches. SRC is not "
	    "written to.\n",
	.args = (const struct arg[]){
		{ "--key", 0, "FILE",
		    "the secret key, NAME.sec of carnation key new; the first "
		    "one used is the store's from then on",
		    ARG_TEXT(struct publish_job, key_file) },
		{ "--origin", 0, "URL",
		    "the address of the capsule, as gemini://example.org; "
		    "needed the first time",
		    ARG_TEXT(struct publish_job, origin_text),
		    .check = arg_check_origin },
		{ "--author", 0, "NAME",
		    "the author in atom.xml (default: the capsule's title)",
		    ARG_TEXT(struct publish_job, author),
		    .check = arg_check_filled },
		{ "--final", 0, NULL,
		    "the last release: mirrors need not look for another",
		    ARG_FLAG(struct publish_job, o.final) },
		{ "--refresh", 0, "DAYS",
		    "after how long mirrors call themselves stale (365)",
		    ARG_NUMBER(struct publish_job, refresh_days, 1,
			PUBLISH_REFRESH_DAYS_MAX) },
		{ "--next-key", 0, "FILE",
		    "announce the key that may sign later releases",
		    ARG_TEXT(struct publish_job, next_file) },
		{ "--unsigned", 0, "OUT",
		    "write the list that is to be signed elsewhere (- is the "
		    "standard output), publish nothing",
		    ARG_TEXT(struct publish_job, unsigned_file) },
		{ "--signed", 0, "FILE",
		    "publish with what signify -S -e made of that list",
		    ARG_TEXT(struct publish_job, signed_file) },
		{ "--serial", 0, "N",
		    "the serial of this release, when the store that knew the "
		    "last one is lost",
		    ARG_NUMBER(struct publish_job, o.serial, 1,
			MANIFEST_NUMBER_MAX) },
		{ "--retract", 0, "PATH",
		    "remove every release that has this file, which SRC no "
		    "longer has",
		    ARG_LIST(struct publish_job, retract, SIZE_MAX),
		    .check = path_check },
		{ "--level", 'W', "CODE=LEVEL",
		    "off, warn or error for one check, as for lint",
		    ARG_LIST(struct publish_job, levels, SIZE_MAX),
		    .check = publish_level_check },
		{ "--strict", 0, NULL,
		    "refuse to leave out files, instead of warning",
		    ARG_FLAG(struct publish_job, o.strict) },
		{ "--dry-run", 0, NULL, "write nothing",
		    ARG_FLAG(struct publish_job, dry_run) },
		{ "--yes", 0, NULL,
		    "do not ask before a page goes that others link to, or "
		    "after --final",
		    ARG_FLAG(struct publish_job, yes) },
		{ "--json", 0, NULL, "print what changed as a JSON object",
		    ARG_FLAG(struct publish_job, json) },
		{ "SRC", 0, NULL, NULL, ARG_TEXT(struct publish_job, o.src) },
		{ "STORE", 0, NULL, NULL,
		    ARG_TEXT(struct publish_job, o.store) },
		{ "PATH", 0, NULL, NULL,
		    ARG_LIST(struct publish_job, more, SIZE_MAX),
		    .check = path_check, .optional = true },
		{ .name = NULL },
	},
	.job_size = sizeof(struct publish_job),
	.run = publish_run,
};
/* clang-format on */
