/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <string.h>

#include "proto/uri.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void
test_valid(void **state)
{
	const struct {
		const char *rule, *text, *host;
		int port;
		const char *path, *query; /* query NULL: none */
	} rows[] = {
		{ "1.1.1", "gemini://h/a/b?c", "h", -1, "/a/b", "c" },
		{ "1.1.12, A3: any case", "GeMiNi://H/", "H", -1, "/", NULL },
		{ "1.1.20, A1: no path", "gemini://h", "h", -1, "", NULL },
		{ "1.1.20, A1: port, no path", "gemini://h:1965", "h", 1965, "",
		    NULL },
		{ "1.1.20, A2: query, no path", "gemini://h?q", "h", -1, "",
		    "q" },
		{ "1.1.20, A2: port, query", "gemini://h:1?q", "h", 1, "",
		    "q" },
		{ "1.1.21: empty query is one", "gemini://h/?", "h", -1, "/",
		    "" },
		{ "1.1.21: query stays raw", "gemini://h/?a+b%0A%20/?", "h", -1,
		    "/", "a+b%0A%20/?" },
		{ "1.1.16, A12: port", "gemini://h:443/", "h", 443, "/", NULL },
		{ "1.1.16, A14: empty port", "gemini://h:/", "h", -1, "/",
		    NULL },
		{ "1.1.16: empty port, no path", "gemini://h:", "h", -1, "",
		    NULL },
		{ "1.1.16: port 0", "gemini://h:0/", "h", 0, "/", NULL },
		{ "1.1.16: last port", "gemini://h:65535/", "h", 65535, "/",
		    NULL },
		{ "1.1.16: leading zeros", "gemini://h:0000001965/", "h", 1965,
		    "/", NULL },
		{ "1.1.17, A19: trailing dot", "gemini://h./", "h.", -1, "/",
		    NULL },
		{ "1.1.17: escaped host", "gemini://caf%C3%A9/", "caf%C3%A9",
		    -1, "/", NULL },
		{ "1.1.19, A20: IPv4", "gemini://127.0.0.1:1/", "127.0.0.1", 1,
		    "/", NULL },
		{ "1.1.19: IPv6", "gemini://[::1]/", "[::1]", -1, "/", NULL },
		{ "1.1.19: IPv6, port", "gemini://[::1]:1965", "[::1]", 1965,
		    "", NULL },
		{ "1.1.10, A43: raw UTF-8",
		    "gemini://\xc3\xa9/\xc3\xa9?\xc3\xa9", "\xc3\xa9", -1,
		    "/\xc3\xa9", "\xc3\xa9" },
		{ "1.1.24, A34: %2F is data", "gemini://h/dir%2Fx", "h", -1,
		    "/dir%2Fx", NULL },
		{ "1.1.25, A31: dots come later", "gemini://h/../../", "h", -1,
		    "/../../", NULL },
		{ "1.1.26, A29: slashes come later", "gemini://h//etc//x", "h",
		    -1, "//etc//x", NULL },
		{ "A39: %FF is a byte", "gemini://h/%FF", "h", -1, "/%FF",
		    NULL },
		{ "A51: parameters are data", "gemini://h/a;x=1", "h", -1,
		    "/a;x=1", NULL },
		{ "an '@' after the authority", "gemini://h/@?@", "h", -1, "/@",
		    "@" },
		{ "a ':' after the authority", "gemini://h/a:b", "h", -1,
		    "/a:b", NULL },
		{ "brackets, left raw by many clients", "gemini://h/[a]?[b]",
		    "h", -1, "/[a]", "[b]" },
		{ "1.1.22: C1 control, escaped or raw", "gemini://h/\xc2\x85",
		    "h", -1, "/\xc2\x85", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *why = "unset";
		struct uri u;

		check_row(
		    uri_parse(slice_str(rows[i].text), &u, &why) == URI_OK,
		    rows[i].rule);
		check_row(why == NULL, rows[i].rule);
		check_row(slice_equal_nocase(u.scheme, SLICE("gemini")),
		    rows[i].rule);
		check_slice(u.host, slice_str(rows[i].host));
		check_row(u.port == rows[i].port, rows[i].rule);
		check_slice(u.path, slice_str(rows[i].path));
		check_row(u.has_query == (rows[i].query != NULL), rows[i].rule);
		if (u.has_query)
			check_slice(u.query, slice_str(rows[i].query));
	}
}

struct refusal {
	const char *rule;
	struct slice text;
	const char *why;
};

static void
check_refusals(const struct refusal *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *why = NULL;
		struct uri u;

		check_row(
		    uri_parse(rows[i].text, &u, &why) == URI_BAD, rows[i].rule);
		if (why == NULL || strcmp(why, rows[i].why) != 0)
			fail_msg("row \"%s\": %s", rows[i].rule, why);
	}
}

static void
test_invalid_parts(void **state)
{
	const char *const scheme = "no scheme in the URI";
	const char *const host = "no host in the URI";
	const char *const user = "userinfo in the URI";
	const char *const fragment = "fragment in the URI";
	const char *const port = "bad port";
	const struct refusal rows[] = {
		{ "1.1.11, A4, D24: empty", { NULL, 0 }, scheme },
		{ "1.1.11, A4, D14: no scheme", SLICE("//h/"), scheme },
		{ "1.1.11, A4, D25: a path", SLICE("/"), scheme },
		{ "1.1.11: a host", SLICE("h/x"), scheme },
		{ "1.1.11: a digit first", SLICE("1a://h/"), scheme },
		{ "1.1.11: ':' first", SLICE("://h/"), scheme },
		{ "1.1.11: no scheme's byte", SLICE("gem_ini://h/"), scheme },
		{ "1.1.11: letters alone", SLICE("gemini"), scheme },
		{ "1.1.13: no authority", SLICE("gemini:x"), host },
		{ "1.1.13: nothing at all", SLICE("gemini:"), host },
		{ "1.1.13, A5: one slash", SLICE("gemini:/h/"), host },
		{ "1.1.13, A6: empty host", SLICE("gemini:///x"), host },
		{ "1.1.13: empty host, port", SLICE("gemini://:1965/"), host },
		{ "1.1.13: empty host, query", SLICE("gemini://?q"), host },
		{ "1.1.13, A7: mailto", SLICE("mailto:a@b"), host },
		{ "1.1.13: empty host elsewhere", SLICE("file:///x"), host },
		{ "1.1.14, A8: userinfo", SLICE("gemini://u@h/"), user },
		{ "1.1.14: password", SLICE("gemini://u:p@h/"), user },
		{ "1.1.14: password alone", SLICE("gemini://:p@h/"), user },
		{ "1.1.14, A9: empty userinfo", SLICE("gemini://@h/"), user },
		{ "1.1.14: elsewhere too", SLICE("http://u@h/"), user },
		{ "1.1.15, A10: fragment", SLICE("gemini://h/#f"), fragment },
		{ "1.1.15, A11: empty fragment", SLICE("gemini://h/#"),
		    fragment },
		{ "1.1.15: after a query", SLICE("gemini://h/?q#"), fragment },
		{ "1.1.15: after the host", SLICE("gemini://h#"), fragment },
		{ "1.1.16, A15: too high", SLICE("gemini://h:99999/"), port },
		{ "1.1.16: one too high", SLICE("gemini://h:65536/"), port },
		{ "1.1.16: much too high",
		    SLICE("gemini://h:18446744073709551617/"), port },
		{ "1.1.16, A15: no digits", SLICE("gemini://h:abc/"), port },
		{ "1.1.16: a sign", SLICE("gemini://h:+1/"), port },
		{ "1.1.16: two ports", SLICE("gemini://h:1:2/"), port },
		{ "1.1.16: escaped digits", SLICE("gemini://h:%31/"), port },
		{ "1.1.19, A21: unclosed", SLICE("gemini://[::1"),
		    "unclosed bracket in the host" },
		{ "1.1.19: unclosed, path", SLICE("gemini://[::1/]"),
		    "unclosed bracket in the host" },
		{ "1.1.19: junk after the host", SLICE("gemini://[::1]x/"),
		    "invalid text after the host" },
		{ "1.1.19: no address", SLICE("gemini://[h]/"),
		    "bad address in brackets" },
		{ "1.1.19: empty", SLICE("gemini://[]/"),
		    "bad address in brackets" },
		{ "1.1.19: not in front", SLICE("gemini://a[::1]/"),
		    "stray bracket in the host" },
		{ "1.1.19: only closed", SLICE("gemini://::1]/"), host },
		{ "1.1.19: only closed", SLICE("gemini://a]/"),
		    "stray bracket in the host" },
	};

	(void)state;
	check_refusals(rows, COUNT(rows));
}

static void
test_invalid_bytes(void **state)
{
	const char *const byte = "character not allowed in a URI";
	const char *const escape = "malformed escape in the URI";
	const char *const utf8 = "the URI is not UTF-8";
	const struct refusal rows[] = {
		{ "D26: garbage", SLICE("Hello Gemini!"), byte },
		{ "1.1.7: LF", SLICE("gemini://h/\n"), byte },
		{ "1.1.7: CR", SLICE("gemini://h/\r"), byte },
		{ "1.1.9, A41: leading space", SLICE(" gemini://h/"), byte },
		{ "A36: backslash", SLICE("gemini://h/..\\secret"), byte },
		{ "1.1.9, A44: NUL", SLICE("gemini://h/a\0b"), byte },
		{ "1.1.9: NUL in the host", SLICE("gemini://h\0/"), byte },
		{ "1.1.9: tab in the query", SLICE("gemini://h/?a\tb"), byte },
		{ "1.1.8, A45: BOM", SLICE("\xef\xbb\xbfgemini://h/"),
		    "byte order mark before the URI" },
		{ "1.1.10, A46, D16", SLICE("gemini://h/\xdc"), utf8 },
		{ "1.1.10: in the query", SLICE("gemini://h/?\xff"), utf8 },
		{ "1.1.10: in the host", SLICE("gemini://\xc3/"), utf8 },
		{ "1.1.10: overlong", SLICE("gemini://h/\xc0\xaf"), utf8 },
		{ "1.1.10: surrogate", SLICE("gemini://h/\xed\xa0\x80"), utf8 },
		{ "1.1.23: '%' last", SLICE("gemini://h/%"), escape },
		{ "1.1.23, A38: '%a' last", SLICE("gemini://h/%a"), escape },
		{ "1.1.23, A38: '%zz'", SLICE("gemini://h/%zz"), escape },
		{ "1.1.23: second digit", SLICE("gemini://h/%az"), escape },
		{ "1.1.23: in the query", SLICE("gemini://h/?%"), escape },
		{ "1.1.23: in the host", SLICE("gemini://h%/"), escape },
		{ "1.1.23, A37: %00", SLICE("gemini://h/%00"),
		    "NUL in the URI" },
		{ "1.1.23: %00 in the query", SLICE("gemini://h/?%00"),
		    "NUL in the URI" },
	};

	(void)state;
	check_refusals(rows, COUNT(rows));
}

static void
test_every_byte_in_every_part(void **state)
{
	const char *const refused = "\"#%<>\\^`{|}\x7f"; /* 1.1.9, A40, A42 */

	(void)state;
	for (int c = 0; c < 0x80; c++) {
		const char *parts[] = { "gemini://h/a?b", "gemini://hh/?ab" };
		bool want = c > ' ' && strchr(refused, c) == NULL;

		for (size_t i = 0; i < COUNT(parts); i++) {
			char text[20];
			const char *why;
			struct uri u;

			memcpy(text, parts[i], strlen(parts[i]) + 1);
			text[i == 0 ? 11 : 13] = (char)c;
			if ((uri_parse(slice_of(text, strlen(parts[i])), &u,
				 &why) == URI_OK) != want)
				fail_msg("0x%02x in %s", (unsigned)c, parts[i]);
		}
	}
}

static void
test_other_schemes(void **state)
{
	static const char *const rows[] = {
		"http://h/",
		"https://h:443/x?y",
		"gopher://h",
		"titan://h/;a=1",
		"g://h/",
		"geminis://h/",
		"x+y-z.1://h/",
		"HTTP://[::1]:80/",
	};

	(void)state; /* 1.1.13, A17, A18, D21 to D23 */
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *why = NULL;
		struct uri u;

		check_row(
		    uri_parse(slice_str(rows[i]), &u, &why) == URI_OTHER_SCHEME,
		    rows[i]);
		check_row(why != NULL && u.host.len > 0, rows[i]);
	}
}

static void
test_length(void **state)
{
	char text[REQUEST_URI_MAX + 1];
	const char *why;
	struct uri u;

	(void)state; /* 1.1.2, A22 */
	memset(text, 'a', sizeof(text));
	memcpy(text, "gemini://h/", 11);
	assert_int_equal(
	    uri_parse(slice_of(text, sizeof(text) - 1), &u, &why), URI_OK);
	assert_int_equal(
	    uri_parse(slice_of(text, sizeof(text)), &u, &why), URI_BAD);
	assert_string_equal(why, "the URI is too long");
}

static void
test_characters_forbidden_in_links(void **state)
{
	static const struct {
		const char *url, *fault;
	} rows[] = {
		{ "", NULL },
		{ "a%41?b[1]#c", NULL },
		{ "https://h/\xc9\x99", NULL },
		{ "a%", "a %" },
		{ "a%4", "a %" },
		{ "a%4g", "a %" },
		{ "a\tb", "control" },
		{ "a\x7f", "control" },
		{ "a b", "a backslash, or" },
		{ "a\\b", "a backslash, or" },
		{ "a`", "a backslash, or" },
		{ "{a", "a backslash, or" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *fault = uri_fault(slice_str(rows[i].url));

		check_row(
		    (fault == NULL) == (rows[i].fault == NULL), rows[i].url);
		check_row(fault == NULL || strncmp(fault, rows[i].fault,
					       strlen(rows[i].fault)) == 0,
		    rows[i].url);
	}
}

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
test_normalised_paths(void **state)
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
test_dots(void **state)
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
test_invalid_paths(void **state)
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
test_longest(void **state)
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
test_names_in_links(void **state)
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
test_queries_in_redirects(void **state)
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

static struct uri
parsed(const char *text)
{
	const char *why;
	struct uri u;

	assert_int_not_equal(uri_parse(slice_str(text), &u, &why), URI_BAD);
	return u;
}

static void
check_resolved(const char *base, const char *reference, const char *want)
{
	struct uri u = parsed(base);
	char memory[100];
	struct buf out;

	buf_wrap(&out, memory, sizeof(memory));
	check_row(uri_resolve(&u, slice_str(reference), &out), reference);
	check_slice(buf_view(&out), slice_str(want));
}

/* RFC 3986 5.4, but that fragments are dropped. */
static void
test_examples_of_rfc_3986(void **state)
{
	static const char *const rows[][2] = {
		{ "g:h", "g:h" },
		{ "g", "http://a/b/c/g" },
		{ "./g", "http://a/b/c/g" },
		{ "g/", "http://a/b/c/g/" },
		{ "/g", "http://a/g" },
		{ "//g", "http://g" },
		{ "?y", "http://a/b/c/d;p?y" },
		{ "g?y", "http://a/b/c/g?y" },
		{ "#s", "http://a/b/c/d;p?q" },
		{ "g#s", "http://a/b/c/g" },
		{ "g?y#s", "http://a/b/c/g?y" },
		{ ";x", "http://a/b/c/;x" },
		{ "g;x", "http://a/b/c/g;x" },
		{ "g;x?y#s", "http://a/b/c/g;x?y" },
		{ "", "http://a/b/c/d;p?q" },
		{ ".", "http://a/b/c/" },
		{ "./", "http://a/b/c/" },
		{ "..", "http://a/b/" },
		{ "../", "http://a/b/" },
		{ "../g", "http://a/b/g" },
		{ "../..", "http://a/" },
		{ "../../", "http://a/" },
		{ "../../g", "http://a/g" },
		{ "../../../g", "http://a/g" },
		{ "../../../../g", "http://a/g" },
		{ "/./g", "http://a/g" },
		{ "/../g", "http://a/g" },
		{ "g.", "http://a/b/c/g." },
		{ ".g", "http://a/b/c/.g" },
		{ "g..", "http://a/b/c/g.." },
		{ "..g", "http://a/b/c/..g" },
		{ "./../g", "http://a/b/g" },
		{ "./g/.", "http://a/b/c/g/" },
		{ "g/./h", "http://a/b/c/g/h" },
		{ "g/../h", "http://a/b/c/h" },
		{ "g;x=1/./y", "http://a/b/c/g;x=1/y" },
		{ "g;x=1/../y", "http://a/b/c/y" },
		{ "g?y/./x", "http://a/b/c/g?y/./x" },
		{ "g?y/../x", "http://a/b/c/g?y/../x" },
		{ "g#s/./x", "http://a/b/c/g" },
		{ "http:g", "http:g" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check_resolved("http://a/b/c/d;p?q", rows[i][0], rows[i][1]);
}

static void
test_resolve_as_capsules_use_it(void **state)
{
	static const char *const rows[][3] = {
		{ "gemini://h", "a.gmi", "gemini://h/a.gmi" },
		{ "gemini://h", "", "gemini://h" },
		{ "gemini://h", "?q", "gemini://h?q" },
		{ "gemini://h:1966/d", "/d/", "gemini://h:1966/d/" },
		{ "gemini://[::1]:1/d/", "../x", "gemini://[::1]:1/x" },
		{ "gemini://h/a?q", "b", "gemini://h/b" },
		{ "gemini://h/a?q", "?", "gemini://h/a?" },
		{ "gemini://h/a", "//other/x/../y", "gemini://other/y" },
		{ "gemini://h/a", "gemini://x?q", "gemini://x?q" },
		{ "gemini://h/a", "gemini://x/../b?q#f", "gemini://x/b?q" },
		{ "gemini://h/a", "mailto:a@b?subject=x",
		    "mailto:a@b?subject=x" },
		{ "gemini://h/a//b", "../c", "gemini://h/a/c" },
		{ "gemini://h/a", "b//c", "gemini://h/b//c" },
		{ "gemini://h/a", "/%2e%2e/b", "gemini://h/%2e%2e/b" },
		{ "gemini://h/d/a", "./b:c", "gemini://h/d/b:c" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		check_resolved(rows[i][0], rows[i][1], rows[i][2]);
}

static void
test_too_long_leaves_nothing(void **state)
{
	static const char *const references[] = {
		"b?q",
		"../x/y",
		"?qqqqqq",
		"//hhhh/x?q",
		"mailto:a?b",
		"/b?q",
		"",
		"x:y",
	};
	const struct uri u = parsed("gemini://h:1/d/e?q");
	char memory[100];
	struct buf out;

	(void)state;
	for (size_t i = 0; i < COUNT(references); i++) {
		struct slice reference = slice_str(references[i]);
		size_t need;

		buf_wrap(&out, memory, sizeof(memory));
		assert_true(uri_resolve(&u, reference, &out));
		need = out.len;
		for (size_t size = 0; size < need; size++) {
			buf_wrap(&out, memory, 1 + size);
			assert_true(buf_byte(&out, 'x'));
			check_row(
			    !uri_resolve(&u, reference, &out), references[i]);
			check_slice(buf_view(&out), SLICE("x"));
		}
	}
}

static void
test_absolute_or_relative(void **state)
{
	static const char *const absolute[] = { "gemini://h/", "mailto:x",
		"a:", "x+y-z.9:b", "A:/b" };
	static const char *const relative[] = { "", "/", "//h/", "a", "./a:b",
		":a", "1a:b", "a/b:c", "?a:b", "\xc3\xa9:a", "a b:c" };

	(void)state;
	for (size_t i = 0; i < COUNT(absolute); i++)
		check_row(uri_is_absolute(slice_str(absolute[i])), absolute[i]);
	for (size_t i = 0; i < COUNT(relative); i++)
		check_row(
		    !uri_is_absolute(slice_str(relative[i])), relative[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_characters_forbidden_in_links),
		cmocka_unit_test(test_valid),
		cmocka_unit_test(test_invalid_parts),
		cmocka_unit_test(test_invalid_bytes),
		cmocka_unit_test(test_every_byte_in_every_part),
		cmocka_unit_test(test_other_schemes),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_normalised_paths),
		cmocka_unit_test(test_dots),
		cmocka_unit_test(test_invalid_paths),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_names_in_links),
		cmocka_unit_test(test_queries_in_redirects),
		cmocka_unit_test(test_examples_of_rfc_3986),
		cmocka_unit_test(test_resolve_as_capsules_use_it),
		cmocka_unit_test(test_too_long_leaves_nothing),
		cmocka_unit_test(test_absolute_or_relative),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
