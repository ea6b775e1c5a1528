/* SPDX-License-Identifier: ISC */
#include "store_help.h"

static void
test_a_mended_object_comes_back(void **state)
{
	static const char *const words[] = { "a", "one", "d/e/f", "one", "g",
		"two", NULL };
	struct manifest m;
	unsigned mended = 9;
	ino_t inode;

	(void)state;
	assert_true(help_try_build(1, "m", words));
	inode = help_stat("store/releases/1/g").st_ino;
	help_rot("one", "O");
	help_check_file("store/releases/1/d/e/f", SLICE("One"));
	m = help_manifest(1, words); /* an object that is linked stays */
	help_check_file(help_object_path("one"), SLICE("One"));
	assert_true(store_discard(help.s, m.entry[0].digest, &help.why));
	help_object("one", m.entry[0].digest);
	assert_int_equal(unlink(tree_path("store/releases/1/a")), 0);
	assert_true(store_relink(help.s, &m, &mended, &help.why));
	assert_int_equal(mended, 2);
	help_check_file("store/releases/1/a", SLICE("one"));
	help_check_file("store/releases/1/d/e/f", SLICE("one"));
	assert_int_equal(help_stat(help_object_path("one")).st_nlink, 3);
	assert_true(help_stat("store/releases/1/g").st_ino == inode);
	assert_true(store_relink(help.s, &m, &mended, &help.why));
	assert_int_equal(mended, 0);
	assert_int_equal(help_entries("store/tmp"), 0);
	help_manifest_free(&m);
}

static void
test_relink_that_cannot(void **state)
{
	static const char *const words[] = { "a", "one", "d/f", "two", NULL };
	struct manifest m;
	unsigned mended;

	(void)state;
	m = help_manifest(2, words);
	assert_false(store_relink(help.s, &m, &mended, &help.why));
	assert_true(help_told("releases: No such file"));
	assert_true(help_try_build(2, "m", words));
	/* A link planted on the way is not followed. */
	assert_int_equal(
	    rename(tree_path("store/releases/2/d"), tree_path("d")), 0);
	tree_link("../../../d", "store/releases/2/d");
	assert_false(store_relink(help.s, &m, &mended, &help.why));
	assert_true(help_told("d/f: "));
	assert_int_equal(unlink(tree_path("store/releases/2/d")), 0);
	assert_true(store_discard(help.s, m.entry[0].digest, &help.why));
	/* Nor does an object that is missing keep the others waiting. */
	assert_true(store_relink(help.s, &m, &mended, &help.why));
	assert_int_equal(mended, 1);
	assert_int_equal(access(tree_path("store/releases/2/a"), F_OK), 0);
	assert_int_equal(access(tree_path("store/releases/2/d/f"), F_OK), 0);
	assert_int_equal(help_entries("store/tmp"), 0);
	help_manifest_free(&m);
}

static void
test_restore_makes_manifest_and_archive_anew(void **state)
{
	static const char *const words[] = { "a", "one", "z/b", "two", NULL };
	struct buf before, after;
	struct manifest m;

	(void)state;
	buf_init(&before, 1 << 20);
	buf_init(&after, 1 << 20);
	m = help_manifest(1, words);
	assert_false(store_restore(help.s, &m, SLICE("m"), &help.why));
	assert_true(help_told("releases: No such file"));
	assert_true(help_try_build(1, "m", words));
	assert_true(file_read_path(
	    tree_path("store/releases/1/mirror/capsule.tar"), &before));
	assert_int_equal(
	    unlink(tree_path("store/releases/1/mirror/MANIFEST")), 0);
	help_cut("store/releases/1/mirror/capsule.tar", 9);
	assert_true(store_restore(help.s, &m, SLICE("m"), &help.why));
	help_check_file("store/releases/1/mirror/MANIFEST", SLICE("m"));
	assert_true(file_read_path(
	    tree_path("store/releases/1/mirror/capsule.tar"), &after));
	assert_true(slice_equal(buf_view(&before), buf_view(&after)));
	assert_int_equal(help_stat(help_object_path("one")).st_nlink, 2);
	help_rot("two", "T");
	assert_true(store_restore_manifest(help.s, 1, SLICE("n"), &help.why));
	help_check_file("store/releases/1/mirror/MANIFEST", SLICE("n"));
	assert_false(store_restore_manifest(help.s, 2, SLICE("n"), &help.why));
	assert_true(help_told("releases: No such file"));
	assert_false(store_restore(help.s, &m, SLICE("m"), &help.why));
	assert_true(help_told("had rotten"));
	assert_int_equal(help_entries("store/tmp"), 0);
	help_manifest_free(&m);
	buf_fini(&after);
	buf_fini(&before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_a_store(test_a_mended_object_comes_back),
		in_a_store(test_relink_that_cannot),
		in_a_store(test_restore_makes_manifest_and_archive_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
