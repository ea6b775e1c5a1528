/* SPDX-License-Identifier: ISC */
#include "proto/gemtext.h"

static void
gemtext_read_link(struct slice s, struct gemtext_line *line)
{
	size_t i = 0;

	s = slice_trim(s);
	while (i < s.len && s.ptr[i] != ' ' && s.ptr[i] != '\t')
		i++;
	line->kind = GEMTEXT_LINK;
	line->url = slice_head(s, i);
	line->text = slice_trim(slice_skip(s, i));
}

static void
gemtext_read_heading(struct slice s, struct gemtext_line *line)
{
	line->kind = GEMTEXT_HEADING;
	while (line->level < 3 && slice_starts(s, SLICE("#"))) {
		line->level++;
		s = slice_skip(s, 1);
	}
	line->text = slice_trim(s);
}

static void
gemtext_read_plain(struct slice s, struct gemtext_line *line)
{
	if (slice_starts(s, SLICE("=>"))) {
		gemtext_read_link(slice_skip(s, 2), line);
	} else if (slice_starts(s, SLICE("#"))) {
		gemtext_read_heading(s, line);
	} else if (slice_starts(s, SLICE("* "))) {
		line->kind = GEMTEXT_ITEM;
		line->text = slice_trim(slice_skip(s, 2));
	} else if (slice_starts(s, SLICE(">"))) {
		line->kind = GEMTEXT_QUOTE;
		line->text = slice_trim(slice_skip(s, 1));
	} else {
		line->kind = GEMTEXT_TEXT;
		line->text = slice_trim(s);
	}
}

bool
gemtext_next(struct gemtext *g, struct gemtext_line *line)
{
	struct slice s;

	*line = (struct gemtext_line){ .number = g->number + 1 };
	if (!slice_line(&g->rest, &s))
		return false;
	g->number++;
	line->raw = s;
	if (slice_starts(s, SLICE("```"))) {
		g->preformatted = !g->preformatted;
		line->kind = GEMTEXT_TOGGLE;
		line->text = slice_trim(slice_skip(s, 3));
	} else if (g->preformatted) {
		line->kind = GEMTEXT_PREFORMATTED;
		line->text = s; /* blanks are part of the picture */
	} else {
		gemtext_read_plain(s, line);
	}
	return true;
}

struct slice
gemtext_title(struct slice page)
{
	struct gemtext g = { .rest = page };
	struct gemtext_line line;

	while (gemtext_next(&g, &line)) {
		if (line.kind == GEMTEXT_HEADING && line.level == 1)
			return line.text;
	}
	return SLICE("");
}
