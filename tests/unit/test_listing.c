/* SPDX-License-Identifier: ISC */
#include "support/capsule.h"

#include <fcntl.h>

#include "capsule/listing.h"
#include "os/file.h"
#include "os/file_internal.h"

/* The page of a directory as it now is. */
static struct listing *
page_of(struct listings *l, const char *path)
{
	struct listing *page;
	struct stat st;
	char name[512];
	int fd;

	snprintf(name, sizeof(name), "root/%s", path);
	fd = open(tree_path(name), O_RDONLY | O_DIRECTORY);
	assert_int_not_equal(fd, -1);
	assert_int_equal(fstat(fd, &st), 0);
	page = listing_get(l, capsule_host(), path, fd, &st);
	close(fd);
	return page;
}

/* Long ago, or so many seconds later: of the root. */
static void
set_mtime(const char *name, int s)
{
	const struct timespec times[2] = { { 1000 + s, 0 }, { 1000 + s, 0 } };

	assert_int_equal(utimensat(AT_FDCWD, tree_path(name), times, 0), 0);
}

static void
test_cache_checks_mtime(void **state)
{
	struct listings *l = listings_new();
	struct listing *first, *again, *changed;

	(void)state;
	capsule_open_one("listing = true;");
	set_mtime("root", 0);
	first = page_of(l, "");
	again = page_of(l, "");
	assert_ptr_equal(first, again);
	tree_write("root/a", "");
	set_mtime("root", 1);
	changed = page_of(l, "");
	assert_ptr_not_equal(first, changed);
	check_slice(changed->body, SLICE("# /\n\n=> a a (0 B)\n"));
	/* A connection that still sends the old one has it until it releases
	 * it. */
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
test_recent_changes_are_not_cached(void **state)
{
	struct listings *l = listings_new();
	struct listing *first, *again;

	(void)state;
	capsule_open_one("listing = true;");
	first = page_of(l, "");
	again = page_of(l, "");
	assert_ptr_not_equal(first, again);
	listing_release(first);
	listing_release(again);
	listings_free(&l);
}

/* A file that is written in place leaves its directory as it was. */
static void
test_files_edited_in_place(void **state)
{
	struct listings *l = listings_new();
	struct listing *page, *again;

	(void)state;
	capsule_open_one("listing = true;");
	tree_write("root/a.gmi", "# One\n");
	tree_write("root/b.gmi", "# B\n");
	set_mtime("root/a.gmi", 0);
	set_mtime("root/b.gmi", 0);
	set_mtime("root", 0);
	page = page_of(l, "");
	again = page_of(l, "");
	assert_ptr_equal(page, again);
	check_slice(
	    page->body, SLICE("# /\n\n=> a.gmi One (6 B)\n=> b.gmi B (4 B)\n"));
	listing_release(page);
	listing_release(again);
	tree_write("root/a.gmi", "# Another\n");
	page = page_of(l, "");
	check_slice(page->body,
	    SLICE("# /\n\n=> a.gmi Another (10 B)\n=> b.gmi B (4 B)\n"));
	listing_release(page);
	tree_truncate("root/b.gmi", 0);
	page = page_of(l, "");
	check_slice(page->body, SLICE("# /\n\n=> a.gmi Another (10 B)\n"
				      "=> b.gmi b.gmi (0 B)\n"));
	listing_release(page);
	listings_free(&l);
}

static void
test_two_paths_of_one_directory(void **state)
{
	struct listings *l = listings_new();
	struct listing *one, *two;

	(void)state;
	capsule_open_one("listing = true;");
	tree_make_dir("root/d");
	tree_symlink("d", "root/e");
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
test_cache_drops_the_least_recently_used(void **state)
{
	struct listings *l = listings_new();
	struct listing *first, *second, *page;
	char name[32];
	int i;

	(void)state;
	capsule_open_one("listing = true;");
	for (i = 0; i <= LISTING_CACHE_SIZE; i++) {
		snprintf(name, sizeof(name), "root/%d", i);
		tree_make_dir(name);
		set_mtime(name, 0);
	}
	first = page_of(l, "0/");
	second = page_of(l, "1/");
	for (i = 2; i <= LISTING_CACHE_SIZE; i++) {
		page = page_of(l, "0/");
		assert_ptr_equal(page, first);
		listing_release(page);
		snprintf(name, sizeof(name), "%d/", i);
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
test_no_descriptors_left(void **state)
{
	struct listings *l = listings_new();
	struct listing *page;
	struct stat st;
	int fd;

	(void)state;
	capsule_open_one("listing = true;");
	tree_write("root/a", "");
	tree_symlink("a", "root/b");
	fd = open(tree_path("root"), O_RDONLY | O_DIRECTORY);
	assert_int_equal(fstat(fd, &st), 0);
	descriptors_limit(0); /* not even the directory */
	page = listing_get(l, capsule_host(), "", fd, &st);
	descriptors_unlimit();
	assert_null(page);
	descriptors_limit(1); /* the directory, but no link in it */
	page = listing_get(l, capsule_host(), "", fd, &st);
	descriptors_unlimit();
	assert_null(page);
	page = listing_get(l, capsule_host(), "", fd, &st);
	assert_non_null(page);
	listing_release(page);
	close(fd);
	listings_free(&l);
}

static void
test_names_in_order(void **state)
{
	static const char *const sorted[] = { "#1", "1", "2", "3b", "10", "A1",
		"a01", "a2", "A10", "a10b", "B", "b", "b1", "bb", "v1.9",
		"v1.10", "v1.10.1", "\xc3\xa9" };
	const size_t n = sizeof(sorted) / sizeof(sorted[0]);
	size_t i, k;

	(void)state;
	for (i = 0; i < n; i++)
		for (k = 0; k < n; k++) {
			int order = listing_compare(sorted[i], sorted[k]);

			if ((order > 0) - (order < 0) != (i > k) - (i < k))
				fail_msg("\"%s\" and \"%s\": %d", sorted[i],
				    sorted[k], order);
		}
	assert_true(listing_compare("a1", "a01") != 0);
	assert_true(listing_compare("99999999999999999999999",
			"100000000000000000000000") < 0);
}

static void
test_sizes(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {
		{ 0, "0 B" },
		{ 17, "17 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.0 KiB" },
		{ 4096, "4.0 KiB" },
		{ 5000, "4.9 KiB" },
		{ 1048575, "1.0 MiB" },
		{ 1048576, "1.0 MiB" },
		{ 1258291, "1.2 MiB" },
		{ 104857600, "100.0 MiB" },
		{ UINT64_C(1) << 40, "1.0 TiB" },
		{ UINT64_MAX, "16.0 EiB" },
	};
	char text[16];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		listing_size(rows[i].bytes, text);
		assert_string_equal(text, rows[i].text);
	}
}

static void
check_page(const char *path, const char *want)
{
	struct listings *l = listings_new();
	struct listing *page = page_of(l, path);

	assert_non_null(page);
	check_slice(page->body, slice_str(want));
	listing_release(page);
	listings_free(&l);
	assert_null(l);
	listings_free(&l);
}

#define LISTED(linked_directory, linked_file)                                  \
	"# /\n\n"                                                              \
	"=> Adir/ Adir/\n" linked_directory "=> sub/ sub/\n"                   \
	"=> a%20b.txt a b.txt (5 B)\n"                                         \
	"=> bad%FF bad\\xff (0 B)\n"                                           \
	"=> co%3Alon co:lon (0 B)\n"                                           \
	"=> esc.gmi a\\x1b[2J\\x5c (9 B)\n" linked_file                        \
	"=> new%0Aline new\\x0aline (0 B)\n"                                   \
	"=> none.gemini none.gemini (11 B)\n"                                  \
	"=> page9.gmi Nine (17 B)\n"                                           \
	"=> page10.gmi Ten (11 B)\n"                                           \
	"=> %C3%A9 \xc3\xa9 (0 B)\n"

static void
test_page(void **state) /* row A26, rule 1.2.36 */
{
	(void)state;
	capsule_open_one("listing = true;");
	tree_make_dir("root/sub");
	tree_make_dir("root/Adir");
	tree_make_dir("root/.git");
	tree_write("root/.hidden", "x");
	tree_write("root/page10.gmi", "text\n# Ten\n");
	tree_write("root/page9.gmi", "# Nine\r\n# Other\r\n");
	tree_write("root/none.gemini", "no heading\n");
	tree_write("root/a b.txt", "12345");
	tree_write("root/co:lon", "");
	tree_write("root/new\nline", "");
	tree_write("root/bad\xff", "");
	tree_write("root/\xc3\xa9", "");
	tree_write("root/esc.gmi", "# a\x1b[2J\\\n");
	tree_symlink("page9.gmi", "root/link.gmi");
	tree_symlink("sub", "root/linkdir");
	tree_symlink("/etc", "root/etc");
	tree_symlink("/etc/hostname", "root/out");
	tree_symlink("none", "root/dangling");
	assert_int_equal(mkfifo(tree_path("root/fifo"), 0644), 0);
	/* Without openat2 no link is followed, hence none is shown. */
	check_page("", file_has_openat2() ? LISTED("=> linkdir/ linkdir/\n",
						"=> link.gmi Nine (17 B)\n")
					  : LISTED("", ""));
}

static void
test_page_below(void **state)
{
	(void)state;
	capsule_open_one("listing = true;");
	tree_make_dir("root/a\x1b b");
	check_page("a\x1b b/",
	    "# /a\\x1b b/\n\n=> ../ ..\nNothing is in this directory.\n");
}

static void
test_unserved_links_are_left_out(void **state)
{
	(void)state;
	tree_write("root/capsule.conf",
	    "listing = true; paths = ("
	    "{ glob = \"/shut/*\"; listing = false; } );");
	capsule_open_one("hidden = [\".ok\"];");
	tree_make_dir("root/shut");
	tree_make_dir("root/shut/indexed");
	tree_write("root/shut/indexed/index.gmi", "# I\n");
	tree_write("root/.ok", "x");
	check_page("", "# /\n\n=> .ok .ok (1 B)\n"
		       "=> capsule.conf capsule.conf (66 B)\n");
	/* One that has an index page is served, listed or not. */
	check_page("shut/", "# /shut/\n\n=> ../ ..\n=> indexed/ indexed/\n");
}

/* Root can read files of mode 0000: hence as nobody. */
static int
list_as_nobody(void *arg)
{
	struct listings *l = listings_new();
	struct listing *page = page_of(l, "");
	bool ok = page != NULL &&
		  slice_equal(page->body, SLICE("# /\n\n=> b b (1 B)\n"));

	(void)arg;
	return ok ? 0 : 1;
}

static void
test_A50_unreadable_is_left_out(void **state)
{
	(void)state;
	capsule_open_one("listing = true;");
	tree_write("root/a", "x");
	tree_write("root/b", "x");
	tree_make_dir("root/d");
	assert_int_equal(chmod(tree_path("root/a"), 0), 0);
	assert_int_equal(chmod(tree_path("root/d"), 0), 0);
	assert_int_equal(tree_run_as_nobody(list_as_nobody, NULL), 0);
	assert_int_equal(chmod(tree_path("root/d"), 0755), 0);
}

static size_t
links_in(struct slice body)
{
	struct slice line;
	size_t n = 0;

	while (slice_line(&body, &line))
		n += slice_starts(line, SLICE("=> "));
	return n;
}

static void
check_many(const char *last)
{
	struct listings *l = listings_new();
	struct listing *page = page_of(l, "");

	assert_non_null(page);
	assert_int_equal(links_in(page->body), LISTING_ENTRIES_MAX);
	assert_int_equal(
	    slice_ends(page->body, SLICE(" not listed.\n")), last != NULL);
	if (last != NULL)
		assert_true(slice_ends(page->body, slice_str(last)));
	listing_release(page);
	listings_free(&l);
}

static void
test_at_most_1000_entries(void **state)
{
	char name[32];
	int i;

	(void)state;
	capsule_open_one("listing = true;");
	for (i = 0; i < LISTING_ENTRIES_MAX; i++) {
		snprintf(name, sizeof(name), "root/%d", i);
		tree_write(name, "");
	}
	check_many(NULL);
	tree_write("root/x", "");
	check_many("\n1 more is not listed.\n");
	tree_write("root/y", "");
	check_many("\n2 more are not listed.\n");
}

static void
test_long_headings_are_cut(void **state)
{
	char text[5000] = "# ";
	char want[512];
	struct listings *l;
	struct listing *page;

	(void)state;
	capsule_open_one("listing = true;");
	memset(text + 2, 'x', 4990);
	memcpy(text + 2 + 199, "\xe2\x82\xac", 3); /* over the edge */
	tree_write("root/a.gmi", text);
	snprintf(want, sizeof(want), "=> a.gmi %.199s (4.9 KiB)\n", text + 2);
	l = listings_new();
	page = page_of(l, "");
	assert_true(slice_ends(page->body, slice_str(want)));
	listing_release(page);
	listings_free(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		capsule_test(test_cache_checks_mtime),
		capsule_test(test_recent_changes_are_not_cached),
		capsule_test(test_files_edited_in_place),
		capsule_test(test_two_paths_of_one_directory),
		capsule_test(test_cache_drops_the_least_recently_used),
		capsule_test(test_no_descriptors_left),
		cmocka_unit_test(test_names_in_order),
		cmocka_unit_test(test_sizes),
		capsule_test(test_page),
		capsule_test(test_page_below),
		capsule_test(test_unserved_links_are_left_out),
		capsule_test(test_A50_unreadable_is_left_out),
		capsule_test(test_at_most_1000_entries),
		capsule_test(test_long_headings_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
