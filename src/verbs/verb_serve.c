/* SPDX-License-Identifier: ISC */
#include "verbs/verb_serve.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capsule/listing.h"
#include "capsule/policy.h"
#include "os/listen.h"
#include "os/service.h"
#include "proto/hostname.h"
#include "server/access.h"
#include "server/confinement.h"
#include "server/parent.h"
#include "tls/memory.h"
#include "tls/parts.h"
#include "util/log.h"
#include "util/version.h"
#include "verbs/verbs.h"

enum {
	GEMINI_PORT = LISTEN_PORT_DEFAULT,
	SANDBOX_LINE_MAX = 128,
	DISPLAY_SIZE = 4 * HOSTNAME_SIZE, /* of a name in its own letters */
	PARTS_TEXT_MAX = 256,
	STOP_TEXT_MAX = 300, /* NAME_MAX and a command */
};

/* ---------------------------------------------------------------- options */

static bool
listen_check(const char *text, struct why *why)
{
	struct listen_address addresses[2];
	size_t n;

	return listen_parse(text, addresses, &n, why);
}

/* clang-format off */
const struct arg serve_args[] = {
	{ "--config", 'c', "FILE", "the configuration, see carnation.conf(5)",
	    ARG_TEXT(struct serve_options, file) },
	{ "--host", 0, "NAME",
	    "a name that the capsule is served under; the first one names the "
	    "certificate (default: localhost and this machine's name)",
	    ARG_LIST(struct serve_options, hosts, SERVE_LIST_MAX), .check = arg_check_host },
	{ "--listen", 0, "ADDR[:PORT]",
	    "where to listen (default: port 1965 of all addresses; of loopback when only DIR is given)",
	    ARG_LIST(struct serve_options, listen, SERVE_LIST_MAX),
	    .check = listen_check },
	{ "--certs", 0, "DIR",
	    "where certificates are kept, and made when missing",
	    ARG_TEXT(struct serve_options, certs) },
	{ "--cert", 0, "FILE", "use this certificate instead, with --key",
	    ARG_TEXT(struct serve_options, cert) },
	{ "--key", 0, "FILE", "the private key of --cert",
	    ARG_TEXT(struct serve_options, key) },
	{ "--workers", 0, "N", "worker processes (default: one per CPU)",
	    ARG_NUMBER(struct serve_options, workers, 1, CONF_WORKERS_MAX) },
	{ "--log", 0, "FILE", "the access log; - is stderr",
	    ARG_TEXT(struct serve_options, log) },
	{ "--dry-run", 'n', NULL, "only check, as carnation check does",
	    ARG_FLAG(struct serve_options, dry_run) },
	{ "--json", 0, NULL, "of check and -n: print the problems as JSON",
	    ARG_FLAG(struct serve_options, json) },
	{ "--dump", 0, NULL,
	    "of check and -n: print the effective configuration in the syntax "
	    "of carnation.conf(5)",
	    ARG_FLAG(struct serve_options, dump) },
	{ "DIR|STORE", 0, NULL, NULL, ARG_TEXT(struct serve_options, dir),
	    .optional = true },
	{ .name = NULL },
};
/* clang-format on */

enum result
serve_options_check(struct serve_options *o)
{
	if ((o->json || o->dump) && !o->dry_run)
		return verb_misused("--json and --dump need -n");
	if (o->file == NULL && o->dir == NULL)
		return verb_misused(
		    "missing argument: DIR (or -c FILE for a configuration)");
	if ((o->cert == NULL) != (o->key == NULL))
		return verb_misused("--cert and --key must be given together");
	if (o->cert != NULL && o->certs != NULL)
		return verb_misused(
		    "--certs cannot be combined with --cert and --key");
	o->certs_dir =
	    o->certs != NULL ? strdup(o->certs) : default_certs_dir();
	return RESULT_GOOD;
}

/* With a directory and no name: localhost and this machine's name. */
static bool
default_hosts(struct conf *conf, struct conf_capsule *c)
{
	char machine[HOSTNAME_SIZE] = "";
	char canonical[HOSTNAME_SIZE];

	if (!conf_set_text(conf, &c->host, "localhost"))
		return false;
	if (gethostname(machine, sizeof(machine) - 1) == -1 ||
	    hostname_canonical(slice_str(machine), canonical) !=
		HOSTNAME_NAME ||
	    strcmp(canonical, "localhost") == 0)
		return true;
	return conf_list_add(conf, &c->aliases, canonical);
}

static bool
set_hosts(
    const struct serve_options *o, struct conf *conf, struct conf_capsule *c)
{
	bool ok = conf_set_text(conf, &c->host, o->hosts.text[0]);

	c->aliases.n = 0;
	for (size_t i = 1; i < o->hosts.n; i++)
		ok = ok && conf_list_add(conf, &c->aliases, o->hosts.text[i]);
	return ok;
}

/* What the command line says of a capsule applies to the only one. */
static bool
set_capsule(const struct serve_options *o, struct conf *conf, struct report *r)
{
	struct conf_capsule *c;
	bool fresh = conf->n_capsules == 0, ok = true;

	if (o->dir == NULL && o->hosts.n == 0 && o->cert == NULL)
		return true;
	if (conf->n_capsules > 1) {
		report_add(r, REPORT_ERROR, NULL, 0,
		    "a directory, --host, --cert and --key go with one "
		    "capsule, but %s has %zu",
		    o->file, conf->n_capsules);
		return true;
	}
	c = fresh ? conf_add_capsule(conf) : &conf->capsules[0];
	if (c == NULL)
		return false;
	if (o->dir != NULL)
		ok = conf_set_text(conf, &c->root, o->dir);
	if (o->hosts.n > 0)
		ok = ok && set_hosts(o, conf, c);
	else if (fresh)
		ok = ok && default_hosts(conf, c);
	if (o->cert != NULL)
		ok = ok && conf_set_text(conf, &c->certificate, o->cert) &&
		     conf_set_text(conf, &c->key, o->key);
	return ok;
}

/* A directory and nothing else: for a look, not for other machines. */
static bool
serve_is_local(const struct serve_options *o)
{
	return o->file == NULL && o->hosts.n == 0 && o->listen.n == 0;
}

static bool
set_server(const struct serve_options *o, struct conf *conf)
{
	bool ok = true;

	if (serve_is_local(o)) {
		conf->listen.n = 0;
		ok = conf_list_add(conf, &conf->listen, "127.0.0.1") &&
		     conf_list_add(conf, &conf->listen, "[::1]");
	}

	if (o->listen.n > 0)
		conf->listen.n = 0;
	for (size_t i = 0; i < o->listen.n; i++)
		ok =
		    ok && conf_list_add(conf, &conf->listen, o->listen.text[i]);
	if (o->workers > 0)
		conf->workers = (int)o->workers;
	if (o->log != NULL)
		ok = ok && conf_set_text(conf, &conf->log.access,
			       strcmp(o->log, "-") == 0 ? "stderr" : o->log);
	return ok;
}

struct conf *
serve_options_conf(const struct serve_options *o, struct report *r)
{
	struct conf *conf = conf_new();

	if (conf == NULL) {
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
		return NULL;
	}
	/* A file that could not be parsed says nothing more to check. */
	if (o->file != NULL && !conf_read(conf, o->file, r) &&
	    conf->n_capsules == 0)
		return conf;
	if (!set_capsule(o, conf, r) || !set_server(o, conf))
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
	conf_check(conf, r);
	policy_check(conf, r);
	access_check_roots(conf, r);
	return conf;
}

/* ------------------------------------------------------------ the summary */

/* What the parent hands back. */
struct serving {
	const struct serve_options *options;
	const char *stop; /* how a person stops the server */
};

static struct conf *
conf_load(void *arg, struct report *r)
{
	const struct serving *s = arg;
	size_t errors = r->errors;
	struct conf *conf = serve_options_conf(s->options, r);

	if (r->errors > errors)
		conf_free(&conf);
	return conf;
}

/* "gemini://host/", with the port only where it must be said. */
static void
print_url(const struct site *site, const struct listeners *l, size_t i)
{
	unsigned port = l->n > 0 ? listen_port(&l->item[0].real) : 0;
	const char *name = site->hosts->host[i].names[0];
	bool v6 = strchr(name, ':') != NULL;
	char shown[DISPLAY_SIZE];

	if (site->base->conf->public_port != 0)
		port = (unsigned)site->base->conf->public_port;
	if (hostname_display(name, shown, sizeof(shown)))
		name = shown;
	fprintf(stderr, "  open         gemini://%s%s%s", v6 ? "[" : "", name,
	    v6 ? "]" : "");
	if (port != 0 && port != GEMINI_PORT)
		fprintf(stderr, ":%u", port);
	fputs("/\n", stderr);
}

/* Its file, and what clients show of it: some the certificate's digest, some the
 * key's. */
static void
print_cert(const struct site_cert *c)
{
	uint8_t memory[CERT_FINGERPRINTS_MAX];
	struct buf lines;

	buf_wrap(&lines, memory, sizeof(memory));
	cert_put_fingerprints(c->cert, "  ", &lines);
	fprintf(stderr, "  file         %s%s\n%s\n", c->file,
	    c->made ? " (new: keep it and its key)" : "", buf_cstr(&lines));
}

static void
print_capsule(const struct site *site, const struct listeners *l, size_t i)
{
	const struct host_survey *survey = &site->surveys[i];
	const struct site_cert *c = &site->base->certs[i];
	const struct host *h = &site->hosts->host[i];
	char size[16];

	if (h->root == -1) {
		fprintf(stderr,
		    "  capsule      %s: cannot be served now; see above\n",
		    h->conf->root.text);
		return;
	}
	listing_size(survey->bytes, size);
	fprintf(stderr, "  capsule      %s: ", h->conf->root.text);
	if (h->serial != 0)
		fprintf(stderr, "release %" PRIu64 ", ", h->serial);
	fprintf(stderr, "%s%zu page%s, %zu file%s, %s\n",
	    survey->unfinished ? "at least " : "", survey->pages,
	    survey->pages == 1 ? "" : "s", survey->files,
	    survey->files == 1 ? "" : "s", size);
	print_url(site, l, i);
	print_cert(c);
}

/* Only when something is off: no one needs to know of it otherwise. */
static void
print_parts(void)
{
	uint8_t memory[PARTS_TEXT_MAX];
	struct buf text;

	buf_wrap(&text, memory, sizeof(memory));
	if (!tls_parts_all() && tls_parts_put(&text))
		fprintf(stderr, "  fast path    %s\n", buf_cstr(&text));
}

/* Without an account of its own, only that it cannot be traced keeps workers away
 * from it. */
static void
print_keyd(const struct keyd *k)
{
	uint8_t memory[128];
	struct buf text;

	buf_wrap(&text, memory, sizeof(memory) - 1);
	keyd_put(k, &text);
	fprintf(stderr, "  keys         held by keyd: %s%s\n", buf_cstr(&text),
	    keyd_has_own_user(k) ? "" : ", the workers' user (not dumpable)");
}

static void
print_sandbox(const struct conf *conf)
{
	uint8_t memory[SANDBOX_LINE_MAX];
	struct buf line;

	buf_wrap(&line, memory, sizeof(memory));
	confinement_put(conf, &line);
	fprintf(stderr, "  sandbox      keys apart; %s\n", buf_cstr(&line));
}

static void
summary_print(void *arg, const struct site *site, const struct listeners *l)
{
	const struct serving *s = arg;

	fprintf(stderr, "carnation %s\n", CARNATION_VERSION);
	for (size_t i = 0; i < site->hosts->n; i++)
		print_capsule(site, l, i);
	if (serve_is_local(s->options) && !l->inherited)
		fputs("  for          this machine only; --host NAME serves "
		      "other machines, too\n",
		    stderr);
	print_parts();
	print_keyd(site->base->keyd);
	print_sandbox(site->base->conf);
	fprintf(stderr, "  stop         %s\n", s->stop);
}

static enum result
server_run(const struct serve_options *o)
{
	uint8_t memory[STOP_TEXT_MAX];
	struct buf stop;
	struct serving serving = { .options = o };
	const struct parent_source source = {
		.load = conf_load,
		.started = summary_print,
		.certs_dir = o->certs_dir,
		.arg = &serving,
	};
	struct why why;

	if (!tls_parts_check(&why)) {
		log_error("%s", why.text);
		return RESULT_USAGE;
	}
	/* Here, for it looks at files that the parent's sandbox hides. */
	buf_wrap(&stop, memory, sizeof(memory) - 1);
	serving.stop =
	    service_put_stop(&stop) ? buf_cstr(&stop) : "the TERM signal";
	tls_memory_install();
	tls_parts_test();
	return (enum result)parent_run(&source);
}

static enum result
serve_run(void *job)
{
	struct serve_options *o = job;
	enum result result = serve_options_check(o);

	if (result != RESULT_GOOD)
		return result;
	result = o->dry_run ? check_run(o) : server_run(o);
	free(o->certs_dir);
	return result;
}

const struct verb verb_serve = {
	.name = "serve",
	.summary = "serve capsules; a directory alone is enough",
	.about =
	    "Serves the capsule in DIR, the current release of a STORE, or the "
	    "capsules of a configuration file.\n",
	.notes =
	    "TERM or Ctrl-C stops it when connections have finished, a second "
	    "Ctrl-C at once; HUP reads the configuration again; USR1 reopens "
	    "the log.\n",
	.args = serve_args,
	.job_size = sizeof(struct serve_options),
	.run = serve_run,
};
