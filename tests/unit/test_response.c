/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <string.h>

#include "proto/response.h"

static void
test_sent_headers(void **state)
{
	const struct {
		const char *rule;
		enum status code, sent;
		struct slice meta;
		struct slice header;
	} rows[] = {
		{ "1.2.28: code, one space, meta, CRLF", STATUS_SUCCESS,
		    STATUS_SUCCESS, SLICE("text/gemini"),
		    SLICE("20 text/gemini\r\n") },
		{ "1.2.29: UTF-8", STATUS_NOT_FOUND, STATUS_NOT_FOUND,
		    SLICE("yo\xc3\xa7"), SLICE("51 yo\xc3\xa7\r\n") },
		{ "1.3: 44 and seconds", STATUS_SLOW_DOWN, STATUS_SLOW_DOWN,
		    SLICE("7"), SLICE("44 7\r\n") },
		{ "1.7.70: a path", STATUS_REDIRECT_PERMANENT,
		    STATUS_REDIRECT_PERMANENT, SLICE("/dir/"),
		    SLICE("31 /dir/\r\n") },
		{ "1.2.30: never an empty meta", STATUS_SUCCESS,
		    STATUS_TEMPORARY_FAILURE, SLICE(""),
		    SLICE("40 Temporary failure\r\n") },
		{ "1.2.30: nor after 5x", STATUS_NOT_FOUND,
		    STATUS_TEMPORARY_FAILURE, SLICE(""),
		    SLICE("40 Temporary failure\r\n") },
		{ "1.2.30: an empty redirect", STATUS_REDIRECT,
		    STATUS_NOT_FOUND, SLICE(""), SLICE("51 Not found\r\n") },
		{ "1.2.38, A52: CRLF in a redirect", STATUS_REDIRECT_PERMANENT,
		    STATUS_NOT_FOUND, SLICE("/a\r\n20 text/gemini"),
		    SLICE("51 Not found\r\n") },
		{ "1.2.29: tab", STATUS_INPUT, STATUS_TEMPORARY_FAILURE,
		    SLICE("a\tb"), SLICE("40 Temporary failure\r\n") },
		{ "1.2.29: NUL", STATUS_INPUT, STATUS_TEMPORARY_FAILURE,
		    SLICE("a\0b"), SLICE("40 Temporary failure\r\n") },
		{ "1.2.29: DEL", STATUS_INPUT, STATUS_TEMPORARY_FAILURE,
		    SLICE("a\x7f"), SLICE("40 Temporary failure\r\n") },
		{ "1.2.29: C1", STATUS_INPUT, STATUS_TEMPORARY_FAILURE,
		    SLICE("a\xc2\x85"), SLICE("40 Temporary failure\r\n") },
		{ "1.2.29: BOM", STATUS_INPUT, STATUS_TEMPORARY_FAILURE,
		    SLICE("\xef\xbb\xbfname"),
		    SLICE("40 Temporary failure\r\n") },
		{ "1.2.29: not UTF-8", STATUS_INPUT, STATUS_TEMPORARY_FAILURE,
		    SLICE("a\xff"), SLICE("40 Temporary failure\r\n") },
		{ "1.2.28: exactly one space", STATUS_INPUT,
		    STATUS_TEMPORARY_FAILURE, SLICE(" a"),
		    SLICE("40 Temporary failure\r\n") },
	};
	char memory[RESPONSE_HEADER_MAX];
	struct buf out;

	(void)state;
	buf_wrap(&out, memory, sizeof(memory));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(response_header(&out, rows[i].code, rows[i].meta) ==
			      rows[i].sent,
		    rows[i].rule);
		check_slice(buf_view(&out), rows[i].header);
	}
}

static void
test_meta_of_1024_bytes(void **state)
{
	char memory[RESPONSE_HEADER_MAX], meta[RESPONSE_META_MAX + 1];
	struct buf out;
	struct slice got;
	int code;

	(void)state; /* 1.2.31, 1.7.72 */
	memset(meta, 'a', sizeof(meta));
	buf_wrap(&out, memory, sizeof(memory));
	assert_int_equal(response_header(&out, STATUS_REDIRECT,
			     slice_of(meta, sizeof(meta) - 1)),
	    STATUS_REDIRECT);
	assert_int_equal(out.len, RESPONSE_HEADER_MAX);
	assert_true(response_parse(
	    slice_head(buf_view(&out), out.len - 2), &code, &got));
	assert_int_equal(got.len, RESPONSE_META_MAX);
	assert_int_equal(response_header(&out, STATUS_REDIRECT,
			     slice_of(meta, sizeof(meta))),
	    STATUS_NOT_FOUND);
	assert_int_equal(
	    response_header(&out, STATUS_SUCCESS, slice_of(meta, sizeof(meta))),
	    STATUS_TEMPORARY_FAILURE);
}

static void
test_received_headers(void **state)
{
	char too_long[3 + RESPONSE_META_MAX + 1] = "51 ";
	const struct {
		const char *rule;
		struct slice line;
		bool ok;
		int code;
		struct slice meta;
	} rows[] = {
		{ "1.2.28", SLICE("20 text/gemini; lang=en"), true, 20,
		    SLICE("text/gemini; lang=en") },
		{ "an undefined code of a known class", SLICE("29 x"), true, 29,
		    SLICE("x") },
		{ "1.2.30: no meta after 5x", SLICE("50"), true, 50,
		    SLICE("") },
		{ "1.2.30: a space alone after 4x", SLICE("41 "), true, 41,
		    SLICE("") },
		{ "1.2.30: 1x needs a prompt", SLICE("10 "), false, 0,
		    SLICE("") },
		{ "1.2.30: 2x needs a type", SLICE("20"), false, 0, SLICE("") },
		{ "1.2.30: 3x needs a target", SLICE("30 "), false, 0,
		    SLICE("") },
		{ "empty", { NULL, 0 }, false, 0, SLICE("") },
		{ "one digit", SLICE("2"), false, 0, SLICE("") },
		{ "three digits", SLICE("200 OK"), false, 0, SLICE("") },
		{ "class 0", SLICE("00 x"), false, 0, SLICE("") },
		{ "class 7", SLICE("70 x"), false, 0, SLICE("") },
		{ "no digit", SLICE("2x y"), false, 0, SLICE("") },
		{ "below the digits", SLICE("2/ y"), false, 0, SLICE("") },
		{ "another protocol", SLICE("HTTP/1.1 400"), false, 0,
		    SLICE("") },
		{ "1.2.28: a tab", SLICE("20\ttext/gemini"), false, 0,
		    SLICE("") },
		{ "1.2.28: two spaces", SLICE("20  text/gemini"), false, 0,
		    SLICE("") },
		{ "1.2.29: BOM first",
		    SLICE("\xef\xbb\xbf"
			  "20 x"),
		    false, 0, SLICE("") },
		{ "1.2.29: BOM in meta", SLICE("20 \xef\xbb\xbfx"), false, 0,
		    SLICE("") },
		{ "1.2.29: control", SLICE("51 \x1b[31m"), false, 0,
		    SLICE("") },
		{ "1.2.29: CR", SLICE("51 a\rb"), false, 0, SLICE("") },
		{ "1.2.29: not UTF-8", SLICE("51 \xff"), false, 0, SLICE("") },
		{ "1.2.31", slice_of(too_long, sizeof(too_long)), false, 0,
		    SLICE("") },
	};

	(void)state;
	memset(too_long + 3, 'a', sizeof(too_long) - 3);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice meta = SLICE("");
		int code = 0;

		check_row(
		    response_parse(rows[i].line, &code, &meta) == rows[i].ok,
		    rows[i].rule);
		if (!rows[i].ok)
			continue;
		check_row(code == rows[i].code, rows[i].rule);
		check_slice(meta, rows[i].meta);
	}
}

static void
test_types(void **state)
{
	static const struct {
		const char *rule, *type, *lang, *charset, *want;
	} rows[] = {
		{ "nothing configured, nothing sent", "text/gemini", "", "",
		    "text/gemini" },
		{ "1.4.41: lang", "text/gemini", "en", "",
		    "text/gemini; lang=en" },
		{ "1.4.41: several are quoted", "text/gemini", "en,az", "",
		    "text/gemini; lang=\"en,az\"" },
		{ "1.4.41: on text/gemini alone", "text/plain", "en", "",
		    "text/plain" },
		{ "1.4.40: charset, not quoted", "text/plain", "", "utf-8",
		    "text/plain; charset=utf-8" },
		{ "1.4.40: on text/ alone", "image/png", "en", "utf-8",
		    "image/png" },
		{ "both", "text/gemini", "en", "utf-8",
		    "text/gemini; lang=en; charset=utf-8" },
		{ "any case", "Text/Gemini", "en", "utf-8",
		    "Text/Gemini; lang=en; charset=utf-8" },
		{ "its own lang stays", "text/gemini; Lang=az", "en", "utf-8",
		    "text/gemini; Lang=az; charset=utf-8" },
		{ "its own charset stays", "text/gemini;charset=koi8-r", "en",
		    "utf-8", "text/gemini;charset=koi8-r; lang=en" },
		{ "a quoted ';' ends nothing", "text/plain; x=\"a;charset=b\"",
		    "", "utf-8",
		    "text/plain; x=\"a;charset=b\"; charset=utf-8" },
		{ "nor does an escaped quote",
		    "text/plain; x=\"\\\";charset=b\"", "", "utf-8",
		    "text/plain; x=\"\\\";charset=b\"; charset=utf-8" },
		{ "text/ without a subtype", "text/", "", "utf-8", "text/" },
		{ "shorter than text/", "text", "en", "utf-8", "text" },
	};
	char memory[100];
	struct buf out;

	(void)state;
	buf_wrap(&out, memory, sizeof(memory));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&out);
		check_row(
		    response_type(&out, slice_str(rows[i].type),
			slice_str(rows[i].lang), slice_str(rows[i].charset)),
		    rows[i].rule);
		check_slice(buf_view(&out), slice_str(rows[i].want));
	}
}

static void
test_too_long_type(void **state)
{
	char memory[40];
	struct buf out;

	(void)state;
	for (size_t size = 3; size < 38; size++) {
		buf_wrap(&out, memory, size);
		assert_true(buf_str(&out, "abc"));
		assert_false(response_type(
		    &out, SLICE("text/gemini"), SLICE("e,a"), SLICE("utf-8")));
		check_slice(buf_view(&out), SLICE("abc"));
	}
}

static void
test_codes_of_1_2_33_only(void **state)
{
	const int known[] = { 10, 11, 20, 30, 31, 40, 41, 42, 43, 44, 50, 51,
		52, 53, 59, 60, 61, 62 };
	size_t next = 0;

	(void)state;
	for (int code = -1; code < 100; code++) {
		bool want = next < sizeof(known) / sizeof(known[0]) &&
			    known[next] == code;

		assert_int_equal(status_known(code), want);
		next += want;
	}
	assert_int_equal(next, 18);
}

static void
test_texts_are_valid_meta(void **state)
{
	(void)state;
	for (int code = 0; code < 100; code++) {
		const char *text = status_text((enum status)code);

		assert_true(strlen(text) > 0);
		assert_true(text[0] != ' ');
		for (const char *p = text; *p != '\0'; p++)
			assert_in_range(*p, ' ', '~');
	}
	/* 1.3: whole seconds are valid in the old and the new specification */
	assert_true(strspn(status_text(STATUS_SLOW_DOWN), "0123456789") > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sent_headers),
		cmocka_unit_test(test_meta_of_1024_bytes),
		cmocka_unit_test(test_received_headers),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_too_long_type),
		cmocka_unit_test(test_codes_of_1_2_33_only),
		cmocka_unit_test(test_texts_are_valid_meta),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
