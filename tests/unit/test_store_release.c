/* SPDX-License-Identifier: ISC */
#include "support/archive.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "archive/ustar.h"
#include "os/file.h"

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
	const struct ustar_handler handler = { .file = list_file,
		.bytes = list_bytes,
		.end = list_end,
		.arg = &list };
	struct ustar_reader *r = ustar_reader_new(&handler);

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
test_release_is_complete(void **state)
{
	mode_t old = umask(0077);
	struct buf got;
	int fd;

	(void)state;
	archive_build(42, "a", "one", "d-e", "two", "d/e/f", "one", "d/g", "",
	    "z", "two");
	umask(old);
	tree_check_file("store/releases/42/a", SLICE("one"));
	tree_check_file("store/releases/42/d/e/f", SLICE("one"));
	tree_check_file("store/releases/42/d/g", SLICE(""));
	tree_check_file("store/releases/42/d-e", SLICE("two"));
	tree_check_file(
	    "store/releases/42/mirror/MANIFEST", SLICE("manifest\n"));
	check_archive("store/releases/42/mirror/capsule.tar",
	    SLICE("a 3: one; d-e 3: two; d/e/f 3: one; d/g 0: ; "
		  "mirror/MANIFEST 9: manifest\n; z 3: two; "));
	assert_int_equal(tree_stat(archive_object_path("one")).st_nlink, 3);
	assert_int_equal(
	    tree_stat("store/releases/42/a").st_mode, S_IFREG | 0444);
	assert_int_equal(tree_stat("store/releases/42/mirror/MANIFEST").st_mode,
	    S_IFREG | 0444);
	assert_int_equal(
	    tree_stat("store/releases/42/mirror/capsule.tar").st_mode,
	    S_IFREG | 0444);
	assert_int_equal(
	    tree_stat("store/releases/42").st_mode, S_IFDIR | 0755);
	assert_int_equal(
	    tree_stat("store/releases/42/d/e").st_mode, S_IFDIR | 0755);
	assert_int_equal(
	    tree_stat("store/releases/42/mirror").st_mode, S_IFDIR | 0755);
	assert_int_equal(tree_count_entries("store/tmp"), 0);
	assert_int_equal(tree_count_entries("store/releases"), 1);

	buf_init(&got, MANIFEST_MAX);
	assert_true(store_read(archive.s, 42, MANIFEST_PATH, &got));
	check_slice(buf_view(&got), SLICE("manifest\n"));
	assert_false(store_read(archive.s, 43, MANIFEST_PATH, &got));
	buf_fini(&got);
	fd = store_release_fd(archive.s, 42);
	assert_true(fd != -1);
	assert_int_equal(close(fd), 0);
	assert_int_equal(store_release_fd(archive.s, 43), -1);
}

static void
test_archive_of_the_manifest_alone(void **state)
{
	static const char *const none[] = { NULL };
	static const char *const late[] = { "zoo", "x", NULL };
	static const char *const early[] = { "a", "x", NULL };

	(void)state;
	assert_true(archive_try_build(1, "m", none));
	check_archive("store/releases/1/mirror/capsule.tar",
	    SLICE("mirror/MANIFEST 1: m; "));
	assert_true(archive_try_build(2, "m", late));
	check_archive("store/releases/2/mirror/capsule.tar",
	    SLICE("mirror/MANIFEST 1: m; zoo 1: x; "));
	assert_true(archive_try_build(3, "m", early));
	check_archive("store/releases/3/mirror/capsule.tar",
	    SLICE("a 1: x; mirror/MANIFEST 1: m; "));
}

static void
test_builds_are_reproducible(void **state)
{
	static const char *const words[] = { "a/b", "one", "c", "two", NULL };
	struct buf first, second;

	(void)state;
	buf_init(&first, 1 << 20);
	buf_init(&second, 1 << 20);
	assert_true(archive_try_build(1, "m", words));
	assert_true(archive_try_build(2, "m", words));
	assert_true(file_read_path(
	    tree_path("store/releases/1/mirror/capsule.tar"), &first));
	assert_true(file_read_path(
	    tree_path("store/releases/2/mirror/capsule.tar"), &second));
	assert_true(slice_equal(buf_view(&first), buf_view(&second)));
	buf_fini(&second);
	buf_fini(&first);
}

static void
test_existing_object_is_kept_or_replaced(void **state)
{
	static const char *const one[] = { "a", "one", NULL };
	static const char *const two[] = { "a", "two", "b/c", "x", NULL };
	ino_t inode;

	(void)state;
	assert_true(archive_try_build(5, "first", one));
	/* The same once more, but for what has happened to it. */
	assert_int_equal(unlink(tree_path("store/releases/5/a")), 0);
	tree_write("store/releases/5/b", "x");
	assert_true(archive_try_build(5, "first", one));
	tree_check_file("store/releases/5/a", SLICE("one"));
	assert_false(tree_exists("store/releases/5/b"));
	/* Never served: it was a run's that did not come to its end. */
	assert_true(archive_try_build(5, "second", two));
	tree_check_file("store/releases/5/a", SLICE("two"));
	archive_switch(5);
	assert_false(archive_try_build(5, "third", one));
	assert_true(archive_failed_with("another manifest of this serial"));
	tree_check_file("store/releases/5/a", SLICE("two"));
	inode = tree_stat("store/releases/5").st_ino;
	assert_true(archive_try_build(5, "second", two));
	assert_true(tree_stat("store/releases/5").st_ino == inode);
	assert_int_equal(tree_count_entries("store/tmp"), 0);
	assert_int_equal(tree_count_entries("store/releases"), 1);
}

static void
test_locked_release_stays(void **state)
{
	static const char *const one[] = { "a", "one", NULL };
	static const char *const two[] = { "a", "two", NULL };
	ino_t inode;
	int fd;

	(void)state;
	assert_true(archive_try_build(5, "first", one));
	inode = tree_stat("store/releases/5").st_ino;
	fd = open(tree_path("store/releases/5"), O_RDONLY | O_DIRECTORY);
	assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), 0);
	assert_int_equal(unlink(tree_path("store/releases/5/a")), 0);
	assert_true(archive_try_build(5, "first", one));
	tree_check_file("store/releases/5/a", SLICE("one"));
	assert_false(archive_try_build(5, "second", two));
	assert_true(archive_failed_with("is in use"));
	tree_check_file("store/releases/5/a", SLICE("one"));
	assert_true(tree_stat("store/releases/5").st_ino == inode);
	assert_int_equal(close(fd), 0);
	assert_true(archive_try_build(5, "second", two));
	tree_check_file("store/releases/5/a", SLICE("two"));
	assert_int_equal(tree_count_entries("store/tmp"), 0);
	assert_int_equal(tree_count_entries("store/releases"), 1);
}

static void
check_failed_build(const char *reported)
{
	check_row(archive_failed_with(reported), reported);
	check_row(tree_count_entries("store/tmp") == 0, reported);
	check_row(tree_count_entries("store/releases") == 0, reported);
}

static void
test_failed_build_leaves_nothing(void **state)
{
	static const char *const words[] = { "a", "one", "b", "two", NULL };
	struct manifest m = archive_make_manifest(9, words);

	(void)state;
	assert_true(store_discard(archive.s, m.entry[1].digest, &archive.why));
	assert_false(store_build(archive.s, &m, SLICE("m"), &archive.why));
	check_failed_build("objects/3f/c4ccfe745870e2c0d99f71f30ff0656c8dedd"
			   "41cc1d7d3d376b0dbe685e2f3: is missing");
	/* Corrupt: reported, and removed, to be fetched again. */
	archive_add_object("two", m.entry[1].digest);
	archive_corrupt_object("two", "T");
	archive_age_object("two");
	assert_false(store_build(archive.s, &m, SLICE("m"), &archive.why));
	check_failed_build("was corrupt");
	assert_false(tree_exists(archive_object_path("two")));
	/* Cut short, then longer than it was. */
	archive_add_object("two", m.entry[1].digest);
	tree_truncate(archive_object_path("two"), 1);
	archive_age_object("two");
	assert_false(store_build(archive.s, &m, SLICE("m"), &archive.why));
	check_failed_build("was corrupt");
	archive_add_object("two", m.entry[1].digest);
	tree_truncate(archive_object_path("two"), 4);
	archive_age_object("two");
	assert_false(store_build(archive.s, &m, SLICE("m"), &archive.why));
	check_failed_build("was corrupt");
	/* A planted link. */
	assert_int_equal(
	    symlink("/etc/passwd", tree_path(archive_object_path("two"))), 0);
	assert_false(store_build(archive.s, &m, SLICE("m"), &archive.why));
	check_failed_build("is missing");
	archive_add_object("two", m.entry[1].digest);
	assert_true(store_build(archive.s, &m, SLICE("m"), &archive.why));
	archive_free_manifest(&m);
}

/* Manifests are checked before; the store checks them all the same. */
static void
test_no_name_leaves_the_release(void **state)
{
	static const char *const rows[] = { "../x", "a/../../x", "/x", "a//x",
		"mirror/MANIFEST/x", "." };
	const char *words[] = { NULL, "x", NULL };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		words[0] = rows[i];
		check_row(!archive_try_build(3, "m", words), rows[i]);
		why_clear(&archive.why);
		check_row(tree_count_entries("store/releases") == 0, rows[i]);
		check_row(tree_count_entries("store/tmp") == 0, rows[i]);
	}
	assert_int_equal(tree_count_entries("store"), 4);
	assert_int_equal(tree_count_entries(""), 1);
}

static int
build_with_no_room(void *arg)
{
	static const char *const words[] = { "a", "one", NULL };

	(void)arg;
	limit_file_size(2048);
	if (archive_try_build(2, "m", words))
		return 1;
	return archive_failed_with("File too large") ? 0 : 2;
}

static void
test_full_disk_before_the_archive(void **state)
{
	(void)state;
	archive_build(1, "a", "old");
	archive_switch(1);
	assert_int_equal(tree_run_child(build_with_no_room, NULL, false), 0);
	assert_int_equal(tree_count_entries("store/tmp"), 0);
	assert_int_equal(tree_count_entries("store/releases"), 1);
	tree_check_file("store/current/a", SLICE("old"));
}

static void
test_switch_points_current_to_it(void **state)
{
	char target[64] = "";

	(void)state;
	assert_int_equal(store_current(archive.s), 0);
	assert_false(store_switch(archive.s, 41, &archive.why));
	assert_true(archive_failed_with("releases"));
	archive_build(41, "a", "one");
	archive_build(42, "a", "two");
	archive_switch(41);
	assert_int_equal(store_current(archive.s), 41);
	assert_int_equal(
	    readlink(tree_path("store/current"), target, sizeof(target)),
	    (ssize_t)strlen("releases/41"));
	assert_string_equal(target, "releases/41");
	archive_switch(42);
	tree_check_file("store/current/a", SLICE("two"));
	archive_switch(42);
	archive_switch(41);
	tree_check_file("store/current/a", SLICE("one"));
	assert_int_equal(tree_count_entries("store/tmp"), 0);
}

static void
test_switch_that_fails(void **state)
{
	(void)state;
	archive_build(1, "a", "one");
	tree_make_dir("store/current");
	tree_write("store/current/x", "x");
	assert_false(store_switch(archive.s, 1, &archive.why));
	assert_true(archive_failed_with("current: "));
	assert_int_equal(tree_count_entries("store/tmp"), 0);
	assert_int_equal(tree_count_entries("store/current"), 1);
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
	archive_build(7, "a", "one");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		tree_symlink(rows[i].target, "store/current");
		check_row(
		    store_current(archive.s) == rows[i].serial, rows[i].target);
		assert_int_equal(unlink(tree_path("store/current")), 0);
	}
}

static void
test_releases_are_listed(void **state)
{
	static const char *const none[] = { NULL };
	struct store_release *list;
	size_t n;

	(void)state;
	list = store_releases(archive.s, &n);
	assert_int_equal(n, 0);
	free(list);
	for (uint64_t i = 1; i <= 20; i++)
		assert_true(archive_try_build(i * i, "m", none));
	tree_make_dir("store/releases/012");
	tree_make_dir("store/releases/x");
	tree_make_dir("store/releases/0");
	tree_write("store/releases/3", "x");
	tree_symlink("4", "store/releases/5");
	list = store_releases(archive.s, &n);
	assert_int_equal(n, 20);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(list[i].serial, (i + 1) * (i + 1));
	free(list);
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
	archive_add_object("same", m.entry[0].digest);
	for (m.n = 0; m.n < MANY; m.n++) {
		snprintf(name, sizeof(name), "d%02zu/f%05zu", m.n / 1000, m.n);
		m.entry[m.n].path = strdup(name);
		memcpy(m.entry[m.n].digest, m.entry[0].digest, DIGEST_SIZE);
	}
	if (!store_build(archive.s, &m, SLICE("m"), &archive.why))
		fail_msg("%s", archive.why.text);
	tree_check_file("store/releases/1/d00/f00000", SLICE("same"));
	tree_check_file("store/releases/1/d69/f69999", SLICE("same"));
	m.bytes = MANY * strlen("same");
	assert_true(store_release_is_whole(archive.s, &m, SLICE("m")));
	tree_check_file(archive_object_path("same"), SLICE("same"));
	archive_free_manifest(&m);
}

static void
test_repaired_object_is_relinked(void **state)
{
	static const char *const words[] = { "a", "one", "d/e/f", "one", "g",
		"two", NULL };
	struct manifest m;
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
	assert_true(store_relink(archive.s, &m, &archive.why));
	tree_check_file("store/releases/1/a", SLICE("one"));
	tree_check_file("store/releases/1/d/e/f", SLICE("one"));
	assert_int_equal(tree_stat(archive_object_path("one")).st_nlink, 3);
	assert_true(tree_stat("store/releases/1/g").st_ino == inode);
	assert_true(store_relink(archive.s, &m, &archive.why));
	assert_int_equal(tree_count_entries("store/tmp"), 0);
	archive_free_manifest(&m);
}

static void
test_relink_that_fails(void **state)
{
	static const char *const words[] = { "a", "one", "d/f", "two", NULL };
	struct manifest m;

	(void)state;
	m = archive_make_manifest(2, words);
	assert_false(store_relink(archive.s, &m, &archive.why));
	assert_true(archive_failed_with("releases: No such file"));
	assert_true(archive_try_build(2, "m", words));
	/* An object that is missing does not keep the others waiting. */
	assert_true(store_discard(archive.s, m.entry[0].digest, &archive.why));
	assert_int_equal(unlink(tree_path("store/releases/2/d/f")), 0);
	assert_true(store_relink(archive.s, &m, &archive.why));
	assert_int_equal(access(tree_path("store/releases/2/a"), F_OK), 0);
	assert_int_equal(access(tree_path("store/releases/2/d/f"), F_OK), 0);
	assert_int_equal(tree_count_entries("store/tmp"), 0);
	archive_free_manifest(&m);
}

static const char *const whole_words[] = { "a", "one", "d/e/f", "two", "z/b",
	"two", NULL };

/* Built, current, and with the bytes that its manifest says. */
static struct manifest
make_whole(uint64_t serial)
{
	struct manifest m;

	assert_true(archive_try_build(serial, "m", whole_words));
	archive_switch(serial);
	m = archive_make_manifest(serial, whole_words);
	m.bytes = 9;
	return m;
}

static void
break_nothing(void)
{
}

static void
break_file(void)
{
	assert_int_equal(unlink(tree_path("store/current/d/e/f")), 0);
}

/* The same bytes, and not the object. */
static void
break_link(void)
{
	break_file();
	tree_write("store/current/d/e/f", "two");
}

static void
break_directory(void)
{
	assert_int_equal(
	    rename(tree_path("store/current/d"), tree_path("d")), 0);
}

/* Nothing is followed out of the release. */
static void
break_planted(void)
{
	break_directory();
	tree_symlink("../../../d", "store/releases/7/d");
	assert_int_equal(unlink(tree_path("d/e/f")), 0);
}

static void
break_by_file(void)
{
	break_directory();
	tree_write("store/current/d", "x");
}

static void
break_by_directory(void)
{
	break_file();
	tree_make_dir("store/current/d/e/f");
	tree_write("store/current/d/e/f/x", "x");
}

static void
break_archive(void)
{
	assert_int_equal(
	    unlink(tree_path("store/current/mirror/capsule.tar")), 0);
}

/* As a power cut may do. */
static void
cut_archive(void)
{
	tree_truncate("store/current/mirror/capsule.tar", 1024);
}

/* One name of the object has been cut, and so have all. */
static void
break_size(void)
{
	assert_int_equal(unlink(tree_path(archive_object_path("two"))), 0);
	tree_write(archive_object_path("two"), "tw");
	assert_int_equal(unlink(tree_path("store/current/z/b")), 0);
	break_file();
	assert_int_equal(link(tree_path(archive_object_path("two")),
			     tree_path("store/current/z/b")),
	    0);
}

static void
test_current_release_is_repaired_in_place(void **state)
{
	static const struct {
		const char *what;
		void (*harm)(void);
		bool whole;
	} rows[] = {
		{ "nothing", break_nothing, true },
		{ "a file", break_file, false },
		{ "a link", break_link, false },
		{ "a directory", break_directory, false },
		{ "a planted link", break_planted, false },
		{ "a file in its place", break_by_file, false },
		{ "a directory in its place", break_by_directory, false },
		{ "the archive", break_archive, false },
		{ "the end of the archive", cut_archive, false },
	};
	struct manifest m = make_whole(7);
	char old[16];
	ino_t inode = tree_stat("store/releases/7").st_ino;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rows[i].harm();
		check_row(store_release_is_whole(archive.s, &m, SLICE("m")) ==
			      rows[i].whole,
		    rows[i].what);
		if (!store_build(archive.s, &m, SLICE("m"), &archive.why))
			fail_msg("%s: %s", rows[i].what, archive.why.text);
		check_row(store_release_is_whole(archive.s, &m, SLICE("m")),
		    rows[i].what);
		tree_check_file("store/current/d/e/f", SLICE("two"));
		check_row(tree_count_entries("store/tmp") == 0, rows[i].what);
		if (rows[i].harm == break_planted)
			assert_false(tree_exists("d/e/f"));
		snprintf(old, sizeof(old), "old%zu", i);
		if (tree_exists("d"))
			assert_int_equal(
			    rename(tree_path("d"), tree_path(old)), 0);
	}
	assert_true(tree_stat("store/releases/7").st_ino == inode);
	assert_false(store_release_is_whole(archive.s, &m, SLICE("other")));
	m.bytes = 8;
	assert_false(store_release_is_whole(archive.s, &m, SLICE("m")));
	archive_free_manifest(&m);
}

static void
test_sizes_are_looked_at(void **state)
{
	struct manifest m = make_whole(7);

	(void)state;
	break_size();
	assert_int_equal(link(tree_path(archive_object_path("two")),
			     tree_path("store/current/d/e/f")),
	    0);
	assert_false(store_release_is_whole(archive.s, &m, SLICE("m")));
	archive_free_manifest(&m);
}

static void
test_damaged_manifest_is_put_back(void **state)
{
	struct manifest m = make_whole(7);

	(void)state;
	tree_truncate("store/releases/7/mirror/MANIFEST", 0);
	assert_false(store_release_is_whole(archive.s, &m, SLICE("m")));
	assert_false(store_build(archive.s, &m, SLICE("m"), &archive.why));
	assert_true(archive_failed_with("another manifest of this serial"));
	assert_true(store_put_manifest(archive.s, 7, SLICE("m"), &archive.why));
	assert_true(store_build(archive.s, &m, SLICE("m"), &archive.why));
	assert_true(store_release_is_whole(archive.s, &m, SLICE("m")));
	assert_false(
	    store_put_manifest(archive.s, 8, SLICE("m"), &archive.why));
	assert_true(archive_failed_with("mirror/MANIFEST: No such file"));
	archive_free_manifest(&m);
}

/* Only the release that is served has one; it is made again before the switch
 * back. */
static void
test_archive_of_the_current_release_alone(void **state)
{
	struct manifest m = make_whole(1);

	(void)state;
	archive_build(2, "a", "one");
	assert_true(tree_exists("store/releases/1/mirror/capsule.tar"));
	archive_switch(2);
	assert_false(tree_exists("store/releases/1/mirror/capsule.tar"));
	assert_true(tree_exists("store/releases/2/mirror/capsule.tar"));
	assert_true(store_release_is_whole(archive.s, &m, SLICE("m")));
	assert_true(store_build(archive.s, &m, SLICE("m"), &archive.why));
	archive_switch(1);
	assert_true(tree_exists("store/releases/1/mirror/capsule.tar"));
	assert_false(tree_exists("store/releases/2/mirror/capsule.tar"));
	/* Killed before the others lost theirs: the next switch does it. */
	tree_write("store/releases/2/mirror/capsule.tar", "x");
	archive_switch(1);
	assert_false(tree_exists("store/releases/2/mirror/capsule.tar"));
	archive_free_manifest(&m);
}

/* What an earlier run has left is hashed once more; what this one wrote is not. */
static void
test_rot_is_found_on_the_way_into_the_archive(void **state)
{
	struct manifest m = make_whole(1);

	(void)state;
	archive_corrupt_object("two", "T");
	archive_age_object("two");
	assert_false(store_build(archive.s, &m, SLICE("m"), &archive.why));
	assert_true(archive_failed_with("was corrupt"));
	assert_false(tree_exists(archive_object_path("two")));
	archive_add_object("two", m.entry[1].digest);
	assert_true(store_build(archive.s, &m, SLICE("m"), &archive.why));
	tree_check_file("store/current/d/e/f", SLICE("two"));
	tree_check_file("store/current/z/b", SLICE("two"));
	assert_true(store_release_is_whole(archive.s, &m, SLICE("m")));
	archive_free_manifest(&m);
}

static void
test_need_grows_with_pages(void **state)
{
	struct manifest m = { .bytes = 1000000, .n = 100 };
	uint64_t all = store_need(archive.s, &m, 1000000, 100);
	uint64_t none = store_need(archive.s, &m, 0, 0);

	(void)state;
	assert_in_range(all, 2000000 + 200 * 512, 2000000 + 1024 * 1024);
	assert_in_range(none, 1000000 + 100 * 512, 1000000 + 512 * 1024);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		archive_test(test_release_is_complete),
		archive_test(test_archive_of_the_manifest_alone),
		archive_test(test_builds_are_reproducible),
		archive_test(test_existing_object_is_kept_or_replaced),
		archive_test(test_locked_release_stays),
		archive_test(test_failed_build_leaves_nothing),
		archive_test(test_no_name_leaves_the_release),
		archive_test(test_full_disk_before_the_archive),
		archive_test(test_switch_points_current_to_it),
		archive_test(test_switch_that_fails),
		archive_test(test_current_that_is_something_else),
		archive_test(test_releases_are_listed),
		archive_test(test_many_files_of_the_same_bytes),
		archive_test(test_repaired_object_is_relinked),
		archive_test(test_relink_that_fails),
		archive_test(test_current_release_is_repaired_in_place),
		archive_test(test_sizes_are_looked_at),
		archive_test(test_damaged_manifest_is_put_back),
		archive_test(test_archive_of_the_current_release_alone),
		archive_test(test_rot_is_found_on_the_way_into_the_archive),
		archive_test(test_need_grows_with_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
