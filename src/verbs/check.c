/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <unistd.h>

#include "server/access.h"
#include "server/inspection.h"
#include "server/limiter.h"
#include "server/listeners.h"
#include "server/site.h"
#include "util/log.h"
#include "verbs/serve_options.h"
#include "verbs/verbs.h"

const char check_usage[] =
    "usage: carnation check [-c FILE] [--json] [--dump] "
    "[option of serve]... [DIR|STORE]\n"
    "\n"
    "Loads everything serve would load and lists every problem with its "
    "place.\n"
    "Exit status 1 when there is an error: serve would not start or reload, or "
    "would\n"
    "not serve a capsule as it is.\n"
    "\n"
    "  --json   the list as JSON\n"
    "  --dump   print the effective configuration in the file's own syntax\n";

enum { DUMP_MAX = 16 * 1024 * 1024, LINE_MAX_BYTES = 64 * 1024 };

/* All that is opened at a start, and shut again. */
static void
load_all(const struct serve_options *o, struct conf *conf, struct report *r)
{
	const struct site_options options = {
		.certs_dir = o->certs_dir,
		.look_only = true,
	};
	struct network networks[LIMITER_EXEMPT_MAX];
	struct site *site;

	listeners_check(conf, r);
	limiter_networks(&conf->limits.exempt, networks, r);
	access_check(conf, r);
	site = site_load(conf, NULL, &options, r);
	if (site == NULL)
		return;
	inspection_check(site, r);
	site_warn(site, r);
	site_free(&site);
}

static void
print_text(const struct report *r)
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

static void
print_string(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, "\"%s\":", name);
	if (text == NULL) {
		buf_str(out, "null");
		return;
	}
	buf_byte(out, '"');
	log_escape_json(out, slice_str(text));
	buf_byte(out, '"');
}

static void
print_json(const struct report *r)
{
	struct buf out;

	buf_init(&out, DUMP_MAX);
	buf_printf(&out, "{\"errors\":%zu,\"warnings\":%zu,\"problems\":[",
	    r->errors, r->warnings);
	for (size_t i = 0; i < r->n; i++) {
		const struct report_item *item = &r->items[i];

		buf_str(&out, i == 0 ? "\n{" : ",\n{");
		print_string(&out, "level",
		    item->level == REPORT_ERROR ? "error" : "warning");
		buf_byte(&out, ',');
		print_string(&out, "file", item->file);
		buf_printf(&out, ",\"line\":%u,", item->line);
		print_string(&out, "text", item->text);
		buf_byte(&out, '}');
	}
	buf_str(&out, "]}");
	puts(buf_cstr(&out));
	buf_fini(&out);
}

static bool
print_dump(const struct conf *conf)
{
	struct buf out;
	bool ok;

	buf_init(&out, DUMP_MAX);
	ok = conf_dump(conf, &out);
	if (ok)
		fputs(buf_cstr(&out), stdout);
	buf_fini(&out);
	return ok;
}

static int
dump(const struct serve_options *o)
{
	struct report r = { 0 };
	struct conf *conf = serve_options_conf(o, &r);
	bool ok = r.errors == 0 && conf != NULL && print_dump(conf);

	report_log(&r);
	report_fini(&r);
	conf_free(&conf);
	return ok ? EXIT_GOOD : EXIT_FAILED;
}

int
serve_options_check(const struct serve_options *o)
{
	struct report r = { 0 };
	struct conf *conf;
	int status;

	if (o->dump)
		return dump(o);
	conf = serve_options_conf(o, &r);
	if (conf != NULL && (r.errors == 0 || conf->n_capsules > 0))
		load_all(o, conf, &r);
	else
		conf_free(&conf);
	if (o->json)
		print_json(&r);
	else
		print_text(&r);
	status = r.errors > 0 ? EXIT_FAILED : EXIT_GOOD;
	report_fini(&r);
	return status;
}

int
verb_check(int argc, char **argv)
{
	struct serve_options o;
	int status;

	if (!serve_options_parse(&o, "check", argc, argv)) {
		verb_misused("check");
		return EXIT_USAGE;
	}
	status = serve_options_check(&o);
	serve_options_fini(&o);
	return status;
}
