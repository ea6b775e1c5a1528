/* SPDX-License-Identifier: ISC */
#include "check.h"

#include "proto/response.h"
#include "support/random.h"

enum { ROUNDS = 50000 };

static const enum status codes[] = { 10, 11, 20, 30, 31, 40, 41, 42, 43, 44, 50,
	51, 52, 53, 59, 60, 61, 62 };
static const char *const good[] = { "a", "text/gemini", "; lang=en", "/", "%0d",
	"\xc3\xa9", "\xf0\x9f\x8c\xb9", "x y", "\xc2\xa0", "~", "Not found." };
static const char *const bad[] = { "\r", "\n", "\r\n20 text/gemini", "\t",
	"\x1b[2J", "\x7f", "\xc2\x80", "\xc2\x9f", "\xff", "\xc3",
	"\xed\xa0\x80", "\x01" };

/* True when what it makes may be sent. */
static bool
random_meta(struct buf *meta)
{
	const size_t n = sizeof(good) / sizeof(good[0]);
	bool fine = random_below(3) != 0;

	buf_reset(meta);
	random_words(meta, good, n, random_below(20) == 0 ? 300 : 10);
	if (!fine) {
		buf_str(meta, RANDOM_OF(bad));
		random_words(meta, good, n, 3);
	}
	return fine && meta->len > 0 && meta->len <= RESPONSE_META_MAX;
}

static void
check_header(enum status code, struct slice meta, bool fine)
{
	char memory[RESPONSE_HEADER_MAX];
	struct buf out;
	struct slice got;
	enum status sent;
	int parsed;

	buf_wrap(&out, memory, sizeof(memory));
	assert_true(buf_str(&out, "left over"));
	sent = response_header(&out, code, meta);
	assert_true(slice_ends(buf_view(&out), SLICE("\r\n")));
	assert_true(response_parse(
	    slice_head(buf_view(&out), out.len - 2), &parsed, &got));
	assert_int_equal(parsed, sent);
	if (fine) {
		assert_int_equal(sent, code);
		check_slice(got, meta);
	} else {
		assert_int_equal(sent, code / 10 == 3 ? 51 : 40);
		check_slice(got, slice_str(status_text(sent)));
	}
}

static void
prop_sent_headers_parse(void **state)
{
	char memory[4000];
	struct buf meta;

	(void)state;
	buf_wrap(&meta, memory, sizeof(memory));
	for (int i = 0; i < ROUNDS; i++) {
		bool fine = random_meta(&meta);

		check_header(RANDOM_OF(codes), buf_view(&meta), fine);
	}
}

/* Whatever the bytes: a header that is taken could have been sent. */
static void
prop_damaged_headers(void **state)
{
	char memory[2][4000];
	struct buf line, out;
	size_t taken = 0;

	(void)state;
	buf_wrap(&line, memory[0], sizeof(memory[0]));
	for (int i = 0; i < ROUNDS; i++) {
		struct slice meta;
		int code;

		buf_reset(&line);
		buf_printf(&line, "%d ", (int)RANDOM_OF(codes));
		random_words(&line, good, sizeof(good) / sizeof(good[0]), 5);
		random_damage(&line);
		if (!response_parse(buf_view(&line), &code, &meta))
			continue;
		taken++;
		assert_in_range(code, 10, 69);
		if (meta.len == 0 || !status_known(code))
			continue;
		buf_wrap(&out, memory[1], sizeof(memory[1]));
		assert_int_equal(
		    response_header(&out, (enum status)code, meta), code);
		check_slice(
		    slice_head(buf_view(&out), out.len - 2), buf_view(&line));
	}
	assert_in_range(taken, 1, ROUNDS - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prop_sent_headers_parse),
		cmocka_unit_test(prop_damaged_headers),
	};

	random_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
