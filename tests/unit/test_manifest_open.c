/* SPDX-License-Identifier: ISC */
/* Who signed it: the whole file, its first two lines included. */
#include "check.h"

#include <string.h>

#include "archive/manifest.h"

static const char *const headers =
    "# gemini-mirror: 1\n# origin: gemini://example.org/\n# serial: 42\n"
    "# created: 2026-11-22T10:00:00Z\n# final: no\n"
    "# files: 0   bytes: 0   largest: 0\n";

static struct signify_secret *secret[2];
static struct signify_key key[2];
static struct buf file;
static struct why why;
static struct manifest out;
static struct keyring ring;

static int
set_up(void **state)
{
	(void)state;
	buf_init(&file, MANIFEST_MAX);
	for (size_t i = 0; i < 2; i++) {
		secret[i] = signify_generate();
		if (secret[i] == NULL)
			return -1;
		signify_public(secret[i], &key[i]);
	}
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++)
		signify_secret_free(&secret[i]);
	buf_fini(&file);
	return 0;
}

/* Signs the headers and what follows them by the key of that number. */
static void
sign(size_t who, const char *name, const char *more)
{
	char memory[1024];
	struct buf text;

	buf_wrap(&text, memory, sizeof(memory));
	assert_true(buf_printf(&text, "%s%s", headers, more));
	buf_reset(&file);
	assert_true(signify_sign(secret[who], name, buf_view(&text), &file));
	assert_true(buf_put(&file, buf_view(&text)));
}

static enum manifest_result
open_with(size_t n, const struct keyring_key **signer)
{
	enum manifest_result result;

	ring = (struct keyring){ .n = 0 };
	for (size_t i = 0; i < n; i++)
		ring.key[ring.n++].key = key[i];
	why_clear(&why);
	result = manifest_open(buf_view(&file), &ring, signer, &out, &why);
	assert_int_equal(result == MANIFEST_GOOD, why.text[0] == '\0');
	return result;
}

static void
test_signed_by_one_of_the_keys(void **state)
{
	const struct keyring_key *signer = NULL;
	uint8_t digest[DIGEST_SIZE];
	struct slice part;

	(void)state;
	sign(1, "k", "# signed-with: k.pub\n");
	assert_int_equal(open_with(2, &signer), MANIFEST_GOOD);
	assert_ptr_equal(signer, &ring.key[1]);
	assert_int_equal(out.serial, 42);
	assert_true(slice_cut(buf_view(&file), '\n', &part, &part));
	assert_true(slice_cut(part, '\n', &part, &part));
	assert_true(slice_starts(part, slice_str(headers)));
	digest_sha256(part, digest);
	assert_true(digest_equal(out.digest, digest));
	manifest_fini(&out);
	assert_int_equal(open_with(2, NULL), MANIFEST_GOOD);
	manifest_fini(&out);
}

static void
test_signed_by_none_of_them(void **state)
{
	(void)state;
	sign(1, "k", "");
	assert_int_equal(open_with(1, NULL), MANIFEST_UNSIGNED);
	check_row(strstr(why.text, "signed by key ") == why.text &&
		      strstr(why.text, ", which is not trusted here "
				       "(trusted: ") != NULL,
	    why.text);
	assert_int_equal(open_with(0, NULL), MANIFEST_UNSIGNED);
	memcpy(key[0].number, key[1].number, sizeof(key[0].number));
	assert_int_equal(open_with(1, NULL), MANIFEST_UNSIGNED);
	assert_non_null(strstr(why.text, "the signature is wrong (key "));
	/* Two keys of one number: the right one is found. */
	assert_int_equal(open_with(2, NULL), MANIFEST_GOOD);
	manifest_fini(&out);
	signify_public(secret[0], &key[0]);
}

/* Nothing can be changed, line 1 included. */
static void
test_every_bit_counts(void **state)
{
	(void)state;
	sign(0, "k", "# signed-with: k.pub\n");
	for (size_t i = 0; i < file.len; i++) {
		uint8_t bit = (uint8_t)(1 << i % 8);

		file.ptr[i] ^= bit;
		assert_int_equal(open_with(2, NULL), MANIFEST_UNSIGNED);
		file.ptr[i] ^= bit;
	}
	assert_int_equal(open_with(2, NULL), MANIFEST_GOOD);
	manifest_fini(&out);
	assert_true(buf_byte(&file, '\n'));
	assert_int_equal(open_with(2, NULL), MANIFEST_UNSIGNED);
	buf_truncate(&file, file.len - 2);
	assert_int_equal(open_with(2, NULL), MANIFEST_UNSIGNED);
}

/* A manifest that does not say what signed it leaves line 1 any name. */
static void
test_name_in_line_1(void **state)
{
	(void)state;
	sign(0, "another", "");
	assert_int_equal(open_with(2, NULL), MANIFEST_GOOD);
	manifest_fini(&out);
	sign(0, "another", "# signed-with: k.pub\n");
	assert_int_equal(open_with(2, NULL), MANIFEST_UNSIGNED);
	assert_string_equal(
	    why.text, "line 1 does not name the key that signed-with does");
}

static void
test_signed_but_invalid(void **state)
{
	(void)state;
	sign(0, "k", "# signed-with: k.pub\n# a comment\n");
	assert_int_equal(open_with(2, NULL), MANIFEST_UNSOUND);
	assert_string_equal(
	    why.text, "line 8: not \"# name: value\": # a comment");
}

static void
test_other_documents(void **state)
{
	(void)state;
	buf_reset(&file);
	assert_int_equal(open_with(2, NULL), MANIFEST_UNSIGNED);
	assert_true(buf_str(&file, "# Welcome\n\nA page.\n"));
	assert_int_equal(open_with(2, NULL), MANIFEST_UNSIGNED);
	assert_string_equal(why.text, "not a signed manifest");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signed_by_one_of_the_keys),
		cmocka_unit_test(test_signed_by_none_of_them),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_name_in_line_1),
		cmocka_unit_test(test_signed_but_invalid),
		cmocka_unit_test(test_other_documents),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
