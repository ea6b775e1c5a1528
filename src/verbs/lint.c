/* SPDX-License-Identifier: ISC */
#include "capsule/lint.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "capsule/policy.h"
#include "conf/options.h"
#include "util/clock.h"
#include "util/log.h"
#include "verbs/args.h"
#include "verbs/lint_output.h"
#include "verbs/verbs.h"

enum { OPTION_JSON = ARGS_LONG };

const char lint_usage[] =
    "usage: carnation lint [-c FILE] [--json] [-W CODE=off|warn|error]... DIR\n"
    "\n"
    "Reads the capsule in DIR as its visitors would, and lists what is wrong "
    "with it, one\n"
    "finding a line: pages, links (asked of the code that answers visitors), "
    "capsule.conf,\n"
    "feed, robots.txt. Nothing is fetched. Exit status 1 when there are "
    "errors.\n"
    "\n"
    "  -c, --config FILE          the server's configuration: hosts, types, "
    "redirects; DIR is\n"
    "                             the root of one of its capsules, or stands "
    "for the only one\n"
    "  --json                     the list as JSON\n"
    "  -W, --level CODE=LEVEL     off, warn or error for one check; may be "
    "repeated\n"
    "\n"
    "The codes are explained in carnation(8).\n";

enum { CODE_SIZE = 16, CODES_MAX = 128 };

struct job {
	struct lint *lint;
	const char *file; /* NULL: none */
	const char *dir;
	bool json;
};

/* The codes are all capitals and digits. */
static bool
unknown_code(const char *code)
{
	char upper[CODE_SIZE] = "";
	const char *names[CODES_MAX + 1] = { NULL };
	const struct lint_rule *rules;
	const char *near;
	size_t n;

	rules = lint_rules(&n);
	for (size_t i = 0; i < n && i < CODES_MAX; i++)
		names[i] = rules[i].code;
	for (size_t i = 0; code[i] != '\0'; i++)
		upper[i] = (char)toupper((unsigned char)code[i]);
	near = word_nearest(upper, names);
	fprintf(stderr, "carnation lint: -W: no check \"%s\"%s%s%s\n", code,
	    near != NULL ? "; did you mean " : "", near != NULL ? near : "",
	    near != NULL ? "?" : "");
	return false;
}

/* "G031=off". False after a message. */
static bool
set_level(struct job *j, const char *text)
{
	static const char *const names[] = { "off", "warn", "error", NULL };
	static const enum lint_level levels[] = { LINT_OFF, LINT_WARNING,
		LINT_ERROR };
	const char *equals = strchr(text, '=');
	char code[CODE_SIZE] = "";
	size_t len = equals == NULL ? strlen(text) : (size_t)(equals - text);

	if (len < sizeof(code))
		memcpy(code, text, len);
	for (size_t i = 0; equals != NULL && names[i] != NULL; i++) {
		if (strcmp(equals + 1, names[i]) != 0)
			continue;
		return lint_set(j->lint, code, levels[i]) || unknown_code(code);
	}
	fprintf(stderr,
	    "carnation lint: -W %s: say CODE=off, CODE=warn or CODE=error\n",
	    text);
	return false;
}

/* False after a message: wrong usage. */
static bool
parse(struct job *j, int argc, char **argv)
{
	static const struct args_option options[] = {
		{ "--config", 'c', true },
		{ "--json", OPTION_JSON, false },
		{ "--level", 'W', ARGS_MANY },
		{ NULL, 0, false },
	};
	struct args a = {
		.verb = "lint", .options = options, .argc = argc, .argv = argv
	};
	int letter;

	while ((letter = args_next(&a)) != ARGS_END) {
		if (letter == 'c') {
			j->file = a.value;
		} else if (letter == OPTION_JSON) {
			j->json = true;
		} else if (letter == ARGS_WORD && j->dir == NULL) {
			j->dir = a.value;
		} else if (letter == ARGS_WORD) {
			fprintf(stderr,
			    "carnation lint: one directory, not also \"%s\"\n",
			    a.value);
			return false;
		} else if (letter != 'W' || !set_level(j, a.value)) {
			return false;
		}
	}
	if (j->dir == NULL)
		fprintf(stderr, "carnation lint: name a directory\n");
	return j->dir != NULL;
}

static bool
is_root(const char *dir, const struct conf_capsule *c)
{
	struct stat a, b;

	return c->root.text != NULL && stat(dir, &a) == 0 &&
	       stat(c->root.text, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* Which capsule of the configuration is in question; without one, a capsule of
 * our own. Problems go to r. */
static size_t
choose(const struct job *j, struct conf *conf, struct report *r)
{
	struct conf_capsule *c = conf->capsules;

	if (conf->n_capsules > 1) {
		for (size_t i = 0; i < conf->n_capsules; i++)
			if (is_root(j->dir, &c[i]))
				return i;
		report_add(r, REPORT_ERROR, NULL, 0,
		    "%s is the root of none of the %zu capsules in %s", j->dir,
		    conf->n_capsules, j->file);
		return 0;
	}
	if (conf->n_capsules == 0) {
		c = conf_add_capsule(conf);
		if (c != NULL && !conf_set_text(conf, &c->host, "localhost"))
			c = NULL;
	}
	if (c == NULL || !conf_set_text(conf, &c->root, j->dir))
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
	return 0;
}

/* Opens what conf has. Other capsules than ours need not be on this machine, so
 * only what is wrong with ours goes to r. */
static struct hosts *
open_hosts(struct conf *conf, size_t ours, struct report *r)
{
	struct report all = { 0 };
	struct hosts *hosts = hosts_open_all(conf, &all);

	if (hosts != NULL && (hosts->host[ours].root == -1 ||
				 hosts->host[ours].names[0][0] == '\0')) {
		for (size_t i = 0; i < all.n; i++)
			report_add(r, all.items[i].level, all.items[i].file,
			    all.items[i].line, "%s", all.items[i].text);
		hosts_free(&hosts);
	}
	/* The mistakes of capsule.conf are among the findings. */
	if (hosts != NULL)
		hosts_salvage_content(hosts);
	report_fini(&all);
	return hosts;
}

static bool
run(const struct job *j, struct conf *conf, struct report *r)
{
	struct hosts *hosts = NULL;
	struct mime *mime = NULL;
	bool ok = false;
	size_t ours;

	if (j->file != NULL && !conf_read(conf, j->file, r))
		goto out;
	ours = choose(j, conf, r);
	if (r->errors > 0 || !conf_check(conf, r) || !policy_check(conf, r))
		goto out;
	hosts = open_hosts(conf, ours, r);
	mime = mime_new(conf, r);
	if (hosts == NULL || mime == NULL)
		goto out;
	ok = lint_run(j->lint, hosts, &hosts->host[ours], mime);
	if (!ok)
		report_add(r, REPORT_ERROR, NULL, 0, "%s: %s", j->dir,
		    strerror(errno));
out:
	mime_free(&mime);
	hosts_free(&hosts);
	return ok;
}

static int
lint(const struct job *j)
{
	struct report r = { 0 };
	struct conf *conf = conf_new();
	bool ok = conf != NULL && run(j, conf, &r);

	if (conf == NULL)
		log_error("out of memory");
	report_log(&r);
	report_fini(&r);
	conf_free(&conf);
	if (!ok)
		return EXIT_FAILED;
	if (!(j->json ? lint_print_json(j->lint) : lint_print_text(j->lint))) {
		log_error("the list cannot be written: %s", strerror(errno));
		return EXIT_FAILED;
	}
	return lint_count(j->lint, LINT_ERROR) > 0 ? EXIT_FAILED : EXIT_GOOD;
}

int
verb_lint(int argc, char **argv)
{
	struct job j = { .lint = lint_new(clock_wall()) };
	int status = EXIT_FAILED;

	if (j.lint == NULL)
		log_error("out of memory");
	else if (!parse(&j, argc, argv))
		status = verb_misused("lint");
	else
		status = lint(&j);
	lint_free(&j.lint);
	return status;
}
