/* SPDX-License-Identifier: ISC */
#include "check.h"

#include "support/address.h"
#include "util/network.h"

static void
test_has(void **state)
{
	static const struct {
		const char *network;
		const char *addr;
		bool in;
	} rows[] = {
		{ "127.0.0.0/8", "127.0.0.1", true },
		{ "127.0.0.0/8", "128.0.0.1", false },
		{ "::1", "::1", true },
		{ "::1", "::2", false },
		{ "192.0.2.128/25", "192.0.2.127", false },
		{ "192.0.2.128/25", "192.0.2.200", true },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "0.0.0.0/0", "203.0.113.9", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "unix", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sockaddr_storage a = sockaddr_of(rows[i].addr);
		struct network n;

		assert_true(network_parse(slice_str(rows[i].network), &n));
		check_row(network_has(&n, &a) == rows[i].in, rows[i].network);
	}
}

static void
test_invalid(void **state)
{
	static const char *const rows[] = { "127.0.0.1/33", "::1/129", "host",
		"10.0.0.0/", "10.0.0.0/x", "" };
	struct network n;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check_row(!network_parse(slice_str(rows[i]), &n), rows[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_has),
		cmocka_unit_test(test_invalid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
