/* SPDX-License-Identifier: ISC */
/* The capsules of one server: their names, roots and settings.
 * Depends on util, os, proto and conf. */
#ifndef CAPSULE_HOST_H
#define CAPSULE_HOST_H

#include <sys/types.h>

#include "conf/conf.h"
#include "proto/hostname.h"

enum {
	HOST_CONF_MAX = 256 * 1024, /* bytes of a capsule.conf */
	HOST_KNOWN_MAX = 900,       /* bytes of hosts.known: META has 1,024 */
};

/* One capsule. names[0] is its host, the others its aliases, all canonical. */
struct host {
	char (*names)[HOSTNAME_SIZE];
	size_t n_names;
	int root;  /* directory to open beneath: of a store, its release */
	int store; /* root is a store's: to open what lies beside releases;
		    * else -1 */
	uint64_t serial; /* of the store's release; 0: no store */
	dev_t root_dev;
	ino_t root_ino;
	const struct conf_capsule *conf;
	struct conf_content content; /* operator's over capsule.conf */
};

/* All of them, in the order of the configuration: the first is the default. */
struct hosts {
	struct host *host;
	size_t n;
	struct conf *conf; /* borrowed; owns the texts */
	char *known; /* "localhost, example.org": what 53 says; never NULL */
	struct host_name *index; /* every name, in byte order */
	size_t n_index;
};

/* Opens every root; that of a store (a directory with objects/, releases/ and the
 * link `current`) is the release that is current. Problems (a bad or repeated name, a missing or unreadable
 * root) go to r. NULL when r gained an error, and for a capsule without host or
 * root, of which conf_check tells. */
struct hosts *hosts_open(struct conf *conf, struct report *r);

/* The same, to tell of all problems at once: a capsule that cannot be opened
 * stays, with root -1 or without names. NULL when memory is short. */
struct hosts *hosts_open_all(struct conf *conf, struct report *r);
void hosts_free(struct hosts **h);

/* Reads each capsule.conf beneath its root (none is fine). False when r gained
 * an error; done by each worker for itself, after it is sandboxed. */
bool hosts_read_content(struct hosts *h, struct report *r);

/* The same for those who serve nobody: what a capsule.conf says beside its
 * mistakes counts. */
void hosts_salvage_content(struct hosts *h);

/* The capsule.conf of one, which name stands for in r, under what the operator
 * said of h, into content: all that could be read of it beside its mistakes, which
 * go to r. False when nothing could: content is the operator's word alone then, as
 * it is when there is no such file. */
bool host_salvage_content(const struct hosts *hosts, const struct host *h,
    const char *name, struct conf_content *content, struct report *r);

/* Index of the capsule that a canonical name belongs to, or -1. */
int hosts_find(const struct hosts *h, const char *name);

/* The same for raw bytes out of SNI or a URI's host: addresses too. */
int hosts_find_raw(const struct hosts *h, struct slice raw);

/* 0 while every root's path leads to the directory that is open. Else (a link was
 * switched, in the path or in a store, a directory swapped) a number for where the paths lead now. A path that
 * leads nowhere has not moved. */
uint64_t hosts_moved(const struct hosts *h);

/* The i-th name that an index page of h may have, in order; NULL behind the
 * last. */
const char *host_index(const struct host *h, size_t i);

/* Whether no visitor is let see a file or directory of that name (one segment):
 * dot names but .well-known and those that the operator allows. */
bool host_hides(const struct host *h, const char *name, size_t len);

/* Whether the root has one of the capsule's index pages. */
bool host_has_index(const struct host *h);

struct host_survey {
	size_t pages; /* text/gemini files */
	size_t files;
	uint64_t bytes;
	char secret[256]; /* first file that holds a private key, or "" */
};

/* Walks a capsule's root for what start-up and check tell about it. What a store's
 * release has in mirror/ is looked at, but not counted. */
void host_survey(const struct host *h, struct host_survey *out);

/* Looks, for the secret alone, through the rest of h's store, if it has one. */
void host_survey_store(const struct host *h, struct host_survey *out);

#endif
