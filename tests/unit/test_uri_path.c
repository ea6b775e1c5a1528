/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <string.h>

#include "proto/uri.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct row {
	const char *rule, *raw;
	enum uri_path_result want;
	const char *decoded, *encoded;
};

static void
check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct row *r = &rows[i];
		struct uri_path p;

		memset(&p, 'x', sizeof(p));
		check_row(uri_path_normalise(slice_str(r->raw), &p) == r->want,
		    r->rule);
		check_row(strlen(p.decoded) == p.decoded_len, r->rule);
		check_row(strlen(p.encoded) == p.encoded_len, r->rule);
		check_slice(slice_str(p.decoded), slice_str(r->decoded));
		check_slice(slice_str(p.encoded), slice_str(r->encoded));
	}
}

static void
kept(void **state)
{
	static const struct row rows[] = {
		{ "1.1.20: empty is the root", "", URI_PATH_OK, "/", "/" },
		{ "root", "/", URI_PATH_OK, "/", "/" },
		{ "file", "/a.txt", URI_PATH_OK, "/a.txt", "/a.txt" },
		{ "1.1.27, A27: final slash", "/a.txt/", URI_PATH_OK, "/a.txt/",
		    "/a.txt/" },
		{ "1.1.22: decoded once", "/%61%252e", URI_PATH_OK, "/a%2e",
		    "/%61%252e" },
		{ "1.7.69, A25: a space", "/sp%20ace", URI_PATH_OK, "/sp ace",
		    "/sp%20ace" },
		{ "1.2.38, A52: CRLF stays encoded", "/a%0d%0A20", URI_PATH_OK,
		    "/a\r\n20", "/a%0d%0A20" },
		{ "A35: double encoded dots are a name", "/%252e%252e/x",
		    URI_PATH_OK, "/%2e%2e/x", "/%252e%252e/x" },
		{ "A39: any byte", "/%FF", URI_PATH_OK, "/\xff", "/%FF" },
		{ "1.1.10, A43: raw UTF-8", "/\xc3\xa9", URI_PATH_OK,
		    "/\xc3\xa9", "/%C3%A9" },
		{ "brackets may not stand in a redirect", "/[a]", URI_PATH_OK,
		    "/[a]", "/%5Ba%5D" },
		{ "A47: hidden names are the policy's affair", "/.hidden",
		    URI_PATH_OK, "/.hidden", "/.hidden" },
		{ "escaped backslash is a name", "/..%5Csecret", URI_PATH_OK,
		    "/..\\secret", "/..%5Csecret" },
		{ "1.1.26, A29: slashes collapse", "//a.txt", URI_PATH_OK,
		    "/a.txt", "/a.txt" },
		{ "1.1.26, A30", "///etc////passwd//", URI_PATH_OK,
		    "/etc/passwd/", "/etc/passwd/" },
		{ "1.7.70: a redirect never begins with //", "//evil.org/d",
		    URI_PATH_OK, "/evil.org/d", "/evil.org/d" },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void
dots(void **state)
{
	static const struct row rows[] = {
		{ "1.1.25, A33", "/dir/../a.txt", URI_PATH_OK, "/a.txt",
		    "/a.txt" },
		{ "1.1.25: escaped", "/dir/%2E%2e/a", URI_PATH_OK, "/a", "/a" },
		{ "1.1.25: half escaped", "/dir/.%2e/%2e/a", URI_PATH_OK, "/a",
		    "/a" },
		{ "a dot last", "/a/.", URI_PATH_OK, "/a/", "/a/" },
		{ "two dots last", "/a/b/..", URI_PATH_OK, "/a/", "/a/" },
		{ "back to the root", "/a/..", URI_PATH_OK, "/", "/" },
		{ "a dot alone", "/.", URI_PATH_OK, "/", "/" },
		{ "dots leave no empty segment", "/a//../b", URI_PATH_OK, "/b",
		    "/b" },
		{ "encoded longer than decoded", "/%61%62/c/../../d",
		    URI_PATH_OK, "/d", "/d" },
		{ "three dots are a name", "/.../a", URI_PATH_OK, "/.../a",
		    "/.../a" },
		{ "dots in names", "/..a/b../c.d", URI_PATH_OK, "/..a/b../c.d",
		    "/..a/b../c.d" },
		{ "1.1.25, A31, D27: above", "/../../", URI_PATH_ABOVE_ROOT,
		    "/", "/" },
		{ "A32", "/../secret", URI_PATH_ABOVE_ROOT, "/secret",
		    "/secret" },
		{ "A32: escaped", "/%2e%2e/secret", URI_PATH_ABOVE_ROOT,
		    "/secret", "/secret" },
		{ "1.1.25: above and back", "/../a/..", URI_PATH_ABOVE_ROOT,
		    "/", "/" },
		{ "1.1.25: later", "/a/../../a", URI_PATH_ABOVE_ROOT, "/a",
		    "/a" },
		{ "1.1.26: slashes are no segments", "/a//../..",
		    URI_PATH_ABOVE_ROOT, "/", "/" },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void
impossible(void **state)
{
	static const struct row rows[] = {
		{ "1.1.24, A34", "/dir%2Findex.gmi", URI_PATH_IMPOSSIBLE,
		    "/dir%2Findex.gmi", "/dir%2Findex.gmi" },
		{ "1.1.24, A32", "/%2e%2e%2fsecret", URI_PATH_IMPOSSIBLE,
		    "/..%2fsecret", "/%2e%2e%2fsecret" },
		{ "1.1.24: alone", "/%2F/a", URI_PATH_IMPOSSIBLE, "/%2F/a",
		    "/%2F/a" },
		{ "1.1.24: even when dots remove it", "/a%2Fb/../c",
		    URI_PATH_IMPOSSIBLE, "/c", "/c" },
		{ "1.1.25 before 1.1.24", "/a%2Fb/../../c", URI_PATH_ABOVE_ROOT,
		    "/c", "/c" },
		/* These three uri_parse refuses before. */
		{ "1.1.23: NUL", "/a%00", URI_PATH_IMPOSSIBLE, "/a%00",
		    "/a%00" },
		{ "1.1.23: no escape", "/%zz", URI_PATH_OK, "/%zz", "/%zz" },
		{ "1.1.23: cut short", "/%a", URI_PATH_OK, "/%a", "/%a" },
	};

	(void)state;
	check_rows(rows, COUNT(rows));
}

static void
longest(void **state)
{
	static struct uri_path p;
	char raw[REQUEST_URI_MAX];

	(void)state; /* 1.1.3 */
	memset(raw, 'a', sizeof(raw));
	raw[0] = '/';
	assert_int_equal(
	    uri_path_normalise(slice_of(raw, sizeof(raw)), &p), URI_PATH_OK);
	assert_int_equal(p.decoded_len, REQUEST_URI_MAX);
	assert_int_equal(p.encoded_len, REQUEST_URI_MAX);

	/* Encoded it would not fit: 1.7.72 */
	for (size_t i = 1; i + 1 < sizeof(raw); i += 2)
		memcpy(raw + i, "\xc3\xa9", 2);
	assert_int_equal(
	    uri_path_normalise(slice_of(raw, sizeof(raw)), &p), URI_PATH_OK);
	assert_int_equal(p.decoded_len, REQUEST_URI_MAX);
	assert_int_equal(p.encoded_len, 0);
	assert_string_equal(p.encoded, "");

	memcpy(raw + sizeof(raw) - 4, "/../", 4);
	assert_int_equal(
	    uri_path_normalise(slice_of(raw, sizeof(raw)), &p), URI_PATH_OK);
	assert_string_equal(p.decoded, "/");
	assert_string_equal(p.encoded, "");
}

static void
names_in_links(void **state)
{
	static const struct {
		const char *name;
		bool keep_slash;
		const char *want;
	} rows[] = {
		{ "A-Za_0.9~", false, "A-Za_0.9~" },
		{ "!$&'()*+,;=@", false, "!$&'()*+,;=@" },
		{ "sp ace", false, "sp%20ace" },
		{ "100%#?[]\\\"<>^`{|}", false,
		    "100%25%23%3F%5B%5D%5C%22%3C%3E%5E%60%7B%7C%7D" },
		{ "\xc3\xa9\xff\x01\x7f", false, "%C3%A9%FF%01%7F" },
		{ "a/b", false, "a%2Fb" },
		{ "a/b c", true, "a/b%20c" },
		{ "mailto:x", false, "mailto%3Ax" }, /* else it is a scheme */
		{ "a:b/c:d", true, "a%3Ab/c:d" },
		{ "/a:b", true, "/a:b" },
		{ "", true, "" },
	};
	char memory[64];
	struct buf out;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		buf_wrap(&out, memory, sizeof(memory));
		check_row(uri_encode(&out, slice_str(rows[i].name),
			      rows[i].keep_slash),
		    rows[i].name);
		check_slice(buf_view(&out), slice_str(rows[i].want));
	}
	buf_wrap(&out, memory, sizeof(memory));
	assert_true(uri_encode(&out, SLICE("a\0b"), false));
	check_slice(buf_view(&out), SLICE("a%00b"));
	buf_wrap(&out, memory, 4);
	assert_true(buf_byte(&out, 'x'));
	assert_false(uri_encode(&out, SLICE("a "), false));
	check_slice(buf_view(&out), SLICE("x"));
}

static void
queries_in_redirects(void **state)
{
	static const char *const rows[][2] = {
		{ "", "" },
		{ "x=1&y=%20+%zz/?:@", "x=1&y=%20+%zz/?:@" }, /* 1.7.69, A24 */
		{ "caf\xc3\xa9[0]", "caf%C3%A9%5B0%5D" },
	};
	char memory[64];
	struct buf out;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		buf_wrap(&out, memory, sizeof(memory));
		assert_true(uri_encode_query(&out, slice_str(rows[i][0])));
		check_slice(buf_view(&out), slice_str(rows[i][1]));
	}
	for (size_t size = 1; size < 5; size++) {
		buf_wrap(&out, memory, size);
		assert_true(buf_byte(&out, 'x'));
		assert_false(uri_encode_query(&out, SLICE("a\xc3")));
		check_slice(buf_view(&out), SLICE("x"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kept),
		cmocka_unit_test(dots),
		cmocka_unit_test(impossible),
		cmocka_unit_test(longest),
		cmocka_unit_test(names_in_links),
		cmocka_unit_test(queries_in_redirects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
