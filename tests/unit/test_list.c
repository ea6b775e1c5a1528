/* SPDX-License-Identifier: ISC */
#include "check.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_is_kept),
		cmocka_unit_test(test_removal_without_a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
