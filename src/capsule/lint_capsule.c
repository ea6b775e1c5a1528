/* SPDX-License-Identifier: ISC */
/* The files of a capsule: names, sizes, languages, directories, and pages that
 * nothing links to (spec.md 4.1.10 to 4.1.12). */
#include <string.h>

#include "capsule/lint_internal.h"

#define RISKY_NAME "a name with more than A-Z a-z 0-9 . _ ~ - in it"

enum { FILE_SIZE_MAX = 100 << 20 }; /* bytes that are worth a word */

static bool
is_plain(const char *name, size_t len)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789._~-";

	return strspn(name, safe) >= len;
}

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

static void
check_file(struct lint *l, const struct inventory_item *item)
{
	struct slice path = slice_str(item->path);
	const char *name = base_name(item->path);

	if (!is_plain(name, strlen(name)))
		lint_add(l, "C002", item->path, 0, RISKY_NAME);
	if (item->size > FILE_SIZE_MAX)
		lint_add(l, "C005", item->path, 0,
		    "%llu MiB: some clients and networks give up before the "
		    "end",
		    (unsigned long long)(item->size >> 20));
	if (item->page && !slice_ends(path, SLICE(".gmi")) &&
	    !slice_ends(path, SLICE(".gemini")))
		lint_add(l, "C011", item->path, 0,
		    "gemtext whose name does not end in .gmi");
}

/* Whether a directory, len bytes of item's path with the slash, holds a file and
 * not only directories. What it holds stands behind its first item. */
static bool
holds_file(const struct lint *l, size_t item, size_t len)
{
	const struct inventory *i = &l->inventory;
	const char *directory = i->item[item].path;

	for (size_t k = item;
	     k < i->n && strncmp(i->item[k].path, directory, len) == 0; k++)
		if (strchr(i->item[k].path + len, '/') == NULL)
			return true;
	return false;
}

static void
check_directory(struct lint *l, size_t item, size_t len)
{
	const char *path = l->inventory.item[item].path;
	const struct lint_target *t = lint_ask_path(l, slice_of(path, len));
	char name[REQUEST_URI_MAX + 1];
	size_t from = len - 1;

	if (len >= sizeof(name))
		return;
	memcpy(name, path, len);
	name[len] = '\0';
	while (from > 0 && path[from - 1] != '/')
		from--;
	if (!is_plain(path + from, len - 1 - from))
		lint_add(l, "C002", name, 0, RISKY_NAME);
	if (t != NULL && t->status == STATUS_NOT_FOUND &&
	    strncmp(path, ".well-known/", len) != 0 && holds_file(l, item, len))
		lint_add(l, "C003", name, 0,
		    "a directory with files, but neither index page nor "
		    "listing");
}

/* Each directory once, at the first item beneath it: items are in order. */
static void
check_directories(struct lint *l, size_t item)
{
	const char *path = l->inventory.item[item].path;
	const char *above = item > 0 ? l->inventory.item[item - 1].path : "";
	const char *slash;

	for (slash = strchr(path, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		size_t len = (size_t)(slash - path) + 1;

		if (strncmp(path, above, len) != 0)
			check_directory(l, item, len);
	}
}

/* Whether the listing of the directory that holds path, len bytes of it with the
 * slash, shows it. */
static bool
is_listed(struct lint *l, const char *path, size_t len)
{
	const struct lint_target *t = lint_ask_path(l, slice_of(path, len));

	return t != NULL && t->status == STATUS_SUCCESS && t->item == NULL;
}

static bool
is_found(struct lint *l, size_t item)
{
	const char *path = l->inventory.item[item].path;
	size_t len = (size_t)(base_name(path) - path);
	const struct lint_target *t = lint_ask_path(l, slice_of(path, len));

	if (l->linked[item] || is_listed(l, path, len))
		return true;
	if (t == NULL || t->item != &l->inventory.item[item])
		return false;
	/* The page is its directory's index: the root's needs no link, others
	 * may be found by the listing one level up. */
	if (len == 0)
		return true;
	len--;
	while (len > 0 && path[len - 1] != '/')
		len--;
	return is_listed(l, path, len);
}

static void
check_orphans(struct lint *l)
{
	for (size_t i = 0; i < l->inventory.n; i++)
		if (l->inventory.item[i].page && !is_found(l, i))
			lint_add(l, "C004", l->inventory.item[i].path, 0,
			    "no other page links to this one");
}

static bool
has_language(const struct lint_target *t)
{
	struct slice type, parameters = slice_str(t->meta), one;
	bool more = slice_cut(parameters, ';', &type, &parameters);

	while (more) {
		more = slice_cut(parameters, ';', &one, &parameters);
		if (slice_starts(slice_trim(one), SLICE("lang=")))
			return true;
	}
	return false;
}

static bool
lacks_language(struct lint *l, const struct inventory_item *item)
{
	const struct lint_target *t;

	if (!item->page)
		return false;
	t = lint_ask_item(l, item);
	return t != NULL && t->status == STATUS_SUCCESS && !has_language(t);
}

/* Where no page has a language, that is one mistake and not many. */
static void
check_languages(struct lint *l)
{
	size_t pages = 0, lacking = 0;

	for (size_t i = 0; i < l->inventory.n; i++) {
		pages += l->inventory.item[i].page;
		lacking += lacks_language(l, &l->inventory.item[i]);
	}
	if (lacking == pages && pages > 0) {
		lint_add(l, "C001", NULL, 0,
		    "no page has a language; lang in " LINT_CONF_FILE
		    " sets it");
		return;
	}
	for (size_t i = 0; lacking > 0 && i < l->inventory.n; i++)
		if (lacks_language(l, &l->inventory.item[i]))
			lint_add(l, "C001", l->inventory.item[i].path, 0,
			    "no language");
}

static void
check_root(struct lint *l)
{
	const struct lint_target *t = lint_ask_path(l, SLICE(""));

	if (t != NULL)
		t = lint_follow(l, t);
	/* Whoever visits the capsule is led there. */
	if (t != NULL && t->item != NULL)
		l->linked[t->item - l->inventory.item] = true;
	if (t != NULL && t->status != STATUS_SUCCESS)
		lint_add(l, "C012", NULL, 0,
		    "no index page: who visits the capsule's first page gets "
		    "%d",
		    (int)t->status);
}

void
lint_capsule(struct lint *l)
{
	for (size_t i = 0; i < l->inventory.n; i++) {
		check_directories(l, i);
		check_file(l, &l->inventory.item[i]);
	}
	check_languages(l);
	check_root(l);
	check_orphans(l);
}
