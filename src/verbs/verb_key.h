/* SPDX-License-Identifier: ISC */
/* A signing key named on the command line. Depends on tls (signify, sign). */
#ifndef VERBS_VERB_KEY_H
#define VERBS_VERB_KEY_H

#include "tls/signify.h"
#include "util/result.h"
#include "util/why.h"

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

#endif
