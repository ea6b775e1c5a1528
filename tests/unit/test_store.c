/* SPDX-License-Identifier: ISC */
#include "support/archive.h"

#include <errno.h>
#include <sys/file.h>

static void
test_open_makes_a_store_whatever_the_umask(void **state)
{
	static const char *const dirs[] = { "store", "store/objects",
		"store/releases", "store/tmp" };
	mode_t old = umask(0077);

	(void)state;
	archive_close();
	assert_int_equal(rmdir(tree_path("store/tmp")), 0);
	assert_int_equal(unlink(tree_path("store/lock")), 0);
	assert_int_equal(rmdir(tree_path("store/objects")), 0);
	assert_int_equal(rmdir(tree_path("store/releases")), 0);
	assert_int_equal(rmdir(tree_path("store")), 0);
	assert_false(archive_try_open(false));
	assert_true(archive_failed_with("no such store"));
	archive_open();
	umask(old);
	for (size_t i = 0; i < 4; i++)
		check_row(
		    (tree_stat(dirs[i]).st_mode & 07777) == 0755, dirs[i]);
	assert_int_equal(tree_stat("store/lock").st_mode & 07777, 0600);
	assert_int_equal(tree_count_entries("store/tmp"), 0);
}

static void
test_open_makes_parents_and_takes_a_slash(void **state)
{
	struct store *s;

	(void)state;
	s = store_open(tree_path("a/b/store//"), true, &archive.why);
	assert_non_null(s);
	assert_true(store_is(tree_path("a/b/store")) == false);
	assert_int_equal(store_lock(s, &archive.why), RESULT_GOOD);
	assert_true(store_is(tree_path("a/b/store")));
	store_close(&s);
	assert_null(s);
	store_close(&s);
}

static void
test_open_refuses_other_directories(void **state)
{
	(void)state;
	archive_close();
	tree_make_dir("other");
	tree_write("other/thesis.txt", "x");
	assert_int_equal(rename(tree_path("store"), tree_path("good")), 0);
	assert_int_equal(rename(tree_path("other"), tree_path("store")), 0);
	assert_false(archive_try_open(true));
	assert_true(
	    archive_failed_with("neither a store nor an empty directory"));
	assert_false(archive_try_open(false));
	assert_true(archive_failed_with("not a store"));
	assert_int_equal(tree_count_entries("store"), 1);
	assert_false(store_is(tree_path("store")));
	assert_false(store_is(tree_path("none")));
	assert_true(store_is(tree_path("good")));
}

static void
test_half_made_store_is_completed(void **state)
{
	(void)state;
	archive_close();
	assert_int_equal(unlink(tree_path("store/lock")), 0);
	assert_int_equal(rmdir(tree_path("store/releases")), 0);
	assert_false(store_is(tree_path("store")));
	archive_open();
	assert_true(store_is(tree_path("store")));
}

/* What an attacker who may write here could plant: nothing is opened through
 * it. */
static void
test_no_part_of_it_may_be_a_link(void **state)
{
	static const char *const parts[] = { "objects", "releases", "tmp" };
	char name[64];

	(void)state;
	tree_make_dir("elsewhere");
	tree_write("elsewhere/precious", "x");
	for (size_t i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "store/%s", parts[i]);
		assert_int_equal(rmdir(tree_path(name)), 0);
		tree_symlink("../elsewhere", name);
		check_row(
		    !archive_try_open(true) ||
			store_lock(archive.s, &archive.why) == RESULT_LOCAL,
		    parts[i]);
		check_row(archive_failed_with("symbolic link: "), parts[i]);
		assert_int_equal(unlink(tree_path(name)), 0);
		assert_int_equal(mkdir(tree_path(name), 0755), 0);
	}
	assert_true(archive_try_open(true));
	assert_int_equal(unlink(tree_path("store/lock")), 0);
	tree_symlink("../elsewhere/precious", "store/lock");
	assert_int_equal(store_lock(archive.s, &archive.why), RESULT_LOCAL);
	assert_true(archive_failed_with("lock"));
	tree_check_file("elsewhere/precious", SLICE("x"));
	assert_int_equal(tree_count_entries("elsewhere"), 1);
}

static void
test_lock_is_exclusive(void **state)
{
	struct store *second;

	(void)state;
	second = store_open(tree_path("store"), false, &archive.why);
	assert_non_null(second);
	assert_int_equal(store_lock(second, &archive.why), RESULT_FAILED);
	assert_true(archive_failed_with("in use by another run"));
	assert_int_equal(store_lock(archive.s, &archive.why), RESULT_GOOD);
	store_close(&archive.s);
	assert_int_equal(store_lock(second, &archive.why), RESULT_GOOD);
	store_close(&second);
}

/* flock wants no right but to open: a lock that all may read, all may hold. */
static void
test_lock_is_private(void **state)
{
	(void)state;
	archive_close();
	assert_int_equal(chmod(tree_path("store/lock"), 0644), 0);
	archive_open();
	assert_int_equal(tree_stat("store/lock").st_mode & 07777, 0600);
}

static void
test_lock_removes_leftovers(void **state)
{
	static const char *const words[] = { "a/b", "x", NULL };
	char deep[1200] = "store/tmp/gone.1.1";

	(void)state;
	assert_true(archive_try_build(7, "m", words));
	archive_close();
	tree_make_dir("store/releases/8.new");
	tree_write("store/releases/8.new/f", "x");
	tree_write("store/tmp/new.1.1", "x");
	tree_symlink("/etc", "store/tmp/link");
	for (size_t i = 0; i < 500; i++) {
		tree_make_dir(deep);
		snprintf(deep + strlen(deep), 3, "/d");
	}
	archive_open();
	assert_int_equal(tree_count_entries("store/tmp"), 0);
	assert_int_equal(tree_count_entries("store/releases"), 1);
	assert_true(tree_exists("store/releases/7/a/b"));
}

/* Names that an earlier process has taken are no hindrance. */
static void
test_sweep_frees_names(void **state)
{
	char name[64];

	(void)state;
	for (unsigned long i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "store/tmp/%s.%lu",
		    i < 3 ? "gone" : "new", archive.s->made + i);
		tree_make_dir(name);
		snprintf(name + strlen(name), 3, "/x");
		tree_make_dir(name);
	}
	tree_make_dir("store/thing");
	tree_make_dir("store/thing/y");
	assert_true(store_throw(archive.s, archive.s->root, "thing"));
	assert_true(store_throw(archive.s, archive.s->root, "thing"));
	assert_true(store_put_file(
	    archive.s, archive.s->root, "f", SLICE("text"), 0640));
	assert_int_equal(tree_stat("store/f").st_mode & 07777, 0640);
	assert_true(store_sweep(archive.s));
	assert_int_equal(tree_count_entries("store/tmp"), 0);
}

static int
use_as_nobody(void *arg)
{
	struct store *s;
	struct why why;
	int result;

	(void)arg;
	s = store_open(tree_path("store"), false, &why);
	if (s == NULL)
		return 1;
	result = store_lock(s, &why) == RESULT_LOCAL &&
			 strstr(why.text, "Permission denied") != NULL
		     ? 0
		     : 2;
	store_close(&s);
	why_clear(&why);
	s = store_open(tree_path("mine/store"), true, &why);
	if (s != NULL || strstr(why.text, "Permission denied") == NULL)
		result = 3;
	return result;
}

/* Reading needs no write permission; writing reports what is missing. */
static void
test_others_may_look(void **state)
{
	(void)state;
	store_close(&archive.s);
	tree_make_dir("mine");
	assert_int_equal(chmod(tree_path("store/lock"), 0600), 0);
	if (geteuid() != 0) {
		assert_int_equal(chmod(tree_path("mine"), 0555), 0);
		assert_int_equal(chmod(tree_path("store/lock"), 0400), 0);
	}
	assert_int_equal(tree_run_as_nobody(use_as_nobody, NULL), 0);
}

static bool
put_trace(const char *text)
{
	return store_put_file(
	    archive.s, archive.s->root, "trace", slice_str(text), 0644);
}

static void
test_file_is_replaced_whole(void **state)
{
	(void)state;
	assert_true(put_trace("one\n"));
	assert_true(put_trace("two\n"));
	tree_check_file("store/trace", SLICE("two\n"));
	assert_int_equal(tree_stat("store/trace").st_mode & 07777, 0644);
	assert_int_equal(unlink(tree_path("store/trace")), 0);
	tree_make_dir("store/trace");
	tree_write("store/trace/x", "x");
	assert_false(put_trace("two\n"));
	assert_int_equal(errno, EISDIR);
	assert_int_equal(tree_count_entries("store/tmp"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		archive_test(test_open_makes_a_store_whatever_the_umask),
		archive_test(test_open_makes_parents_and_takes_a_slash),
		archive_test(test_open_refuses_other_directories),
		archive_test(test_half_made_store_is_completed),
		archive_test(test_no_part_of_it_may_be_a_link),
		archive_test(test_lock_is_exclusive),
		archive_test(test_lock_is_private),
		archive_test(test_lock_removes_leftovers),
		archive_test(test_sweep_frees_names),
		archive_test(test_others_may_look),
		archive_test(test_file_is_replaced_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
