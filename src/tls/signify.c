/* SPDX-License-Identifier: ISC */
#include "tls/signify.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/file.h"
#include "tls/base64.h"

/* A secret key's bytes: "Ed" "BK" rounds salt checksum number seed point. */
enum {
	AT_KDF = 2,
	AT_ROUNDS = 4, /* big-endian; 0: no passphrase */
	AT_SALT = 8,
	AT_CHECKSUM = 24, /* first bytes of the SHA-512 of seed and point */
	AT_NUMBER = 32,
	AT_SEED = AT_NUMBER + SIGNIFY_NUMBER_SIZE,
	AT_POINT = AT_SEED + 32,
	SECRET_SIZE = AT_POINT + 32,
	ROUNDS_SIZE = 4,
	SALT_SIZE = 16,
	CHECKSUM_SIZE = 8,
	SHA512_SIZE = 64,
	ED25519_SIZE = 64, /* a signature without its number */
	FIRST_LINE_MAX = SIGNIFY_NAME_MAX + 64,
};

_Static_assert(AT_CHECKSUM == AT_SALT + SALT_SIZE &&
		   AT_NUMBER == AT_CHECKSUM + CHECKSUM_SIZE,
    "signify's secret keys have no gaps");
_Static_assert(
    BASE64_SIZE(SIGNIFY_PUBLIC_SIZE) == SIGNIFY_PUBLIC_TEXT &&
	BASE64_SIZE(SIGNIFY_SIGNATURE_SIZE) == SIGNIFY_SIGNATURE_TEXT,
    "what base64 makes of them");
_Static_assert(SIGNIFY_COMMENT_MAX + 1 + BASE64_SIZE(SECRET_SIZE) + 1 <=
		   SIGNIFY_SECRET_MAX,
    "the longest secret key's file fits");

#define COMMENT "untrusted comment: "
#define VERIFY_WITH COMMENT "verify with "
#define ALGORITHM "Ed"
#define KDF "BK"

struct signify_secret {
	uint8_t raw[SECRET_SIZE];
};

bool
signify_name(struct slice name)
{
	if (name.len == 0 || name.len >= SIGNIFY_NAME_MAX || !slice_utf8(name))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.ptr[i] < ' ' || name.ptr[i] == 0x7f ||
		    name.ptr[i] == '/')
			return false;
	return true;
}

/* Cuts the first line, which must end with LF, off *rest. */
static bool
line_take(struct slice *rest, struct slice *line)
{
	return slice_cut(*rest, '\n', line, rest);
}

/* The base64 of a key's file: its second line, the last one. */
static bool
text_second_line(struct slice text, struct slice *line)
{
	struct slice comment;

	if (!line_take(&text, &comment) ||
	    !slice_starts(comment, SLICE(COMMENT)) ||
	    comment.len > SIGNIFY_COMMENT_MAX)
		return false;
	(void)line_take(&text, line);
	return text.len == 0;
}

/* ------------------------------------------------------------ secret keys */

static void
checksum(const uint8_t raw[SECRET_SIZE], uint8_t out[CHECKSUM_SIZE])
{
	uint8_t digest[SHA512_SIZE];

	memset(digest, 0, sizeof(digest));
	(void)EVP_Digest(raw + AT_SEED, SECRET_SIZE - AT_SEED, digest, NULL,
	    EVP_sha512(), NULL);
	memcpy(out, digest, CHECKSUM_SIZE);
	OPENSSL_cleanse(digest, sizeof(digest));
}

/* The key that signs; NULL when OpenSSL fails. */
static EVP_PKEY *
secret_signing_key(const struct signify_secret *s)
{
	return EVP_PKEY_new_raw_private_key(
	    EVP_PKEY_ED25519, NULL, s->raw + AT_SEED, AT_POINT - AT_SEED);
}

/* The point that belongs to the seed. */
static bool
seed_to_point(const struct signify_secret *s, uint8_t out[32])
{
	EVP_PKEY *key = secret_signing_key(s);
	size_t len = 32;
	bool ok = key != NULL &&
		  EVP_PKEY_get_raw_public_key(key, out, &len) == 1 && len == 32;

	EVP_PKEY_free(key);
	return ok;
}

struct signify_secret *
signify_generate(void)
{
	struct signify_secret *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	memcpy(s->raw, ALGORITHM KDF, AT_ROUNDS);
	if (RAND_bytes(s->raw + AT_SALT, SALT_SIZE) != 1 ||
	    RAND_bytes(s->raw + AT_NUMBER, SIGNIFY_NUMBER_SIZE) != 1 ||
	    RAND_priv_bytes(s->raw + AT_SEED, AT_POINT - AT_SEED) != 1 ||
	    !seed_to_point(s, s->raw + AT_POINT))
		signify_secret_free(&s);
	else
		checksum(s->raw, s->raw + AT_CHECKSUM);
	return s;
}

/* What is wrong with a key's bytes; NULL: nothing. */
static const char *
secret_fault(const struct signify_secret *s)
{
	static const uint8_t no_rounds[ROUNDS_SIZE];
	uint8_t sum[CHECKSUM_SIZE], point[32];

	if (memcmp(s->raw, ALGORITHM KDF, AT_ROUNDS) != 0)
		return "invalid signify secret key";
	if (memcmp(s->raw + AT_ROUNDS, no_rounds, ROUNDS_SIZE) != 0)
		return "the key has a passphrase, which only signify(1) "
		       "supports";
	checksum(s->raw, sum);
	if (memcmp(sum, s->raw + AT_CHECKSUM, CHECKSUM_SIZE) != 0)
		return "the key is damaged: its checksum does not match";
	/* A signature with a point of another seed would give the seed away. */
	if (!seed_to_point(s, point) ||
	    memcmp(point, s->raw + AT_POINT, 32) != 0)
		return "the key is damaged: its two halves do not match";
	return NULL;
}

struct signify_secret *
signify_secret_parse(struct slice text, struct why *why)
{
	struct signify_secret *s = calloc(1, sizeof(*s));
	const char *fault = "invalid signify secret key";
	struct slice line;

	if (s == NULL)
		fault = "out of memory";
	else if (text_second_line(text, &line) &&
		 base64_decode(line, s->raw, sizeof(s->raw)))
		fault = secret_fault(s);
	if (fault == NULL)
		return s;
	why_set(why, "%s", fault);
	signify_secret_free(&s);
	return NULL;
}

struct signify_secret *
signify_secret_load(const char *path, struct why *why)
{
	uint8_t memory[SIGNIFY_SECRET_MAX];
	struct signify_secret *s = NULL;
	struct buf text;
	int error = 0;

	/* On the stack, where it can be wiped whole. */
	buf_wrap(&text, memory, sizeof(memory));
	if (file_read_path(path, &text)) {
		s = signify_secret_parse(buf_view(&text), why);
	} else if (errno == EFBIG) {
		why_set(why, "invalid signify secret key");
	} else {
		error = errno;
		why_set(why, "%s", strerror(error));
	}
	OPENSSL_cleanse(memory, sizeof(memory));
	if (s == NULL)
		why_at(why, "%s", path);
	errno = error;
	return s;
}

void
signify_secret_free(struct signify_secret **s)
{
	if (*s == NULL)
		return;
	OPENSSL_cleanse(*s, sizeof(**s));
	free(*s);
	*s = NULL;
}

void
signify_public(const struct signify_secret *s, struct signify_key *out)
{
	memcpy(out->number, s->raw + AT_NUMBER, SIGNIFY_NUMBER_SIZE);
	memcpy(out->point, s->raw + AT_POINT, sizeof(out->point));
}

/* A file of two lines, all or nothing. */
static bool
file_format(
    const char *name, const char *what, struct slice bytes, struct buf *out)
{
	size_t before = out->len;

	if (signify_name(slice_str(name)) &&
	    buf_printf(out, COMMENT "%s %s key\n", name, what) &&
	    base64_encode(bytes, out) && buf_byte(out, '\n'))
		return true;
	buf_truncate(out, before);
	return false;
}

bool
signify_secret_format(
    const struct signify_secret *s, const char *name, struct buf *out)
{
	return file_format(name, "secret", slice_of(s->raw, SECRET_SIZE), out);
}

/* ------------------------------------------------------------ public keys */

bool
signify_key_parse(struct slice text, struct signify_key *out)
{
	uint8_t raw[SIGNIFY_PUBLIC_SIZE];
	struct slice line = text;

	if (slice_starts(text, SLICE(COMMENT))) {
		if (!text_second_line(text, &line))
			return false;
	} else if (slice_ends(text, SLICE("\n"))) {
		line.len--;
	}
	if (!base64_decode(line, raw, sizeof(raw)) ||
	    memcmp(raw, ALGORITHM, 2) != 0)
		return false;
	memcpy(out->number, raw + 2, sizeof(out->number));
	memcpy(out->point, raw + 2 + SIGNIFY_NUMBER_SIZE, sizeof(out->point));
	return true;
}

static void
key_bytes(const struct signify_key *k, uint8_t raw[SIGNIFY_PUBLIC_SIZE])
{
	memcpy(raw, ALGORITHM, 2);
	memcpy(raw + 2, k->number, sizeof(k->number));
	memcpy(raw + 2 + SIGNIFY_NUMBER_SIZE, k->point, sizeof(k->point));
}

void
signify_number_text(
    const uint8_t number[SIGNIFY_NUMBER_SIZE], char out[SIGNIFY_NUMBER_TEXT])
{
	for (size_t i = 0; i < SIGNIFY_NUMBER_SIZE; i++)
		(void)snprintf(&out[2 * i], 3, "%02x", number[i]);
}

bool
signify_key_text(const struct signify_key *k, struct buf *out)
{
	uint8_t raw[SIGNIFY_PUBLIC_SIZE];

	key_bytes(k, raw);
	return base64_encode(slice_of(raw, sizeof(raw)), out);
}

bool
signify_key_format(
    const struct signify_key *k, const char *name, struct buf *out)
{
	uint8_t raw[SIGNIFY_PUBLIC_SIZE];

	key_bytes(k, raw);
	return file_format(name, "public", slice_of(raw, sizeof(raw)), out);
}

bool
signify_key_equal(const struct signify_key *a, const struct signify_key *b)
{
	return memcmp(a->number, b->number, sizeof(a->number)) == 0 &&
	       memcmp(a->point, b->point, sizeof(a->point)) == 0;
}

/* ------------------------------------------------------------- signatures */

static bool
secret_sign(const struct signify_secret *s, struct slice message,
    uint8_t out[ED25519_SIZE])
{
	EVP_PKEY *key = secret_signing_key(s);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	size_t len = ED25519_SIZE;
	bool ok =
	    key != NULL && md != NULL &&
	    EVP_DigestSignInit(md, NULL, NULL, NULL, key) == 1 &&
	    EVP_DigestSign(md, out, &len, message.ptr, message.len) == 1 &&
	    len == ED25519_SIZE;

	EVP_MD_CTX_free(md);
	EVP_PKEY_free(key);
	return ok;
}

bool
signify_sign(const struct signify_secret *s, const char *name,
    struct slice message, struct buf *out)
{
	uint8_t raw[SIGNIFY_SIGNATURE_SIZE];
	size_t before = out->len;

	memcpy(raw, ALGORITHM, 2);
	memcpy(raw + 2, s->raw + AT_NUMBER, SIGNIFY_NUMBER_SIZE);
	if (signify_name(slice_str(name)) &&
	    secret_sign(s, message, raw + 2 + SIGNIFY_NUMBER_SIZE) &&
	    buf_printf(out, VERIFY_WITH "%s.pub\n", name) &&
	    base64_encode(slice_of(raw, sizeof(raw)), out) &&
	    buf_byte(out, '\n'))
		return true;
	buf_truncate(out, before);
	return false;
}

bool
signify_split(struct slice text, struct slice *name,
    uint8_t signature[SIGNIFY_SIGNATURE_SIZE], struct slice *message)
{
	const struct slice before = SLICE(VERIFY_WITH), after = SLICE(".pub");
	struct slice rest = text, first, second;

	if (!line_take(&rest, &first) || !slice_starts(first, before) ||
	    !slice_ends(first, after) || first.len < before.len + after.len)
		return false;
	*name = slice_skip(first, before.len);
	name->len -= after.len;
	*message = rest;
	return signify_name(*name) && line_take(message, &second) &&
	       base64_decode(second, signature, SIGNIFY_SIGNATURE_SIZE) &&
	       memcmp(signature, ALGORITHM, 2) == 0;
}

enum signify_result
signify_verify(const struct signify_key *key,
    const uint8_t signature[SIGNIFY_SIGNATURE_SIZE], struct slice message)
{
	EVP_PKEY *point;
	EVP_MD_CTX *md;
	bool good;

	if (memcmp(signature, ALGORITHM, 2) != 0)
		return SIGNIFY_MALFORMED;
	if (memcmp(signature + 2, key->number, sizeof(key->number)) != 0)
		return SIGNIFY_OTHER_KEY;
	point = EVP_PKEY_new_raw_public_key(
	    EVP_PKEY_ED25519, NULL, key->point, sizeof(key->point));
	md = EVP_MD_CTX_new();
	good = point != NULL && md != NULL &&
	       EVP_DigestVerifyInit(md, NULL, NULL, NULL, point) == 1 &&
	       EVP_DigestVerify(md, signature + 2 + SIGNIFY_NUMBER_SIZE,
		   ED25519_SIZE, message.ptr, message.len) == 1;
	EVP_MD_CTX_free(md);
	EVP_PKEY_free(point);
	ERR_clear_error();
	return good ? SIGNIFY_GOOD : SIGNIFY_BAD;
}
