/* SPDX-License-Identifier: ISC */
#include "support/tree.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "server/keyset.h"

static struct cert *certs[2];

static int
set_up(void **state)
{
	static const char *const names[] = { "a.test", "b.test" };

	tree_set_up(state);
	for (size_t i = 0; i < 2; i++) {
		struct sign_key *key = sign_key_generate();

		certs[i] = cert_make(key, &names[i], 1);
		sign_key_free(&key);
	}
	tree_write("a.key", "one");
	tree_write("b.key", "two");
	return 0;
}

static int
tear_down(void **state)
{
	cert_free(&certs[0]);
	cert_free(&certs[1]);
	return tree_tear_down(state);
}

/* The two pairs, in files of the tree. */
static void
fill(struct signer_pair pairs[2], char paths[2][4096])
{
	static const char *const names[] = { "a.test", "b.test" };

	for (size_t i = 0; i < 2; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s",
		    tree_path(i == 0 ? "a.key" : "b.key"));
		pairs[i] = (struct signer_pair){
			.name = names[i],
			.crt_path = i == 0 ? NULL : "b.crt",
			.key_path = paths[i],
			.cert = certs[i],
		};
	}
}

static void
mark(const struct signer_pair *pairs, size_t n,
    const struct tls_settings *settings, uint8_t out[DIGEST_SIZE])
{
	struct keyset s;
	struct digest d;

	assert_true(keyset_init(&s, pairs, n, settings));
	digest_init(&d);
	keyset_digest(&s, &d);
	assert_true(digest_end(&d, out));
	keyset_fini(&s);
	keyset_fini(&s);
}

/* What needs another process, and what does not. */
static void
test_identity(void **state)
{
	const struct tls_settings plain = { 0 },
				  strict = { .tls13_only = true },
				  suites = { .suites = "x" };
	struct signer_pair pairs[2], other[2];
	char paths[2][4096];
	uint8_t first[DIGEST_SIZE], second[DIGEST_SIZE];

	(void)state;
	fill(pairs, paths);
	mark(pairs, 2, &plain, first);
	mark(pairs, 2, &plain, second);
	assert_memory_equal(first, second, sizeof(first));
#define DIFFERS(p, n, settings)                                                \
	do {                                                                   \
		mark(p, n, settings, second);                                  \
		assert_memory_not_equal(first, second, sizeof(first));         \
	} while (0)
	DIFFERS(pairs, 1, &plain);
	DIFFERS(pairs, 2, &strict);
	DIFFERS(pairs, 2, &suites);
	memcpy(other, pairs, sizeof(other));
	other[1].cert = certs[0];
	DIFFERS(other, 2, &plain);
	memcpy(other, pairs, sizeof(other));
	other[1].name = "c.test";
	DIFFERS(other, 2, &plain);
	memcpy(other, pairs, sizeof(other));
	other[1].crt_path = NULL;
	DIFFERS(other, 2, &plain);
	memcpy(other, pairs, sizeof(other));
	other[0].key_path = paths[1];
	DIFFERS(other, 2, &plain);
	tree_write("b.key", "three");
	DIFFERS(pairs, 2, &plain);
	assert_int_equal(unlink(paths[1]), 0);
	DIFFERS(pairs, 2, &plain);
}

static void
test_faults(void **state)
{
	const struct tls_settings plain = { 0 };
	struct signer_pair pairs[2];
	char paths[2][4096];
	struct keyset s;
	bool changed;

	(void)state;
	fill(pairs, paths);
	assert_true(keyset_init(&s, pairs, 2, &plain));
	keyset_begin_reading(&s);
	assert_true(keyset_is_usable(&s));
	assert_false(keyset_set_fault(&s, 2, "no such slot", &changed));
	assert_false(
	    keyset_set_fault(&s, UINT32_MAX, "nor this one", &changed));
	assert_true(keyset_set_fault(&s, 1, "it is bad", &changed));
	assert_true(changed);
	keyset_end_reading(&s);
	assert_false(keyset_is_usable(&s));
	assert_string_equal(s.slots[1].fault, "it is bad");
	assert_null(s.slots[0].fault);

	/* Only the file of a key that is not good is looked at. */
	assert_false(keyset_has_changed(&s));
	tree_write("a.key", "another");
	assert_false(keyset_has_changed(&s));
	tree_write("b.key", "another");
	assert_true(keyset_has_changed(&s));

	/* It is read again: still bad, then worse, then good. */
	keyset_begin_reading(&s);
	assert_false(keyset_has_changed(&s));
	assert_true(keyset_set_fault(&s, 1, "it is bad", &changed));
	assert_false(changed);
	keyset_end_reading(&s);
	keyset_begin_reading(&s);
	assert_true(keyset_set_fault(&s, 1, "it is worse", &changed));
	assert_true(changed);
	keyset_end_reading(&s);
	assert_string_equal(s.slots[1].fault, "it is worse");
	keyset_begin_reading(&s);
	keyset_end_reading(&s);
	assert_true(keyset_is_usable(&s));
	keyset_fini(&s);
}

#define in_a_tree(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		in_a_tree(test_identity),
		in_a_tree(test_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
