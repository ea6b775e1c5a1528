/* SPDX-License-Identifier: ISC */
#include "conf/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/list.h"
#include "util/log.h"

enum { REPORT_TEXT_MAX = 2048 }; /* bytes of one message; the rest is cut */

/* Capsules may share a root, whose capsule.conf is then read for each. */
static bool
item_same(const struct report_item *a, enum report_level level,
    const char *file, unsigned line, const char *text)
{
	if (a->level != level || a->line != line || strcmp(a->text, text) != 0)
		return false;
	if (a->file == NULL || file == NULL)
		return a->file == file;
	return strcmp(a->file, file) == 0;
}

static bool
report_has(const struct report *r, enum report_level level, const char *file,
    unsigned line, const char *text)
{
	for (size_t i = 0; i < r->n; i++)
		if (item_same(&r->items[i], level, file, line, text))
			return true;
	return false;
}

static void
report_keep(struct report *r, enum report_level level, const char *file,
    unsigned line, const char *text)
{
	struct report_item item = { .level = level, .line = line };
	struct report_item *items;

	items = array_grow(r->items, r->n, sizeof(*items));
	if (items == NULL)
		return;
	r->items = items;
	item.text = strdup(text);
	if (file != NULL)
		item.file = strdup(file);
	if (item.text == NULL || (file != NULL && item.file == NULL)) {
		free(item.text);
		free(item.file);
		return;
	}
	r->items[r->n++] = item;
}

void
report_add(struct report *r, enum report_level level, const char *file,
    unsigned line, const char *format, ...)
{
	char raw[REPORT_TEXT_MAX];
	struct buf safe;
	const char *text = NULL;
	va_list ap;
	size_t n;

	va_start(ap, format);
	vsnprintf(raw, sizeof(raw), format, ap);
	va_end(ap);
	/* A byte becomes four at most, "\xHH". */
	buf_init(&safe, (size_t)4 * REPORT_TEXT_MAX);
	if (log_escape_most(&safe, slice_str(raw)))
		text = buf_cstr(&safe);
	if (text != NULL && report_has(r, level, file, line, text))
		goto out;
	n = level == REPORT_ERROR ? ++r->errors : ++r->warnings;
	if (text != NULL && n <= REPORT_MAX)
		report_keep(r, level, file, line, text);
out:
	buf_fini(&safe);
}

static bool
place_format(const struct report_item *i, struct buf *out)
{
	if (i->file == NULL)
		return true;
	if (!log_escape(out, slice_str(i->file)))
		return false;
	if (i->line != 0 && !buf_printf(out, ":%u", i->line))
		return false;
	return buf_str(out, ": ");
}

bool
report_format(const struct report_item *i, struct buf *out)
{
	return place_format(i, out) &&
	       buf_str(
		   out, i->level == REPORT_ERROR ? "error: " : "warning: ") &&
	       buf_str(out, i->text);
}

/* log_error and log_warn add the level themselves. */
static void
item_log(const struct report_item *i)
{
	struct buf line;
	const char *text = NULL;

	buf_init(&line, (size_t)8 * REPORT_TEXT_MAX);
	if (place_format(i, &line) && buf_str(&line, i->text))
		text = buf_cstr(&line);
	if (text == NULL)
		text = i->text;
	if (i->level == REPORT_ERROR)
		log_error("%s", text);
	else
		log_warn("%s", text);
	buf_fini(&line);
}

void
report_log(const struct report *r)
{
	size_t lost = r->errors + r->warnings - r->n;

	for (size_t i = 0; i < r->n; i++)
		if (r->items[i].level == REPORT_ERROR)
			item_log(&r->items[i]);
	for (size_t i = 0; i < r->n; i++)
		if (r->items[i].level != REPORT_ERROR)
			item_log(&r->items[i]);
	if (lost > 0)
		log_warn("%zu further problems are not shown", lost);
}

void
report_fini(struct report *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->items[i].file);
		free(r->items[i].text);
	}
	free(r->items);
	*r = (struct report){ 0 };
}
