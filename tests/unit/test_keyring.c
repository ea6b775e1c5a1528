/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <string.h>

#include "archive/keyring.h"

/* Keys that differ in one byte; no signature is made with them. */
static struct signify_key
a_key(int n)
{
	return (struct signify_key){ .number = { (uint8_t)n } };
}

static struct keyring ring;
static uint8_t memory[8192];
static struct buf said;

static int
begin(void **state)
{
	(void)state;
	ring = (struct keyring){ .n = 0 };
	buf_wrap(&said, memory, sizeof(memory));
	return 0;
}

static void
pin(int n)
{
	const struct signify_key key = a_key(n);

	assert_true(keyring_pin(&ring, &key));
}

/* next 0: the manifest announces none. */
static void
accept(int signer, int next)
{
	const struct signify_key by = a_key(signer), then = a_key(next);

	buf_reset(&said);
	keyring_accept(&ring, &by, next == 0 ? NULL : &then, &said);
}

/* "1 2a 3r": pinned, announced, retired, in their order. */
static void
check_ring(const char *want)
{
	static const char marks[] = { [KEYRING_PINNED] = ' ',
		[KEYRING_ANNOUNCED] = 'a',
		[KEYRING_RETIRED] = 'r' };
	uint8_t bytes[256];
	struct buf got;

	buf_wrap(&got, bytes, sizeof(bytes));
	for (size_t i = 0; i < ring.n; i++) {
		buf_printf(
		    &got, "%s%d", i > 0 ? " " : "", ring.key[i].key.number[0]);
		if (ring.key[i].standing != KEYRING_PINNED)
			buf_byte(&got, (uint8_t)marks[ring.key[i].standing]);
	}
	check_slice(buf_view(&got), slice_str(want));
}

static bool
says(const char *words)
{
	return memmem(said.ptr, said.len, words, strlen(words)) != NULL;
}

static void
test_the_first_signer_is_pinned(void **state)
{
	(void)state;
	accept(1, 0);
	check_ring("1");
	accept(1, 0);
	check_ring("1");
	check_slice(buf_view(&said), SLICE(""));
}

static void
test_a_successor_takes_over(void **state)
{
	(void)state;
	pin(1);
	accept(1, 2);
	check_ring("1 2a");
	assert_true(says("is announced as the next one"));
	accept(1, 2);
	check_ring("1 2a");
	check_slice(buf_view(&said), SLICE(""));
	accept(2, 0);
	check_ring("1r 2");
	assert_true(says("is retired: its successor has signed"));
	accept(2, 3);
	accept(3, 0);
	check_ring("1r 2r 3");
}

/* In one manifest: the one that was announced signs, and announces another. */
static void
test_a_successor_names_its_own(void **state)
{
	(void)state;
	pin(1);
	accept(1, 2);
	accept(2, 3);
	check_ring("1r 2 3a");
}

static void
test_a_replaced_announcement_is_withdrawn(void **state)
{
	(void)state;
	pin(1);
	accept(1, 2);
	accept(1, 3);
	check_ring("1 3a");
	assert_true(says("is announced no more"));
	accept(1, 0);
	check_ring("1");
	assert_true(says("is announced no more"));
}

/* However many come: pinned keys stay, and so does the last announcement. */
static void
test_announcements_do_not_fill_the_ring(void **state)
{
	(void)state;
	pin(1);
	for (int i = 2; i < 100; i++)
		accept(1, i);
	check_ring("1 99a");
	/* Each of them has signed: the oldest retired ones are forgotten. */
	for (int i = 99; i < 150; i++)
		accept(i, i + 1);
	assert_int_equal(ring.n, KEYRING_MAX);
	assert_int_equal(ring.key[KEYRING_MAX - 1].key.number[0], 150);
	assert_int_equal(ring.key[KEYRING_MAX - 1].standing, KEYRING_ANNOUNCED);
	assert_int_equal(ring.key[KEYRING_MAX - 2].key.number[0], 149);
	assert_int_equal(ring.key[KEYRING_MAX - 2].standing, KEYRING_PINNED);
}

/* Two keys that the operator pinned: neither has announced the other. */
static void
test_pinned_keys_do_not_retire_each_other(void **state)
{
	(void)state;
	pin(1);
	pin(2);
	accept(2, 0);
	check_ring("1 2");
	accept(1, 3);
	accept(3, 0);
	check_ring("1r 2r 3");
}

static void
test_what_is_retired_is_not_announced_again(void **state)
{
	(void)state;
	pin(1);
	accept(1, 2);
	accept(2, 1);
	check_ring("1r 2");
	accept(1, 0); /* nothing that it signs is accepted: nor does it help */
	check_ring("1r 2");
}

static void
test_pinning_and_dropping(void **state)
{
	const struct signify_key one = a_key(1), two = a_key(2);

	(void)state;
	pin(1);
	accept(1, 2);
	accept(2, 0);
	pin(1); /* the operator knows better */
	check_ring("1 2");
	assert_true(keyring_drop(&ring, &one, NULL));
	check_ring("1r 2"); /* what it signed is still kept */
	assert_true(keyring_drop(&ring, &one, NULL));
	check_ring("2");
	assert_false(keyring_drop(&ring, &one, NULL));
	assert_null(keyring_find(&ring, &one));
	assert_ptr_equal(keyring_find(&ring, &two), &ring.key[0]);
}

/* A thief's announcement goes with the key that was stolen. */
static void
test_what_a_dropped_key_announced(void **state)
{
	const struct signify_key stolen = a_key(1), next = a_key(2);

	(void)state;
	pin(1);
	accept(1, 2);
	pin(3);
	buf_reset(&said);
	assert_true(keyring_drop(&ring, &stolen, &said));
	check_ring("1r 3");
	assert_true(says("is announced no more"));
	/* An announced key that is dropped stays out. */
	accept(3, 2);
	assert_true(keyring_drop(&ring, &next, NULL));
	accept(3, 2);
	check_ring("1r 3 2r");
}

static void
test_a_full_ring(void **state)
{
	const struct signify_key more = a_key(100);

	(void)state;
	pin(1);
	accept(1, 2);
	for (int i = 3; i <= KEYRING_MAX; i++)
		pin(i);
	assert_int_equal(ring.n, KEYRING_MAX);
	pin(50); /* what is announced gives way to what is pinned */
	assert_int_equal(ring.n, KEYRING_MAX);
	assert_false(keyring_pin(&ring, &more));
	accept(1, 100);
	assert_true(says("all places are taken"));
	assert_null(keyring_find(&ring, &more));
	accept(1, 1);
	assert_int_equal(ring.n, KEYRING_MAX);
}

#define ring_test(f) cmocka_unit_test_setup(f, begin)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ring_test(test_the_first_signer_is_pinned),
		ring_test(test_a_successor_takes_over),
		ring_test(test_a_successor_names_its_own),
		ring_test(test_a_replaced_announcement_is_withdrawn),
		ring_test(test_announcements_do_not_fill_the_ring),
		ring_test(test_pinned_keys_do_not_retire_each_other),
		ring_test(test_what_is_retired_is_not_announced_again),
		ring_test(test_pinning_and_dropping),
		ring_test(test_what_a_dropped_key_announced),
		ring_test(test_a_full_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
