/* SPDX-License-Identifier: ISC */
/* The steps of a mirror's run: find a manifest, take its release over. Depends on
 * mirror and what it is made of. */
#ifndef ARCHIVE_MIRROR_INTERNAL_H
#define ARCHIVE_MIRROR_INTERNAL_H

#include "archive/fetcher.h"
#include "archive/found.h"
#include "archive/mirror.h"
#include "archive/verify.h"

enum { MIRROR_LINES_MAX = 16 * 1024 }; /* bytes of lines said at once */

/* What a run works with. */
struct mirror_work {
	const struct mirror_options *options;
	struct store *store;
	struct state *state; /* with the options of this run */
	/* The origin of what was taken over before; "": nothing was. */
	char origin[MANIFEST_ORIGIN_MAX];
	struct fetcher *fetcher;
	struct sources *sources;
};

/* ---- what the answers of all sources come to: pure */

enum mirror_answer {
	ANSWER_NONE,    /* nothing that can be judged */
	ANSWER_BEHIND,  /* older than ours, and no harm in that */
	ANSWER_REFUSED, /* forged, equivocation, rollback */
	ANSWER_SAME,
	ANSWER_NEWER,
	ANSWERS,
};

/* Zeroed but for all. */
struct mirror_tally {
	bool all; /* nobody is left out: the highest of all counts */
	bool seen[ANSWERS];
	bool origin;   /* was asked */
	bool returned; /* it has gone back to a release that we have */
	bool heard; /* the origin was, or as good; not yet what is taken over */
};

/* What a manifest is to a run. */
enum mirror_answer mirror_judge(enum found_result v, bool is_origin);

void mirror_tally_add(
    struct mirror_tally *t, enum mirror_answer answer, bool is_origin);

/* Whether there is any use in asking one more source. */
bool mirror_tally_wants(const struct mirror_tally *t, bool is_origin);

/* What the run is to do. */
enum mirror_answer mirror_tally_end(const struct mirror_tally *t);

/* Whether a source with this trace, which has what we have, has it not from us
 * alone. own: our host; "" not known. */
bool
mirror_trace_counts(const struct trace *t, const char *origin, const char *own);

/* ---- the steps */

struct mirror_found {
	struct found found;  /* of ANSWER_NEWER and ANSWER_SAME */
	struct source *from; /* whose it was; of ANSWER_REFUSED too */
	uint64_t serial;     /* its; 0: not known */
	int64_t
	    heard; /* when the author was, as this run knows; 0: it does not */
};

/* fetcher.trust: pins a certificate at first sight, warns of another one. arg is
 * the struct mirror_work. */
bool mirror_trust(void *arg, struct source *s, const struct cert *c);

/* Asks for manifests: until somebody has news, or (all, and whenever nothing was
 * ever accepted) everybody. out->found is to be freed in any case. ANSWER_REFUSED
 * and ANSWER_NONE: why. */
enum mirror_answer mirror_find(const struct mirror_work *w, bool all,
    struct mirror_found *out, struct why *why);

/* f's files and release, which becomes current, and is remembered; or, mend, is
 * current, and made whole in place. f may become a newer manifest meanwhile. out:
 * updated, switched, changes, why. */
enum result mirror_take(const struct mirror_work *w, struct mirror_found *f,
    bool mend, struct mirror_outcome *out);

/* Writes to the state what a manifest says whose release is current now, its keys
 * included. from: whose it was; NULL: not known. */
bool mirror_remember(const struct mirror_work *w, const struct found *f,
    const struct source *from, struct why *why);

#endif
