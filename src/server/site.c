/* SPDX-License-Identifier: ISC */
#include "server/site.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capsule/answer.h"
#include "capsule/inventory.h"
#include "os/file.h"
#include "os/privs.h"
#include "server/site_internal.h"
#include "util/clock.h"

enum { DAY_S = 24 * 60 * 60 };

size_t
site_workers(const struct conf *conf)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (conf->workers > 0)
		return (size_t)conf->workers;
	if (cpus > CONF_WORKERS_MAX)
		return CONF_WORKERS_MAX;
	return cpus > 0 ? (size_t)cpus : 1;
}

static int
hosts_find_sni(const void *hosts, struct slice name)
{
	return hosts_find_raw(hosts, name);
}

static void
base_free(struct site_base **b)
{
	struct site_base *base = *b;

	*b = NULL;
	if (base == NULL || --base->references > 0)
		return;
	for (size_t i = 0; base->certs != NULL && i < base->conf->n_capsules;
	     i++) {
		cert_free(&base->certs[i].cert);
		free(base->certs[i].file);
	}
	free(base->certs);
	tls_server_free(&base->tls);
	keyd_free(&base->keyd);
	mime_free(&base->mime);
	conf_free(&base->conf);
	free(base);
}

void
site_free(struct site **s)
{
	struct site *site = *s;

	*s = NULL;
	if (site == NULL || --site->references > 0)
		return;
	hosts_free(&site->hosts);
	free(site->surveys);
	free(site->states);
	base_free(&site->base);
	free(site);
}

struct site *
site_ref(struct site *s)
{
	s->references++;
	return s;
}

int *
site_descriptors(const struct site *s, size_t more, size_t *n)
{
	int *fds = calloc(2 * s->hosts->n + more + 1, sizeof(*fds));

	*n = 0;
	for (size_t i = 0; fds != NULL && i < s->hosts->n; i++) {
		fds[(*n)++] = s->hosts->host[i].root;
		fds[(*n)++] = s->hosts->host[i].store;
	}
	return fds;
}

/* A client must never be able to request a key. */
static void
capsule_check_certs_dir(const struct conf_capsule *c,
    const struct site_options *o, struct report *r)
{
	const struct conf_text *root = &c->root;

	if (o->certs_dir != NULL && root->text != NULL &&
	    (file_is_inside(o->certs_dir, root->text) ||
		file_is_inside(root->text, o->certs_dir)))
		report_add(r, REPORT_ERROR, root->file, root->line,
		    "root \"%s\" and the certificate directory \"%s\" must not "
		    "contain each other: keys would be served",
		    root->text, o->certs_dir);
}

struct site *
site_new(struct site_base *base, struct hosts *hosts, struct report *r)
{
	struct site *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		hosts_free(&hosts);
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
		return NULL;
	}
	s->references = 1;
	s->hosts = hosts;
	s->base = base;
	base->references++;
	s->surveys = calloc(hosts->n + 1, sizeof(*s->surveys));
	s->states = calloc(hosts->n + 1, sizeof(*s->states));
	if (s->surveys == NULL || s->states == NULL) {
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
		site_free(&s);
	}
	return s;
}

static size_t
hosts_count_roots(const struct hosts *hosts)
{
	size_t n = 0;

	for (size_t i = 0; i < hosts->n; i++)
		n += hosts->host[i].root == -1    ? 0
		     : hosts->host[i].store == -1 ? 1
						  : 2;
	return n;
}

/* What descriptors can be spared for the seats of workers. */
static size_t
conf_seats(const struct conf *conf, size_t roots)
{
	size_t others = SITE_GENERATIONS * roots + SITE_DESCRIPTORS;
	size_t have = privs_descriptors();

	return seats_wanted(
	    site_workers(conf), have > others ? have - others : 0);
}

/* old: may be NULL. */
static void
base_load(struct site_base *base, const struct site *old,
    const struct hosts *hosts, const struct site_options *o, struct report *r)
{
	const struct conf *conf = base->conf;
	const struct tls_settings settings = {
		.tls13_only = conf->tls.minimum.text != NULL &&
			      strcmp(conf->tls.minimum.text, "1.3") == 0,
		.suites = conf->tls.suites.text,
		.tickets = conf->tls.tickets,
	};
	struct why why;

	base->mime = mime_new(conf, r);
	base->certs = calloc(conf->n_capsules, sizeof(*base->certs));
	base->tls = tls_server_new(&settings, o->tickets, hosts_find_sni, &why);
	if (base->mime == NULL || base->certs == NULL)
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
	else if (base->tls == NULL)
		report_add(r, REPORT_ERROR, conf->tls.suites.file,
		    conf->tls.suites.line, "tls: %s", why.text);
	else
		site_load_certs(base, hosts, o, &settings,
		    conf_seats(conf, hosts_count_roots(hosts)),
		    old == NULL ? NULL : old->base->keyd, r);
}

/* Checked at start, because too few descriptors would only be noticed at the
 * first reload. roots: the number open for one generation. */
static bool
conf_check_descriptors(const struct conf *conf, size_t roots, struct report *r)
{
	size_t need = SITE_GENERATIONS * roots + SITE_DESCRIPTORS +
		      seats_descriptors(site_workers(conf));
	size_t have = privs_descriptors();

	if (have >= need)
		return true;
	report_add(r, REPORT_ERROR, conf->file, 0,
	    "%zu capsules need %zu file descriptors, but the limit is %zu: "
	    "raise it (LimitNOFILE= in systemd, ulimit -n)",
	    conf->n_capsules, need, have);
	return false;
}

/* The user that the workers change to. */
static bool
conf_find_privs(const struct conf *conf, struct privs *out, struct report *r)
{
	const struct conf_text *at = &conf->user;
	struct why why, ignored;
	struct privs alone;
	bool ok;

	ok = privs_find(conf->user.text, conf->group.text, out, &why);
	if (!ok && privs_find(conf->user.text, NULL, &alone, &ignored))
		at = &conf->group;
	if (!ok)
		report_add(r, REPORT_ERROR, at->file, at->line, "%s: %s",
		    at == &conf->user ? "user" : "group", why.text);
	return ok;
}

struct site *
site_load(struct conf *conf, const struct site *old,
    const struct site_options *o, struct report *r)
{
	struct site_base *base = calloc(1, sizeof(*base));
	size_t errors = r->errors;
	struct hosts *hosts;
	struct site *s = NULL;

	if (base == NULL) {
		conf_free(&conf);
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
		return NULL;
	}
	base->references = 1;
	base->conf = conf;
	if (!conf_check_descriptors(conf, conf->n_capsules, r)) {
		base_free(&base);
		return NULL;
	}
	if (!conf_find_privs(conf, &base->privs, r))
		base->privs.wanted = false;
	hosts =
	    o->look_only ? hosts_open_all(conf, r) : hosts_open_names(conf, r);
	if (hosts != NULL)
		s = site_new(base, hosts, r);
	for (size_t i = 0; s != NULL && i < hosts->n; i++)
		capsule_check_certs_dir(&conf->capsules[i], o, r);
	if (s != NULL && (r->errors == errors || o->look_only)) {
		s->whole = true;
		if (!o->look_only)
			site_open_roots(s, old, r);
		/* No certificate is made for a start that fails. */
		if (r->errors == errors || o->look_only)
			base_load(base, old, hosts, o, r);
		if (o->look_only)
			site_check_roots(s, r);
		conf_check_descriptors(conf, hosts_count_roots(hosts), r);
	}
	if (r->errors > errors && !o->look_only)
		site_free(&s);
	base_free(&base); /* now the site's alone, or gone */
	return s;
}

void
site_warn_expiry(const struct site *s, struct report *r)
{
	int64_t now = clock_wall();

	for (size_t i = 0; i < s->hosts->n; i++) {
		const struct site_cert *c = &s->base->certs[i];
		char text[256];
		int64_t left, days;

		if (c->cert == NULL)
			continue;
		left = cert_not_after(c->cert) - now;
		if (left >= CERT_EXPIRY_WARNING_DAYS * (int64_t)DAY_S)
			continue;
		days = (left < 0 ? -left : left) / DAY_S;
		snprintf(text, sizeof(text),
		    left < 0 ? "%s: the certificate has expired %" PRId64
			       " day%s ago"
			     : "%s: the certificate expires in %" PRId64
			       " day%s",
		    s->hosts->host[i].names[0], days, days == 1 ? "" : "s");
		site_report_cert(
		    s->hosts->host[i].conf, r, REPORT_WARNING, text);
	}
}

/* A signature takes ten times as long with twice the bits, all others wait for it,
 * and each for SIGNING_TIMEOUT_MS at most. */
enum { RSA_QUICK_BITS = 4096 };

static void
cert_warn(const struct host *h, const struct site_cert *c, struct report *r)
{
	char text[HOSTNAME_SIZE + 128];

	for (size_t i = 0; c->cert != NULL && i < h->n_names; i++) {
		if (cert_names(c->cert, h->names[i]))
			continue;
		snprintf(text, sizeof(text),
		    "the certificate does not name \"%s\": clients will refuse "
		    "it there",
		    h->names[i]);
		site_report_cert(h->conf, r, REPORT_WARNING, text);
	}
	if (c->cert != NULL && !c->key_is_private) {
		snprintf(text, sizeof(text),
		    "%s: the private key can be read by others: chmod 600",
		    h->names[0]);
		site_report_cert(h->conf, r, REPORT_WARNING, text);
	}
	if (c->cert != NULL && cert_rsa_bits(c->cert) > RSA_QUICK_BITS) {
		snprintf(text, sizeof(text),
		    "%s: an RSA key of %d bits signs slowly: many clients at "
		    "once would not all be answered",
		    h->names[0], cert_rsa_bits(c->cert));
		site_report_cert(h->conf, r, REPORT_WARNING, text);
	}
}

void
site_warn(const struct site *s, struct report *r)
{
	for (size_t i = 0; i < s->hosts->n; i++)
		cert_warn(&s->hosts->host[i], &s->base->certs[i], r);
	site_warn_expiry(s, r);
}

void
site_warn_index(const struct site *s, size_t i, struct report *r)
{
	const struct host *h = &s->hosts->host[i];
	const struct conf_text *root = &h->conf->root;
	enum status status;

	if (h->root != -1 && answer_lacks_front(h, &status) &&
	    !inventory_is_denied(h, SLICE("")))
		report_add(r, REPORT_WARNING, root->file, root->line,
		    "root \"%s\" has no index page (%s)", root->text,
		    h->content.index.n > 0 ? h->content.index.item[0].text
					   : "index.gmi");
}
