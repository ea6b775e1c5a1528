/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/notice.h"
#include "util/clock.h"
#include "util/fd.h"

static struct notices in;
static struct notice one;
static int child;

static void
set_up(void)
{
	assert_true(notices_open(&in, &child));
	assert_int_equal(notices_next(&in, &one), NOTICES_WAIT);
}

static void
test_there_and_back(void **state)
{
	char longest[WHY_MAX];

	(void)state;
	set_up();
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_true(notice_send(child, 1, 2, "three"));
	assert_true(notice_send(child, 4, UINT32_MAX, NULL));
	assert_true(notice_send(child, 5, 6, longest));
	close(child);
	assert_int_equal(notices_next(&in, &one), NOTICES_ONE);
	assert_int_equal(one.kind, 1);
	assert_int_equal(one.number, 2);
	assert_string_equal(one.text, "three");
	assert_int_equal(notices_wait(&in, 1, &one), NOTICES_ONE);
	assert_int_equal(one.number, UINT32_MAX);
	assert_string_equal(one.text, "");
	assert_int_equal(notices_wait(&in, 0, &one), NOTICES_ONE);
	assert_string_equal(one.text, longest);
	assert_int_equal(notices_next(&in, &one), NOTICES_END);
	notices_close(&in);
	notices_close(&in);
	assert_int_equal(in.fd, -1);
}

/* Nothing that a child may write harms. */
static void
test_hostile(void **state)
{
	static const uint32_t longer[3] = { 1, 2, WHY_MAX };
	static const uint32_t longest[3] = { 1, 2, UINT32_MAX };
	static const uint32_t all[3] = { 1, 2, WHY_MAX - 1 };
	const struct {
		const char *name;
		struct slice bytes;
	} rows[] = {
		{ "nothing", SLICE("") },
		{ "half a head", SLICE("12345678901") },
		{ "a text that is too long", slice_of(longer, sizeof(longer)) },
		{ "one of 4 GiB", slice_of(longest, sizeof(longest)) },
		{ "half a text", slice_of(all, sizeof(all)) },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		set_up();
		assert_true(notice_send(child, 7, 0, "a\nb"));
		assert_true(fd_write_all(child, rows[i].bytes));
		close(child);
		assert_int_equal(notices_next(&in, &one), NOTICES_ONE);
		if (notices_next(&in, &one) != NOTICES_END)
			fail_msg("%s", rows[i].name);
		notices_close(&in);
	}
}

static void
test_byte_by_byte(void **state)
{
	const uint32_t head[3] = { 1, 2, 3 };
	uint8_t bytes[sizeof(head) + 3];

	(void)state;
	set_up();
	memcpy(bytes, head, sizeof(head));
	memcpy(bytes + sizeof(head), "abc", 3);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		assert_int_equal(notices_next(&in, &one), NOTICES_WAIT);
		assert_true(fd_write_all(child, slice_of(bytes + i, 1)));
	}
	assert_int_equal(notices_next(&in, &one), NOTICES_ONE);
	assert_string_equal(one.text, "abc");
	/* The other end is still open. */
	assert_int_equal(
	    notices_wait(&in, clock_ms() + 10, &one), NOTICES_WAIT);
	close(child);
	notices_close(&in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_byte_by_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
