/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <stdint.h>
#include <stdlib.h>

#include "util/list.h"

struct member {
	int value;
	struct list link;
};

/* The values on a list as decimal digits. */
static int
digits(struct list *head)
{
	struct list *l;
	int n = 0;

	LIST_EACH (l, head)
		n = n * 10 + LIST_ENTRY(l, struct member, link)->value;
	return n;
}

static void
test_order_is_kept(void **state)
{
	struct member m[3] = { { .value = 1 }, { .value = 2 }, { .value = 3 } };
	struct list head;

	(void)state;
	list_init(&head);
	assert_true(list_empty(&head));
	assert_int_equal(digits(&head), 0);
	for (size_t i = 0; i < 3; i++) {
		list_init(&m[i].link);
		list_append(&head, &m[i].link);
	}
	assert_false(list_empty(&head));
	assert_int_equal(digits(&head), 123);
	list_remove(&m[1].link);
	assert_int_equal(digits(&head), 13);
	list_append(&head, &m[1].link);
	assert_int_equal(digits(&head), 132);
	assert_ptr_equal(head.prev, &m[1].link);
	for (size_t i = 0; i < 3; i++)
		list_remove(&m[i].link);
	assert_true(list_empty(&head));
}

static void
test_removal_without_a_list(void **state)
{
	struct member m = { .value = 7 };
	struct list head;

	(void)state;
	list_init(&head);
	list_init(&m.link);
	list_remove(&m.link);
	list_append(&head, &m.link);
	list_remove(&m.link);
	list_remove(&m.link);
	assert_true(list_empty(&head));
	assert_true(list_empty(&m.link));
}

/* ---- arrays */

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
		cmocka_unit_test(test_order_is_kept),
		cmocka_unit_test(test_removal_without_a_list),
		cmocka_unit_test(test_elements_are_kept),
		cmocka_unit_test(test_room_after_removal),
		cmocka_unit_test(test_moves_only_at_powers_of_two),
		cmocka_unit_test(test_overflowing_size_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
