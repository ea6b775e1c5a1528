/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <string.h>

#include "proto/request.h"

static char filler[REQUEST_LINE_MAX + 10];

/* n bytes of URI and what follows them. */
static struct slice
long_line(char *memory, size_t n, const char *tail)
{
	memset(memory, 'a', n);
	memcpy(memory + n, tail, strlen(tail));
	return slice_of(memory, n + strlen(tail));
}

static void
test_first_crlf_ends_the_line(void **state)
{
	const struct {
		const char *rule;
		struct slice in;
		enum request want;
		struct slice uri;
	} rows[] = {
		{ "nothing yet (A60)", { NULL, 0 }, REQUEST_MORE, SLICE("") },
		{ "no line end yet", SLICE("gemini://h/"), REQUEST_MORE,
		    SLICE("") },
		{ "1.1.1: URI and CRLF", SLICE("gemini://h/\r\n"), REQUEST_OK,
		    SLICE("gemini://h/") },
		{ "1.1.5: half a CRLF", SLICE("gemini://h/\r"), REQUEST_MORE,
		    SLICE("") },
		{ "1.1.7, A53: bare LF is not a line end", SLICE("x\n"),
		    REQUEST_MORE, SLICE("") },
		{ "1.1.7: bare CR is not a line end", SLICE("x\ry"),
		    REQUEST_MORE, SLICE("") },
		{ "1.1.7, A54: LF then CRLF", SLICE("x\n\r\n"), REQUEST_OK,
		    SLICE("x\n") },
		{ "1.1.7: LF CR is not CRLF", SLICE("x\n\r"), REQUEST_MORE,
		    SLICE("") },
		{ "1.1.7: CR before CRLF", SLICE("x\r\r\n"), REQUEST_OK,
		    SLICE("x\r") },
		{ "1.1.11, A4, D24: empty line", SLICE("\r\n"), REQUEST_OK,
		    SLICE("") },
		{ "1.1.6, A55: CRLF twice", SLICE("x\r\n\r\n"), REQUEST_OK,
		    SLICE("x") },
		{ "1.1.6, A56: a second request", SLICE("x\r\ny\r\n"),
		    REQUEST_OK, SLICE("x") },
		{ "A44: a NUL is the URI parser's affair", SLICE("a\0b\r\n"),
		    REQUEST_OK, SLICE("a\0b") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice uri = SLICE("");

		check_row(request_parse(rows[i].in, &uri) == rows[i].want,
		    rows[i].rule);
		check_slice(uri, rows[i].uri);
	}
}

static void
test_limits(void **state)
{
	const struct {
		const char *rule;
		size_t len;
		const char *tail;
		enum request want;
	} rows[] = {
		{ "1.1.2, A22, D17: 1024 bytes fit", 1024, "\r\n", REQUEST_OK },
		{ "1.1.2, A22, D18: 1025 do not", 1025, "\r\n",
		    REQUEST_TOO_LONG },
		{ "1.1.4: 1024 bytes, wait", 1024, "", REQUEST_MORE },
		{ "1.1.4: 1024 and CR, wait", 1024, "\r", REQUEST_MORE },
		{ "1.1.4: 1025 bytes, wait", 1025, "", REQUEST_MORE },
		{ "1.1.4, A59: 1026 bytes, never", 1026, "", REQUEST_TOO_LONG },
		{ "1.1.4: 1026 bytes ending in CR", 1025, "\r",
		    REQUEST_TOO_LONG },
		{ "1.1.2: CRLF beyond the limit", 1030, "\r\n",
		    REQUEST_TOO_LONG },
		{ "1.1.6: what follows is not counted", 1024, "\r\njunk",
		    REQUEST_OK },
	};
	struct slice uri;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice in = long_line(filler, rows[i].len, rows[i].tail);

		check_row(
		    request_parse(in, &uri) == rows[i].want, rows[i].rule);
		if (rows[i].want == REQUEST_OK)
			check_row(uri.len == rows[i].len, rows[i].rule);
	}
}

static void
test_junk_after_the_line(void **state)
{
	char in[3000];
	struct slice uri;

	(void)state;
	memset(in, 'j', sizeof(in));
	memcpy(in, "gemini://h/\r\n", 13);
	assert_int_equal(request_parse(slice_of(in, sizeof(in)), &uri),
	    REQUEST_OK); /* A57 */
	check_slice(uri, SLICE("gemini://h/"));
}

static void
test_one_byte_at_a_time(void **state)
{
	const struct slice whole = SLICE("gemini://h/\r\n");
	struct slice uri;

	(void)state; /* 1.1.5, A58 */
	for (size_t n = 0; n < whole.len; n++)
		assert_int_equal(
		    request_parse(slice_head(whole, n), &uri), REQUEST_MORE);
	assert_int_equal(request_parse(whole, &uri), REQUEST_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_crlf_ends_the_line),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_junk_after_the_line),
		cmocka_unit_test(test_one_byte_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
