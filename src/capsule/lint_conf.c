/* SPDX-License-Identifier: ISC */
/* capsule.conf compared with the files that are there. */
#include <stdlib.h>
#include <string.h>

#include "capsule/lint_internal.h"
#include "capsule/policy.h"
#include "os/file.h"

/* At the place where an option was written: what stands in the operator's own
 * file is not a line of the capsule's. */
static void
lint_conf_add(struct lint *l, const char *code, const char *option,
    const struct conf_text *text, const char *what)
{
	if (text->file == NULL || strcmp(text->file, LINT_CONF_FILE) == 0)
		lint_add(l, code, LINT_CONF_FILE, text->line, "%s \"%s\": %s",
		    option, text->text, what);
	else
		lint_add(l, code, NULL, 0, "%s:%u: %s \"%s\": %s", text->file,
		    text->line, option, text->text, what);
}

/* Reads the file again, for its mistakes. */
void
lint_conf_read(struct lint *l)
{
	struct report r = { 0 };

	l->unread = !host_salvage_content(
	    l->hosts, l->host, LINT_CONF_FILE, &l->content, &r);
	for (size_t i = 0; i < r.n; i++) {
		const struct report_item *item = &r.items[i];

		if (item->file != NULL &&
		    strcmp(item->file, LINT_CONF_FILE) == 0)
			lint_add(l,
			    item->level == REPORT_ERROR ? "C006" : "C014",
			    item->file, item->line, "%s%s", item->text,
			    l->unread ? "; this file is ignored, so links and "
					"languages are not checked"
				      : "");
	}
	report_fini(&r);
}

/* Index names are tried one after the other, so one that is somewhere is
 * enough. */
static void
lint_conf_check_index(struct lint *l, const struct conf_list *index)
{
	if (!index->set || index->n == 0)
		return;
	for (size_t i = 0; i < l->inventory.n; i++) {
		const char *path = l->inventory.item[i].path;
		const char *slash = strrchr(path, '/');

		for (size_t k = 0; k < index->n; k++)
			if (strcmp(slash == NULL ? path : slash + 1,
				index->item[k].text) == 0)
				return;
	}
	lint_conf_add(l, "C007", "index", &index->item[0],
	    "no directory contains a file of that name");
}

static void
lint_conf_check_order(struct lint *l, const struct conf_list *order)
{
	bool *ordered = calloc(l->inventory.n + 1, sizeof(*ordered));
	const struct inventory_item *item;

	if (ordered == NULL) {
		l->short_of_memory = true;
		return;
	}
	for (size_t i = 0; i < order->n; i++) {
		item = inventory_find(&l->inventory, order->item[i].text);
		if (item != NULL && item->page)
			ordered[item - l->inventory.item] = true;
		else
			lint_conf_add(l, "C007", "order", &order->item[i],
			    item == NULL ? "not a file that is served"
					 : "not served as text/gemini");
	}
	for (size_t i = 0; order->n > 0 && i < l->inventory.n; i++)
		if (l->inventory.item[i].page && !ordered[i])
			lint_add(l, "C008", l->inventory.item[i].path, 0,
			    "missing from order, which lists the pages of the "
			    "text copy");
	free(ordered);
}

/* Whether something can lie where a redirect puts the rest of a path: files are
 * there, or another redirect applies there. */
static bool
redirect_carries_somewhere(struct lint *l, const struct conf_redirect *d)
{
	const struct uri no_query = { .port = -1 };
	uint8_t memory[RESPONSE_META_MAX];
	const struct lint_target *t;
	struct slice target, query;
	struct uri_path path;
	struct buf text;

	buf_wrap(&text, memory, sizeof(memory));
	if (!policy_redirect_path(d, "", &path) ||
	    !status_is_redirect(policy_redirect(d, &path, &no_query, &text)))
		return false;
	slice_cut(buf_view(&text), '?', &target, &query);
	if (uri_path_normalise(target, &path) != URI_PATH_OK)
		return false;
	if (inventory_has_prefix(&l->inventory, path.decoded + 1))
		return true;
	t = lint_ask_path(l, slice_str(path.decoded + 1));
	return t != NULL && t->status != STATUS_NOT_FOUND;
}

static bool
redirect_leads_somewhere(struct lint *l, const struct conf_redirect *d)
{
	const struct lint_target *t;

	if (d->to.text[0] == '/' && policy_carries_rest(d))
		return redirect_carries_somewhere(l, d);
	t = lint_ask_path(l, slice_str(d->from.text + 1));
	/* Gone, or moved by an earlier redirect: this one is never used. */
	if (t == NULL || !status_is_redirect(t->status) || t->slash)
		return true;
	t = lint_follow(l, t);
	return t == NULL || t->status == STATUS_SUCCESS ||
	       status_is_redirect(t->status);
}

static void
lint_conf_check_redirects(struct lint *l, const struct conf_content *content)
{
	for (size_t i = 0; i < content->n_redirects; i++) {
		const struct conf_redirect *d = &content->redirects[i];

		if (d->from.text != NULL && d->from.text[0] == '/' &&
		    d->to.text != NULL && !redirect_leads_somewhere(l, d))
			lint_conf_add(
			    l, "C009", "redirects.to", &d->to, "no such page");
	}
}

/* Whether a name above the last one is hidden: what is in there is left out
 * with it. */
static bool
path_lies_hidden(const struct host *h, const char *path)
{
	const char *slash;

	for (; (slash = strchr(path, '/')) != NULL; path = slash + 1)
		if (host_hides(h, path, (size_t)(slash - path)))
			return true;
	return false;
}

/* Whether it is reported elsewhere that path cannot be read: capsule.conf by
 * C006, and by publish what it leaves out, pages apart. */
static bool
path_is_reported(const struct lint *l, const char *path)
{
	return strcmp(path, LINT_CONF_FILE) == 0 ||
	       (l->published && !inventory_names_page(l->host, path));
}

static bool
lint_conf_visit(void *arg, const char *path, const struct stat *st)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	const struct lint_target *t;
	struct lint *l = arg;
	const char *remedy;

	if (path_lies_hidden(l->host, path) ||
	    inventory_find(&l->inventory, path) != NULL)
		return true;
	if (host_hides(l->host, name, strlen(name))) {
		lint_add(l, "C013", path, 0,
		    "not served: its name begins with a dot");
		return true;
	}
	remedy = inventory_denied(l->host, path);
	if (remedy != NULL && !path_is_reported(l, path))
		lint_add(l, "C016", path, 0,
		    "the server has no right to read this: %s", remedy);
	if (remedy != NULL || inventory_is_denied(l->host, slice_str(path)))
		return true;
	if (st->st_mode == 0) {
		lint_add(l, "C013", path, 0,
		    "not served: unreadable, not a regular file, or a symbolic "
		    "link that is broken or leads out of the capsule");
		return true;
	}
	if (!S_ISREG(st->st_mode))
		return true;
	t = lint_ask_path(l, slice_str(path));
	if (t == NULL)
		lint_add(l, "C013", path, 0,
		    "not served: path too long for a request");
	else if (t->status == STATUS_GONE)
		lint_add(l, "C010", path, 0,
		    "declared gone, but the file still exists");
	else if (status_is_redirect(t->status))
		lint_add(l, "C013", path, 0, "not served: redirected to %s",
		    t->meta);
	else
		lint_add(l, "C013", path, 0, "not served: answered %d",
		    (int)t->status);
	return true;
}

void
lint_conf(struct lint *l)
{
	lint_conf_check_index(l, &l->content.index);
	lint_conf_check_order(l, &l->content.order);
	lint_conf_check_redirects(l, &l->content);
	(void)file_walk(l->host->root, lint_conf_visit, l);
}
