/* SPDX-License-Identifier: ISC */
#include "archive/verify.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archive/fetcher.h"
#include "support/archive.h"

static struct state st;
static bool recorded;

/* A release of such a list, signed. */
static void
build(struct signify_secret *secret, uint64_t serial, const char *const *words)
{
	struct manifest m = archive_make_manifest(serial, words);
	struct buf list, text;

	buf_init(&list, MANIFEST_MAX);
	buf_init(&text, MANIFEST_MAX);
	snprintf(m.origin, sizeof(m.origin), "gemini://example.org/");
	m.final = true;
	m.bytes = m.largest = 100;
	assert_true(manifest_format(&m, &list));
	assert_true(signify_sign(secret, "one", buf_view(&list), &text) &&
		    buf_put(&text, buf_view(&list)));
	if (!store_build(archive.s, &m, buf_view(&text), &archive.why))
		fail_msg("%s", archive.why.text);
	archive_free_manifest(&m);
	buf_fini(&list);
	buf_fini(&text);
}

/* Two signed releases with "same" in both; the second is current. */
static int
set_up(void **state)
{
	static const char *const one[] = { "d/page", "old", "p", "same", NULL };
	static const char *const two[] = { "page", "new", "q", "same", NULL };
	struct signify_secret *secret = signify_generate();
	struct signify_key key;
	int failed = archive_set_up(state);

	st = (struct state){ 0 };
	signify_public(secret, &key);
	assert_true(keyring_pin(&st.ring, &key));
	build(secret, 1, one);
	build(secret, 2, two);
	archive_switch(2);
	signify_secret_free(&secret);
	return failed;
}

/* STORE/wrong with the hashes of these texts, and what is no hash. */
static void
list_wrong(const char *const *texts)
{
	uint8_t digest[DIGEST_SIZE];
	char hex[DIGEST_HEX_SIZE], text[1024] = "mirror/capsule.tar\n\nzz\n";
	size_t len = strlen(text);

	for (; *texts != NULL; texts++) {
		digest_sha256(slice_str(*texts), digest);
		digest_hex(digest, hex);
		len += (size_t)snprintf(
		    text + len, sizeof(text) - len, "%s\n", hex);
	}
	tree_write("store/wrong", text);
}

static void
discard(void)
{
	if (!repair_discard(archive.s, &recorded, &archive.why))
		fail_msg("%s", archive.why.text);
}

/* With nobody to ask. */
static size_t
finish(void)
{
	struct sources nobody = { .n = 0 };
	struct fetcher f = { .tls = NULL };
	size_t lacking;

	if (!repair_releases(
		archive.s, &st, &f, &nobody, &lacking, &archive.why))
		fail_msg("%s", archive.why.text);
	return lacking;
}

static void
test_nothing_without_a_list(void **state)
{
	(void)state;
	archive_corrupt_object("old", "X");
	discard();
	assert_false(recorded);
	assert_true(tree_exists(archive_object_path("old")));
}

/* What is listed and sound stays: another run may have been here. */
static void
test_only_what_is_wrong_goes(void **state)
{
	static const char *const texts[] = { "old", "same", "nobody's", NULL };

	(void)state;
	archive_corrupt_object("old", "X");
	archive_corrupt_object("new", "X");
	list_wrong(texts);
	discard();
	assert_true(recorded);
	assert_false(tree_exists(archive_object_path("old")));
	assert_true(tree_exists(archive_object_path("same")));
	assert_true(tree_exists(archive_object_path("new")));
	assert_true(tree_exists("store/wrong"));
}

static void
test_every_release_gets_what_came(void **state)
{
	static const char *const texts[] = { "old", "same", NULL };
	uint8_t digest[DIGEST_SIZE];

	(void)state;
	archive_corrupt_object("old", "X");
	archive_corrupt_object("same", "X");
	list_wrong(texts);
	discard();
	archive_add_object("same", digest);
	archive_add_object("old", digest);
	assert_int_equal(finish(), 0);
	tree_check_file("store/releases/1/d/page", SLICE("old"));
	tree_check_file("store/releases/1/p", SLICE("same"));
	tree_check_file("store/releases/2/q", SLICE("same"));
	assert_int_equal(tree_stat("store/releases/2/q").st_nlink, 3);
	assert_false(tree_exists("store/wrong"));
}

/* The rest is linked all the same. */
static void
test_what_nobody_has_is_counted(void **state)
{
	static const char *const texts[] = { "old", "same", NULL };
	uint8_t digest[DIGEST_SIZE];

	(void)state;
	archive_corrupt_object("old", "X");
	archive_corrupt_object("same", "X");
	list_wrong(texts);
	discard();
	archive_add_object("same", digest);
	assert_int_equal(finish(), 1);
	tree_check_file("store/releases/1/p", SLICE("same"));
	assert_false(tree_exists("store/wrong"));
}

/* Its list is lost, or the store trusts its key no more. */
static void
test_a_release_that_does_not_open_is_passed_over(void **state)
{
	static const char *const texts[] = { "old", "new", NULL };

	(void)state;
	archive_corrupt_object("old", "X");
	archive_corrupt_object("new", "X");
	list_wrong(texts);
	discard();
	assert_int_equal(
	    unlink(tree_path("store/releases/1/mirror/MANIFEST")), 0);
	assert_int_equal(finish(), 1);
	st.ring.n = 0;
	assert_int_equal(finish(), 0);
}

#define repair_test(test)                                                      \
	cmocka_unit_test_setup_teardown(test, set_up, archive_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		repair_test(test_nothing_without_a_list),
		repair_test(test_only_what_is_wrong_goes),
		repair_test(test_every_release_gets_what_came),
		repair_test(test_what_nobody_has_is_counted),
		repair_test(test_a_release_that_does_not_open_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
