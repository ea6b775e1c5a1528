/* SPDX-License-Identifier: ISC */
/* The unsigned note that a mirror serves as mirror/trace: who it is, which serial
 * it has, and since when (carnation-mirror(7)). Depends on util, proto, state, store. */
#ifndef ARCHIVE_TRACE_H
#define ARCHIVE_TRACE_H

#include "archive/state.h"
#include "util/why.h"

enum { TRACE_MAX = 8 * 1024 }; /* bytes of one */

/* Lines of "name: value": host, origin, serial, manifest, created, synced, checked,
 * upstream, software, contact; those not known are left out. "stale: yes" when
 * refresh has passed and the series is not final. */
bool trace_format(const struct state *st, int64_t now, struct buf *out);

/* Writes STORE/trace: of the release that is current, as its manifest says, which
 * one of st's keys must have signed; all else as st does. The lock must be held.
 * False and why: the trace is what it was. */
bool trace_write(
    struct store *s, const struct state *st, int64_t now, struct why *why);

/* What a survey reads of another's; "" and 0: not said. */
struct trace {
	char host[HOSTNAME_SIZE]; /* canonical */
	char origin[MANIFEST_ORIGIN_MAX];
	uint64_t serial;
	char manifest[DIGEST_HEX_SIZE];
	int64_t created, synced, checked;
	char upstream[MANIFEST_ORIGIN_MAX];
	char software[STATE_TEXT_MAX], contact[STATE_TEXT_MAX];
	bool stale;
};

/* Unknown lines are passed over. False: no trace (malformed, a name twice, no
 * origin or serial). Texts in out are safe to show. */
bool trace_parse(struct slice text, struct trace *out);

#endif
