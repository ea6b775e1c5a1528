/* SPDX-License-Identifier: ISC */
/* Everything that workers need because of a configuration: opened in the
 * parent, inherited by fork. Depends on conf, capsule and tls. */
#ifndef SERVER_SITE_H
#define SERVER_SITE_H

#include "capsule/host.h"
#include "capsule/mime.h"
#include "os/privs.h"
#include "server/keyd.h"
#include "tls/ctx.h"

enum {
	/* The roots of so many generations may be open at once: one serves, one
	 * starts, one finishes. */
	SITE_GENERATIONS = 3,
	/* Sockets, logs, the loop, spares: besides the roots and seats. */
	SITE_DESCRIPTORS = 40,
};

/* A capsule's certificate, for what start-up and check report. */
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
	struct keyd *keyd;       /* NULL: with look_only */
	struct site_cert *certs; /* one a capsule */
};

/* What is known of the content of one capsule. */
struct site_state {
	bool fresh; /* just opened: not inspected yet */
	bool tried; /* opened again for this site */
	/* The newest cannot be used: it is retried when mark changes. */
	bool held;
	struct host_mark mark; /* of what was tried last */
	uint64_t refused;      /* the serial that cannot be used; 0: no store */
	char secret[256];      /* the file that held a private key, or "" */
	uint64_t secret_mark;  /* as it was then */
	uint64_t seen;         /* what differed from them when last looked at */
	bool closed;           /* the workers may not enter what was tried */
	unsigned missed; /* consecutive checks in which the root was missing */
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
	/* For capsules without a certificate of their own; NULL: there is no
	 * such place. */
	const char *certs_dir;
	/* For check: make no certificate, continue after an error. */
	bool look_only;
	struct tickets *tickets;
};

/* The number of workers that a configuration asks for. */
size_t site_workers(const struct conf *conf);

/* Finds the workers' user, opens roots, certificates and the type database of a
 * checked configuration, which it takes over also on failure, and has the
 * private keys read by keyd: a new one, unless old's will do. Roots that contain
 * the certs directory, or are inside it, are errors. With look_only, so are roots
 * that cannot be opened or contain a private key (inspection_check reports what
 * is wrong in them); otherwise inspection and site_apply decide what can be
 * served of each capsule. Where the new content cannot be used, what old (may be
 * NULL) served is kept; a root that old does not name and that cannot be opened
 * is then an error. NULL when r gained an error, unless look_only. */
struct site *site_load(struct conf *conf, const struct site *old,
    const struct site_options *o, struct report *r);

/* Makes a site of the same configuration; roots that have moved since, or that
 * should be tried again, are opened again, the others are kept. NULL: out of
 * memory or descriptors, reported in r. */
struct site *site_reopen(const struct site *old, struct report *r);

/* The same site once more; each is freed with site_free. */
struct site *site_ref(struct site *s);
void site_free(struct site **s);

/* The descriptors of all roots and stores, *n of them, -1 where there is none,
 * and room for more, which the caller fills. The caller frees. NULL: out of
 * memory. */
int *site_descriptors(const struct site *s, size_t more, size_t *n);

/* Whether some capsule's root has moved, or should be tried again: site_reopen
 * would open it again. One that does not exist in two such checks is logged,
 * once. */
bool site_has_moved(const struct site *s);

/* Whether capsule i waits for an inspection, and whether any does. */
bool site_is_fresh(const struct site *s, size_t i);
bool site_any_fresh(const struct site *s);

/* For the inspection: reads capsule.conf of capsule i into bytes, and sets
 * *there if it exists. Reports in r why it is unusable, but not that it is
 * closed. */
enum site_content site_examine(const struct site *s, size_t i,
    struct buf *bytes, bool *there, struct report *r);

/* For the inspection: what the root of capsule i holds, found until
 * until_ms. */
void site_survey(
    const struct site *s, size_t i, uint64_t until_ms, struct host_survey *out);

/* Takes the findings on each fresh capsule. One that cannot be used falls back
 * to what old (may be NULL) serves, or in a store to the next older release,
 * which is then fresh; else it has no root. That is logged. False with an error
 * in r when it is the only capsule and nothing of it can be served, or when
 * nothing at all was inspected. */
bool site_apply(struct site *s, const struct site *old,
    const struct site_finding *findings, struct report *r);

/* Whether s serves anything that old, of the same configuration, does not. */
bool site_has_news(const struct site *s, const struct site *old);

/* Records in old what was tried for s, which is not served. */
void site_remember(struct site *old, const struct site *s);

/* Warnings that do not stop the server: certificates that expire soon, names
 * they lack, keys that others can read. */
void site_warn(const struct site *s, struct report *r);

/* A capsule without an index page; after its content was read. */
void site_warn_index(const struct site *s, size_t i, struct report *r);

/* Only the warnings that time brings: certificates that have expired or soon
 * will. */
void site_warn_expiry(const struct site *s, struct report *r);

#endif
