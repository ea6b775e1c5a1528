/* SPDX-License-Identifier: ISC */
#include "tls/signify.h"

#include <openssl/evp.h>
#include <signal.h>

#include "support/tree.h"
#include "tls/base64.h"

/* Made by signify 31 (signify -G -n, signify -S -e). */
#define COMMENT "untrusted comment: "
#define KEY "RWSJqrm7jSkadqldpgoEvbzxNjnKT8dfcFSZm1K7bM0nZhOkNbJfzbtN"
#define PUBLIC COMMENT "hello public key\n" KEY "\n"
#define FIRST COMMENT "verify with k.pub\n"
#define SIGNATURE                                                              \
	"RWSJqrm7jSkadg7PaEANrt23CcZK+gFXUgVI0gRnljnm6tHvfxfivnYwOU6kAVoIEf3"  \
	"kVBXrKgThqaTlI1Q/q2S6xjwoV1DtpQg="
#define MESSAGE "m\n"
#define SIGNED FIRST SIGNATURE "\n" MESSAGE

enum { RAW_SIZE = 104, AT_ROUNDS = 7, AT_CHECKSUM = 24, AT_SEED = 40 };

/* RFC 8032 7.1, test 2. */
static const uint8_t seed[32] = "\x4c\xcd\x08\x9b\x28\xff\x96\xda\x9d\xb6\xc3"
				"\x46\xec\x11\x4e\x0f\x5b\x8a\x31\x9f\x35\xab"
				"\xa6\x24\xda\x8c\xf6\xed\x4f\xb8\xa6\xfb";
static const uint8_t point[32] = "\x3d\x40\x17\xc3\xe8\x43\x89\x5a\x92\xb7\x0a"
				 "\xa7\x4d\x1b\x7e\xbc\x9c\x98\x2c\xcf\x2e\xc4"
				 "\x96\x8c\xc0\xcd\x55\xf1\x2a\xf4\x66\x0c";
static const uint8_t rfc_signature[64] =
    "\x92\xa0\x09\xa9\xf0\xd4\xca\xb8\x72\x0e\x82\x0b\x5f\x64\x25\x40"
    "\xa2\xb2\x7b\x54\x16\x50\x3f\x8f\xb3\x76\x22\x23\xeb\xdb\x69\xda"
    "\x08\x5a\xc1\xe4\x3e\x15\x99\x6e\x45\x8f\x36\x13\xd0\xf1\x1d\x8c"
    "\x38\x7b\x2e\xae\xb4\x30\x2a\xee\xb0\x0d\x29\x16\x12\xbb\x0c\x00";

/* The bytes of a secret key as signify -n writes them. */
static void
secret_bytes(uint8_t raw[RAW_SIZE])
{
	uint8_t sum[64];

	memset(raw, 7, RAW_SIZE);
	memcpy(raw, "EdBK\0\0\0\0", 8);
	memcpy(raw + AT_SEED, seed, 32);
	memcpy(raw + AT_SEED + 32, point, 32);
	assert_int_equal(
	    EVP_Digest(raw + AT_SEED, 64, sum, NULL, EVP_sha512(), NULL), 1);
	memcpy(raw + AT_CHECKSUM, sum, 8);
}

/* The text of its file; valid until the next call. */
static struct slice
secret_text(const uint8_t *raw, size_t size)
{
	static uint8_t memory[512];
	struct buf out;

	buf_wrap(&out, memory, sizeof(memory));
	assert_true(buf_str(&out, COMMENT "x secret key\n"));
	assert_true(base64_encode(slice_of(raw, size), &out));
	assert_true(buf_byte(&out, '\n'));
	return buf_view(&out);
}

static struct signify_secret *
rfc_secret(void)
{
	uint8_t raw[RAW_SIZE];
	struct signify_secret *s;
	struct why why;

	secret_bytes(raw);
	why_clear(&why);
	s = signify_secret_parse(secret_text(raw, sizeof(raw)), &why);
	assert_non_null(s);
	assert_string_equal(why.text, "");
	return s;
}

static struct signify_key
key_of(const char *text)
{
	struct signify_key k;

	assert_true(signify_key_parse(slice_str(text), &k));
	return k;
}

/* ----------------------------------------------------------- public keys */

static void
test_key_parse(void **state)
{
	const struct {
		const char *rule;
		struct slice text;
		bool good;
	} rows[] = {
		{ "base64 alone", SLICE(KEY), true },
		{ "and a line feed", SLICE(KEY "\n"), true },
		{ "a file", SLICE(PUBLIC), true },
		{ "a file without the last line feed", SLICE(COMMENT "c\n" KEY),
		    true },
		{ "an empty comment", SLICE(COMMENT "\n" KEY "\n"), true },
		{ "nothing", SLICE(""), false },
		{ "a comment alone", SLICE(COMMENT "c\n"), false },
		{ "a comment without an end", SLICE(COMMENT "c"), false },
		{ "another comment", SLICE("comment: c\n" KEY "\n"), false },
		{ "two line feeds", SLICE(KEY "\n\n"), false },
		{ "CRLF", SLICE(KEY "\r\n"), false },
		{ "CRLF in a file", SLICE(COMMENT "c\r\n" KEY "\r\n"), false },
		{ "a blank before it", SLICE(" " KEY), false },
		{ "a blank after it", SLICE(KEY " "), false },
		{ "a third line", SLICE(PUBLIC "x"), false },
		{ "a line between", SLICE(COMMENT "c\n\n" KEY "\n"), false },
		{ "one character less",
		    SLICE("WSJqrm7jSkadqldpgoEvbzxNjnKT8dfcFSZm1K7bM0nZhOkNbJfz"
			  "btN"),
		    false },
		{ "another algorithm",
		    SLICE("RXSJqrm7jSkadqldpgoEvbzxNjnKT8dfcFSZm1K7bM0nZhOkNb"
			  "JfzbtN"),
		    false },
		{ "a signature", SLICE(SIGNATURE), false },
	};
	struct signify_key k;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check_row(signify_key_parse(rows[i].text, &k) == rows[i].good,
		    rows[i].rule);
}

/* signify's own limit for a first line. */
static void
test_long_comment(void **state)
{
	struct signify_key k;
	struct buf text;

	(void)state;
	for (size_t more = 0; more < 2; more++) {
		buf_init(&text, 4096);
		assert_true(buf_str(&text, COMMENT));
		while (text.len < SIGNIFY_COMMENT_MAX + more)
			assert_true(buf_byte(&text, 'c'));
		assert_true(buf_str(&text, "\n" KEY "\n"));
		assert_int_equal(
		    signify_key_parse(buf_view(&text), &k), more == 0);
		buf_fini(&text);
	}
}

static void
test_key_format(void **state)
{
	struct signify_key k = key_of(PUBLIC), other = k;
	uint8_t memory[256];
	struct buf out;

	(void)state;
	buf_wrap(&out, memory, sizeof(memory));
	assert_true(signify_key_format(&k, "hello", &out));
	check_slice(buf_view(&out), SLICE(PUBLIC));
	buf_reset(&out);
	assert_true(signify_key_text(&k, &out));
	check_slice(buf_view(&out), SLICE(KEY));
	assert_int_equal(out.len, SIGNIFY_PUBLIC_TEXT);
	/* All or nothing. */
	buf_wrap(&out, memory, sizeof(PUBLIC) - 2);
	assert_false(signify_key_format(&k, "hello", &out));
	assert_int_equal(out.len, 0);
	buf_wrap(&out, memory, sizeof(memory));
	assert_false(signify_key_format(&k, "a/b", &out));
	assert_int_equal(out.len, 0);

	assert_true(signify_key_equal(&k, &other));
	other.number[7] ^= 1;
	assert_false(signify_key_equal(&k, &other));
	other = k;
	other.point[31] ^= 1;
	assert_false(signify_key_equal(&k, &other));
}

static void
test_names(void **state)
{
	char longest[SIGNIFY_NAME_MAX + 1];
	const struct {
		struct slice name;
		bool good;
	} rows[] = {
		{ SLICE("capsule-1"), true },
		{ SLICE("çiçək 2"), true },
		{ SLICE(""), false },
		{ SLICE("a/b"), false },
		{ SLICE("a\nb"), false },
		{ SLICE("a\0b"), false },
		{ SLICE("a\x7f"), false },
		{ SLICE("a\xff"), false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(signify_name(rows[i].name), rows[i].good);
	memset(longest, 'n', sizeof(longest));
	assert_true(signify_name(slice_of(longest, SIGNIFY_NAME_MAX - 1)));
	assert_false(signify_name(slice_of(longest, SIGNIFY_NAME_MAX)));
}

/* ------------------------------------------------------------- signatures */

static void
test_split(void **state)
{
	const struct {
		const char *rule;
		struct slice text;
		bool good;
	} rows[] = {
		{ "signify's own", SLICE(SIGNED), true },
		{ "of an empty message", SLICE(FIRST SIGNATURE "\n"), true },
		{ "a name with a blank",
		    SLICE(COMMENT "verify with a b.pub\n" SIGNATURE "\n"),
		    true },
		{ "nothing", SLICE(""), false },
		{ "one line", SLICE(FIRST), false },
		{ "no line feed after the signature", SLICE(FIRST SIGNATURE),
		    false },
		{ "another first line",
		    SLICE(COMMENT "signature from x\n" SIGNATURE "\n"), false },
		{ "no name", SLICE(COMMENT "verify with .pub\n" SIGNATURE "\n"),
		    false },
		{ "no .pub", SLICE(COMMENT "verify with k\n" SIGNATURE "\n"),
		    false },
		{ "beginning and end overlap",
		    SLICE(COMMENT "verify withpub\n" SIGNATURE "\n"), false },
		{ "a folder",
		    SLICE(COMMENT "verify with a/k.pub\n" SIGNATURE "\n"),
		    false },
		{ "a control byte",
		    SLICE(COMMENT "verify with \x1bk.pub\n" SIGNATURE "\n"),
		    false },
		{ "a blank at the end of line 1",
		    SLICE(COMMENT "verify with k.pub \n" SIGNATURE "\n"),
		    false },
		{ "CR in line 1",
		    SLICE(COMMENT "verify with k.pub\r\n" SIGNATURE "\n"),
		    false },
		{ "CR in line 2", SLICE(FIRST SIGNATURE "\r\nm\n"), false },
		{ "a blank before the signature",
		    SLICE(FIRST " " SIGNATURE "\nm\n"), false },
		{ "a key instead of a signature", SLICE(FIRST KEY "\n"),
		    false },
		{ "no base64",
		    SLICE(FIRST "the signature was removed from this copy of "
				"the manifest, alas; nobody knows by whom it "
				"was done.\n"),
		    false },
	};
	uint8_t signature[SIGNIFY_SIGNATURE_SIZE];
	struct slice name, message;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check_row(signify_split(rows[i].text, &name, signature,
			      &message) == rows[i].good,
		    rows[i].rule);
	assert_true(signify_split(SLICE(SIGNED), &name, signature, &message));
	check_slice(name, SLICE("k"));
	check_slice(message, SLICE(MESSAGE));
}

static enum signify_result
verify(struct slice text, const struct signify_key *k)
{
	uint8_t signature[SIGNIFY_SIGNATURE_SIZE];
	struct slice name, message;

	if (!signify_split(text, &name, signature, &message))
		return SIGNIFY_MALFORMED;
	return signify_verify(k, signature, message);
}

/* Of all that signify wrote, nothing can be changed but the name in line 1. */
static void
test_verify(void **state)
{
	struct signify_key k = key_of(KEY), other = k;
	char text[] = SIGNED;
	const size_t name_at = strlen(COMMENT "verify with "),
		     second = strlen(FIRST);

	(void)state;
	assert_int_equal(verify(SLICE(SIGNED), &k), SIGNIFY_GOOD);
	for (size_t i = 0; i < sizeof(SIGNED) - 1; i++) {
		enum signify_result got;

		if (i == name_at)
			continue;
		text[i] ^= 1;
		got = verify(slice_of(text, sizeof(SIGNED) - 1), &k);
		text[i] ^= 1;
		assert_int_not_equal(got, SIGNIFY_GOOD);
		if (i < second)
			assert_int_equal(got, SIGNIFY_MALFORMED);
	}
	other.number[0] ^= 1;
	assert_int_equal(verify(SLICE(SIGNED), &other), SIGNIFY_OTHER_KEY);
	other = k;
	memset(other.point, 0, sizeof(other.point));
	assert_int_equal(verify(SLICE(SIGNED), &other), SIGNIFY_BAD);
	assert_int_equal(verify(SLICE(FIRST SIGNATURE "\n"), &k), SIGNIFY_BAD);
	assert_int_equal(verify(SLICE(SIGNED "m"), &k), SIGNIFY_BAD);
}

static void
test_rfc_8032(void **state)
{
	struct signify_secret *s = rfc_secret();
	uint8_t memory[256], signature[SIGNIFY_SIGNATURE_SIZE];
	struct slice name, message;
	struct signify_key k;
	struct buf out;

	(void)state;
	signify_public(s, &k);
	assert_memory_equal(k.point, point, sizeof(point));
	buf_wrap(&out, memory, sizeof(memory));
	assert_true(signify_sign(s, "k", SLICE("\x72"), &out));
	assert_true(slice_starts(buf_view(&out), SLICE(FIRST)));
	assert_true(buf_str(&out, "\x72"));
	assert_true(signify_split(buf_view(&out), &name, signature, &message));
	check_slice(message, SLICE("\x72"));
	assert_memory_equal(signature + 10, rfc_signature, 64);
	assert_int_equal(signify_verify(&k, signature, message), SIGNIFY_GOOD);
	signature[0] = 'e';
	assert_int_equal(
	    signify_verify(&k, signature, message), SIGNIFY_MALFORMED);
	/* All or nothing. */
	buf_wrap(&out, memory, strlen(FIRST) + SIGNIFY_SIGNATURE_TEXT);
	assert_false(signify_sign(s, "k", SLICE("\x72"), &out));
	assert_int_equal(out.len, 0);
	buf_wrap(&out, memory, sizeof(memory));
	assert_false(signify_sign(s, "k\nm", SLICE("\x72"), &out));
	assert_int_equal(out.len, 0);
	signify_secret_free(&s);
}

/* ------------------------------------------------------------ secret keys */

static void
test_secret_refused(void **state)
{
	static const struct {
		const char *rule;
		size_t at; /* the byte that differs */
		const char *want;
	} rows[] = {
		{ "another algorithm", 0, "invalid signify secret key" },
		{ "another derivation", 2, "invalid signify secret key" },
		{ "a passphrase", AT_ROUNDS, "has a passphrase" },
		{ "a checksum", AT_CHECKSUM, "checksum" },
		{ "a seed", AT_SEED, "checksum" },
		{ "a point", RAW_SIZE - 1, "checksum" },
	};
	uint8_t raw[RAW_SIZE], sum[64];
	struct why why;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		secret_bytes(raw);
		raw[rows[i].at] ^= 1;
		check_row(signify_secret_parse(
			      secret_text(raw, sizeof(raw)), &why) == NULL,
		    rows[i].rule);
		check_row(strstr(why.text, rows[i].want) != NULL, rows[i].rule);
	}
	/* A checksum that fits does not make up for halves that do not. */
	raw[RAW_SIZE - 1] ^= 2;
	assert_int_equal(
	    EVP_Digest(raw + AT_SEED, 64, sum, NULL, EVP_sha512(), NULL), 1);
	memcpy(raw + AT_CHECKSUM, sum, 8);
	assert_null(signify_secret_parse(secret_text(raw, sizeof(raw)), &why));
	assert_non_null(strstr(why.text, "halves"));
	why_clear(&why);
	assert_null(
	    signify_secret_parse(secret_text(raw, sizeof(raw) - 1), &why));
	why_clear(&why);
	assert_null(signify_secret_parse(SLICE(PUBLIC), &why));
	why_clear(&why);
	assert_null(signify_secret_parse(SLICE(""), &why));
	assert_string_equal(why.text, "invalid signify secret key");
}

static void
test_generate(void **state)
{
	struct signify_secret *a = signify_generate(), *b = signify_generate();
	struct signify_key first, second;
	uint8_t memory[SIGNIFY_SECRET_MAX];
	const char *path = tree_path("x.sec");
	struct buf out;
	struct why why;

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	signify_public(a, &first);
	signify_public(b, &second);
	assert_memory_not_equal(first.number, second.number, 8);
	assert_memory_not_equal(first.point, second.point, 32);

	buf_wrap(&out, memory, sizeof(memory));
	assert_true(signify_secret_format(a, "x", &out));
	assert_true(
	    slice_starts(buf_view(&out), SLICE(COMMENT "x secret key\nRWRCS")));
	tree_write_bytes("x.sec", buf_view(&out));
	signify_secret_free(&b);
	why_set(&why, "as before");
	b = signify_secret_load(path, &why);
	assert_non_null(b);
	assert_string_equal(why.text, "as before");
	signify_public(b, &second);
	assert_true(signify_key_equal(&first, &second));

	tree_write("x.sec", PUBLIC);
	why_clear(&why);
	assert_null(signify_secret_load(path, &why));
	assert_true(slice_starts(slice_str(why.text), slice_str(path)));
	assert_true(slice_ends(
	    slice_str(why.text), SLICE("x.sec: invalid signify secret key")));
	why_clear(&why);
	assert_null(signify_secret_load("/nonexistent/x.sec", &why));
	assert_string_equal(
	    why.text, "/nonexistent/x.sec: No such file or directory");
	why_clear(&why);
	assert_null(signify_secret_load("/dev/zero", &why));
	assert_string_equal(why.text, "/dev/zero: invalid signify secret key");
	signify_secret_free(&a);
	signify_secret_free(&b);
	assert_null(b);
	signify_secret_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key_parse),
		cmocka_unit_test(test_long_comment),
		cmocka_unit_test(test_key_format),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_verify),
		cmocka_unit_test(test_rfc_8032),
		cmocka_unit_test(test_secret_refused),
		cmocka_unit_test(test_generate),
	};

	return cmocka_run_group_tests(tests, tree_set_up, tree_tear_down);
}
