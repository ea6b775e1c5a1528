/* SPDX-License-Identifier: ISC */
/* S: the page that capsule.conf calls its feed, as clients that subscribe to it
 * read it (spec.md 4.2.13 to 4.2.16). */
#include <string.h>

#include "capsule/feed_entries.h"
#include "capsule/lint_internal.h"
#include "capsule/page.h"

enum { DAY_S = 86400 };

struct subscribed {
	struct lint *l;
	const char *path;
	struct feed_entries first; /* of each target, with its line */
};

static const struct feed_entry *
first_of(const struct subscribed *s, const char *target)
{
	for (size_t i = 0; i < s->first.n; i++)
		if (strcmp(s->first.item[i].target, target) == 0)
			return &s->first.item[i];
	return NULL;
}

static void
check_url(const struct subscribed *s, const struct subscription_entry *entry)
{
	uint8_t memory[REQUEST_URI_MAX * 3 + 1];
	const struct feed_entry *first = NULL;
	struct buf target;

	/* A link that is none is the link checks' affair. */
	buf_wrap(&target, memory, sizeof(memory) - 1);
	if (feed_target(s->path, entry->url, &target))
		first = first_of(s, buf_cstr(&target));
	if (first != NULL && first->line != entry->line)
		lint_add(s->l, "S005", s->path, entry->line,
		    "the same URL as in line %u: readers show one of them",
		    first->line);
}

static void
check_entry(const struct subscribed *s, const struct subscription_entry *entry)
{
	if (!entry->dated) {
		lint_add(s->l, "S003", s->path, entry->line,
		    "%.*s is no day of the calendar", SLICE_ARGS(entry->date));
		return;
	}
	if (subscription_days(&entry->day) > s->l->now / DAY_S)
		lint_add(s->l, "S004", s->path, entry->line,
		    "%.*s is in the future", SLICE_ARGS(entry->date));
	if (entry->title.len == 0)
		lint_add(s->l, "S007", s->path, entry->line,
		    "no title behind the date: some clients pass it over");
	check_url(s, entry);
}

static void
check_page(struct lint *l, const char *path, struct slice text)
{
	struct subscribed s = { .l = l, .path = path };
	struct gemtext g = { .rest = text };
	struct subscription_entry entry;
	size_t dated = 0;

	if (gemtext_title(text).len == 0)
		lint_add(l, "S002", path, 0,
		    "no title, a line that begins with \"# \"");
	switch (feed_entries_read(path, text, NULL, NULL, &s.first)) {
	case FEED_READ:
		break;
	case FEED_READ_TOO_MANY: /* then nobody looks for the same URL twice */
		break;
	case FEED_READ_NO_MEMORY:
		l->short_of_memory = true;
		return;
	}
	while (subscription_next(&g, &entry)) {
		check_entry(&s, &entry);
		dated += entry.dated;
	}
	if (dated == 0)
		lint_add(l, "S006", path, 0,
		    "no entry: a link whose label begins with a date, "
		    "YYYY-MM-DD");
	feed_entries_fini(&s.first);
}

/* At the line where the page was called the feed: the operator's own file is not
 * the capsule's. */
static void
add_missing(struct lint *l, const char *what)
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

void
lint_subscription(struct lint *l)
{
	const char *path = l->host->content.feed.text;
	struct slice text;
	struct buf bytes;

	if (path == NULL)
		return;
	if (lint_type(l, path).len == 0) {
		add_missing(l, "no file that visitors get");
		return;
	}
	if (!slice_equal_nocase(lint_type(l, path), SLICE("text/gemini"))) {
		add_missing(l, "not text/gemini, so nobody can subscribe");
		return;
	}
	buf_init(&bytes, PAGE_MAX);
	if (inventory_load(l->host, path, &bytes)) {
		text = buf_view(&bytes);
		if (slice_starts(text, SLICE("\xef\xbb\xbf")))
			text = slice_skip(text, 3);
		check_page(l, path, text);
	} else {
		add_missing(l, "cannot be read, or is too large");
	}
	buf_fini(&bytes);
}
