/* SPDX-License-Identifier: ISC */
/* Whatever is pinned, dropped and announced in whatever order. */
#include "check.h"

#include "archive/keyring.h"
#include "support/random.h"

enum { ROUNDS = 200, STEPS = 300, KEYS = KEYRING_MAX + 6 };

static struct signify_key
any_key(void)
{
	return (struct signify_key){ .number = {
					 (uint8_t)(1 + random_below(KEYS)) } };
}

static size_t
count(const struct keyring *k, enum keyring_standing standing)
{
	size_t n = 0;

	for (size_t i = 0; i < k->n; i++)
		n += k->key[i].standing == standing;
	return n;
}

/* No key is there twice. */
static void
check_once(const struct keyring *k)
{
	assert_true(k->n <= KEYRING_MAX);
	for (size_t i = 0; i < k->n; i++)
		assert_ptr_equal(keyring_find(k, &k->key[i].key), &k->key[i]);
}

static void
pin_any(struct keyring *k)
{
	const struct signify_key key = any_key();
	bool there = keyring_find(k, &key) != NULL;
	bool room = there || count(k, KEYRING_PINNED) < KEYRING_MAX;

	assert_true(keyring_pin(k, &key) == room);
	assert_true((keyring_find(k, &key) != NULL) == room);
}

static void
drop_any(struct keyring *k)
{
	const struct signify_key key = any_key();
	bool there = keyring_find(k, &key) != NULL;

	assert_true(keyring_drop(k, &key, NULL) == there);
	assert_true(keyring_find(k, &key) == NULL ||
		    keyring_find(k, &key)->standing == KEYRING_RETIRED);
}

/* Only what the last manifest announces is announced; what was retired does not
 * come back. */
static void
accept_any(struct keyring *k)
{
	/* No other's manifest is accepted. */
	const struct signify_key signer =
	    k->n == 0 ? any_key() : k->key[random_below(k->n)].key;
	const struct signify_key next = any_key();
	const bool announces = random_below(2) == 0;
	struct keyring before = *k;
	const struct keyring_key *known;

	keyring_accept(k, &signer, announces ? &next : NULL, NULL);
	assert_true(count(k, KEYRING_ANNOUNCED) <= (announces ? 1 : 0));
	for (size_t i = 0; i < k->n; i++)
		if (k->key[i].standing == KEYRING_ANNOUNCED)
			assert_true(signify_key_equal(&k->key[i].key, &next));
	for (size_t i = 0; i < before.n; i++) {
		known = keyring_find(k, &before.key[i].key);
		if (before.key[i].standing == KEYRING_RETIRED && known != NULL)
			assert_int_equal(known->standing, KEYRING_RETIRED);
	}
}

static void
test_any_history(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct keyring k = { .n = 0 };

		for (int step = 0; step < STEPS; step++) {
			size_t what = random_below(8);

			if (what == 0)
				pin_any(&k);
			else if (what == 1)
				drop_any(&k);
			else
				accept_any(&k);
			check_once(&k);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_history),
	};

	random_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
