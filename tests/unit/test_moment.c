/* SPDX-License-Identifier: ISC */
#include "check.h"

#include "proto/moment.h"

static void
test_parse(void **state)
{
	static const struct {
		const char *text;
		bool is;
		int64_t moment;
	} rows[] = {
		{ "1970-01-01T00:00:00Z", true, 0 },
		{ "2026-11-22T12:00:00Z", true, 1795348800 },
		{ "2026-11-22T12:00:00.123456Z", true, 1795348800 },
		{ "2026-11-22T12:00:00+04:00", true, 1795334400 },
		{ "2026-11-22T12:00:00-00:30", true, 1795350600 },
		{ "2016-12-31T23:59:60Z", true, 1483228800 },
		{ "1969-12-31T23:59:59Z", true, -1 },
		{ "2026-11-22", false, 0 },
		{ "2026-11-22 12:00:00Z", false, 0 },
		{ "2026-11-22t12:00:00z", false, 0 },
		{ "2026-11-22T12:00:00", false, 0 },
		{ "2026-11-22T12:00Z", false, 0 },
		{ "2026-11-22T24:00:00Z", false, 0 },
		{ "2026-11-22T12:60:00Z", false, 0 },
		{ "2026-11-22T12:00:61Z", false, 0 },
		{ "2026-11-22T12:00:00.Z", false, 0 },
		{ "2026-11-22T12:00:00+4:00", false, 0 },
		{ "2026-11-22T12:00:00+0400", false, 0 },
		{ "2026-11-22T12:00:00+04:60", false, 0 },
		{ "2026-11-22T12:00:00Z ", false, 0 },
		{ "2026-02-30T12:00:00Z", false, 0 },
		{ "2026-11-22T", false, 0 },
		{ "", false, 0 },
	};
	int64_t moment;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		moment = 0;
		check_row(moment_parse(slice_str(rows[i].text), &moment) ==
			      rows[i].is,
		    rows[i].text);
		if (rows[i].is)
			check_row(moment == rows[i].moment, rows[i].text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
