/* SPDX-License-Identifier: ISC */
/* What each capsule of a site is served from: the newest content that can be
 * used, or what was served before. One capsule's content does not affect the
 * others. */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "os/shared.h"
#include "server/child.h"
#include "server/confinement.h"
#include "server/site_internal.h"
#include "util/clock.h"
#include "util/log.h"

enum {
	LOST_AFTER = 2, /* checks in which a root does not exist */
};

bool
site_is_fresh(const struct site *s, size_t i)
{
	return s->states[i].fresh;
}

bool
site_any_fresh(const struct site *s)
{
	for (size_t i = 0; i < s->hosts->n; i++)
		if (s->states[i].fresh)
			return true;
	return false;
}

/* The same capsule in old, with the same root; NULL: there is none. */
static const struct host *
site_find_known(const struct site *old, const struct host *h)
{
	int at = old == NULL ? -1 : hosts_find(old->hosts, h->names[0]);
	const struct host *before;

	if (at < 0)
		return NULL;
	before = &old->hosts->host[at];
	return strcmp(before->conf->root.text, h->conf->root.text) == 0 ? before
									: NULL;
}

/* "release 9 of ROOT", or ROOT. */
static void
text_put_content(struct buf *out, const struct host *h, uint64_t serial)
{
	if (serial != 0)
		buf_printf(out, "release %" PRIu64 " of ", serial);
	buf_str(out, h->conf->root.text);
}

/* serial: of the release that cannot be used; 0: no store. */
static void
site_log_held(const struct site *s, size_t i, uint64_t serial, const char *why,
    const char *instead)
{
	const struct host *h = &s->hosts->host[i];
	uint8_t memory[LOG_LINE_MAX];
	struct buf text;

	buf_wrap(&text, memory, sizeof(memory) - 1);
	buf_printf(&text, "%s: cannot use ", h->names[0]);
	text_put_content(&text, h, serial);
	buf_printf(&text, ": %s; ", why);
	if (h->root != -1 && h->serial != 0 && h->serial != serial)
		buf_printf(
		    &text, "serving release %" PRIu64 " instead", h->serial);
	else
		buf_str(&text, instead);
	log_error("%s", buf_cstr(&text));
}

/* What clients get from a root that was opened before. */
static const char *
content_describe_kept(const struct host *h, bool closed)
{
	struct stat st;

	if (fstat(h->root, &st) == 0 && st.st_nlink == 0)
		return "it was deleted: clients get 51";
	if (closed || !host_may_enter(h->root))
		return "clients get 51 until it is fixed";
	return "its last good content is still served";
}

/* Opens the newest release older than serial that can be opened. */
static bool
host_open_older(struct host *h, uint64_t serial)
{
	struct why ignored;

	while (serial != 0) {
		if (host_open(h, serial, &ignored))
			return true;
		serial = h->serial;
	}
	return false;
}

/* The newest content of capsule i cannot be used. False: nothing else can
 * either. */
static bool
site_fall_back(
    struct site *s, size_t i, const struct site *old, const char *why)
{
	struct host *h = &s->hosts->host[i];
	struct site_state *st = &s->states[i];
	const struct host *before = site_find_known(old, h);
	uint64_t serial = h->serial;
	struct stat tried, kept;
	bool same;

	if (fstat(h->root, &tried) == -1)
		tried.st_ino = 0;
	if (!st->held)
		st->refused = serial;
	st->held = true;
	st->fresh = false;
	host_close(h);
	if (before != NULL && before->root != -1 && host_adopt(h, before)) {
		s->surveys[i] = old->surveys[before - old->hosts->host];
		same = fstat(h->root, &kept) == 0 &&
		       kept.st_dev == tried.st_dev &&
		       kept.st_ino == tried.st_ino;
		site_log_held(s, i, st->refused, why,
		    content_describe_kept(h, st->closed && same));
	} else if (host_open_older(h, serial)) {
		st->fresh = true;
		site_log_held(s, i, st->refused, why, "");
		/* with a single capsule the start fails */
	} else if (s->hosts->n > 1) {
		site_log_held(
		    s, i, st->refused, why, "clients get 41 until it is fixed");
	}
	return h->root != -1;
}

/* Opens the root of capsule i as it is now. False with an error in r: a new
 * configuration names it and it cannot be opened, or there is nothing else to
 * serve. */
static bool
site_open_root(
    struct site *s, size_t i, const struct site *old, struct report *r)
{
	struct host *h = &s->hosts->host[i];
	struct site_state *st = &s->states[i];
	const struct conf_text *root = &h->conf->root;
	bool alone = s->hosts->n == 1;
	struct why why;

	*st = (struct site_state){ .fresh = true, .tried = true };
	host_mark(h, false, &st->mark);
	if (host_open(h, 0, &why))
		return true;
	if (h->serial != 0 || site_find_known(old, h) != NULL ||
	    (old == NULL && !alone)) {
		if (site_fall_back(s, i, old, why.text) || !alone)
			return true;
	}
	report_add(r, REPORT_ERROR, root->file, root->line, "root %s: %s",
	    root->text, why.text);
	return false;
}

void
site_open_roots(struct site *s, const struct site *old, struct report *r)
{
	for (size_t i = 0; i < s->hosts->n; i++)
		(void)site_open_root(s, i, old, r);
}

/* Logs that the root of capsule i does not exist. False: it exists again. */
static bool
site_log_lost(const struct site *s, size_t i)
{
	const struct host *h = &s->hosts->host[i];
	struct host probe = { .conf = h->conf };
	struct why why;

	if (host_open(&probe, 0, &why)) {
		host_close(&probe);
		return false;
	}
	site_log_held(s, i, probe.serial, why.text,
	    h->root == -1 ? "clients get 41 until it is fixed"
			  : content_describe_kept(h, false));
	return true;
}

/* Logged once, and not for the moment in which a root is replaced. A root that
 * never existed was logged when it was tried. */
static void
site_note_place(const struct site *s, size_t i, uint64_t place)
{
	struct site_state *st = &s->states[i];
	const struct host *h = &s->hosts->host[i];

	if (st->mark.place == 0)
		return;
	if (place != 0) {
		if (st->missed >= LOST_AFTER && place == st->mark.place)
			log_info("%s: %s is available again", h->names[0],
			    h->conf->root.text);
		st->missed = 0;
	} else if (st->missed < LOST_AFTER && ++st->missed == LOST_AFTER &&
		   !site_log_lost(s, i)) {
		st->missed = 0;
	}
}

/* Whether capsule i is to be opened again. A cause must be seen gone twice: a
 * file that is being written is left alone. */
static bool
root_has_moved(const struct site *s, size_t i)
{
	struct site_state *st = &s->states[i];
	const struct host *h = &s->hosts->host[i];
	struct host_mark now;
	uint64_t secret, seen = st->seen;

	host_mark(h, !st->held, &now);
	site_note_place(s, i, now.place);
	if (now.place == 0 || now.place != st->mark.place)
		return now.place != 0;
	if (!st->held)
		return false;
	secret = st->secret[0] == '\0' ? st->secret_mark
				       : host_secret_mark(h, st->secret);
	if (now.cause == st->mark.cause && secret == st->secret_mark)
		return false;
	st->seen = now.cause ^ secret;
	return st->seen == seen;
}

bool
site_has_moved(const struct site *s)
{
	for (size_t i = 0; i < s->hosts->n; i++)
		if (root_has_moved(s, i))
			return true;
	return false;
}

static bool
site_keep_root(struct site *s, size_t i, const struct site *old)
{
	s->states[i] = old->states[i];
	s->states[i].tried = false;
	s->surveys[i] = old->surveys[i];
	return old->hosts->host[i].root == -1 ||
	       host_adopt(&s->hosts->host[i], &old->hosts->host[i]);
}

struct site *
site_reopen(const struct site *old, struct report *r)
{
	struct hosts *hosts = hosts_open_names(old->base->conf, r);
	struct site *s = hosts == NULL ? NULL : site_new(old->base, hosts, r);
	struct report ignored = { 0 };

	for (size_t i = 0; s != NULL && i < hosts->n; i++) {
		if (root_has_moved(old, i)) {
			/* On failure the old content stays in use. */
			(void)site_open_root(s, i, old, &ignored);
		} else if (!site_keep_root(s, i, old)) {
			report_add(r, REPORT_ERROR, NULL, 0, "%s: %s",
			    hosts->host[i].conf->root.text, strerror(errno));
			site_free(&s);
		}
	}
	report_fini(&ignored);
	return s;
}

/* Its pages are served all the same. */
static void
site_warn_store(const struct site *s, const struct host *h, struct report *r)
{
	const struct conf_text *root = &h->conf->root;

	if (h->store != -1 && !host_may_enter(h->store))
		report_add(r, REPORT_WARNING, root->file, root->line,
		    "root \"%s\": user %s cannot enter it: nobody can mirror "
		    "it",
		    root->text, s->base->privs.user);
}

enum site_content
site_examine(const struct site *s, size_t i, struct buf *bytes, bool *there,
    struct report *r)
{
	struct host *h = &s->hosts->host[i];
	const char *root = h->conf->root.text;
	size_t errors = r->errors;
	struct why why;
	bool denied;

	*there = false;
	if (!host_may_enter(h->root))
		return SITE_CONTENT_CLOSED;
	site_warn_store(s, h, r);
	if (!host_read_conf(h, bytes, there, &why)) {
		denied = host_conf_is_denied(h);
		report_add(r, REPORT_ERROR, root, 0, "capsule.conf: %s%s%s",
		    why.text, denied ? " as user " : "",
		    denied ? s->base->privs.user : "");
	} else if (!host_snapshot(h, *there ? bytes->ptr : NULL, bytes->len)) {
		report_add(r, REPORT_ERROR, root, 0, "out of memory");
	} else {
		host_read_content(s->hosts, h, r);
	}
	return r->errors == errors ? SITE_CONTENT_USABLE
				   : SITE_CONTENT_UNUSABLE;
}

void
site_survey(
    const struct site *s, size_t i, uint64_t until_ms, struct host_survey *out)
{
	const struct host *h = &s->hosts->host[i];

	host_survey(h, until_ms, out);
	/* At a switch only the release that comes: the rest, which may be
	 * large, was looked through when the configuration was loaded. */
	if (s->whole && !out->unfinished)
		host_survey_store(h, until_ms, out);
}

/* What the child of site_check_roots finds of a root. */
struct shared_survey {
	_Atomic uint32_t done;
	struct host_survey survey;
};

struct roots_job {
	const struct site *site;
	struct shared_survey *found; /* one a capsule */
};

static bool
roots_survey(void *arg)
{
	const struct roots_job *job = arg;
	const struct site *s = job->site;
	uint64_t until = clock_ms() + HOST_SURVEY_MS;

	if (!confinement_enter_roots(
		SANDBOX_CHILD, s->base->conf, s->hosts, NULL, 0))
		return false;
	for (size_t i = 0; i < s->hosts->n; i++) {
		if (s->hosts->host[i].root == -1)
			continue;
		site_survey(s, i, until, &job->found[i].survey);
		atomic_store(&job->found[i].done, 1);
	}
	return true;
}

static void
site_report_survey(
    struct site *s, size_t i, struct shared_survey *found, struct report *r)
{
	const struct conf_text *root = &s->hosts->host[i].conf->root;

	if (s->hosts->host[i].root == -1)
		return;
	s->surveys[i] = found->survey;
	s->surveys[i].secret[sizeof(s->surveys[i].secret) - 1] = '\0';
	if (atomic_load(&found->done) != 1)
		s->surveys[i].unfinished = true;
	if (s->surveys[i].secret[0] != '\0')
		report_add(r, REPORT_ERROR, root->file, root->line,
		    "root \"%s\" holds a private key: %s", root->text,
		    s->surveys[i].secret);
	if (s->surveys[i].unfinished)
		report_add(r, REPORT_WARNING, root->file, root->line,
		    "root \"%s\" was not searched completely for private "
		    "keys: it has too many files",
		    root->text);
}

/* In a child, as the inspection does it: what is found may be a key. */
void
site_check_roots(struct site *s, struct report *r)
{
	size_t n, size = (s->hosts->n + 1) * sizeof(struct shared_survey);
	struct roots_job job = { .site = s, .found = shared_new(size) };
	int *keep = site_descriptors(s, 0, &n);
	pid_t pid = -1;

	if (job.found != NULL && keep != NULL)
		pid = child_start(NULL, keep, n, roots_survey, &job);
	if (pid == -1)
		report_add(r, REPORT_ERROR, NULL, 0,
		    "cannot search for private keys: %s", strerror(errno));
	else
		child_wait(pid);
	for (size_t i = 0; pid != -1 && i < s->hosts->n; i++)
		site_report_survey(s, i, &job.found[i], r);
	shared_free(job.found, size, NULL);
	free(keep);
}

static void
site_take_survey(struct site *s, size_t i, const struct site_finding *f)
{
	const struct conf_text *root = &s->hosts->host[i].conf->root;

	s->surveys[i] = f->survey;
	s->surveys[i].unfinished = f->survey.unfinished || !f->surveyed;
	if (s->surveys[i].unfinished)
		log_warn("root \"%s\" was not searched completely for private "
			 "keys: it has too many files",
		    root->text);
}

/* Puts into why the reason why the content of capsule i cannot be served;
 * nothing when it can. */
static void
site_check_finding(
    struct site *s, size_t i, const struct site_finding *f, struct why *why)
{
	struct site_state *st = &s->states[i];
	const char *secret = f->surveyed ? f->survey.secret : "";

	if (!st->held) {
		snprintf(st->secret, sizeof(st->secret), "%s", secret);
		st->secret_mark = f->survey.secret_mark;
	}
	st->closed = f->content == SITE_CONTENT_CLOSED;
	if (secret[0] != '\0')
		why_set(why, "it holds a private key: %s", secret);
	else if (st->closed)
		why_set(why, "user %s cannot enter that directory",
		    s->base->privs.user);
	else if (f->content != SITE_CONTENT_USABLE)
		why_set(why, "its capsule.conf is not valid");
	else if (!host_snapshot(&s->hosts->host[i], f->bytes, f->len))
		why_memory(why);
}

/* A new configuration names a root that the workers cannot enter: as if it
 * could not be opened. */
static bool
root_is_mistaken(const struct site *s, size_t i, const struct site *old)
{
	const struct host *h = &s->hosts->host[i];

	return s->states[i].closed && h->serial == 0 && old != NULL &&
	       site_find_known(old, h) == NULL;
}

bool
site_apply(struct site *s, const struct site *old,
    const struct site_finding *findings, struct report *r)
{
	bool none = true;

	for (size_t i = 0; i < s->hosts->n; i++) {
		const struct conf_text *root = &s->hosts->host[i].conf->root;
		struct why why;

		if (!s->states[i].fresh ||
		    findings[i].content == SITE_CONTENT_UNSEEN)
			continue;
		none = false;
		why_clear(&why);
		site_check_finding(s, i, &findings[i], &why);
		if (why.text[0] == '\0') {
			s->states[i].fresh = false;
			site_take_survey(s, i, &findings[i]);
		} else if (root_is_mistaken(s, i, old) ||
			   (!site_fall_back(s, i, old, why.text) &&
			       s->hosts->n == 1)) {
			report_add(r, REPORT_ERROR, root->file, root->line,
			    "root \"%s\": %s", root->text, why.text);
			return false;
		}
	}
	if (none && site_any_fresh(s))
		report_add(
		    r, REPORT_ERROR, NULL, 0, "no capsule could be inspected");
	return !none || !site_any_fresh(s);
}

bool
site_has_news(const struct site *s, const struct site *old)
{
	for (size_t i = 0; i < s->hosts->n; i++)
		if (s->states[i].tried &&
		    (!s->states[i].held || (old->hosts->host[i].root == -1 &&
					       s->hosts->host[i].root != -1)))
			return true;
	return false;
}

void
site_remember(struct site *old, const struct site *s)
{
	for (size_t i = 0; i < old->hosts->n; i++) {
		if (!s->states[i].tried)
			continue;
		old->states[i] = s->states[i];
		old->states[i].fresh = false;
		old->states[i].held = true;
	}
}
