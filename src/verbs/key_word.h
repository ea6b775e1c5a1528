/* SPDX-License-Identifier: ISC */
/* A signing key as a word of the command line. Depends on tls (signify, sign). */
#ifndef VERBS_KEY_WORD_H
#define VERBS_KEY_WORD_H

#include "tls/signify.h"
#include "util/why.h"

enum key_word {
	KEY_WORD_NONE, /* what it says is not a key: see why */
	KEY_WORD_TEXT, /* the 56 characters of a public key */
	KEY_WORD_PUBLIC,
	KEY_WORD_SECRET,
	KEY_WORD_UNREAD, /* there is no such file, or we cannot read it: see why */
};

/* The public key that word means: its text, or a file that holds a public or a
 * secret key without a passphrase. Of a secret key nothing is left in memory. */
enum key_word
key_word_read(const char *word, struct signify_key *out, struct why *why);

/* Whether a key was read. */
bool key_word_good(enum key_word kind);

/* The exit status of a verb that was given that word: EXIT_USAGE for what is not a
 * key, EXIT_LOCAL for a file that cannot be read. */
int key_word_status(enum key_word kind);

/* The same as key_word_read for those who only check what others signed: a secret key is good, with
 * a warning. */
enum key_word key_word_read_public(
    const char *word, struct signify_key *out, struct why *why);

/* Warns when others can read the secret key in that file. */
void key_word_check_mode(const char *file);

#endif
