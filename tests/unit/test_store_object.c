/* SPDX-License-Identifier: ISC */
#include "support/archive.h"

#include <errno.h>

static void
test_object_is_named_by_its_hash(void **state)
{
	uint8_t digest[DIGEST_SIZE], want[DIGEST_SIZE];
	mode_t old = umask(0077);
	struct store_object *o;
	struct stat st;
	int fd;

	(void)state;
	o = store_object_new(archive.s, &archive.why);
	assert_non_null(o);
	assert_true(store_object_put(o, SLICE("hel"), &archive.why));
	assert_true(store_object_put(o, SLICE("lo"), &archive.why));
	digest_sha256(SLICE("hello"), want);
	assert_false(store_has(archive.s, want));
	assert_int_equal(
	    store_object_keep(&o, want, digest, &archive.why), STORE_KEPT);
	umask(old);
	assert_true(digest_equal(digest, want));
	assert_string_equal(archive_object_path("hello"),
	    "store/objects/2c/"
	    "f24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
	st = tree_stat(archive_object_path("hello"));
	assert_int_equal(st.st_mode, S_IFREG | 0444);
	assert_int_equal(tree_stat("store/objects/2c").st_mode, S_IFDIR | 0755);
	assert_true(store_has(archive.s, want));
	assert_true(store_object_stat(archive.s, want, &st) && st.st_size == 5);
	fd = store_object_fd(archive.s, want, NULL);
	assert_true(fd != -1);
	assert_int_equal(close(fd), 0);
	assert_int_equal(tree_count_entries("store/tmp"), 0);
}

static void
test_wrong_hash_leaves_nothing(void **state)
{
	uint8_t digest[DIGEST_SIZE], want[DIGEST_SIZE];
	struct store_object *o;
	struct stat st;

	(void)state;
	digest_sha256(SLICE("wanted"), want);
	o = store_object_new(archive.s, &archive.why);
	assert_true(store_object_put(o, SLICE("given"), &archive.why));
	assert_int_equal(store_object_keep(&o, want, digest, &archive.why),
	    STORE_OTHER_HASH);
	assert_null(o);
	assert_false(store_has(archive.s, want));
	assert_false(store_has(archive.s, digest));
	assert_false(store_object_stat(archive.s, want, &st));
	assert_int_equal(store_object_fd(archive.s, want, NULL), -1);
	o = store_object_new(archive.s, &archive.why);
	assert_int_equal(tree_count_entries("store/tmp"), 1);
	store_object_drop(&o);
	store_object_drop(&o);
	assert_int_equal(tree_count_entries("store/tmp"), 0);
	assert_int_equal(tree_count_entries("store/objects"), 0);
}

static void
test_empty_manifest_is_a_manifest(void **state)
{
	uint8_t digest[DIGEST_SIZE];
	struct stat st;

	(void)state;
	archive_add_object("", digest);
	assert_true(store_has(archive.s, digest));
	assert_true(
	    store_object_stat(archive.s, digest, &st) && st.st_size == 0);
}

static void
test_unreadable_release_stays(void **state)
{
	uint8_t digest[DIGEST_SIZE];

	(void)state;
	archive_add_object("fresh", digest);
	/* It is there and cannot be opened: its content is unknown. */
	assert_true(store_has(archive.s, digest));
	descriptors_limit(0);
	assert_false(store_has(archive.s, digest));
	descriptors_unlimit();
	assert_true(store_has(archive.s, digest));
}

static void
test_failed_lookup_is_not_missing(void **state)
{
	struct store_pruned pruned;
	uint64_t serial;
	int error;

	(void)state;
	assert_int_equal(store_current(archive.s), 0);
	assert_int_equal(errno, ENOENT);
	archive_build(1, "a", "one");
	archive_switch(1);
	descriptors_limit(0);
	serial = store_current(archive.s);
	error = errno;
	assert_false(store_prune(archive.s,
	    &(struct store_keeping){ .newest = 1 }, &pruned, &archive.why));
	free(pruned.release);
	descriptors_unlimit();
	assert_int_equal(serial, 0);
	assert_int_equal(error, EMFILE);
	assert_true(archive_failed_with("current: Too many open files"));
	assert_int_equal(store_current(archive.s), 1);
}

static void
test_unused_object_is_hashed_again(void **state)
{
	uint8_t digest[DIGEST_SIZE];
	struct store *other;

	(void)state;
	archive_add_object("fresh", digest);
	archive_corrupt_object("fresh", "F");
	/* Without the lock nothing is removed. */
	other = store_open(tree_path("store"), false, &archive.why);
	assert_false(store_has(other, digest));
	assert_true(tree_exists(archive_object_path("fresh")));
	store_close(&other);
	assert_false(store_has(archive.s, digest));
	assert_false(tree_exists(archive_object_path("fresh")));
	/* One that a release has is taken on trust. */
	archive_add_object("fresh", digest);
	archive_build(1, "a", "fresh");
	archive_corrupt_object("fresh", "F");
	assert_true(store_has(archive.s, digest));
}

static void
test_shared_objects_stay(void **state)
{
	uint8_t digest[DIGEST_SIZE];
	ino_t inode;

	(void)state;
	archive_build(1, "a", "one");
	inode = tree_stat(archive_object_path("one")).st_ino;
	archive_add_object("one", digest);
	assert_true(tree_stat(archive_object_path("one")).st_ino == inode);
	/* Unless it has another size, and cannot be right. */
	tree_truncate(archive_object_path("one"), 2);
	archive_add_object("one", digest);
	assert_false(tree_stat(archive_object_path("one")).st_ino == inode);
	tree_check_file(archive_object_path("one"), SLICE("one"));
	tree_check_file("store/releases/1/a", SLICE("on"));
	assert_int_equal(tree_count_entries("store/tmp"), 0);
}

static void
test_discard_removes_only_the_object(void **state)
{
	uint8_t digest[DIGEST_SIZE];

	(void)state;
	archive_build(1, "a", "one");
	digest_sha256(SLICE("one"), digest);
	assert_true(store_discard(archive.s, digest, &archive.why));
	assert_true(store_discard(archive.s, digest, &archive.why));
	assert_false(store_has(archive.s, digest));
	tree_check_file("store/releases/1/a", SLICE("one"));
	digest_sha256(SLICE("never"), digest);
	assert_true(store_discard(archive.s, digest, &archive.why));
}

/* Links in place of an object and of its folder: neither read nor written
 * to. */
static void
test_links_are_not_followed(void **state)
{
	uint8_t digest[DIGEST_SIZE];
	const char *path = archive_object_path("one");
	char folder[] = "store/objects/xx";
	struct store_object *o;

	(void)state;
	tree_make_dir("elsewhere");
	tree_write("elsewhere/one", "one");
	archive_add_object("one", digest);
	assert_int_equal(unlink(tree_path(path)), 0);
	tree_symlink("../../../elsewhere/one", path);
	assert_false(store_has(archive.s, digest));
	assert_int_equal(store_object_fd(archive.s, digest, NULL), -1);
	archive_add_object("one", digest);
	assert_true(S_ISREG(tree_stat(path).st_mode));
	assert_true(store_has(archive.s, digest));

	memcpy(folder, path, sizeof(folder) - 1);
	assert_int_equal(unlink(tree_path(path)), 0);
	assert_int_equal(rmdir(tree_path(folder)), 0);
	tree_symlink("../../elsewhere", folder);
	archive_open();
	o = store_object_new(archive.s, &archive.why);
	assert_true(store_object_put(o, SLICE("one"), &archive.why));
	assert_int_equal(store_object_keep(&o, NULL, digest, &archive.why),
	    STORE_WRITE_FAILED);
	assert_true(archive_failed_with("objects/"));
	assert_int_equal(tree_count_entries("elsewhere"), 1);
	assert_int_equal(tree_count_entries("store/tmp"), 0);
}

static int
put_with_no_room(void *arg)
{
	struct store_object *o;
	uint8_t many[5000] = { 0 };
	bool ok;

	(void)arg;
	limit_file_size(4096);
	o = store_object_new(archive.s, &archive.why);
	if (o == NULL)
		return 1;
	ok = store_object_put(o, slice_of(many, 100), &archive.why);
	if (!ok || store_object_put(o, slice_of(many, 5000), &archive.why))
		return 2;
	store_object_drop(&o);
	return archive_failed_with("tmp: File too large") ? 0 : 3;
}

static void
test_full_disk_leaves_nothing(void **state)
{
	(void)state;
	assert_int_equal(tree_run_child(put_with_no_room, NULL, false), 0);
	assert_int_equal(tree_count_entries("store/tmp"), 0);
}

static int
put_as_nobody(void *arg)
{
	struct store_object *o = store_object_new(archive.s, &archive.why);

	(void)arg;
	return o == NULL && archive_failed_with("tmp: Permission denied") ? 0
									  : 1;
}

static void
test_missing_write_permission_is_reported(void **state)
{
	(void)state;
	assert_int_equal(chmod(tree_path("store/tmp"), 0555), 0);
	assert_int_equal(tree_run_as_nobody(put_as_nobody, NULL), 0);
	assert_int_equal(chmod(tree_path("store/tmp"), 0755), 0);
}

struct seen {
	unsigned n;
	uint64_t links;
	unsigned stop_at;
};

static bool
see(void *arg, const uint8_t digest[DIGEST_SIZE], uint64_t links)
{
	struct seen *seen = arg;

	assert_true(store_has(archive.s, digest));
	seen->links += links;
	return ++seen->n != seen->stop_at;
}

static void
test_objects_are_visited(void **state)
{
	uint8_t digest[DIGEST_SIZE];
	struct seen seen = { 0 };

	(void)state;
	archive_build(1, "a", "one", "b", "one", "c", "two");
	archive_add_object("loose", digest);
	tree_write("store/objects/readme", "x");
	tree_make_dir("store/objects/00");
	tree_write("store/objects/00/short", "x");
	tree_symlink("/etc/passwd",
	    "store/objects/00/"
	    "f24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
	assert_true(store_objects(archive.s, see, &seen, &archive.why));
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.links, 3);
	seen = (struct seen){ .stop_at = 2 };
	assert_false(store_objects(archive.s, see, &seen, &archive.why));
	assert_int_equal(seen.n, 2);
	assert_string_equal(archive.why.text, "");
	/* A folder that cannot be read is not passed over in silence. */
	tree_symlink("/etc", "store/objects/01");
	seen = (struct seen){ 0 };
	assert_false(store_objects(archive.s, see, &seen, &archive.why));
	assert_true(archive_failed_with("objects: "));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		archive_test(test_object_is_named_by_its_hash),
		archive_test(test_wrong_hash_leaves_nothing),
		archive_test(test_empty_manifest_is_a_manifest),
		archive_test(test_unreadable_release_stays),
		archive_test(test_failed_lookup_is_not_missing),
		archive_test(test_unused_object_is_hashed_again),
		archive_test(test_shared_objects_stay),
		archive_test(test_discard_removes_only_the_object),
		archive_test(test_links_are_not_followed),
		archive_test(test_full_disk_leaves_nothing),
		archive_test(test_missing_write_permission_is_reported),
		archive_test(test_objects_are_visited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
