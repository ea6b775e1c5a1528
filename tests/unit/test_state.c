/* SPDX-License-Identifier: ISC */
#include "support/archive.h"

#include "archive/state.h"

#define FIRST "carnation-store: 2\n"
#define HASH "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
#define KEY_1 "RWQAAQIDBAUGCAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
#define KEY_2 "RWQAAQIDBAUGCQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
#define KEY "RWQAAQIDBAUGBwABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"

static const struct state full = {
	.is_mirror = true,
	.origin = "gemini://example.org/",
	.upstream = "gemini://mirror.example:1966/",
	.ring = { { { .standing = KEYRING_PINNED },
		      { .standing = KEYRING_ANNOUNCED },
		      { .standing = KEYRING_RETIRED } },
	    3 },
	.serial = STORE_SERIAL_MAX,
	.manifest = { 0xab, 0xcd },
	.created = 1795341600,
	.refresh = 1826877600,
	.final = true,
	.tried = 1795341603,
	.checked = 1795341601,
	.synced = 1795341602,
	.heard = 1795341600,
	.archive_begun = 7,
	.retracted = { 3, 5 },
	.n_retracted = 2,
	.url = "gemini://b.example/",
	.also = { "gemini://c.example/", "gemini://d.example/" },
	.n_also = 2,
	.max_file = 1,
	.max_bytes = 2,
	.max_files = 3,
	.limit_rate = 4,
	.proxy = "socks5://127.0.0.1:9050",
	.strict_tls = true,
	.stale_after = 86400,
	.pin = { { .source = "gemini://mirror.example:1966/",
	    .certificate = HASH } },
	.n_pins = 1,
	.host = "xn--caf-dma.example",
	.contact = "Ann \xc3\x89. <ann@example.org>",
};

static const char full_text[] = FIRST
    "mirror: yes\n"
    "origin: gemini://example.org/\n"
    "upstream: gemini://mirror.example:1966/\n"
    "serial: 9007199254740991\n"
    "manifest: abcd0000000000000000000000000000000000000000000000000000000000"
    "00\n"
    "created: 2026-11-22T10:00:00Z\n"
    "refresh: 2027-11-22T10:00:00Z\n"
    "final: yes\n"
    "tried: 2026-11-22T10:00:03Z\n"
    "checked: 2026-11-22T10:00:01Z\n"
    "heard: 2026-11-22T10:00:00Z\n"
    "synced: 2026-11-22T10:00:02Z\n"
    "archive-begun: 7\n"
    "host: xn--caf-dma.example\n"
    "contact: Ann \xc3\x89. <ann@example.org>\n"
    "url: gemini://b.example/\n"
    "also: gemini://c.example/\n"
    "also: gemini://d.example/\n"
    "max-file: 1\n"
    "max-bytes: 2\n"
    "max-files: 3\n"
    "limit-rate: 4\n"
    "proxy: socks5://127.0.0.1:9050\n"
    "strict-tls: yes\n"
    "stale-after: 86400\n"
    "retracted: 3\n"
    "retracted: 5\n"
    "key: " KEY "\n"
    "announced-key: " KEY_1 "\n"
    "retired-key: " KEY_2 "\n"
    "certificate: gemini://mirror.example:1966/ " HASH "\n";

static struct state
full_state(void)
{
	struct state st = full;

	assert_true(signify_key_parse(SLICE(KEY), &st.ring.key[0].key));
	assert_true(signify_key_parse(SLICE(KEY_1), &st.ring.key[1].key));
	assert_true(signify_key_parse(SLICE(KEY_2), &st.ring.key[2].key));
	return st;
}

static void
test_state_is_written_as_lines(void **state)
{
	struct state st = full_state();
	struct buf out;

	(void)state;
	buf_init(&out, STATE_MAX);
	assert_true(state_format(&st, &out));
	check_slice(buf_view(&out), slice_str(full_text));
	buf_reset(&out);
	st = (struct state){ 0 };
	assert_true(state_format(&st, &out));
	check_slice(buf_view(&out), SLICE(FIRST));
	buf_fini(&out);
}

/* Written again, it is the same text. */
static void
check_same(const struct state *got)
{
	struct buf out;

	buf_init(&out, STATE_MAX);
	assert_true(state_format(got, &out));
	check_slice(buf_view(&out), slice_str(full_text));
	buf_fini(&out);
}

/* Of keys that were not retired, the later ones had been announced. */
static void
test_version_1_is_read(void **state)
{
	struct state got;
	struct why why;

	(void)state;
	assert_true(state_parse(SLICE("carnation-store: 1\nmirror: yes\n"
				      "checked: 2026-11-22T10:00:01Z\n"
				      "retired-key: " KEY "\n"
				      "key: " KEY_1 "\n"
				      "key: " KEY_2 "\n"),
	    &got, &why));
	assert_true(got.is_mirror);
	assert_true(got.heard == 1795341601 && got.checked == got.heard);
	assert_int_equal(got.ring.n, 3);
	assert_int_equal(got.ring.key[0].standing, KEYRING_RETIRED);
	assert_int_equal(got.ring.key[1].standing, KEYRING_PINNED);
	assert_int_equal(got.ring.key[2].standing, KEYRING_ANNOUNCED);
}

static void
test_state_is_read_back(void **state)
{
	struct state st = full_state(), got;
	mode_t old = umask(0077);

	(void)state;
	assert_int_equal(state_read(archive.s, &got, &archive.why), STATE_NONE);
	assert_int_equal(got.serial, 0);
	assert_true(state_write(archive.s, &st, &archive.why));
	umask(old);
	assert_int_equal(tree_stat("store/state").st_mode, S_IFREG | 0644);
	tree_check_file("store/state", slice_str(full_text));
	assert_int_equal(state_read(archive.s, &got, &archive.why), STATE_READ);
	assert_string_equal(archive.why.text, "");
	check_same(&got);
	assert_int_equal(tree_count_entries("store/tmp"), 0);
}

static const struct {
	const char *rule;
	const char *text;
	const char *why;
} broken[] = {
	{ "empty", "", "line 1: " },
	{ "another file", "hello\n", "line 1: " },
	{ "of a later version", "carnation-store: 3\n", "line 1: " },
	{ "cut short", FIRST "serial: 1", "line 1: expected" },
	{ "no name", FIRST "x\n",
	    "line 2: invalid line: expected \"name: value\"" },
	{ "no value", FIRST "serial: \n", "line 2: invalid line" },
	{ "no blank", FIRST "serial:1\n", "line 2: invalid line" },
	{ "unknown", FIRST "x: y\n", "line 2: unknown field" },
	{ "twice", FIRST "serial: 1\nserial: 1\n", "line 3: duplicate field" },
	{ "a serial too high", FIRST "serial: 9007199254740992\n", "line 2: " },
	{ "a serial with a sign", FIRST "serial: -1\n", "line 2: " },
	{ "another scheme", FIRST "origin: http://example.org/\n", "line 2: " },
	{ "no canonical origin", FIRST "origin: gemini://EXAMPLE.org/\n",
	    "line 2: " },
	{ "no hash", FIRST "manifest: abcd\n", "line 2: " },
	{ "no moment", FIRST "created: yesterday\n", "line 2: " },
	{ "no host", FIRST "host: a b\n", "line 2: " },
	{ "a number with a zero before it", FIRST "serial: 01\n", "line 2: " },
	{ "no seconds", FIRST "stale-after: soon\n", "line 2: " },
	{ "no canonical host", FIRST "host: EXAMPLE.org\n", "line 2: " },
	{ "neither yes nor left out", FIRST "final: no\n", "line 2: " },
	{ "an escape", FIRST "contact: \x1b[31mred\n", "line 2: " },
	{ "not UTF-8", FIRST "contact: \xff\n", "line 2: " },
	{ "a certificate without a server", FIRST "certificate: " HASH "\n",
	    "line 2: invalid certificate" },
	{ "a certificate of a page",
	    FIRST "certificate: gemini://a/b " HASH "\n", "line 2: " },
	{ "no hash of a certificate", FIRST "certificate: gemini://a/ x\n",
	    "line 2: " },
	{ "no key", FIRST "key: RWQ\n", "line 2: invalid key" },
	{ "a key cut short", FIRST "key: RWQAAQIDBAUGBwABAgMEBQYHCAk=\n",
	    "line 2: invalid key" },
};

static void
test_invalid_state_is_reported_with_its_line(void **state)
{
	struct state got;
	struct why why;

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		check_row(!state_parse(slice_str(broken[i].text), &got, &why),
		    broken[i].rule);
		check_row(
		    strstr(why.text, broken[i].why) != NULL, broken[i].rule);
		why_clear(&why);
	}
	assert_true(state_parse(SLICE(FIRST), &got, &why));
}

static void
test_limit_of_keys_and_pins(void **state)
{
	struct state got;
	struct buf text;
	struct why why;
	size_t full_len;

	(void)state;
	buf_init(&text, STATE_MAX);
	assert_true(buf_str(&text, FIRST));
	for (size_t i = 0; i < KEYRING_MAX; i++)
		assert_true(buf_str(&text, "key: " KEY "\n"));
	assert_true(state_parse(buf_view(&text), &got, &why));
	assert_int_equal(got.ring.n, KEYRING_MAX);
	for (size_t i = 0; i < STATE_PINS_MAX; i++)
		assert_true(
		    buf_str(&text, "certificate: gemini://a/ " HASH "\n"));
	assert_true(state_parse(buf_view(&text), &got, &why));
	assert_int_equal(got.n_pins, STATE_PINS_MAX);
	full_len = text.len;
	assert_true(buf_str(&text, "key: " KEY "\n"));
	assert_false(state_parse(buf_view(&text), &got, &why));
	assert_string_equal(why.text, "line 82: too many of key");
	buf_truncate(&text, full_len);
	assert_true(buf_str(&text, "certificate: gemini://a/ " HASH "\n"));
	assert_false(state_parse(buf_view(&text), &got, &why));
	buf_fini(&text);
}

static void
test_unreadable_state(void **state)
{
	struct state got;

	(void)state;
	tree_write("store/state", "x\n");
	assert_int_equal(
	    state_read(archive.s, &got, &archive.why), STATE_BROKEN);
	assert_non_null(strstr(archive.why.text, "; to recover, remove it"));
	assert_true(archive_failed_with("store/state: line 1: "));
	assert_int_equal(truncate(tree_path("store/state"), 70000), 0);
	assert_int_equal(
	    state_read(archive.s, &got, &archive.why), STATE_BROKEN);
	assert_true(archive_failed_with("store/state: File too large"));
	assert_int_equal(unlink(tree_path("store/state")), 0);
	tree_write("elsewhere", FIRST);
	tree_symlink("../elsewhere", "store/state");
	assert_int_equal(
	    state_read(archive.s, &got, &archive.why), STATE_BROKEN);
	assert_true(archive_failed_with("store/state: Too many levels"));
	/* Written over, not through. */
	assert_true(state_write(archive.s, &full, &archive.why));
	tree_check_file("elsewhere", SLICE(FIRST));
}

static void
test_invalid_value_is_not_written(void **state)
{
	struct state st = full_state();

	(void)state;
	assert_true(state_write(archive.s, &st, &archive.why));
	memcpy(st.contact, "a\nserial: 1", 12);
	assert_false(state_write(archive.s, &st, &archive.why));
	assert_true(archive_failed_with("cannot be written"));
	st = full_state();
	memcpy(st.origin, "example.org", 12);
	assert_false(state_write(archive.s, &st, &archive.why));
	assert_true(archive_failed_with("cannot be written"));
	tree_check_file("store/state", slice_str(full_text));
	assert_int_equal(tree_count_entries("store/tmp"), 0);
}

static int
write_with_no_room(void *arg)
{
	limit_file_size(10);
	return !state_write(archive.s, arg, &archive.why) &&
		       archive_failed_with("state: File too large")
		   ? 0
		   : 1;
}

static void
test_full_disk_keeps_the_old_state(void **state)
{
	struct state st = full_state();

	(void)state;
	assert_true(state_write(archive.s, &st, &archive.why));
	assert_int_equal(tree_run_child(write_with_no_room, &st, false), 0);
	tree_check_file("store/state", slice_str(full_text));
	assert_int_equal(tree_count_entries("store/tmp"), 0);
}

static void
test_staleness(void **state)
{
	static const struct {
		const char *rule;
		int64_t heard, after, now;
		bool final, stale;
	} rows[] = {
		{ "14 days", 1000, 0, 1000 + STATE_STALE_S, false, false },
		{ "and a second", 1000, 0, 1001 + STATE_STALE_S, false, true },
		{ "as was asked", 1000, 60, 1060, false, false },
		{ "longer than that", 1000, 60, 1061, false, true },
		{ "never", 1000, -1, INT64_MAX, false, false },
		{ "a final release", 1000, 60, INT64_MAX, true, false },
		{ "nothing was heard yet", 0, 60, INT64_MAX, false, false },
		{ "a clock that went back", 1000, 60, 10, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct state st = { .heard = rows[i].heard,
			.stale_after = rows[i].after,
			.final = rows[i].final };

		check_row(state_is_stale(&st, rows[i].now) == rows[i].stale,
		    rows[i].rule);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state_is_written_as_lines),
		archive_test(test_state_is_read_back),
		cmocka_unit_test(test_version_1_is_read),
		cmocka_unit_test(test_invalid_state_is_reported_with_its_line),
		cmocka_unit_test(test_limit_of_keys_and_pins),
		archive_test(test_unreadable_state),
		archive_test(test_invalid_value_is_not_written),
		archive_test(test_full_disk_keeps_the_old_state),
		cmocka_unit_test(test_staleness),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
