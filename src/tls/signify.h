/* SPDX-License-Identifier: ISC */
/* Ed25519 keys and signatures as signify(1) writes them: two lines of text, an
 * unsigned comment and base64 of fixed length (carnation-mirror(7)). Depends on
 * util, os and OpenSSL. */
#ifndef TLS_SIGNIFY_H
#define TLS_SIGNIFY_H

#include "util/buf.h"
#include "util/why.h"

enum {
	SIGNIFY_NUMBER_SIZE = 8,
	SIGNIFY_NUMBER_AT = 2, /* of its key, in a signature */
	SIGNIFY_NUMBER_TEXT = 2 * SIGNIFY_NUMBER_SIZE + 1, /* hex, and NUL */
	SIGNIFY_PUBLIC_SIZE = 2 + SIGNIFY_NUMBER_SIZE + 32,
	SIGNIFY_SIGNATURE_SIZE = 2 + SIGNIFY_NUMBER_SIZE + 64,
	SIGNIFY_PUBLIC_TEXT = 56,     /* base64 characters of a public key */
	SIGNIFY_SIGNATURE_TEXT = 100, /* and of a signature */
	SIGNIFY_NAME_MAX = 128,     /* a key's name, as in NAME.pub, and NUL */
	SIGNIFY_COMMENT_MAX = 1023, /* bytes of a first line, without LF */
	SIGNIFY_SECRET_MAX = 1280,  /* bytes of a secret key's file */
};

/* A public key; two keys are the same when all bytes are equal. */
struct signify_key {
	uint8_t number[SIGNIFY_NUMBER_SIZE];
	uint8_t point[32];
};

/* Whether name may stand before ".pub" in a first line: UTF-8 without control
 * bytes or slash, not empty, shorter than SIGNIFY_NAME_MAX. */
bool signify_name(struct slice name);

/* A secret key, wiped when freed. */
struct signify_secret;

/* A fresh pair; NULL when OpenSSL fails. */
struct signify_secret *signify_generate(void);

/* From the two lines of a secret key's file. A key with a passphrase is refused
 * and why says so. NULL and why. */
struct signify_secret *signify_secret_parse(struct slice text, struct why *why);

/* The same from a file; no copy of its bytes is left. errno is 0 when the file
 * was read but is not a valid key. */
struct signify_secret *signify_secret_load(const char *path, struct why *why);

void signify_secret_free(struct signify_secret **s);
void signify_public(const struct signify_secret *s, struct signify_key *out);

/* "untrusted comment: NAME secret key\n" and base64; for a file of mode 0600.
 * out should be over memory (buf_wrap) that the caller wipes; name is a
 * signify_name. */
bool signify_secret_format(
    const struct signify_secret *s, const char *name, struct buf *out);

/* A public key from its base64 alone, or from the two lines of its file; the
 * last LF may be missing, nothing else. */
bool signify_key_parse(struct slice text, struct signify_key *out);

/* A key's number in hexadecimal, as people compare it. */
void signify_number_text(
    const uint8_t number[SIGNIFY_NUMBER_SIZE], char out[SIGNIFY_NUMBER_TEXT]);

/* Base64 alone, 56 characters. */
bool signify_key_text(const struct signify_key *k, struct buf *out);

/* "untrusted comment: NAME public key\n" and base64: NAME.pub. */
bool signify_key_format(
    const struct signify_key *k, const char *name, struct buf *out);

bool
signify_key_equal(const struct signify_key *a, const struct signify_key *b);

/* Appends "untrusted comment: verify with NAME.pub\n", the signature of message
 * in base64 and LF: what `signify -S -e` puts before an embedded message.
 * False, and nothing is appended, when it does not fit or name is not a
 * signify_name. */
bool signify_sign(const struct signify_secret *s, const char *name,
    struct slice message, struct buf *out);

enum signify_result {
	SIGNIFY_GOOD,
	SIGNIFY_MALFORMED, /* not an embedded signature */
	SIGNIFY_OTHER_KEY, /* by a key of another number */
	SIGNIFY_BAD,       /* the signature does not verify */
};

/* Parses an embedded signature: name (of "NAME.pub" in line 1) and message (all
 * after line 2) borrow from text. Only a line 1 of exactly that form and a line
 * 2 of exactly 100 base64 characters pass. */
bool signify_split(struct slice text, struct slice *name,
    uint8_t signature[SIGNIFY_SIGNATURE_SIZE], struct slice *message);

/* Whether key made signature over message. */
enum signify_result signify_verify(const struct signify_key *key,
    const uint8_t signature[SIGNIFY_SIGNATURE_SIZE], struct slice message);

#endif
