/* SPDX-License-Identifier: ISC */
/* Lines of text/gemini (Gemini hypertext format specification).
 * Pure; depends on util. */
#ifndef PROTO_GEMTEXT_H
#define PROTO_GEMTEXT_H

#include "util/slice.h"

enum gemtext_kind {
	GEMTEXT_TEXT,
	GEMTEXT_LINK,
	GEMTEXT_HEADING, /* level 1 to 3 */
	GEMTEXT_ITEM,
	GEMTEXT_QUOTE,
	GEMTEXT_TOGGLE, /* opens or closes a preformatted block */
	GEMTEXT_PREFORMATTED,
};

struct gemtext_line {
	enum gemtext_kind kind;
	int level;         /* of a heading */
	struct slice text; /* without the mark and surrounding blanks */
	struct slice url;  /* of a link */
	struct slice raw;  /* unchanged, without its line end */
	unsigned number;   /* from 1 */
};

/* Where a reader is in a page; zeroed but for rest at the start. */
struct gemtext {
	struct slice rest;
	bool preformatted;
	unsigned number;
};

/* The next line; false at the end. Borrows from the page. */
bool gemtext_next(struct gemtext *g, struct gemtext_line *line);

/* The first level-1 heading of a page, or an empty slice. */
struct slice gemtext_title(struct slice page);

#endif
