/* SPDX-License-Identifier: ISC */
#include "capsule/lint.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capsule/lint_internal.h"
#include "util/array.h"

struct lint *
lint_new(int64_t now)
{
	struct lint *l = calloc(1, sizeof(*l));
	const struct lint_rule *rules;
	size_t n;

	if (l == NULL)
		return NULL;
	rules = lint_rules(&n);
	l->now = now;
	l->listings = listings_new();
	l->levels = calloc(n, sizeof(*l->levels));
	if (l->listings == NULL || l->levels == NULL) {
		lint_free(&l);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		l->levels[i] = rules[i].level;
	return l;
}

/* Makes ready for a run, or for the end. */
static void
forget(struct lint *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->finding[i].file);
		free(l->finding[i].text);
	}
	free(l->finding);
	l->finding = NULL;
	l->n = 0;
	memset(l->counts, 0, sizeof(l->counts));
	l->short_of_memory = false;
	lint_targets_fini(l);
	free(l->linked);
	l->linked = NULL;
	inventory_fini(&l->inventory);
}

void
lint_free(struct lint **l)
{
	if (*l == NULL)
		return;
	forget(*l);
	listings_free(&(*l)->listings);
	free((*l)->levels);
	free(*l);
	*l = NULL;
}

/* Where a rule's level is kept; NULL when there is no such rule. */
static enum lint_level *
level_of(const struct lint *l, const char *code)
{
	const struct lint_rule *rule = lint_rule_find(code);
	size_t n;

	return rule == NULL ? NULL : &l->levels[rule - lint_rules(&n)];
}

bool
lint_set(struct lint *l, const char *code, enum lint_level level)
{
	enum lint_level *kept = level_of(l, code);

	if (kept != NULL)
		*kept = level;
	return kept != NULL;
}

bool
lint_promise(struct lint *l, const char *path)
{
	if (l->n_promises == LINT_PROMISES_MAX)
		return false;
	l->promise[l->n_promises++] = path;
	return true;
}

void
lint_published(struct lint *l)
{
	l->published = true;
}

/* Takes text, which it frees, as the next finding. */
static void
keep(struct lint *l, const struct lint_finding *f, const char *file)
{
	struct lint_finding *kept = array_grow(l->finding, l->n, sizeof(*kept));

	if (kept != NULL)
		l->finding = kept;
	if (f->text == NULL || kept == NULL) {
		free(f->text);
		l->short_of_memory = true;
		return;
	}
	kept += l->n;
	*kept = *f;
	if (file != NULL && (kept->file = strdup(file)) == NULL) {
		free(f->text);
		l->short_of_memory = true;
		return;
	}
	l->n++;
}

void
lint_add(struct lint *l, const char *code, const char *file, unsigned line,
    const char *format, ...)
{
	struct lint_finding f = { .rule = lint_rule_find(code), .line = line };
	char raw[LINT_TEXT_MAX];
	va_list ap;

	assert(f.rule != NULL);
	f.level = *level_of(l, code);
	if (f.level == LINT_OFF ||
	    (l->unread && lint_rule_hangs_on_conf(f.rule)))
		return;
	l->counts[f.level]++;
	if (l->n == LINT_FINDINGS_MAX)
		return;
	va_start(ap, format);
	(void)vsnprintf(raw, sizeof(raw), format, ap);
	va_end(ap);
	f.text = strdup(raw);
	keep(l, &f, file);
}

static int
compare(const void *a, const void *b)
{
	const struct lint_finding *x = a, *y = b;
	int order = strcmp(
	    x->file == NULL ? "" : x->file, y->file == NULL ? "" : y->file);

	if (order == 0 && x->line != y->line)
		order = x->line < y->line ? -1 : 1;
	if (order == 0)
		order = strcmp(x->rule->code, y->rule->code);
	return order != 0 ? order : strcmp(x->text, y->text);
}

static void
check_page(struct lint *l, const struct inventory_item *item, struct buf *bytes)
{
	if (item->size > LINT_INDEXED_MAX)
		lint_add(l, "G034", item->path, 0,
		    "%llu bytes, more than search engines read%s",
		    (unsigned long long)item->size,
		    item->size > LINT_PAGE_MAX ? ", or this program" : "");
	buf_reset(bytes);
	if (inventory_load(l->host, item->path, bytes))
		lint_page(l, item->path, buf_view(bytes));
	else if (item->size <= LINT_PAGE_MAX)
		lint_add(l, "C013", item->path, 0, "cannot be read");
}

static void
check_pages(struct lint *l)
{
	struct buf bytes;

	buf_init(&bytes, LINT_PAGE_MAX);
	for (size_t i = 0; i < l->inventory.n; i++)
		if (l->inventory.item[i].page)
			check_page(l, &l->inventory.item[i], &bytes);
	buf_fini(&bytes);
}

bool
lint_run(struct lint *l, const struct hosts *hosts, const struct host *h,
    struct mime *mime)
{
	forget(l);
	l->hosts = hosts;
	l->host = h;
	l->mime = mime;
	if (!inventory_read(h, &l->inventory))
		return false;
	l->linked = calloc(l->inventory.n + 1, sizeof(*l->linked));
	if (l->linked == NULL)
		return false;
	lint_conf_read(l); /* in front of all that hangs on it */
	check_pages(l);
	lint_capsule(l); /* behind the pages, whose links it counts */
	lint_conf(l);
	lint_feed(l);
	lint_robots(l);
	lint_favicon(l);
	lint_well_known(l);
	if (l->n > 0)
		qsort(l->finding, l->n, sizeof(*l->finding), compare);
	if (l->short_of_memory)
		errno = ENOMEM;
	return !l->short_of_memory;
}

const struct lint_finding *
lint_findings(const struct lint *l, size_t *n)
{
	*n = l->n;
	return l->finding;
}

size_t
lint_count(const struct lint *l, enum lint_level level)
{
	return l->counts[level];
}
