/* SPDX-License-Identifier: ISC */
#include "archive/publish.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "os/file.h"
#include "util/log.h"
#include "verbs/publish_options.h"
#include "verbs/publish_output.h"
#include "verbs/verbs.h"

const char publish_usage[] =
    "usage: carnation publish SRC STORE --key FILE [--origin URL] [--author "
    "NAME]\n"
    "           [--final] [--refresh DAYS] [--next-key FILE] [--strict] "
    "[--dry-run]\n"
    "           [--yes] [--json]\n"
    "       carnation publish SRC STORE --unsigned OUT [--key FILE] ...\n"
    "       carnation publish SRC STORE --signed FILE [--key FILE] ...\n"
    "\n"
    "Makes the capsule in SRC the next release in STORE, which carnation serve "
    "serves:\n"
    "checks it as carnation lint does (errors stop it), adds atom.xml, the "
    "text copy, an\n"
    "archive and a signed list of all files, tells what changed, and switches. "
    "SRC is\n"
    "not written to.\n"
    "\n"
    "  --key FILE        the secret key, NAME.sec of carnation key new; the "
    "first one\n"
    "                    used is the store's for good\n"
    "  --origin URL      where the capsule is found, as gemini://example.org; "
    "needed the\n"
    "                    first time\n"
    "  --author NAME     who wrote the pages, as atom.xml says it; otherwise "
    "the\n"
    "                    capsule's title\n"
    "  --final           the last release: mirrors need not look for another\n"
    "  --refresh DAYS    mirrors call themselves stale after so long (365)\n"
    "  --next-key FILE   announces the key that may sign later releases\n"
    "  --unsigned OUT    writes the list to be signed elsewhere (- is the "
    "standard\n"
    "                    output), publishes nothing\n"
    "  --signed FILE     publishes with what signify -S -e made of that list\n"
    "  --strict          refuses what would be left out with a warning\n"
    "  --dry-run         writes nothing\n"
    "  --yes             does not ask before a page goes that others link to, "
    "or after\n"
    "                    --final\n"
    "  --json            what changed as a JSON object\n";

enum { LIST_MODE = 0644 };

static int
status_of(enum publish_result result)
{
	static const int status[] = {
		[PUBLISH_GOOD] = EXIT_GOOD,
		[PUBLISH_FAILED] = EXIT_FAILED,
		[PUBLISH_MISUSED] = EXIT_USAGE,
		[PUBLISH_REFUSED] = EXIT_REFUSED,
		[PUBLISH_LOCAL] = EXIT_LOCAL,
	};

	return status[result];
}

static void
tell(struct report *r)
{
	report_log(r);
	report_fini(r);
	*r = (struct report){ 0 };
}

/* The list, for somebody to sign. */
static int
write_list(const struct publish_job *j, const struct publish *p)
{
	const char *out = j->to_stdout ? "LIST" : j->unsigned_file;
	struct slice list = publish_list(p);
	bool ok;

	if (j->to_stdout)
		ok = fwrite(list.ptr, 1, list.len, stdout) == list.len &&
		     fflush(stdout) == 0;
	else
		ok = file_write(out, list, LIST_MODE);
	if (!ok) {
		log_error("%s: %s", j->to_stdout ? "standard output" : out,
		    strerror(errno));
		return EXIT_LOCAL;
	}
	log_info("%s: written; have it signed (signify -S -e -s NAME.sec -m %s "
		 "-x %s.sig), then publish with --signed %s.sig",
	    j->to_stdout ? "standard output" : out, out, out, out);
	return EXIT_GOOD;
}

/* From the plan to the end. */
static int
go_on(const struct publish_job *j, struct publish *p, struct report *r)
{
	const struct publish_plan *plan = publish_plan(p);
	enum publish_result result = PUBLISH_GOOD;
	bool publishes = j->unsigned_file == NULL && !j->dry_run;
	int status = EXIT_GOOD;

	if (plan->lint_warnings > 0)
		log_info("%zu warning%s of the linter", plan->lint_warnings,
		    plan->lint_warnings == 1 ? "" : "s");
	if (plan->other_key)
		log_warn("this key retires those before it: mirrors will take "
			 "nothing more that they sign");
	if (!j->json && !j->to_stdout)
		publish_print_changes(plan);
	(void)fflush(stdout);
	if (!publish_ask(plan, j->yes || !publishes))
		return EXIT_FAILED;
	if (publishes) {
		result = publish_commit(p, r);
		tell(r);
		status = status_of(result);
	} else if (j->unsigned_file != NULL) {
		status = write_list(j, p);
	}
	if (status != EXIT_GOOD)
		return status;
	if (j->json)
		publish_print_json(plan, publishes);
	else if (!j->to_stdout)
		publish_print_end(
		    plan, publishes ? "published" : "not published");
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_GOOD;
	log_error("standard output: %s", strerror(errno));
	return EXIT_FAILED;
}

static int
publish(const struct publish_job *j)
{
	struct publish *p = publish_new(&j->o);
	enum publish_result result = PUBLISH_LOCAL;
	struct report r = { 0 };
	int status;

	if (p == NULL)
		log_error("out of memory");
	else
		result = publish_prepare(p, &r);
	tell(&r);
	status = result == PUBLISH_GOOD ? go_on(j, p, &r) : status_of(result);
	publish_free(&p);
	return status;
}

int
verb_publish(int argc, char **argv)
{
	struct publish_job j;
	int status;

	publish_options_init(&j);
	status = publish_options_parse(&j, argc, argv)
		     ? publish_options_read(&j)
		     : verb_misused("publish");
	if (status == EXIT_GOOD)
		status = publish(&j);
	publish_options_fini(&j);
	return status;
}
