/* SPDX-License-Identifier: ISC */
#include "listing_help.h"

#include <sys/resource.h>

/* Long ago, or so many seconds later: of the root. */
static void
set_mtime(const char *name, int s)
{
	const struct timespec times[2] = { { 1000 + s, 0 }, { 1000 + s, 0 } };

	assert_int_equal(utimensat(AT_FDCWD, tree_path(name), times, 0), 0);
}

static void
test_the_cache_goes_by_mtime(void **state)
{
	struct listings *l = listings_new();
	struct listing *first, *again, *changed;

	(void)state;
	help_open_one("listing = true;");
	set_mtime("root", 0);
	first = page_of(l, "");
	again = page_of(l, "");
	assert_ptr_equal(first, again);
	tree_file("root/a", "");
	set_mtime("root", 1);
	changed = page_of(l, "");
	assert_ptr_not_equal(first, changed);
	check_slice(changed->body, SLICE("# /\n\n=> a a (0 B)\n"));
	/* Whoever still sends the old one has it until he releases it. */
	check_slice(
	    first->body, SLICE("# /\n\nNothing is in this directory.\n"));
	listing_release(first);
	check_slice(
	    again->body, SLICE("# /\n\nNothing is in this directory.\n"));
	listing_release(again);
	listings_free(&l);
	check_slice(changed->body, SLICE("# /\n\n=> a a (0 B)\n"));
	listing_release(changed);
}

static void
test_what_just_changed_is_not_kept(void **state)
{
	struct listings *l = listings_new();
	struct listing *first, *again;

	(void)state;
	help_open_one("listing = true;");
	first = page_of(l, "");
	again = page_of(l, "");
	assert_ptr_not_equal(first, again);
	listing_release(first);
	listing_release(again);
	listings_free(&l);
}

static void
test_two_paths_of_one_directory(void **state)
{
	struct listings *l = listings_new();
	struct listing *one, *two;

	(void)state;
	help_open_one("listing = true;");
	tree_dir("root/d");
	tree_link("d", "root/e");
	set_mtime("root/d", 0);
	one = page_of(l, "d/");
	two = page_of(l, "e/");
	assert_true(slice_starts(one->body, SLICE("# /d/\n")));
	assert_true(slice_starts(two->body, SLICE("# /e/\n")));
	listing_release(one);
	listing_release(two);
	listings_free(&l);
}

static void
test_the_cache_forgets_what_was_used_longest_ago(void **state)
{
	struct listings *l = listings_new();
	struct listing *first, *second, *page;
	char name[32];
	int i;

	(void)state;
	help_open_one("listing = true;");
	for (i = 0; i <= LISTING_CACHE_SIZE; i++) {
		(void)snprintf(name, sizeof(name), "root/%d", i);
		tree_dir(name);
		set_mtime(name, 0);
	}
	first = page_of(l, "0/");
	second = page_of(l, "1/");
	for (i = 2; i <= LISTING_CACHE_SIZE; i++) {
		page = page_of(l, "0/");
		assert_ptr_equal(page, first);
		listing_release(page);
		(void)snprintf(name, sizeof(name), "%d/", i);
		listing_release(page_of(l, name));
	}
	page = page_of(l, "1/"); /* made again */
	assert_ptr_not_equal(page, second);
	check_slice(page->body, second->body);
	listing_release(page);
	page = page_of(l, "0/");
	assert_ptr_equal(page, first);
	listing_release(page);
	listing_release(first);
	listing_release(second);
	listings_free(&l);
}

static void
test_descriptors_short(void **state)
{
	struct listings *l = listings_new();
	struct rlimit before, few;
	struct listing *page;
	struct stat st;
	int fd;
	int spare;

	(void)state;
	help_open_one("listing = true;");
	tree_file("root/a", "");
	tree_link("a", "root/b");
	fd = open(tree_path("root"), O_RDONLY | O_DIRECTORY);
	assert_int_equal(fstat(fd, &st), 0);
	spare = dup(0);
	(void)close(spare);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = (rlim_t)spare; /* not even the directory */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	page = listing_get(l, help_host(), "", fd, &st);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_null(page);
	few.rlim_cur = (rlim_t)spare + 1; /* the directory, but no link in it */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	page = listing_get(l, help_host(), "", fd, &st);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_null(page);
	page = listing_get(l, help_host(), "", fd, &st);
	assert_non_null(page);
	listing_release(page);
	(void)close(fd);
	listings_free(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_a_capsule(test_the_cache_goes_by_mtime),
		in_a_capsule(test_what_just_changed_is_not_kept),
		in_a_capsule(test_two_paths_of_one_directory),
		in_a_capsule(test_the_cache_forgets_what_was_used_longest_ago),
		in_a_capsule(test_descriptors_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
