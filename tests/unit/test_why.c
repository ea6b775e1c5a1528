/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"
#include "util/why.h"

static void
test_set(void **state)
{
	struct why why;

	(void)state;
	why_clear(&why);
	assert_string_equal(why.text, "");
	assert_false(why_set(&why, "a file of %d bytes", 3));
	assert_string_equal(why.text, "a file of 3 bytes");
	assert_false(why_set(&why, "another")); /* the first is replaced */
	assert_string_equal(why.text, "another");
	assert_false(why_memory(&why));
	assert_string_equal(why.text, "out of memory");
}

static void
test_place(void **state)
{
	struct why why;

	(void)state;
	why_set(&why, "wrong");
	assert_false(why_at(&why, "line %d", 4));
	assert_false(why_at(&why, "/srv/store"));
	assert_string_equal(why.text, "/srv/store: line 4: wrong");
	/* A text may become part of the next one. */
	assert_false(why_set(&why, "%s; no more", why.text));
	assert_string_equal(why.text, "/srv/store: line 4: wrong; no more");
	errno = ENOENT;
	assert_false(why_errno(&why, "/srv/%s"));
	assert_int_equal(errno, ENOENT);
	assert_string_equal(why.text, "/srv/%s: No such file or directory");
}

/* A text of n bytes that begins with head and continues with x. */
static const char *
long_text(const char *head, size_t n)
{
	static char text[2 * WHY_MAX];

	memset(text, 'x', n);
	memcpy(text, head, strlen(head));
	text[n] = '\0';
	return text;
}

static void
test_cut(void **state)
{
	const size_t most = WHY_MAX - sizeof("...");
	struct why why;

	(void)state;
	why_set(&why, "%s", long_text("a", most));
	assert_string_equal(why.text, long_text("a", most));
	for (size_t n = most + 1; n < 2 * WHY_MAX; n += 500) {
		why_set(&why, "%s", long_text("a", n));
		assert_int_equal(strlen(why.text), WHY_MAX - 1);
		assert_string_equal(why.text + most, "...");
		assert_memory_equal(why.text, long_text("a", most), most);
	}
	/* A place still fits before a text that is cut already. */
	why_at(&why, "here");
	assert_memory_equal(why.text, "here: ax", 8);
	assert_string_equal(why.text + most, "...");
}

/* Neither a character nor an escape is cut through. */
static void
test_cut_between_characters(void **state)
{
	static const char *const last[] = { "\xc3\xa9", "\xe2\x82\xac",
		"\xf0\x9f\x92\x90", "\033", "\xe2\x80\xae" };
	const size_t most = WHY_MAX - sizeof("...");
	char text[2 * WHY_MAX];
	struct why why;

	(void)state;
	for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++) {
		memset(text, 'x', most - 1);
		memcpy(text + most - 1, last[i], strlen(last[i]) + 1);
		why_set(&why, "%s", text);
		assert_int_equal(strlen(why.text), most - 1 + 3);
		assert_string_equal(why.text + most - 1, "...");
	}
}

/* A peer's bytes are escaped once, however often the text is passed on. */
static void
test_escape(void **state)
{
	static const char raw[] = "a\n\033[2J\xff\xc2\x85\xe2\x80\xae C:\\x"
				  "\xc3\xa9";
	static const char safe[] = "a\\x0a\\x1b[2J\\xff\\xc2\\x85"
				   "\\xe2\\x80\\xae C:\\x\xc3\xa9";
	uint8_t memory[256];
	struct why why, outer;
	struct buf out;

	(void)state;
	why_set(&why, "%s", raw);
	assert_string_equal(why.text, safe);
	why_set(&outer, "%s", why.text);
	assert_string_equal(outer.text, safe);
	why_set(&why, "x");
	why_at(&why, "%s", raw);
	assert_memory_equal(why.text, safe, strlen(safe));
	errno = EPERM;
	why_errno(&why, raw);
	assert_memory_equal(why.text, safe, strlen(safe));
	/* log_error changes nothing, and JSON its own characters alone. */
	buf_wrap(&out, memory, sizeof(memory));
	assert_true(log_escape_most(&out, slice_str(outer.text)));
	check_slice(buf_view(&out), slice_str(safe));
	why_set(&why, "\"\\\n");
	buf_reset(&out);
	assert_true(log_escape_json(&out, slice_str(why.text)));
	check_slice(buf_view(&out), SLICE("\\\"\\\\\\\\x0a"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_place),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_cut_between_characters),
		cmocka_unit_test(test_escape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
