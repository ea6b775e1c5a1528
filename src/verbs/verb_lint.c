/* SPDX-License-Identifier: ISC */
#include "capsule/lint.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/privs.h"
#include "util/clock.h"
#include "util/json.h"
#include "util/log.h"
#include "verbs/verb_sandbox.h"
#include "verbs/verbs.h"

enum {
	LINT_LINE_MAX = 256 * 1024, /* a path and a text, escaped */
	LINT_JSON_MAX = 256 << 20,
};

struct lint_job {
	const char *file; /* NULL: none */
	const char *dir;
	struct arg_list levels; /* "G031=off" */
	bool json;
};

/* ---------------------------------------------------------------- findings */

static const char *const levels[] = { "off", "info", "warning", "error" };

static void
finding_print(const struct lint_finding *f, struct buf *line)
{
	buf_reset(line);
	buf_printf(line, "%s ", f->rule->code);
	log_escape(line, slice_str(f->file == NULL ? "." : f->file));
	if (f->line != 0)
		buf_printf(line, ":%u", f->line);
	buf_str(line, ": ");
	if (f->level != LINT_ERROR)
		buf_printf(line, "%s: ", levels[f->level]);
	log_escape(line, slice_str(f->text));
	printf("%s\n", buf_cstr(line));
}

static const char *
plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static bool
print_text(const struct lint *l)
{
	size_t errors = lint_count(l, LINT_ERROR);
	size_t warnings = lint_count(l, LINT_WARNING);
	size_t infos = lint_count(l, LINT_INFO);
	const struct lint_finding *f;
	size_t n, external = 0;
	struct buf line;
	bool ok;

	f = lint_findings(l, &n);
	buf_init(&line, LINT_LINE_MAX);
	for (size_t i = 0; i < n; i++) {
		finding_print(&f[i], &line);
		external += f[i].level == LINT_INFO &&
			    strcmp(f[i].rule->code, "G020") == 0;
	}
	buf_fini(&line);
	/* The summary is the last line, whatever both streams are. */
	ok = verb_flush();
	if (n < errors + warnings + infos)
		fprintf(stderr, "%zu further findings are not listed\n",
		    errors + warnings + infos - n);
	fprintf(stderr,
	    "%zu error%s, %zu warning%s, %zu external link%s, %zu other "
	    "remark%s\n",
	    errors, plural(errors), warnings, plural(warnings), external,
	    plural(external), infos - external, plural(infos - external));
	return ok;
}

static bool
print_json(const struct lint *l)
{
	const struct lint_finding *f;
	struct buf out;
	struct json j = { .out = &out };
	size_t n;
	bool ok;

	f = lint_findings(l, &n);
	buf_init(&out, LINT_JSON_MAX);
	json_object(&j, NULL);
	json_number(&j, "errors", lint_count(l, LINT_ERROR));
	json_number(&j, "warnings", lint_count(l, LINT_WARNING));
	json_number(&j, "infos", lint_count(l, LINT_INFO));
	json_list(&j, "findings");
	for (size_t i = 0; i < n; i++) {
		json_object(&j, NULL);
		json_text(&j, "code", f[i].rule->code);
		json_text(&j, "level", levels[f[i].level]);
		json_text(&j, "file", f[i].file);
		json_number(&j, "line", f[i].line);
		json_text(&j, "text", f[i].text);
		json_end(&j);
	}
	json_end(&j);
	json_end(&j);
	ok = verb_print(&out);
	buf_fini(&out);
	return ok;
}

/* --------------------------------------------------------------- the work */

/* Root can read everything; the workers cannot. Becomes their user, after all
 * roots have been opened, as the server does. */
static bool
privs_become_workers(
    const struct conf *conf, const struct host *ours, struct report *r)
{
	const struct conf_text *at = &conf->user;
	struct privs privs;
	struct why why;

	if (geteuid() != 0)
		return true;
	if (!privs_find(conf->user.text, conf->group.text, &privs, &why)) {
		report_add(r, REPORT_ERROR, at->file, at->line, "%s", why.text);
		return false;
	}
	if (!privs_drop(&privs)) {
		report_add(r, REPORT_ERROR, NULL, 0,
		    "cannot change to user %s: %s", privs.user,
		    strerror(errno));
		return false;
	}
	if (host_may_enter(ours->root))
		return true;
	at = &ours->conf->root;
	report_add(r, REPORT_ERROR, at->file, at->line,
	    "root \"%s\": user %s cannot enter that directory", at->text,
	    privs.user);
	return false;
}

/* Roots and libmagic's database are open. Links lead to other capsules of the
 * configuration too. */
static bool
sandbox_begin(const struct hosts *hosts)
{
	struct verb_sandbox s = { 0 };

	for (size_t i = 0; i < hosts->n; i++) {
		verb_sandbox_read_fd(&s, hosts->host[i].root);
		verb_sandbox_read_fd(&s, hosts->host[i].store);
	}
	return verb_sandbox_enter(&s, SANDBOX_READER);
}

static bool
lint_dir(const struct lint_job *j, struct lint *lint, struct verb_capsule *c,
    struct report *r)
{
	struct mime *mime;
	bool ok;

	if (!verb_capsule_open(c, j->file, j->dir, r) ||
	    !privs_become_workers(c->conf, c->host, r))
		return false;
	mime = mime_new(c->conf, r);
	if (mime == NULL)
		return false;
	if (!sandbox_begin(c->hosts)) {
		mime_free(&mime);
		return false;
	}
	/* The mistakes of capsule.conf are among the findings. */
	hosts_salvage_content(c->hosts);
	ok = lint_run(lint, c->hosts, c->host, mime);
	if (!ok)
		report_add(r, REPORT_ERROR, NULL, 0, "%s: %s", j->dir,
		    strerror(errno));
	mime_free(&mime);
	return ok;
}

static enum result
lint(const struct lint_job *j, struct lint *lint)
{
	struct verb_capsule capsule = { 0 };
	struct report r = { 0 };
	bool ok = lint_dir(j, lint, &capsule, &r);

	report_log(&r);
	report_fini(&r);
	verb_capsule_close(&capsule);
	ok = ok && (j->json ? print_json(lint) : print_text(lint));
	return ok && lint_count(lint, LINT_ERROR) == 0 ? RESULT_GOOD
						       : RESULT_FAILED;
}

static enum result
lint_verb_run(void *job)
{
	struct lint_job *j = job;
	struct lint *lint_state = lint_new(clock_wall());
	enum result result;
	struct why why;

	if (lint_state == NULL) {
		log_error("out of memory");
		return RESULT_FAILED;
	}
	for (size_t i = 0; i < j->levels.n; i++)
		lint_set_text(lint_state, j->levels.text[i], &why);
	result = lint(j, lint_state);
	lint_free(&lint_state);
	return result;
}

/* clang-format off */
const struct verb verb_lint = {
	.name = "lint",
	.summary = "find faults in pages and links",
	.about = "Reads the capsule in DIR as its readers would, and lists "
		 "what is wrong with it, a finding a line: pages, links "
		 "(resolved by the code that answers requests), capsule.conf, "
		 "feed, robots.txt. Nothing is fetched.\n",
	.notes = "The codes are explained in carnation-lint(7). Exit status 1 "
		 "when there are errors.\n",
	.args = (const struct arg[]){
		{ "--config", 'c', "FILE",
		    "the server's configuration: hosts, types, redirects; DIR "
		    "is the root of one of its capsules, or stands for the "
		    "only one", ARG_TEXT(struct lint_job, file) },
		{ "--json", 0, NULL, "print a JSON object",
		    ARG_FLAG(struct lint_job, json) },
		{ "--level", 'W', "CODE=LEVEL",
		    "off, warn or error for one check",
		    ARG_LIST(struct lint_job, levels, SIZE_MAX),
		    .check = arg_check_level },
		{ "DIR", 0, NULL, NULL, ARG_TEXT(struct lint_job, dir) },
		{ .name = NULL },
	},
	.job_size = sizeof(struct lint_job),
	.run = lint_verb_run,
};
/* clang-format on */
