/* SPDX-License-Identifier: ISC */
#include "capsule/feed.h"

#include <stdlib.h>
#include <string.h>

#include "capsule/feed_id.h"
#include "capsule/inventory.h"
#include "capsule/plain.h"
#include "capsule/policy.h"
#include "proto/uri.h"
#include "util/list.h"

/* Any name will do: it is cut off again after resolving. */
#define BASE "gemini://capsule.invalid"

static bool
feed_url_is_usable(struct slice url)
{
	return url.len > 0 && url.len <= FEED_TARGET_MAX && slice_utf8(url) &&
	       uri_fault(url) == NULL;
}

/* The URL of a page, for links on it. */
static bool
feed_put_base(struct buf *out, const char *page)
{
	return buf_byte(out, '/') && uri_encode(out, slice_str(page), true);
}

bool
feed_target(const char *page, struct slice url, struct buf *out)
{
	uint8_t base_memory[FEED_TARGET_MAX];
	uint8_t memory[2 * FEED_TARGET_MAX + sizeof(BASE)];
	struct uri base = { .scheme = SLICE("gemini"),
		.host = SLICE("capsule.invalid"),
		.port = -1 };
	struct buf path, whole;

	if (!feed_url_is_usable(url))
		return false;
	if (uri_is_absolute(url) || slice_starts(url, SLICE("//")))
		return buf_put(out, url);
	buf_wrap(&path, base_memory, sizeof(base_memory));
	if (!feed_put_base(&path, page))
		return false;
	base.path = buf_view(&path);
	buf_wrap(&whole, memory, sizeof(memory));
	return uri_resolve(&base, url, &whole) &&
	       uri_encode_query(
		   out, slice_skip(buf_view(&whole), sizeof(BASE) - 1));
}

/* "gemini://example.org" of a feed that has its own address. */
static struct slice
feed_atom_origin(const struct atom *a)
{
	struct slice self = slice_str(a->self != NULL ? a->self : "");

	if (!uri_is_absolute(self) || !slice_ends(self, SLICE("/" FEED_FILE)))
		return SLICE("");
	return slice_head(self, self.len - (sizeof("/" FEED_FILE) - 1));
}

char *
feed_atom_target(const struct atom *a, const struct atom_part *part)
{
	uint8_t memory[3 * 2 * FEED_TARGET_MAX + 1];
	struct slice link = slice_str(part->link != NULL ? part->link : "");
	struct slice origin = feed_atom_origin(a);
	struct buf out;

	if (origin.len > 0 && slice_starts(link, origin) &&
	    slice_starts(slice_skip(link, origin.len), SLICE("/")))
		link = slice_skip(link, origin.len);
	buf_wrap(&out, memory, sizeof(memory));
	return feed_target(FEED_FILE, link, &out) ? strdup(buf_cstr(&out))
						  : NULL;
}

static int
feed_compare_targets(const void *a, const void *b)
{
	const struct feed_entry *x = a, *y = b;
	int order = strcmp(x->target, y->target);

	if (order != 0)
		return order;
	return (x->line > y->line) - (x->line < y->line);
}

static int
feed_compare_dates(const void *a, const void *b)
{
	const struct feed_entry *x = a, *y = b;
	int64_t i = subscription_days(&x->day), j = subscription_days(&y->day);

	if (i != j)
		return i > j ? -1 : 1;
	return (x->line > y->line) - (x->line < y->line);
}

/* Keeps the first of each target, then sorts. */
static void
feed_merge_entries(struct feed_entries *e)
{
	size_t kept = 0;

	if (e->n == 0)
		return;
	qsort(e->item, e->n, sizeof(*e->item), feed_compare_targets);
	for (size_t i = 0; i < e->n; i++) {
		if (kept > 0 &&
		    strcmp(e->item[kept - 1].target, e->item[i].target) == 0)
			free(e->item[i].target);
		else
			e->item[kept++] = e->item[i];
	}
	e->n = kept;
	qsort(e->item, e->n, sizeof(*e->item), feed_compare_dates);
}

static bool
feed_add_entry(struct feed_entries *e, const struct subscription_entry *entry,
    const char *target)
{
	struct feed_entry *item = array_grow(e->item, e->n, sizeof(*item));
	char *copy;

	if (item == NULL)
		return false;
	e->item = item;
	copy = strdup(target);
	if (copy == NULL)
		return false;
	e->item[e->n++] = (struct feed_entry){
		.target = copy,
		.title = entry->title,
		.day = entry->day,
		.line = entry->line,
	};
	return true;
}

static enum feed_read
feed_read_all(const char *page, struct slice text, feed_left_out *left_out,
    void *arg, struct feed_entries *out)
{
	/* Each byte may become an escape of three. */
	uint8_t memory[3 * (2 * FEED_TARGET_MAX) + 1];
	struct gemtext g = { .rest = text };
	struct subscription_entry entry;
	struct buf target;

	while (subscription_next(&g, &entry)) {
		buf_wrap(&target, memory, sizeof(memory));
		if (!entry.dated || !feed_target(page, entry.url, &target)) {
			if (left_out != NULL)
				left_out(arg, &entry);
			continue;
		}
		if (out->n == FEED_ENTRIES_MAX)
			return FEED_READ_TOO_MANY;
		if (!feed_add_entry(out, &entry, buf_cstr(&target)))
			return FEED_READ_NO_MEMORY;
	}
	return FEED_READ;
}

enum feed_read
feed_entries_read(const char *page, struct slice text, feed_left_out *left_out,
    void *arg, struct feed_entries *out)
{
	enum feed_read result;

	*out = (struct feed_entries){ 0 };
	result = feed_read_all(page, text, left_out, arg, out);
	if (result == FEED_READ)
		feed_merge_entries(out);
	else
		feed_entries_fini(out);
	return result;
}

void
feed_entries_fini(struct feed_entries *e)
{
	for (size_t i = 0; i < e->n; i++) {
		free(e->item[i].target);
		free(e->item[i].id);
	}
	free(e->item);
	*e = (struct feed_entries){ 0 };
}

enum { GEMINI_PORT = 1965 };

struct feed {
	const struct host *host;
	const struct feed_options *options;
	const struct feed_origin *origin; /* NULL: links are relative */
	const char *page;                 /* beneath the root */
	struct slice text;
	struct feed_entries entries;
	struct buf *out;
	struct report *report;
};

bool
feed_origin(struct slice text, struct feed_origin *out, struct why *why)
{
	const char *reason = NULL;
	struct uri uri;

	if (uri_parse(text, &uri, &reason) != URI_OK)
		return why_set(why, "invalid origin \"%.*s\": %s",
		    SLICE_ARGS(text), reason);
	out->port = uri.port == GEMINI_PORT ? -1 : uri.port;
	if (uri.has_query ||
	    (uri.path.len > 0 && !slice_equal(uri.path, SLICE("/"))))
		reason = "it is more than gemini://HOST[:PORT]";
	else if (hostname_canonical(uri.host, out->host) != HOSTNAME_NAME)
		reason = "its host is not a name";
	return reason == NULL || why_set(why, "invalid origin \"%.*s\": %s",
				     SLICE_ARGS(text), reason);
}

bool
feed_origin_put(const struct feed_origin *origin, struct buf *out)
{
	return buf_printf(out, "gemini://%s", origin->host) &&
	       (origin->port == -1 || buf_printf(out, ":%d", origin->port));
}

static void
feed_put_text(struct buf *out, struct slice text)
{
	struct slice character;

	while (plain_next(&text, &character)) {
		if (slice_equal(character, SLICE("&")))
			buf_str(out, "&amp;");
		else if (slice_equal(character, SLICE("<")))
			buf_str(out, "&lt;");
		else if (slice_equal(character, SLICE(">")))
			buf_str(out, "&gt;");
		else if (slice_equal(character, SLICE("\"")))
			buf_str(out, "&quot;");
		else
			buf_put(out, character);
	}
}

static void
feed_put_element(
    struct feed *f, const char *indent, const char *name, struct slice text)
{
	buf_printf(f->out, "%s<%s>", indent, name);
	feed_put_text(f->out, text);
	buf_printf(f->out, "</%s>\n", name);
}

/* "YYYY-MM-DD" */
static void
feed_put_day(struct buf *out, const struct subscription_day *d)
{
	buf_printf(out, "%04d-%02d-%02d", d->year, d->month, d->day);
}

static void
feed_put_updated(
    struct feed *f, const char *indent, const struct subscription_day *d)
{
	buf_printf(f->out, "%s<updated>", indent);
	feed_put_day(f->out, d);
	buf_str(f->out, "T12:00:00Z</updated>\n");
}

static void
feed_put_id(struct feed *f, const char *indent, const char *id)
{
	feed_put_element(f, indent, "id", slice_str(id));
}

/* Whether a relative reference would be taken for something else: a colon in
 * the first segment for a scheme, a slash for a path or host, nothing for the
 * document itself (RFC 3986 4.2). */
static bool
feed_href_needs_dot(struct slice relative)
{
	for (size_t i = 0; i < relative.len; i++) {
		uint8_t c = relative.ptr[i];

		if (c == ':')
			return true;
		if (c == '/' || c == '?')
			return i == 0;
	}
	return relative.len == 0;
}

/* A target of the capsule's own as a link in a document at its root. */
static void
feed_put_href(struct feed *f, struct slice target)
{
	if (slice_starts(target, SLICE("/")) &&
	    !slice_starts(target, SLICE("//"))) {
		if (f->origin != NULL) {
			feed_origin_put(f->origin, f->out);
		} else {
			target = slice_skip(target, 1);
			if (feed_href_needs_dot(target))
				buf_str(f->out, "./");
		}
	}
	feed_put_text(f->out, target);
}

static void
feed_put_link(struct feed *f, const char *indent, const char *rel,
    struct slice target, const char *type)
{
	buf_printf(f->out, "%s<link rel=\"%s\" href=\"", indent, rel);
	feed_put_href(f, target);
	buf_byte(f->out, '"');
	if (type != NULL)
		buf_printf(f->out, " type=\"%s\"", type);
	buf_str(f->out, "/>\n");
}

static void
feed_put_entry(struct feed *f, const struct feed_entry *entry)
{
	const char *indent = "    ";
	struct slice target = slice_str(entry->target);

	buf_str(f->out, "  <entry>\n");
	feed_put_id(f, indent, entry->id);
	/* A reader shows nothing else of it: no title, and it is invisible. */
	feed_put_element(f, indent, "title",
	    plain_is_blank(entry->title) ? target : entry->title);
	feed_put_updated(f, indent, &entry->day);
	feed_put_link(f, indent, "alternate", target, NULL);
	buf_str(f->out, "  </entry>\n");
}

/* The first of the page's language tags: XML takes one. */
static void
feed_put_start(struct feed *f, const char *path)
{
	struct slice lang = policy_lang(f->host, path), others;

	slice_cut(lang, ',', &lang, &others);
	lang = slice_trim(lang);
	buf_str(f->out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
			"<feed xmlns=\"http://www.w3.org/2005/Atom\"");
	if (lang.len > 0) {
		buf_str(f->out, " xml:lang=\"");
		feed_put_text(f->out, lang);
		buf_byte(f->out, '"');
	}
	buf_str(f->out, ">\n");
}

/* ids has the page's own path as links have it, and the author. */
static void
feed_put_document(struct feed *f, const struct feed_ids *ids, const char *id)
{
	struct slice subtitle = subscription_subtitle(f->text);
	const struct feed_entry *first = &f->entries.item[0];
	char memory[FEED_TARGET_MAX];
	struct buf path;

	/* The page's own path as settings have it. */
	buf_wrap(&path, memory, sizeof(memory) - 1);
	buf_printf(&path, "/%s", f->page);
	feed_put_start(f, path.failed ? "/" : buf_cstr(&path));
	feed_put_id(f, "  ", id);
	feed_put_element(f, "  ", "title", ids->title);
	if (!plain_is_blank(subtitle))
		feed_put_element(f, "  ", "subtitle", subtitle);
	feed_put_updated(f, "  ", &first->day);
	buf_str(f->out, "  <author>\n");
	feed_put_element(f, "    ", "name", ids->author);
	buf_str(f->out, "  </author>\n");
	feed_put_link(
	    f, "  ", "self", SLICE("/" FEED_FILE), "application/atom+xml");
	feed_put_link(f, "  ", "alternate", ids->page, "text/gemini");
	for (size_t i = 0; i < f->entries.n; i++)
		feed_put_entry(f, &f->entries.item[i]);
	buf_str(f->out, "</feed>\n");
}

static void
feed_report_left_out(void *arg, const struct subscription_entry *entry)
{
	const char *fault = uri_fault(entry->url);
	struct feed *f = arg;

	if (entry->dated)
		page_problem(f->report, REPORT_WARNING, f->host, f->page,
		    entry->line,
		    "left out: no client could follow the link%s%s",
		    fault != NULL ? ": " : "", fault != NULL ? fault : "");
	else
		page_problem(f->report, REPORT_WARNING, f->host, f->page,
		    entry->line, "left out: invalid date: %.*s",
		    SLICE_ARGS(entry->date));
}

/* The page, or an error at the place where it was set. */
static bool
feed_find_page(struct feed *f, const struct inventory *pages)
{
	const struct conf_text *feed = &f->host->content.feed;
	const struct inventory_item *item;

	if (feed->text == NULL) {
		report_add(f->report, REPORT_ERROR, NULL, 0,
		    "no feed is set in capsule.conf");
		return false;
	}
	item = inventory_find(pages, feed->text);
	if (item == NULL || !item->page) {
		report_add(f->report, REPORT_ERROR, feed->file, feed->line,
		    "feed: %s %s", feed->text,
		    item == NULL ? "is not a file that is served"
				 : "is not served as text/gemini");
		return false;
	}
	f->page = item->path;
	return true;
}

static bool
feed_read_entries(struct feed *f)
{
	const char *why = NULL;

	switch (feed_entries_read(
	    f->page, f->text, feed_report_left_out, f, &f->entries)) {
	case FEED_READ:
		if (f->entries.n == 0)
			why = "has no entry: a link whose label begins with "
			      "a date, YYYY-MM-DD";
		break;
	case FEED_READ_TOO_MANY:
		why = "has too many entries";
		break;
	case FEED_READ_NO_MEMORY:
		why = "out of memory";
		break;
	}
	if (why != NULL)
		page_problem(
		    f->report, REPORT_ERROR, f->host, f->page, 0, "%s", why);
	return why == NULL;
}

static struct slice
feed_capsule_title(const struct host *h)
{
	const char *title = h->content.title.text;

	return slice_str(title != NULL ? title : "");
}

struct slice
feed_title(const struct host *h, struct slice text)
{
	struct slice title = gemtext_title(text);

	return plain_is_blank(title) ? feed_capsule_title(h) : title;
}

/* Identifiers, then the document. */
static bool
feed_write_document(struct feed *f, struct slice title, struct slice author)
{
	uint8_t memory[FEED_TARGET_MAX];
	struct feed_ids ids = {
		.host = f->host,
		.last = f->options->last,
		.origin = f->origin,
		.title = title,
		.author = author,
	};
	struct buf path;
	char *id;

	buf_wrap(&path, memory, sizeof(memory));
	feed_put_base(&path, f->page);
	ids.page = buf_view(&path);
	id = feed_ids_choose(&ids, &f->entries);
	if (id == NULL) {
		report_add(f->report, REPORT_ERROR, NULL, 0, "out of memory");
		return false;
	}
	feed_put_document(f, &ids, id);
	free(id);
	if (f->out->failed)
		page_problem(f->report, REPORT_ERROR, f->host, f->page, 0,
		    "the feed would be too long");
	return !f->out->failed;
}

/* From the page's text to the document. */
static bool
feed_write(struct feed *f)
{
	struct slice title = feed_title(f->host, f->text);
	struct slice author = f->options->author;

	/* An Atom feed must have one (RFC 4287 4.1.1). */
	if (plain_is_blank(author))
		author = feed_capsule_title(f->host);
	if (plain_is_blank(author))
		author = title;
	if (plain_is_blank(title)) {
		page_problem(f->report, REPORT_ERROR, f->host, f->page, 0,
		    "has no title: neither a \"#\" heading, nor one in "
		    "capsule.conf");
		return false;
	}
	return feed_read_entries(f) && feed_write_document(f, title, author);
}

bool
feed_atom(const struct host *h, const struct inventory *pages,
    const struct feed_options *o, struct buf *out, struct report *r)
{
	struct feed f = {
		.host = h,
		.options = o,
		.origin = o->origin,
		.out = out,
		.report = r,
	};
	struct buf bytes;
	bool ok;

	if (!feed_find_page(&f, pages))
		return false;
	buf_init(&bytes, PAGE_MAX);
	ok = page_read(h, f.page, &bytes, &f.text, r) && feed_write(&f);
	feed_entries_fini(&f.entries);
	buf_fini(&bytes);
	return ok;
}
