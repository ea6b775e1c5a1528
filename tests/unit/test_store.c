/* SPDX-License-Identifier: ISC */
#include "store_help.h"

#include <sys/file.h>

static void
test_open_makes_a_store_whatever_the_umask(void **state)
{
	static const char *const dirs[] = { "store", "store/objects",
		"store/releases", "store/tmp" };
	mode_t old = umask(0077);

	(void)state;
	help_close();
	assert_int_equal(rmdir(tree_path("store/tmp")), 0);
	assert_int_equal(unlink(tree_path("store/lock")), 0);
	assert_int_equal(rmdir(tree_path("store/objects")), 0);
	assert_int_equal(rmdir(tree_path("store/releases")), 0);
	assert_int_equal(rmdir(tree_path("store")), 0);
	assert_false(help_try_open(false));
	assert_true(help_told("there is no store"));
	help_open();
	(void)umask(old);
	for (size_t i = 0; i < 4; i++)
		check_row(
		    (help_stat(dirs[i]).st_mode & 07777) == 0755, dirs[i]);
	assert_int_equal(help_stat("store/lock").st_mode & 07777, 0600);
	assert_int_equal(help_entries("store/tmp"), 0);
}

static void
test_open_makes_parents_and_takes_a_slash(void **state)
{
	struct store *s;

	(void)state;
	s = store_open(tree_path("a/b/store//"), true, &help.why);
	assert_non_null(s);
	assert_true(store_is(tree_path("a/b/store")) == false);
	assert_int_equal(store_lock(s, &help.why), STORE_LOCKED);
	assert_true(store_is(tree_path("a/b/store")));
	store_close(&s);
	assert_null(s);
	store_close(&s);
}

static void
test_open_refuses_what_is_no_store(void **state)
{
	(void)state;
	help_close();
	tree_dir("other");
	tree_file("other/thesis.txt", "x");
	assert_int_equal(rename(tree_path("store"), tree_path("good")), 0);
	assert_int_equal(rename(tree_path("other"), tree_path("store")), 0);
	assert_false(help_try_open(true));
	assert_true(help_told("neither a store nor an empty directory"));
	assert_false(help_try_open(false));
	assert_true(help_told("is no store"));
	assert_int_equal(help_entries("store"), 1);
	assert_false(store_is(tree_path("store")));
	assert_false(store_is(tree_path("none")));
	assert_true(store_is(tree_path("good")));
}

static void
test_a_store_half_made_is_gone_on_with(void **state)
{
	(void)state;
	help_close();
	assert_int_equal(unlink(tree_path("store/lock")), 0);
	assert_int_equal(rmdir(tree_path("store/releases")), 0);
	assert_false(store_is(tree_path("store")));
	help_open();
	assert_true(store_is(tree_path("store")));
}

/* What somebody who may write here could plant: nothing is opened through it. */
static void
test_no_part_of_it_may_be_a_link(void **state)
{
	static const char *const parts[] = { "objects", "releases", "tmp" };
	char name[64];

	(void)state;
	tree_dir("elsewhere");
	tree_file("elsewhere/precious", "x");
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(name, sizeof(name), "store/%s", parts[i]);
		assert_int_equal(rmdir(tree_path(name)), 0);
		tree_link("../elsewhere", name);
		check_row(
		    !help_try_open(true) ||
			store_lock(help.s, &help.why) == STORE_LOCK_FAILED,
		    parts[i]);
		check_row(help_told("is a symbolic link"), parts[i]);
		assert_int_equal(unlink(tree_path(name)), 0);
		assert_int_equal(mkdir(tree_path(name), 0755), 0);
	}
	assert_true(help_try_open(true));
	assert_int_equal(unlink(tree_path("store/lock")), 0);
	tree_link("../elsewhere/precious", "store/lock");
	assert_int_equal(store_lock(help.s, &help.why), STORE_LOCK_FAILED);
	assert_true(help_told("lock"));
	help_check_file("elsewhere/precious", SLICE("x"));
	assert_int_equal(help_entries("elsewhere"), 1);
}

static void
test_lock_is_for_one(void **state)
{
	struct store *second;

	(void)state;
	second = store_open(tree_path("store"), false, &help.why);
	assert_non_null(second);
	assert_int_equal(store_lock(second, &help.why), STORE_BUSY);
	assert_true(help_told("is locked"));
	assert_int_equal(store_lock(help.s, &help.why), STORE_LOCKED);
	store_close(&help.s);
	assert_int_equal(store_lock(second, &help.why), STORE_LOCKED);
	store_close(&second);
}

/* flock wants no right but to open: a lock that all may read, all may hold. */
static void
test_lock_is_not_for_others(void **state)
{
	(void)state;
	help_close();
	assert_int_equal(chmod(tree_path("store/lock"), 0644), 0);
	help_open();
	assert_int_equal(help_stat("store/lock").st_mode & 07777, 0600);
}

static void
test_lock_sweeps_what_was_left(void **state)
{
	static const char *const words[] = { "a/b", "x", NULL };
	char deep[1200] = "store/tmp/gone.1.1";

	(void)state;
	assert_true(help_try_build(7, "m", words));
	help_close();
	tree_dir("store/releases/8.new");
	tree_file("store/releases/8.new/f", "x");
	tree_file("store/tmp/new.1.1", "x");
	tree_link("/etc", "store/tmp/link");
	for (size_t i = 0; i < 500; i++) {
		tree_dir(deep);
		(void)snprintf(deep + strlen(deep), 3, "/d");
	}
	help_open();
	assert_int_equal(help_entries("store/tmp"), 0);
	assert_int_equal(help_entries("store/releases"), 1);
	assert_true(help_is_there("store/releases/7/a/b"));
}

/* Names that an earlier process has taken are no hindrance. */
static void
test_sweep_finds_names_that_are_free(void **state)
{
	char name[64];

	(void)state;
	for (unsigned long i = 0; i < 6; i++) {
		(void)snprintf(name, sizeof(name), "store/tmp/%s.%ld.%lu",
		    i < 3 ? "gone" : "new", (long)getpid(), help.s->made + i);
		tree_dir(name);
		(void)snprintf(name + strlen(name), 3, "/x");
		tree_dir(name);
	}
	tree_dir("store/thing");
	tree_dir("store/thing/y");
	assert_true(store_throw(help.s, help.s->root, "thing"));
	assert_true(store_throw(help.s, help.s->root, "thing"));
	assert_true(
	    store_put_file(help.s, help.s->root, "f", SLICE("text"), 0640));
	assert_int_equal(help_stat("store/f").st_mode & 07777, 0640);
	assert_true(store_sweep(help.s, false));
	assert_int_equal(help_entries("store/tmp"), 3);
	assert_true(store_sweep(help.s, true));
	assert_int_equal(help_entries("store/tmp"), 0);
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
	result = store_lock(s, &why) == STORE_LOCK_FAILED &&
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

/* Reading needs no right to write; writing says what is missing. */
static void
test_others_may_look(void **state)
{
	(void)state;
	store_close(&help.s);
	tree_dir("mine");
	assert_int_equal(chmod(tree_path("store/lock"), 0600), 0);
	if (geteuid() != 0) {
		assert_int_equal(chmod(tree_path("mine"), 0555), 0);
		assert_int_equal(chmod(tree_path("store/lock"), 0400), 0);
	}
	assert_int_equal(tree_as_nobody(use_as_nobody, NULL), 0);
}

static void
test_trace_is_put_there_whole(void **state)
{
	(void)state;
	assert_true(store_write_trace(help.s, SLICE("one\n"), &help.why));
	assert_true(store_write_trace(help.s, SLICE("two\n"), &help.why));
	help_check_file("store/trace", SLICE("two\n"));
	assert_int_equal(help_stat("store/trace").st_mode & 07777, 0644);
	assert_int_equal(unlink(tree_path("store/trace")), 0);
	tree_dir("store/trace");
	tree_file("store/trace/x", "x");
	assert_false(store_write_trace(help.s, SLICE("two\n"), &help.why));
	assert_true(help_told("trace: Is a directory"));
	assert_int_equal(help_entries("store/tmp"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_a_store(test_open_makes_a_store_whatever_the_umask),
		in_a_store(test_open_makes_parents_and_takes_a_slash),
		in_a_store(test_open_refuses_what_is_no_store),
		in_a_store(test_a_store_half_made_is_gone_on_with),
		in_a_store(test_no_part_of_it_may_be_a_link),
		in_a_store(test_lock_is_for_one),
		in_a_store(test_lock_is_not_for_others),
		in_a_store(test_lock_sweeps_what_was_left),
		in_a_store(test_sweep_finds_names_that_are_free),
		in_a_store(test_others_may_look),
		in_a_store(test_trace_is_put_there_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
