/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <string.h>

#include "archive/state.h"
#include "util/version.h"

#define HASH "abcd000000000000000000000000000000000000000000000000000000000000"
#define NEEDED "origin: gemini://example.org/\nserial: 43\n"

static const struct state full = {
	.is_mirror = true,
	.origin = "gemini://example.org/",
	.upstream = "gemini://other.example/",
	.serial = 44, /* not the one that is served */
	.checked = 1795341700,
	.heard = 1795341690,
	.synced = 1795341650,
	.host = "mirror.example",
	.contact = "Ann",
};

static const struct manifest served = {
	.serial = 43,
	.digest = { 0xab, 0xcd },
	.created = 1795341600,
	.refresh = 1826877600,
};

static void
check_trace(const struct state *st, const struct manifest *m, int64_t now,
    const char *want)
{
	struct buf out;

	buf_init(&out, TRACE_MAX);
	assert_true(trace_format(st, m, now, &out));
	check_slice(buf_view(&out), slice_str(want));
	buf_fini(&out);
}

#define FULL                                                                   \
	"host: mirror.example\n"                                               \
	"origin: gemini://example.org/\n"                                      \
	"serial: 43\n"                                                         \
	"manifest: " HASH "\n"                                                 \
	"created: 2026-11-22T10:00:00Z\n"                                      \
	"synced: 2026-11-22T10:00:50Z\n"                                       \
	"checked: 2026-11-22T10:01:40Z\n"                                      \
	"heard: 2026-11-22T10:01:30Z\n"                                        \
	"upstream: gemini://other.example/\n"                                  \
	"software: carnation " CARNATION_VERSION "\n"                          \
	"contact: Ann\n"

static void
test_trace_has_what_is_known(void **state)
{
	struct manifest m = served;
	const struct state none = { 0 };

	(void)state;
	check_trace(&full, &m, 1795341700, FULL);
	check_trace(&full, &m, m.refresh, FULL);
	check_trace(&full, &m, m.refresh + 1, FULL "stale: yes\n");
	m.refresh = 0; /* as of one that is final */
	check_trace(&full, &m, INT64_MAX, FULL);
	m = (struct manifest){ 0 };
	check_trace(
	    &none, &m, 0, "software: carnation " CARNATION_VERSION "\n");
}

static void
test_trace_is_read_back(void **state)
{
	struct trace t;

	(void)state;
	assert_true(trace_parse(SLICE(FULL "stale: yes\n"), &t));
	assert_string_equal(t.host, full.host);
	assert_string_equal(t.origin, full.origin);
	assert_true(t.serial == 43 && t.stale);
	assert_true(digest_equal(t.manifest, served.digest));
	assert_true(t.created == served.created && t.synced == full.synced &&
		    t.checked == full.checked && t.heard == full.heard);
	assert_string_equal(t.upstream, full.upstream);
	assert_string_equal(t.software, "carnation " CARNATION_VERSION);
	assert_string_equal(t.contact, "Ann");
}

static const struct {
	const char *rule;
	const char *text;
	bool is;
} rows[] = {
	{ "origin and serial are enough", NEEDED, true },
	{ "unknown lines are passed over", NEEDED "colour: red\n", true },
	{ "empty lines too", "\n" NEEDED "\n", true },
	{ "CRLF", "origin: gemini://example.org/\r\nserial: 43\r\n", true },
	{ "the last LF missing", NEEDED "contact: x", true },
	{ "no blank after the colon",
	    "serial:43\n"
	    "origin:gemini://example.org/\n",
	    true },
	{ "nothing", "", false },
	{ "no serial", "origin: gemini://example.org/\n", false },
	{ "no origin", "serial: 43\n", false },
	{ "serial 0", "origin: gemini://example.org/\nserial: 0\n", false },
	{ "a page", "# Not found\n", false },
	{ "twice", NEEDED "serial: 44\n", false },
	{ "no number", "origin: gemini://example.org/\nserial: many\n", false },
	{ "no URL", "origin: example.org\nserial: 1\n", false },
	{ "no host", NEEDED "host: a b\n", false },
	{ "no hash", NEEDED "manifest: abc\n", false },
	{ "no moment", NEEDED "checked: now\n", false },
	{ "an escape", NEEDED "contact: \x1b[2J\n", false },
	{ "bidi", NEEDED "software: \xe2\x80\xae\n", false },
	{ "not UTF-8", NEEDED "contact: \xff\n", false },
};

static void
test_valid_traces(void **state)
{
	struct trace t;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(
		    trace_parse(slice_str(rows[i].text), &t) == rows[i].is,
		    rows[i].rule);
		check_row((t.serial != 0) == rows[i].is, rows[i].rule);
	}
}

static void
test_lengths_have_limits(void **state)
{
	char text[TRACE_MAX + 1];
	struct trace t;
	size_t n = sizeof(NEEDED "contact: ") - 1;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, NEEDED "contact: ", n);
	assert_true(trace_parse(slice_of(text, n + STATE_TEXT_MAX - 1), &t));
	assert_int_equal(strlen(t.contact), STATE_TEXT_MAX - 1);
	assert_false(trace_parse(slice_of(text, n + STATE_TEXT_MAX), &t));
	memset(text, '\n', sizeof(text));
	memcpy(text, NEEDED, sizeof(NEEDED) - 1);
	assert_true(trace_parse(slice_of(text, TRACE_MAX), &t));
	assert_false(trace_parse(slice_of(text, TRACE_MAX + 1), &t));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trace_has_what_is_known),
		cmocka_unit_test(test_trace_is_read_back),
		cmocka_unit_test(test_valid_traces),
		cmocka_unit_test(test_lengths_have_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
