/* SPDX-License-Identifier: ISC */
/* The verbs of the command line, one file each, and what they share.
 * Depends on all layers. */
#ifndef VERBS_VERBS_H
#define VERBS_VERBS_H

#include "archive/store.h"
#include "capsule/host.h"
#include "tls/signify.h"
#include "util/buf.h"
#include "util/result.h"
#include "verbs/args.h"

struct verb {
	const char *name;    /* one word, or two: "cert new" */
	const char *summary; /* one line for the list of verbs */
	/* The usage page: paragraphs before and after the options, each ended by
	 * a line feed. forms are usage lines that replace the one made from args;
	 * a NULL ends them. */
	const char *about, *notes;
	const char *const *forms;
	const struct arg *args; /* ends with a NULL name */
	/* What args fill: its size, and what it holds before (NULL: zeros). */
	size_t job_size;
	const void *defaults;
	/* Returns the exit status, after messages. */
	enum result (*run)(void *job);
};

extern const struct verb verb_serve, verb_check, verb_cert_new, verb_cert_renew,
    verb_cert_show, verb_fetch, verb_lint, verb_feed, verb_key_new,
    verb_key_show, verb_publish, verb_rollback, verb_prune, verb_verify,
    verb_mirror;

/* Runs the verb that argv[1] names; returns the exit status. commit is what
 * --version prints as the commit of the source, a string literal. */
enum result verbs_main(int argc, char **argv, const char *commit);

/* Reports wrong usage of the verb that runs, and where to read more. Returns
 * RESULT_USAGE. */
enum result
verb_misused(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Asks on the terminal and returns true for yes; also, without asking, when yes
 * is true. When there is no terminal it says so and returns false. */
bool verb_confirm(const char *question, bool yes);

/* Flushes stdout. False after a message, the first time, when something written
 * there was lost. Called after each verb; a verb needs it only where stderr must
 * not come first. */
bool verb_flush(void);

/* Checks of values that several verbs take: not blank; a host name; an origin as
 * feed_origin parses it; a level of a check as lint_set_text parses it. */
bool arg_check_filled(const char *text, struct why *why);
bool arg_check_host(const char *text, struct why *why);
bool arg_check_origin(const char *text, struct why *why);
bool arg_check_level(const char *text, struct why *why);

/* Prints out and flushes stdout. False after a message when something was
 * lost. */
bool verb_print(struct buf *out);

/* Opens the store at path, as verb_store_become says, and takes its lock, until
 * store_close; before that enters the sandbox of an author of that store. Not
 * RESULT_GOOD after a message. */
enum result verb_store_take(const char *path, struct store **s);

/* When root works in a store that belongs to another user: becomes that user for
 * good, so that the next run of theirs can go on. Before anything in it is opened.
 * False after a message. */
bool verb_store_become(const char *path);

/* Where certificates are kept unless --certs names a directory:
 * /var/lib/carnation/certs for root, else $XDG_DATA_HOME/carnation/certs (or
 * below ~/.local/share). The caller frees; NULL when there is no home. */
char *default_certs_dir(void);

/* The file known_hosts beside it. The caller frees; NULL when there is no
 * home. */
char *default_known_hosts(void);

/* ---- verb_key.c: a signing key named on the command line */

enum key_kind {
	KEY_TEXT, /* the 56 characters of a public key */
	KEY_PUBLIC,
	KEY_SECRET,
};

/* Reads the public key that word names: its text, or a file that holds a public
 * key, or a secret one without a passphrase, of which nothing is left in memory.
 * RESULT_USAGE when word is not a key, RESULT_LOCAL when the file cannot be
 * read. */
enum result key_read(const char *word, struct signify_key *out,
    enum key_kind *kind, struct why *why);

/* The same for those who only verify what others signed: warns when the key is a
 * secret one; a failure is reported as that of the option. */
enum result
key_read_public(const char *option, const char *word, struct signify_key *out);

/* Warns when others can read the secret key in that file. */
void key_check_mode(const char *file);

/* ---- verb_capsule.c: the capsule that a verb of its author works on, with the
 * configuration of the server or without */

/* Zeroed = closed. */
struct verb_capsule {
	struct conf *conf;
	struct hosts *hosts;
	struct host *host; /* one of hosts */
};

/* Opens the capsule in dir, without its capsule.conf. With file (NULL: none), a
 * carnation.conf, dir is the root of one of its capsules, or stands for the root
 * of the only one; without, the host is localhost. False, and errors in r;
 * verb_capsule_close in any case. */
bool verb_capsule_open(struct verb_capsule *c, const char *file,
    const char *dir, struct report *r);
void verb_capsule_close(struct verb_capsule *c);

#endif
