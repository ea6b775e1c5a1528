/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capsule/listing.h"
#include "proto/hostname.h"
#include "server/parent.h"
#include "verbs/serve_options.h"
#include "verbs/verbs.h"

const char serve_usage[] =
    "usage: carnation serve [-c FILE] [--host NAME]... "
    "[--listen ADDR[:PORT]]...\n"
    "           [--certs DIR | --cert FILE --key FILE] [--workers N]\n"
    "           [--log FILE|-] [-n] [DIR|STORE]\n"
    "\n"
    "Serves the capsule in DIR, the current release of a STORE, or the "
    "capsules "
    "of\n"
    "a configuration file.\n"
    "\n"
    "  -c, --config FILE   configuration, see carnation.conf(5)\n"
    "  --host NAME         a name it is served under; the first names the\n"
    "                      certificate (default: localhost and this machine)\n"
    "  --listen ADDR:PORT  where to listen (default: port 1965 everywhere)\n"
    "  --certs DIR         where certificates are kept, and made when missing\n"
    "  --cert, --key FILE  use these instead\n"
    "  --workers N         processes (default: one per CPU)\n"
    "  --log FILE          access log; - is stderr\n"
    "  -n, --dry-run       only check, as carnation check does and with its\n"
    "                      options\n"
    "\n"
    "TERM or Ctrl-C ends it when connections have finished, a second Ctrl-C "
    "at\n"
    "once; HUP reads the configuration again; USR1 opens the log again.\n";

enum {
	GEMINI_PORT = LISTEN_PORT_DEFAULT,
	DISPLAY_SIZE = 4 * HOSTNAME_SIZE, /* of a name in its own letters */
};

static struct conf *
load(void *arg, struct report *r)
{
	size_t errors = r->errors;
	struct conf *conf = serve_options_conf(arg, r);

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
	fprintf(stderr, "%zu page%s, %zu file%s, %s\n", survey->pages,
	    survey->pages == 1 ? "" : "s", survey->files,
	    survey->files == 1 ? "" : "s", size);
	print_url(site, l, i);
	print_cert(c);
}

static void
started(void *arg, const struct site *site, const struct listeners *l)
{
	(void)arg;
	fprintf(stderr, "carnation %s\n", CARNATION_VERSION);
	for (size_t i = 0; i < site->hosts->n; i++)
		print_capsule(site, l, i);
	fputs("  sandbox      none yet\n  stop         Ctrl-C\n", stderr);
}

int
verb_serve(int argc, char **argv)
{
	struct serve_options o;
	struct parent_source source;
	int status;

	if (!serve_options_parse(&o, "serve", argc, argv)) {
		verb_misused("serve");
		return EXIT_USAGE;
	}
	source = (struct parent_source){
		.load = load,
		.started = started,
		.certs_dir = o.certs_dir,
		.arg = &o,
	};
	status = o.dry_run ? serve_options_check(&o) : parent_run(&source);
	serve_options_fini(&o);
	return status;
}
