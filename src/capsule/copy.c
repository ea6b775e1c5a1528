/* SPDX-License-Identifier: ISC */
#include "capsule/copy.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "capsule/feed.h"
#include "capsule/inventory.h"
#include "capsule/plain.h"
#include "proto/gemtext.h"
#include "proto/uri.h"

#define COPY_FILE "capsule.txt"
#define CONF_FILE "capsule.conf"

/* What copies are known by: their first words, on one line. */
#define ABOUT "This file holds all pages of the capsule as plain text"

static const char about[] = ABOUT
    ", in reading order, for those who keep or print them. Each link is "
    "followed by where it leads: a page of this file in round brackets, any "
    "other address in angle brackets.";

#define RULE                                                                   \
	"==================================="                                  \
	"====================================="
_Static_assert(sizeof(RULE) - 1 == PLAIN_WIDTH, "a rule is a line wide");

struct copy {
	const struct host *host;
	const struct inventory *all;
	const char **page; /* in reading order; the inventory's texts */
	size_t n;
	bool *taken;      /* of each of all: it is among page */
	struct buf bytes; /* of one page at a time */
	struct buf *out;
	struct report *report;
};

/* Where links are looked up from. */
struct copy_place {
	const struct host *host;
	const struct inventory *pages;
	const char *path;
};

/* Appends a word made of three pieces to a paragraph; the buffer has failed
 * when out of memory. */
static void
copy_put_word(
    struct plain *p, const char *before, struct slice word, const char *after)
{
	struct buf whole;

	buf_init(&whole, strlen(before) + word.len + strlen(after));
	if (buf_str(&whole, before) && buf_put(&whole, word) &&
	    buf_str(&whole, after))
		plain_words(p, buf_view(&whole));
	else
		p->out->failed = true;
	buf_fini(&whole);
}

static const char *
copy_page_at(const struct inventory *pages, const char *path)
{
	const struct inventory_item *item = inventory_find(pages, path);

	return item != NULL && item->page ? item->path : NULL;
}

/* The page that stands for a directory; path is "" or ends with '/'. */
static const char *
copy_index_at(const struct copy_place *from, const char *path)
{
	char memory[REQUEST_URI_MAX + 256];
	const char *index, *page = NULL;
	struct buf name;

	for (size_t k = 0; page == NULL; k++) {
		index = host_index(from->host, k);
		if (index == NULL)
			break;
		buf_wrap(&name, memory, sizeof(memory) - 1);
		if (buf_str(&name, path) && buf_str(&name, index))
			page = copy_page_at(from->pages, buf_cstr(&name));
	}
	return page;
}

/* The page of the copy that a link leads to, or NULL. */
static const char *
copy_page_linked(const struct copy_place *from, struct slice url)
{
	uint8_t memory[FEED_TARGET_MAX];
	struct uri_path decoded;
	struct slice target, query;
	struct buf out;
	const char *path;

	buf_wrap(&out, memory, sizeof(memory));
	if (uri_is_absolute(url) || slice_starts(url, SLICE("//")) ||
	    !feed_target(from->path, url, &out))
		return NULL;
	slice_cut(buf_view(&out), '?', &target, &query);
	if (target.len > REQUEST_URI_MAX ||
	    uri_path_normalise(target, &decoded) != URI_PATH_OK)
		return NULL;
	path = decoded.decoded + 1;
	if (decoded.decoded[decoded.decoded_len - 1] == '/')
		return copy_index_at(from, path);
	return copy_page_at(from->pages, path);
}

static void
copy_put_link(const struct copy_place *from, const struct gemtext_line *line,
    struct buf *out)
{
	struct plain p = { .out = out, .first = "", .next = "  " };
	const char *page = copy_page_linked(from, line->url);

	plain_words(&p, line->text);
	if (page == NULL && line->url.len > 0)
		copy_put_word(&p, "<", line->url, ">");
	else if (page != NULL)
		copy_put_word(&p, "(", slice_str(page), ")");
	plain_end(&p);
}

/* Appends a heading and its underline. level is 1 to 3. */
static void
copy_put_heading(struct buf *out, struct slice text, int level)
{
	struct plain p = { .out = out, .first = "", .next = "" };
	size_t width;

	if (level > 2)
		p.first = "### ";
	plain_words(&p, text);
	plain_end(&p);
	width = p.widest < PLAIN_WIDTH ? p.widest : PLAIN_WIDTH;
	if (level > 2 || width == 0)
		return;
	for (size_t i = 0; i < width; i++)
		buf_byte(out, level == 1 ? '=' : '-');
	buf_byte(out, '\n');
}

static void
copy_put_wrapped(
    struct slice text, const char *first, const char *next, struct buf *out)
{
	struct plain p = { .out = out, .first = first, .next = next };

	plain_words(&p, text);
	plain_end(&p);
}

static void
copy_put_line(const struct copy_place *from, const struct gemtext_line *line,
    bool opens, struct buf *out)
{
	switch (line->kind) {
	case GEMTEXT_TEXT:
		copy_put_wrapped(line->text, "", "", out);
		break;
	case GEMTEXT_LINK:
		copy_put_link(from, line, out);
		break;
	case GEMTEXT_HEADING:
		copy_put_heading(out, line->text, line->level);
		break;
	case GEMTEXT_ITEM:
		copy_put_wrapped(line->text, "* ", "  ", out);
		break;
	case GEMTEXT_QUOTE:
		copy_put_wrapped(line->text, "> ", "> ", out);
		break;
	case GEMTEXT_TOGGLE:
		/* The text for those who do not see the picture; clients
		 * ignore words after the closing one. */
		if (opens && line->text.len > 0) {
			buf_byte(out, '[');
			plain_put(out, line->text);
			buf_str(out, "]\n");
		}
		break;
	case GEMTEXT_PREFORMATTED:
		plain_put(out, line->text);
		buf_byte(out, '\n');
		break;
	}
}

/* Appends a blank line, a rule with the page's name, and its text: headings are
 * underlined (those of level 3 keep their mark), list items and quotes keep
 * theirs, preformatted lines are left as they are. A link to one of the pages
 * that h serves is "label (page.gmi)", any other "label <target>": without a
 * word, since pages are in any language. */
static void
copy_put_page(const struct host *h, const struct inventory *pages,
    const char *path, struct slice text, struct buf *out)
{
	const struct copy_place from = {
		.host = h, .pages = pages, .path = path
	};
	struct gemtext g = { .rest = text };
	struct gemtext_line line;
	size_t start;

	buf_str(out, "\n" RULE "\n");
	copy_put_wrapped(slice_str(path), "", "", out);
	buf_str(out, RULE "\n\n");
	start = out->len;
	while (gemtext_next(&g, &line))
		copy_put_line(&from, &line, g.preformatted, out);
	while (out->len > start && slice_ends(buf_view(out), SLICE("\n\n")))
		buf_truncate(out, out->len - 1);
}

const char *
copy_file(const struct host *h)
{
	const char *name = h->content.copy.text;

	return name != NULL ? name : COPY_FILE;
}

/* Whether a file of that name was made here before. */
static bool
copy_is_earlier(const struct host *h, const char *name)
{
	struct slice text;
	struct buf bytes;
	bool found;

	buf_init(&bytes, COPY_MAX);
	found = inventory_load(h, name, &bytes);
	text = buf_view(&bytes);
	found = found && memmem(text.ptr, text.len, ABOUT, strlen(ABOUT));
	buf_fini(&bytes);
	return found;
}

/* Whether there is anything of that name, be it a link to nowhere. */
static bool
copy_file_exists(const struct host *h, const char *name)
{
	struct stat st;

	return fstatat(h->root, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Why the copy must not have its name, or NULL. */
static const char *
copy_name_fault(const struct host *h, const char *name)
{
	if (strcmp(name, FEED_FILE) == 0 || strcmp(name, CONF_FILE) == 0)
		return "another file of the capsule";
	if (inventory_names_page(h, name))
		return "the name of a page, and the copy is none";
	if (host_hides(h, name, strlen(name)))
		return "a hidden name";
	if (copy_file_exists(h, name) && !copy_is_earlier(h, name))
		return "another file of the capsule, and no earlier copy";
	return NULL;
}

/* The copy is written over nothing but itself. */
static bool
copy_name_is_free(const struct copy *c)
{
	const struct conf_text *copy = &c->host->content.copy;
	const char *name = copy_file(c->host);
	const char *fault = copy_name_fault(c->host, name);

	if (fault != NULL)
		report_add(c->report, REPORT_ERROR, copy->file, copy->line,
		    "copy: %s is %s", name, fault);
	return fault == NULL;
}

static void
copy_take_page(struct copy *c, const struct inventory_item *item)
{
	c->taken[item - c->all->item] = true;
	c->page[c->n++] = item->path;
}

static bool
copy_add_ordered(struct copy *c, const struct conf_text *name)
{
	const struct inventory_item *item = inventory_find(c->all, name->text);

	if (item == NULL || !item->page) {
		report_add(c->report, REPORT_ERROR, name->file, name->line,
		    "order: %s %s", name->text,
		    item == NULL ? "is not a file that is served"
				 : "is not served as text/gemini");
		return false;
	}
	if (c->taken[item - c->all->item])
		report_add(c->report, REPORT_WARNING, name->file, name->line,
		    "order: duplicate entry %s", name->text);
	else
		copy_take_page(c, item);
	return true;
}

/* Pages in reading order; every fault is reported. */
static bool
copy_order_pages(struct copy *c)
{
	const struct conf_list *order = &c->host->content.order;
	bool ok = true;

	for (size_t i = 0; i < order->n; i++)
		ok = copy_add_ordered(c, &order->item[i]) && ok;
	for (size_t i = 0; i < c->all->n; i++)
		if (c->all->item[i].page && !c->taken[i])
			copy_take_page(c, &c->all->item[i]);
	return ok;
}

static bool
copy_check_count(const struct copy *c)
{
	const char *root = c->host->conf->root.text;

	if (c->n == 0)
		report_add(c->report, REPORT_ERROR, root, 0, "no pages");
	else if (c->n > COPY_PAGES_MAX)
		report_add(c->report, REPORT_ERROR, root, 0,
		    "more than %d pages", COPY_PAGES_MAX);
	return c->n > 0 && c->n <= COPY_PAGES_MAX;
}

/* A line of the table of contents; what has no title is known by its name. */
static bool
copy_put_contents_line(struct copy *c, size_t i)
{
	const char *path = c->page[i];
	struct slice text, title;
	char first[24];
	struct plain line = { .out = c->out, .first = first, .next = "     " };

	if (!page_read(c->host, path, &c->bytes, &text, c->report))
		return false;
	title = gemtext_title(text);
	snprintf(first, sizeof(first), "%3zu. ", i + 1);
	if (plain_is_blank(title)) {
		plain_words(&line, slice_str(path));
	} else {
		plain_words(&line, title);
		copy_put_word(&line, "(", slice_str(path), ")");
	}
	plain_end(&line);
	return true;
}

static void
copy_put_paragraph(struct buf *out, const char *text)
{
	struct plain p = { .out = out, .first = "", .next = "" };

	plain_words(&p, slice_str(text));
	plain_end(&p);
	buf_byte(out, '\n');
}

/* What the file is, and what is in it. */
static bool
copy_put_head(struct copy *c, const struct feed_origin *origin)
{
	const struct conf_text *title = &c->host->content.title;
	uint8_t memory[HOSTNAME_SIZE + 64];
	struct buf url;
	bool ok = true;

	if (title->text != NULL) {
		copy_put_heading(c->out, slice_str(title->text), 1);
		buf_byte(c->out, '\n');
	}
	copy_put_paragraph(c->out, about);
	if (origin != NULL) {
		buf_wrap(&url, memory, sizeof(memory));
		buf_str(&url, "The capsule: <");
		feed_origin_put(origin, &url);
		buf_str(&url, "/>");
		copy_put_paragraph(c->out, buf_cstr(&url));
	}
	copy_put_heading(c->out, SLICE("Contents"), 2);
	buf_byte(c->out, '\n');
	for (size_t i = 0; i < c->n; i++)
		ok = copy_put_contents_line(c, i) && ok;
	return ok;
}

static bool
copy_put_pages(struct copy *c)
{
	struct slice text;

	for (size_t i = 0; i < c->n; i++) {
		const char *path = c->page[i];

		if (!page_read(c->host, path, &c->bytes, &text, c->report))
			return false;
		copy_put_page(c->host, c->all, path, text, c->out);
	}
	return true;
}

static bool
copy_write(struct copy *c, const struct feed_origin *origin)
{
	bool ok = copy_name_is_free(c);

	ok = copy_order_pages(c) && ok;
	if (!ok || !copy_check_count(c) || !copy_put_head(c, origin) ||
	    !copy_put_pages(c))
		return false;
	if (c->out->failed)
		report_add(c->report, REPORT_ERROR, c->host->conf->root.text, 0,
		    "the pages are too long for one file");
	return !c->out->failed;
}

bool
copy_text(const struct host *h, const struct inventory *pages,
    const struct feed_origin *origin, struct buf *out, struct report *r)
{
	struct copy c = { .host = h, .all = pages, .out = out, .report = r };
	bool ok = false;

	/* Each page once: order cannot make more of them. */
	c.page = calloc(pages->n + 1, sizeof(*c.page));
	c.taken = calloc(pages->n + 1, sizeof(*c.taken));
	buf_init(&c.bytes, PAGE_MAX);
	if (c.page == NULL || c.taken == NULL)
		report_add(r, REPORT_ERROR, NULL, 0, "out of memory");
	else
		ok = copy_write(&c, origin);
	buf_fini(&c.bytes);
	free(c.taken);
	free(c.page);
	return ok;
}
