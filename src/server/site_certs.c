/* SPDX-License-Identifier: ISC */
/* The certificates of a site: found, or made by a child, while their keys are read
 * by keyd alone. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/file.h"
#include "os/sandbox.h"
#include "server/child.h"
#include "server/notice.h"
#include "server/site_internal.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/log.h"

enum {
	PATH_TEXT_MAX = 4096,
	/* For each pair that is made: a server that reloads does nothing else
	 * meanwhile. */
	PAIR_WAIT_MS = 2 * FILE_LOCK_WAIT_MS,
};

/* One capsule's. named: the configuration says where it is; else a pair in the
 * certs directory. */
struct item {
	char *crt_path;
	char *key_path;
	bool named;
	bool missing; /* a pair that does not exist */
	bool bad;     /* it has a fault */
	char *fault;  /* NULL: none, or out of memory */
	unsigned slot;
};

struct loading {
	struct site_base *base;
	const struct hosts *hosts;
	const struct site_options *o;
	const struct tls_settings *settings;
	size_t seats;
	struct item *items; /* one a capsule */
	struct report *r;
	int report; /* of the child that makes pairs */
};

/* What that child says of a capsule. */
enum pair_notice { PAIR_MADE = 1, PAIR_FOUND = 2, PAIR_FAILED = 3 };

void
site_report_cert(const struct conf_capsule *c, struct report *r,
    enum report_level level, const char *text)
{
	const struct conf_text *at =
	    c->certificate.text != NULL ? &c->certificate : &c->host;

	report_add(r, level, at->file, at->line, "%s", text);
}

/* The first fault is the one that is reported. */
static void
item_fail(struct item *item, const char *why)
{
	if (item->bad)
		return;
	item->bad = true;
	item->fault = strdup(why);
}

/* Whether a capsule is to have a certificate: half a configured pair has been
 * reported. */
static bool
capsule_wants_cert(const struct host *h)
{
	return h->n_names > 0 && (h->conf->certificate.text == NULL) ==
				     (h->conf->key.text == NULL);
}

static bool
loading_is_good(const struct loading *l)
{
	for (size_t i = 0; i < l->hosts->n; i++)
		if (l->items[i].bad)
			return false;
	return true;
}

/* Where certificate and key of a capsule are. False and why. */
static bool
item_place(struct item *item, const struct host *h, const char *certs_dir,
    struct why *why)
{
	const struct conf_capsule *c = h->conf;
	struct buf crt, key;
	bool ok = true;

	item->named = c->certificate.text != NULL;
	if (!item->named && certs_dir == NULL)
		return why_set(why, "no certificate, and no directory to "
				    "create one in: use --certs DIR");
	buf_init(&crt, PATH_TEXT_MAX);
	buf_init(&key, PATH_TEXT_MAX);
	if (item->named)
		ok = buf_str(&crt, c->certificate.text) &&
		     buf_str(&key, c->key.text);
	else
		ok = cert_paths(certs_dir, h->names[0], &crt, &key);
	if (ok) {
		item->crt_path = strdup(buf_cstr(&crt));
		item->key_path = strdup(buf_cstr(&key));
	}
	buf_fini(&crt);
	buf_fini(&key);
	if (item->crt_path == NULL || item->key_path == NULL)
		return why_memory(why);
	return true;
}

/* A pair in the certs directory. When nothing may be made, it is perhaps not
 * there yet. */
static bool
loading_find_pair(struct loading *l, size_t i, struct why *why)
{
	struct item *item = &l->items[i];
	struct site_cert *out = &l->base->certs[i];

	item->missing = false;
	if (l->o->look_only && access(item->crt_path, F_OK) == -1 &&
	    access(item->key_path, F_OK) == -1)
		return true;
	out->file = strdup(item->crt_path);
	switch (cert_pair_find(
	    l->o->certs_dir, l->hosts->host[i].names[0], &out->cert, why)) {
	case CERT_PAIR_FOUND:
		return out->file != NULL || why_memory(why);
	case CERT_PAIR_MADE:
	case CERT_PAIR_MISSING:
		free(out->file);
		out->file = NULL;
		item->missing = true;
		return true;
	case CERT_PAIR_FAILED:
		break;
	}
	return false;
}

/* Whether what failed had waited for a lock that somebody keeps: then nothing more
 * is tried that needs it. */
static bool
lock_is_kept(uint64_t began_ms)
{
	return clock_ms() - began_ms >= FILE_LOCK_WAIT_MS;
}

static void
loading_find(struct loading *l, size_t i)
{
	struct item *item = &l->items[i];
	struct site_cert *out = &l->base->certs[i];
	struct why why;
	bool ok;

	ok = item_place(item, &l->hosts->host[i], l->o->certs_dir, &why);
	if (ok && item->named) {
		out->file = strdup(item->crt_path);
		out->cert = cert_load(item->crt_path, &why);
		ok = out->cert != NULL &&
		     (out->file != NULL || why_memory(&why));
	} else if (ok) {
		ok = loading_find_pair(l, i, &why);
	}
	if (!ok)
		item_fail(item, why.text);
}

static void
loading_find_all(struct loading *l)
{
	bool kept = false;

	for (size_t i = 0; i < l->hosts->n && !kept; i++) {
		uint64_t began = clock_ms();

		if (capsule_wants_cert(&l->hosts->host[i]))
			loading_find(l, i);
		kept = l->items[i].bad && lock_is_kept(began);
	}
}

/* --------------------------------------------------------- pairs that are made */

/* The capsule's host and aliases, as hosts.c made them canonical. */
static const char **
host_copy_names(const struct host *h)
{
	const char **names = calloc(h->n_names, sizeof(*names));

	for (size_t i = 0; names != NULL && i < h->n_names; i++)
		names[i] = h->names[i];
	return names;
}

static enum pair_notice
pair_make(const char *dir, const struct host *h, struct why *why)
{
	const char **names = host_copy_names(h);
	enum cert_pair result = CERT_PAIR_FAILED;
	struct sign_key *key = NULL;
	struct cert *cert = NULL;

	if (names == NULL)
		why_memory(why);
	else
		result = cert_pair(dir, names, h->n_names, &cert, &key, why);
	cert_free(&cert);
	sign_key_free(&key);
	free(names);
	return result == CERT_PAIR_MADE    ? PAIR_MADE
	       : result == CERT_PAIR_FOUND ? PAIR_FOUND
					   : PAIR_FAILED;
}

/* In a child: the parent never has a key in its memory. */
static bool
pairs_make(void *arg)
{
	const struct loading *l = arg;
	const struct sandbox_path certs = {
		.path = l->o->certs_dir,
		.fd = -1,
		.write = true,
	};
	struct sandbox_state ignored;
	struct why why;
	bool ok = true;

	if (l->base->conf->sandbox != CONF_SANDBOX_OFF &&
	    !sandbox_enter(SANDBOX_CHILD, &certs, 1, &ignored, &why)) {
		log_error("%s", why.text);
		return false;
	}
	for (size_t i = 0; ok && i < l->hosts->n; i++) {
		uint64_t began = clock_ms();
		enum pair_notice kind;

		if (!l->items[i].missing)
			continue;
		why_clear(&why);
		kind = pair_make(l->o->certs_dir, &l->hosts->host[i], &why);
		ok = notice_send(l->report, kind, (uint32_t)i, why.text) &&
		     !(kind == PAIR_FAILED && lock_is_kept(began));
	}
	return ok;
}

/* What the child says is only a reason to look. */
static void
loading_take_pair(struct loading *l, const struct notice *notice)
{
	size_t i = notice->number;
	struct why why;

	if (i >= l->hosts->n || !l->items[i].missing)
		return;
	if (notice->kind == PAIR_FAILED) {
		l->items[i].missing = false;
		item_fail(&l->items[i], notice->text);
	} else if (!loading_find_pair(l, i, &why)) {
		item_fail(&l->items[i], why.text);
	} else {
		l->base->certs[i].made =
		    notice->kind == PAIR_MADE && !l->items[i].missing;
	}
}

/* No pair is made for a start that fails. */
static void
loading_make(struct loading *l)
{
	struct notices from;
	struct notice notice;
	size_t missing = 0;
	enum notices_next next;
	pid_t pid;

	for (size_t i = 0; i < l->hosts->n; i++)
		missing += l->items[i].missing;
	if (missing == 0 || !loading_is_good(l))
		return;
	if (!notices_open(&from, &l->report)) {
		report_add(l->r, REPORT_ERROR, NULL, 0,
		    "cannot create certificates: %s", strerror(errno));
		return;
	}
	pid = child_start(NULL, &l->report, 1, pairs_make, l);
	fd_close(l->report);
	next = pid == -1 ? NOTICES_END : NOTICES_ONE;
	while (next == NOTICES_ONE) {
		next = notices_wait(&from, clock_ms() + PAIR_WAIT_MS, &notice);
		if (next == NOTICES_ONE)
			loading_take_pair(l, &notice);
	}
	notices_close(&from);
	if (next == NOTICES_WAIT)
		kill(pid, SIGKILL);
	if (pid != -1)
		child_wait(pid);
	for (size_t i = 0; i < l->hosts->n; i++)
		if (l->items[i].missing)
			item_fail(&l->items[i],
			    next == NOTICES_WAIT
				? "the process that creates certificates "
				  "hangs"
				: "the process that creates certificates "
				  "failed");
}

/* ------------------------------------------------------------------ the keys */

/* The capsules that have a certificate, in the order of their slots. */
static size_t
loading_number(struct loading *l, struct signer_pair *pairs)
{
	size_t n = 0;

	for (size_t i = 0; i < l->hosts->n; i++) {
		struct item *item = &l->items[i];

		if (l->base->certs[i].cert == NULL)
			continue;
		item->slot = (unsigned)n;
		pairs[n++] = (struct signer_pair){
			.name = l->hosts->host[i].names[0],
			.crt_path = item->named ? NULL : item->crt_path,
			.key_path = item->key_path,
			.cert = l->base->certs[i].cert,
		};
	}
	return n;
}

/* Whether k, or the one that served so far in its place, has read the keys. */
static bool
loading_start(
    struct loading *l, struct keyd **k, struct keyd *old, struct why *why)
{
	if (l->o->look_only || !loading_is_good(l))
		return keyd_check(*k, why);
	if (old == NULL || !keyd_can_replace(old, *k))
		return keyd_start(*k, why);
	keyd_free(k);
	*k = keyd_ref(old);
	return true;
}

static void
loading_read_keys(struct loading *l, struct keyd *old)
{
	struct signer_pair *pairs = calloc(l->hosts->n + 1, sizeof(*pairs));
	struct keyd_set set = {
		.pairs = pairs,
		.settings = *l->settings,
		.seats = l->seats,
		.privs = &l->base->privs,
		.sandbox = (enum conf_sandbox)l->base->conf->sandbox,
	};
	struct keyd *k = NULL;
	struct why why;

	why_memory(&why);
	if (pairs != NULL) {
		set.n = loading_number(l, pairs);
		k = keyd_new(&set);
	}
	if (k == NULL || !loading_start(l, &k, old, &why))
		report_add(l->r, REPORT_ERROR, NULL, 0, "%s", why.text);
	for (size_t i = 0; k != NULL && i < l->hosts->n; i++)
		if (l->base->certs[i].cert != NULL &&
		    keyd_fault(k, l->items[i].slot) != NULL)
			item_fail(
			    &l->items[i], keyd_fault(k, l->items[i].slot));
	l->base->keyd = k;
	free(pairs);
}

static void
loading_add(struct loading *l, size_t i)
{
	struct item *item = &l->items[i];
	struct site_cert *c = &l->base->certs[i];
	struct why why;

	if (item->key_path != NULL)
		c->key_is_private = sign_key_file_is_private(item->key_path);
	if (c->cert != NULL && !item->bad &&
	    !tls_server_add_apart(l->base->tls, l->hosts->host[i].names[0],
		c->cert, item->slot, &why))
		item_fail(item, why.text);
	if (item->fault != NULL)
		site_report_cert(
		    l->hosts->host[i].conf, l->r, REPORT_ERROR, item->fault);
}

void
site_load_certs(struct site_base *base, const struct hosts *hosts,
    const struct site_options *o, const struct tls_settings *settings,
    size_t seats, struct keyd *old, struct report *r)
{
	struct loading l = {
		.base = base,
		.hosts = hosts,
		.o = o,
		.settings = settings,
		.seats = seats,
		.items = calloc(hosts->n + 1, sizeof(*l.items)),
		.r = r,
	};

	if (l.items == NULL) {
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
		return;
	}
	loading_find_all(&l);
	loading_make(&l);
	loading_read_keys(&l, old);
	for (size_t i = 0; i < hosts->n; i++) {
		loading_add(&l, i);
		free(l.items[i].crt_path);
		free(l.items[i].key_path);
		free(l.items[i].fault);
	}
	free(l.items);
}
