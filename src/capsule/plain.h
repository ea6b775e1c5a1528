/* SPDX-License-Identifier: ISC */
/* Plain text out of text that anybody may have written: without what could
 * deceive a terminal or break a document, in lines of a bearable length.
 * Depends on util. */
#ifndef CAPSULE_PLAIN_H
#define CAPSULE_PLAIN_H

#include "util/buf.h"

enum { PLAIN_WIDTH = 72 }; /* code points of a line */

/* Takes the next character off *text; false at its end. Line breaks that are no
 * LF (CR, VT, FF, NEL, U+2028, U+2029) become a blank; left out are all other
 * controls but tab and LF, byte order marks, U+FFFE and U+FFFF, the embeddings,
 * overrides and isolates that turn text around (marks stay: languages need
 * them), and what is not UTF-8. Borrows from text. */
bool plain_next(struct slice *text, struct slice *character);

/* All of text, in that way. False when it does not fit. */
bool plain_put(struct buf *out, struct slice text);

/* Whether plain_put would append nothing but blanks. */
bool plain_is_blank(struct slice text);

/* A paragraph on its way into lines. Zero but for the first three. */
struct plain {
	struct buf *out;
	const char *first; /* what the first line begins with, ASCII */
	const char *next;  /* and the others */
	size_t column;
	size_t widest; /* code points of the longest line so far */
	bool begun;
};

/* Appends the words of text: a blank or a new line before each; none is broken,
 * however long. */
void plain_words(struct plain *p, struct slice text);

/* Ends the paragraph with LF; one without words is a line all the same. */
void plain_end(struct plain *p);

#endif
