/* SPDX-License-Identifier: ISC */
/* A look at all mirrors of a capsule: who answers, with which serial, how old,
 * and whether what they serve is what was signed. For
 * `carnation mirror --survey STORE|URL`.
 * Depends on fetcher, store, state. */
#ifndef ARCHIVE_SURVEY_H
#define ARCHIVE_SURVEY_H

#include "archive/fetcher.h"
#include "util/result.h"

enum {
	SURVEY_MAX = 65, /* looks: more mirrors are not asked */
	SURVEY_AT_ONCE = FETCHER_JOBS_MAX, /* mirrors that are asked */
	SURVEY_FILE_MS = 120 * 1000,       /* that one file may take */
	SURVEY_TIMEOUT_MS = 20 * 1000,     /* for one mirror's "slow down" */
	SURVEY_SAMPLE_MAX = 64 << 20,      /* bytes of a sample */
	SURVEY_WARN_S = 2 * 86400,   /* of a lag, or of a last check's age */
	SURVEY_ALARM_S = 14 * 86400, /* the same */
	SURVEY_SKEW_S = 86400,       /* that a mirror's clock may be ahead */
	SURVEY_LABEL_MAX = 256,      /* bytes of a mirror's name, as shown */
	SURVEY_PAGE_MAX = 1 << 20,   /* bytes of the page */
};

/* Just one of store and url. keys: those to trust, besides those of the store; a
 * url needs one. stop: not 0 ends it (NULL: never). */
struct survey_options {
	const char *store; /* its state, its current release's mirrors.gmi */
	const char *url;   /* the origin or a mirror: they are fetched there */
	const struct signify_key *keys;
	size_t n_keys;
	const char *proxy; /* "": none; NULL: what the store remembers */
	const volatile sig_atomic_t *stop;
};

/* Asks the origin and every mirror in mirrors.gmi, SURVEY_AT_ONCE at a time, and
 * appends a page of gemtext to page (of SURVEY_PAGE_MAX), in the order of the
 * list. However a mirror answers, the others are asked too; none takes more than
 * some minutes. SIGPIPE must be ignored. RESULT_FAILED: some mirrors are not
 * well, or there was nothing to go by (see why; no page); RESULT_LOCAL: the store
 * cannot be read (see why). */
enum result
survey_run(const struct survey_options *o, struct buf *page, struct why *why);

/* ------------------------------------------------------ its parts, for tests */

enum look_level { LOOK_WELL, LOOK_WARNING, LOOK_ALARM };

/* What a mirror is asked for, and what came of it. */
enum look_thing { LOOK_MANIFEST, LOOK_TRACE, LOOK_SAMPLE, LOOK_THINGS };

enum look_came {
	CAME_UNASKED,
	CAME_GOOD,
	CAME_WRONG, /* not signed, not a trace, not what was signed */
	CAME_ABSENT,
	CAME_FAILED,
	CAME_ALL,
};

/* What is seen of one mirror. All of it is a stranger's, and escaped where it is
 * shown. */
struct look {
	char base[MANIFEST_ORIGIN_MAX]; /* "gemini://host[:port]/" */
	char label[SURVEY_LABEL_MAX];   /* what mirrors.gmi says */
	bool is_origin;
	struct {
		enum look_came came;
		struct why why; /* of what is not good */
	} answer[LOOK_THINGS];

	uint64_t serial; /* the manifest's */
	int64_t created;
	uint8_t digest[DIGEST_SIZE];
	struct trace trace;
	char sample[REQUEST_URI_MAX + 1]; /* its path */

	bool has_cert; /* false: not reached */
	bool cert_names_it;
	int64_t cert_end;
	uint8_t cert_digest[CERT_DIGEST_SIZE];

	enum look_level level; /* survey_page's */
};

struct survey {
	/* The store's, or what is known without one: the origin, keys. Retired
	 * keys sign nothing after its serial; 0: we hold nothing. */
	struct state known;
	struct proxy proxy;           /* the store's */
	struct look look[SURVEY_MAX]; /* the first is the origin */
	size_t n;
	size_t passed_over; /* mirrors for which there was no room */
};

/* Adds a mirror, unless it is there; label is cut. */
void survey_add(struct survey *s, const char *base, struct slice label);

/* Adds all that the links of mirrors.gmi lead to: roots of hosts alone. */
void survey_add_links(struct survey *s, struct slice page);

/* Appends the page, and judges each look. True when all are well. */
bool survey_page(struct survey *s, int64_t now, struct buf *out);

#endif
