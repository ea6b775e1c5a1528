/* SPDX-License-Identifier: ISC */
#include "capsule/lint.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capsule/lint_internal.h"
#include "util/list.h"

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
lint_forget(struct lint *l)
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
	lint_forget(*l);
	listings_free(&(*l)->listings);
	free((*l)->promise);
	free((*l)->levels);
	free(*l);
	*l = NULL;
}

/* Where a rule's level is kept; NULL when there is no such rule. */
static enum lint_level *
lint_rule_level(const struct lint *l, const char *code)
{
	const struct lint_rule *rule = lint_rule_find(code);
	size_t n;

	return rule == NULL ? NULL : &l->levels[rule - lint_rules(&n)];
}

bool
lint_set(struct lint *l, const char *code, enum lint_level level)
{
	enum lint_level *kept = lint_rule_level(l, code);

	if (kept != NULL)
		*kept = level;
	return kept != NULL;
}

/* The codes are all capitals and digits. */
static bool
lint_code_is_unknown(const char *code, struct why *why)
{
	char upper[LINT_CODE_SIZE] = "";
	const char *names[LINT_RULES_MAX + 1] = { NULL };
	const struct lint_rule *rules;
	const char *near;
	size_t n;

	rules = lint_rules(&n);
	for (size_t i = 0; i < n; i++)
		names[i] = rules[i].code;
	for (size_t i = 0; code[i] != '\0'; i++)
		upper[i] = (char)toupper((unsigned char)code[i]);
	near = word_nearest(upper, names);
	return near == NULL
		   ? why_set(why, "unknown check \"%s\"", code)
		   : why_set(why, "unknown check \"%s\"; did you mean %s?",
			 code, near);
}

bool
lint_set_text(struct lint *l, const char *text, struct why *why)
{
	static const char *const names[] = { "off", "warn", "error", NULL };
	static const enum lint_level levels[] = { LINT_OFF, LINT_WARNING,
		LINT_ERROR };
	const char *equals = strchr(text, '=');
	char code[LINT_CODE_SIZE] = "";
	size_t len = equals == NULL ? strlen(text) : (size_t)(equals - text);

	if (len < sizeof(code))
		memcpy(code, text, len);
	for (size_t i = 0; equals != NULL && names[i] != NULL; i++) {
		if (strcmp(equals + 1, names[i]) != 0)
			continue;
		if (lint_rule_find(code) == NULL)
			return lint_code_is_unknown(code, why);
		return l == NULL || lint_set(l, code, levels[i]);
	}
	return why_set(why,
	    "invalid level \"%s\" (CODE=off, CODE=warn or CODE=error)", text);
}

bool
lint_promise(struct lint *l, const char *path)
{
	const char **promise =
	    array_grow(l->promise, l->n_promises, sizeof(*promise));

	if (promise == NULL)
		return false;
	l->promise = promise;
	l->promise[l->n_promises++] = path;
	return true;
}

void
lint_on_link(struct lint *l, lint_handler *handle, void *arg)
{
	l->handle = handle;
	l->arg = arg;
}

void
lint_published(struct lint *l)
{
	l->published = true;
}

/* Takes text, which it frees, as the next finding. */
static void
lint_keep(struct lint *l, const struct lint_finding *f, const char *file)
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
	f.level = *lint_rule_level(l, code);
	if (f.level == LINT_OFF ||
	    (l->unread && lint_rule_hangs_on_conf(f.rule)))
		return;
	/* Of each level: warnings leave room for errors. */
	if (++l->counts[f.level] > LINT_FINDINGS_MAX)
		return;
	va_start(ap, format);
	vsnprintf(raw, sizeof(raw), format, ap);
	va_end(ap);
	f.text = strdup(raw);
	lint_keep(l, &f, file);
}

static int
lint_compare(const void *a, const void *b)
{
	const struct lint_finding *x = a, *y = b;
	int order = (x->level < y->level) - (x->level > y->level);

	if (order == 0)
		order = strcmp(x->file == NULL ? "" : x->file,
		    y->file == NULL ? "" : y->file);
	if (order == 0 && x->line != y->line)
		order = x->line < y->line ? -1 : 1;
	if (order == 0)
		order = strcmp(x->rule->code, y->rule->code);
	return order != 0 ? order : strcmp(x->text, y->text);
}

static void
lint_check_page(
    struct lint *l, const struct inventory_item *item, struct buf *bytes)
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
lint_check_pages(struct lint *l)
{
	struct buf bytes;

	buf_init(&bytes, LINT_PAGE_MAX);
	for (size_t i = 0; i < l->inventory.n; i++)
		if (l->inventory.item[i].page)
			lint_check_page(l, &l->inventory.item[i], &bytes);
	buf_fini(&bytes);
}

bool
lint_run(struct lint *l, const struct hosts *hosts, const struct host *h,
    struct mime *mime)
{
	lint_forget(l);
	l->hosts = hosts;
	l->host = h;
	l->mime = mime;
	if (!inventory_read(h, &l->inventory))
		return false;
	l->linked = calloc(l->inventory.n + 1, sizeof(*l->linked));
	if (l->linked == NULL)
		return false;
	lint_conf_read(l); /* before all that depends on it */
	lint_check_pages(l);
	lint_capsule(l); /* after the pages, whose links it counts */
	lint_conf(l);
	lint_feed(l);
	lint_robots(l);
	lint_favicon(l);
	lint_well_known(l);
	if (l->n > 0)
		qsort(l->finding, l->n, sizeof(*l->finding), lint_compare);
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

static const struct lint_rule rules[] = {
	{ "A001", LINT_ERROR, "a feed that is not well-formed XML" },
	{ "A002", LINT_ERROR,
	    "a feed without id, title or date, or not a feed" },
	{ "A003", LINT_ERROR, "a feed entry without id, title or date" },
	{ "A004", LINT_WARNING, "a feed that differs from its page" },
	{ "A005", LINT_ERROR, "a feed served with the wrong type" },
	{ "A006", LINT_WARNING, "a feed entry whose link is broken" },
	{ "A007", LINT_INFO, "a feed that has not been generated" },
	{ "C001", LINT_WARNING, "a page without a language" },
	{ "C002", LINT_WARNING, "a file name with risky characters" },
	{ "C003", LINT_WARNING, "a directory without index page or listing" },
	{ "C004", LINT_WARNING, "a page that nothing links to" },
	{ "C005", LINT_WARNING, "a file larger than 100 MiB" },
	{ "C006", LINT_ERROR, "an error in capsule.conf" },
	{ "C007", LINT_ERROR, "an option that names a file not served" },
	{ "C008", LINT_INFO, "a page missing from order" },
	{ "C009", LINT_ERROR, "a redirect to a missing page" },
	{ "C010", LINT_WARNING, "a file that capsule.conf declares gone" },
	{ "C011", LINT_WARNING, "a page whose name does not end in .gmi" },
	{ "C012", LINT_ERROR, "a capsule without an index page" },
	{ "C013", LINT_INFO, "a file that is not served" },
	{ "C014", LINT_WARNING, "something suspicious in capsule.conf" },
	{ "C015", LINT_WARNING, "a text file that is not in its charset" },
	{ "C016", LINT_ERROR,
	    "a file or directory that the server cannot read" },
	{ "F001", LINT_ERROR, "a favicon.txt that is not plain text" },
	{ "F002", LINT_WARNING, "a favicon.txt that is not one emoji" },
	{ "G001", LINT_ERROR, "a page that is not UTF-8" },
	{ "G002", LINT_ERROR, "a byte order mark" },
	{ "G003", LINT_WARNING, "mixed line endings, or a bare CR" },
	{ "G004", LINT_ERROR, "a control character" },
	{ "G005", LINT_WARNING, "a terminal escape sequence" },
	{ "G006", LINT_WARNING, "a last line without a line ending" },
	{ "G007", LINT_ERROR, "a link to a missing page or file" },
	{ "G008", LINT_ERROR, "a link line without a URL" },
	{ "G009", LINT_ERROR, "a URL with invalid characters" },
	{ "G010", LINT_ERROR, "a link that climbs above the root" },
	{ "G011", LINT_WARNING,
	    "a link to a directory without its final slash" },
	{ "G012", LINT_WARNING, "a link to a redirect" },
	{ "G013", LINT_ERROR, "a link to a page that is gone" },
	{ "G014", LINT_WARNING, "an absolute link to the capsule itself" },
	{ "G015", LINT_WARNING, "the default port in a link" },
	{ "G016", LINT_ERROR, "a misspelt scheme" },
	{ "G017", LINT_WARNING, "a fragment in a link" },
	{ "G018", LINT_WARNING, "a link without a label" },
	{ "G019", LINT_WARNING, "a label that is only a URL" },
	{ "G020", LINT_INFO, "an external link" },
	{ "G021", LINT_ERROR, "an unclosed preformatted block" },
	{ "G022", LINT_WARNING, "text after the end of a preformatted block" },
	{ "G023", LINT_INFO, "a preformatted block without a description" },
	{ "G024", LINT_WARNING, "a heading of four or more #" },
	{ "G025", LINT_WARNING, "a list marker without a space" },
	{ "G026", LINT_WARNING, "markup of another format" },
	{ "G027", LINT_WARNING, "a page with no title, or with two" },
	{ "G028", LINT_INFO, "a page that does not begin with its title" },
	{ "G029", LINT_WARNING, "a heading that skips a level" },
	{ "G030", LINT_WARNING, "an empty heading" },
	{ "G031", LINT_WARNING, "a hard-wrapped paragraph" },
	{ "G032", LINT_INFO, "more than two blank lines in a row" },
	{ "G033", LINT_WARNING, "a space before a line marker" },
	{ "G034", LINT_WARNING, "a page too large for search engines" },
	{ "G035", LINT_WARNING,
	    "non-ASCII letters in a URL, not percent-encoded" },
	{ "G036", LINT_WARNING, "an unknown scheme" },
	{ "G037", LINT_INFO, "a plain-text habit" },
	{ "G038", LINT_ERROR, "a front page without a final line ending" },
	{ "R001", LINT_ERROR, "a robots.txt that is not plain text" },
	{ "R002", LINT_WARNING, "an unknown robot" },
	{ "R003", LINT_ERROR, "a Disallow before any User-agent" },
	{ "R004", LINT_ERROR, "a Disallow path without a leading slash" },
	{ "R005", LINT_WARNING, "a Disallow path narrowed by its final slash" },
	{ "R006", LINT_WARNING, "a line that robots ignore" },
	{ "R007", LINT_WARNING, "robots that may fetch every file twice" },
	{ "S001", LINT_ERROR, "a missing feed page" },
	{ "S002", LINT_ERROR, "a feed page without a title" },
	{ "S003", LINT_ERROR, "an entry with an invalid date" },
	{ "S004", LINT_WARNING, "an entry dated in the future" },
	{ "S005", LINT_ERROR, "two entries with the same URL" },
	{ "S006", LINT_WARNING, "a feed page without entries" },
	{ "S007", LINT_WARNING, "an entry without a title" },
	{ "S008", LINT_INFO, "a label that begins with nearly a date" },
	{ "W001", LINT_ERROR, "a security.txt that is not plain text" },
	{ "W002", LINT_WARNING, "a security.txt without contact, or expired" },
};

enum { RULES = sizeof(rules) / sizeof(rules[0]) };

_Static_assert(sizeof(rules) / sizeof(rules[0]) <= LINT_RULES_MAX,
    "lint_code_is_unknown lists them all");

const struct lint_rule *
lint_rules(size_t *n)
{
	*n = RULES;
	return rules;
}

const struct lint_rule *
lint_rule_find(const char *code)
{
	for (size_t i = 0; i < RULES; i++)
		if (strcmp(rules[i].code, code) == 0)
			return &rules[i];
	return NULL;
}

bool
lint_rule_hangs_on_conf(const struct lint_rule *rule)
{
	static const char *const codes[] = { "A005", "A006", "C001", "C003",
		"C004", "C012", "C015", "F001", "G007", "R001", "W001" };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(codes[i], rule->code) == 0)
			return true;
	return false;
}
