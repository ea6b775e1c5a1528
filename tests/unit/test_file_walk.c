/* SPDX-License-Identifier: ISC */
#include "support/root.h"

#include <fcntl.h>

#include "os/file.h"
#include "os/file_internal.h"

struct seen {
	struct buf text;
	size_t n;
	size_t stop; /* after so many; 0: never */
};

static bool
see(void *arg, const char *path, const struct stat *st)
{
	struct seen *seen = arg;

	assert_true(buf_printf(&seen->text, "%s%s\n", path,
	    S_ISDIR(st->st_mode) ? "/"
	    : st->st_mode == 0   ? "?"
				 : ""));
	return ++seen->n != seen->stop;
}

static bool
pass(void *arg, const char *path, const struct stat *st)
{
	(void)arg;
	(void)path;
	(void)st;
	return true;
}

static void
note_unread(void *arg, const char *path)
{
	struct seen *seen = arg;

	assert_true(buf_printf(&seen->text, "%s\n", path));
	seen->n++;
}

static void
test_walk(void **state)
{
	struct seen seen = { .n = 0 };
	int root;

	(void)state;
	root_make_files();
	tree_write("root/dir/.hidden", "x");
	tree_write("root/Z", "x");
	tree_symlink("..", "root/dir/up");
	tree_symlink("../dir", "root/dir/round");
	root = file_root(tree_path("root"));
	buf_init(&seen.text, 1 << 16);
	assert_true(file_walk(root, see, &seen));
	if (file_has_openat2())
		check_slice(buf_view(&seen.text),
		    SLICE("Z\na.txt\ndir/\ndir/.hidden\ndir/round/\n"
			  "dir/sub/\ndir/sub/b.txt\ndir/up/\netc?\n"
			  "fifo?\nin\nindir/\nloop?\nmagic?\nout?\n"
			  "socket?\n"));
	buf_reset(&seen.text);
	file_force_walk(true);
	assert_true(file_walk(root, see, &seen));
	file_force_walk(false);
	check_slice(buf_view(&seen.text),
	    SLICE("Z\na.txt\ndir/\ndir/.hidden\ndir/round?\ndir/sub/\n"
		  "dir/sub/b.txt\ndir/up?\netc?\nfifo?\nin?\nindir?\n"
		  "loop?\nmagic?\nout?\nsocket?\n"));
	seen.n = 0;
	seen.stop = 3;
	assert_false(file_walk(root, see, &seen));
	assert_int_equal(seen.n, 3);
	buf_fini(&seen.text);
	close(root);
	assert_false(file_walk(-1, see, &seen));
}

static void
test_link_does_not_hide_its_directory(void **state)
{
	struct seen seen = { .n = 0 };
	int root;

	(void)state;
	if (!file_has_openat2())
		skip();
	tree_make_dir("root");
	tree_make_dir("root/z");
	tree_make_dir("root/b");
	tree_make_dir("root/.h");
	tree_write("root/z/x", "x");
	tree_write("root/.h/y", "y");
	tree_symlink("z", "root/a");
	tree_symlink("../z", "root/b/c");
	root = file_root(tree_path("root"));
	buf_init(&seen.text, 1 << 16);
	assert_true(file_walk(root, see, &seen));
	check_slice(
	    buf_view(&seen.text), SLICE(".h/\n.h/y\na/\nb/\nb/c/\nz/\nz/x\n"));
	buf_fini(&seen.text);
	close(root);
}

static void
test_walk_skips_deep_directories(void **state)
{
	struct seen seen = { .n = 0 };
	char path[PATH_MAX / 4] = "";
	size_t i;
	int root;

	(void)state;
	for (i = 0; i < FILE_WALK_DEPTH_MAX + 5; i++) {
		snprintf(path + 2 * i, sizeof(path) - 2 * i, "d/");
		assert_int_equal(mkdir(tree_path(path), 0755), 0);
	}
	root = file_root(tree_path(""));
	buf_init(&seen.text, 1 << 20);
	assert_true(file_walk(root, see, &seen));
	assert_int_equal(seen.n, FILE_WALK_DEPTH_MAX + 1);
	buf_fini(&seen.text);
	close(root);
}

static void
test_walk_of_a_long_path(void **state)
{
	struct seen seen = { .n = 0 };
	char name[NAME_MAX + 1];
	int at, next, i;
	int root;

	(void)state;
	memset(name, 'n', NAME_MAX);
	name[NAME_MAX] = '\0';
	root = file_root(tree_path(""));
	at = dup(root);
	/* 16 names and their slashes are PATH_MAX: the last has no room. */
	for (i = 0; i < 17; i++) {
		assert_int_equal(mkdirat(at, name, 0755), 0);
		next = openat(at, name, O_RDONLY | O_DIRECTORY);
		close(at);
		at = next;
	}
	buf_init(&seen.text, 1 << 20);
	assert_true(file_walk(root, see, &seen));
	assert_int_equal(seen.n, 16);
	/* It is passed the place. */
	buf_reset(&seen.text);
	assert_true(file_walk_plain(root, pass, note_unread, &seen));
	assert_int_equal(seen.n, 17);
	assert_int_equal(seen.text.len, 15 * (NAME_MAX + 1) + NAME_MAX + 1);
	buf_fini(&seen.text);
	close(at);
	close(root);
}

#define in_a_tree(test)                                                        \
	cmocka_unit_test_setup_teardown(test, tree_set_up, tree_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_a_tree(test_walk),
		in_a_tree(test_link_does_not_hide_its_directory),
		in_a_tree(test_walk_skips_deep_directories),
		in_a_tree(test_walk_of_a_long_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
