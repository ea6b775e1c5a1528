/* SPDX-License-Identifier: ISC */
#include "capsule/copy_page.h"

#include <string.h>

#include "capsule/feed_entries.h"
#include "proto/gemtext.h"
#include "proto/uri.h"

#define RULE                                                                   \
	"==================================="                                  \
	"====================================="
_Static_assert(sizeof(RULE) - 1 == PLAIN_WIDTH, "a rule is a line wide");

/* Where links are looked up from. */
struct place {
	const struct host *host;
	const struct inventory *pages;
	const char *path;
};

void
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
page_at(const struct inventory *pages, const char *path)
{
	const struct inventory_item *item = inventory_find(pages, path);

	return item != NULL && item->page ? item->path : NULL;
}

/* The page that stands for a directory; path is "" or ends with '/'. */
static const char *
index_at(const struct place *from, const char *path)
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
			page = page_at(from->pages, buf_cstr(&name));
	}
	return page;
}

/* The page of the copy that a link leads to, or NULL. */
static const char *
linked_page(const struct place *from, struct slice url)
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
	(void)slice_cut(buf_view(&out), '?', &target, &query);
	if (target.len > REQUEST_URI_MAX ||
	    uri_path_normalise(target, &decoded) != URI_PATH_OK)
		return NULL;
	path = decoded.decoded + 1;
	if (decoded.decoded[decoded.decoded_len - 1] == '/')
		return index_at(from, path);
	return page_at(from->pages, path);
}

static void
put_link(
    const struct place *from, const struct gemtext_line *line, struct buf *out)
{
	struct plain p = { .out = out, .first = "", .next = "  " };
	const char *page = linked_page(from, line->url);

	plain_words(&p, line->text);
	if (page == NULL && line->url.len > 0)
		copy_put_word(&p, "<", line->url, ">");
	else if (page != NULL)
		copy_put_word(&p, "(", slice_str(page), ")");
	plain_end(&p);
}

void
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
		(void)buf_byte(out, level == 1 ? '=' : '-');
	(void)buf_byte(out, '\n');
}

static void
put_wrapped(
    struct slice text, const char *first, const char *next, struct buf *out)
{
	struct plain p = { .out = out, .first = first, .next = next };

	plain_words(&p, text);
	plain_end(&p);
}

static void
put_line(const struct place *from, const struct gemtext_line *line, bool opens,
    struct buf *out)
{
	switch (line->kind) {
	case GEMTEXT_TEXT:
		put_wrapped(line->text, "", "", out);
		break;
	case GEMTEXT_LINK:
		put_link(from, line, out);
		break;
	case GEMTEXT_HEADING:
		copy_put_heading(out, line->text, line->level);
		break;
	case GEMTEXT_ITEM:
		put_wrapped(line->text, "* ", "  ", out);
		break;
	case GEMTEXT_QUOTE:
		put_wrapped(line->text, "> ", "> ", out);
		break;
	case GEMTEXT_TOGGLE:
		/* What it says to those who do not see the picture; clients
		 * pass over words behind the closing one. */
		if (opens && line->text.len > 0) {
			(void)buf_byte(out, '[');
			(void)plain_put(out, line->text);
			(void)buf_str(out, "]\n");
		}
		break;
	case GEMTEXT_PREFORMATTED:
		(void)plain_put(out, line->text);
		(void)buf_byte(out, '\n');
		break;
	}
}

void
copy_put_page(const struct host *h, const struct inventory *pages,
    const char *path, struct slice text, struct buf *out)
{
	const struct place from = { .host = h, .pages = pages, .path = path };
	struct gemtext g = { .rest = text };
	struct gemtext_line line;
	size_t start;

	(void)buf_str(out, "\n" RULE "\n");
	put_wrapped(slice_str(path), "", "", out);
	(void)buf_str(out, RULE "\n\n");
	start = out->len;
	while (gemtext_next(&g, &line))
		put_line(&from, &line, g.preformatted, out);
	while (out->len > start && slice_ends(buf_view(out), SLICE("\n\n")))
		buf_truncate(out, out->len - 1);
}
