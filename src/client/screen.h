/* SPDX-License-Identifier: ISC */
/* Bytes from strangers, made fit for a terminal as they come: line feeds, tabs
 * and printable UTF-8 pass; every other byte is shown as \xHH.
 * Depends on util. */
#ifndef CLIENT_SCREEN_H
#define CLIENT_SCREEN_H

#include "util/buf.h"

enum { SCREEN_GROWTH = 4 }; /* a byte may become "\xHH" */

/* Zeroed at the start: bytes whose sense depends on what follows. */
struct screen {
	uint8_t kept[4];
	size_t n;
};

/* Appends what can be shown so far; out must have room for SCREEN_GROWTH times
 * the bytes and those kept. */
bool screen_put(struct screen *s, struct slice bytes, struct buf *out);

/* Nothing follows. */
bool screen_end(struct screen *s, struct buf *out);

#endif
