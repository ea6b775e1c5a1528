/* SPDX-License-Identifier: ISC */
/* Reports before publishing: the linter's, and what matters only to mirrors. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/publish_internal.h"
#include "capsule/copy.h"
#include "capsule/lint.h"
#include "capsule/listing.h"

enum { URL_SHOWN_MAX = 200, SIZE_TEXT = 16, TEXT_MAX = 2048 };

bool
publish_retracts(const struct publish_options *o, const char *path)
{
	for (size_t i = 0; i < o->n_retract; i++)
		if (strcmp(o->retract[i], path) == 0)
			return true;
	return false;
}

enum result
publish_refuse(struct report *r, enum result result, const char *file,
    const char *format, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	report_add(r, REPORT_ERROR, file, 0, "%s", text);
	return result;
}

/* ------------------------------------------------------------- who may sign */

/* The last of that standing: of an older store more than one may be announced. */
static const struct signify_key *
key_of(const struct keyring *ring, enum keyring_standing standing)
{
	for (size_t i = ring->n; i-- > 0;)
		if (ring->key[i].standing == standing)
			return &ring->key[i].key;
	return NULL;
}

static bool
key_is(const struct signify_key *a, const struct signify_key *b)
{
	return a != NULL && b != NULL && signify_key_equal(a, b);
}

const struct signify_key *
publish_successor(const struct publish_options *o, const struct keyring *ring)
{
	const struct signify_key *announced = key_of(ring, KEYRING_ANNOUNCED);

	if (o->next_key != NULL)
		return o->next_key;
	return key_is(o->key, announced) ? NULL : announced;
}

enum result
publish_check_keys(const struct publish_options *o, const struct keyring *ring,
    const struct signify_key *signer, const struct signify_key *next,
    bool *other, struct report *r)
{
	const struct signify_key *announced = key_of(ring, KEYRING_ANNOUNCED);
	const struct keyring_key *known, *after;
	uint8_t memory[SIGNIFY_PUBLIC_TEXT + 1];
	struct buf text;

	/* To be signed elsewhere, by nobody knows whom: by whom it was before. */
	if (signer == NULL)
		signer = key_of(ring, KEYRING_PINNED);
	if (signer == NULL)
		return RESULT_GOOD;
	known = keyring_find(ring, signer);
	after = next == NULL ? NULL : keyring_find(ring, next);
	*other =
	    ring->n > 0 && (known == NULL || known->standing != KEYRING_PINNED);
	if (known != NULL && known->standing == KEYRING_RETIRED)
		return publish_refuse(r, RESULT_REFUSED, o->store,
		    "this key is retired: its successor has signed already");
	if (*other && !key_is(announced, signer))
		return publish_refuse(r, RESULT_REFUSED, o->store,
		    "pins another key, and the last release does not announce "
		    "this key: mirrors would refuse what it signs. Have the "
		    "key that signs now announce it (--next-key), and wait "
		    "until they have that");
	if (key_is(signer, next))
		return publish_refuse(r, RESULT_USAGE, NULL,
		    "--next-key is the key that signs already");
	if (after != NULL && (*other || after->standing == KEYRING_RETIRED))
		return publish_refuse(r, RESULT_REFUSED, o->store,
		    "--next-key: this key is retired, or would be with this "
		    "release, and mirrors take nothing that it signs: announce "
		    "one that is new");
	if (announced == NULL || key_is(announced, signer) ||
	    key_is(announced, next))
		return RESULT_GOOD;
	buf_wrap(&text, memory, sizeof(memory));
	(void)signify_key_text(announced, &text);
	report_add(r, REPORT_WARNING, o->store, 0,
	    "the key %.*s, announced so far, is announced no more: it must "
	    "not sign unless it is announced again",
	    SLICE_ARGS(buf_view(&text)));
	return RESULT_GOOD;
}

/* --------------------------------------------------------------- the linter */

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

/* Turns off the rules whose codes begin with prefix. */
static void
lint_silence(struct lint *l, const char *prefix)
{
	size_t n;
	const struct lint_rule *rules = lint_rules(&n);

	for (size_t i = 0; i < n; i++)
		if (strncmp(rules[i].code, prefix, strlen(prefix)) == 0)
			(void)lint_set(l, rules[i].code, LINT_OFF);
}

/* The feed is generated, so an older one need not be right; absolute links are
 * reported in other words. What the person sets comes last and wins. */
static bool
lint_prepare(
    struct lint *l, const struct host *h, const struct publish_options *o)
{
	struct why why;
	bool ok = lint_promise(l, FEED_FILE) && lint_promise(l, copy_file(h));

	lint_published(l);
	lint_silence(l, "G014");
	if (h->content.feed.text != NULL)
		lint_silence(l, "A");
	for (size_t i = 0; i < MIRROR_MADE; i++)
		ok = ok && lint_promise(l, mirror_made[i]);
	/* A link to what has to go at once must not be in its way. */
	for (size_t i = 0; i < o->n_retract; i++)
		ok = ok && lint_promise(l, o->retract[i]);
	for (size_t i = 0; i < o->n_levels; i++)
		lint_set_text(l, o->levels[i], &why);
	return ok;
}

static void
findings_report(const struct lint *l, const struct host *h, struct report *r)
{
	const struct lint_finding *f;
	size_t n;

	f = lint_findings(l, &n);
	for (size_t i = 0; i < n; i++)
		if (f[i].level == LINT_WARNING || f[i].level == LINT_ERROR)
			page_problem(r,
			    f[i].level == LINT_ERROR ? REPORT_ERROR
						     : REPORT_WARNING,
			    h, f[i].file == NULL ? "" : f[i].file, f[i].line,
			    "%s: %s", f[i].rule->code, f[i].text);
}

struct checking {
	const struct publish_source *s;
	const struct publish_options *o;
	struct report *r;
};

static void
link_report(const struct checking *c, const struct lint_reference *link,
    const char *what)
{
	bool cut = link->url.len > URL_SHOWN_MAX;
	struct slice url =
	    cut ? slice_head(link->url, URL_SHOWN_MAX) : link->url;

	page_problem(c->r, REPORT_WARNING, c->s->root->host, link->page,
	    link->line, "link to %.*s%s: %s", SLICE_ARGS(url), cut ? "..." : "",
	    what);
}

/* Whether a mirror can answer with what lies at path, or with a listing. */
static bool
link_is_listed(const struct publish_source *s, const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < MIRROR_MADE; i++)
		if (strcmp(mirror_made[i], path) == 0)
			return true;
	return len == 0 || path[len - 1] == '/'
		   ? inventory_has_prefix(&s->pages, path)
		   : publish_source_find(s, path) != NULL;
}

/* A link that leads nowhere at all is among the linter's findings. */
static void
link_check(void *arg, const struct lint_reference *link)
{
	const struct checking *c = arg;

	if (link->absolute)
		link_report(c, link,
		    "it takes a mirror's readers to the origin, which may be "
		    "gone; leave out the host");
	if (link->status != STATUS_SUCCESS || link_is_listed(c->s, link->path))
		return;
	link_report(c, link,
	    publish_retracts(c->o, link->path)
		? "retracted with this release"
		: "the manifest lists no such file: no mirror will have it");
}

/* Runs the linter over a capsule, for its links. False and errno. */
static bool
lint_root(struct lint *l, const struct hosts *root, lint_handler *handle,
    void *arg, struct report *r)
{
	struct mime *mime = mime_new(root->conf, r);
	bool ok;

	errno = ENOMEM;
	lint_on_link(l, handle, arg);
	ok = mime != NULL && lint_run(l, root, root->host, mime);
	mime_free(&mime);
	return ok;
}

enum result
publish_lint(const struct publish_source *s, const struct publish_options *o,
    size_t *warnings, struct report *r)
{
	struct checking c = { .s = s, .o = o, .r = r };
	struct lint *l = lint_new(o->now);
	enum result result = RESULT_GOOD;

	errno = ENOMEM;
	if (l == NULL || !lint_prepare(l, s->root->host, o) ||
	    !lint_root(l, s->root, link_check, &c, r)) {
		result = publish_refuse(
		    r, RESULT_LOCAL, o->src, "%s", strerror(errno));
	} else {
		findings_report(l, s->root->host, r);
		*warnings = lint_count(l, LINT_WARNING);
		if (lint_count(l, LINT_ERROR) > 0)
			result = RESULT_FAILED;
	}
	lint_free(&l);
	return result;
}

/* -------------------------------------------------------- for mirrors alone */

static void
name_check(void *arg, const char *a, const char *b)
{
	const struct checking *c = arg;

	page_problem(c->r, REPORT_WARNING, c->s->root->host, b, 0,
	    "differs from %s in case alone: some file systems can keep only "
	    "one of them",
	    a);
}

/* Mirrors keep to limits, which are known. */
static void
size_check(
    const struct checking *c, uint64_t size, uint64_t usual, const char *what)
{
	char all[SIZE_TEXT], most[SIZE_TEXT];

	if (size <= usual)
		return;
	listing_size(size, all);
	listing_size(usual, most);
	report_add(c->r, REPORT_WARNING, c->s->root->host->conf->root.text, 0,
	    "%s %s: mirrors take no more than %s, unless their operators say "
	    "so",
	    all, what, most);
}

/* False, and a problem, when no mirror would get it. The rule of capsule.conf that
 * decides is the last of as few as decide at all. */
static bool
reached_check(const struct host *h, const char *path, struct report *r)
{
	const struct conf_content *all = &h->content;
	const struct conf_text *rule;
	struct host one = *h;
	size_t *gone = &one.content.gone.n, *moved = &one.content.n_redirects;

	if (inventory_policy(h, path) == STATUS_NONE)
		return true;
	*gone = *moved = 0;
	while (inventory_policy(&one, path) == STATUS_NONE)
		++*(*gone < all->gone.n ? gone : moved);
	rule = *moved > 0 ? &all->redirects[*moved - 1].from
			  : &all->gone.item[*gone - 1];
	report_add(r, REPORT_ERROR, rule->file, rule->line,
	    "\"%s\" is also about %s, which mirrors must be able to fetch",
	    rule->text, path);
	return false;
}

enum result
publish_check_list(const struct publish_source *s, const struct manifest *list,
    struct report *r)
{
	struct checking c = { .s = s, .r = r };
	char object[MIRROR_OBJECT_SIZE];
	bool ok = true;

	manifest_folded(list, name_check, &c);
	size_check(
	    &c, list->largest, PUBLISH_FILE_USUAL, "in the largest file");
	size_check(&c, list->bytes, PUBLISH_BYTES_USUAL, "in all");
	for (size_t i = 0; i < MIRROR_MADE; i++)
		ok = reached_check(s->root->host, mirror_made[i], r) && ok;
	for (size_t i = 0; i < s->n && ok; i++) {
		mirror_object(s->file[i].digest, object);
		ok = reached_check(s->root->host, object, r) &&
		     (s->file[i].made == NULL ||
			 reached_check(s->root->host, s->file[i].path, r));
	}
	return ok ? RESULT_GOOD : RESULT_FAILED;
}

static void
difference_report(void *arg, enum change change, const char *path)
{
	report_add(arg, REPORT_ERROR, NULL, 0,
	    "since the list was written: %s %s", change_text(change), path);
}

enum result
publish_check_sealed(
    const struct manifest *m, const struct manifest *own, struct report *r)
{
	struct changes c;

	if (m->serial != own->serial)
		return publish_refuse(r, RESULT_REFUSED, NULL,
		    "the signed list is of serial %llu, and the next one is "
		    "%llu",
		    (unsigned long long)m->serial,
		    (unsigned long long)own->serial);
	if (strcmp(m->origin, own->origin) != 0)
		return publish_refuse(r, RESULT_REFUSED, NULL,
		    "the signed list is of %s", m->origin);
	c = changes_between(m, own, difference_report, r);
	if (changes_none(&c) && m->bytes == own->bytes &&
	    m->largest == own->largest)
		return RESULT_GOOD;
	return publish_refuse(r, RESULT_REFUSED, NULL,
	    "the signed list is not of what the folder holds now: write and "
	    "sign another (--unsigned)");
}

/* ------------------------------------------- pages that others will look for */

struct losing {
	const struct publish_source *s;
	const struct publish_options *o;
	const struct hosts *last;
	const struct publish_plan *plan;
	struct publish_loss *loss; /* in byte order of paths */
	size_t n;
};

static int
losses_compare(const void *a, const void *b)
{
	const struct publish_loss *x = a, *y = b;

	return strcmp(x->path, y->path);
}

/* A page that moved is not lost: capsule.conf says where it is. Nor is one that
 * is meant to go. */
static void
note_gone(void *arg, enum change change, const char *path)
{
	struct losing *g = arg;

	if (change == CHANGE_GONE &&
	    inventory_names_page(g->last->host, path) &&
	    !status_is_redirect(inventory_policy(g->s->root->host, path)) &&
	    !publish_retracts(g->o, path))
		g->loss[g->n++].path = path;
}

static void
note_link(void *arg, const struct lint_reference *link)
{
	struct losing *g = arg;
	const struct publish_loss key = { .path = link->path };
	struct publish_loss *loss =
	    bsearch(&key, g->loss, g->n, sizeof(*g->loss), losses_compare);
	const struct manifest_entry *page;

	if (loss == NULL || strcmp(link->path, link->page) == 0)
		return;
	page = manifest_find(&g->plan->before, link->page);
	if (page != NULL && loss->links++ == 0) {
		loss->page = page->path;
		loss->line = link->line;
	}
}

enum result
publish_find_losses(const struct publish_source *s,
    const struct publish_options *o, struct hosts *last,
    struct publish_plan *plan, struct report *r)
{
	struct losing g = { s, o, last, plan, NULL, 0 };
	struct report ignored = { 0 };
	struct lint *l;
	bool ok;

	if (plan->changes.gone == 0)
		return RESULT_GOOD;
	l = lint_new(o->now);
	g.loss = calloc((size_t)plan->changes.gone, sizeof(*g.loss));
	plan->loss = g.loss;
	ok = l != NULL && g.loss != NULL && last != NULL &&
	     hosts_read_content(last, &ignored);
	if (ok) {
		lint_silence(l, "");
		(void)changes_between(
		    &plan->before, &plan->after, note_gone, &g);
		ok = g.n == 0 || lint_root(l, last, note_link, &g, &ignored);
	}
	lint_free(&l);
	report_fini(&ignored);
	if (!ok)
		return publish_refuse(r, RESULT_LOCAL, o->store,
		    "the pages of serial %llu cannot be read, so nobody can "
		    "tell which links break",
		    (unsigned long long)plan->before.serial);
	for (size_t i = 0; i < g.n; i++)
		if (g.loss[i].links > 0)
			g.loss[plan->n_losses++] = g.loss[i];
	return RESULT_GOOD;
}
