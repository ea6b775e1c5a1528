/* SPDX-License-Identifier: ISC */
#include "capsule/copy.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "capsule/copy_page.h"
#include "capsule/page.h"
#include "capsule/plain.h"
#include "proto/gemtext.h"

#define COPY_FILE "capsule.txt"
#define CONF_FILE "capsule.conf"

/* What copies are known by: their first words, on one line. */
#define ABOUT "This file holds all pages of the capsule as plain text"

static const char about[] = ABOUT
    ", in reading order, for those who keep or print them. Each link is "
    "followed by where it leads: a page of this file in round brackets, any "
    "other address in angle brackets.";

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

const char *
copy_file(const struct host *h)
{
	const char *name = h->content.copy.text;

	return name != NULL ? name : COPY_FILE;
}

/* Whether a file of that name was made here before. */
static bool
is_earlier_copy(const struct host *h, const char *name)
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
is_there(const struct host *h, const char *name)
{
	struct stat st;

	return fstatat(h->root, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Why the copy must not have its name, or NULL. */
static const char *
name_fault(const struct host *h, const char *name)
{
	if (strcmp(name, FEED_FILE) == 0 || strcmp(name, CONF_FILE) == 0)
		return "another file of the capsule";
	if (inventory_names_page(h, name))
		return "the name of a page, and the copy is none";
	if (host_hides(h, name, strlen(name)))
		return "a name that is hidden from visitors";
	if (is_there(h, name) && !is_earlier_copy(h, name))
		return "another file of the capsule, and no earlier copy";
	return NULL;
}

/* The copy is written over nothing but itself. */
static bool
name_is_free(const struct copy *c)
{
	const struct conf_text *copy = &c->host->content.copy;
	const char *name = copy_file(c->host);
	const char *fault = name_fault(c->host, name);

	if (fault != NULL)
		report_add(c->report, REPORT_ERROR, copy->file, copy->line,
		    "copy: %s is %s", name, fault);
	return fault == NULL;
}

static void
take(struct copy *c, const struct inventory_item *item)
{
	c->taken[item - c->all->item] = true;
	c->page[c->n++] = item->path;
}

static bool
add_ordered(struct copy *c, const struct conf_text *name)
{
	const struct inventory_item *item = inventory_find(c->all, name->text);

	if (item == NULL || !item->page) {
		report_add(c->report, REPORT_ERROR, name->file, name->line,
		    "order: %s %s", name->text,
		    item == NULL ? "is not there for visitors"
				 : "is not served as text/gemini");
		return false;
	}
	if (c->taken[item - c->all->item])
		report_add(c->report, REPORT_WARNING, name->file, name->line,
		    "order: %s is there already", name->text);
	else
		take(c, item);
	return true;
}

/* Pages in reading order; all that is wrong with it is told. */
static bool
put_in_order(struct copy *c)
{
	const struct conf_list *order = &c->host->content.order;
	bool ok = true;

	for (size_t i = 0; i < order->n; i++)
		ok = add_ordered(c, &order->item[i]) && ok;
	for (size_t i = 0; i < c->all->n; i++)
		if (c->all->item[i].page && !c->taken[i])
			take(c, &c->all->item[i]);
	return ok;
}

static bool
count_is_bearable(const struct copy *c)
{
	const char *root = c->host->conf->root.text;

	if (c->n == 0)
		report_add(
		    c->report, REPORT_ERROR, root, 0, "there is no page");
	else if (c->n > COPY_PAGES_MAX)
		report_add(c->report, REPORT_ERROR, root, 0,
		    "more than %d pages", COPY_PAGES_MAX);
	return c->n > 0 && c->n <= COPY_PAGES_MAX;
}

/* A line of the table of contents; what has no title is known by its name. */
static bool
put_contents_line(struct copy *c, size_t i)
{
	const char *path = c->page[i];
	struct slice text, title;
	char first[24];
	struct plain line = { .out = c->out, .first = first, .next = "     " };

	if (!page_read(c->host, path, &c->bytes, &text, c->report))
		return false;
	title = gemtext_title(text);
	(void)snprintf(first, sizeof(first), "%3zu. ", i + 1);
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
put_paragraph(struct buf *out, const char *text)
{
	struct plain p = { .out = out, .first = "", .next = "" };

	plain_words(&p, slice_str(text));
	plain_end(&p);
	(void)buf_byte(out, '\n');
}

/* What the file is, and what is in it. */
static bool
put_head(struct copy *c, const struct feed_origin *origin)
{
	const struct conf_text *title = &c->host->content.title;
	uint8_t memory[HOSTNAME_SIZE + 64];
	struct buf url;
	bool ok = true;

	if (title->text != NULL) {
		copy_put_heading(c->out, slice_str(title->text), 1);
		(void)buf_byte(c->out, '\n');
	}
	put_paragraph(c->out, about);
	if (origin != NULL) {
		buf_wrap(&url, memory, sizeof(memory));
		(void)buf_str(&url, "The capsule: <");
		(void)feed_origin_put(origin, &url);
		(void)buf_str(&url, "/>");
		put_paragraph(c->out, buf_cstr(&url));
	}
	copy_put_heading(c->out, SLICE("Contents"), 2);
	(void)buf_byte(c->out, '\n');
	for (size_t i = 0; i < c->n; i++)
		ok = put_contents_line(c, i) && ok;
	return ok;
}

static bool
put_pages(struct copy *c)
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
write_copy(struct copy *c, const struct feed_origin *origin)
{
	bool ok = name_is_free(c);

	ok = put_in_order(c) && ok;
	if (!ok || !count_is_bearable(c) || !put_head(c, origin) ||
	    !put_pages(c))
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
		ok = write_copy(&c, origin);
	buf_fini(&c.bytes);
	free(c.taken);
	free(c.page);
	return ok;
}
