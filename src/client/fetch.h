/* SPDX-License-Identifier: ISC */
/* One exchange, waited for: blocking, but never for longer than its deadlines.
 * Depends on exchange. */
#ifndef CLIENT_FETCH_H
#define CLIENT_FETCH_H

#include "client/exchange.h"
#include "proto/status.h"
#include "util/why.h"

enum {
	FETCH_TIMEOUT_S = 30, /* unless the user says otherwise */
	FETCH_REDIRECTS_MAX = STATUS_REDIRECTS_MAX,
};

/* timeout_s is for everything up to the header, and then for each silence in
 * the body. SIGPIPE must be ignored. */
enum fetch_result fetch(const struct target *t, const struct tls_client *tls,
    unsigned timeout_s, const struct fetch_visitor *v, struct why *why);

#endif
