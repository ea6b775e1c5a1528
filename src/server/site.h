/* SPDX-License-Identifier: ISC */
/* All that a configuration leads to and workers need: opened in the parent,
 * inherited by fork. Depends on conf, capsule and tls. */
#ifndef SERVER_SITE_H
#define SERVER_SITE_H

#include "capsule/host.h"
#include "capsule/mime.h"
#include "os/privs.h"
#include "tls/ctx.h"

enum {
	/* The roots of so many generations may be open at once: one serves, one
	 * starts, one finishes. */
	SITE_GENERATIONS = 3,
	/* Sockets, logs, the loop, spares: besides the roots. */
	SITE_DESCRIPTORS = 40,
};

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
	struct privs privs; /* of the workers */
	struct mime *mime;
	struct tls_server *tls;
	struct site_cert *certs;   /* one a capsule */
	const struct hosts *hosts; /* in a worker: whose names SNI means */
};

/* What is known of the content of one capsule. */
struct site_state {
	bool fresh;            /* just opened: not inspected yet */
	bool tried;            /* opened anew for this site */
	bool held;             /* the newest cannot be used: it is retried when
	                        * mark changes */
	struct host_mark mark; /* of what was tried last */
	uint64_t refused;      /* the serial that cannot be used; 0: no store */
	char secret[256];      /* the file that held a private key, or "" */
	uint64_t secret_mark;  /* as it was then */
	uint64_t seen;         /* what differed from them when last looked at */
	bool closed;           /* the workers may not enter what was tried */
	unsigned missed;       /* so often in a row the root led nowhere */
};

struct site {
	unsigned references;
	struct site_base *base;
	struct hosts *hosts;
	bool whole; /* loaded, not opened again: all of a store is surveyed */
	struct host_survey *surveys; /* one a capsule */
	struct site_state *states;   /* likewise */
};

/* What an inspection found of one capsule. */
enum site_content {
	SITE_CONTENT_UNSEEN, /* there was no time for it */
	SITE_CONTENT_BEGUN,  /* the inspection ended there */
	SITE_CONTENT_USABLE,
	SITE_CONTENT_UNUSABLE,
	SITE_CONTENT_CLOSED, /* the directory may not be entered */
};

struct site_finding {
	enum site_content content;
	bool surveyed;
	struct host_survey survey;
	const uint8_t *bytes; /* of capsule.conf; NULL: there is none */
	size_t len;
};

struct site_options {
	const char
	    *certs_dir; /* for capsules without a certificate of their own;
	                        * NULL: there is no such place */
	bool look_only; /* check: make no certificate, go on after an error */
	struct tickets *tickets;
};

/* Finds the workers' user, opens roots, certificates, keys and the type database of a checked
 * configuration, which it takes over whatever happens. Roots that hold the certs
 * directory, or lie in it, are errors. Only looking: so are roots that cannot be
 * opened or hold a private key (site_look finds what is wrong in them); else what can be served of each capsule is found out
 * by inspecting it and site_settle. Of old (may be NULL) what was served goes on
 * where the new content cannot be used; a root that old does not name and that
 * cannot be opened is then an error. NULL when r gained an error, unless only
 * looking. */
struct site *site_load(struct conf *conf, const struct site *old,
    const struct site_options *o, struct report *r);

/* The same configuration; the roots that have moved since, or that are worth another
 * try, are opened anew, the others go on as they are. NULL: out of memory or
 * descriptors, and r says so. */
struct site *site_again(const struct site *old, struct report *r);

/* The same site once more; each is freed with site_free. */
struct site *site_share(struct site *s);
void site_free(struct site **s);

/* Whether some capsule's root has moved, or is worth another try: site_again would
 * open it anew. One that leads nowhere for two such looks is logged, once. */
bool site_has_moved(const struct site *s);

/* Whether capsule i waits for an inspection, and whether any does. */
bool site_is_fresh(const struct site *s, size_t i);
bool site_any_fresh(const struct site *s);

/* For the inspection: reads capsule.conf of capsule i into bytes, and whether there
 * is one into there. Of what is unusable r says why; of what is closed nothing. */
enum site_content site_examine(const struct site *s, size_t i,
    struct buf *bytes, bool *there, struct report *r);

/* For check: reads what the workers would read, as their user where that can be, and
 * tells all that is wrong with it. Of a site that was loaded to look only. */
void site_look(struct site *s, struct report *r);

/* For the inspection: what the root of capsule i holds, found until until_ms. */
void site_survey(
    const struct site *s, size_t i, uint64_t until_ms, struct host_survey *out);

/* Takes what was found of each fresh capsule. One that cannot be used goes back to
 * what old (may be NULL) serves of it, or of a store to the next older release, which
 * is fresh then; else it has no root. That is logged. False with an error in r when
 * it is the only capsule and nothing of it can be served, or when nothing at all was
 * inspected. */
bool site_settle(struct site *s, const struct site *old,
    const struct site_finding *findings, struct report *r);

/* Whether s serves anything that old, of the same configuration, does not. */
bool site_has_news(const struct site *s, const struct site *old);

/* Remembers in old what was tried for s, which is not served. */
void site_remember(struct site *old, const struct site *s);

/* What an operator should mend though the server starts: certificates that
 * end soon, names they lack, keys that others can read. */
void site_warn(const struct site *s, struct report *r);

/* A capsule without an index page; after its content was read. */
void site_warn_index(const struct site *s, size_t i, struct report *r);

/* The warnings of time alone: certificates that have ended or soon will. */
void site_warn_expiry(const struct site *s, struct report *r);

#endif
