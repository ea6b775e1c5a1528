/* SPDX-License-Identifier: ISC */
#include "archive/download.h"

#include "check.h"

static const uint8_t one[DIGEST_SIZE] = { 1 }, two[DIGEST_SIZE] = { 2 },
		     three[DIGEST_SIZE] = { 3 };

static void
test_each_hash_once(void **state)
{
	static const struct download_file added[] = {
		{ .digest = three,
		    .path = NULL }, /* of an older release alone */
		{ .digest = two, .path = "z.gmi" },
		{ .digest = one, .path = NULL },
		{ .digest = one, .path = "b.gmi" },
		{ .digest = two, .path = NULL },
		{ .digest = one, .path = "a.gmi" },
		{ .digest = three, .path = NULL },
	};
	static const struct download_file want[] = {
		{ .digest = one, .path = "a.gmi" },
		{ .digest = two, .path = "z.gmi" },
		{ .digest = three, .path = NULL },
	};
	const size_t n = sizeof(want) / sizeof(want[0]);
	struct download d = { 0 };

	(void)state;
	download_drop_twins(&d);
	for (size_t i = 0; i < sizeof(added) / sizeof(added[0]); i++)
		assert_true(download_add(&d, added[i].digest, added[i].path));
	download_drop_twins(&d);
	assert_int_equal(d.n_missing, n);
	for (size_t i = 0; i < n; i++) {
		assert_ptr_equal(d.missing[i].digest, want[i].digest);
		if (want[i].path == NULL)
			assert_null(d.missing[i].path);
		else
			assert_string_equal(d.missing[i].path, want[i].path);
	}
	download_fini(&d);
	assert_null(d.missing);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_hash_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
