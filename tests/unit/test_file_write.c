/* SPDX-License-Identifier: ISC */
#include "support/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "os/file.h"

static void
test_write_replaces_whole(void **state)
{
	struct stat st;
	struct buf b;

	(void)state;
	tree_make_dir("d");
	assert_true(file_write(tree_path("d/f"), SLICE("one"), 0600));
	assert_int_equal(stat(tree_path("d/f"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(file_write(tree_path("d/f"), SLICE("two2"), 0644));
	assert_int_equal(stat(tree_path("d/f"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	buf_init(&b, 100);
	assert_true(file_read_path(tree_path("d/f"), &b));
	check_slice(buf_view(&b), SLICE("two2"));
	buf_fini(&b);
	assert_int_equal(tree_count_entries("d"), 1);
}

static void
test_write_that_fails_changes_nothing(void **state)
{
	char path[PATH_MAX + 10];

	(void)state;
	tree_make_dir("d");
	tree_make_dir("d/taken");
	tree_write("d/taken/x", "x");
	assert_false(file_write(tree_path("none/f"), SLICE("x"), 0600));
	assert_int_equal(errno, ENOENT);
	assert_false(file_write(tree_path("d/taken"), SLICE("x"), 0600));
	assert_int_equal(tree_count_entries("d"), 1);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_false(file_write(path, SLICE("x"), 0600));
	assert_int_equal(errno, ENAMETOOLONG);
}

static void
test_write_never_replaces_a_device(void **state)
{
	char got[4] = "";
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(mkfifo(tree_path("pipe"), 0600), 0);
	fd = open(tree_path("pipe"), O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd != -1);
	assert_true(file_write(tree_path("pipe"), SLICE("abc"), 0600));
	assert_int_equal(lstat(tree_path("pipe"), &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(read(fd, got, sizeof(got)), 3);
	tree_symlink("pipe", "l");
	assert_true(file_write(tree_path("l"), SLICE("de"), 0600));
	assert_int_equal(read(fd, got, sizeof(got)), 2);
	assert_int_equal(lstat(tree_path("l"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	close(fd);
}

static void
check_file(const char *path, const char *want)
{
	struct buf b;

	buf_init(&b, 100);
	assert_true(file_read_path(tree_path(path), &b));
	check_slice(buf_view(&b), slice_str(want));
	buf_fini(&b);
}

static void
test_write_follows_links(void **state)
{
	char target[PATH_MAX], loop[PATH_MAX];

	(void)state;
	tree_make_dir("d");
	tree_make_dir("e");
	tree_write("e/f", "old");
	tree_symlink("../e/f", "d/l");
	tree_symlink("l", "d/chain");
	tree_symlink("../e/new", "d/new");
	tree_symlink("../none/f", "d/nowhere");
	tree_symlink("loop", "d/loop");
	assert_true(file_write(tree_path("d/chain"), SLICE("one"), 0600));
	check_file("e/f", "one");
	assert_true(file_write(tree_path("d/new"), SLICE("two"), 0600));
	check_file("e/new", "two");
	assert_int_equal(tree_count_entries("d"), 5);
	assert_int_equal(tree_count_entries("e"), 2);
	assert_int_equal(readlink(tree_path("d/l"), loop, sizeof(loop)), 6);
	assert_int_equal(readlink(tree_path("d/new"), loop, sizeof(loop)), 8);
	assert_false(file_write(tree_path("d/nowhere"), SLICE("x"), 0600));
	assert_int_equal(errno, ENOENT);
	assert_false(file_write(tree_path("d/loop"), SLICE("x"), 0600));
	assert_int_equal(errno, ELOOP);
	assert_true(file_target(tree_path("e/f"), target));
	assert_string_equal(target, tree_path("e/f"));
}

static void
test_replace_takes_the_place_of_a_link(void **state)
{
	struct stat st;

	(void)state;
	tree_make_dir("d");
	tree_write("f", "old");
	tree_symlink("../f", "d/l");
	assert_true(file_replace(tree_path("d/l"), SLICE("new"), 0600));
	assert_int_equal(lstat(tree_path("d/l"), &st), 0);
	assert_true(S_ISREG(st.st_mode));
	check_file("f", "old");
	check_file("d/l", "new");
}

static int
write_with_no_room(void *arg)
{
	struct rlimit before, none;
	bool ok;

	(void)arg;
	(void)signal(SIGXFSZ, SIG_IGN);
	if (getrlimit(RLIMIT_FSIZE, &before) == -1)
		return 1;
	none = before;
	none.rlim_cur = 0;
	if (setrlimit(RLIMIT_FSIZE, &none) == -1)
		return 2;
	ok = file_write(tree_path("open/f"), SLICE("new"), 0600);
	return setrlimit(RLIMIT_FSIZE, &before) == -1 || ok ? 3 : 0;
}

static void
test_write_on_a_full_disk_changes_nothing(void **state)
{
	struct buf b;

	(void)state;
	tree_make_dir("open");
	assert_int_equal(chmod(tree_path("open"), 0777), 0);
	tree_write("open/f", "old");
	assert_int_equal(tree_run_as_nobody(write_with_no_room, NULL), 0);
	assert_int_equal(tree_count_entries("open"), 1);
	buf_init(&b, 100);
	assert_true(file_read_path(tree_path("open/f"), &b));
	check_slice(buf_view(&b), SLICE("old"));
	buf_fini(&b);
}

static void
test_make_dirs(void **state)
{
	char path[PATH_MAX + 10];
	struct stat st;

	(void)state;
	assert_true(file_make_dirs(tree_path("a/b/c"), 0755));
	assert_true(file_make_dirs(tree_path("a/b/c/"), 0755));
	assert_int_equal(stat(tree_path("a/b/c"), &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	tree_write("a/f", "x");
	assert_false(file_make_dirs(tree_path("a/f"), 0755));
	assert_int_equal(errno, ENOTDIR);
	assert_false(file_make_dirs(tree_path("a/f/g"), 0755));
	assert_false(file_make_dirs("", 0755));
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_false(file_make_dirs(path, 0755));
	assert_int_equal(errno, ENAMETOOLONG);
}

static void
test_create_never_replaces(void **state)
{
	struct stat st;
	struct buf b;

	(void)state;
	assert_true(file_create(tree_path("f"), SLICE("one"), 0640));
	assert_int_equal(stat(tree_path("f"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_false(file_create(tree_path("f"), SLICE("two"), 0600));
	assert_int_equal(errno, EEXIST);
	buf_init(&b, 100);
	assert_true(file_read_path(tree_path("f"), &b));
	check_slice(buf_view(&b), SLICE("one"));
	buf_fini(&b);
	/* Nor where a link leads. */
	tree_symlink("nowhere", "l");
	assert_false(file_create(tree_path("l"), SLICE("two"), 0600));
	assert_int_equal(errno, EEXIST);
	assert_int_equal(access(tree_path("nowhere"), F_OK), -1);
	assert_false(file_create(tree_path("none/f"), SLICE("x"), 0600));
	assert_int_equal(errno, ENOENT);
}

#define in_a_tree(test)                                                        \
	cmocka_unit_test_setup_teardown(test, tree_set_up, tree_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_a_tree(test_write_replaces_whole),
		in_a_tree(test_write_that_fails_changes_nothing),
		in_a_tree(test_write_never_replaces_a_device),
		in_a_tree(test_write_follows_links),
		in_a_tree(test_replace_takes_the_place_of_a_link),
		in_a_tree(test_write_on_a_full_disk_changes_nothing),
		in_a_tree(test_make_dirs),
		in_a_tree(test_create_never_replaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
