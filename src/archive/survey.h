/* SPDX-License-Identifier: ISC */
/* A look at all mirrors of a capsule: who answers, with which serial, how old,
 * and whether what they serve is what was signed. For
 * `carnation mirror --survey STORE|URL`.
 * Depends on fetcher, store, state, trace. */
#ifndef ARCHIVE_SURVEY_H
#define ARCHIVE_SURVEY_H

#include <signal.h>

#include "archive/fetcher.h"
#include "archive/state.h"
#include "util/result.h"
#include "util/why.h"

enum {
	SURVEY_WARN_S = 2 * 86400,   /* of a lag, or of a last check's age */
	SURVEY_ALARM_S = 14 * 86400, /* the same */
	SURVEY_SKEW_S = 86400,       /* that a mirror's clock may be ahead */
	SURVEY_LABEL_MAX = 256,      /* bytes of a mirror's name, as shown */
	SURVEY_PAGE_MAX = 1 << 20,   /* bytes of the page */
};

/* Just one of store and url. keys: those to trust, besides the pinned ones of the
 * store; a url needs one. stop: not 0 ends it (NULL: never). */
struct survey_options {
	const char *store; /* its state, its current release's mirrors.gmi */
	const char *url;   /* the origin or a mirror: they are fetched there */
	const struct signify_key *keys;
	size_t n_keys;
	const volatile sig_atomic_t *stop;
};

/* How a survey ended: RESULT_FAILED: some mirrors are not well, or there was
 * nothing to go by (see why; no page); RESULT_LOCAL: the store cannot be read
 * (see why). */

/* Asks the origin and every mirror in mirrors.gmi, one after the other, and
 * appends a page of gemtext to page (of SURVEY_PAGE_MAX). However a mirror
 * answers, the others are asked too; none takes more than some minutes. SIGPIPE
 * must be ignored. */
enum result
survey_run(const struct survey_options *o, struct buf *page, struct why *why);

#endif
