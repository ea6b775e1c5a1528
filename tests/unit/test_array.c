/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <stdint.h>
#include <stdlib.h>

#include "util/array.h"

static void
test_elements_are_kept(void **state)
{
	size_t *items = NULL;

	(void)state;
	for (size_t n = 0; n < 1000; n++) {
		size_t *grown = array_grow(items, n, sizeof(*items));

		assert_non_null(grown);
		items = grown;
		items[n] = n;
	}
	for (size_t n = 0; n < 1000; n++)
		assert_int_equal(items[n], n);
	free(items);
}

/* Under AddressSanitizer a write past the end would be reported. */
static void
test_room_after_removal(void **state)
{
	uint8_t *items = NULL;

	(void)state;
	for (size_t top = 1; top < 40; top++) {
		for (size_t n = top / 2; n < top; n++) {
			items = array_grow(items, n, 1);
			assert_non_null(items);
			items[n] = (uint8_t)n;
		}
	}
	free(items);
}

static void
test_moves_only_at_powers_of_two(void **state)
{
	char *items = array_grow(array_grow(NULL, 0, 1), 1, 1);

	(void)state;
	items = array_grow(items, 2, 1);
	assert_ptr_equal(array_grow(items, 3, 1), items);
	free(items);
}

static void
test_overflowing_size_is_refused(void **state)
{
	char item[8];

	(void)state;
	assert_null(array_grow(NULL, 0x80, SIZE_MAX / 0x80));
	assert_ptr_equal(array_grow(item, 3, SIZE_MAX), item);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_elements_are_kept),
		cmocka_unit_test(test_room_after_removal),
		cmocka_unit_test(test_moves_only_at_powers_of_two),
		cmocka_unit_test(test_overflowing_size_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
