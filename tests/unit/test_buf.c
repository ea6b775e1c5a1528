/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <string.h>
#include <wchar.h>

#include "util/buf.h"

static void
test_all_or_nothing_on_the_heap(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 5);
	check_slice(buf_view(&b), SLICE(""));
	assert_true(buf_str(&b, "abc"));
	assert_false(buf_str(&b, "def"));
	check_slice(buf_view(&b), SLICE("abc"));
	assert_true(b.failed);
	assert_false(
	    buf_byte(&b, 'd')); /* it would fit, but a gap lies before */
	buf_reset(&b);
	assert_false(b.failed);
	assert_true(buf_put(&b, SLICE("a\0cde")));
	assert_false(buf_byte(&b, 'f'));
	check_slice(buf_view(&b), SLICE("a\0cde"));
	buf_fini(&b);
	check_slice(buf_view(&b), SLICE(""));
	assert_true(buf_str(&b, "again"));
	buf_fini(&b);
}

static void
test_borrowed_memory_is_never_exceeded(void **state)
{
	char memory[6] = "xxxxxx";
	struct buf b;

	(void)state;
	buf_wrap(&b, memory, 5);
	assert_true(buf_str(&b, "abcde"));
	assert_false(buf_byte(&b, 'f'));
	assert_null(buf_cstr(&b)); /* no room for the NUL */
	assert_int_equal(memory[5], 'x');
	buf_fini(&b);
	assert_true(buf_str(&b, "ab"));
	assert_string_equal(buf_cstr(&b), "ab");
	assert_ptr_equal(buf_view(&b).ptr, memory);
	buf_truncate(&b, 1);
	check_slice(buf_view(&b), SLICE("a"));
	buf_wrap(&b, memory, 0);
	assert_true(buf_put(&b, (struct slice){ NULL, 0 }));
	assert_false(buf_byte(&b, 'a'));
}

static void
test_growth(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, SIZE_MAX);
	for (int i = 0; i < 10000; i++)
		assert_true(buf_byte(&b, (uint8_t)i));
	assert_int_equal(b.len, 10000);
	for (int i = 0; i < 10000; i++)
		assert_int_equal(b.ptr[i], (uint8_t)i);
	buf_fini(&b);

	buf_init(&b, 64); /* a full buffer still has its NUL */
	for (int i = 0; i < 64; i++)
		assert_true(buf_byte(&b, 'a'));
	assert_int_equal(strlen(buf_cstr(&b)), 64);
	assert_false(buf_byte(&b, 'a'));
	buf_fini(&b);

	buf_init(&b, 0);
	assert_string_equal(buf_cstr(&b), "");
	buf_fini(&b);
}

static void
test_printf(void **state)
{
	char memory[6] = "xxxxxx";
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	assert_true(buf_printf(&b, "%d-%s", 42, "x"));
	assert_true(buf_printf(&b, "%s", ""));
	check_slice(buf_view(&b), SLICE("42-x"));
	assert_false(buf_printf(&b, "%97d", 1));
	check_slice(buf_view(&b), SLICE("42-x"));
	buf_reset(&b);
	assert_true(buf_printf(&b, "%100d", 1));
	assert_int_equal(b.len, 100);
	buf_fini(&b);

	buf_wrap(&b, memory, 5);
	assert_true(buf_printf(&b, "%s", "abc"));
	assert_false(buf_printf(&b, "%s", "def"));
	check_slice(buf_view(&b), SLICE("abc"));
	buf_reset(&b);
	assert_true(buf_printf(&b, "%s", "abcde")); /* but its NUL does not */
	check_slice(buf_view(&b), SLICE("abcde"));
	assert_int_equal(memory[5], 'x');
	/* a lone surrogate cannot be printed in any locale */
	buf_reset(&b);
	assert_false(buf_printf(&b, "%lc", (wint_t)0xd800));
	assert_true(b.failed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_or_nothing_on_the_heap),
		cmocka_unit_test(test_borrowed_memory_is_never_exceeded),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_printf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
