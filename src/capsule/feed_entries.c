/* SPDX-License-Identifier: ISC */
#include "capsule/feed_entries.h"

#include <stdlib.h>
#include <string.h>

#include "proto/uri.h"
#include "util/array.h"

/* Any name does: what was resolved against it is cut off behind it. */
#define BASE "gemini://capsule.invalid"

static bool
can_be_followed(struct slice url)
{
	return url.len > 0 && url.len <= FEED_TARGET_MAX && slice_utf8(url) &&
	       uri_fault(url) == NULL;
}

/* The URL of a page, for links on it. */
static bool
put_base(struct buf *out, const char *page)
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

	if (!can_be_followed(url))
		return false;
	if (uri_is_absolute(url) || slice_starts(url, SLICE("//")))
		return buf_put(out, url);
	buf_wrap(&path, base_memory, sizeof(base_memory));
	if (!put_base(&path, page))
		return false;
	base.path = buf_view(&path);
	buf_wrap(&whole, memory, sizeof(memory));
	return uri_resolve(&base, url, &whole) &&
	       uri_encode_query(
		   out, slice_skip(buf_view(&whole), sizeof(BASE) - 1));
}

static int
by_target(const void *a, const void *b)
{
	const struct feed_entry *x = a, *y = b;
	int order = strcmp(x->target, y->target);

	if (order != 0)
		return order;
	return (x->line > y->line) - (x->line < y->line);
}

static int
newest_first(const void *a, const void *b)
{
	const struct feed_entry *x = a, *y = b;
	int64_t i = subscription_days(&x->day), j = subscription_days(&y->day);

	if (i != j)
		return i > j ? -1 : 1;
	return (x->line > y->line) - (x->line < y->line);
}

/* Keeps the first of each target, then sorts. */
static void
merge(struct feed_entries *e)
{
	size_t kept = 0;

	if (e->n == 0)
		return;
	qsort(e->item, e->n, sizeof(*e->item), by_target);
	for (size_t i = 0; i < e->n; i++) {
		if (kept > 0 &&
		    strcmp(e->item[kept - 1].target, e->item[i].target) == 0)
			free(e->item[i].target);
		else
			e->item[kept++] = e->item[i];
	}
	e->n = kept;
	qsort(e->item, e->n, sizeof(*e->item), newest_first);
}

static bool
add(struct feed_entries *e, const struct subscription_entry *entry,
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
read_all(const char *page, struct slice text, feed_left_out *left_out,
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
		if (!add(out, &entry, buf_cstr(&target)))
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
	result = read_all(page, text, left_out, arg, out);
	if (result == FEED_READ)
		merge(out);
	else
		feed_entries_fini(out);
	return result;
}

void
feed_entries_fini(struct feed_entries *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->item[i].target);
	free(e->item);
	*e = (struct feed_entries){ 0 };
}
