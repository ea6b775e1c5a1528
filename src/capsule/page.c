/* SPDX-License-Identifier: ISC */
#include "capsule/page.h"

#include <stdio.h>
#include <string.h>

enum { PROBLEM_MAX = 1024 }; /* bytes of a message, cut behind that */

void
page_problem(struct report *r, enum report_level level, const struct host *h,
    const char *path, unsigned line, const char *format, ...)
{
	const char *root = h->conf->root.text;
	char text[PROBLEM_MAX];
	struct buf file;
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	buf_init(&file, strlen(root) + strlen(path) + sizeof("/"));
	(void)buf_printf(&file, "%s/%s", root, path);
	report_add(r, level, buf_cstr(&file), line, "%s", text);
	buf_fini(&file);
}

/* The line in which the first byte lies that is not UTF-8; 0: there is none. */
static unsigned
bad_line(struct slice text)
{
	struct slice line;
	unsigned number = 0;

	while (slice_line(&text, &line)) {
		number++;
		if (!slice_utf8(line))
			return number;
	}
	return 0;
}

bool
page_read(const struct host *h, const char *path, struct buf *out,
    struct slice *text, struct report *r)
{
	unsigned line;

	buf_reset(out);
	if (!inventory_load(h, path, out)) {
		page_problem(r, REPORT_ERROR, h, path, 0,
		    "cannot be read, or is larger than %d MiB",
		    PAGE_MAX / (1024 * 1024));
		return false;
	}
	*text = buf_view(out);
	line = bad_line(*text);
	if (line > 0) {
		page_problem(r, REPORT_ERROR, h, path, line, "is not UTF-8");
		return false;
	}
	if (slice_starts(*text, SLICE("\xef\xbb\xbf")))
		*text = slice_skip(*text, 3);
	return true;
}
