/* SPDX-License-Identifier: ISC */
#include "tls/internal.h"

#include <string.h>

#include "check.h"

static void
test_parse(void **state)
{
	const struct {
		const char *rule;
		struct slice bytes;
		const char *name; /* NULL: none */
	} rows[] = {
		{ "one name",
		    SLICE("\0\x6\0\0\x3"
			  "abc"),
		    "abc" },
		{ "another type before it",
		    SLICE("\0\xb\x7\0\x2xx\0\0\x3"
			  "abc"),
		    "abc" },
		{ "the first of two",
		    SLICE("\0\x8\0\0\x1"
			  "a\0\0\x1"
			  "b"),
		    "a" },
		{ "nothing", SLICE(""), NULL },
		{ "half a length", SLICE("\0"), NULL },
		{ "an empty list", SLICE("\0\0"), NULL },
		{ "an empty name", SLICE("\0\x3\0\0\0"), NULL },
		{ "only another type", SLICE("\0\x4\x1\0\x1x"), NULL },
		{ "list longer than the extension",
		    SLICE("\0\x7\0\0\x3"
			  "abc"),
		    NULL },
		{ "list shorter than the extension",
		    SLICE("\0\x5\0\0\x3"
			  "abc"),
		    NULL },
		{ "something behind the list",
		    SLICE("\0\x6\0\0\x3"
			  "abc!"),
		    NULL },
		{ "name longer than the list",
		    SLICE("\0\x6\0\0\x4"
			  "abc"),
		    NULL },
		{ "huge name",
		    SLICE("\0\x6\0\xff\xff"
			  "abc"),
		    NULL },
		{ "type and half a length", SLICE("\0\x2\0\0"), NULL },
		{ "type alone", SLICE("\0\x1\0"), NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct slice name;
		/* On the heap, just as long: a sanitizer sees a step too far. */
		uint8_t *copy = test_malloc(rows[i].bytes.len + 1);
		struct slice bytes = slice_of(copy + 1, rows[i].bytes.len);

		memcpy(copy + 1, rows[i].bytes.ptr, rows[i].bytes.len);
		check_row(sni_parse(bytes, &name) == (rows[i].name != NULL),
		    rows[i].rule);
		if (rows[i].name != NULL)
			check_slice(name, slice_str(rows[i].name));
		test_free(copy);
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
