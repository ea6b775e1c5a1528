/* SPDX-License-Identifier: ISC */
/* Reports before publishing: the linter's, and what matters only to mirrors. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/links.h"
#include "archive/publish_internal.h"
#include "capsule/lint.h"

enum { URL_SHOWN_MAX = 200 };

bool
publish_level_check(const char *text, struct why *why)
{
	if (!lint_set_text(NULL, text, why))
		return false;
	/* What else is needed for a release is checked when it is made. */
	return strncmp(text, "C006=", 5) != 0 ||
	       strcmp(text, "C006=error") == 0 ||
	       why_set(why,
		   "%s: an error in capsule.conf makes a release "
		   "invalid: it would not be served",
		   text);
}

/* The feed is generated, so an older one need not be right; absolute links are
 * reported in other words. What the person sets comes last and wins. */
static void
set_rules(struct lint *l, const struct host *h, const struct publish_options *o)
{
	struct why why;
	const struct lint_rule *rules;
	size_t n;

	lint_published(l);
	(void)lint_set(l, "G014", LINT_OFF);
	rules = lint_rules(&n);
	for (size_t i = 0; i < n && h->content.feed.text != NULL; i++)
		if (rules[i].code[0] == 'A')
			(void)lint_set(l, rules[i].code, LINT_OFF);
	(void)lint_promise(l, FEED_FILE);
	(void)lint_promise(l, copy_file(h));
	for (size_t i = 0; i < MIRROR_MADE; i++)
		(void)lint_promise(l, mirror_made[i]);
	for (size_t i = 0; i < o->n_levels; i++)
		lint_set_text(l, o->levels[i], &why);
}

static void
findings_report(struct publish *p, const struct lint *l, struct report *r)
{
	const struct lint_finding *f;
	size_t n, errors = 0, warnings = 0;

	f = lint_findings(l, &n);
	for (size_t i = 0; i < n; i++) {
		if (f[i].level != LINT_WARNING && f[i].level != LINT_ERROR)
			continue;
		errors += f[i].level == LINT_ERROR;
		warnings += f[i].level == LINT_WARNING;
		publish_problem(p, r,
		    f[i].level == LINT_ERROR ? REPORT_ERROR : REPORT_WARNING,
		    f[i].file == NULL ? "" : f[i].file, f[i].line, "%s: %s",
		    f[i].rule->code, f[i].text);
	}
	p->plan.lint_warnings = lint_count(l, LINT_WARNING);
	/* Those of a flood that the linter only counted. */
	r->errors += lint_count(l, LINT_ERROR) - errors;
	r->warnings += p->plan.lint_warnings - warnings;
}

enum result
publish_lint(struct publish *p, struct report *r)
{
	struct lint *l = lint_new(p->o->now);
	struct mime *mime = mime_new(p->root.conf, r);
	enum result result = RESULT_LOCAL;

	if (l != NULL && mime != NULL) {
		set_rules(l, p->root.host, p->o);
		errno = ENOMEM;
		if (lint_run(l, p->root.hosts, p->root.host, mime)) {
			findings_report(p, l, r);
			result = lint_count(l, LINT_ERROR) > 0 ? RESULT_FAILED
							       : RESULT_GOOD;
		}
	}
	if (result == RESULT_LOCAL)
		report_add(r, REPORT_ERROR, p->o->src, 0, "%s",
		    strerror(l == NULL || mime == NULL ? ENOMEM : errno));
	mime_free(&mime);
	lint_free(&l);
	return result;
}

struct reporting {
	const struct publish *p;
	struct report *r;
	size_t absolute, nowhere, folded;
};

static void
link_report(
    struct reporting *t, const struct link *link, size_t *n, const char *what)
{
	bool cut = link->url.len > URL_SHOWN_MAX;
	struct slice url =
	    cut ? slice_head(link->url, URL_SHOWN_MAX) : link->url;

	if (++*n > PUBLISH_SHOWN_MAX)
		return;
	publish_problem(t->p, t->r, REPORT_WARNING, link->page, link->line,
	    "link to %.*s%s: %s", SLICE_ARGS(url), cut ? "..." : "", what);
}

static void
look_at_link(void *arg, const struct link *link)
{
	struct reporting *t = arg;

	if (link->absolute)
		link_report(t, link, &t->absolute,
		    "it takes a mirror's readers to the origin, which may be "
		    "gone; leave out the host");
	if (link->end == LINKS_NOWHERE)
		link_report(t, link, &t->nowhere,
		    "the manifest lists no such file: no mirror will have it");
}

static void
look_at_names(void *arg, const char *a, const char *b)
{
	struct reporting *t = arg;

	if (++t->folded <= PUBLISH_SHOWN_MAX)
		publish_problem(t->p, t->r, REPORT_WARNING, b, 0,
		    "differs from %s in case alone: some file systems can "
		    "keep only one of them",
		    a);
}

static void
more_report(const struct reporting *t, size_t n, const char *what)
{
	if (n > PUBLISH_SHOWN_MAX)
		report_add(t->r, REPORT_WARNING, t->p->o->src, 0, "%zu more %s",
		    n - PUBLISH_SHOWN_MAX, what);
}

/* Mirrors keep to limits, which are known. */
static void
check_sizes(const struct publish *p, struct report *r)
{
	const struct manifest *m = &p->after;

	if (m->largest > PUBLISH_FILE_USUAL)
		report_add(r, REPORT_WARNING, p->o->src, 0,
		    "the largest file has %llu MiB: mirrors take no more than "
		    "%llu, unless their operators say so",
		    (unsigned long long)(m->largest >> 20),
		    (unsigned long long)(PUBLISH_FILE_USUAL >> 20));
	if (m->bytes > PUBLISH_BYTES_USUAL)
		report_add(r, REPORT_WARNING, p->o->src, 0,
		    "%llu MiB in all: mirrors take no more than %llu, unless "
		    "their operators say so",
		    (unsigned long long)(m->bytes >> 20),
		    (unsigned long long)(PUBLISH_BYTES_USUAL >> 20));
}

/* The rule of capsule.conf that decides about path: each is asked alone. NULL:
 * none. */
static const struct conf_text *
rule_of(const struct host *h, const char *path)
{
	const struct conf_content *all = &h->content;
	struct host one = *h;

	one.content.n_redirects = 0;
	one.content.gone.n = 1;
	for (size_t i = 0; i < all->gone.n; i++) {
		one.content.gone.item = &all->gone.item[i];
		if (links_policy(&one, path) != STATUS_NONE)
			return &all->gone.item[i];
	}
	one.content.n_redirects = 1;
	one.content.gone.n = 0;
	for (size_t i = 0; i < all->n_redirects; i++) {
		one.content.redirects = &all->redirects[i];
		if (links_policy(&one, path) != STATUS_NONE)
			return &all->redirects[i].from;
	}
	return NULL;
}

/* False, and a problem, when no mirror would get it. */
static bool
check_reached(const struct publish *p, const char *path, struct report *r)
{
	const struct conf_text *rule;

	if (links_policy(p->root.host, path) == STATUS_NONE)
		return true;
	rule = rule_of(p->root.host, path);
	report_add(r, REPORT_ERROR,
	    rule == NULL ? PUBLISH_CONF_FILE : rule->file,
	    rule == NULL ? 0 : rule->line,
	    "\"%s\" is also about %s, which mirrors must be able to fetch",
	    rule == NULL ? "" : rule->text, path);
	return false;
}

enum result
publish_check_reached(struct publish *p, struct report *r)
{
	char object[MIRROR_OBJECT_SIZE];
	bool ok = true;

	for (size_t i = 0; i < MIRROR_MADE; i++)
		ok = check_reached(p, mirror_made[i], r) && ok;
	for (size_t i = 0; i < p->n && ok; i++) {
		mirror_object(p->file[i].digest, object);
		ok = check_reached(p, object, r);
	}
	return ok ? RESULT_GOOD : RESULT_FAILED;
}

enum result
publish_check_links(struct publish *p, struct report *r)
{
	const struct links_place place = { p->root.host, &p->pages, &p->after };
	struct reporting t = { .p = p, .r = r };

	if (!links_each(&place, look_at_link, &t)) {
		report_add(r, REPORT_ERROR, p->o->src, 0,
		    "a page cannot be read any more");
		return RESULT_FAILED;
	}
	more_report(&t, t.absolute, "links name the origin's host");
	more_report(&t, t.nowhere, "links lead to no file of the manifest");
	manifest_folded(&p->after, look_at_names, &t);
	more_report(&t, t.folded, "names differ from others in case alone");
	check_sizes(p, r);
	return RESULT_GOOD;
}

/* Pages that go though others lead there: found in the last release, as its
 * clients know it. */

static int
losses_compare(const void *a, const void *b)
{
	const struct publish_loss *x = a, *y = b;

	return strcmp(x->path, y->path);
}

bool
publish_open_last(struct publish *p)
{
	struct report ignored = { 0 };
	struct buf path;
	bool ok = p->last.host != NULL;

	if (ok)
		return true;
	buf_init(&path, strlen(p->o->store) + 64);
	ok = buf_printf(&path, "%s/releases/%llu", p->o->store,
		 (unsigned long long)p->last_serial) &&
	     publish_root_open(
		 &p->last, buf_cstr(&path), p->origin.host, &ignored);
	report_fini(&ignored);
	buf_fini(&path);
	return ok;
}

static bool
open_last_pages(struct publish *p)
{
	struct report ignored = { 0 };
	bool ok = publish_open_last(p) &&
		  hosts_read_content(p->last.hosts, &ignored) &&
		  inventory_read(p->last.host, &p->last_pages);

	report_fini(&ignored);
	return ok;
}

/* A page that moved is not lost: capsule.conf says where it is. */
static bool
is_moved(const struct publish *p, const char *path)
{
	enum status status = links_policy(p->root.host, path);

	return status == STATUS_REDIRECT || status == STATUS_REDIRECT_PERMANENT;
}

static void
note_gone(void *arg, enum change change, const char *path)
{
	const struct inventory_item *item;
	struct publish *p = arg;

	if (change != CHANGE_GONE)
		return;
	item = inventory_find(&p->last_pages, path);
	if (item != NULL && item->page && !is_moved(p, path))
		p->loss[p->plan.n_losses++].path = path;
}

static void
note_link(void *arg, const struct link *link)
{
	struct publish *p = arg;
	struct publish_loss key = { 0 }, *loss;

	if (link->entry == NULL || strcmp(link->entry->path, link->page) == 0)
		return;
	key.path = link->entry->path;
	loss = bsearch(
	    &key, p->loss, p->plan.n_losses, sizeof(*p->loss), losses_compare);
	if (loss == NULL)
		return;
	if (loss->links++ == 0) {
		loss->page = link->page;
		loss->line = link->line;
	}
}

enum result
publish_find_losses(struct publish *p, struct report *r)
{
	struct publish_plan *plan = &p->plan;
	struct links_place place;
	size_t n = 0;

	plan->changes = changes_between(plan->before, plan->after, NULL, NULL);
	if (plan->changes.gone == 0)
		return RESULT_GOOD;
	p->loss = calloc((size_t)plan->changes.gone, sizeof(*p->loss));
	if (p->loss == NULL) {
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
		return RESULT_LOCAL;
	}
	plan->loss = p->loss;
	if (!open_last_pages(p)) {
		report_add(r, REPORT_ERROR, p->o->store, 0,
		    "the pages of serial %llu cannot be read, so nobody can "
		    "tell which links break",
		    (unsigned long long)p->last_serial);
		return RESULT_LOCAL;
	}
	(void)changes_between(plan->before, plan->after, note_gone, p);
	if (plan->n_losses == 0)
		return RESULT_GOOD;
	place =
	    (struct links_place){ p->last.host, &p->last_pages, &p->before };
	if (!links_each(&place, note_link, p))
		report_add(r, REPORT_WARNING, p->o->store, 0,
		    "not every page of serial %llu can be read",
		    (unsigned long long)p->last_serial);
	for (size_t i = 0; i < plan->n_losses; i++)
		if (p->loss[i].links > 0)
			p->loss[n++] = p->loss[i];
	plan->n_losses = n;
	return RESULT_GOOD;
}
