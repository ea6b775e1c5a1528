/* SPDX-License-Identifier: ISC */
/* Marks that mean something elsewhere, and are shown as they stand here: those
 * of Markdown and HTML, and those of gemtext in the wrong place. To leave one
 * unreported is better than to report plain text. */
#include "capsule/lint_internal.h"

enum {
	TAG_MAX = 10,
	ORDINAL_MAX = 999,
	EMPHASIS_MAX = 3,       /* marks in a row */
	FRONT_MATTER_MAX = 100, /* lines */
};

/* A line's fault, if what is not NULL. */
struct markup_fault {
	const char *code;
	const char *what;
};

static bool
markup_is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool
markup_is_word(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || c >= 0x80;
}

enum lint_look
lint_look(uint32_t rune)
{
	static const struct {
		uint32_t first, last;
		enum lint_look look;
	} blocks[] = {
		{ 0xa0, 0xa0, LOOK_SPACE },
		{ 0xad, 0xad, LOOK_ZERO_WIDTH },     /* soft hyphen */
		{ 0x034f, 0x034f, LOOK_ZERO_WIDTH }, /* grapheme joiner */
		{ 0x1680, 0x1680, LOOK_SPACE },
		{ 0x180e, 0x180e, LOOK_ZERO_WIDTH },
		{ 0x2000, 0x200a, LOOK_SPACE },
		{ 0x200b, 0x200f, LOOK_ZERO_WIDTH },
		{ 0x202a, 0x202e, LOOK_ZERO_WIDTH },
		{ 0x202f, 0x202f, LOOK_SPACE }, { 0x205f, 0x205f, LOOK_SPACE },
		{ 0x2060, 0x206f, LOOK_ZERO_WIDTH },
		{ 0x3000, 0x3000, LOOK_SPACE },
		{ 0x3164, 0x3164, LOOK_ZERO_WIDTH }, /* Hangul filler */
		{ 0xfe00, 0xfe0f, LOOK_ZERO_WIDTH }, /* variants */
		{ 0xfeff, 0xfeff, LOOK_ZERO_WIDTH },
		{ 0xe0000, 0xe007f, LOOK_ZERO_WIDTH }, /* tags */
	};

	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		if (rune >= blocks[i].first && rune <= blocks[i].last)
			return blocks[i].look;
	return LOOK_NONE;
}

/* Skips blanks and what looks like them; the first of the latter, or 0. */
static uint32_t
markup_skip_looks(struct slice *s)
{
	uint32_t rune, first = 0;
	size_t n;

	while ((n = slice_rune(*s, &rune)) > 0) {
		if (lint_look(rune) == LOOK_NONE &&
		    (rune != ' ' && rune != '\t'))
			break;
		if (first == 0 && lint_look(rune) != LOOK_NONE)
			first = rune;
		*s = slice_skip(*s, n);
	}
	return first;
}

/* How many of s's first bytes are c. */
static size_t
markup_run(struct slice s, uint8_t c)
{
	size_t n = 0;

	while (n < s.len && s.ptr[n] == c)
		n++;
	return n;
}

static bool
markup_is_one_of(uint8_t c, struct slice set)
{
	return slice_find(set, c, NULL);
}

/* "---", "* * *", "___", "===" and longer. */
static bool
markup_is_rule(struct slice s)
{
	size_t marks = 0;

	if (s.len == 0 || !markup_is_one_of(s.ptr[0], SLICE("-*_=")))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == s.ptr[0])
			marks++;
		else if (!markup_is_blank(s.ptr[i]))
			return false;
	}
	return marks >= 3;
}

/* Whether words in s stand between marks: "*so*", "__so it is__", but no name
 * such as "__init__", and no line to be filled in. */
static bool
markup_is_emphasised(struct slice s, uint8_t mark)
{
	bool open = false, blank = false;
	size_t n, opened = 0;

	for (size_t i = 0; i < s.len; i += n) {
		uint8_t before = i > 0 ? s.ptr[i - 1] : ' ';
		uint8_t after;

		n = markup_run(slice_skip(s, i), mark);
		if (n == 0) {
			blank = blank || markup_is_blank(s.ptr[i]);
			n = 1;
			continue;
		}
		if (n > EMPHASIS_MAX)
			continue;
		after = i + n < s.len ? s.ptr[i + n] : ' ';
		if (open && !markup_is_blank(before) &&
		    (markup_is_blank(after) ||
			markup_is_one_of(after, SLICE(".,;:!?)]\"'-"))) &&
		    (blank || mark != '_' || n != 2 || opened != 2))
			return true;
		if (markup_is_word(after) &&
		    (markup_is_blank(before) ||
			markup_is_one_of(before, SLICE("([\"'-")))) {
			open = true;
			blank = false;
			opened = n;
		}
	}
	return false;
}

/* "[label](place)". */
static bool
markup_has_markdown_link(struct slice s)
{
	bool open = false, close = false, inside = false, place = false;

	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.ptr[i];

		if (inside && c == ')' && place)
			return true;
		if (inside && (c == ')' || markup_is_blank(c)))
			inside = false;
		place = inside && (place || markup_is_one_of(c, SLICE("/.#:")));
		if (close && c == '(')
			inside = true;
		close = open && c == ']';
		open = (open && !close) || c == '[';
	}
	return false;
}

static bool
markup_is_tag(struct slice name)
{
	static const char *const tags[] = { "a", "b", "blockquote", "br",
		"center", "code", "div", "em", "font", "h1", "h2", "h3", "hr",
		"i", "img", "li", "ol", "p", "pre", "small", "span", "strong",
		"sub", "sup", "table", "td", "th", "tr", "tt", "u", "ul" };

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (slice_equal_nocase(name, slice_str(tags[i])))
			return true;
	return false;
}

/* "<b>", "</p>", "<br/>", "<a href=...>". */
static bool
markup_has_html(struct slice s)
{
	size_t end = s.len;

	while (end > 0 && s.ptr[end - 1] != '>')
		end--;
	for (size_t i = 0; i < end; i++) {
		size_t from, n = 0;

		if (s.ptr[i] != '<')
			continue;
		from = i + 1 + (s.ptr[i + 1] == '/');
		while (n <= TAG_MAX && from + n < end &&
		       markup_is_word(s.ptr[from + n]))
			n++;
		if (from + n < end &&
		    markup_is_tag(slice_of(s.ptr + from, n)) &&
		    markup_is_one_of(s.ptr[from + n], SLICE("> /")))
			return true;
	}
	return false;
}

static struct markup_fault
markup_conversion(const char *what)
{
	return (struct markup_fault){ "G026", what };
}

static struct markup_fault
markup_habit(const char *what)
{
	return (struct markup_fault){ "G037", what };
}

/* What of another format a line's text holds. */
static struct markup_fault
markup_words_fault(struct slice text)
{
	if (markup_has_markdown_link(text))
		return markup_conversion(
		    "a Markdown link: in gemtext, a link is a line of its "
		    "own, => URL label");
	if (markup_has_html(text))
		return markup_conversion("an HTML tag is shown as it is");
	if (markup_is_emphasised(text, '*') || markup_is_emphasised(text, '_'))
		return markup_habit("emphasis markers are shown as they are");
	return markup_habit(NULL);
}

/* The same for a text line, or an item, as a whole. */
static struct markup_fault
markup_line_fault(const struct gemtext_line *line)
{
	struct slice raw = line->raw;
	size_t stars = markup_run(raw, '*');

	if (markup_is_rule(slice_trim(raw)))
		return markup_habit("a horizontal rule is shown as it is");
	if (stars > 1 && stars < raw.len && markup_is_blank(raw.ptr[stars]))
		return markup_habit("lists have one level");
	if (markup_is_blank(raw.ptr[0]) &&
	    slice_starts(line->text, SLICE("* ")))
		return markup_habit(
		    "lists have one level: the marker must begin the line");
	return markup_habit(NULL);
}

/* The number that a line of a numbered list begins with, or 0. */
static unsigned
markup_ordinal(struct slice s)
{
	unsigned n = 0;
	size_t i = 0;

	while (
	    i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9' && n <= ORDINAL_MAX)
		n = n * 10 + (s.ptr[i++] - (unsigned)'0');
	if (n > ORDINAL_MAX || i + 1 >= s.len ||
	    !markup_is_one_of(s.ptr[i], SLICE(".)")) ||
	    !markup_is_blank(s.ptr[i + 1]))
		return 0;
	return n;
}

/* "  - b": one alone may be anything, as the name below a quotation. */
static bool
markup_is_dashed(const struct gemtext_line *line)
{
	return line->kind == GEMTEXT_TEXT &&
	       markup_is_blank(line->raw.ptr[0]) &&
	       (slice_starts(line->text, SLICE("- ")) ||
		   slice_starts(line->text, SLICE("+ ")));
}

/* Counts a line that is not blank. */
static void
markup_count_dashed(const struct gemtext_line *line, struct lint_markup *m)
{
	bool item = line->kind == GEMTEXT_ITEM;

	if (markup_is_dashed(line))
		m->dashed += m->item && m->dashed == 0 ? 2 : 1;
	else if (!item || m->dashed < 2)
		m->dashed = 0;
	m->item = item;
}

/* A numbered list is known at its second item, and reported at its first. */
static void
markup_check_numbered(struct lint *l, const char *path,
    const struct gemtext_line *line, struct lint_markup *m)
{
	unsigned number =
	    line->kind == GEMTEXT_TEXT ? markup_ordinal(line->text) : 0;

	if (line->kind == GEMTEXT_TEXT && line->text.len == 0)
		return;
	m->numbered = number == 0               ? 0
		      : number == m->number + 1 ? m->numbered + 1
						: 1;
	m->number = number;
	if (m->numbered == 1)
		m->numbered_from = line->number;
	if (m->numbered == 2)
		lint_add(l, "G037", path, m->numbered_from,
		    "a numbered list is plain text: list items begin with *");
}

/* What else it takes several lines to see: reported at the second, once. Lists
 * may have blank lines in them. */
static struct markup_fault
markup_lines_fault(const struct gemtext_line *line, struct lint_markup *m)
{
	struct slice text = line->text;
	bool plain = line->kind == GEMTEXT_TEXT;

	if (plain && text.len == 0) {
		m->table = 0;
		m->item = false;
		return markup_habit(NULL);
	}
	markup_count_dashed(line, m);
	m->table = plain && text.len > 2 && text.ptr[0] == '|' &&
			   text.ptr[text.len - 1] == '|'
		       ? m->table + 1
		       : 0;
	if (m->table == 2)
		return markup_conversion(
		    "a table: put it into a preformatted block");
	if (m->dashed == 2 && markup_is_dashed(line))
		return markup_habit("lists have one level: the marker, *, must "
				    "begin the line");
	return markup_habit(NULL);
}

bool
lint_markup_begins_row(struct slice text)
{
	static const char *const marks[] = { "- ", "+ ", "|",
		"\xe2\x80\xa2" /* bullet */, "\xc2\xb7" /* middle dot */ };

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (slice_starts(text, slice_str(marks[i])))
			return true;
	return markup_ordinal(text) > 0;
}

/* Whether a line of front matter is what its format allows there: a comment, a
 * part of the field above, or, counted, a field. */
static bool
front_matter_allows(struct slice line, uint8_t separator, size_t *fields)
{
	size_t n = 0;

	if (slice_trim(line).len == 0 ||
	    markup_is_one_of(line.ptr[0], SLICE(" \t#-[]")))
		return true;
	while (n < line.len && (markup_is_word(line.ptr[n]) ||
				   markup_is_one_of(line.ptr[n], SLICE("_-."))))
		n++;
	line = slice_trim(slice_skip(line, n));
	++*fields;
	return n > 0 && line.len > 0 && line.ptr[0] == separator;
}

unsigned
lint_front_matter(struct slice page)
{
	struct slice fence, line;
	size_t fields = 0;
	bool yaml;

	if (!slice_line(&page, &fence))
		return 0;
	fence = slice_trim(fence);
	yaml = slice_equal(fence, SLICE("---"));
	if (!yaml && !slice_equal(fence, SLICE("+++")))
		return 0;
	for (unsigned n = 2; n <= FRONT_MATTER_MAX; n++) {
		if (!slice_line(&page, &line))
			return 0;
		if (slice_equal(slice_trim(line), fence))
			return fields > 0 ? n : 0;
		if (!front_matter_allows(line, yaml ? ':' : '=', &fields))
			return 0;
	}
	return 0;
}

/* Whether text would be a line of its own kind, without the blank. */
static bool
markup_has_mark(struct slice text)
{
	size_t level = markup_run(text, '#');

	if (slice_starts(text, SLICE("=>")) || slice_starts(text, SLICE("```")))
		return true;
	if (level == 0)
		level = markup_run(text, '>');
	return level > 0 && level <= 3 && level < text.len &&
	       markup_is_blank(text.ptr[level]);
}

/* A list mark without its blank, but no emphasis and no rule. */
static bool
markup_is_item_unmarked(const struct gemtext_line *line)
{
	return markup_run(line->raw, '*') == 1 &&
	       !markup_is_emphasised(line->raw, '*');
}

/* Marks that are none because of the space, or what looks like one, before or
 * after them. */
static void
markup_check_spaces(
    struct lint *l, const char *path, const struct gemtext_line *line)
{
	struct slice s = line->raw;
	uint32_t look = markup_skip_looks(&s);

	if (look != 0 && (markup_has_mark(s) || slice_starts(s, SLICE("* "))))
		lint_add(l, "G033", path, line->number,
		    "U+%04X before the marker makes this line plain text",
		    (unsigned)look);
	else if (markup_is_blank(line->raw.ptr[0]) &&
		 markup_has_mark(line->text))
		lint_add(l, "G033", path, line->number,
		    "the leading space makes this line plain text");
	if (!markup_is_item_unmarked(line))
		return;
	s = slice_skip(line->raw, 1);
	look = markup_skip_looks(&s);
	if (look != 0)
		lint_add(l, "G025", path, line->number,
		    "a list item needs a space after *, not U+%04X",
		    (unsigned)look);
	else
		lint_add(l, "G025", path, line->number,
		    "a list item needs a space after *");
}

void
lint_markup(struct lint *l, const char *path, const struct gemtext_line *line,
    struct lint_markup *m)
{
	bool plain = line->kind == GEMTEXT_TEXT && line->raw.len > 0;
	struct markup_fault f = markup_lines_fault(line, m);

	markup_check_numbered(l, path, line, m);
	if (line->kind == GEMTEXT_TOGGLE || line->kind == GEMTEXT_PREFORMATTED)
		return;
	if (f.what == NULL && (plain || line->kind == GEMTEXT_ITEM))
		f = markup_line_fault(line);
	if (f.what == NULL)
		f = markup_words_fault(line->text);
	if (f.what != NULL)
		lint_add(l, f.code, path, line->number, "%s", f.what);
	if (plain)
		markup_check_spaces(l, path, line);
}
