/* SPDX-License-Identifier: ISC */
#include "util/glob.h"

#include "check.h"

#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* fnmatch(3) is the definition: each glob against each text. */
static const char *const globs[] = { "", "*", "**", "?", "/a", "/a/*", "*.gmi",
	"/*/b", "*a*b*c*", "/a?c", "/[abc]x", "/[!a]x", "/[^a]x", "/[a-c]x",
	"/[c-a]x", "/[]x]", "/[!]x]", "/[a-]", "/[-a]", "/[", "/[a", "/[]",
	"/[[:alpha:]]x", "/[[:digit:][:upper:]]x", "/[![:space:]]x", "\\*",
	"/\\[a]", "/[\\]]x", "/a\\", "/[a\\-c]x", "*/", "/*[0-9]*",
	"/\xc9\x99*", "/[\x80-\xff]*", "?*?", "*?", "/a*a", "*/[ab]/*[!0-9]?" };
static const char *const texts[] = { "", "/", "/a", "/ax", "/bx", "/Xx", "/-x",
	"/]x", "/]", "/x", "/[", "/[a", "/[a]", "/[]", "/a/", "/a/b", "/a/b/c",
	"/abc", "/a-c", "/1x", "/ x", "*", "\\", "/a\\", "/aa", "/aXbYcZ",
	"/x.gmi", ".gmi", "/z/b", "/\xc9\x99x", "/a\n", "/cx", "/-", "/z/a/1ab",
	"/\\x", "/^x" };

static void
test_as_fnmatch(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(globs) / sizeof(*globs); i++)
		for (size_t k = 0; k < sizeof(texts) / sizeof(*texts); k++) {
			char what[128];

			snprintf(what, sizeof(what), "\"%s\" and \"%s\"",
			    globs[i], texts[k]);
			check_row(glob_match(globs[i], texts[k]) ==
				      (fnmatch(globs[i], texts[k], 0) == 0),
			    what);
		}
}

/* A number below n; the same ones in each run (Numerical Recipes, 7.1). */
static size_t
below(size_t n)
{
	static uint32_t seed = 21;

	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

/* Short globs and texts of few letters, so that many of them match. */
static void
test_as_fnmatch_at_random(void **state)
{
	static const char letters[] = "ab/*?[]!-\\";
	size_t matched = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		char glob[12] = "", text[12] = "";
		size_t n = below(11), m = below(11);
		bool want;

		for (size_t k = 0; k < n; k++)
			glob[k] = letters[below(10)];
		for (size_t k = 0; k < m; k++)
			text[k] = letters[below(3)];
		want = fnmatch(glob, text, 0) == 0;
		matched += want;
		check_row(glob_match(glob, text) == want, glob);
	}
	assert_true(matched > 1000);
}

static void
test_length(void **state)
{
	char glob[GLOB_MAX + 2], text[GLOB_MAX + 2];

	(void)state;
	memset(glob, '?', sizeof(glob));
	memset(text, 'a', sizeof(text));
	glob[GLOB_MAX + 1] = text[GLOB_MAX + 1] = '\0';
	assert_false(glob_match(glob, text)); /* too long */
	glob[GLOB_MAX] = text[GLOB_MAX] = '\0';
	assert_true(glob_match(glob, text));
	text[GLOB_MAX - 1] = '\0';
	assert_false(glob_match(glob, text));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_fnmatch),
		cmocka_unit_test(test_as_fnmatch_at_random),
		cmocka_unit_test(test_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
