/* SPDX-License-Identifier: ISC */
/* Two short-lived children that look at what a new site would serve, so that
 * nothing in a capsule can stop or hang the parent: one, without privileges,
 * reads each capsule.conf; the other looks through the roots for private keys.
 * Depends on site, child and os; uses libev's default loop. */
#ifndef SERVER_INSPECTION_H
#define SERVER_INSPECTION_H

#include "server/site.h"

enum {
	/* When a child is killed. Surveys end themselves earlier. */
	INSPECTION_MS = HOST_SURVEY_MS + 2000,
};

struct inspection;

/* Called once, when both children have exited; findings has one element per
 * capsule and is valid until inspection_free, which it may call. */
typedef void inspection_done(void *arg, const struct site_finding *findings);

/* Inspects the fresh capsules of site, which is borrowed until done is called:
 * with the privileges of its workers, or with the parent's for the survey. NULL
 * and errno on failure. */
struct inspection *
inspection_start(const struct site *site, inspection_done *done, void *arg);

/* Also ends what is still running; done is then not called. */
void inspection_free(struct inspection **i);

/* For check: reads what the workers would read, as their user where that can
 * be, and reports in r all that is wrong with it. For a site loaded with
 * look_only. */
void inspection_check(const struct site *site, struct report *r);

#endif
