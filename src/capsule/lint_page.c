/* SPDX-License-Identifier: ISC */
/* A page line by line: headings, blocks, blank and broken lines (spec.md 4.1.2,
 * 4.1.6 to 4.1.9). */
#include "capsule/lint_internal.h"

enum {
	BLANK_MAX = 2,     /* lines in a row */
	WRAPPED_MIN = 3,   /* lines that make a broken paragraph */
	WRAPPED_FROM = 60, /* characters of such a line */
	WRAPPED_TO = 85,
};

struct page {
	struct lint *l;
	const char *path;
	struct gemtext at;
	unsigned opened; /* line of the last opening toggle */
	unsigned first;  /* line that is not blank; 0: none yet */
	unsigned title;  /* line of the first level-1 heading */
	unsigned titles;
	int level; /* of the last heading; 0: none yet */
	unsigned blank;
	unsigned wrapped;
	struct lint_markup markup;
};

static void
check_toggle(struct page *p, const struct gemtext_line *line)
{
	if (p->at.preformatted) {
		p->opened = line->number;
		if (line->text.len == 0)
			lint_add(p->l, "G023", p->path, line->number,
			    "preformatted block without a description");
	} else if (line->text.len > 0) {
		lint_add(p->l, "G022", p->path, line->number,
		    "text behind the end of a preformatted block is not shown");
	}
}

static void
check_title(struct page *p, const struct gemtext_line *line)
{
	p->titles++;
	if (p->titles == 2)
		lint_add(p->l, "G027", p->path, line->number,
		    "a second level-1 heading; the first is line %u", p->title);
	if (p->titles > 1)
		return;
	p->title = line->number;
	if (p->first != line->number)
		lint_add(p->l, "G028", p->path, p->first,
		    "the title comes only in line %u", p->title);
}

static void
check_heading(struct page *p, const struct gemtext_line *line)
{
	if (slice_starts(line->raw, SLICE("####")))
		lint_add(p->l, "G024", p->path, line->number,
		    "headings have three levels: the fourth # is shown");
	else if (line->text.len == 0)
		lint_add(p->l, "G030", p->path, line->number, "empty heading");
	if (line->level == 1)
		check_title(p, line);
	if (p->level > 0 && line->level > p->level + 1)
		lint_add(p->l, "G029", p->path, line->number,
		    "heading of level %d behind one of level %d", line->level,
		    p->level);
	p->level = line->level;
}

/* The length of the one of texts that s ends with, or 0. */
static size_t
ends_with(struct slice s, const char *const *texts)
{
	for (; *texts != NULL; texts++)
		if (slice_ends(s, slice_str(*texts)))
			return slice_str(*texts).len;
	return 0;
}

/* Whether text ends as sentences do, quotation marks and brackets aside. */
static bool
ends_sentence(struct slice s)
{
	static const char *const closers[] = { "\"", "'", ")", "]",
		"\xe2\x80\x9d", "\xe2\x80\x99", "\xc2\xbb", NULL };
	static const char *const ends[] = { ".", "!", "?", ":", "\xe2\x80\xa6",
		NULL };
	size_t n;

	while ((n = ends_with(s, closers)) > 0)
		s.len -= n;
	return ends_with(s, ends) > 0;
}

static bool
looks_wrapped(const struct gemtext_line *line)
{
	size_t n = 0;

	if (line->kind != GEMTEXT_TEXT)
		return false;
	for (size_t i = 0; i < line->raw.len && n <= WRAPPED_TO; i++)
		n += (line->raw.ptr[i] & 0xc0) != 0x80;
	return n >= WRAPPED_FROM && n <= WRAPPED_TO &&
	       !ends_sentence(line->text);
}

/* Runs of lines: blank ones, and those that an editor seems to have broken. */
static void
check_runs(struct page *p, const struct gemtext_line *line)
{
	bool blank = line->kind == GEMTEXT_TEXT && line->text.len == 0;

	p->blank = blank ? p->blank + 1 : 0;
	if (p->blank == BLANK_MAX + 1)
		lint_add(p->l, "G032", p->path, line->number,
		    "more than %d blank lines in a row", BLANK_MAX);
	p->wrapped = looks_wrapped(line) ? p->wrapped + 1 : 0;
	if (p->wrapped == WRAPPED_MIN)
		lint_add(p->l, "G031", p->path, line->number - WRAPPED_MIN + 1,
		    "a paragraph broken into lines: clients fit lines to the "
		    "screen themselves");
	if (!blank && p->first == 0)
		p->first = line->number;
}

static void
check_line(struct page *p, const struct gemtext_line *line)
{
	check_runs(p, line);
	lint_markup(p->l, p->path, line, &p->markup);
	switch (line->kind) {
	case GEMTEXT_LINK:
		lint_link(p->l, p->path, line);
		break;
	case GEMTEXT_HEADING:
		check_heading(p, line);
		break;
	case GEMTEXT_TOGGLE:
		check_toggle(p, line);
		break;
	case GEMTEXT_TEXT:
	case GEMTEXT_ITEM:
	case GEMTEXT_QUOTE:
	case GEMTEXT_PREFORMATTED:
		break;
	}
}

void
lint_page(struct lint *l, const char *path, struct slice bytes)
{
	struct page p = { .l = l, .path = path };
	struct gemtext_line line;

	lint_bytes(l, path, bytes);
	p.at.rest = bytes;
	/* The mark has had its complaint: the line behind it needs no other. */
	if (slice_starts(bytes, SLICE("\xef\xbb\xbf")))
		p.at.rest = slice_skip(bytes, 3);
	while (gemtext_next(&p.at, &line))
		check_line(&p, &line);
	if (p.at.preformatted)
		lint_add(l, "G021", path, p.opened,
		    "preformatted block that is never closed");
	if (p.titles == 0)
		lint_add(l, "G027", path, 0, "no level-1 heading");
}
