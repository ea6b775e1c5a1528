/* SPDX-License-Identifier: ISC */
/* The verbs of the command line, one file each, and what they share.
 * Depends on all floors. */
#ifndef VERBS_VERBS_H
#define VERBS_VERBS_H

#include <stddef.h>

#include "util/version.h"

/* Exit status everywhere. */
enum exit_status {
	EXIT_GOOD = 0,
	EXIT_FAILED = 1, /* it did not work, or try again later */
	EXIT_USAGE = 2,
	EXIT_REFUSED = 3, /* signature, rollback, names, hashes */
	EXIT_LOCAL = 4,   /* disk, permissions, configuration */
};

/* argv[0] is the verb; returns the exit status. */
typedef int verb_run(int argc, char **argv);

struct verb {
	const char *name;
	verb_run *run;
	const char *summary; /* one line */
	const char *usage;   /* whole text, LF at the end */
};

extern const struct verb verbs[]; /* ends with a NULL name */

const struct verb *verb_find(const char *name);

/* Prints the usage of a verb on stderr and returns EXIT_USAGE. */
int verb_misused(const char *name);

verb_run verb_serve;
verb_run verb_check;
verb_run verb_cert;
verb_run verb_fetch;
verb_run verb_lint;
verb_run verb_feed;
verb_run verb_key;
verb_run verb_publish;
verb_run verb_rollback;
verb_run verb_prune;
verb_run verb_verify;
verb_run verb_mirror;
verb_run verb_help;

/* Each verb's usage text, beside its code. */
extern const char serve_usage[], check_usage[], cert_usage[], fetch_usage[],
    lint_usage[], feed_usage[], key_usage[], publish_usage[], rollback_usage[],
    prune_usage[], verify_usage[], mirror_usage[], help_usage[];

/* Where certificates live when nobody says: /var/lib/carnation/certs for root,
 * else $XDG_DATA_HOME/carnation/certs. The caller frees; NULL when there is no
 * home. */
char *default_certs_dir(void);

/* $XDG_DATA_HOME/carnation (or ~/.local/share/carnation). The caller frees. */
char *default_data_dir(void);

#endif
