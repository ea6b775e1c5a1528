/* SPDX-License-Identifier: ISC */
/* The options that serve and check have in common, and the configuration that
 * they and a file make together. Depends on conf. */
#ifndef VERBS_SERVE_OPTIONS_H
#define VERBS_SERVE_OPTIONS_H

#include "conf/conf.h"

enum { SERVE_LIST_MAX = 64 }; /* --host, --listen: so many of each */

/* As on the command line; all text is argv's. */
struct serve_options {
	const char *file;
	const char *dir;
	const char *hosts[SERVE_LIST_MAX];
	size_t n_hosts;
	const char *listen[SERVE_LIST_MAX];
	size_t n_listen;
	const char *certs;
	const char *cert;
	const char *key;
	const char *log;
	long workers;    /* 0: not said */
	bool dry_run;    /* serve -n */
	bool json;       /* check */
	bool dump;       /* check */
	char *certs_dir; /* certs, or the default place; serve_options_fini */
};

/* False after a message: wrong usage. */
bool serve_options_parse(
    struct serve_options *o, const char *verb, int argc, char **argv);
void serve_options_fini(struct serve_options *o);

/* The file, the command line over it, all checked; its problems go to r. NULL
 * when memory is short. */
struct conf *
serve_options_conf(const struct serve_options *o, struct report *r);

/* What check (and serve -n) print; returns the exit status. */
int serve_options_check(const struct serve_options *o);

#endif
