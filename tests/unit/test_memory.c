/* SPDX-License-Identifier: ISC */
#include "tls/memory.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "tls/parts.h"

enum { MANY = 4000 };

/* Under a sanitizer there is nothing to test. */
static void
begin(void)
{
	if (!tls_part_on(TLS_PART_MEMORY))
		skip();
	tls_memory_trim();
}

static void
test_what_was_freed_last_comes_first(void **state)
{
	void *a, *b;

	(void)state;
	begin();
	a = OPENSSL_malloc(100);
	b = OPENSSL_malloc(100);
	OPENSSL_free(a);
	OPENSSL_free(b);
	/* Every size that such a block has room for. */
	assert_ptr_equal(OPENSSL_malloc(104), b);
	assert_ptr_equal(OPENSSL_malloc(89), a);
	OPENSSL_free(a);
	assert_ptr_not_equal(OPENSSL_malloc(88), a);
	assert_ptr_not_equal(OPENSSL_malloc(105), a);
}

/* A block is damaged after it was freed: its list leads nowhere. */
static void
test_a_damaged_list_ends_the_process(void **state)
{
	int status;
	pid_t child;

	(void)state;
	begin();
	child = fork();
	assert_int_not_equal(child, -1);
	if (child == 0) {
		const struct rlimit none = { 0, 0 };
		static _Alignas(16) uint8_t target[64];
		void *block = OPENSSL_malloc(100);
		/* One address in sixteen would pass for that of a block. */
		void *target_at =
		    target + (((uintptr_t)block >> 12) % 16 == 0 ? 8 : 0);

		setrlimit(RLIMIT_CORE, &none);
		OPENSSL_free(block);
		memcpy(block, &target_at, sizeof(target_at));
		(void)OPENSSL_malloc(100);
		_exit(OPENSSL_malloc(100) == target_at ? 1 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void
test_every_size_has_its_room(void **state)
{
	static uint8_t *blocks[MANY];

	(void)state;
	begin();
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < MANY; i++) {
			size_t n = 1 + i * 37 % (TLS_MEMORY_BLOCK_MAX + 2000);

			blocks[i] = OPENSSL_malloc(n);
			assert_non_null(blocks[i]);
			assert_int_equal((uintptr_t)blocks[i] % 16, 0);
			assert_true(malloc_usable_size(blocks[i]) >= n);
			memset(blocks[i], (int)i, n);
		}
		for (size_t i = 0; i < MANY; i++) {
			size_t n = 1 + i * 37 % (TLS_MEMORY_BLOCK_MAX + 2000);

			assert_int_equal(blocks[i][0], (uint8_t)i);
			assert_int_equal(blocks[i][n - 1], (uint8_t)i);
			OPENSSL_free(blocks[i]);
		}
	}
}

/* SECURITY.md: TLS_MEMORY_KEPT_MAX. */
static void
test_no_more_is_kept_than_that(void **state)
{
	static void *blocks[MANY];

	(void)state;
	begin();
	for (size_t i = 0; i < MANY; i++)
		blocks[i] = OPENSSL_malloc(1000);
	for (size_t i = 0; i < MANY; i++)
		OPENSSL_free(blocks[i]);
	assert_in_range(
	    tls_memory_kept(), TLS_MEMORY_KEPT_MAX - 1016, TLS_MEMORY_KEPT_MAX);
	tls_memory_trim();
	assert_int_equal(tls_memory_kept(), 0);
	/* Too large for any use that comes again. */
	OPENSSL_free(OPENSSL_malloc(TLS_MEMORY_BLOCK_MAX + 100));
	assert_int_equal(tls_memory_kept(), 0);
}

static void
test_resizing(void **state)
{
	uint8_t *p;

	(void)state;
	begin();
	p = OPENSSL_realloc(NULL, 10);
	memset(p, 7, 10);
	p = OPENSSL_realloc(p, 5000);
	assert_int_equal(p[9], 7);
	p = OPENSSL_realloc(p, 10);
	assert_int_equal(p[9], 7);
	assert_null(OPENSSL_realloc(p, 0));
	assert_null(OPENSSL_malloc(0));
	OPENSSL_free(NULL);
	p = OPENSSL_zalloc(100);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(p[i], 0);
	OPENSSL_free(p);
}

/* OpenSSL wipes what was secret before it frees it, and the lists do not undo
 * that; their own link may be any bytes. */
static void
test_secrets_are_wiped(void **state)
{
	uint8_t *p, *again;

	(void)state;
	begin();
	p = OPENSSL_malloc(200);
	memset(p, 0x5e, 200);
	OPENSSL_clear_free(p, 200);
	again = OPENSSL_malloc(200);
	assert_ptr_equal(again, p);
	for (size_t i = sizeof(uintptr_t); i < 200; i++)
		assert_int_not_equal(again[i], 0x5e);
	OPENSSL_free(again);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_freed_last_comes_first),
		cmocka_unit_test(test_a_damaged_list_ends_the_process),
		cmocka_unit_test(test_every_size_has_its_room),
		cmocka_unit_test(test_no_more_is_kept_than_that),
		cmocka_unit_test(test_resizing),
		cmocka_unit_test(test_secrets_are_wiped),
	};

	tls_memory_install(); /* before any other call of OpenSSL */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
