/* SPDX-License-Identifier: ISC */
/* What site.c and site_roots.c share. Depends on site. */
#ifndef SERVER_SITE_INTERNAL_H
#define SERVER_SITE_INTERNAL_H

#include "server/site.h"

/* A site without roots over a base, which it shares; takes hosts over. NULL:
 * reported in r. */
struct site *
site_new(struct site_base *base, struct hosts *hosts, struct report *r);

/* Opens the roots of a new site: all of them are fresh then, but those that
 * could not be opened, which are settled. */
void site_open_roots(struct site *s, const struct site *old, struct report *r);

/* For check: all that is wrong with the roots, here and now. */
void site_check_roots(struct site *s, struct report *r);

#endif
