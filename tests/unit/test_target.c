/* SPDX-License-Identifier: ISC */
#include "client/target.h"

#include <string.h>

#include "check.h"

static void
test_parse(void **state)
{
	const struct {
		const char *rule;
		const char *text;
		const char *uri; /* NULL: refused */
		const char *place;
	} rows[] = {
		{ "whole", "gemini://a.test/x?y", "gemini://a.test/x?y",
		    "a.test:1965" },
		{ "the scheme may be left out", "a.test", "gemini://a.test/",
		    "a.test:1965" },
		{ "also before a port", "a.test:1966/x",
		    "gemini://a.test:1966/x", "a.test:1966" },
		{ "an empty path is /", "gemini://a.test?q",
		    "gemini://a.test/?q", "a.test:1965" },
		{ "the default port is not sent", "gemini://a.test:1965/",
		    "gemini://a.test/", "a.test:1965" },
		{ "a fragment is ours", "gemini://a.test/x#y",
		    "gemini://a.test/x", "a.test:1965" },
		{ "letters of a host", "GEMINI://A.Test./X",
		    "gemini://a.test/X", "a.test:1965" },
		{ "IDN", "gemini://café.test/é?é",
		    "gemini://xn--caf-dma.test/%C3%A9?%C3%A9",
		    "xn--caf-dma.test:1965" },
		{ "IPv4", "192.0.2.1:70/", "gemini://192.0.2.1:70/",
		    "192.0.2.1:70" },
		{ "IPv6", "gemini://[2001:DB8::0:1]/",
		    "gemini://[2001:db8::1]/", "[2001:db8::1]:1965" },
		{ "empty query", "a.test/?", "gemini://a.test/?",
		    "a.test:1965" },
		{ "userinfo", "gemini://u@a.test/", NULL, NULL },
		{ "spaces", " gemini://a.test/a b?c d ",
		    "gemini://a.test/a%20b?c%20d", "a.test:1965" },
		{ "space in a host", "gemini://a b.test/", NULL, NULL },
		{ "no host", "gemini:///x", NULL, NULL },
		{ "nothing", "", NULL, NULL },
		{ "port", "gemini://a.test:99999/", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint8_t where[512];
		struct buf place;
		struct why why;
		struct target t;
		bool ok;

		buf_wrap(&place, where, sizeof(where));
		why_clear(&why);
		ok = target_parse(slice_str(rows[i].text), &t, &why) ==
		     TARGET_OK;
		check_row(ok == (rows[i].uri != NULL), rows[i].rule);
		check_row(ok == (why.text[0] == '\0'), rows[i].rule);
		if (!ok)
			continue;
		assert_string_equal(t.uri, rows[i].uri);
		assert_true(target_place(&t, &place));
		check_slice(buf_view(&place), slice_str(rows[i].place));
	}
}

static void
test_scheme(void **state)
{
	struct why why;
	struct target t;

	(void)state;
	assert_int_equal(target_parse(SLICE("https://a.test/"), &t, &why),
	    TARGET_OTHER_SCHEME);
}

static void
test_too_long(void **state)
{
	static char url[8192];
	struct why why;
	struct target t;

	(void)state;
	memset(url, 'a', sizeof(url));
	memcpy(url, "gemini://a.test/", 16);
	assert_int_equal(
	    target_parse(slice_of(url, 1024), &t, &why), TARGET_OK);
	assert_int_equal(strlen(t.uri), 1024);
	assert_int_equal(
	    target_parse(slice_of(url, 1025), &t, &why), TARGET_BAD);
	/* Grows past the limit only when encoded. */
	memcpy(url + 1020, "\xc3\xa9", 2);
	assert_int_equal(
	    target_parse(slice_of(url, 1024), &t, &why), TARGET_BAD);
	/* Without a scheme it does not even fit our buffer. */
	assert_int_equal(
	    target_parse(slice_of(url + 16, 8000), &t, &why), TARGET_BAD);
}

static void
test_follow(void **state)
{
	const struct {
		const char *reference;
		enum target_result result;
		const char *uri;
	} rows[] = {
		{ "/y", TARGET_OK, "gemini://a.test:70/y" },
		{ "y", TARGET_OK, "gemini://a.test:70/d/y" },
		{ "../y?z", TARGET_OK, "gemini://a.test:70/y?z" },
		{ "gemini://b.test/#f", TARGET_OK, "gemini://b.test/" },
		{ "//b.test/x", TARGET_OK, "gemini://b.test/x" },
		{ "GEMINI://b.test", TARGET_OK, "gemini://b.test/" },
		{ "https://b.test/", TARGET_OTHER_SCHEME, NULL },
		{ "mailto:a@b.test", TARGET_OTHER_SCHEME, NULL },
		{ "gemini://u@b.test/", TARGET_BAD, NULL },
		{ "/a b", TARGET_BAD, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct why why;
		struct target t;

		assert_int_equal(
		    target_parse(SLICE("gemini://a.test:70/d/x?q"), &t, &why),
		    TARGET_OK);
		check_row(target_follow(&t, slice_str(rows[i].reference), &t,
			      &why) == rows[i].result,
		    rows[i].reference);
		if (rows[i].uri != NULL)
			assert_string_equal(t.uri, rows[i].uri);
		else /* untouched */
			assert_string_equal(t.uri, "gemini://a.test:70/d/x?q");
	}
}

/* As egsam sends it: "1% + #x = -1 & ?" */
static void
test_answer(void **state)
{
	static char huge[1024];
	struct why why;
	struct target t;

	(void)state;
	target_parse(SLICE("a.test/in?old"), &t, &why);
	assert_true(target_answer(&t, SLICE("1% + #x = -1 & ?")));
	assert_string_equal(t.uri,
	    "gemini://a.test/in?1%25%20%2B%20%23x%20%3D%20-1%20%26%20%3F");
	assert_true(target_answer(&t, SLICE("\xc3\xa9~")));
	assert_string_equal(t.uri, "gemini://a.test/in?%C3%A9~");
	memset(huge, 'x', sizeof(huge));
	assert_false(target_answer(&t, slice_of(huge, sizeof(huge))));
	assert_string_equal(t.uri, "gemini://a.test/in?%C3%A9~");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_scheme),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_follow),
		cmocka_unit_test(test_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
