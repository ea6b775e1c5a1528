/* SPDX-License-Identifier: ISC */
/* Pages that go though others lead there: found in the last release, as its
 * visitors know it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "archive/links.h"
#include "archive/publish_internal.h"

static int
losses_compare(const void *a, const void *b)
{
	const struct publish_loss *x = a, *y = b;

	return strcmp(x->path, y->path);
}

/* Opens the last release as the capsule that it was. */
static bool
open_last(struct publish *p)
{
	struct report ignored = { 0 };
	struct buf path;
	bool ok;

	buf_init(&path, strlen(p->o->store) + 64);
	ok = buf_printf(&path, "%s/releases/%llu", p->o->store,
		 (unsigned long long)p->last_serial) &&
	     publish_root_open(
		 &p->last, buf_cstr(&path), p->origin.host, &ignored) &&
	     hosts_read_content(p->last.hosts, &ignored) &&
	     inventory_read(p->last.host, &p->last_pages);
	report_fini(&ignored);
	buf_fini(&path);
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
	loss =
	    bsearch(&key, p->loss, p->plan.n_losses, sizeof(*p->loss), losses_compare);
	if (loss == NULL)
		return;
	if (loss->links++ == 0) {
		loss->page = link->page;
		loss->line = link->line;
	}
}

enum publish_result
publish_find_losses(struct publish *p, struct report *r)
{
	struct publish_plan *plan = &p->plan;
	struct links_place place;
	size_t n = 0;

	plan->changes = changes_between(plan->before, plan->after, NULL, NULL);
	if (plan->changes.gone == 0)
		return PUBLISH_GOOD;
	p->loss = calloc((size_t)plan->changes.gone, sizeof(*p->loss));
	if (p->loss == NULL) {
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
		return PUBLISH_LOCAL;
	}
	plan->loss = p->loss;
	if (!open_last(p)) {
		report_add(r, REPORT_ERROR, p->o->store, 0,
		    "the pages of serial %llu cannot be read, so nobody can "
		    "tell which links break",
		    (unsigned long long)p->last_serial);
		return PUBLISH_LOCAL;
	}
	(void)changes_between(plan->before, plan->after, note_gone, p);
	if (plan->n_losses == 0)
		return PUBLISH_GOOD;
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
	return PUBLISH_GOOD;
}
