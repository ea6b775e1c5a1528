/* SPDX-License-Identifier: ISC */
/* What the files of a mirror's run share. Depends on mirror and what it is made
 * of. */
#ifndef ARCHIVE_MIRROR_INTERNAL_H
#define ARCHIVE_MIRROR_INTERNAL_H

#include "archive/download.h"
#include "archive/found.h"
#include "archive/mirror.h"

enum { MIRROR_LINES_MAX = 16 * 1024 }; /* bytes of lines said at once */

struct mirror {
	const struct mirror_options *options;
	struct mirror_outcome *out;
	struct store *store;
	struct state state;
	struct fetcher fetcher;
	struct sources sources;
	struct found found; /* the manifest in question */
	struct source *from;
};

/* Says a line, and ends with a result: its words go to out->why. */
void mirror_say(const struct mirror *m, enum mirror_level level,
    const char *format, ...) __attribute__((format(printf, 3, 4)));
enum mirror_result mirror_fail(struct mirror *m, enum mirror_result result,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Fills m->sources: the URL, the others given, the origin, the current release's
 * mirrors.gmi. */
void mirror_sources(struct mirror *m);

/* fetcher.trust: pins a certificate at first sight, warns of another one. arg is
 * the mirror. */
bool mirror_trust(void *arg, struct source *s, const struct cert *c);

/* Asks for manifests until one is an update or the same; the first run asks all.
 * MIRROR_UPDATED: m->found and m->from are it. */
enum mirror_result mirror_find(struct mirror *m);

/* m->found's limits, files, release; MIRROR_UPDATED when it is current now. */
enum mirror_result mirror_take(struct mirror *m);

/* Writes to the state what a manifest says whose release is current now, its keys
 * included. False and m->out->why. */
bool mirror_remember(struct mirror *m, const struct found *f);

#endif
