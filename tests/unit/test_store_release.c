/* SPDX-License-Identifier: ISC */
#include "store_help.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "archive/ustar.h"

static bool
list_file(void *arg, struct slice path, uint64_t size)
{
	return buf_printf(
	    arg, "%.*s %llu: ", SLICE_ARGS(path), (unsigned long long)size);
}

static bool
list_bytes(void *arg, struct slice bytes)
{
	return buf_put(arg, bytes);
}

static bool
list_end(void *arg)
{
	return buf_str(arg, "; ");
}

/* "a 1: x; " of each file in an archive of the tree. */
static void
check_archive(const char *name, struct slice want)
{
	struct buf bytes, list;
	struct why why;
	const struct ustar_handler visitor = { .file = list_file,
		.bytes = list_bytes,
		.end = list_end,
		.arg = &list };
	struct ustar_reader *r = ustar_reader_new(&visitor);

	buf_init(&bytes, 1 << 20);
	buf_init(&list, 1 << 20);
	assert_non_null(r);
	assert_true(file_read_path(tree_path(name), &bytes));
	assert_int_equal(bytes.len % USTAR_RECORD, 0);
	if (!ustar_reader_put(r, buf_view(&bytes), &why) ||
	    !ustar_reader_end(r, &why))
		fail_msg("%s", why.text);
	check_slice(buf_view(&list), want);
	ustar_reader_free(&r);
	buf_fini(&list);
	buf_fini(&bytes);
}

static void
test_a_release_has_all_of_it(void **state)
{
	mode_t old = umask(0077);
	struct buf got;
	int fd;

	(void)state;
	help_build(42, "a", "one", "d-e", "two", "d/e/f", "one", "d/g", "", "z",
	    "two");
	(void)umask(old);
	help_check_file("store/releases/42/a", SLICE("one"));
	help_check_file("store/releases/42/d/e/f", SLICE("one"));
	help_check_file("store/releases/42/d/g", SLICE(""));
	help_check_file("store/releases/42/d-e", SLICE("two"));
	help_check_file(
	    "store/releases/42/mirror/MANIFEST", SLICE("manifest\n"));
	check_archive("store/releases/42/mirror/capsule.tar",
	    SLICE("a 3: one; d-e 3: two; d/e/f 3: one; d/g 0: ; "
		  "mirror/MANIFEST 9: manifest\n; z 3: two; "));
	assert_int_equal(help_stat(help_object_path("one")).st_nlink, 3);
	assert_int_equal(
	    help_stat("store/releases/42/a").st_mode, S_IFREG | 0444);
	assert_int_equal(help_stat("store/releases/42/mirror/MANIFEST").st_mode,
	    S_IFREG | 0444);
	assert_int_equal(
	    help_stat("store/releases/42/mirror/capsule.tar").st_mode,
	    S_IFREG | 0444);
	assert_int_equal(
	    help_stat("store/releases/42").st_mode, S_IFDIR | 0755);
	assert_int_equal(
	    help_stat("store/releases/42/d/e").st_mode, S_IFDIR | 0755);
	assert_int_equal(
	    help_stat("store/releases/42/mirror").st_mode, S_IFDIR | 0755);
	assert_int_equal(help_entries("store/tmp"), 0);
	assert_int_equal(help_entries("store/releases"), 1);

	buf_init(&got, MANIFEST_MAX);
	assert_true(store_manifest(help.s, 42, &got));
	check_slice(buf_view(&got), SLICE("manifest\n"));
	assert_false(store_manifest(help.s, 43, &got));
	buf_fini(&got);
	fd = store_release_fd(help.s, 42);
	assert_true(fd != -1);
	assert_int_equal(close(fd), 0);
	assert_int_equal(store_release_fd(help.s, 43), -1);
}

static void
test_an_archive_of_nothing_but_the_manifest(void **state)
{
	static const char *const none[] = { NULL };
	static const char *const late[] = { "zoo", "x", NULL };
	static const char *const early[] = { "a", "x", NULL };

	(void)state;
	assert_true(help_try_build(1, "m", none));
	check_archive("store/releases/1/mirror/capsule.tar",
	    SLICE("mirror/MANIFEST 1: m; "));
	assert_true(help_try_build(2, "m", late));
	check_archive("store/releases/2/mirror/capsule.tar",
	    SLICE("mirror/MANIFEST 1: m; zoo 1: x; "));
	assert_true(help_try_build(3, "m", early));
	check_archive("store/releases/3/mirror/capsule.tar",
	    SLICE("a 1: x; mirror/MANIFEST 1: m; "));
}

static void
test_two_builds_give_the_same_bytes(void **state)
{
	static const char *const words[] = { "a/b", "one", "c", "two", NULL };
	struct buf first, second;

	(void)state;
	buf_init(&first, 1 << 20);
	buf_init(&second, 1 << 20);
	assert_true(help_try_build(1, "m", words));
	assert_true(help_try_build(2, "m", words));
	assert_true(file_read_path(
	    tree_path("store/releases/1/mirror/capsule.tar"), &first));
	assert_true(file_read_path(
	    tree_path("store/releases/2/mirror/capsule.tar"), &second));
	assert_true(slice_equal(buf_view(&first), buf_view(&second)));
	buf_fini(&second);
	buf_fini(&first);
}

static void
test_one_that_is_there_is_left_or_replaced(void **state)
{
	static const char *const one[] = { "a", "one", NULL };
	static const char *const two[] = { "a", "two", "b/c", "x", NULL };
	ino_t inode;

	(void)state;
	assert_true(help_try_build(5, "first", one));
	/* The same once more, but for what has happened to it. */
	assert_int_equal(unlink(tree_path("store/releases/5/a")), 0);
	tree_file("store/releases/5/b", "x");
	assert_true(help_try_build(5, "first", one));
	help_check_file("store/releases/5/a", SLICE("one"));
	assert_false(help_is_there("store/releases/5/b"));
	/* Never served: it was a run's that did not come to its end. */
	assert_true(help_try_build(5, "second", two));
	help_check_file("store/releases/5/a", SLICE("two"));
	help_switch(5);
	assert_false(help_try_build(5, "third", one));
	assert_true(help_told("another manifest of this serial"));
	help_check_file("store/releases/5/a", SLICE("two"));
	inode = help_stat("store/releases/5").st_ino;
	assert_true(help_try_build(5, "second", two));
	assert_true(help_stat("store/releases/5").st_ino == inode);
	assert_int_equal(help_entries("store/tmp"), 0);
	assert_int_equal(help_entries("store/releases"), 1);
}

static void
test_one_that_is_held_stays(void **state)
{
	static const char *const one[] = { "a", "one", NULL };
	static const char *const two[] = { "a", "two", NULL };
	ino_t inode;
	int fd;

	(void)state;
	assert_true(help_try_build(5, "first", one));
	inode = help_stat("store/releases/5").st_ino;
	fd = open(tree_path("store/releases/5"), O_RDONLY | O_DIRECTORY);
	assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), 0);
	assert_int_equal(unlink(tree_path("store/releases/5/a")), 0);
	assert_true(help_try_build(5, "first", one));
	help_check_file("store/releases/5/a", SLICE("one"));
	assert_false(help_try_build(5, "second", two));
	assert_true(help_told("is in use"));
	help_check_file("store/releases/5/a", SLICE("one"));
	assert_true(help_stat("store/releases/5").st_ino == inode);
	assert_int_equal(close(fd), 0);
	assert_true(help_try_build(5, "second", two));
	help_check_file("store/releases/5/a", SLICE("two"));
	assert_int_equal(help_entries("store/tmp"), 0);
	assert_int_equal(help_entries("store/releases"), 1);
}

static void
check_failed_build(const char *told)
{
	check_row(help_told(told), told);
	check_row(help_entries("store/tmp") == 0, told);
	check_row(help_entries("store/releases") == 0, told);
}

static void
test_a_build_that_fails_leaves_nothing(void **state)
{
	static const char *const words[] = { "a", "one", "b", "two", NULL };
	struct manifest m = help_manifest(9, words);

	(void)state;
	assert_true(store_discard(help.s, m.entry[1].digest, &help.why));
	assert_false(store_build(help.s, &m, SLICE("m"), &help.why));
	check_failed_build("objects/3f/c4ccfe745870e2c0d99f71f30ff0656c8dedd"
			   "41cc1d7d3d376b0dbe685e2f3: is missing");
	/* Rotten: told, and gone, to be fetched anew. */
	help_object("two", m.entry[1].digest);
	help_rot("two", "T");
	assert_false(store_build(help.s, &m, SLICE("m"), &help.why));
	check_failed_build("had rotten");
	assert_false(help_is_there(help_object_path("two")));
	/* Cut short, then longer than it was. */
	help_object("two", m.entry[1].digest);
	help_cut(help_object_path("two"), 1);
	assert_false(store_build(help.s, &m, SLICE("m"), &help.why));
	check_failed_build("had rotten");
	help_object("two", m.entry[1].digest);
	help_cut(help_object_path("two"), 4);
	assert_false(store_build(help.s, &m, SLICE("m"), &help.why));
	check_failed_build("had rotten");
	/* A link that somebody planted. */
	assert_int_equal(
	    symlink("/etc/passwd", tree_path(help_object_path("two"))), 0);
	assert_false(store_build(help.s, &m, SLICE("m"), &help.why));
	check_failed_build("is missing");
	help_object("two", m.entry[1].digest);
	assert_true(store_build(help.s, &m, SLICE("m"), &help.why));
	help_manifest_free(&m);
}

/* Manifests are checked before; a store trusts nobody all the same. */
static void
test_no_name_leaves_the_release(void **state)
{
	static const char *const rows[] = { "../x", "a/../../x", "/x", "a//x",
		"mirror/MANIFEST/x", "." };
	const char *words[] = { NULL, "x", NULL };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		words[0] = rows[i];
		check_row(!help_try_build(3, "m", words), rows[i]);
		why_clear(&help.why);
		check_row(help_entries("store/releases") == 0, rows[i]);
		check_row(help_entries("store/tmp") == 0, rows[i]);
	}
	assert_int_equal(help_entries("store"), 4);
	assert_int_equal(help_entries(""), 1);
}

static int
build_with_no_room(void *arg)
{
	static const char *const words[] = { "a", "one", NULL };

	(void)arg;
	help_no_room(2048);
	if (help_try_build(2, "m", words))
		return 1;
	return help_told("File too large") ? 0 : 2;
}

static void
test_no_room_for_the_archive(void **state)
{
	(void)state;
	help_build(1, "a", "old");
	help_switch(1);
	assert_int_equal(tree_child(build_with_no_room, NULL, false), 0);
	assert_int_equal(help_entries("store/tmp"), 0);
	assert_int_equal(help_entries("store/releases"), 1);
	help_check_file("store/current/a", SLICE("old"));
}

static void
test_switch_points_current_to_it(void **state)
{
	char target[64] = "";

	(void)state;
	assert_int_equal(store_current(help.s), 0);
	assert_false(store_switch(help.s, 41, &help.why));
	assert_true(help_told("releases"));
	help_build(41, "a", "one");
	help_build(42, "a", "two");
	help_switch(41);
	assert_int_equal(store_current(help.s), 41);
	assert_int_equal(
	    readlink(tree_path("store/current"), target, sizeof(target)),
	    (ssize_t)strlen("releases/41"));
	assert_string_equal(target, "releases/41");
	help_switch(42);
	help_check_file("store/current/a", SLICE("two"));
	help_switch(42);
	help_switch(41);
	help_check_file("store/current/a", SLICE("one"));
	assert_int_equal(help_entries("store/tmp"), 0);
}

static void
test_switch_that_cannot_be_made(void **state)
{
	(void)state;
	help_build(1, "a", "one");
	tree_dir("store/current");
	tree_file("store/current/x", "x");
	assert_false(store_switch(help.s, 1, &help.why));
	assert_true(help_told("current: "));
	assert_int_equal(help_entries("store/tmp"), 0);
	assert_int_equal(help_entries("store/current"), 1);
}

/* Only what we write ourselves is understood. */
static void
test_current_that_is_something_else(void **state)
{
	static const struct {
		const char *target;
		uint64_t serial;
	} rows[] = {
		{ "releases/7", 7 },
		{ "releases/8", 0 }, /* is not there */
		{ "releases/07", 0 },
		{ "releases/7/", 0 },
		{ "releases/../releases/7", 0 },
		{ "/releases/7", 0 },
		{ "releases/", 0 },
		{ "releases/9007199254740993", 0 },
		{ "elsewhere", 0 },
	};

	(void)state;
	help_build(7, "a", "one");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		tree_link(rows[i].target, "store/current");
		check_row(
		    store_current(help.s) == rows[i].serial, rows[i].target);
		assert_int_equal(unlink(tree_path("store/current")), 0);
	}
}

static void
test_releases_are_listed(void **state)
{
	static const char *const none[] = { NULL };
	uint64_t *list, highest = 1;
	size_t n;

	(void)state;
	list = store_releases(help.s, &n);
	assert_int_equal(n, 0);
	free(list);
	assert_true(store_highest(help.s, &highest));
	assert_int_equal(highest, 0);
	for (uint64_t i = 1; i <= 20; i++)
		assert_true(help_try_build(i * i, "m", none));
	tree_dir("store/releases/012");
	tree_dir("store/releases/x");
	tree_dir("store/releases/0");
	tree_file("store/releases/3", "x");
	tree_link("4", "store/releases/5");
	list = store_releases(help.s, &n);
	assert_int_equal(n, 20);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(list[i], (i + 1) * (i + 1));
	free(list);
	assert_true(store_highest(help.s, &highest));
	assert_int_equal(highest, 400);
}

/* More names of one object than a file may have on ext4. */
static void
test_many_files_of_the_same_bytes(void **state)
{
	enum { MANY = 70000 };
	struct manifest m = { .serial = 1 };
	char name[32];

	(void)state;
	m.entry = calloc(MANY, sizeof(*m.entry));
	assert_non_null(m.entry);
	help_object("same", m.entry[0].digest);
	for (m.n = 0; m.n < MANY; m.n++) {
		(void)snprintf(
		    name, sizeof(name), "d%02zu/f%05zu", m.n / 1000, m.n);
		m.entry[m.n].path = strdup(name);
		memcpy(m.entry[m.n].digest, m.entry[0].digest, DIGEST_SIZE);
	}
	if (!store_build(help.s, &m, SLICE("m"), &help.why))
		fail_msg("%s", help.why.text);
	help_check_file("store/releases/1/d00/f00000", SLICE("same"));
	help_check_file("store/releases/1/d69/f69999", SLICE("same"));
	help_check_file(help_object_path("same"), SLICE("same"));
	help_manifest_free(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_a_store(test_a_release_has_all_of_it),
		in_a_store(test_an_archive_of_nothing_but_the_manifest),
		in_a_store(test_two_builds_give_the_same_bytes),
		in_a_store(test_one_that_is_there_is_left_or_replaced),
		in_a_store(test_one_that_is_held_stays),
		in_a_store(test_a_build_that_fails_leaves_nothing),
		in_a_store(test_no_name_leaves_the_release),
		in_a_store(test_no_room_for_the_archive),
		in_a_store(test_switch_points_current_to_it),
		in_a_store(test_switch_that_cannot_be_made),
		in_a_store(test_current_that_is_something_else),
		in_a_store(test_releases_are_listed),
		in_a_store(test_many_files_of_the_same_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
