/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <dlfcn.h>
#include <string.h>

#include "proto/hostname.h"

/* libidn2 allocates: how often it was asked. */
static int asked;

int idn2_to_ascii_8z(const char *input, char **output, int flags);

int
idn2_to_ascii_8z(const char *input, char **output, int flags)
{
	int (*real)(const char *, char **, int);
	void *symbol = dlsym(RTLD_NEXT, "idn2_to_ascii_8z");

	asked++;
	memcpy(&real, &symbol, sizeof(real));
	return real(input, output, flags);
}

struct row {
	const char *rule;
	const char *raw;
	enum hostname_kind kind;
	const char *want;
};

static void
check_rows(const struct row *rows, size_t n)
{
	char out[HOSTNAME_SIZE];

	for (size_t i = 0; i < n; i++) {
		const struct row *r = &rows[i];

		memset(out, 'x', sizeof(out));
		check_row(hostname_canonical(slice_str(r->raw), out) == r->kind,
		    r->rule);
		if (strcmp(out, r->want) != 0)
			fail_msg("row \"%s\": got \"%s\"", r->rule, out);
	}
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void
test_ascii_names_need_no_library(void **state)
{
	static const struct row rows[] = {
		{ "single label", "localhost", HOSTNAME_NAME, "localhost" },
		{ "1.1.17, A3: any case", "Example.ORG", HOSTNAME_NAME,
		    "example.org" },
		{ "1.1.17, A19: trailing dot", "example.org.", HOSTNAME_NAME,
		    "example.org" },
		{ "1.1.17: A-label", "XN--CAF-DMA.localhost", HOSTNAME_NAME,
		    "xn--caf-dma.localhost" },
		{ "underscore", "_gemini._tcp.h", HOSTNAME_NAME,
		    "_gemini._tcp.h" },
		{ "hyphens and digits", "a-1.2b", HOSTNAME_NAME, "a-1.2b" },
		{ "digits are a name too", "1965", HOSTNAME_NAME, "1965" },
		{ "no dotted quad", "1.2.3", HOSTNAME_NAME, "1.2.3" },
		{ "no dotted quad", "256.1.1.1", HOSTNAME_NAME, "256.1.1.1" },
		{ "1.1.19: IPv4", "127.0.0.1", HOSTNAME_IPV4, "127.0.0.1" },
		{ "1.1.19: IPv4, trailing dot", "127.0.0.1.", HOSTNAME_IPV4,
		    "127.0.0.1" },
		{ "1.1.19: IPv6", "[::1]", HOSTNAME_IPV6, "::1" },
		{ "IPv6 without brackets", "::1", HOSTNAME_IPV6, "::1" },
		{ "IPv6 in canonical form", "[2001:DB8:0:0:0::0001]",
		    HOSTNAME_IPV6, "2001:db8::1" },
		{ "IPv4 in IPv6", "[::FFFF:192.0.2.1]", HOSTNAME_IPV6,
		    "::ffff:192.0.2.1" },
	};

	(void)state;
	asked = 0;
	check_rows(rows, COUNT(rows));
	assert_int_equal(asked, 0);
}

static void
test_spellings_of_one_name(void **state)
{
	static const struct row rows[] = {
		{ "1.1.17: U-label", "caf\xc3\xa9.localhost", HOSTNAME_NAME,
		    "xn--caf-dma.localhost" },
		{ "1.1.17: percent-encoded U-label", "caf%C3%a9.localhost",
		    HOSTNAME_NAME, "xn--caf-dma.localhost" },
		{ "capitals beyond ASCII", "CAF\xc3\x89.localhost.",
		    HOSTNAME_NAME, "xn--caf-dma.localhost" },
		{ "decomposed accent", "cafe\xcc\x81.localhost", HOSTNAME_NAME,
		    "xn--caf-dma.localhost" },
		{ "escaped ASCII", "%6Cocal%68ost", HOSTNAME_NAME,
		    "localhost" },
		{ "nontransitional", "fa\xc3\x9f.de", HOSTNAME_NAME,
		    "xn--fa-hia.de" },
		{ "dotless I", "bak\xc4\xb1.az", HOSTNAME_NAME,
		    "xn--bak-lua.az" },
		{ "ideographic full stop", "caf\xc3\xa9\xe3\x80\x82localhost",
		    HOSTNAME_NAME, "xn--caf-dma.localhost" },
		{ "full-width digits",
		    "\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1", HOSTNAME_IPV4,
		    "127.0.0.1" },
		{ "underscore beside a U-label", "_x.caf\xc3\xa9",
		    HOSTNAME_NAME, "_x.xn--caf-dma" },
		{ "A-label beside a U-label", "xn--caf-dma.caf\xc3\xa9",
		    HOSTNAME_NAME, "xn--caf-dma.xn--caf-dma" },
	};

	(void)state;
	asked = 0;
	check_rows(rows, COUNT(rows));
	assert_int_equal(asked, 11); /* or the counter proves nothing above */
}

static void
test_refused(void **state)
{
	static const struct row rows[] = {
		{ "empty", "", HOSTNAME_BAD, "" },
		{ "a dot", ".", HOSTNAME_BAD, "" },
		{ "dots are no file names", "..", HOSTNAME_BAD, "" },
		{ "leading dot", ".a", HOSTNAME_BAD, "" },
		{ "two dots inside", "a..b", HOSTNAME_BAD, "" },
		{ "two dots at the end", "a..", HOSTNAME_BAD, "" },
		{ "slash", "a/b", HOSTNAME_BAD, "" },
		{ "escaped slash", "a%2Fb", HOSTNAME_BAD, "" },
		{ "full-width slash",
		    "\xc3\xa9\xef\xbc\x8f"
		    "b",
		    HOSTNAME_BAD, "" },
		{ "space", "a b", HOSTNAME_BAD, "" },
		{ "star", "*.a", HOSTNAME_BAD, "" },
		{ "escaped line end", "a%0D%0A", HOSTNAME_BAD, "" },
		{ "escaped NUL", "a%00\xc3\xa9", HOSTNAME_BAD, "" },
		{ "malformed escape", "a%zz", HOSTNAME_BAD, "" },
		{ "malformed escape", "a%2", HOSTNAME_BAD, "" },
		{ "not UTF-8", "a\xff", HOSTNAME_BAD, "" },
		{ "escaped, not UTF-8", "a%FF", HOSTNAME_BAD, "" },
		{ "symbols", "\xe2\x98\x83.net", HOSTNAME_BAD, "" },
		{ "label ends with a hyphen", "\xc3\xa9-.net", HOSTNAME_BAD,
		    "" },
		{ "empty label", "\xc3\xa9..net", HOSTNAME_BAD, "" },
		{ "1.1.19, A21: unclosed bracket", "[::1", HOSTNAME_BAD, "" },
		{ "a bracket", "[", HOSTNAME_BAD, "" },
		{ "nothing in brackets", "[]", HOSTNAME_BAD, "" },
		{ "IPv4 in brackets", "[127.0.0.1]", HOSTNAME_BAD, "" },
		{ "zone", "[fe80::1%25eth0]", HOSTNAME_BAD, "" },
		{ "future address", "[v1.a]", HOSTNAME_BAD, "" },
		{ "no address", "1:2:3", HOSTNAME_BAD, "" },
		{ "too long for an address",
		    "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]",
		    HOSTNAME_BAD, "" },
		{ "host and port", "localhost:1965", HOSTNAME_BAD, "" },
	};
	char out[HOSTNAME_SIZE];

	(void)state;
	check_rows(rows, COUNT(rows));
	assert_int_equal(hostname_canonical(SLICE("a\0b"), out), HOSTNAME_BAD);
	assert_int_equal(
	    hostname_canonical(SLICE("\xc3\xa9\0b"), out), HOSTNAME_BAD);
	assert_int_equal(
	    hostname_canonical(SLICE("[::1\0]"), out), HOSTNAME_BAD);
}

/* A name of n bytes with labels of at most label bytes. */
static struct slice
long_name(char *memory, size_t n, size_t label)
{
	for (size_t i = 0; i < n; i++)
		memory[i] = i % (label + 1) == label ? '.' : 'a';
	return slice_of(memory, n);
}

static void
test_limits(void **state)
{
	char out[HOSTNAME_SIZE], name[3 * 1100];

	(void)state;
	assert_int_equal(
	    hostname_canonical(long_name(name, 253, 63), out), HOSTNAME_NAME);
	assert_int_equal(strlen(out), HOSTNAME_MAX);
	assert_int_equal(
	    hostname_canonical(long_name(name, 254, 62), out), HOSTNAME_BAD);
	assert_int_equal(
	    hostname_canonical(long_name(name, 63, 63), out), HOSTNAME_NAME);
	assert_int_equal(
	    hostname_canonical(long_name(name, 64, 64), out), HOSTNAME_BAD);
	(void)long_name(name, 253, 63);
	name[253] = '.'; /* the trailing dot is not counted */
	assert_int_equal(
	    hostname_canonical(slice_of(name, 254), out), HOSTNAME_NAME);
	for (size_t i = 0; i < sizeof(name); i += 3)
		memcpy(name + i, "%61", 3);
	assert_int_equal(hostname_canonical(slice_of(name, sizeof(name)), out),
	    HOSTNAME_BAD);
	assert_string_equal(out, "");
}

static void
test_unicode_form(void **state)
{
	static const char *const rows[][2] = {
		{ "localhost", "localhost" },
		{ "127.0.0.1", "127.0.0.1" },
		{ "2001:db8::1", "2001:db8::1" },
		{ "xn--caf-dma.localhost", "caf\xc3\xa9.localhost" },
		{ "a.xn--bak-lua.az", "a.bak\xc4\xb1.az" },
		{ "xn--99999999", "xn--99999999" }, /* no punycode */
		{ "xn--a", "xn--a" },
		{ "xn--a-ecp.ru", "xn--a-ecp.ru" }, /* no IDNA 2008 */
		{ "xn--n3h.net", "xn--n3h.net" },
	};
	char out[HOSTNAME_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_true(hostname_display(rows[i][0], out, sizeof(out)));
		assert_string_equal(out, rows[i][1]);
	}
	assert_true(hostname_display("xn--caf-dma", out, 6));
	assert_string_equal(out, "caf\xc3\xa9");
	assert_false(hostname_display("xn--caf-dma", out, 5));
	assert_false(hostname_display("abc", out, 3));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ascii_names_need_no_library),
		cmocka_unit_test(test_spellings_of_one_name),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_unicode_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
