/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>

#include "server/access.h"
#include "server/confinement.h"
#include "server/inspection.h"
#include "server/limiter.h"
#include "server/listeners.h"
#include "server/site.h"
#include "util/json.h"
#include "verbs/verb_serve.h"
#include "verbs/verbs.h"

enum { DUMP_MAX = 16 * 1024 * 1024, LINE_MAX_BYTES = 64 * 1024 };

/* All that is opened at a start, and shut again. */
static void
site_check(const struct serve_options *o, struct conf *conf, struct report *r)
{
	const struct site_options options = {
		.certs_dir = o->certs_dir,
		.look_only = true,
	};
	struct network networks[LIMITER_EXEMPT_MAX];
	struct site *site;
	size_t errors;

	listeners_check(conf, r);
	limiter_networks(&conf->limits.exempt, networks, r);
	access_check(conf, r);
	errors = r->errors;
	confinement_check(conf, r);
	/* Said: what the capsules are like can still be found out. */
	if (r->errors > errors)
		conf->sandbox = CONF_SANDBOX_ON;
	site = site_load(conf, NULL, &options, r);
	if (site == NULL)
		return;
	inspection_check(site, r);
	site_warn(site, r);
	site_free(&site);
}

static void
problems_print(const struct report *r)
{
	struct buf line;

	buf_init(&line, LINE_MAX_BYTES);
	for (size_t i = 0; i < r->n; i++) {
		buf_reset(&line);
		if (report_format(&r->items[i], &line))
			printf("%s\n", buf_cstr(&line));
	}
	buf_fini(&line);
	fprintf(stderr, "%zu error%s, %zu warning%s\n", r->errors,
	    r->errors == 1 ? "" : "s", r->warnings,
	    r->warnings == 1 ? "" : "s");
}

/* What a server here would be confined by. mode: as configured. */
static void
sandbox_put_json(struct json *j, int mode)
{
	const struct sandbox_state *offered = confinement_offered();
	bool on = mode != CONF_SANDBOX_OFF;

	json_text(j, "sandbox", conf_sandbox_words[mode]);
	json_number(j, "landlock", on ? (uint64_t)offered->landlock : 0);
	json_bool(j, "seccomp", on && offered->seccomp);
}

static void
problems_put_json(const struct report *r, int sandbox)
{
	struct buf out;
	struct json j = { .out = &out };

	buf_init(&out, DUMP_MAX);
	json_object(&j, NULL);
	json_number(&j, "errors", r->errors);
	json_number(&j, "warnings", r->warnings);
	sandbox_put_json(&j, sandbox);
	json_list(&j, "problems");
	for (size_t i = 0; i < r->n; i++) {
		const struct report_item *item = &r->items[i];

		json_object(&j, NULL);
		json_text(&j, "level",
		    item->level == REPORT_ERROR ? "error" : "warning");
		json_text(&j, "file", item->file);
		json_number(&j, "line", item->line);
		json_text(&j, "text", item->text);
		json_end(&j);
	}
	json_end(&j);
	json_end(&j);
	verb_print(&out);
	buf_fini(&out);
}

static bool
print_dump(const struct conf *conf)
{
	struct buf out;
	bool ok;

	buf_init(&out, DUMP_MAX);
	conf_dump(conf, &out);
	ok = verb_print(&out);
	buf_fini(&out);
	return ok;
}

static enum result
dump(const struct serve_options *o)
{
	struct report r = { 0 };
	struct conf *conf = serve_options_conf(o, &r);
	bool ok = r.errors == 0 && conf != NULL && print_dump(conf);

	report_log(&r);
	report_fini(&r);
	conf_free(&conf);
	return ok ? RESULT_GOOD : RESULT_FAILED;
}

enum result
check_run(const struct serve_options *o)
{
	struct report r = { 0 };
	struct conf *conf;
	enum result status;
	int sandbox;

	if (o->dump)
		return dump(o);
	conf = serve_options_conf(o, &r);
	sandbox = conf != NULL ? conf->sandbox : CONF_SANDBOX_ON;
	if (conf != NULL && (r.errors == 0 || conf->n_capsules > 0))
		site_check(o, conf, &r);
	else
		conf_free(&conf);
	if (o->json)
		problems_put_json(&r, sandbox);
	else
		problems_print(&r);
	status = r.errors > 0 ? RESULT_FAILED : RESULT_GOOD;
	report_fini(&r);
	return status;
}

static enum result
check(void *job)
{
	struct serve_options *o = job;
	enum result result;

	o->dry_run = true;
	result = serve_options_check(o);
	if (result == RESULT_GOOD)
		result = check_run(o);
	free(o->certs_dir);
	return result;
}

const struct verb verb_check = {
	.name = "check",
	.summary = "load everything that serve would load",
	.about = "Loads everything that serve would load, with the options of "
		 "serve, and lists every problem with its place.\n",
	.notes = "Exit status 1 when there is an error: serve would not start "
		 "or reload, or would not serve a capsule as it is.\n",
	.args = serve_args,
	.job_size = sizeof(struct serve_options),
	.run = check,
};
