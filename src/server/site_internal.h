/* SPDX-License-Identifier: ISC */
/* What site.c and site_roots.c share. Depends on site. */
#ifndef SERVER_SITE_INTERNAL_H
#define SERVER_SITE_INTERNAL_H

#include "server/site.h"

/* A site without roots over a base, which it shares; takes hosts over. NULL:
 * reported in r. */
struct site *
site_new(struct site_base *base, struct hosts *hosts, struct report *r);

/* Loads the certificates of base's capsules, finding or making what is missing,
 * has their keys read by a process of their own, which serves so many seats
 * (old, which may be NULL, where nothing has changed; with look_only one that
 * ends), and adds all to base->tls. */
void site_load_certs(struct site_base *base, const struct hosts *hosts,
    const struct site_options *o, const struct tls_settings *settings,
    size_t seats, struct keyd *old, struct report *r);

/* Reports a problem with a capsule's certificate: at its own setting if it has
 * one. */
void site_report_cert(const struct conf_capsule *c, struct report *r,
    enum report_level level, const char *text);

/* Opens the roots of a new site: all of them are fresh then, but those that
 * could not be opened, which are settled. */
void site_open_roots(struct site *s, const struct site *old, struct report *r);

/* For check: all that is wrong with the roots, here and now. */
void site_check_roots(struct site *s, struct report *r);

#endif
