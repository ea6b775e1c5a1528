/* SPDX-License-Identifier: ISC */
/* "name: value" by a table. */
#include "check.h"

#include <string.h>

#include "archive/manifest.h"
#include "archive/records.h"
#include "proto/hostname.h"

#define HASH "abcd000000000000000000000000000000000000000000000000000000000000"

enum colour { NONE, RED, BLUE };

struct pebble {
	uint64_t weight;
	enum colour colour;
};

struct box {
	char url[MANIFEST_ORIGIN_MAX];
	char host[HOSTNAME_SIZE];
	char text[RECORD_TEXT_MAX];
	uint64_t number;
	int64_t moment;
	uint8_t hash[DIGEST_SIZE];
	bool yes;
	char also[2][RECORD_TEXT_MAX];
	size_t n_also;
	struct pebble pebble[3];
	size_t n_pebbles;
};

/* clang-format off */
#define PEBBLES(text, how) \
	{ .name = (text), .kind = &record_number, \
	  .at = offsetof(struct box, pebble), .max = 3, \
	  .size = sizeof(struct pebble), \
	  .n_at = offsetof(struct box, n_pebbles), \
	  .tag_at = offsetof(struct pebble, colour), .tag = (how) }

static const struct record rows[] = {
	RECORD(struct box, url, "url", record_origin),
	RECORD(struct box, host, "host", record_host),
	RECORD(struct box, text, "text", record_text),
	RECORD(struct box, number, "number", record_number),
	RECORD(struct box, moment, "moment", record_moment),
	RECORD(struct box, hash, "hash", record_digest),
	RECORD(struct box, yes, "yes", record_yes),
	RECORDS(struct box, also, n_also, "also", record_text),
	PEBBLES("red", RED),
	PEBBLES("blue", BLUE),
	{ .name = NULL },
};
/* clang-format on */

static const char full[] = "url: gemini://example.org:1966/\n"
			   "host: xn--caf-dma.example\n"
			   "text: some words: and more\n"
			   "number: 42\n"
			   "moment: 2026-11-22T10:00:00Z\n"
			   "hash: " HASH "\n"
			   "yes: yes\n"
			   "also: a\n"
			   "also: b\n"
			   "red: 1\n"
			   "red: 3\n"
			   "blue: 2\n";

static struct box box;
static struct why why;

static bool
parse(bool strict, const char *text)
{
	box = (struct box){ 0 };
	why_clear(&why);
	return records_parse(rows, strict, slice_str(text), 0, &box, &why);
}

static void
check_written(const char *want)
{
	uint8_t memory[4096];
	struct buf out;

	buf_wrap(&out, memory, sizeof(memory));
	assert_true(records_format(rows, &box, &out));
	check_slice(buf_view(&out), slice_str(want));
}

static void
test_each_kind(void **state)
{
	(void)state;
	assert_true(parse(true, full));
	assert_string_equal(box.text, "some words: and more");
	assert_int_equal(box.number, 42);
	assert_int_equal(box.moment, 1795341600);
	assert_int_equal(box.hash[1], 0xcd);
	assert_true(box.yes);
	assert_int_equal(box.n_also, 2);
	assert_string_equal(box.also[1], "b");
	assert_int_equal(box.n_pebbles, 3);
	assert_int_equal(box.pebble[2].weight, 2);
	assert_int_equal(box.pebble[2].colour, BLUE);
	check_written(full);
}

/* Read in any order, written in that of the table; what is shared by rows keeps
 * its order within each. */
static void
test_order(void **state)
{
	(void)state;
	assert_true(parse(true, "blue: 1\nalso: a\nred: 2\nblue: 3\n"));
	assert_int_equal(box.pebble[0].colour, BLUE);
	check_written("also: a\nred: 2\nblue: 1\nblue: 3\n");
}

static void
test_nothing_is_known(void **state)
{
	(void)state;
	assert_true(parse(true, ""));
	check_written("");
}

static const struct {
	const char *rule;
	const char *text;
	const char *strict; /* why it is refused; NULL: it is not */
	bool lenient;
} lines[] = {
	{ "an unknown name", "x: y\n", "line 1: unknown field", true },
	{ "no name", "words\n", "line 1: invalid line", false },
	{ "an empty line", "\nnumber: 1\n", "line 1: invalid line", true },
	{ "no blank", "number:1\n", "line 1: invalid line", true },
	{ "blanks around", "number:  1 \n", "line 1: invalid number", true },
	{ "no value", "number: \n", "line 1: invalid line", false },
	{ "twice", "yes: yes\nyes: yes\n", "line 2: duplicate", false },
	{ "too many", "also: a\nalso: b\nalso: c\n", "line 3: too many of also",
	    false },
	{ "too many together", "red: 1\nblue: 1\nred: 1\nblue: 1\n",
	    "line 4: too many of blue", false },
	{ "another form of a URL", "url: gemini://EXAMPLE.org\n",
	    "line 1: invalid url: expected a URL", true },
	{ "another form of a host", "host: EXAMPLE.org\n",
	    "line 1: invalid host", true },
	{ "another form of a number", "number: 042\n", "line 1: invalid number",
	    true },
	{ "another zone", "moment: 2026-11-22T12:00:00+02:00\n",
	    "line 1: invalid moment", true },
	{ "no", "yes: no\n", "line 1: invalid yes", true },
	{ "no number", "number: -1\n", "line 1: invalid number", false },
	{ "2^53", "number: 9007199254740992\n", "line 1: invalid number",
	    false },
	{ "no moment", "moment: now\n", "line 1: invalid moment", false },
	{ "no hash", "hash: abcd\n", "line 1: invalid hash", false },
	{ "no URL", "url: example.org\n", "line 1: invalid url", false },
	{ "an escape", "text: \x1b[2J\n", "line 1: invalid text", false },
	{ "not UTF-8", "text: \xff\n", "line 1: invalid text", false },
	{ "no last line feed", "number: 1", NULL, true },
};

static void
test_strict_and_lenient(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		check_row(
		    parse(true, lines[i].text) == (lines[i].strict == NULL),
		    lines[i].rule);
		check_row(lines[i].strict == NULL ||
			      strstr(why.text, lines[i].strict) == why.text,
		    why.text);
		check_row(parse(false, lines[i].text) == lines[i].lenient,
		    lines[i].rule);
	}
}

/* What could end a line early, or deceive a terminal, is not written at all. */
static void
test_invalid_values_are_not_written(void **state)
{
	static const char *const bad[] = { "a\nnumber: 1", " a", "a ",
		"\x1b[2J", "\xff" };
	uint8_t memory[4096];
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		box = (struct box){ 0 };
		memcpy(box.text, bad[i], strlen(bad[i]) + 1);
		buf_wrap(&out, memory, sizeof(memory));
		assert_false(records_format(rows, &box, &out));
	}
	assert_true(parse(true, full));
	buf_wrap(&out, memory, sizeof(full) - 2);
	assert_false(records_format(rows, &box, &out));
}

static void
test_texts_that_are_kept(void **state)
{
	char longest[RECORD_TEXT_MAX];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	assert_true(record_text_ok(SLICE("")));
	assert_true(record_text_ok(SLICE("Ann \xc3\x89, gemini://a/")));
	assert_true(record_text_ok(slice_of(longest, RECORD_TEXT_MAX - 1)));
	assert_false(record_text_ok(slice_of(longest, RECORD_TEXT_MAX)));
	assert_false(record_text_ok(SLICE(" a")));
	assert_false(record_text_ok(SLICE("a ")));
	assert_false(record_text_ok(SLICE("a\nb")));
	assert_false(record_text_ok(SLICE("a\0b")));
	assert_false(record_text_ok(SLICE("\xe2\x80\xae"))); /* bidi */
	assert_false(record_text_ok(SLICE("\xc2\x9b")));     /* C1 */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_kind),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_nothing_is_known),
		cmocka_unit_test(test_strict_and_lenient),
		cmocka_unit_test(test_invalid_values_are_not_written),
		cmocka_unit_test(test_texts_that_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
