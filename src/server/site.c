/* SPDX-License-Identifier: ISC */
#include "server/site.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"
#include "util/clock.h"

enum { DAY_S = 24 * 60 * 60 };

static int
find_name(const void *arg, struct slice name)
{
	const struct site_base *base = arg;

	return hosts_find_raw(base->hosts, name);
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
	mime_free(&base->mime);
	conf_free(&base->conf);
	free(base);
}

void
site_free(struct site **s)
{
	if (*s == NULL)
		return;
	hosts_free(&(*s)->hosts);
	free((*s)->surveys);
	base_free(&(*s)->base);
	free(*s);
	*s = NULL;
}

/* Where a problem with a capsule's certificate is shown: at its own setting if it
 * has one. */
static void
cert_problem(const struct conf_capsule *c, struct report *r,
    enum report_level level, const char *text)
{
	const struct conf_text *at =
	    c->certificate.text != NULL ? &c->certificate : &c->host;

	report_add(r, level, at->file, at->line, "%s", text);
}

/* The capsule's host and aliases, as hosts.c made them canonical. */
static const char **
names_of(const struct host *h)
{
	const char **names = calloc(h->n_names, sizeof(*names));

	for (size_t i = 0; names != NULL && i < h->n_names; i++)
		names[i] = h->names[i];
	return names;
}

static bool
load_named(const struct conf_capsule *c, struct site_cert *out,
    struct sign_key **key, struct buf *why)
{
	out->file = strdup(c->certificate.text);
	out->cert = cert_load(c->certificate.text, why);
	if (out->cert != NULL)
		*key = sign_key_load(c->key.text, why);
	out->key_is_private = sign_key_file_is_private(c->key.text);
	return out->file != NULL && out->cert != NULL && *key != NULL;
}

/* The pair named after the host in the certs directory: found, made, or, when
 * nothing may be made, perhaps not there yet. */
static bool
load_pair(const struct host *h, const struct site_options *o,
    struct site_cert *out, struct sign_key **key, struct buf *why)
{
	const char **names = names_of(h);
	struct buf crt, key_file;
	bool ok = false;

	buf_init(&crt, 4096);
	buf_init(&key_file, 4096);
	if (o->certs_dir == NULL) {
		buf_str(why, "no certificate, and no place to make one in: "
			     "say --certs DIR");
		goto out;
	}
	if (names == NULL ||
	    !cert_paths(o->certs_dir, h->names[0], &crt, &key_file)) {
		buf_str(why, "out of memory");
		goto out;
	}
	if (o->look_only && access(buf_cstr(&crt), F_OK) == -1 &&
	    access(buf_cstr(&key_file), F_OK) == -1) {
		ok = true;
		goto out;
	}
	out->file = strdup(buf_cstr(&crt));
	switch (
	    cert_pair(o->certs_dir, names, h->n_names, &out->cert, key, why)) {
	case CERT_PAIR_MADE:
		out->made = true;
		ok = true;
		break;
	case CERT_PAIR_FOUND:
		ok = true;
		break;
	case CERT_PAIR_FAILED:
		break;
	}
	out->key_is_private = sign_key_file_is_private(buf_cstr(&key_file));
out:
	buf_fini(&crt);
	buf_fini(&key_file);
	free(names);
	return ok;
}

static void
load_cert(struct site_base *base, const struct host *h, struct site_cert *out,
    const struct site_options *o, struct report *r)
{
	const struct conf_capsule *c = h->conf;
	struct sign_key *key = NULL;
	struct buf why;
	bool ok;

	if ((c->certificate.text == NULL) != (c->key.text == NULL))
		return; /* said already: they go together */
	buf_init(&why, 1024);
	ok = c->certificate.text != NULL ? load_named(c, out, &key, &why)
					 : load_pair(h, o, out, &key, &why);
	if (ok && key != NULL)
		ok = tls_server_add(
		    base->tls, h->names[0], out->cert, key, &why);
	if (!ok)
		cert_problem(c, r, REPORT_ERROR, buf_cstr(&why));
	sign_key_free(&key);
	buf_fini(&why);
}

/* A reader must never be able to ask for a key. */
static void
check_root(const struct host *h, const struct host_survey *survey,
    const struct site_options *o, struct report *r)
{
	const struct conf_text *root = &h->conf->root;

	if (o->certs_dir != NULL &&
	    (file_is_inside(o->certs_dir, root->text) ||
		file_is_inside(root->text, o->certs_dir)))
		report_add(r, REPORT_ERROR, root->file, root->line,
		    "root \"%s\" and the certificates in \"%s\" must not lie "
		    "one in the other: keys would be served",
		    root->text, o->certs_dir);
	if (survey->secret[0] != '\0')
		report_add(r, REPORT_ERROR, root->file, root->line,
		    "root \"%s\" holds a private key: %s", root->text,
		    survey->secret);
}

static struct site *
site_open(
    struct site_base *base, const struct site_options *o, struct report *r)
{
	struct site *s = calloc(1, sizeof(*s));
	size_t errors = r->errors;

	if (s == NULL) {
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
		return NULL;
	}
	base->references++;
	s->base = base;
	s->hosts = o->look_only ? hosts_open_all(base->conf, r)
				: hosts_open(base->conf, r);
	if (s->hosts != NULL)
		s->surveys = calloc(s->hosts->n, sizeof(*s->surveys));
	for (size_t i = 0; s->surveys != NULL && i < s->hosts->n; i++) {
		const struct host *h = &s->hosts->host[i];

		if (h->root == -1)
			continue;
		host_survey(h, &s->surveys[i]);
		/* Of a store only a new release is looked through at a switch:
		 * the rest, which may be large, was at the start. */
		if (base->tls == NULL)
			host_survey_store(h, &s->surveys[i]);
		check_root(h, &s->surveys[i], o, r);
	}
	if (s->surveys == NULL || (r->errors > errors && !o->look_only))
		site_free(&s);
	return s;
}

static void
base_load(struct site_base *base, const struct hosts *hosts,
    const struct site_options *o, struct report *r)
{
	const struct conf *conf = base->conf;
	const struct tls_settings settings = {
		.tls13_only = conf->tls.minimum.text != NULL &&
			      strcmp(conf->tls.minimum.text, "1.3") == 0,
		.suites = conf->tls.suites.text,
		.tickets = conf->tls.tickets,
	};
	struct buf why;

	buf_init(&why, 1024);
	base->mime = mime_new(conf, r);
	base->certs = calloc(conf->n_capsules, sizeof(*base->certs));
	base->tls =
	    tls_server_new(&settings, o->tickets, find_name, base, &why);
	if (base->mime == NULL || base->certs == NULL)
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
	else if (base->tls == NULL)
		report_add(r, REPORT_ERROR, conf->tls.suites.file,
		    conf->tls.suites.line, "tls: %s", buf_cstr(&why));
	else
		for (size_t i = 0; i < hosts->n; i++)
			if (hosts->host[i].n_names > 0)
				load_cert(base, &hosts->host[i],
				    &base->certs[i], o, r);
	buf_fini(&why);
}

struct site *
site_load(struct conf *conf, const struct site_options *o, struct report *r)
{
	struct site_base *base = calloc(1, sizeof(*base));
	size_t errors = r->errors;
	struct site *s;

	if (base == NULL) {
		conf_free(&conf);
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
		return NULL;
	}
	base->references = 1;
	base->conf = conf;
	s = site_open(base, o, r);
	if (s != NULL) {
		base_load(base, s->hosts, o, r);
		if (r->errors > errors && !o->look_only)
			site_free(&s);
	}
	base_free(&base); /* now the site's alone, or gone */
	return s;
}

struct site *
site_again(
    const struct site *site, const struct site_options *o, struct report *r)
{
	return site_open(site->base, o, r);
}

void
site_warn_expiry(const struct site *s, struct report *r)
{
	int64_t now = clock_wall();

	for (size_t i = 0; i < s->hosts->n; i++) {
		const struct site_cert *c = &s->base->certs[i];
		char text[256];
		int64_t left;

		if (c->cert == NULL)
			continue;
		left = cert_not_after(c->cert) - now;
		if (left >= CERT_EXPIRY_WARNING_DAYS * (int64_t)DAY_S)
			continue;
		snprintf(text, sizeof(text),
		    left < 0
			? "%s: the certificate has expired %" PRId64 " days ago"
			: "%s: the certificate expires in %" PRId64 " days",
		    s->hosts->host[i].names[0],
		    (left < 0 ? -left : left) / DAY_S);
		cert_problem(s->hosts->host[i].conf, r, REPORT_WARNING, text);
	}
}

static bool
is_address(const char *name)
{
	char canonical[HOSTNAME_SIZE];

	return hostname_canonical(slice_str(name), canonical) != HOSTNAME_NAME;
}

static void
warn_cert(const struct host *h, const struct site_cert *c, struct report *r)
{
	char text[HOSTNAME_SIZE + 128];

	for (size_t i = 0; c->cert != NULL && i < h->n_names; i++) {
		/* No certificate of ours names an address: clients stumble. */
		if (is_address(h->names[i]) || cert_names(c->cert, h->names[i]))
			continue;
		snprintf(text, sizeof(text),
		    "the certificate does not name \"%s\": visitors' clients "
		    "will refuse it there",
		    h->names[i]);
		cert_problem(h->conf, r, REPORT_WARNING, text);
	}
	if (c->cert != NULL && !c->key_is_private) {
		snprintf(text, sizeof(text),
		    "%s: the private key can be read by others: chmod 600",
		    h->names[0]);
		cert_problem(h->conf, r, REPORT_WARNING, text);
	}
}

void
site_warn(const struct site *s, struct report *r)
{
	for (size_t i = 0; i < s->hosts->n; i++)
		warn_cert(&s->hosts->host[i], &s->base->certs[i], r);
	site_warn_expiry(s, r);
}

void
site_warn_index(const struct site *s, struct report *r)
{
	for (size_t i = 0; i < s->hosts->n; i++) {
		const struct host *h = &s->hosts->host[i];
		const struct conf_text *root = &h->conf->root;

		if (h->root != -1 && !host_has_index(h))
			report_add(r, REPORT_WARNING, root->file, root->line,
			    "root \"%s\" has no index page (%s)", root->text,
			    h->content.index.n > 0
				? h->content.index.item[0].text
				: "index.gmi");
	}
}
