/* SPDX-License-Identifier: ISC */
#include "verbs/serve_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capsule/policy.h"
#include "os/listen.h"
#include "proto/hostname.h"
#include "server/access.h"
#include "util/why.h"
#include "verbs/args.h"
#include "verbs/verbs.h"

enum {
	OPTION_CERT = ARGS_LONG,
	OPTION_KEY,
	OPTION_CERTS,
	OPTION_HOST,
	OPTION_LISTEN,
	OPTION_WORKERS,
	OPTION_LOG,
	OPTION_JSON,
	OPTION_DUMP
};

static const struct args_option known[] = {
	{ "--config", 'c', true },
	{ "--host", OPTION_HOST, ARGS_MANY },
	{ "--listen", OPTION_LISTEN, ARGS_MANY },
	{ "--certs", OPTION_CERTS, true },
	{ "--cert", OPTION_CERT, true },
	{ "--key", OPTION_KEY, true },
	{ "--workers", OPTION_WORKERS, true },
	{ "--log", OPTION_LOG, true },
	{ "--dry-run", 'n', false },
	{ "--json", OPTION_JSON, false },
	{ "--dump", OPTION_DUMP, false },
	{ NULL, 0, false },
};

static bool
keep(const char **list, size_t *n, const struct args *a, const char *what)
{
	if (*n == SERVE_LIST_MAX) {
		fprintf(stderr, "carnation %s: more than %d of %s\n", a->verb,
		    SERVE_LIST_MAX, what);
		return false;
	}
	list[(*n)++] = a->value;
	return true;
}

static bool
take_option(struct serve_options *o, const struct args *a, int letter)
{
	switch (letter) {
	case 'c':
		o->file = a->value;
		return true;
	case 'n':
		o->dry_run = true;
		return true;
	case OPTION_HOST:
		return keep(o->hosts, &o->n_hosts, a, "--host");
	case OPTION_LISTEN:
		return keep(o->listen, &o->n_listen, a, "--listen");
	case OPTION_CERTS:
		o->certs = a->value;
		return true;
	case OPTION_CERT:
		o->cert = a->value;
		return true;
	case OPTION_KEY:
		o->key = a->value;
		return true;
	case OPTION_WORKERS:
		return args_number(
		    a, "--workers", 1, CONF_WORKERS_MAX, &o->workers);
	case OPTION_LOG:
		o->log = a->value;
		return true;
	case OPTION_JSON:
		o->json = true;
		return true;
	case OPTION_DUMP:
		o->dump = true;
		return true;
	case ARGS_WORD:
		if (o->dir != NULL)
			fprintf(stderr,
			    "carnation %s: one directory, not "
			    "also \"%s\"\n",
			    a->verb, a->value);
		else
			o->dir = a->value;
		return o->dir == a->value;
	default:
		return false;
	}
}

/* Words that can be judged without looking at the machine. */
static bool
check_names(const struct serve_options *o, const char *verb)
{
	struct listen_address addresses[2];
	char canonical[HOSTNAME_SIZE];
	struct why why;
	bool ok = true;
	size_t n;

	for (size_t i = 0; i < o->n_listen && ok; i++) {
		ok = listen_parse(o->listen[i], addresses, &n, &why);
		if (!ok)
			fprintf(stderr, "carnation %s: --listen %s: %s\n", verb,
			    o->listen[i], why.text);
	}
	for (size_t i = 0; i < o->n_hosts && ok; i++) {
		ok = hostname_canonical(slice_str(o->hosts[i]), canonical) !=
		     HOSTNAME_BAD;
		if (!ok)
			fprintf(stderr,
			    "carnation %s: --host \"%s\" is not "
			    "a host name\n",
			    verb, o->hosts[i]);
	}
	return ok;
}

bool
serve_options_parse(
    struct serve_options *o, const char *verb, int argc, char **argv)
{
	struct args a = {
		.verb = verb,
		.options = known,
		.argc = argc,
		.argv = argv,
	};
	int letter;

	memset(o, 0, sizeof(*o));
	while ((letter = args_next(&a)) != ARGS_END)
		if (!take_option(o, &a, letter))
			return false;
	o->dry_run = o->dry_run || strcmp(verb, "check") == 0;
	if ((o->json || o->dump) && !o->dry_run) {
		fprintf(stderr, "carnation %s: --json and --dump go with -n\n",
		    verb);
		return false;
	}
	if (o->file == NULL && o->dir == NULL) {
		fprintf(stderr,
		    "carnation %s: name a directory, or a "
		    "configuration with -c FILE\n",
		    verb);
		return false;
	}
	if (!check_names(o, verb))
		return false;
	if ((o->cert == NULL) != (o->key == NULL)) {
		fprintf(stderr, "carnation %s: --cert and --key go together\n",
		    verb);
		return false;
	}
	if (o->cert != NULL && o->certs != NULL) {
		fprintf(stderr,
		    "carnation %s: either --certs, or --cert and "
		    "--key\n",
		    verb);
		return false;
	}
	o->certs_dir =
	    o->certs != NULL ? strdup(o->certs) : default_certs_dir();
	return true;
}

void
serve_options_fini(struct serve_options *o)
{
	free(o->certs_dir);
	o->certs_dir = NULL;
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
	bool ok = conf_set_text(conf, &c->host, o->hosts[0]);

	c->aliases.n = 0;
	for (size_t i = 1; i < o->n_hosts; i++)
		ok = ok && conf_list_add(conf, &c->aliases, o->hosts[i]);
	return ok;
}

/* What the command line says of a capsule is said of the only one. */
static bool
set_capsule(const struct serve_options *o, struct conf *conf, struct report *r)
{
	struct conf_capsule *c;
	bool fresh = conf->n_capsules == 0, ok = true;

	if (o->dir == NULL && o->n_hosts == 0 && o->cert == NULL)
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
	if (o->n_hosts > 0)
		ok = ok && set_hosts(o, conf, c);
	else if (fresh)
		ok = ok && default_hosts(conf, c);
	if (o->cert != NULL)
		ok = ok && conf_set_text(conf, &c->certificate, o->cert) &&
		     conf_set_text(conf, &c->key, o->key);
	return ok;
}

static bool
set_server(const struct serve_options *o, struct conf *conf)
{
	bool ok = true;

	if (o->n_listen > 0)
		conf->listen.n = 0;
	for (size_t i = 0; i < o->n_listen; i++)
		ok = ok && conf_list_add(conf, &conf->listen, o->listen[i]);
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
