/* SPDX-License-Identifier: ISC */
#include "proto/subscription.h"

enum { DATE_LENGTH = sizeof("YYYY-MM-DD") - 1 };

static bool
subscription_is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

bool
subscription_looks_dated(struct slice s)
{
	static const char shape[] = "0000-00-00";

	if (s.len < DATE_LENGTH)
		return false;
	for (size_t i = 0; i < DATE_LENGTH; i++)
		if (shape[i] == '0' ? !subscription_is_digit(s.ptr[i])
				    : s.ptr[i] != '-')
			return false;
	return true;
}

/* n digits from offset at, which are there. */
static int
date_number(struct slice s, size_t at, size_t n)
{
	int value = 0;

	for (size_t i = at; i < at + n; i++)
		value = value * 10 + (s.ptr[i] - '0');
	return value;
}

static int
month_days(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
		31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

bool
subscription_date(struct slice s, struct subscription_day *out)
{
	if (!subscription_looks_dated(s))
		return false;
	/* "2026-11-221": no client that reads on takes that for a date. */
	if (s.len > DATE_LENGTH && subscription_is_digit(s.ptr[DATE_LENGTH]))
		return false;
	out->year = date_number(s, 0, 4);
	out->month = date_number(s, 5, 2);
	out->day = date_number(s, 8, 2);
	return out->year >= 1 && out->month >= 1 && out->month <= 12 &&
	       out->day >= 1 && out->day <= month_days(out->year, out->month);
}

int64_t
subscription_days(const struct subscription_day *d)
{
	const int64_t before_1970 = 719162; /* from 0001-01-01 */
	int64_t years = d->year - 1;
	int64_t days = years * 365 + years / 4 - years / 100 + years / 400;

	for (int month = 1; month < d->month; month++)
		days += month_days(d->year, month);
	return days + d->day - 1 - before_1970;
}

/* Skips one dash or colon, as people put them between date and title. */
static bool
subscription_skip_separator(struct slice *label)
{
	/* Hyphens and dashes: U+2010 to U+2015. */
	static const char *const separators[] = { "-", ":", "\u2010", "\u2011",
		"\u2012", "\u2013", "\u2014", "\u2015" };
	const size_t n = sizeof(separators) / sizeof(separators[0]);

	for (size_t i = 0; i < n; i++) {
		struct slice separator = slice_str(separators[i]);

		if (slice_starts(*label, separator)) {
			*label = slice_skip(*label, separator.len);
			return true;
		}
	}
	return false;
}

/* What follows the date and its separators; a date that goes on, as in
 * "2026-11-22T10:00Z", is all of the first word. */
static struct slice
subscription_entry_title(struct slice label)
{
	struct slice title = slice_skip(label, DATE_LENGTH);

	if (!subscription_skip_separator(&title))
		while (title.len > 0 && title.ptr[0] != ' ' &&
		       title.ptr[0] != '\t')
			title = slice_skip(title, 1);
	do
		title = slice_trim(title);
	while (subscription_skip_separator(&title));
	return title;
}

/* All of a date's shape that the label begins with: a digit too many
 * makes it invalid. */
static struct slice
subscription_entry_date(struct slice label)
{
	size_t n = DATE_LENGTH;

	while (n < label.len && subscription_is_digit(label.ptr[n]))
		n++;
	return slice_head(label, n);
}

bool
subscription_next(struct gemtext *g, struct subscription_entry *entry)
{
	struct gemtext_line line;

	while (gemtext_next(g, &line)) {
		if (line.kind != GEMTEXT_LINK || line.url.len == 0 ||
		    !subscription_looks_dated(line.text))
			continue;
		*entry = (struct subscription_entry){
			.url = line.url,
			.date = subscription_entry_date(line.text),
			.title = subscription_entry_title(line.text),
			.line = line.number,
		};
		entry->dated = subscription_date(line.text, &entry->day);
		return true;
	}
	return false;
}

struct slice
subscription_subtitle(struct slice page)
{
	struct gemtext g = { .rest = page };
	struct gemtext_line line;
	bool titled = false;

	while (gemtext_next(&g, &line)) {
		if (line.kind == GEMTEXT_HEADING && titled && line.level == 2)
			return line.text;
		if (line.kind == GEMTEXT_HEADING && line.level == 1)
			titled = true;
		else if (titled && line.kind != GEMTEXT_HEADING &&
			 (line.kind != GEMTEXT_TEXT || line.text.len > 0))
			break;
	}
	return SLICE("");
}
