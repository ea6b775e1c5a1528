/* SPDX-License-Identifier: ISC */
/* What a survey sees of one mirror, and what it makes of all of them.
 * Depends on survey, fetcher. */
#ifndef ARCHIVE_SURVEY_LOOK_H
#define ARCHIVE_SURVEY_LOOK_H

#include "archive/fetcher.h"
#include "archive/survey.h"

enum {
	SURVEY_MAX = 65,               /* looks: more mirrors are not asked */
	SURVEY_FILE_MS = 120 * 1000,   /* that one file may take */
	SURVEY_TIMEOUT_MS = 20 * 1000, /* for one mirror's "slow down" */
	SURVEY_SAMPLE_MAX = 64 << 20,  /* bytes of a sample */
};

enum look_manifest {
	LOOK_UNREACHED, /* no certificate was ever seen; see why */
	LOOK_UNHEARD, /* it is there, but its manifest did not come; see why */
	LOOK_WRONG,   /* unsigned, unsound, of another origin; see why */
	LOOK_SIGNED,
};

enum look_trace {
	TRACE_UNASKED,
	TRACE_READ,
	TRACE_ABSENT,
	TRACE_MALFORMED,
	TRACE_FAILED, /* see trace_why */
};

enum look_sample {
	SAMPLE_UNASKED, /* or there is no file to ask for */
	SAMPLE_RIGHT,
	SAMPLE_WRONG,
	SAMPLE_ABSENT,
	SAMPLE_FAILED, /* see sample_why */
};

enum look_level { LOOK_WELL, LOOK_WARNING, LOOK_ALARM };

/* All of it is a stranger's, and escaped where it is shown. */
struct look {
	char base[MANIFEST_ORIGIN_MAX]; /* "gemini://host[:port]/" */
	char label[SURVEY_LABEL_MAX];   /* what mirrors.gmi says */
	bool is_origin;

	enum look_manifest manifest;
	struct why why;
	uint64_t serial;
	int64_t created;
	uint8_t digest[DIGEST_SIZE]; /* of the signed part */

	bool has_cert;
	bool cert_names_it;
	int64_t cert_end;
	uint8_t cert_digest[CERT_DIGEST_SIZE];

	enum look_trace trace_came;
	struct why trace_why;
	struct trace trace;

	enum look_sample sample_came;
	struct why sample_why;
	char sample[REQUEST_URI_MAX + 1]; /* its path */

	enum look_level level; /* survey_page's */
};

struct survey {
	char origin[MANIFEST_ORIGIN_MAX];
	/* Retired keys sign nothing after our serial any more. */
	struct keyring ring;

	/* What we hold ourselves; serial 0: nothing. */
	uint64_t serial;
	int64_t created;
	uint8_t digest[DIGEST_SIZE];

	struct look *look; /* SURVEY_MAX of them; the first is the origin */
	size_t n;
	size_t passed_over; /* mirrors for which there was no room */
};

/* Adds a mirror, unless it is there; label is cut. */
void survey_add(struct survey *s, const char *base, struct slice label);

/* Adds all that the links of mirrors.gmi lead to: roots of hosts alone. */
void survey_add_links(struct survey *s, struct slice page);

/* Asks one mirror for all that is looked at. The trust of c is set. */
void survey_look(const struct survey *s, struct fetcher *c, struct look *look);

/* Appends the page, and judges each look. True when all are well. */
bool survey_page(struct survey *s, int64_t now, struct buf *out);

#endif
