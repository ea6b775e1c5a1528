/* SPDX-License-Identifier: ISC */
#include "support/root.h"

#include <errno.h>
#include <fcntl.h>

#include "os/file.h"
#include "os/file_internal.h"
#include "support/tree.h"

typedef enum file_open opener(int, const char *, int *, struct stat *);

/* Each path-safety row, for either way of opening. */
struct opening {
	const char *rule;
	const char *path;
	enum file_open kernel;
	enum file_open walk;
};

static const struct opening openings[] = {
	{ "A1 the root itself", "", FILE_OPENED, FILE_OPENED },
	{ "a file", "a.txt", FILE_OPENED, FILE_OPENED },
	{ "A23 a directory", "dir", FILE_OPENED, FILE_OPENED },
	{ "a directory and its slash", "dir/", FILE_OPENED, FILE_OPENED },
	{ "a file further down", "dir/sub/b.txt", FILE_OPENED, FILE_OPENED },
	{ "slashes in a row", "dir//sub///b.txt", FILE_OPENED, FILE_OPENED },
	{ "missing", "none", FILE_ABSENT, FILE_ABSENT },
	{ "missing on the way", "none/b.txt", FILE_ABSENT, FILE_ABSENT },
	{ "A27 a file with a slash", "a.txt/", FILE_ABSENT, FILE_ABSENT },
	{ "1.1.3 a file as a directory", "a.txt/b", FILE_ABSENT, FILE_ABSENT },
	{ "A30 an absolute path", "/etc/passwd", FILE_ABSENT, FILE_ABSENT },
	{ "A32 above the root", "../outside", FILE_ABSENT, FILE_ABSENT },
	{ "A32 above by detour", "dir/../../outside", FILE_ABSENT,
	    FILE_ABSENT },
	{ "A48 a link out", "out", FILE_ABSENT, FILE_ABSENT },
	{ "A48 an absolute link out", "etc", FILE_ABSENT, FILE_ABSENT },
	{ "A48 through a link out", "etc/passwd", FILE_ABSENT, FILE_ABSENT },
	{ "A48 a link to itself", "loop", FILE_ABSENT, FILE_ABSENT },
	{ "A48 a link by /proc", "magic", FILE_ABSENT, FILE_ABSENT },
	{ "a link that stays in", "in", FILE_OPENED, FILE_ABSENT },
	{ "a directory's link that stays in", "indir/b.txt", FILE_OPENED,
	    FILE_ABSENT },
	{ "A49 a FIFO", "fifo", FILE_ABSENT, FILE_ABSENT },
	{ "A49 a socket", "socket", FILE_ABSENT, FILE_ABSENT },
};

static void
try_opening(
    opener *open_it, int root, const struct opening *row, enum file_open want)
{
	struct stat st;
	int fd = -1;

	check_row(open_it(root, row->path, &fd, &st) == want, row->rule);
	if (want != FILE_OPENED)
		return;
	check_row(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode), row->rule);
	check_row((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0, row->rule);
	check_row(close(fd) == 0, row->rule);
}

static void
test_open_beneath_never_leaves_the_root(void **state)
{
	size_t i;
	int root;

	(void)state;
	root_make_files();
	root = file_root(tree_path("root"));
	assert_int_not_equal(root, -1);
	for (i = 0; i < sizeof(openings) / sizeof(openings[0]); i++) {
		if (file_has_openat2())
			try_opening(file_open_kernel, root, &openings[i],
			    openings[i].kernel);
		try_opening(
		    file_open_walk, root, &openings[i], openings[i].walk);
	}
	close(root);
}

static void
test_open_beneath_can_be_made_to_walk(void **state)
{
	struct stat st;
	int fd = -1;
	int root;

	(void)state;
	root_make_files();
	root = file_root(tree_path("root"));
	file_force_walk(true);
	assert_int_equal(file_open_beneath(root, "in", &fd, &st), FILE_ABSENT);
	file_force_walk(false);
	assert_int_equal(file_open_beneath(root, "in", &fd, &st),
	    file_has_openat2() ? FILE_OPENED : FILE_ABSENT);
	if (fd != -1)
		close(fd);
	close(root);
}

static opener *const openers[] = { file_open_kernel, file_open_walk };

static void
test_too_long_name_is_absent(void **state)
{
	char path[1100];
	struct stat st;
	size_t i;
	int fd;
	int root = file_root(tree_path(""));

	(void)state;
	memset(path, 'x', sizeof(path));
	for (i = 0; i < 2; i++) {
		if (i == 0 && !file_has_openat2())
			continue;
		path[1024] = '\0'; /* rule 1.1.3 */
		assert_int_equal(openers[i](root, path, &fd, &st), FILE_ABSENT);
		path[NAME_MAX + 1] = '\0';
		assert_int_equal(openers[i](root, path, &fd, &st), FILE_ABSENT);
		path[1024] = path[NAME_MAX + 1] = 'x';
	}
	close(root);
}

/* Root can read files of mode 0000: hence as nobody. */
static int
unreadable_is_absent(void *arg)
{
	int root = *(int *)arg;
	struct stat st;
	size_t i;
	int fd;

	for (i = 0; i < 2; i++) {
		if (i == 0 && !file_has_openat2())
			continue;
		if (openers[i](root, "secret", &fd, &st) != FILE_ABSENT ||
		    openers[i](root, "shut/a", &fd, &st) != FILE_ABSENT ||
		    openers[i](root, "shut", &fd, &st) != FILE_ABSENT ||
		    openers[i](root, "search/a", &fd, &st) != FILE_OPENED)
			return 1;
	}
	return 0;
}

static void
test_A50_unreadable_is_absent(void **state)
{
	int root;

	(void)state;
	tree_make_dir("shut");
	tree_make_dir("search");
	tree_write("shut/a", "a");
	tree_write("search/a", "a");
	tree_write("secret", "a");
	root = file_root(tree_path(""));
	assert_int_equal(chmod(tree_path("secret"), 0), 0);
	assert_int_equal(chmod(tree_path("shut"), 0), 0);
	assert_int_equal(chmod(tree_path("search"), 0711), 0);
	assert_int_equal(tree_run_as_nobody(unreadable_is_absent, &root), 0);
	assert_int_equal(chmod(tree_path("shut"), 0700), 0);
	close(root);
}

static void
test_no_descriptors_left_is_not_absent(void **state)
{
	struct stat st;
	size_t i;
	int fd;
	int root;

	(void)state;
	tree_write("a", "a");
	root = file_root(tree_path(""));
	descriptors_limit(0);
	for (i = 0; i < 2; i++)
		if (i == 1 || file_has_openat2())
			assert_int_equal(
			    openers[i](root, "a", &fd, &st), FILE_EXHAUSTED);
	descriptors_unlimit();
	close(root);
}

static void
test_root_is_a_directory(void **state)
{
	(void)state;
	tree_write("a", "a");
	assert_int_equal(file_root(tree_path("a")), -1);
	assert_int_equal(errno, ENOTDIR);
	assert_int_equal(file_root(tree_path("none")), -1);
	assert_int_equal(errno, ENOENT);
}

static void
test_read(void **state)
{
	static uint8_t big[40000];
	struct buf b;

	(void)state;
	tree_write_bytes("big", slice_of(big, sizeof(big)));
	buf_init(&b, sizeof(big));
	assert_true(file_read_path(tree_path("big"), &b));
	assert_int_equal(b.len, sizeof(big));
	buf_fini(&b);
	buf_init(&b, sizeof(big) - 1);
	assert_false(file_read_path(tree_path("big"), &b));
	assert_int_equal(errno, EFBIG);
	buf_reset(&b);
	assert_false(file_read_path(tree_path("none"), &b));
	assert_int_equal(errno, ENOENT);
	assert_false(file_read_path(tree_path(""), &b));
	assert_int_equal(errno, EISDIR);
	assert_int_equal(b.len, 0);
	buf_fini(&b);
}

static void
test_is_inside(void **state)
{
	(void)state;
	assert_true(file_make_dirs(tree_path("capsule/certs"), 0755));
	assert_true(file_make_dirs(tree_path("capsule2"), 0755));
	tree_symlink("capsule", "link");
	assert_true(
	    file_is_inside(tree_path("capsule/certs"), tree_path("capsule")));
	assert_true(
	    file_is_inside(tree_path("link/certs"), tree_path("capsule")));
	assert_true(file_is_inside(tree_path("capsule"), tree_path("link")));
	assert_true(file_is_inside(tree_path("capsule"), "/"));
	assert_false(
	    file_is_inside(tree_path("capsule2"), tree_path("capsule")));
	assert_false(
	    file_is_inside(tree_path("capsule"), tree_path("capsule/certs")));
	assert_false(file_is_inside(tree_path("none"), tree_path("capsule")));
	assert_false(file_is_inside(tree_path("capsule"), tree_path("none")));
}

#define in_a_tree(test)                                                        \
	cmocka_unit_test_setup_teardown(test, tree_set_up, tree_tear_down)

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
	bool ok;

	(void)arg;
	limit_file_size(0);
	ok = file_write(tree_path("open/f"), SLICE("new"), 0600);
	limit_file_size(RLIM_INFINITY);
	return ok ? 1 : 0;
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
		in_a_tree(test_open_beneath_never_leaves_the_root),
		in_a_tree(test_open_beneath_can_be_made_to_walk),
		in_a_tree(test_too_long_name_is_absent),
		in_a_tree(test_A50_unreadable_is_absent),
		in_a_tree(test_no_descriptors_left_is_not_absent),
		in_a_tree(test_root_is_a_directory),
		in_a_tree(test_read),
		in_a_tree(test_is_inside),
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
