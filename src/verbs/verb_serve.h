/* SPDX-License-Identifier: ISC */
/* What serve and check have in common: their options, and the configuration that
 * these and a file make together. Depends on conf. */
#ifndef VERBS_VERB_SERVE_H
#define VERBS_VERB_SERVE_H

#include "conf/conf.h"
#include "util/result.h"
#include "verbs/args.h"

enum { SERVE_LIST_MAX = 64 }; /* of --host and of --listen */

/* As on the command line; all text is argv's. */
struct serve_options {
	const char *file;
	const char *dir;
	struct arg_list hosts;
	struct arg_list listen;
	const char *certs;
	const char *cert;
	const char *key;
	const char *log;
	uint64_t workers; /* 0: not given */
	bool dry_run;     /* serve -n */
	bool json;        /* check */
	bool dump;        /* check */
	char *certs_dir;  /* certs, or the default place */
};

extern const struct arg serve_args[];

/* Whether the options go together, else RESULT_USAGE after a message. Sets
 * certs_dir, which the caller frees. */
enum result serve_options_check(struct serve_options *o);

/* The file, the command line over it, all checked; its problems go to r. NULL
 * when out of memory. */
struct conf *
serve_options_conf(const struct serve_options *o, struct report *r);

/* What check (and serve -n) print; returns the exit status. */
enum result check_run(const struct serve_options *o);

#endif
