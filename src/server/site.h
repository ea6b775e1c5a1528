/* SPDX-License-Identifier: ISC */
/* All that a configuration leads to and workers need: opened in the parent,
 * inherited by fork. Depends on conf, capsule and tls. */
#ifndef SERVER_SITE_H
#define SERVER_SITE_H

#include "capsule/host.h"
#include "capsule/mime.h"
#include "tls/ctx.h"

/* A capsule's certificate, for what start-up and check tell of it. */
struct site_cert {
	char *file; /* NULL: none yet */
	bool made;  /* just now */
	bool key_is_private;
	struct cert *cert; /* NULL: could not be loaded, or none yet */
};

/* What does not change when a root moves or a log is reopened. */
struct site_base {
	unsigned references;
	struct conf *conf;
	struct mime *mime;
	struct tls_server *tls;
	struct site_cert *certs;   /* one a capsule */
	const struct hosts *hosts; /* in a worker: whose names SNI means */
};

struct site {
	struct site_base *base;
	struct hosts *hosts;
	struct host_survey *surveys; /* one a capsule */
};

struct site_options {
	const char
	    *certs_dir; /* for capsules without a certificate of their own;
	                        * NULL: there is no such place */
	bool look_only; /* check: make no certificate, go on after an error */
	struct tickets *tickets;
};

/* Opens roots, certificates, keys and the type database of a checked
 * configuration, which it takes over whatever happens. Roots that hold a private
 * key or the certs directory, or lie in it, are errors. NULL when r gained an
 * error, unless only looking. */
struct site *
site_load(struct conf *conf, const struct site_options *o, struct report *r);

/* The same configuration with its roots opened anew. */
struct site *site_again(
    const struct site *site, const struct site_options *o, struct report *r);

void site_free(struct site **s);

/* What an operator should mend though the server starts: certificates that
 * end soon, names they lack, keys that others can read. */
void site_warn(const struct site *s, struct report *r);

/* Capsules without an index page; after hosts_read_content. */
void site_warn_index(const struct site *s, struct report *r);

/* The warnings of time alone: certificates that have ended or soon will. */
void site_warn_expiry(const struct site *s, struct report *r);

#endif
