/* SPDX-License-Identifier: ISC */
/* The feed: the page that capsule.conf names as such, as clients that subscribe
 * to it read it, and the Atom document, which must agree with that page. */
#include <stdlib.h>
#include <string.h>

#include "capsule/feed.h"
#include "capsule/inventory.h"
#include "capsule/lint_internal.h"
#include "capsule/plain.h"

#define RUN "; run carnation feed to regenerate it"

enum {
	DAY_S = 86400,
	NEAR_DIGITS_MAX = 4, /* of a year */
	GRACE_DAYS = 1,      /* where it is tomorrow already, by UTC */
};

struct subscribed {
	struct lint *l;
	const char *path;
	struct feed_entries first; /* of each target, with its line */
};

static const struct feed_entry *
subscription_first_url(const struct subscribed *s, const char *target)
{
	for (size_t i = 0; i < s->first.n; i++)
		if (strcmp(s->first.item[i].target, target) == 0)
			return &s->first.item[i];
	return NULL;
}

static void
subscription_check_url(
    const struct subscribed *s, const struct subscription_entry *entry)
{
	uint8_t memory[REQUEST_URI_MAX * 3 + 1];
	const struct feed_entry *first = NULL;
	struct buf target;

	/* An invalid link is for the link checks. */
	buf_wrap(&target, memory, sizeof(memory) - 1);
	if (feed_target(s->path, entry->url, &target))
		first = subscription_first_url(s, buf_cstr(&target));
	if (first != NULL && first->line != entry->line)
		lint_add(s->l, "S005", s->path, entry->line,
		    "duplicate URL (first on line %u): feed readers show only "
		    "one",
		    first->line);
}

static void
subscription_check_entry(
    const struct subscribed *s, const struct subscription_entry *entry)
{
	if (!entry->dated) {
		lint_add(s->l, "S003", s->path, entry->line,
		    "invalid date: %.*s", SLICE_ARGS(entry->date));
		return;
	}
	if (subscription_days(&entry->day) > s->l->now / DAY_S + GRACE_DAYS)
		lint_add(s->l, "S004", s->path, entry->line,
		    "%.*s is in the future", SLICE_ARGS(entry->date));
	if (entry->title.len == 0)
		lint_add(s->l, "S007", s->path, entry->line,
		    "no title after the date: some clients skip the entry");
	subscription_check_url(s, entry);
}

/* Takes a number off *s, and at most one digit more than a year has: how many
 * digits those were, and their value. */
static size_t
near_take_number(struct slice *s, unsigned *value)
{
	size_t n = 0;

	*value = 0;
	while (n < s->len && n < NEAR_DIGITS_MAX + 1 && s->ptr[n] >= '0' &&
	       s->ptr[n] <= '9')
		*value = *value * 10 + (s->ptr[n++] - (unsigned)'0');
	*s = slice_skip(*s, n);
	return n;
}

/* Takes what stands between the numbers of a date off *s. */
static bool
near_take_separator(struct slice *s, struct slice *out)
{
	static const char *const separators[] = { "-", ".", "/",
		"\u2010",                               /* hyphen */
		"\u2011", "\u2012", "\u2013", "\u2014", /* dashes */
		"\u2212" /* minus */ };

	for (size_t i = 0; i < sizeof(separators) / sizeof(separators[0]);
	     i++) {
		*out = slice_str(separators[i]);
		if (!slice_starts(*s, *out))
			continue;
		*s = slice_skip(*s, out->len);
		return true;
	}
	return false;
}

/* Whether a label begins with a date as people write it, but in none of the
 * ways that clients read: "2024-4-1", "01.04.2024", "[2024-04-01]". */
static bool
label_is_nearly_dated(struct slice s)
{
	unsigned value[3], small;
	struct slice separator[2];
	size_t digits[3];

	if (subscription_looks_dated(s))
		return false;
	if (s.len > 0 && slice_find(SLICE("[(<{*_"), s.ptr[0], NULL))
		s = slice_trim(slice_skip(s, 1));
	for (int i = 0; i < 3; i++) {
		digits[i] = near_take_number(&s, &value[i]);
		if (i < 2 && !near_take_separator(&s, &separator[i]))
			return false;
	}
	if (!slice_equal(separator[0], separator[1]) || digits[1] < 1 ||
	    digits[1] > 2)
		return false;
	if (digits[0] == NEAR_DIGITS_MAX)
		small = digits[2] >= 1 && digits[2] <= 2 ? value[2] : 0;
	else
		small = digits[0] >= 1 && digits[0] <= 2 &&
				digits[2] == NEAR_DIGITS_MAX
			    ? value[0]
			    : 0;
	/* Either may be the month. */
	return small >= 1 && small <= 31 && value[1] >= 1 && value[1] <= 31 &&
	       (small <= 12 || value[1] <= 12);
}

static void
subscription_check_near_dates(
    struct lint *l, const char *path, struct slice text)
{
	struct gemtext g = { .rest = text };
	struct gemtext_line line;

	while (gemtext_next(&g, &line))
		if (line.kind == GEMTEXT_LINK &&
		    label_is_nearly_dated(line.text))
			lint_add(l, "S008", path, line.number,
			    "clients that subscribe skip this link: an entry's "
			    "label begins with YYYY-MM-DD");
}

static void
subscription_check_page(struct lint *l, const char *path, struct slice text)
{
	struct subscribed s = { .l = l, .path = path };
	struct gemtext g = { .rest = text };
	struct subscription_entry entry;
	size_t dated = 0;

	if (gemtext_title(text).len == 0)
		lint_add(l, "S002", path, 0,
		    "missing title, a line that begins with \"# \"");
	switch (feed_entries_read(path, text, NULL, NULL, &s.first)) {
	case FEED_READ:
		break;
	case FEED_READ_TOO_MANY: /* duplicate URLs are then not looked for */
		break;
	case FEED_READ_NO_MEMORY:
		l->short_of_memory = true;
		return;
	}
	while (subscription_next(&g, &entry)) {
		subscription_check_entry(&s, &entry);
		dated += entry.dated;
	}
	if (dated == 0)
		lint_add(l, "S006", path, 0,
		    "no entries: an entry is a link whose label begins with a "
		    "date, YYYY-MM-DD");
	feed_entries_fini(&s.first);
	subscription_check_near_dates(l, path, text);
}

/* At the line where the page was called the feed: the operator's own file is
 * not the capsule's. */
static void
subscription_add_missing(struct lint *l, const char *what)
{
	const struct conf_text *feed = &l->host->content.feed;

	if (l->host->conf->content.feed.text == NULL)
		lint_add(l, "S001", LINT_CONF_FILE, feed->line,
		    "feed \"%s\": %s", feed->text, what);
	else
		lint_add(l, "S001", NULL, 0, "%s:%u: feed \"%s\": %s",
		    feed->file != NULL ? feed->file : "", feed->line,
		    feed->text, what);
}

static void
subscription_check(struct lint *l)
{
	const char *path = l->host->content.feed.text;
	struct slice text;
	struct buf bytes;

	if (path == NULL)
		return;
	if (lint_type(l, path).len == 0) {
		subscription_add_missing(l, "not a file that is served");
		return;
	}
	if (!slice_equal_nocase(lint_type(l, path), SLICE("text/gemini"))) {
		subscription_add_missing(l,
		    "not served as text/gemini, so clients cannot subscribe");
		return;
	}
	buf_init(&bytes, PAGE_MAX);
	if (inventory_load(l->host, path, &bytes)) {
		text = buf_view(&bytes);
		if (slice_starts(text, SLICE("\xef\xbb\xbf")))
			text = slice_skip(text, 3);
		subscription_check_page(l, path, text);
	} else {
		subscription_add_missing(l, "unreadable, or too large");
	}
	buf_fini(&bytes);
}

/* An entry with where it leads, as feed_target has it. */
struct leading {
	const struct atom_part *part;
	char *target; /* NULL: no link that can be followed */
};

struct feeding {
	struct lint *l;
	struct atom atom;
	struct leading *entry;
};

struct feed_page {
	const char *path;
	struct buf bytes;
	struct slice text;
	struct feed_entries entries;
};

/* What is missing, or NULL. */
static const char *
atom_part_fault(const struct atom_part *p)
{
	if (!p->has_id)
		return "missing id";
	if (!p->has_title)
		return "missing title";
	if (!p->has_updated)
		return "missing updated";
	return p->dated ? NULL
			: "invalid updated: not a date and time such as "
			  "2026-11-22T12:00:00Z";
}

static void
atom_check_parts(struct lint *l, const struct atom *a)
{
	const char *fault = atom_part_fault(&a->feed);

	if (fault != NULL)
		lint_add(l, "A002", FEED_FILE, a->feed.line, "feed: %s", fault);
	for (size_t i = 0; i < a->n; i++) {
		fault = atom_part_fault(&a->entry[i]);
		if (fault != NULL)
			lint_add(l, "A003", FEED_FILE, a->entry[i].line,
			    "entry: %s", fault);
	}
}

static void
atom_check_target(struct lint *l, const struct leading *e)
{
	uint8_t memory[REQUEST_URI_MAX];
	const struct lint_target *t = NULL;
	struct buf line;

	if (e->target == NULL) {
		lint_add(l, "A006", FEED_FILE, e->part->line,
		    "entry without a usable link");
		return;
	}
	if (e->target[0] != '/' || e->target[1] == '/')
		return;
	buf_wrap(&line, memory, sizeof(memory));
	if (lint_resolve(l, FEED_FILE, slice_str(e->target), &line))
		t = lint_ask(l, buf_view(&line));
	if (t != NULL)
		t = lint_follow(l, t);
	if (t != NULL && t->status != STATUS_SUCCESS)
		lint_add(l, "A006", FEED_FILE, e->part->line,
		    "entry links to %s, which is answered %d", e->target,
		    (int)t->status);
}

static int
atom_compare_targets(const void *a, const void *b)
{
	const struct leading *x = a, *y = b;
	int order = strcmp(x->target != NULL ? x->target : "",
	    y->target != NULL ? y->target : "");

	if (order != 0)
		return order;
	return (x->part->line > y->part->line) -
	       (x->part->line < y->part->line);
}

static int
atom_compare_entries(const void *a, const void *b)
{
	const struct feed_entry *x = a, *y = b;

	return strcmp(x->target, y->target);
}

/* An entry that no line of the page is left for. before is the one above it in
 * the order of targets, or NULL. */
static void
atom_add_stray(struct lint *l, const struct leading *e,
    const struct leading *before, const char *page)
{
	if (e->target == NULL)
		return;
	if (before != NULL && before->target != NULL &&
	    strcmp(before->target, e->target) == 0)
		lint_add(l, "A004", FEED_FILE, e->part->line,
		    "duplicate entry for %s (first on line %u)" RUN, e->target,
		    before->part->line);
	else
		lint_add(l, "A004", FEED_FILE, e->part->line,
		    "entry for %s, which is not in %s" RUN, e->target, page);
}

/* Whether the document has a title of the page's as carnation feed writes it.
 * What is not plain text is taken for right. */
static bool
atom_title_is_same(const char *said, struct slice title)
{
	struct slice plain;
	struct buf text;
	bool same;

	if (said == NULL)
		return true;
	buf_init(&text, title.len);
	plain_put(&text, title);
	plain = slice_trim(buf_view(&text));
	same = slice_equal(slice_str(said), plain);
	buf_fini(&text);
	return same;
}

static void
atom_compare_entry(struct lint *l, const struct leading *e,
    const struct feed_entry *entry, const char *page)
{
	struct slice title = plain_is_blank(entry->title)
				 ? slice_str(entry->target)
				 : entry->title;
	const struct subscription_day *d = &entry->day;

	if (e->part->dated &&
	    subscription_days(&e->part->day) != subscription_days(d))
		lint_add(l, "A004", FEED_FILE, e->part->line,
		    "date of %s differs from %04d-%02d-%02d at %s:%u" RUN,
		    entry->target, d->year, d->month, d->day, page,
		    entry->line);
	if (!atom_title_is_same(e->part->title, title))
		lint_add(l, "A004", FEED_FILE, e->part->line,
		    "title of %s differs from that at %s:%u" RUN, entry->target,
		    page, entry->line);
}

/* Goes through both lists, which are in the order of targets. */
static void
atom_compare_lists(
    const struct feeding *f, struct feed_entries *entries, const char *page)
{
	const struct feed_entry *b = entries->item;
	const struct leading *a = f->entry;
	size_t i = 0, k = 0;

	while (i < f->atom.n || k < entries->n) {
		const char *target = i < f->atom.n ? a[i].target : NULL;
		int order = k == entries->n ? -1 : 1;

		if (i < f->atom.n && k < entries->n)
			order =
			    target == NULL ? -1 : strcmp(target, b[k].target);
		if (order < 0) {
			atom_add_stray(
			    f->l, &a[i], i > 0 ? &a[i - 1] : NULL, page);
			i++;
		} else if (order > 0) {
			lint_add(f->l, "A004", FEED_FILE, 0,
			    "missing entry for %s at %s:%u" RUN, b[k].target,
			    page, b[k].line);
			k++;
		} else {
			atom_compare_entry(f->l, &a[i++], &b[k++], page);
		}
	}
}

/* The page that a feed is made of, to be freed with page_close. False when
 * there is none that can be read: subscription_check reports that. */
static bool
page_open(struct lint *l, struct feed_page *p)
{
	struct slice type;

	*p = (struct feed_page){ .path = l->host->content.feed.text };
	buf_init(&p->bytes, PAGE_MAX);
	if (p->path == NULL)
		return false;
	type = lint_type(l, p->path);
	if (!slice_equal_nocase(type, SLICE("text/gemini")) ||
	    !inventory_load(l->host, p->path, &p->bytes))
		return false;
	p->text = buf_view(&p->bytes);
	if (slice_starts(p->text, SLICE("\xef\xbb\xbf")))
		p->text = slice_skip(p->text, 3);
	return feed_entries_read(p->path, p->text, NULL, NULL, &p->entries) ==
	       FEED_READ;
}

static void
page_close(struct feed_page *p)
{
	feed_entries_fini(&p->entries);
	buf_fini(&p->bytes);
}

static void
atom_compare_page(const struct feeding *f)
{
	const struct atom_part *feed = &f->atom.feed;
	struct feed_page page;

	if (page_open(f->l, &page)) {
		if (page.entries.n > 0)
			qsort(page.entries.item, page.entries.n,
			    sizeof(*page.entries.item), atom_compare_entries);
		if (!atom_title_is_same(
			feed->title, feed_title(f->l->host, page.text)))
			lint_add(f->l, "A004", FEED_FILE, feed->line,
			    "title differs from that of %s" RUN, page.path);
		atom_compare_lists(f, &page.entries, page.path);
	}
	page_close(&page);
}

/* No document, though it could be made. Where it was promised
 * (lint_promise), the answer is a success. */
static void
atom_check_absence(struct lint *l)
{
	const struct lint_target *t = lint_ask_path(l, SLICE(FEED_FILE));
	struct feed_page page;

	if (page_open(l, &page) && page.entries.n > 0 &&
	    !plain_is_blank(feed_title(l->host, page.text)) && t != NULL &&
	    t->status == STATUS_NOT_FOUND)
		lint_add(l, "A007", NULL, 0,
		    "missing " FEED_FILE
		    ": run carnation feed to generate it from %s",
		    page.path);
	page_close(&page);
}

static void
atom_check_entries(struct feeding *f)
{
	const struct atom *a = &f->atom;

	f->entry = calloc(a->n + 1, sizeof(*f->entry));
	if (f->entry == NULL) {
		f->l->short_of_memory = true;
		return;
	}
	for (size_t i = 0; i < a->n; i++) {
		f->entry[i].part = &a->entry[i];
		f->entry[i].target = feed_atom_target(a, &a->entry[i]);
		atom_check_target(f->l, &f->entry[i]);
	}
	if (a->n > 0)
		qsort(f->entry, a->n, sizeof(*f->entry), atom_compare_targets);
	atom_compare_page(f);
	for (size_t i = 0; i < a->n; i++)
		free(f->entry[i].target);
	free(f->entry);
}

static void
atom_check_document(struct lint *l, struct slice bytes)
{
	struct feeding f = { .l = l };

	if (!atom_read(bytes, &f.atom)) {
		l->short_of_memory = true;
		return;
	}
	if (f.atom.fault != NULL) {
		lint_add(l, "A001", FEED_FILE, f.atom.line,
		    "not well-formed: %s", f.atom.fault);
	} else if (!f.atom.is_feed) {
		lint_add(l, "A002", FEED_FILE, f.atom.feed.line,
		    "the root element is not an Atom feed");
	} else {
		atom_check_parts(l, &f.atom);
		atom_check_entries(&f);
	}
	atom_fini(&f.atom);
}

static void
atom_check(struct lint *l)
{
	struct slice type;
	struct buf bytes;

	if (inventory_find(&l->inventory, FEED_FILE) == NULL) {
		atom_check_absence(l);
		return;
	}
	type = lint_type(l, FEED_FILE);
	if (!slice_equal_nocase(type, SLICE("application/atom+xml")))
		lint_add(l, "A005", FEED_FILE, 0,
		    "served as %.*s, not as application/atom+xml",
		    SLICE_ARGS(type));
	buf_init(&bytes, FEED_MAX);
	if (inventory_load(l->host, FEED_FILE, &bytes))
		atom_check_document(l, buf_view(&bytes));
	else
		lint_add(l, "A001", FEED_FILE, 0,
		    "unreadable, or larger than %d MiB",
		    FEED_MAX / (1024 * 1024));
	buf_fini(&bytes);
}

void
lint_feed(struct lint *l)
{
	subscription_check(l);
	atom_check(l);
}
