/* SPDX-License-Identifier: ISC */
/* A new certificate for an old key (cert renew).
 * Depends on tls, proto, os, util. */
#ifndef VERBS_CERT_RENEW_H
#define VERBS_CERT_RENEW_H

#include <stdbool.h>

struct cert_renewal {
	const char *dir;
	const char *host; /* in dir; NULL: the only one there */
	const char *cert; /* instead of both; NULL: none */
	const char *key;
	bool yes; /* do not ask */
};

/* Explains, asks, keeps the old one as FILE.old, writes. True when the new one is
 * in place; else a person has been told why not. */
bool cert_renew(const struct cert_renewal *j);

#endif
