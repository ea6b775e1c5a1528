/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/limiter.h"
#include "support/address.h"

enum { S = 1000000 };

static uint64_t
key(const char *text)
{
	struct sockaddr_storage a = sockaddr_of(text);

	return limiter_key(&a);
}

static void
test_key(void **state)
{
	(void)state;
	assert_true(key("192.0.2.1") != key("192.0.2.2"));
	/* One client has a whole /64. */
	assert_true(key("2001:db8::1") == key("2001:db8::ffff:1"));
	assert_true(key("2001:db8::1") != key("2001:db8:0:1::1"));
	assert_true(key("::1") != 0);
	assert_true(key("unix") == 0);
}

static void
test_exempt(void **state)
{
	struct conf_text items[] = {
		{ .text = (char *)(uintptr_t) "127.0.0.0/8" },
		{ .text = (char *)(uintptr_t) "host" },
		{ .text = (char *)(uintptr_t) "::1" },
	};
	const struct conf_list list = { .item = items, .n = 3 };
	struct sockaddr_storage in = sockaddr_of("::1"),
				out = sockaddr_of("::2");
	struct network net[LIMITER_EXEMPT_MAX];
	struct report r = { 0 };

	(void)state;
	assert_int_equal(limiter_networks(&list, net, &r), 2);
	assert_int_equal(r.errors, 1);
	assert_true(limiter_exempt(net, 2, &in));
	assert_false(limiter_exempt(net, 2, &out));
	report_fini(&r);
}

static void
test_rate(void **state)
{
	struct limiter *l = limiter_new();
	uint64_t a = key("192.0.2.1"), b = key("192.0.2.2"), now = 5 * S;

	(void)state;
	assert_non_null(l);
	for (int i = 0; i < 60; i++)
		assert_int_equal(limiter_request(l, a, 10, 60, now), 0);
	assert_int_equal(limiter_request(l, a, 10, 60, now), 1);
	/* Another address has its own. */
	assert_int_equal(limiter_request(l, b, 10, 60, now), 0);
	/* One more each tenth of a second; refusals do not count. */
	assert_int_equal(limiter_request(l, a, 10, 60, now + S / 10), 0);
	assert_int_equal(limiter_request(l, a, 10, 60, now + S / 10), 1);
	/* All of the burst again after six seconds. */
	for (int i = 0; i < 60; i++)
		assert_int_equal(limiter_request(l, a, 10, 60, now + 7 * S), 0);
	assert_int_equal(limiter_request(l, a, 10, 60, now + 7 * S), 1);
	/* Slow rates say how long. */
	assert_int_equal(limiter_request(l, b + 1, 1, 1, now), 0);
	assert_int_equal(limiter_request(l, b + 1, 1, 1, now), 1);
	/* Off. */
	for (int i = 0; i < 100; i++) {
		assert_int_equal(limiter_request(l, a, 0, 1, now), 0);
		assert_int_equal(limiter_request(l, 0, 1, 1, now), 0);
	}
	limiter_free(&l);
	assert_null(l);
}

/* The limiter's shared memory, as the kernel lists it (proc(5), maps). */
static unsigned char *
find_shared(size_t *size)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long from, to;
	char line[512], mode[8];
	unsigned char *found = NULL;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strstr(line, "/dev/zero") == NULL ||
		    sscanf(line, "%lx-%lx %7s", &from, &to, mode) != 3)
			continue;
		assert_null(found);
		found = (unsigned char *)from;
		*size = to - from;
	}
	fclose(f);
	assert_non_null(found);
	return found;
}

/* Values written by a hostile worker make no address wait forever, and
 * crash nothing. */
static void
test_shared_memory_is_not_trusted(void **state)
{
	struct limiter *l = limiter_new();
	uint64_t a = key("192.0.2.1"), now = 5 * S;
	int row = limiter_take_row(l);
	unsigned char *shared;
	size_t n = 0;

	(void)state;
	shared = find_shared(&n);
	assert_int_equal(limiter_request(l, a, 10, 60, now), 0);
	for (int i = 0; i < 2; i++) {
		memset(shared, i == 0 ? 0xff : 0x7f, n);
		assert_true(limiter_count(l, a) <=
			    (size_t)LIMITER_ROWS * LIMITER_SLOTS);
		limiter_open(l, (size_t)row, 3, a);
		limiter_close(l, (size_t)row, 3);
		assert_true(limiter_request(l, a, 10, 60, now) <= 7);
		assert_int_equal(
		    limiter_request(l, a, 10, 60, now + 10 * S), 0);
		assert_int_equal(limiter_rows_free(l), LIMITER_ROWS - 1);
		limiter_drop_row(l, row);
		assert_int_equal(limiter_rows_free(l), LIMITER_ROWS);
		assert_int_equal(limiter_take_row(l), row);
	}
	limiter_free(&l);
}

static void
test_mapped_addresses_are_IPv4(void **state)
{
	struct sockaddr_storage from = { 0 };
	struct sockaddr_in6 *v6 = (void *)&from;
	struct sockaddr_in *v4 = (void *)&from;

	(void)state;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(1965);
	assert_int_equal(
	    inet_pton(AF_INET6, "::ffff:192.0.2.1", &v6->sin6_addr), 1);
	limiter_unmap(&from);
	assert_int_equal(from.ss_family, AF_INET);
	assert_int_equal(v4->sin_port, htons(1965));
	assert_int_equal(limiter_key(&from), key("192.0.2.1"));
	memset(&from, 0, sizeof(from));
	v6->sin6_family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::1", &v6->sin6_addr), 1);
	limiter_unmap(&from);
	assert_int_equal(from.ss_family, AF_INET6);
}

/* A table full of strangers forgets the least busy, never refuses a new one. */
static void
test_rate_crowd(void **state)
{
	struct limiter *l = limiter_new();

	(void)state;
	for (uint64_t k = 1; k <= 4 * LIMITER_RATES; k++)
		assert_int_equal(limiter_request(l, k, 10, 60, 9 * S), 0);
	limiter_free(&l);
}

static void
test_ledger(void **state)
{
	struct limiter *l = limiter_new();
	int row = limiter_take_row(l), other = limiter_take_row(l);
	uint64_t a = key("192.0.2.1");
	int status;
	pid_t pid;

	(void)state;
	assert_true(row >= 0 && other >= 0 && row != other);
	assert_int_equal(limiter_rows_free(l), LIMITER_ROWS - 2);
	limiter_open(l, (size_t)row, 0, a);
	limiter_open(l, (size_t)row, 7, a);
	limiter_open(l, (size_t)row, 3, 0);
	assert_int_equal(limiter_count(l, a), 2);
	/* Counted over processes, and a dead one leaves nothing behind. */
	pid = fork();
	if (pid == 0) {
		limiter_open(l, (size_t)other, LIMITER_SLOTS - 1, a);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(limiter_count(l, a), 3);
	limiter_drop_row(l, other);
	assert_int_equal(limiter_count(l, a), 2);
	limiter_close(l, (size_t)row, 0);
	assert_int_equal(limiter_count(l, a), 1);
	for (int i = 1; i < LIMITER_ROWS; i++)
		assert_true(limiter_take_row(l) >= 0);
	assert_int_equal(limiter_take_row(l), -1);
	limiter_free(&l);
}

static void
test_known(void **state)
{
	struct limiter *l = limiter_new();
	size_t left = 0;

	(void)state;
	assert_false(limiter_is_known(l, key("192.0.2.1"), 5000));
	limiter_note_known(l, key("192.0.2.1"), 5000);
	assert_true(limiter_is_known(l, key("192.0.2.1"), 5000));
	assert_false(limiter_is_known(l, key("192.0.2.2"), 5000));
	assert_true(
	    limiter_is_known(l, key("192.0.2.1"), 5000 + LIMITER_KNOWN_MS - 1));
	assert_false(
	    limiter_is_known(l, key("192.0.2.1"), 5000 + LIMITER_KNOWN_MS));
	/* There is room for so many, and the newest stay. */
	for (uint64_t i = 1; i <= 4 * LIMITER_KNOWN; i++)
		limiter_note_known(l, i, 6000);
	for (uint64_t i = 1; i <= 4 * LIMITER_KNOWN; i++)
		left += limiter_is_known(l, i, 6000);
	assert_true(left > LIMITER_KNOWN / 2 && left <= LIMITER_KNOWN);
	assert_true(limiter_is_known(l, 4 * LIMITER_KNOWN, 6000));
	limiter_free(&l);
}

/* A dead process has nothing half open, and one that writes false numbers
 * counts for no more than all may have. */
static void
test_half_open(void **state)
{
	struct limiter *l = limiter_new();
	int row = limiter_take_row(l);

	(void)state;
	limiter_note_half_open(l, (size_t)row, 7);
	limiter_note_half_open(l, (size_t)row + 1, 5);
	assert_int_equal(limiter_half_open(l), 12);
	limiter_drop_row(l, row);
	assert_int_equal(limiter_half_open(l), 5);
	limiter_note_half_open(l, (size_t)row + 1, SIZE_MAX);
	assert_int_equal(limiter_half_open(l), LIMITER_HALF_OPEN);
	limiter_free(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_exempt),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_rate_crowd),
		cmocka_unit_test(test_shared_memory_is_not_trusted),
		cmocka_unit_test(test_mapped_addresses_are_IPv4),
		cmocka_unit_test(test_ledger),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_half_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
