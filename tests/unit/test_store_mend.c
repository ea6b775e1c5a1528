/* SPDX-License-Identifier: ISC */
#include "support/archive.h"

#include "os/file.h"

static void
test_a_mended_object_comes_back(void **state)
{
	static const char *const words[] = { "a", "one", "d/e/f", "one", "g",
		"two", NULL };
	struct manifest m;
	unsigned mended = 9;
	ino_t inode;

	(void)state;
	assert_true(archive_try_build(1, "m", words));
	inode = tree_stat("store/releases/1/g").st_ino;
	archive_corrupt_object("one", "O");
	tree_check_file("store/releases/1/d/e/f", SLICE("One"));
	m = archive_make_manifest(
	    1, words); /* an object that is linked stays */
	tree_check_file(archive_object_path("one"), SLICE("One"));
	assert_true(store_discard(archive.s, m.entry[0].digest, &archive.why));
	archive_add_object("one", m.entry[0].digest);
	assert_int_equal(unlink(tree_path("store/releases/1/a")), 0);
	assert_true(store_relink(archive.s, &m, &mended, &archive.why));
	assert_int_equal(mended, 2);
	tree_check_file("store/releases/1/a", SLICE("one"));
	tree_check_file("store/releases/1/d/e/f", SLICE("one"));
	assert_int_equal(tree_stat(archive_object_path("one")).st_nlink, 3);
	assert_true(tree_stat("store/releases/1/g").st_ino == inode);
	assert_true(store_relink(archive.s, &m, &mended, &archive.why));
	assert_int_equal(mended, 0);
	assert_int_equal(tree_count_entries("store/tmp"), 0);
	archive_free_manifest(&m);
}

static void
test_relink_that_cannot(void **state)
{
	static const char *const words[] = { "a", "one", "d/f", "two", NULL };
	struct manifest m;
	unsigned mended;

	(void)state;
	m = archive_make_manifest(2, words);
	assert_false(store_relink(archive.s, &m, &mended, &archive.why));
	assert_true(archive_failed_with("releases: No such file"));
	assert_true(archive_try_build(2, "m", words));
	/* A link planted on the way is not followed. */
	assert_int_equal(
	    rename(tree_path("store/releases/2/d"), tree_path("d")), 0);
	tree_symlink("../../../d", "store/releases/2/d");
	assert_false(store_relink(archive.s, &m, &mended, &archive.why));
	assert_true(archive_failed_with("d/f: "));
	assert_int_equal(unlink(tree_path("store/releases/2/d")), 0);
	assert_true(store_discard(archive.s, m.entry[0].digest, &archive.why));
	/* Nor does an object that is missing keep the others waiting. */
	assert_true(store_relink(archive.s, &m, &mended, &archive.why));
	assert_int_equal(mended, 1);
	assert_int_equal(access(tree_path("store/releases/2/a"), F_OK), 0);
	assert_int_equal(access(tree_path("store/releases/2/d/f"), F_OK), 0);
	assert_int_equal(tree_count_entries("store/tmp"), 0);
	archive_free_manifest(&m);
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
	m = archive_make_manifest(1, words);
	assert_false(store_restore(archive.s, &m, SLICE("m"), &archive.why));
	assert_true(archive_failed_with("releases: No such file"));
	assert_true(archive_try_build(1, "m", words));
	assert_true(file_read_path(
	    tree_path("store/releases/1/mirror/capsule.tar"), &before));
	assert_int_equal(
	    unlink(tree_path("store/releases/1/mirror/MANIFEST")), 0);
	tree_truncate("store/releases/1/mirror/capsule.tar", 9);
	assert_true(store_restore(archive.s, &m, SLICE("m"), &archive.why));
	tree_check_file("store/releases/1/mirror/MANIFEST", SLICE("m"));
	assert_true(file_read_path(
	    tree_path("store/releases/1/mirror/capsule.tar"), &after));
	assert_true(slice_equal(buf_view(&before), buf_view(&after)));
	assert_int_equal(tree_stat(archive_object_path("one")).st_nlink, 2);
	archive_corrupt_object("two", "T");
	assert_true(
	    store_restore_manifest(archive.s, 1, SLICE("n"), &archive.why));
	tree_check_file("store/releases/1/mirror/MANIFEST", SLICE("n"));
	assert_false(
	    store_restore_manifest(archive.s, 2, SLICE("n"), &archive.why));
	assert_true(archive_failed_with("releases: No such file"));
	assert_false(store_restore(archive.s, &m, SLICE("m"), &archive.why));
	assert_true(archive_failed_with("had rotten"));
	assert_int_equal(tree_count_entries("store/tmp"), 0);
	archive_free_manifest(&m);
	buf_fini(&after);
	buf_fini(&before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		archive_test(test_a_mended_object_comes_back),
		archive_test(test_relink_that_cannot),
		archive_test(test_restore_makes_manifest_and_archive_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
