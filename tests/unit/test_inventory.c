/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capsule/inventory.h"
#include "os/file.h"
#include "support/capsule.h"

static void
assert_paths(const char *wanted)
{
	struct inventory i;
	char text[4096] = "";
	struct buf out;
	size_t k;

	buf_wrap(&out, text, sizeof(text) - 1);
	assert_true(inventory_read(capsule_host(), &i));
	for (k = 0; k < i.n; k++)
		buf_printf(&out, "%s%s%s", k == 0 ? "" : " ", i.item[k].path,
		    i.item[k].page ? "+" : "");
	assert_string_equal(buf_cstr(&out), wanted);
	for (k = 0; k < i.n; k++)
		assert_ptr_equal(
		    inventory_find(&i, i.item[k].path), &i.item[k]);
	assert_null(inventory_find(&i, "nowhere"));
	inventory_fini(&i);
}

static void
test_served_files_in_byte_order(void **state)
{
	(void)state;
	tree_make_dir("root/a");
	tree_write("root/a/z.gmi", "# z\n");
	tree_write("root/a.gmi", "# a\n");
	tree_write("root/a/index.gmi", "# i\n");
	tree_write("root/b c.txt", "b\n");
	tree_write("root/x.gemini", "# x\n");
	capsule_open_one("");
	assert_paths("a.gmi+ a/index.gmi+ a/z.gmi+ b c.txt x.gemini+");
}

static void
test_unserved_files_are_left_out(void **state)
{
	(void)state;
	tree_write("root/.hidden", "h\n");
	tree_make_dir("root/.git");
	tree_make_dir("root/.well-known");
	tree_write("root/.git/config", "g\n");
	tree_write("root/.well-known/security.txt", "s\n");
	tree_write("root/gone.gmi", "# g\n");
	tree_write("root/old.gmi", "# o\n");
	tree_write("root/new.gmi", "# n\n");
	tree_write("out.txt", "out\n");
	assert_int_equal(symlink("../out.txt", tree_path("root/out.txt")), 0);
	assert_int_equal(mkfifo(tree_path("root/fifo"), 0644), 0);
	capsule_open_one("gone = [\"/gone.gmi\"]; redirects = "
			 "( { from = \"/old.gmi\"; to = \"/new.gmi\"; } );");
	assert_paths(".well-known/security.txt new.gmi+");
}

static void
test_index_page_with_a_redirect(void **state)
{
	(void)state;
	tree_make_dir("root/d");
	tree_make_dir("root/e e");
	tree_write("root/index.gmi", "# i\n");
	tree_write("root/d/index.gmi", "# d\n");
	tree_write("root/e e/index.gmi", "# e\n");
	tree_write("root/e e/a.gmi", "# a\n");
	capsule_open_one("redirects = ( { from = \"/index.gmi\"; to = \"/\"; },"
			 "{ from = \"/e e/index.gmi\"; to = \"/e%20e/\"; },"
			 "{ from = \"/e e/a.gmi\"; to = \"/e%20e/\"; },"
			 "{ from = \"/d/*\"; to = \"/\"; } );");
	assert_paths("e e/index.gmi+ index.gmi+");
	capsule_open_one("gone = [\"/index.gmi\"]; index = [\"a.gmi\"];");
	assert_paths("d/index.gmi+ e e/a.gmi+ e e/index.gmi+");
}

static void
test_prefixes(void **state)
{
	static const struct {
		const char *prefix;
		bool found;
	} rows[] = { { "", true }, { "a", true }, { "a/", true },
		{ "a/z.gmi", true }, { "a.", true }, { "a/z.gmi/", false },
		{ "A", false }, { "b", true }, { "b/", false },
		{ "c", false } };
	struct inventory i;

	(void)state;
	tree_make_dir("root/a");
	tree_write("root/a/z.gmi", "# z\n");
	tree_write("root/a.gmi", "# a\n");
	tree_write("root/b.gmi", "# b\n");
	capsule_open_one("");
	assert_true(inventory_read(capsule_host(), &i));
	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
		check_row(
		    inventory_has_prefix(&i, rows[k].prefix) == rows[k].found,
		    rows[k].prefix);
	inventory_fini(&i);
	assert_false(inventory_has_prefix(&i, ""));
}

static void
test_pages_by_served_type(void **state)
{
	(void)state;
	tree_write("root/a.gmi", "a\n");
	tree_write("root/b.txt", "b\n");
	capsule_open_one(
	    "paths = ( { glob = \"/a.gmi\"; type = \"text/plain\"; },"
	    "{ glob = \"/b.txt\"; type = \"text/gemini\"; } );");
	assert_paths("a.gmi b.txt+");
}

static void
test_loading_stays_beneath_the_root(void **state)
{
	struct buf out;

	(void)state;
	tree_write("root/a.txt", "abc\n");
	tree_write("secret.txt", "secret\n");
	capsule_open_one("");
	buf_init(&out, 4);
	assert_true(inventory_load(capsule_host(), "a.txt", &out));
	assert_true(slice_equal(buf_view(&out), SLICE("abc\n")));
	buf_reset(&out);
	assert_false(inventory_load(capsule_host(), "../secret.txt", &out));
	assert_false(inventory_load(capsule_host(), "", &out));
	assert_false(inventory_load(capsule_host(), "none", &out));
	buf_fini(&out);
	buf_init(&out, 3);
	assert_false(inventory_load(capsule_host(), "a.txt", &out));
	buf_fini(&out);
}

/* What a release is made of, then "|", then what is left out and why. */
static void
assert_sorted(const char *wanted)
{
	struct inventory i;
	struct inventory_omissions left;
	char text[8192] = "";
	struct buf out;
	size_t k;

	buf_wrap(&out, text, sizeof(text) - 1);
	assert_true(inventory_read_plain(capsule_host(), &i, &left));
	for (k = 0; k < i.n; k++)
		buf_printf(
		    &out, "%s%s ", i.item[k].path, i.item[k].page ? "+" : "");
	buf_str(&out, "|");
	for (k = 0; k < left.n; k++)
		buf_printf(&out, " %.20s:%d", left.item[k].path,
		    (int)left.item[k].why);
	assert_string_equal(buf_cstr(&out), wanted);
	inventory_fini(&i);
	inventory_omissions_fini(&left);
	assert_int_equal(left.n, 0);
}

static void
test_omissions_are_reported(void **state)
{
	(void)state;
	tree_make_dir("root/.git");
	tree_make_dir("root/.git/objects");
	tree_make_dir("root/.well-known");
	tree_make_dir("root/a");
	tree_make_dir("root/empty");
	tree_write("root/.git/config", "g\n");
	tree_write("root/.well-known/security.txt", "s\n");
	tree_write("root/.well-known/.deep", "d\n");
	tree_write("root/a/z.gmi", "# z\n");
	tree_write("root/a.gmi", "# a\n");
	tree_write("root/gone.gmi", "# g\n");
	tree_write("root/old.gmi", "# o\n");
	tree_symlink("a", "root/dir");
	tree_symlink("a.gmi", "root/in.gmi");
	tree_symlink("../out", "root/out.gmi");
	tree_symlink("nowhere", "root/dangling.gmi");
	tree_symlink("a.gmi", "root/.hidden");
	assert_int_equal(mkfifo(tree_path("root/fifo"), 0644), 0);
	capsule_open_one("gone = [\"/gone.gmi\"]; redirects = "
			 "( { from = \"/old.gmi\"; to = \"/a.gmi\"; } );");
	assert_sorted(".well-known/security.txt a.gmi+ a/z.gmi+ | "
		      ".git:0 .hidden:0 .well-known/.deep:0 "
		      "dangling.gmi:1 dir:1 fifo:2 gone.gmi:5 "
		      "in.gmi:1 old.gmi:6 out.gmi:1");
	for (int k = INVENTORY_HIDDEN; k <= INVENTORY_REDIRECTED; k++)
		assert_non_null(inventory_why_text((enum inventory_why)k));
}

/* A link gives a directory no second name, and takes none from it. */
static void
test_release_has_linked_directories(void **state)
{
	(void)state;
	tree_make_dir("root/z");
	tree_write("root/z/x.gmi", "# x\n");
	tree_symlink("z", "root/a");
	capsule_open_one("");
	assert_sorted("z/x.gmi+ | a:1");
}

static int
sort_as_nobody(void *arg)
{
	(void)arg;
	assert_sorted("a.gmi+ | closed:3 noread.gmi:3 nosearch/x.gmi:3");
	return 0;
}

static void
test_unreadable_is_reported(void **state)
{
	(void)state;
	tree_make_dir("root/closed");
	tree_make_dir("root/nosearch");
	tree_write("root/closed/x.gmi", "# x\n");
	tree_write("root/nosearch/x.gmi", "# x\n");
	tree_write("root/noread.gmi", "# n\n");
	tree_write("root/a.gmi", "# a\n");
	capsule_open_one("");
	assert_int_equal(chmod(tree_path("root/closed"), 0), 0);
	assert_int_equal(chmod(tree_path("root/nosearch"), 0444), 0);
	assert_int_equal(chmod(tree_path("root/noread.gmi"), 0), 0);
	assert_int_equal(tree_run_as_nobody(sort_as_nobody, NULL), 0);
	assert_int_equal(chmod(tree_path("root/closed"), 0755), 0);
	assert_int_equal(chmod(tree_path("root/nosearch"), 0755), 0);
}

static void
test_names_too_long_for_a_request_are_reported(void **state)
{
	char path[2048] = "root/";
	size_t i;

	(void)state;
	/* 5 names of 245 bytes are more than a request line of 1,024. */
	for (i = 0; i < 5; i++) {
		size_t len = strlen(path);

		memset(path + len, (int)('a' + i), 244);
		path[len + 244] = '\0';
		tree_make_dir(path);
		snprintf(path + len + 244, sizeof(path) - len - 244, "/");
	}
	snprintf(path + strlen(path), 8, "x.gmi");
	tree_write(path, "# x\n");
	capsule_open_one("");
	assert_sorted("| aaaaaaaaaaaaaaaaaaaa:4");
}

static void
test_too_deep_is_reported(void **state)
{
	struct inventory_omissions left;
	struct inventory i;
	char path[512] = "root";
	size_t k, len;

	(void)state;
	for (k = 0; k < FILE_WALK_DEPTH_MAX + 1; k++) {
		len = strlen(path);
		snprintf(path + len, sizeof(path) - len, "/d");
		tree_make_dir(path);
		snprintf(path + len + 2, sizeof(path) - len - 2, "/x");
		tree_write(path, "x");
		path[len + 2] = '\0';
	}
	capsule_open_one("");
	assert_true(inventory_read_plain(capsule_host(), &i, &left));
	assert_int_equal(i.n, FILE_WALK_DEPTH_MAX);
	assert_int_equal(left.n, 1);
	assert_int_equal(left.item[0].why, INVENTORY_TOO_LONG);
	assert_string_equal(left.item[0].path, path + strlen("root/"));
	inventory_fini(&i);
	inventory_omissions_fini(&left);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		capsule_test(test_served_files_in_byte_order),
		capsule_test(test_unserved_files_are_left_out),
		capsule_test(test_index_page_with_a_redirect),
		capsule_test(test_prefixes),
		capsule_test(test_pages_by_served_type),
		capsule_test(test_omissions_are_reported),
		capsule_test(test_release_has_linked_directories),
		capsule_test(test_unreadable_is_reported),
		capsule_test(test_names_too_long_for_a_request_are_reported),
		capsule_test(test_too_deep_is_reported),
		capsule_test(test_loading_stays_beneath_the_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
