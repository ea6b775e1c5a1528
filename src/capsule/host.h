/* SPDX-License-Identifier: ISC */
/* The capsules of one server: their names, roots and settings.
 * Depends on util, os, proto and conf. */
#ifndef CAPSULE_HOST_H
#define CAPSULE_HOST_H

#include <sys/types.h>

#include "conf/conf.h"
#include "proto/hostname.h"
#include "tls/digest.h"
#include "util/why.h"

enum {
	HOST_CONF_MAX = 256 * 1024, /* bytes of a capsule.conf */
	HOST_KNOWN_MAX = 900,       /* bytes of hosts.known: META has 1,024 */
};

/* The bytes of a capsule.conf as they were at one moment. */
struct host_snapshot {
	bool taken; /* false: the file is read whenever it is wanted */
	bool there; /* false: there was no such file */
	uint8_t *bytes;
	size_t len;
};

/* One capsule. names[0] is its host, the others its aliases, all canonical. */
struct host {
	char (*names)[HOSTNAME_SIZE];
	size_t n_names;
	/* The directory to open beneath: of a store, its release. -1: there is
	 * nothing to serve now, 41. */
	int root;
	/* Of a store: to open what is beside its releases. Else -1. */
	int store;
	uint64_t serial; /* of the store's release; 0: no store */
	/* Objects that are not served by their hash: host_find_withheld. */
	uint8_t (*withheld)[DIGEST_SIZE];
	size_t n_withheld;
	bool withholds_all; /* they could not be found out */
	const struct conf_capsule *conf;
	struct conf_content content; /* operator's over capsule.conf */
	struct host_snapshot snapshot;
};

/* All of them, in the order of the configuration: the first is the default. */
struct hosts {
	struct host *host;
	size_t n;
	struct conf *conf; /* borrowed; owns the texts */
	char *known; /* "localhost, example.org": sent with 53; never NULL */
	struct host_name *index; /* every name, in byte order */
	size_t n_index;
};

/* Opens every root; that of a store (a directory with objects/, releases/ and
 * the link `current`) is the release that is current. Problems (a bad or
 * repeated name, a missing or unreadable root) go to r. NULL when r gained an
 * error, and for a capsule without host or root, which conf_check reports. */
struct hosts *hosts_open(struct conf *conf, struct report *r);

/* The same, to report all problems at once: a capsule that cannot be opened
 * stays, with root -1 or without names. NULL when out of memory. */
struct hosts *hosts_open_all(struct conf *conf, struct report *r);

/* The names alone: no root is opened yet, each stays -1. NULL as hosts_open. */
struct hosts *hosts_open_names(struct conf *conf, struct report *r);
void hosts_free(struct hosts **h);

/* Opens the root of a host that has none. Of a store: the release that is
 * current or, with below, the newest older than that serial. A release is held
 * by a shared flock(2) while it is open, so that it is not removed. False and
 * why; serial is then that of the release that could not be opened, if there is
 * one. */
bool host_open(struct host *h, uint64_t below, struct why *why);
void host_close(struct host *h);

/* Lets h, which has no root, serve what from serves: the same directory, with
 * the same snapshot of capsule.conf. False and errno: h has no root then. */
bool host_adopt(struct host *h, const struct host *from);

/* Keeps these bytes as h's capsule.conf (NULL: there is none) for all later
 * readers. False: out of memory. */
bool host_snapshot(struct host *h, const uint8_t *bytes, size_t len);

/* Reads h's capsule.conf beneath its root into out (HOST_CONF_MAX); *there is
 * false when there is none. False and why. */
bool host_read_conf(
    const struct host *h, struct buf *out, bool *there, struct why *why);

/* Whether this process may open what is in a directory. The process that opened
 * the directory may have had more rights. */
bool host_may_enter(int dir);

/* Whether there is a capsule.conf that this process may not read. */
bool host_conf_is_denied(const struct host *h);

/* Identifies what was tried, so that a change is noticed: the directory that
 * the root's path leads to, and the files that decide. 0: there is no
 * directory. */
struct host_mark {
	uint64_t place; /* the directory, and who may enter it */
	uint64_t cause; /* also its change time, and capsule.conf */
};

/* With place_only, cause is 0. */
void host_mark(const struct host *h, bool place_only, struct host_mark *out);

/* Changes when a file that a survey named (a path beneath the root or, of a
 * store, beneath the store) is still as it was. 0: it is gone. */
uint64_t host_secret_mark(const struct host *h, const char *path);

/* Reads each capsule.conf beneath its root (none is fine). False when r gained
 * an error; done by each worker for itself, after it is sandboxed. */
bool hosts_read_content(struct hosts *h, struct report *r);

/* The same for one of them. */
bool host_read_content(struct hosts *hosts, struct host *h, struct report *r);

/* The same where nothing is served: what a capsule.conf has beside its
 * mistakes counts. */
void hosts_salvage_content(struct hosts *h);

/* The capsule.conf of one, which name stands for in r, under what the operator
 * set for h, into content: all that could be read of it beside its mistakes,
 * which go to r. False when nothing could: content is the operator's word alone
 * then, as it is when there is no such file. */
bool host_salvage_content(const struct hosts *hosts, const struct host *h,
    const char *name, struct conf_content *content, struct report *r);

/* Index of the capsule that a canonical name belongs to, or -1. */
int hosts_find(const struct hosts *h, const char *name);

/* The same for raw bytes out of SNI or a URI's host: addresses too. */
int hosts_find_raw(const struct hosts *h, struct slice raw);

/* The port that clients ask: public_port, else asked if the server listens on
 * it, as far as conf says (what systemd hands over is not known here), else the
 * first that it listens on. */
unsigned hosts_port(const struct conf *conf, int asked);

/* The i-th name that an index page of h may have, in order; NULL after the
 * last. */
const char *host_index(const struct host *h, size_t i);

/* Whether a file or directory of that name (one segment) is never served:
 * dot names but .well-known and those that the operator allows. */
bool host_hides(const struct host *h, const char *name, size_t len);

/* The same of any of a path's segments. */
bool host_hides_path(const struct host *h, const char *path);

/* Finds, in the manifests of all releases of h's store, the files whose names are all
 * hidden: who is not served a file by name is not served it by its hash either. Done
 * once for each worker, so that a request needs no list. False and errno: they could
 * not all be read; none is then served by its hash. */
bool host_find_withheld(struct host *h);

/* Whether an object is one of those. */
bool host_withholds(const struct host *h, const uint8_t digest[DIGEST_SIZE]);

enum { HOST_SURVEY_MS = 10000 }; /* all surveys of one start or reload */

struct host_survey {
	bool unfinished; /* the time was up, or there were too many entries */
	size_t pages;    /* text/gemini files */
	size_t files;
	uint64_t bytes;
	char secret[256];     /* first file that holds a private key, or "" */
	uint64_t secret_mark; /* of that file: see host_secret_mark */
};

/* Walks a capsule's root for what start-up and check report of it, until the
 * monotonic time until_ms at most. What a store's release has in mirror/ is
 * looked at, but not counted. */
void
host_survey(const struct host *h, uint64_t until_ms, struct host_survey *out);

/* Looks, for the secret alone, through the rest of h's store, if it has one. */
void host_survey_store(
    const struct host *h, uint64_t until_ms, struct host_survey *out);

/* Opens the root that h's configuration names, or the current release of the
 * store there. False, reported in r: it cannot be opened, or the store has
 * none. */
bool host_root_open(struct host *h, struct report *r);

#endif
