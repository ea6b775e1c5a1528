/* SPDX-License-Identifier: ISC */
#include "store_help.h"

static void
test_an_object_lies_under_its_hash(void **state)
{
	uint8_t digest[DIGEST_SIZE], want[DIGEST_SIZE];
	mode_t old = umask(0077);
	struct store_object *o;
	uint64_t size = 0;
	struct stat st;
	int fd;

	(void)state;
	o = store_object_new(help.s, &help.why);
	assert_non_null(o);
	assert_true(store_object_put(o, SLICE("hel"), &help.why));
	assert_true(store_object_put(o, SLICE("lo"), &help.why));
	digest_sha256(SLICE("hello"), want);
	assert_false(store_has(help.s, want));
	assert_int_equal(
	    store_object_keep(&o, want, digest, &help.why), STORE_KEPT);
	(void)umask(old);
	assert_true(digest_equal(digest, want));
	assert_string_equal(help_object_path("hello"),
	    "store/objects/2c/"
	    "f24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
	st = help_stat(help_object_path("hello"));
	assert_int_equal(st.st_mode, S_IFREG | 0444);
	assert_int_equal(help_stat("store/objects/2c").st_mode, S_IFDIR | 0755);
	assert_true(store_has(help.s, want));
	assert_true(store_size(help.s, want, &size) && size == 5);
	fd = store_object_fd(help.s, want);
	assert_true(fd != -1);
	assert_int_equal(close(fd), 0);
	assert_int_equal(help_entries("store/tmp"), 0);
}

static void
test_another_hash_leaves_nothing(void **state)
{
	uint8_t digest[DIGEST_SIZE], want[DIGEST_SIZE];
	struct store_object *o;
	uint64_t size;

	(void)state;
	digest_sha256(SLICE("wanted"), want);
	o = store_object_new(help.s, &help.why);
	assert_true(store_object_put(o, SLICE("given"), &help.why));
	assert_int_equal(
	    store_object_keep(&o, want, digest, &help.why), STORE_OTHER_HASH);
	assert_null(o);
	assert_false(store_has(help.s, want));
	assert_false(store_has(help.s, digest));
	assert_false(store_size(help.s, want, &size));
	assert_int_equal(store_object_fd(help.s, want), -1);
	o = store_object_new(help.s, &help.why);
	assert_int_equal(help_entries("store/tmp"), 1);
	store_object_drop(&o);
	store_object_drop(&o);
	assert_int_equal(help_entries("store/tmp"), 0);
	assert_int_equal(help_entries("store/objects"), 0);
}

static void
test_an_empty_one_is_one_too(void **state)
{
	uint8_t digest[DIGEST_SIZE];
	uint64_t size = 1;

	(void)state;
	help_object("", digest);
	assert_true(store_has(help.s, digest));
	assert_true(store_size(help.s, digest, &size) && size == 0);
}

/* Leaves n descriptors that can be opened; returns the old limit. */
static struct rlimit
leave_descriptors(rlim_t n)
{
	struct rlimit old, limit;
	int fd = dup(STDERR_FILENO);

	assert_true(fd != -1);
	(void)close(fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	limit = old;
	limit.rlim_cur = (rlim_t)fd + n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return old;
}

static void
test_one_that_cannot_be_opened_stays(void **state)
{
	uint8_t digest[DIGEST_SIZE];
	struct rlimit old;

	(void)state;
	help_object("fresh", digest);
	/* Its directory opens, it does not: nobody knows what it holds. */
	old = leave_descriptors(1);
	assert_false(store_has(help.s, digest));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_true(store_has(help.s, digest));
}

static void
test_what_cannot_be_told_is_not_gone(void **state)
{
	struct rlimit old;
	unsigned releases, objects;
	uint64_t serial;
	int error;

	(void)state;
	assert_int_equal(store_current(help.s), 0);
	assert_int_equal(errno, ENOENT);
	help_build(1, "a", "one");
	help_switch(1);
	old = leave_descriptors(0);
	serial = store_current(help.s);
	error = errno;
	assert_false(store_prune(help.s, &(struct store_keeping){ .newest = 1 },
	    &releases, &objects, &help.why));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(serial, 0);
	assert_int_equal(error, EMFILE);
	assert_true(help_told("current: Too many open files"));
	assert_int_equal(store_current(help.s), 1);
}

static void
test_one_of_no_release_is_hashed_once_more(void **state)
{
	uint8_t digest[DIGEST_SIZE];
	struct store *other;

	(void)state;
	help_object("fresh", digest);
	help_rot("fresh", "F");
	/* Without the lock nothing is removed. */
	other = store_open(tree_path("store"), false, &help.why);
	assert_false(store_has(other, digest));
	assert_true(help_is_there(help_object_path("fresh")));
	store_close(&other);
	assert_false(store_has(help.s, digest));
	assert_false(help_is_there(help_object_path("fresh")));
	/* One that a release has is taken on trust. */
	help_object("fresh", digest);
	help_build(1, "a", "fresh");
	help_rot("fresh", "F");
	assert_true(store_has(help.s, digest));
}

static void
test_what_releases_share_stays_shared(void **state)
{
	uint8_t digest[DIGEST_SIZE];
	ino_t inode;

	(void)state;
	help_build(1, "a", "one");
	inode = help_stat(help_object_path("one")).st_ino;
	help_object("one", digest);
	assert_true(help_stat(help_object_path("one")).st_ino == inode);
	/* Unless it has another size, and cannot be right. */
	help_cut(help_object_path("one"), 2);
	help_object("one", digest);
	assert_false(help_stat(help_object_path("one")).st_ino == inode);
	help_check_file(help_object_path("one"), SLICE("one"));
	help_check_file("store/releases/1/a", SLICE("on"));
	assert_int_equal(help_entries("store/tmp"), 0);
}

static void
test_discard_takes_it_away_from_objects_alone(void **state)
{
	uint8_t digest[DIGEST_SIZE];

	(void)state;
	help_build(1, "a", "one");
	digest_sha256(SLICE("one"), digest);
	assert_true(store_discard(help.s, digest, &help.why));
	assert_true(store_discard(help.s, digest, &help.why));
	assert_false(store_has(help.s, digest));
	help_check_file("store/releases/1/a", SLICE("one"));
	digest_sha256(SLICE("never"), digest);
	assert_true(store_discard(help.s, digest, &help.why));
}

/* Links in place of an object and of its folder: neither read nor written to. */
static void
test_planted_links_are_not_followed(void **state)
{
	uint8_t digest[DIGEST_SIZE];
	const char *path = help_object_path("one");
	char folder[] = "store/objects/xx";
	struct store_object *o;

	(void)state;
	tree_dir("elsewhere");
	tree_file("elsewhere/one", "one");
	help_object("one", digest);
	assert_int_equal(unlink(tree_path(path)), 0);
	tree_link("../../../elsewhere/one", path);
	assert_false(store_has(help.s, digest));
	assert_int_equal(store_object_fd(help.s, digest), -1);
	help_object("one", digest);
	assert_true(S_ISREG(help_stat(path).st_mode));
	assert_true(store_has(help.s, digest));

	memcpy(folder, path, sizeof(folder) - 1);
	assert_int_equal(unlink(tree_path(path)), 0);
	assert_int_equal(rmdir(tree_path(folder)), 0);
	tree_link("../../elsewhere", folder);
	o = store_object_new(help.s, &help.why);
	assert_true(store_object_put(o, SLICE("one"), &help.why));
	assert_int_equal(
	    store_object_keep(&o, NULL, digest, &help.why), STORE_WRITE_FAILED);
	assert_true(help_told("objects/"));
	assert_int_equal(help_entries("elsewhere"), 1);
	assert_int_equal(help_entries("store/tmp"), 0);
}

static int
put_with_no_room(void *arg)
{
	struct store_object *o;
	uint8_t many[5000] = { 0 };
	bool ok;

	(void)arg;
	help_no_room(4096);
	o = store_object_new(help.s, &help.why);
	if (o == NULL)
		return 1;
	ok = store_object_put(o, slice_of(many, 100), &help.why);
	if (!ok || store_object_put(o, slice_of(many, 5000), &help.why))
		return 2;
	store_object_drop(&o);
	return help_told("tmp: File too large") ? 0 : 3;
}

static void
test_no_room_leaves_nothing(void **state)
{
	(void)state;
	assert_int_equal(tree_child(put_with_no_room, NULL, false), 0);
	assert_int_equal(help_entries("store/tmp"), 0);
}

static int
put_as_nobody(void *arg)
{
	struct store_object *o = store_object_new(help.s, &help.why);

	(void)arg;
	return o == NULL && help_told("tmp: Permission denied") ? 0 : 1;
}

static void
test_no_right_to_write_is_told(void **state)
{
	(void)state;
	assert_int_equal(chmod(tree_path("store/tmp"), 0555), 0);
	assert_int_equal(tree_as_nobody(put_as_nobody, NULL), 0);
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

	assert_true(store_has(help.s, digest));
	seen->links += links;
	return ++seen->n != seen->stop_at;
}

static void
test_objects_are_visited(void **state)
{
	uint8_t digest[DIGEST_SIZE];
	struct seen seen = { 0 };

	(void)state;
	help_build(1, "a", "one", "b", "one", "c", "two");
	help_object("loose", digest);
	tree_file("store/objects/readme", "x");
	tree_dir("store/objects/00");
	tree_file("store/objects/00/short", "x");
	tree_link("/etc/passwd",
	    "store/objects/00/"
	    "f24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
	assert_true(store_objects(help.s, see, &seen, &help.why));
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.links, 3);
	seen = (struct seen){ .stop_at = 2 };
	assert_false(store_objects(help.s, see, &seen, &help.why));
	assert_int_equal(seen.n, 2);
	assert_string_equal(help.why.text, "");
	/* A folder that cannot be read is not passed over in silence. */
	tree_link("/etc", "store/objects/01");
	seen = (struct seen){ 0 };
	assert_false(store_objects(help.s, see, &seen, &help.why));
	assert_true(help_told("objects: "));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_a_store(test_an_object_lies_under_its_hash),
		in_a_store(test_another_hash_leaves_nothing),
		in_a_store(test_an_empty_one_is_one_too),
		in_a_store(test_one_that_cannot_be_opened_stays),
		in_a_store(test_what_cannot_be_told_is_not_gone),
		in_a_store(test_one_of_no_release_is_hashed_once_more),
		in_a_store(test_what_releases_share_stays_shared),
		in_a_store(test_discard_takes_it_away_from_objects_alone),
		in_a_store(test_planted_links_are_not_followed),
		in_a_store(test_no_room_leaves_nothing),
		in_a_store(test_no_right_to_write_is_told),
		in_a_store(test_objects_are_visited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
