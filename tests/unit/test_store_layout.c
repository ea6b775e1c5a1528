/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capsule/store_layout.h"
#include "os/file.h"
#include "support/tree.h"

static void
test_serials(void **state)
{
	static const struct {
		const char *rule, *name;
		uint64_t serial;
	} rows[] = {
		{ "the first", "1", 1 },
		{ "2^53-1 is the last", "9007199254740991", STORE_SERIAL_MAX },
		{ "2^53 is too large", "9007199254740992", 0 },
		{ "2^64-1 is too large", "18446744073709551615", 0 },
		{ "2^64+1 does not wrap", "18446744073709551617", 0 },
		{ "none is 0", "0", 0 },
		{ "no zero before it", "042", 0 },
		{ "no name", "", 0 },
		{ "no sign", "+4", 0 },
		{ "digits alone", "4a", 0 },
		{ "no space", " 4", 0 },
	};
	char target[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(store_layout_serial(slice_str(rows[i].name)) ==
			      rows[i].serial,
		    rows[i].rule);
		snprintf(target, sizeof(target), "releases/%s", rows[i].name);
		check_row(
		    store_layout_linked(slice_str(target)) == rows[i].serial,
		    rows[i].rule);
	}
	assert_int_equal(store_layout_linked(SLICE("42")), 0);
	assert_int_equal(store_layout_linked(SLICE("releases42")), 0);
	assert_int_equal(store_layout_linked(SLICE("./releases/42")), 0);
	assert_int_equal(store_layout_linked(SLICE("releases/42/")), 0);
}

static void
test_paths(void **state)
{
	uint8_t digest[DIGEST_SIZE];
	char path[STORE_PATH_SIZE], url[MIRROR_OBJECT_SIZE];

	(void)state;
	memset(digest, 0xab, sizeof(digest));
	digest[1] = 0x0f;
	store_layout_object(digest, path);
	assert_memory_equal(path, "objects/ab/0fab", 15);
	assert_int_equal(strlen(path), strlen("objects/ab/") + 62);
	mirror_object(digest, url);
	assert_memory_equal(url, "mirror/objects/ab0fab", 21);
	assert_int_equal(strlen(url), strlen("mirror/objects/") + 64);
	store_layout_release(STORE_SERIAL_MAX, path);
	assert_string_equal(path, "releases/9007199254740991");
	assert_true(store_layout_linked(slice_str(path)) == STORE_SERIAL_MAX);
}

static bool
is_store(void)
{
	int root = file_root(tree_path("s"));
	bool is = store_layout_is(root);

	close(root);
	return is;
}

static void
test_store(void **state)
{
	(void)state;
	tree_make_dir("s");
	assert_false(is_store());
	tree_make_dir("s/objects");
	tree_make_dir("s/releases");
	assert_false(is_store()); /* a capsule may have such directories */
	tree_write("s/current", "releases/1");
	assert_false(is_store());
	tree_write("s/lock", "");
	assert_true(is_store()); /* nothing has been published yet */
	unlink(tree_path("s/lock"));
	unlink(tree_path("s/current"));
	tree_symlink("releases/1", "s/current");
	assert_true(is_store());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_serials),
		cmocka_unit_test(test_paths),
		cmocka_unit_test_setup_teardown(
		    test_store, tree_set_up, tree_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
