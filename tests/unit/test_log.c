/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "util/clock.h"
#include "util/log.h"

static int packets; /* what arrives here in one read was one write */
static int saved;

static int
capture(void **state)
{
	int ends[2];

	(void)state;
	saved = dup(STDERR_FILENO);
	if (saved == -1 || pipe2(ends, O_DIRECT | O_NONBLOCK) == -1 ||
	    dup2(ends[1], STDERR_FILENO) == -1)
		return -1;
	close(ends[1]);
	packets = ends[0];
	return 0;
}

static int
release(void **state)
{
	(void)state;
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(packets);
	return 0;
}

static struct slice
written(void)
{
	static char line[2 * LOG_LINE_MAX];
	ssize_t n = read(packets, line, sizeof(line));

	return slice_of(line, n > 0 ? (size_t)n : 0);
}

static void
levels(void **state)
{
	(void)state;
	log_info("ready: %d workers", 2);
	check_slice(written(), SLICE("carnation: ready: 2 workers\n"));
	log_warn("disk %s", "full");
	check_slice(written(), SLICE("carnation: warning: disk full\n"));
	errno = EMFILE;
	log_error("bad");
	assert_int_equal(errno, EMFILE);
	check_slice(written(), SLICE("carnation: error: bad\n"));
	check_slice(written(), SLICE(""));
}

static void
messages_stay_one_harmless_line(void **state)
{
	(void)state;
	log_info("a\nb\x1b[31m\x7f\xc2\x9b\xe2\x80\xae\xff caf\xc3\xa9 C:\\x");
	check_slice(written(),
	    SLICE("carnation: a\\x0ab\\x1b[31m\\x7f\\xc2\\x9b\\xe2\\x80\\xae"
		  "\\xff caf\xc3\xa9 C:\\x\n"));
	log_info("%lc", (wint_t)0xd800); /* cannot be printed */
	check_slice(written(), SLICE("carnation: \n"));
}

static void
long_messages_are_cut(void **state)
{
	char text[3 * LOG_LINE_MAX];
	struct slice line;

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_info("%s", text);
	line = written();
	assert_int_equal(line.len, LOG_LINE_MAX);
	assert_true(slice_ends(line, SLICE("aa\n")));
	memset(text, '\n', sizeof(text) - 1);
	log_info("%s", text);
	line = written();
	assert_in_range(line.len, LOG_LINE_MAX - 3, LOG_LINE_MAX);
	assert_true(slice_ends(line, SLICE("\\x0a\n"))); /* no half escape */
}

static void
test_closed_stderr_is_harmless(void **state)
{
	int kept = dup(STDERR_FILENO);
	int after;

	(void)state;
	close(STDERR_FILENO);
	errno = EMFILE;
	log_error("x");
	after = errno;
	dup2(kept, STDERR_FILENO);
	close(kept);
	assert_int_equal(after, EMFILE);
}

static void
workers_say_who_they_are(void **state)
{
	char want[100];

	(void)state;
	log_identify("worker 1");
	log_warn("x");
	snprintf(
	    want, sizeof(want), "worker 1[%ld]: warning: x\n", (long)getpid());
	check_slice(written(), slice_str(want));
}

static const struct {
	const char *rule;
	struct slice raw, text, json;
} escapes[] = {
#define BYTES(s)                                                               \
	{                                                                      \
		(const uint8_t *)(s), sizeof(s) - 1                            \
	}
	{ "plain", BYTES("/a b.gmi"), BYTES("/a b.gmi"), BYTES("/a b.gmi") },
	{ "UTF-8", BYTES("\xc3\xa9"), BYTES("\xc3\xa9"), BYTES("\xc3\xa9") },
	{ "NUL", BYTES("\0"), BYTES("\\x00"), BYTES("\\u0000") },
	{ "line end", BYTES("\r\n"), BYTES("\\x0d\\x0a"),
	    BYTES("\\u000d\\u000a") },
	{ "escape", BYTES("\x1b["), BYTES("\\x1b["), BYTES("\\u001b[") },
	{ "DEL", BYTES("\x7f"), BYTES("\\x7f"), BYTES("\\u007f") },
	{ "C1", BYTES("\xc2\x9b"), BYTES("\\xc2\\x9b"), BYTES("\\u009b") },
	{ "last C1", BYTES("\xc2\x9f"), BYTES("\\xc2\\x9f"), BYTES("\\u009f") },
	{ "no C1", BYTES("\xc2\xa0"), BYTES("\xc2\xa0"), BYTES("\xc2\xa0") },
	{ "quote", BYTES("\""), BYTES("\""), BYTES("\\\"") },
	{ "backslash", BYTES("\\x41"), BYTES("\\x5cx41"), BYTES("\\\\x41") },
	{ "not UTF-8", BYTES("\xffz"), BYTES("\\xffz"), BYTES("\\\\xffz") },
	{ "cut UTF-8", BYTES("\xe2\x82"), BYTES("\\xe2\\x82"),
	    BYTES("\\\\xe2\\\\x82") },
	{ "right-to-left", BYTES("\xe2\x80\xae"), BYTES("\\xe2\\x80\\xae"),
	    BYTES("\\u202e") },
	{ "isolate", BYTES("\xe2\x81\xa9"), BYTES("\\xe2\\x81\\xa9"),
	    BYTES("\\u2069") },
	{ "marks", BYTES("\xd8\x9c\xe2\x80\x8e\xe2\x80\x8f"),
	    BYTES("\\xd8\\x9c\\xe2\\x80\\x8e\\xe2\\x80\\x8f"),
	    BYTES("\\u061c\\u200e\\u200f") },
	{ "line separator", BYTES("\xe2\x80\xa8"), BYTES("\\xe2\\x80\\xa8"),
	    BYTES("\\u2028") },
	{ "beyond the BMP", BYTES("\xf0\x9f\x8c\xb9"),
	    BYTES("\xf0\x9f\x8c\xb9"), BYTES("\xf0\x9f\x8c\xb9") },
#undef BYTES
};

static void
test_escaping(void **state)
{
	char memory[100];
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
		buf_wrap(&out, memory, sizeof(memory));
		check_row(log_escape(&out, escapes[i].raw), escapes[i].rule);
		check_slice(buf_view(&out), escapes[i].text);
		buf_wrap(&out, memory, sizeof(memory));
		check_row(
		    log_escape_json(&out, escapes[i].raw), escapes[i].rule);
		check_slice(buf_view(&out), escapes[i].json);
	}
}

static void
test_escaping_is_all_or_nothing(void **state)
{
	char memory[11];
	struct buf out;

	(void)state;
	buf_wrap(&out, memory, sizeof(memory));
	assert_true(buf_str(&out, "abc"));
	assert_false(log_escape(&out, SLICE("def\xc2\x9b")));
	check_slice(buf_view(&out), SLICE("abc"));
	buf_wrap(&out, memory, sizeof(memory));
	assert_true(buf_str(&out, "abc"));
	assert_false(log_escape_json(&out, SLICE("de\xff\xff")));
	check_slice(buf_view(&out), SLICE("abc"));
}

static void
test_one_message_a_period(void **state)
{
	uint64_t last = 0;

	(void)state;
	assert_true(log_due(&last, 60000));
	assert_false(log_due(&last, 60000));
	assert_true(log_due(&last, 0));
	last = clock_ms() - 60000;
	assert_true(log_due(&last, 60000));
	assert_false(log_due(&last, 60000));
}

static void
test_screen(void **state)
{
	const struct {
		const char *rule;
		struct slice in;
		const char *out;
	} rows[] = {
		{ "text", SLICE("# a\tb\nc"), "# a\tb\nc" },
		{ "UTF-8", SLICE("\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\xb8"),
		    "\xc3\xa9\xe2\x82\xac\xf0\x9f\x8c\xb8" },
		{ "CRLF", SLICE("a\r\nb\r\n"), "a\r\nb\r\n" },
		{ "a bare CR overwrites", SLICE("a\rb\r"), "a\\x0db\\x0d" },
		{ "CR CR LF", SLICE("\r\r\n"), "\\x0d\r\n" },
		{ "escape sequence", SLICE("\x1b[31m"), "\\x1b[31m" },
		{ "NUL, BEL, BS, DEL", SLICE("\0\a\b\x7f"),
		    "\\x00\\x07\\x08\\x7f" },
		{ "C1 in UTF-8",
		    SLICE("\xc2\x9b"
			  "31m"),
		    "\\xc2\\x9b31m" },
		{ "C1 as a byte",
		    SLICE("\x9b"
			  "31m"),
		    "\\x9b31m" },
		{ "not UTF-8", SLICE("\xff\xc3(\xe2\x82"),
		    "\\xff\\xc3(\\xe2\\x82" },
		{ "overlong, surrogate", SLICE("\xc0\xaf\xed\xa0\x80"),
		    "\\xc0\\xaf\\xed\\xa0\\x80" },
		{ "cut at the end", SLICE("a\xf0\x9f\x8c"),
		    "a\\xf0\\x9f\\x8c" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		/* However it is cut into pieces. */
		for (size_t step = 1; step <= rows[i].in.len; step++) {
			struct slice rest = rows[i].in;
			struct screen s = { .n = 0 };
			uint8_t memory[256];
			struct buf out;

			buf_wrap(&out, memory, sizeof(memory));
			while (rest.len > 0) {
				size_t n = rest.len < step ? rest.len : step;

				assert_true(
				    screen_put(&s, slice_head(rest, n), &out));
				rest = slice_skip(rest, n);
			}
			assert_true(screen_end(&s, &out));
			check_slice(buf_view(&out), slice_str(rows[i].out));
		}
	}
}

static void
test_room(void **state)
{
	struct screen s = { .n = 0 };
	uint8_t memory[3];
	struct buf out;

	(void)state;
	buf_wrap(&out, memory, sizeof(memory));
	assert_false(screen_put(&s, SLICE("\x1b"), &out));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(levels, capture, release),
		cmocka_unit_test_setup_teardown(
		    messages_stay_one_harmless_line, capture, release),
		cmocka_unit_test_setup_teardown(
		    long_messages_are_cut, capture, release),
		cmocka_unit_test_setup_teardown(
		    workers_say_who_they_are, capture, release),
		cmocka_unit_test(test_closed_stderr_is_harmless),
		cmocka_unit_test(test_escaping),
		cmocka_unit_test(test_escaping_is_all_or_nothing),
		cmocka_unit_test(test_one_message_a_period),
		cmocka_unit_test(test_screen),
		cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
