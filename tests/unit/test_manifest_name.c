/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <string.h>

#include "archive/manifest.h"
#include "proto/request.h"

/* SLICE, where the compiler wants a constant. */
#define BYTES(literal)                                                         \
	{                                                                      \
		(const uint8_t *)(literal), sizeof(literal) - 1                \
	}

#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN
#define PART_250 FIFTY FIFTY FIFTY FIFTY FIFTY
#define PART_255 PART_250 "01234"

/* Each rule of "Names", and a neighbour that passes. */
static const struct {
	const char *rule;
	struct slice name;
	const char *fault; /* a word of it; NULL: none */
} names[] = {
	{ "a page", BYTES("index.gmi"), NULL },
	{ "deeper", BYTES("a/b/c.gmi"), NULL },
	{ "relative", BYTES("/etc/passwd"), "relative" },
	{ "two slashes before it", BYTES("//a"), "relative" },
	{ "nothing", BYTES(""), "empty" },
	{ "an empty part", BYTES("a//b"), "empty" },
	{ "an empty part at the end", BYTES("a/"), "empty" },
	{ "a dot", BYTES("a/./b"), "dots" },
	{ "a dot before it", BYTES("./b"), "dots" },
	{ "two dots", BYTES("a/../b"), "dots" },
	{ "two dots before it", BYTES("../x"), "dots" },
	{ "two dots at the end", BYTES("a/.."), "dots" },
	{ "three dots are a name", BYTES("a/.../b"), NULL },
	{ "dots in a name", BYTES("..a/b..c"), NULL },
	{ "dot names", BYTES(".well-known/security.txt"), NULL },
	{ "a line feed", BYTES("a\nb"), "control" },
	{ "a carriage return", BYTES("a\r"), "control" },
	{ "a NUL", BYTES("a\0b"), "control" },
	{ "escape", BYTES("\033[2J"), "control" },
	{ "delete", BYTES("a\177"), "control" },
	{ "the byte before the controls' end", BYTES(" "), NULL },
	{ "the byte before delete", BYTES("a~"), NULL },
	{ "a backslash", BYTES("a\\b"), "backslash" },
	{ "a bar", BYTES("a|b"), NULL },
	{ "UTF-8", BYTES("\xc3\xa9t\xc3\xa9/\xf0\x9f\x8c\xb9.gmi"), NULL },
	{ "the first of C1", BYTES("a\xc2\x80"), "control" },
	{ "CSI",
	    BYTES("\xc2\x9b"
		  "2J"),
	    "control" },
	{ "the last of C1", BYTES("\xc2\x9f"), "control" },
	{ "behind C1", BYTES("\xc2\xa0"), NULL },
	{ "Latin-1", BYTES("\xe9t\xe9"), "UTF-8" },
	{ "overlong", BYTES("a\xc0\xaf"), "UTF-8" },
	{ "half a surrogate", BYTES("\xed\xa0\x80"), "UTF-8" },
	{ "255 bytes", BYTES("a/" PART_255), NULL },
	{ "256 bytes", BYTES("a/" PART_255 "5"), "255" },
	{ "mirror/", BYTES("mirror/x"), "mirror" },
	{ "the manifest itself", BYTES(MANIFEST_PATH), "mirror" },
	{ "mirror as a file", BYTES("mirror"), "mirror" },
	{ "mirrors", BYTES("mirrors.gmi"), NULL },
	{ "mirror further down", BYTES("a/mirror/x"), NULL },
};

static void
test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *got = manifest_name_fault(names[i].name);

		check_row(
		    (got == NULL) == (names[i].fault == NULL), names[i].rule);
		if (got != NULL)
			check_row(
			    strstr(got, names[i].fault) != NULL, names[i].rule);
	}
}

/* A path of so many bytes, in parts of 100. */
static void
long_path(char *out, size_t len)
{
	memset(out, 'a', len);
	for (size_t i = 100; i < len - 1; i += 100)
		out[i] = '/';
	out[len] = '\0';
}

static void
test_a_url_has_1024_bytes(void **state)
{
	const size_t room = REQUEST_URI_MAX - strlen("gemini://h/");
	char path[REQUEST_URI_MAX + 10], memory[2048];
	struct buf out;

	(void)state;
	long_path(path, room);
	assert_null(manifest_name_fault(slice_str(path)));
	buf_wrap(&out, memory, sizeof(memory));
	assert_true(manifest_url("gemini://h/", path, &out));
	assert_int_equal(out.len, REQUEST_URI_MAX);
	assert_false(manifest_url("gemini://ho/", path, &out));
	assert_int_equal(out.len, REQUEST_URI_MAX);
	long_path(path, room + 1);
	assert_string_equal(
	    manifest_name_fault(slice_str(path)), "too long for a URL");
	/* A blank is three bytes there. */
	long_path(path, room - 2);
	path[0] = ' ';
	assert_null(manifest_name_fault(slice_str(path)));
	long_path(path, room - 1);
	path[0] = ' ';
	assert_non_null(manifest_name_fault(slice_str(path)));
}

static void
test_a_url_is_encoded(void **state)
{
	char memory[256];
	struct buf out;

	(void)state;
	buf_wrap(&out, memory, sizeof(memory));
	assert_true(
	    manifest_url("gemini://h:1/", "a b/\xc3\xa9?#%20:x\"", &out));
	check_slice(
	    buf_view(&out), SLICE("gemini://h:1/a%20b/%C3%A9%3F%23%2520:x%22"));
}

static const struct {
	const char *text;
	const char *origin; /* NULL: none */
} origins[] = {
	{ "gemini://example.org/", "gemini://example.org/" },
	{ "gemini://example.org", "gemini://example.org/" },
	{ "gemini://example.org:1965/", "gemini://example.org/" },
	{ "gemini://example.org:/", "gemini://example.org/" },
	{ "gemini://example.org:1966", "gemini://example.org:1966/" },
	{ "GEMINI://EXAMPLE.org./", "gemini://example.org/" },
	{ "gemini://b\xc3\xbc"
	  "cher.example/",
	    "gemini://xn--bcher-kva.example/" },
	{ "gemini://[::1]:1966/", "gemini://[::1]:1966/" },
	{ "gemini://[0:0::1]", "gemini://[::1]/" },
	{ "gemini://127.0.0.1/", "gemini://127.0.0.1/" },
	{ "https://example.org/", NULL },
	{ "example.org", NULL },
	{ "gemini:///", NULL },
	{ "gemini://example.org/a", NULL },
	{ "gemini://example.org//", NULL },
	{ "gemini://example.org/?", NULL },
	{ "gemini://example.org/#a", NULL },
	{ "gemini://me@example.org/", NULL },
	{ "gemini://example.org:0/", NULL },
	{ "gemini://example.org:65536/", NULL },
	{ "gemini://exa mple.org/", NULL },
	{ "gemini://example.org/\n", NULL },
	{ "", NULL },
};

static void
test_origins(void **state)
{
	char out[MANIFEST_ORIGIN_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
		bool ok = manifest_origin(slice_str(origins[i].text), out);

		check_row(ok == (origins[i].origin != NULL), origins[i].text);
		if (ok)
			assert_string_equal(out, origins[i].origin);
		else
			assert_string_equal(out, "");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_a_url_has_1024_bytes),
		cmocka_unit_test(test_a_url_is_encoded),
		cmocka_unit_test(test_origins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
