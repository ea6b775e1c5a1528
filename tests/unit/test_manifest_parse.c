/* SPDX-License-Identifier: ISC */
/* The lines of the signed part, each rule with a neighbour that passes. */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "archive/manifest.h"
#include "util/buf.h"

#define KEY "RWQAAQIDBAUGBwABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
#define HASH "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"

/* A manifest in lines; the last two are files. */
static const char *const sound[] = {
	"# gemini-mirror: 1",
	"# origin: gemini://example.org/",
	"# serial: 42",
	"# created: 2026-11-22T10:00:00Z",
	"# refresh: 2027-11-22T10:00:00Z",
	"# final: no",
	"# files: 2   bytes: 12   largest: 6",
	"# next-key: " KEY,
	"# signed-with: capsule-1.pub",
	HASH "  a.gmi",
	HASH "  b c.gmi",
};

enum line {
	VERSION,
	ORIGIN,
	SERIAL,
	CREATED,
	REFRESH,
	FINAL,
	FILES,
	NEXT,
	SIGNED,
	FIRST,
	SECOND,
	LINES,
};

_Static_assert(LINES == sizeof(sound) / sizeof(sound[0]), "each has its name");

static char text_memory[8192];
static struct buf text;
static struct why why;
static struct manifest out;

/* The sound one with another text in the place of a line ("": left out). */
static bool
parse_with(enum line at, const char *instead)
{
	bool ok;

	buf_wrap(&text, text_memory, sizeof(text_memory));
	for (enum line i = 0; i < LINES; i++) {
		const char *line = i == at ? instead : sound[i];

		if (line[0] != '\0')
			assert_true(buf_printf(&text, "%s\n", line));
	}
	why_clear(&why);
	ok = manifest_parse(buf_view(&text), &out, &why);
	assert_int_equal(ok, why.text[0] == '\0');
	return ok;
}

static void
test_valid_manifest(void **state)
{
	(void)state;
	assert_true(parse_with(VERSION, sound[VERSION]));
	assert_string_equal(out.origin, "gemini://example.org/");
	assert_int_equal(out.serial, 42);
	assert_int_equal(out.created, 1795341600);
	assert_int_equal(out.refresh, 1826877600);
	assert_false(out.final);
	assert_int_equal(out.files, 2);
	assert_int_equal(out.bytes, 12);
	assert_int_equal(out.largest, 6);
	assert_true(out.has_next_key);
	assert_int_equal(out.next_key.number[7], 7);
	assert_int_equal(out.next_key.point[31], 31);
	assert_string_equal(out.key_name, "capsule-1");
	assert_int_equal(out.n, 2);
	assert_string_equal(out.entry[1].path, "b c.gmi");
	assert_int_equal(out.entry[0].digest[0], 0x58);
	assert_int_equal(out.entry[0].digest[31], 0x03);
	manifest_fini(&out);
	assert_null(out.entry);
}

static const struct {
	const char *rule;
	enum line at;
	const char *instead;
	bool good;
} rows[] = {
	{ "the version", VERSION, "# gemini-mirror: 2", false },
	{ "the version precedes it", VERSION, "", false },
	{ "the version once", ORIGIN,
	    "# gemini-mirror: 1\n# origin: gemini://example.org/", false },
	{ "the version's number", VERSION, "# gemini-mirror: 1 ", false },

	{ "an origin", ORIGIN, "", false },
	{ "an origin with a port", ORIGIN, "# origin: gemini://e.org:1/",
	    true },
	{ "the default port", ORIGIN, "# origin: gemini://e.org:1965/", false },
	{ "no slash", ORIGIN, "# origin: gemini://example.org", false },
	{ "large letters", ORIGIN, "# origin: gemini://Example.org/", false },
	{ "another scheme", ORIGIN, "# origin: https://example.org/", false },
	{ "a path", ORIGIN, "# origin: gemini://example.org/a", false },

	{ "a serial", SERIAL, "", false },
	{ "serials from 1", SERIAL, "# serial: 0", false },
	{ "serial 1", SERIAL, "# serial: 1", true },
	{ "2^53-1", SERIAL, "# serial: 9007199254740991", true },
	{ "2^53", SERIAL, "# serial: 9007199254740992", false },
	{ "2^64", SERIAL, "# serial: 18446744073709551616", false },
	{ "2^64 and one", SERIAL, "# serial: 18446744073709551617", false },
	{ "a zero before it", SERIAL, "# serial: 042", false },
	{ "a sign", SERIAL, "# serial: +42", false },
	{ "below zero", SERIAL, "# serial: -1", false },
	{ "a blank after it", SERIAL, "# serial: 42 ", false },
	{ "two blanks before it", SERIAL, "# serial:  42", false },
	{ "no blank", SERIAL, "# serial:42", false },
	{ "no number", SERIAL, "# serial: ", false },
	{ "a blank before the colon", SERIAL, "# serial : 42", false },
	{ "twice", SERIAL, "# serial: 42\n# serial: 42", false },
	{ "a carriage return", SERIAL, "# serial: 42\r", false },

	{ "a moment", CREATED, "", false },
	{ "1970", CREATED, "# created: 1970-01-01T00:00:00Z", true },
	{ "before 1970", CREATED, "# created: 1969-12-31T23:59:59Z", false },
	{ "another zone", CREATED, "# created: 2026-11-22T10:00:00+00:00",
	    false },
	{ "parts of a second", CREATED, "# created: 2026-11-22T10:00:00.0Z",
	    false },
	{ "a leap second", CREATED, "# created: 2026-11-22T10:00:60Z", false },
	{ "no such day", CREATED, "# created: 2026-02-30T10:00:00Z", false },
	{ "a day alone", CREATED, "# created: 2026-11-22", false },

	{ "no refresh", REFRESH, "", true },
	{ "refresh at once", REFRESH, "# refresh: 2026-11-22T10:00:00Z",
	    false },
	{ "a second later", REFRESH, "# refresh: 2026-11-22T10:00:01Z", true },
	{ "refresh in 9999", REFRESH, "# refresh: 9999-12-31T23:59:59Z", true },

	{ "final or not", FINAL, "", false },
	{ "final and refreshed", FINAL, "# final: yes", false },
	{ "neither yes nor no", FINAL, "# final: maybe", false },
	{ "Yes", FINAL, "# final: No", false },

	{ "counts", FILES, "", false },
	{ "one blank", FILES, "# files: 2 bytes: 12 largest: 6", true },
	{ "many blanks", FILES, "# files: 2     bytes: 12  largest: 6", true },
	{ "tabs", FILES, "# files: 2\tbytes: 12\tlargest: 6", false },
	{ "no blank between", FILES, "# files: 2bytes: 12   largest: 6",
	    false },
	{ "all equal", FILES, "# files: 2   bytes: 6   largest: 6", true },
	{ "the largest is larger", FILES, "# files: 2   bytes: 5   largest: 6",
	    false },
	{ "fewer", FILES, "# files: 1   bytes: 12   largest: 6", false },
	{ "more", FILES, "# files: 3   bytes: 12   largest: 6", false },
	{ "bytes after them", FILES, "# files: 2   bytes: 12   largest: 6 x",
	    false },
	{ "a blank after them", FILES, "# files: 2   bytes: 12   largest: 6 ",
	    false },
	{ "bytes are left out", FILES, "# files: 2   largest: 6", false },
	{ "2^53 bytes", FILES,
	    "# files: 2   bytes: 9007199254740992   largest: 6", false },
	{ "more files than are held", FILES,
	    "# files: 100001   bytes: 12   largest: 6", false },

	{ "no next key", NEXT, "", true },
	{ "a key of another kind", NEXT, "# next-key: RW0" KEY, false },
	{ "a short key", NEXT, "# next-key: RWQAAQID", false },
	{ "invalid base64", NEXT,
	    "# next-key: RWQ!AQIDBAUGBwABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscH"
	    "R4f",
	    false },
	{ "before the counts", FINAL, "# next-key: " KEY "\n# final: no",
	    false },

	{ "signed with nothing", SIGNED, "", true },
	{ "signed with another", SIGNED, "# signed-with: x.pub", true },
	{ "signed with no key", SIGNED, "# signed-with: x", false },
	{ "signed with no name", SIGNED, "# signed-with: .pub", false },
	{ "signed with a path", SIGNED, "# signed-with: ../x.pub", false },

	{ "something of the future", SIGNED, "# kept-by: somebody", true },
	{ "anywhere", ORIGIN, "# x: y\n# origin: gemini://example.org/\n# x: y",
	    true },
	{ "its name", SIGNED, "# : y", false },
	{ "its value", SIGNED, "# x: ", false },
	{ "its form", SIGNED, "# a comment", false },
	{ "its blanks", SIGNED, "#x: y", false },
	{ "no control byte in it", SIGNED, "# x: y\033", false },
	{ "UTF-8 in it", SIGNED, "# x: \xc3\xa9", true },
	{ "Latin-1 in it", SIGNED, "# x: \xe9", false },
	{ "two out of order", CREATED,
	    "# created: 2026-11-22T10:00:00Z\n# serial: 42", false },

	{ "one file only", SECOND, "", false },
	{ "a header among the files", FIRST, HASH "  a.gmi\n# x: y", false },
	{ "an empty line", FIRST, "\n" HASH "  a.gmi", false },
	{ "one blank", FIRST, HASH " a.gmi", false },
	{ "binary", FIRST, HASH " *a.gmi", false },
	{ "a star in a name", FIRST, HASH "  *a.gmi", true },
	{ "a blank before a name", FIRST, HASH "   a.gmi", true },
	{ "a number sign before a name", FIRST, HASH "  #a.gmi", true },
	{ "no name", FIRST, HASH "  ", false },
	{ "a letter too few", FIRST,
	    "5891b5b522d5df086d0ff0b110fbd9d2"
	    "1bb4fc7163af34d08286a2e846f6be0  a.gmi",
	    false },
	{ "a letter too many", FIRST, "0" HASH "  a.gmi", false },
	{ "large letters", FIRST,
	    "5891B5B522D5DF086D0FF0B110FBD9D2"
	    "1BB4FC7163AF34D08286A2E846F6BE03  a.gmi",
	    false },
	{ "no hexadecimal", FIRST,
	    "g891b5b522d5df086d0ff0b110fbd9d2"
	    "1bb4fc7163af34d08286a2e846f6be03  a.gmi",
	    false },
	{ "an escaped line", FIRST, "\\" HASH "  a\\\\.gmi", false },
	{ "carriage returns", FIRST, HASH "  a.gmi\r", false },
	{ "a name's rule", FIRST, HASH "  ../a.gmi", false },
	{ "in order", FIRST, HASH "  c.gmi", false },
};

static void
test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool ok = parse_with(rows[i].at, rows[i].instead);

		check_row(ok == rows[i].good, rows[i].rule);
		if (ok)
			manifest_fini(&out);
		else
			assert_null(out.entry);
	}
}

static void
test_last_moment_of_an_archive(void **state)
{
	const char *const moments[] = { "# created: 2242-03-16T12:56:31Z",
		"# created: 2242-03-16T12:56:32Z" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char lines[128];
		bool ok;

		snprintf(lines, sizeof(lines),
		    "%s\n# refresh: 2300-01-01T00:00:00Z\n# x: y", moments[i]);
		/* The refresh that follows is before it. */
		assert_false(parse_with(CREATED, moments[i]));
		assert_false(parse_with(CREATED, lines));
		buf_wrap(&text, text_memory, sizeof(text_memory));
		assert_true(buf_printf(&text, "%s\n%s\n%s\n%s\n%s\n%s\n",
		    sound[VERSION], sound[ORIGIN], sound[SERIAL], moments[i],
		    "# final: yes", "# files: 0   bytes: 0   largest: 0"));
		ok = manifest_parse(buf_view(&text), &out, &why);
		assert_int_equal(ok, i == 0);
		if (ok)
			manifest_fini(&out);
	}
}

static void
test_errors_have_their_line(void **state)
{
	(void)state;
	assert_false(parse_with(SERIAL, "# serial: x"));
	assert_string_equal(
	    why.text, "line 3: the serial is not a number from 1 to 2^53-1: x");
	assert_false(parse_with(SERIAL, ""));
	assert_string_equal(why.text, "line 3: missing before it: serial");
	assert_false(parse_with(FILES, ""));
	assert_string_equal(why.text, "line 7: missing before it: files");
	assert_false(parse_with(SECOND, HASH "  a.gmi"));
	assert_string_equal(why.text, "line 11: listed twice: a.gmi");
	assert_false(parse_with(SECOND, HASH "  b\x80"));
	assert_string_equal(why.text, "line 11: not UTF-8: b\\x80");
}

/* Every prefix is refused but the whole: the last line feed too. */
static void
test_truncated_is_refused(void **state)
{
	struct slice whole;

	(void)state;
	assert_true(parse_with(VERSION, sound[VERSION]));
	manifest_fini(&out);
	whole = buf_view(&text);
	for (size_t n = 0; n < whole.len; n++) {
		assert_false(manifest_parse(slice_head(whole, n), &out, &why));
		assert_true(why.text[0] != '\0');
	}
}

static void
test_written_as_it_was_read(void **state)
{
	char memory[8192];
	struct buf again;

	(void)state;
	assert_true(parse_with(VERSION, sound[VERSION]));
	buf_wrap(&again, memory, sizeof(memory));
	assert_true(manifest_format(&out, &again));
	check_slice(buf_view(&again), buf_view(&text));
	manifest_fini(&out);
	assert_true(parse_with(REFRESH, ""));
	buf_reset(&again);
	assert_true(manifest_format(&out, &again));
	check_slice(buf_view(&again), buf_view(&text));
	again.max = again.len - 1;
	buf_reset(&again);
	assert_false(manifest_format(&out, &again));
	assert_int_equal(again.len, 0);
	manifest_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid_manifest),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_last_moment_of_an_archive),
		cmocka_unit_test(test_errors_have_their_line),
		cmocka_unit_test(test_truncated_is_refused),
		cmocka_unit_test(test_written_as_it_was_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
