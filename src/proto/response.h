/* SPDX-License-Identifier: ISC */
/* The response header: "NN SP META CRLF" (Gemini protocol
 * specification, "Responses").
 * Pure; depends on util and status. */
#ifndef PROTO_RESPONSE_H
#define PROTO_RESPONSE_H

#include "proto/status.h"
#include "util/buf.h"

enum {
	/* The limit of earlier specifications, which clients may still have. */
	RESPONSE_META_MAX = 1024,
	RESPONSE_HEADER_MAX = 2 + 1 + RESPONSE_META_MAX + 2,
};

/* Writes the whole header into out, after resetting it. Meta that is empty, too
 * long, not UTF-8, begins with a BOM or a space or holds a C0, DEL or C1 control
 * is never sent: the header is then 40 with its own text (51 for a redirect), and
 * the code really written is returned. out must hold RESPONSE_HEADER_MAX. */
enum status
response_header(struct buf *out, enum status code, struct slice meta);

/* A header as a client receives it: false when it breaks the grammar.
 * *meta borrows from line, which is without CRLF. */
bool response_parse(struct slice line, int *code, struct slice *meta);

/* Appends "type[; lang=L][; charset=C]": lang on text/gemini alone, quoted when
 * it lists several; charset on text/ alone. Empty
 * slices mean none. A type that already has a parameter of that name keeps its
 * own. */
bool response_type(struct buf *out, struct slice type, struct slice lang,
    struct slice charset);

#endif
