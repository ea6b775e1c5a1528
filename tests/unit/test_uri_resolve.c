/* SPDX-License-Identifier: ISC */
#include "check.h"

#include "proto/uri.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

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
the_examples_of_the_rfc(void **state)
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
as_capsules_use_it(void **state)
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
what_does_not_fit_leaves_nothing(void **state)
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
absolute_or_not(void **state)
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
		cmocka_unit_test(the_examples_of_the_rfc),
		cmocka_unit_test(as_capsules_use_it),
		cmocka_unit_test(what_does_not_fit_leaves_nothing),
		cmocka_unit_test(absolute_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
