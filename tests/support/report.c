/* SPDX-License-Identifier: ISC */
#include "support/report.h"

#include <string.h>

#include "check.h"

bool
report_contains(const struct report *r, enum report_level level, unsigned line,
    const char *words)
{
	size_t i;

	for (i = 0; i < r->n; i++) {
		const struct report_item *item = &r->items[i];

		if (item->level == level && (line == 0 || item->line == line) &&
		    strstr(item->text, words) != NULL)
			return true;
	}
	return false;
}

void
report_print(const struct report *r)
{
	char text[1024];
	struct buf out;
	size_t i;

	for (i = 0; i < r->n; i++) {
		buf_wrap(&out, text, sizeof(text) - 1);
		(void)report_format(&r->items[i], &out);
		print_message("%s\n", buf_cstr(&out));
	}
}

void
report_check_item(
    const struct report *r, size_t i, const char *want, const char *row)
{
	struct buf out;

	buf_init(&out, 1 << 16);
	if (i >= r->n)
		fail_msg("row \"%s\": no item %zu, want %s", row, i, want);
	assert_true(report_format(&r->items[i], &out));
	if (strcmp(buf_cstr(&out), want) != 0)
		fail_msg(
		    "row \"%s\": got  %s\nwant %s", row, buf_cstr(&out), want);
	buf_fini(&out);
}

void
report_check_items(const struct report *r, const char *const *wanted,
    size_t max, const char *row)
{
	size_t n = 0;

	for (; n < max && wanted[n] != NULL; n++)
		report_check_item(r, n, wanted[n], row);
	if (r->n > n)
		report_check_item(r, n, "nothing more", row);
}
