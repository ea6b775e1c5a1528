/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capsule/inventory.h"
#include "capsule_help.h"

static void
assert_paths(const char *wanted)
{
	struct inventory i;
	char text[4096] = "";
	struct buf out;
	size_t k;

	buf_wrap(&out, text, sizeof(text) - 1);
	assert_true(inventory_read(help_host(), &i));
	for (k = 0; k < i.n; k++)
		(void)buf_printf(&out, "%s%s%s", k == 0 ? "" : " ",
		    i.item[k].path, i.item[k].page ? "+" : "");
	assert_string_equal(buf_cstr(&out), wanted);
	for (k = 0; k < i.n; k++)
		assert_ptr_equal(
		    inventory_find(&i, i.item[k].path), &i.item[k]);
	assert_null(inventory_find(&i, "nowhere"));
	inventory_fini(&i);
}

static void
test_what_is_served_in_byte_order(void **state)
{
	(void)state;
	tree_dir("root/a");
	tree_file("root/a/z.gmi", "# z\n");
	tree_file("root/a.gmi", "# a\n");
	tree_file("root/a/index.gmi", "# i\n");
	tree_file("root/b c.txt", "b\n");
	tree_file("root/x.gemini", "# x\n");
	help_open_one("");
	assert_paths("a.gmi+ a/index.gmi+ a/z.gmi+ b c.txt x.gemini+");
}

static void
test_what_visitors_do_not_get_is_left_out(void **state)
{
	(void)state;
	tree_file("root/.hidden", "h\n");
	tree_dir("root/.git");
	tree_dir("root/.well-known");
	tree_file("root/.git/config", "g\n");
	tree_file("root/.well-known/security.txt", "s\n");
	tree_file("root/gone.gmi", "# g\n");
	tree_file("root/old.gmi", "# o\n");
	tree_file("root/new.gmi", "# n\n");
	tree_file("out.txt", "out\n");
	assert_int_equal(symlink("../out.txt", tree_path("root/out.txt")), 0);
	assert_int_equal(mkfifo(tree_path("root/fifo"), 0644), 0);
	help_open_one("gone = [\"/gone.gmi\"]; redirects = "
		      "( { from = \"/old.gmi\"; to = \"/new.gmi\"; } );");
	assert_paths(".well-known/security.txt new.gmi+");
}

static void
test_an_index_page_is_served_by_its_directory_alone(void **state)
{
	(void)state;
	tree_dir("root/d");
	tree_dir("root/e e");
	tree_file("root/index.gmi", "# i\n");
	tree_file("root/d/index.gmi", "# d\n");
	tree_file("root/e e/index.gmi", "# e\n");
	tree_file("root/e e/a.gmi", "# a\n");
	help_open_one("redirects = ( { from = \"/index.gmi\"; to = \"/\"; },"
		      "{ from = \"/e e/index.gmi\"; to = \"/e%20e/\"; },"
		      "{ from = \"/e e/a.gmi\"; to = \"/e%20e/\"; },"
		      "{ from = \"/d/*\"; to = \"/\"; } );");
	assert_paths("e e/index.gmi+ index.gmi+");
	help_open_one("gone = [\"/index.gmi\"]; index = [\"a.gmi\"];");
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
	tree_dir("root/a");
	tree_file("root/a/z.gmi", "# z\n");
	tree_file("root/a.gmi", "# a\n");
	tree_file("root/b.gmi", "# b\n");
	help_open_one("");
	assert_true(inventory_read(help_host(), &i));
	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
		check_row(
		    inventory_has_prefix(&i, rows[k].prefix) == rows[k].found,
		    rows[k].prefix);
	inventory_fini(&i);
	assert_false(inventory_has_prefix(&i, ""));
}

static void
test_a_page_is_told_by_the_type_it_is_served_as(void **state)
{
	(void)state;
	tree_file("root/a.gmi", "a\n");
	tree_file("root/b.txt", "b\n");
	help_open_one("paths = ( { glob = \"/a.gmi\"; type = \"text/plain\"; },"
		      "{ glob = \"/b.txt\"; type = \"text/gemini\"; } );");
	assert_paths("a.gmi b.txt+");
}

static void
test_loading_stays_beneath_the_root(void **state)
{
	struct buf out;

	(void)state;
	tree_file("root/a.txt", "abc\n");
	tree_file("secret.txt", "secret\n");
	help_open_one("");
	buf_init(&out, 4);
	assert_true(inventory_load(help_host(), "a.txt", &out));
	assert_true(slice_equal(buf_view(&out), SLICE("abc\n")));
	buf_reset(&out);
	assert_false(inventory_load(help_host(), "../secret.txt", &out));
	assert_false(inventory_load(help_host(), "", &out));
	assert_false(inventory_load(help_host(), "none", &out));
	buf_fini(&out);
	buf_init(&out, 3);
	assert_false(inventory_load(help_host(), "a.txt", &out));
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_a_capsule(test_what_is_served_in_byte_order),
		in_a_capsule(test_what_visitors_do_not_get_is_left_out),
		in_a_capsule(
		    test_an_index_page_is_served_by_its_directory_alone),
		in_a_capsule(test_prefixes),
		in_a_capsule(test_a_page_is_told_by_the_type_it_is_served_as),
		in_a_capsule(test_loading_stays_beneath_the_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
