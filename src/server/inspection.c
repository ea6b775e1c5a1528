/* SPDX-License-Identifier: ISC */
#include "server/inspection.h"

#include <ev.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "capsule/inventory.h"
#include "os/file.h"
#include "os/shared.h"
#include "server/child.h"
#include "server/confinement.h"
#include "util/clock.h"
#include "util/log.h"

/* What the children write, each its own part. The parent does not trust it:
 * every value is bounded where it is read. */
struct shared_finding {
	_Atomic uint32_t content; /* enum site_content */
	_Atomic uint32_t surveyed;
	uint32_t there;
	uint32_t len;
	struct host_survey survey;
	uint8_t bytes[HOST_CONF_MAX];
};

enum { PROBLEMS_MAX = 16 * 1024 * 1024 };

/* What a child of check writes. */
struct shared_report {
	const struct site *site;
	_Atomic uint32_t len;
	uint8_t bytes[PROBLEMS_MAX]; /* for each: struct problem, file, text */
};

/* Is followed by the file's name and the text, each with its NUL. */
struct problem {
	uint32_t level;
	uint32_t line;
	uint32_t has_file;
};

struct child {
	struct inspection *owner;
	pid_t pid; /* 0: not running */
	ev_child watcher;
};

struct inspection {
	const struct site *site;
	struct shared_finding *shared;
	struct site_finding *findings;
	size_t n;
	struct child children[2];
	ev_timer limit;
	inspection_done *done;
	void *arg;
};

/* Without privileges, as in the workers. */
static bool
inspection_read_content(void *arg)
{
	const struct inspection *inspection = arg;
	const struct site *site = inspection->site;

	if (!confinement_enter_roots(
		SANDBOX_CHILD, site->base->conf, site->hosts, NULL, 0))
		return false;
	for (size_t i = 0; i < site->hosts->n; i++) {
		struct shared_finding *f = &inspection->shared[i];
		struct report r = { 0 };
		struct buf bytes;
		enum site_content found;
		bool there;

		if (!site_is_fresh(site, i))
			continue;
		atomic_store(&f->content, SITE_CONTENT_BEGUN);
		buf_init(&bytes, HOST_CONF_MAX);
		found = site_examine(site, i, &bytes, &there, &r);
		if (found == SITE_CONTENT_USABLE)
			site_warn_index(site, i, &r);
		report_log(&r);
		report_fini(&r);
		f->there = there;
		f->len = (uint32_t)bytes.len;
		if (bytes.len > 0)
			memcpy(f->bytes, bytes.ptr, bytes.len);
		buf_fini(&bytes);
		atomic_store(&f->content, found);
	}
	return true;
}

static bool
inspection_survey_roots(void *arg)
{
	const struct inspection *inspection = arg;
	const struct site *site = inspection->site;
	struct shared_finding *out = inspection->shared;
	uint64_t until = clock_ms() + HOST_SURVEY_MS;

	if (!confinement_enter_roots(
		SANDBOX_CHILD, site->base->conf, site->hosts, NULL, 0))
		return false;
	for (size_t i = 0; i < site->hosts->n; i++) {
		if (!site_is_fresh(site, i))
			continue;
		site_survey(site, i, until, &out[i].survey);
		atomic_store(&out[i].surveyed, 1);
	}
	return true;
}

static void on_child(struct ev_loop *loop, ev_child *w, int events);

static bool
child_watch(struct inspection *i, struct child *c, const struct privs *privs,
    child_job *job)
{
	size_t n;
	int *keep = site_descriptors(i->site, 0, &n);
	pid_t pid = keep == NULL ? -1 : child_start(privs, keep, n, job, i);

	free(keep);
	if (pid == -1)
		return false;
	c->pid = pid;
	ev_child_init(&c->watcher, on_child, c->pid, 0);
	c->watcher.data = c;
	ev_child_start(EV_DEFAULT, &c->watcher);
	return true;
}

/* Copies what is valid in the children's memory. */
static void
inspection_collect(struct inspection *i)
{
	for (size_t k = 0; k < i->n; k++) {
		struct shared_finding *from = &i->shared[k];
		struct site_finding *to = &i->findings[k];
		uint32_t len = from->len;

		to->content = (enum site_content)atomic_load(&from->content);
		to->surveyed = atomic_load(&from->surveyed) == 1;
		to->survey = from->survey;
		to->survey.secret[sizeof(to->survey.secret) - 1] = '\0';
		to->bytes = from->there ? from->bytes : NULL;
		to->len = len < HOST_CONF_MAX ? len : HOST_CONF_MAX;
	}
}

static void
on_child(struct ev_loop *loop, ev_child *w, int events)
{
	struct child *c = w->data;
	struct inspection *i = c->owner;

	(void)events;
	ev_child_stop(loop, w);
	c->pid = 0;
	if (WIFSIGNALED(w->rstatus))
		log_error("the process that inspects capsules was killed by "
			  "signal %d (%s)",
		    WTERMSIG(w->rstatus), strsignal(WTERMSIG(w->rstatus)));
	if (i->children[0].pid != 0 || i->children[1].pid != 0)
		return;
	ev_timer_stop(loop, &i->limit);
	inspection_collect(i);
	i->done(i->arg, i->findings);
}

static void
inspection_kill_children(struct inspection *i)
{
	for (size_t k = 0; k < 2; k++)
		if (i->children[k].pid > 0)
			kill(i->children[k].pid, SIGKILL);
}

static void
on_limit(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop;
	(void)events;
	inspection_kill_children(w->data);
}

struct inspection *
inspection_start(const struct site *site, inspection_done *done, void *arg)
{
	struct inspection *i = calloc(1, sizeof(*i));

	if (i == NULL)
		return NULL;
	i->site = site;
	i->n = site->hosts->n;
	i->done = done;
	i->arg = arg;
	i->shared = shared_new(i->n * sizeof(*i->shared));
	i->findings = calloc(i->n, sizeof(*i->findings));
	for (size_t k = 0; k < 2; k++)
		i->children[k].owner = i;
	ev_timer_init(&i->limit, on_limit, INSPECTION_MS / 1000., 0);
	i->limit.data = i;
	if (i->shared == NULL || i->findings == NULL ||
	    !child_watch(i, &i->children[0], &site->base->privs,
		inspection_read_content) ||
	    !child_watch(i, &i->children[1], NULL, inspection_survey_roots)) {
		inspection_free(&i);
		return NULL;
	}
	ev_now_update(EV_DEFAULT);
	ev_timer_start(EV_DEFAULT, &i->limit);
	return i;
}

void
inspection_free(struct inspection **ip)
{
	struct inspection *i = *ip;

	if (i == NULL)
		return;
	inspection_kill_children(i);
	for (size_t k = 0; k < 2; k++) {
		if (i->children[k].pid == 0)
			continue;
		ev_child_stop(EV_DEFAULT, &i->children[k].watcher);
		child_wait(i->children[k].pid);
	}
	ev_timer_stop(EV_DEFAULT, &i->limit);
	if (i->shared != NULL)
		shared_free(i->shared, i->n * sizeof(*i->shared), NULL);
	free(i->findings);
	free(i);
	*ip = NULL;
}

enum { DENIED_SHOWN_MAX = 20 }; /* files of one capsule */

/* A walk through a capsule for what the workers cannot read. */
struct denial {
	const struct site *site;
	const struct host *host;
	struct report *r;
	size_t n;
};

static bool
denial_visit(void *arg, const char *path, const struct stat *st)
{
	struct denial *d = arg;
	const struct conf_text *root = &d->host->conf->root;
	const char *remedy = inventory_denied(d->host, path);

	(void)st;
	/* site_examine reports capsule.conf. */
	if (remedy == NULL || strcmp(path, "capsule.conf") == 0)
		return true;
	if (++d->n <= DENIED_SHOWN_MAX)
		report_add(d->r, REPORT_ERROR, root->file, root->line,
		    "root \"%s\": user %s cannot read %s: %s", root->text,
		    d->site->base->privs.user, path, remedy);
	return true;
}

static void
site_check_rights(const struct site *s, size_t i, struct report *r)
{
	const struct host *h = &s->hosts->host[i];
	const struct conf_text *root = &h->conf->root;
	struct denial d = { .site = s, .host = h, .r = r };

	file_walk(h->root, denial_visit, &d);
	if (d.n > DENIED_SHOWN_MAX)
		report_add(r, REPORT_ERROR, root->file, root->line,
		    "root \"%s\": user %s cannot read %zu more files",
		    root->text, s->base->privs.user, d.n - DENIED_SHOWN_MAX);
}

/* After site_examine. As lint: with what could be read of a capsule.conf beside
 * its mistakes, and not checked when that is nothing. */
static void
site_check_front(const struct site *s, size_t i, struct report *r)
{
	struct host *h = &s->hosts->host[i];
	struct report known = { 0 };

	if (host_salvage_content(
		s->hosts, h, h->conf->root.text, &h->content, &known))
		site_warn_index(s, i, r);
	report_fini(&known);
}

static void
site_check_content(const struct site *s, struct report *r)
{
	for (size_t i = 0; i < s->hosts->n; i++) {
		const struct conf_text *root = &s->hosts->host[i].conf->root;
		struct buf bytes;
		bool there;

		if (s->hosts->host[i].root == -1)
			continue;
		buf_init(&bytes, HOST_CONF_MAX);
		if (site_examine(s, i, &bytes, &there, r) ==
		    SITE_CONTENT_CLOSED) {
			report_add(r, REPORT_ERROR, root->file, root->line,
			    "root \"%s\": user %s cannot enter that directory",
			    root->text, s->base->privs.user);
		} else {
			site_check_front(s, i, r);
			site_check_rights(s, i, r);
		}
		buf_fini(&bytes);
	}
}

/* Undoes the escaping of report_add, because the parent's call escapes the text
 * again. */
static void
text_unescape(char *text)
{
	char *to = text;

	while (*text != '\0') {
		int high = -1, low = -1;
		char byte = *text;

		if (text[0] == '\\' && text[1] == 'x')
			high = hex_value((uint8_t)text[2]);
		if (high >= 0)
			low = hex_value((uint8_t)text[3]);
		if (low >= 0)
			byte = (char)(16 * high + low);
		*to++ = byte;
		text += low >= 0 ? 4 : 1;
	}
	*to = '\0';
}

/* Appends a problem to what the parent will read. */
static void
problem_put(struct buf *out, const struct report_item *item)
{
	const char *file = item->file == NULL ? "" : item->file;
	const struct problem head = {
		.level = item->level,
		.line = item->line,
		.has_file = item->file != NULL,
	};

	text_unescape(item->text);
	buf_put(out, slice_of(&head, sizeof(head)));
	buf_put(out, slice_of(file, strlen(file) + 1));
	buf_put(out, slice_of(item->text, strlen(item->text) + 1));
}

/* In a child that has become the workers' user. */
static bool
site_check_as_user(void *arg)
{
	struct shared_report *to = arg;
	struct report r = { 0 };
	struct buf out;

	if (!confinement_enter_roots(
		SANDBOX_CHILD, to->site->base->conf, to->site->hosts, NULL, 0))
		return false;
	site_check_content(to->site, &r);
	buf_wrap(&out, to->bytes, sizeof(to->bytes));
	for (size_t i = 0; i < r.n && !out.failed; i++)
		problem_put(&out, &r.items[i]);
	atomic_store(&to->len, (uint32_t)out.len);
	return !out.failed && r.n == r.errors + r.warnings;
}

/* A string from what the child wrote; NULL: none. */
static const char *
problem_take_text(struct slice *from)
{
	const char *text = (const char *)from->ptr;
	const uint8_t *end =
	    from->len == 0 ? NULL : memchr(from->ptr, '\0', from->len);

	if (end == NULL)
		return NULL;
	*from = slice_skip(*from, (size_t)(end - from->ptr) + 1);
	return text;
}

/* The parent trusts nothing that a child writes. False: not a valid
 * report. */
static bool
problem_take(struct slice *from, struct report *r)
{
	const char *file, *text;
	struct problem head;

	if (from->len < sizeof(head))
		return false;
	memcpy(&head, from->ptr, sizeof(head));
	*from = slice_skip(*from, sizeof(head));
	file = problem_take_text(from);
	text = problem_take_text(from);
	if (file == NULL || text == NULL)
		return false;
	report_add(r,
	    head.level == REPORT_WARNING ? REPORT_WARNING : REPORT_ERROR,
	    head.has_file != 0 ? file : NULL, head.line, "%s", text);
	return true;
}

/* False: not everything was checked, or had room. */
static bool
site_check_in_child(const struct site *site, struct report *r)
{
	struct shared_report *found = shared_new(sizeof(*found));
	bool good = false;
	struct slice rest;
	size_t n, len;
	int *keep = site_descriptors(site, 0, &n);
	pid_t pid = -1;

	if (found != NULL && keep != NULL) {
		found->site = site;
		signal(SIGCHLD, SIG_DFL); /* or its status would be lost */
		pid = child_start(
		    &site->base->privs, keep, n, site_check_as_user, found);
	}
	if (pid != -1) {
		good = child_wait(pid) == 0;
		len = atomic_load(&found->len);
		rest = slice_of(
		    found->bytes, len < PROBLEMS_MAX ? len : PROBLEMS_MAX);
		while (rest.len > 0 && problem_take(&rest, r))
			;
		good = good && rest.len == 0;
	}
	shared_free(found, sizeof(*found), NULL);
	free(keep);
	return good;
}

void
inspection_check(const struct site *site, struct report *r)
{
	if (!site->base->privs.wanted)
		site_check_content(site, r);
	else if (!site_check_in_child(site, r))
		report_add(r, REPORT_ERROR, NULL, 0,
		    "not all capsules could be checked as user %s",
		    site->base->privs.user);
}
