/* SPDX-License-Identifier: ISC */
/* The command line of publish, and the files that it names.
 * Depends on archive. */
#ifndef VERBS_PUBLISH_OPTIONS_H
#define VERBS_PUBLISH_OPTIONS_H

#include "archive/publish.h"

struct publish_job {
	struct publish_options o;
	const char *key_file, *next_file, *unsigned_file, *signed_file;
	bool dry_run, yes, json, refresh_said;
	bool to_stdout; /* the list is, and nothing else */
	/* What o borrows. */
	char *certs;
	struct feed_origin origin;
	struct signify_secret *secret;
	struct signify_key key, next_key;
	char key_name[SIGNIFY_NAME_MAX];
	struct buf sealed;
};

void publish_options_init(struct publish_job *j);

/* False after a message: wrong usage. */
bool publish_options_parse(struct publish_job *j, int argc, char **argv);

/* Reads keys and the signed list. The exit status, after a message when it is not
 * EXIT_GOOD. */
int publish_options_read(struct publish_job *j);

void publish_options_fini(struct publish_job *j);

#endif
