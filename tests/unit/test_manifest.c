/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "archive/manifest.h"
#include "proto/request.h"
#include "support/tree.h"
#include "util/clock.h"

static struct why why;

static const uint8_t some_digest[DIGEST_SIZE] = { 0xab, 0xcd };

/* A manifest with the names that are given, up to NULL, in that order. */
static void
make(struct manifest *m, const char *const *names)
{
	*m = (struct manifest){
		.origin = "gemini://example.org/",
		.serial = 42,
		.created = 1790000000,
		.refresh = 1800000000,
		.bytes = 100,
		.largest = 60,
	};
	for (; *names != NULL; names++)
		assert_true(manifest_add(m, some_digest, slice_str(*names)));
	m->files = m->n;
}

/* Writes it and reads it back: why it is refused, or NULL. */
static const char *
refused(const struct manifest *m)
{
	struct manifest again;
	struct buf text;
	bool ok;

	buf_init(&text, MANIFEST_MAX);
	assert_true(manifest_format(m, &text));
	ok = manifest_parse(buf_view(&text), &again, &why);
	if (ok) {
		assert_int_equal(again.n, m->n);
		manifest_fini(&again);
	}
	buf_fini(&text);
	return ok ? NULL : why.text;
}

static const struct {
	const char *rule;
	const char *names[6];
	const char *fault;
} lists[] = {
	{ "none at all", { NULL }, NULL },
	{ "in order", { "a", "b", "c" }, NULL },
	{ "out of order", { "a", "c", "b" },
	    "line 10: not in the order of bytes: b" },
	{ "bytes, not letters", { "Z", "a", "\xc3\xa9" }, NULL },
	{ "letters", { "a", "Z" }, "line 9: not in the order of bytes: Z" },
	{ "by bytes of paths, not by parts", { "a.gmi", "a/b" }, NULL },
	{ "twice", { "a", "b", "b" }, "line 10: listed twice: b" },
	{ "a file and a directory", { "a", "a/b" },
	    "line 9: beneath a path that is a file: a/b" },
	{ "and others between", { "a", "a-b", "a.b", "a.b.c", "a/b" },
	    "line 12: beneath a path that is a file: a/b" },
	{ "further up", { "a/b", "a/b.c", "a/b/c/d/e" },
	    "line 10: beneath a path that is a file: a/b/c/d/e" },
	{ "no directory: only so begun", { "a", "a-b", "a.b", "ab/c" }, NULL },
	{ "after the directory's end", { "a/b", "a/c", "a0", "b/a" }, NULL },
	{ "a name's rule", { "../x" }, "line 8: a part of dots alone: ../x" },
	{ "shown harmlessly", { "a\033[2J" },
	    "line 8: a control character: a\\x1b[2J" },
};

static void
test_lists(void **state)
{
	struct manifest m;

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		const char *got;

		make(&m, lists[i].names);
		got = refused(&m);
		check_row(
		    (got == NULL) == (lists[i].fault == NULL), lists[i].rule);
		if (got != NULL)
			assert_string_equal(got, lists[i].fault);
		manifest_fini(&m);
	}
}

static void
test_counts_agree_with_the_list(void **state)
{
	const char *const names[] = { "a", "b", NULL };
	struct manifest m, out;
	struct buf text;

	(void)state;
	make(&m, names);
	buf_init(&text, MANIFEST_MAX);
	assert_true(manifest_format(&m, &text));
	for (int n = '0'; n <= '4'; n++) {
		uint8_t *at = memmem(text.ptr, text.len, "files: ", 7);

		at[7] = (uint8_t)n;
		assert_int_equal(
		    manifest_parse(buf_view(&text), &out, &why), n == '2');
		if (n == '2')
			manifest_fini(&out);
		else
			assert_non_null(
			    strstr(why.text, "files than the header says"));
	}
	buf_fini(&text);
	manifest_fini(&m);
}

static void
test_origin_urls_must_fit(void **state)
{
	char path[1024];
	const char *const names[] = { path, NULL };
	struct manifest m;

	(void)state;
	memset(path, 'a', sizeof(path));
	path[200] = path[400] = path[600] = path[800] = '/';
	path[1024 - strlen("gemini://example.org/")] = '\0';
	make(&m, names);
	assert_null(refused(&m));
	manifest_fini(&m);
	path[1024 - strlen("gemini://example.org/")] = 'a';
	path[1025 - strlen("gemini://example.org/")] = '\0';
	make(&m, names);
	assert_non_null(strstr(refused(&m), "too long for a URL"));
	manifest_fini(&m);
}

static void
test_finding(void **state)
{
	const char *const names[] = { "a", "a.b", "b/c", "d", NULL };
	struct manifest m = { 0 };

	(void)state;
	assert_null(manifest_find(&m, "a"));
	make(&m, names);
	for (size_t i = 0; i < m.n; i++)
		assert_ptr_equal(manifest_find(&m, names[i]), &m.entry[i]);
	assert_null(manifest_find(&m, "b"));
	assert_null(manifest_find(&m, ""));
	manifest_fini(&m);
}

static void
tell(void *arg, const char *a, const char *b)
{
	buf_printf(arg, "%s=%s ", a, b);
}

static void
test_names_equal_but_for_case(void **state)
{
	const char *const names[] = { "A/b", "README", "ReadMe", "a", "a/B",
		"b", "readme", "\xc3\x89", "\xc3\xa8", "\xc3\xa9", NULL };
	char memory[256];
	struct manifest m;
	struct buf out;

	(void)state;
	make(&m, names);
	buf_wrap(&out, memory, sizeof(memory));
	manifest_folded(&m, tell, &out);
	assert_string_equal(buf_cstr(&out),
	    "A/b=a/B README=ReadMe ReadMe=readme \xc3\x89=\xc3\xa9 ");
	manifest_fini(&m);
}

/* What sha256sum(1) makes of a manifest's text in the tree. */
static int
sha256sum(const struct manifest *m)
{
	char command[512];
	struct buf text;

	buf_init(&text, MANIFEST_MAX);
	assert_true(manifest_format(m, &text));
	tree_write_bytes("SUMS", buf_view(&text));
	buf_fini(&text);
	snprintf(command, sizeof(command),
	    "cd '%s' && sha256sum -c --strict --quiet SUMS >out 2>&1",
	    tree_path(""));
	return system(command);
}

/* Whatever a name holds, people check it with what they have. */
static void
test_sha256sum_checks_it(void **state)
{
	const char *const names[] = { " ", " a", "#", "*x", "-c", "a  b", "b ",
		"c\"'$(x)`", "\xc3\xa9.gmi", "\xf0\x9f\x8c\xb9", NULL };
	const char *const none[] = { NULL };
	struct manifest m;

	(void)state;
	make(&m, none);
	for (size_t i = 0; names[i] != NULL; i++) {
		uint8_t digest[DIGEST_SIZE];

		tree_write(names[i], names[i]);
		digest_sha256(slice_str(names[i]), digest);
		assert_true(manifest_add(&m, digest, slice_str(names[i])));
	}
	m.files = m.n;
	assert_null(refused(&m));
	assert_int_equal(sha256sum(&m), 0);
	tree_write("*x", "y");
	assert_int_not_equal(sha256sum(&m), 0);
	manifest_fini(&m);
}

/* A hundred thousand names, and the deepest that a URL holds: a second is
 * many times what either takes, and far less than a quadratic step would. */
static void
check_time(const struct manifest *m)
{
	uint64_t start = clock_ms();

	assert_null(refused(m));
	assert_true(clock_ms() - start < 20000);
}

static void
test_large_manifest_is_read_quickly(void **state)
{
	const char *const none[] = { NULL };
	struct manifest m;
	char path[1024];

	(void)state;
	make(&m, none);
	for (unsigned i = 0; i < MANIFEST_FILES_MAX; i++) {
		snprintf(path, sizeof(path), "chapter/%02u/page-%05u.gmi",
		    i / 1000, i);
		assert_true(manifest_add(&m, some_digest, slice_str(path)));
	}
	assert_false(manifest_add(&m, some_digest, SLICE("z")));
	m.files = m.n;
	check_time(&m);
	manifest_fini(&m);
	make(&m, none);
	for (unsigned i = 0; i < 14000; i++) {
		for (size_t k = 0; k < 980; k += 2)
			memcpy(path + k, "a/", 2);
		snprintf(path + 980, sizeof(path) - 980, "%05u", i);
		assert_true(manifest_add(&m, some_digest, slice_str(path)));
	}
	m.files = m.n;
	check_time(&m);
	manifest_fini(&m);
}

/* SLICE, where the compiler wants a constant. */
#define BYTES(literal)                                                         \
	{                                                                      \
		(const uint8_t *)(literal), sizeof(literal) - 1                \
	}

#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN
#define PART_250 FIFTY FIFTY FIFTY FIFTY FIFTY
#define PART_255 PART_250 "01234"

/* Each rule of "Names", and a neighbour that passes. */
static const struct {
	const char *rule;
	struct slice name;
	const char *fault; /* a word of it; NULL: none */
} names[] = {
	{ "a page", BYTES("index.gmi"), NULL },
	{ "deeper", BYTES("a/b/c.gmi"), NULL },
	{ "relative", BYTES("/etc/passwd"), "relative" },
	{ "two slashes before it", BYTES("//a"), "relative" },
	{ "nothing", BYTES(""), "empty" },
	{ "an empty part", BYTES("a//b"), "empty" },
	{ "an empty part at the end", BYTES("a/"), "empty" },
	{ "a dot", BYTES("a/./b"), "dots" },
	{ "a dot before it", BYTES("./b"), "dots" },
	{ "two dots", BYTES("a/../b"), "dots" },
	{ "two dots before it", BYTES("../x"), "dots" },
	{ "two dots at the end", BYTES("a/.."), "dots" },
	{ "three dots are a name", BYTES("a/.../b"), NULL },
	{ "dots in a name", BYTES("..a/b..c"), NULL },
	{ "dot names", BYTES(".well-known/security.txt"), NULL },
	{ "a line feed", BYTES("a\nb"), "control" },
	{ "a carriage return", BYTES("a\r"), "control" },
	{ "a NUL", BYTES("a\0b"), "control" },
	{ "escape", BYTES("\033[2J"), "control" },
	{ "delete", BYTES("a\177"), "control" },
	{ "the byte before the controls' end", BYTES(" "), NULL },
	{ "the byte before delete", BYTES("a~"), NULL },
	{ "a backslash", BYTES("a\\b"), "backslash" },
	{ "a bar", BYTES("a|b"), NULL },
	{ "UTF-8", BYTES("\xc3\xa9t\xc3\xa9/\xf0\x9f\x8c\xb9.gmi"), NULL },
	{ "the first of C1", BYTES("a\xc2\x80"), "control" },
	{ "CSI",
	    BYTES("\xc2\x9b"
		  "2J"),
	    "control" },
	{ "the last of C1", BYTES("\xc2\x9f"), "control" },
	{ "after C1", BYTES("\xc2\xa0"), NULL },
	{ "Latin-1", BYTES("\xe9t\xe9"), "UTF-8" },
	{ "overlong", BYTES("a\xc0\xaf"), "UTF-8" },
	{ "half a surrogate", BYTES("\xed\xa0\x80"), "UTF-8" },
	{ "255 bytes", BYTES("a/" PART_255), NULL },
	{ "256 bytes", BYTES("a/" PART_255 "5"), "255" },
	{ "mirror/", BYTES("mirror/x"), "mirror" },
	{ "the manifest itself", BYTES(MANIFEST_PATH), "mirror" },
	{ "mirror as a file", BYTES("mirror"), "mirror" },
	{ "mirrors", BYTES("mirrors.gmi"), NULL },
	{ "mirror further down", BYTES("a/mirror/x"), NULL },
};

static void
test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *got = manifest_name_fault(names[i].name);

		check_row(
		    (got == NULL) == (names[i].fault == NULL), names[i].rule);
		if (got != NULL)
			check_row(
			    strstr(got, names[i].fault) != NULL, names[i].rule);
	}
}

/* A path of so many bytes, in parts of 100. */
static void
long_path(char *out, size_t len)
{
	memset(out, 'a', len);
	for (size_t i = 100; i < len - 1; i += 100)
		out[i] = '/';
	out[len] = '\0';
}

static void
test_url_has_1024_bytes(void **state)
{
	const size_t room = REQUEST_URI_MAX - strlen("gemini://h/");
	char path[REQUEST_URI_MAX + 10], memory[2048];
	struct buf out;

	(void)state;
	long_path(path, room);
	assert_null(manifest_name_fault(slice_str(path)));
	buf_wrap(&out, memory, sizeof(memory));
	assert_true(manifest_url("gemini://h/", slice_str(path), &out));
	assert_int_equal(out.len, REQUEST_URI_MAX);
	assert_false(manifest_url("gemini://ho/", slice_str(path), &out));
	assert_int_equal(out.len, REQUEST_URI_MAX);
	long_path(path, room + 1);
	assert_string_equal(
	    manifest_name_fault(slice_str(path)), "too long for a URL");
	/* A blank is three bytes there. */
	long_path(path, room - 2);
	path[0] = ' ';
	assert_null(manifest_name_fault(slice_str(path)));
	long_path(path, room - 1);
	path[0] = ' ';
	assert_non_null(manifest_name_fault(slice_str(path)));
}

static void
test_url_is_encoded(void **state)
{
	char memory[256];
	struct buf out;

	(void)state;
	buf_wrap(&out, memory, sizeof(memory));
	assert_true(manifest_url(
	    "gemini://h:1/", SLICE("a b/\xc3\xa9?#%20:x\""), &out));
	check_slice(
	    buf_view(&out), SLICE("gemini://h:1/a%20b/%C3%A9%3F%23%2520:x%22"));
}

static const struct {
	const char *text;
	const char *origin; /* NULL: none */
} origins[] = {
	{ "gemini://example.org/", "gemini://example.org/" },
	{ "gemini://example.org", "gemini://example.org/" },
	{ "gemini://example.org:1965/", "gemini://example.org/" },
	{ "gemini://example.org:/", "gemini://example.org/" },
	{ "gemini://example.org:1966", "gemini://example.org:1966/" },
	{ "GEMINI://EXAMPLE.org./", "gemini://example.org/" },
	{ "gemini://b\xc3\xbc"
	  "cher.example/",
	    "gemini://xn--bcher-kva.example/" },
	{ "gemini://[::1]:1966/", "gemini://[::1]:1966/" },
	{ "gemini://[0:0::1]", "gemini://[::1]/" },
	{ "gemini://127.0.0.1/", "gemini://127.0.0.1/" },
	{ "https://example.org/", NULL },
	{ "example.org", NULL },
	{ "gemini:///", NULL },
	{ "gemini://example.org/a", NULL },
	{ "gemini://example.org//", NULL },
	{ "gemini://example.org/?", NULL },
	{ "gemini://example.org/#a", NULL },
	{ "gemini://me@example.org/", NULL },
	{ "gemini://example.org:0/", NULL },
	{ "gemini://example.org:65536/", NULL },
	{ "gemini://exa mple.org/", NULL },
	{ "gemini://example.org/\n", NULL },
	{ "", NULL },
};

static void
test_origins(void **state)
{
	char out[MANIFEST_ORIGIN_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(origins) / sizeof(origins[0]); i++) {
		bool ok = manifest_origin(slice_str(origins[i].text), out);

		check_row(ok == (origins[i].origin != NULL), origins[i].text);
		if (ok)
			assert_string_equal(out, origins[i].origin);
		else
			assert_string_equal(out, "");
	}
}

enum { FILES_MAX = 8 };

/* A manifest of "path:byte path:byte": the byte fills the digest. */
struct listed {
	struct manifest m;
	struct manifest_entry entry[FILES_MAX];
	char text[256];
};

static const struct manifest *
manifest_list(struct listed *l, const char *files)
{
	char *at = l->text;

	*l = (struct listed){ .m.entry = l->entry };
	snprintf(l->text, sizeof(l->text), "%s", files);
	while (*at != '\0') {
		struct manifest_entry *e = &l->entry[l->m.n++];

		e->path = at;
		at = strchr(at, ':');
		*at = '\0';
		memset(e->digest, at[1], DIGEST_SIZE);
		at += at[2] == ' ' ? 3 : 2;
	}
	return &l->m;
}

static void
record_change(void *arg, enum change change, const char *path)
{
	struct buf *out = arg;

	buf_printf(out, "%s %s\n", change_text(change), path);
}

static void
test_changes(void **state)
{
	static const struct {
		const char *rule, *before, *after, *record_change;
		struct changes c;
	} rows[] = {
		{ "nothing at all", "", "", "", { 0 } },
		{ "the same", "a:1 b:2", "a:1 b:2", "", { .kept = 2 } },
		{ "all is new", "", "a:1 b:2", "added a\nadded b\n",
		    { .added = 2 } },
		{ "all is gone", "a:1 b:2", "", "gone a\ngone b\n",
		    { .gone = 2 } },
		{ "other bytes", "a:1 b:2", "a:1 b:3", "changed b\n",
		    { .changed = 1, .kept = 1 } },
		{ "one in front", "b:2", "a:1 b:2", "added a\n",
		    { .added = 1, .kept = 1 } },
		{ "the last is gone", "a:1 b:2", "a:1", "gone b\n",
		    { .gone = 1, .kept = 1 } },
		{ "another name is one gone, one added", "a:1", "b:1",
		    "gone a\nadded b\n", { .added = 1, .gone = 1 } },
		{ "byte order: '.' is before '/'", "a.gmi:1 a/b:2 c:3",
		    "a.gmi:1 a/a:9 a/b:4", "added a/a\nchanged a/b\ngone c\n",
		    { .added = 1, .changed = 1, .gone = 1, .kept = 1 } },
		{ "bytes are not signed", "z:1 \xc3\xa9:2", "z:1 \xc3\xa9:2",
		    "", { .kept = 2 } },
	};
	struct listed before, after;
	struct changes c;
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("%s\n", rows[i].rule);
		buf_init(&out, 4096);
		c = changes_between(manifest_list(&before, rows[i].before),
		    manifest_list(&after, rows[i].after), record_change, &out);
		assert_string_equal(buf_cstr(&out), rows[i].record_change);
		assert_memory_equal(&c, &rows[i].c, sizeof(c));
		assert_int_equal(
		    changes_none(&c), rows[i].record_change[0] == '\0');
		buf_fini(&out);
	}
}

static void
test_first_serial_without_a_reporter(void **state)
{
	struct listed after;
	struct changes c;

	(void)state;
	c = changes_between(NULL, manifest_list(&after, "a:1 b:2"), NULL, NULL);
	assert_int_equal(c.added, 2);
	assert_int_equal(c.kept + c.changed + c.gone, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_counts_agree_with_the_list),
		cmocka_unit_test(test_origin_urls_must_fit),
		cmocka_unit_test(test_finding),
		cmocka_unit_test(test_names_equal_but_for_case),
		cmocka_unit_test_setup_teardown(
		    test_sha256sum_checks_it, tree_set_up, tree_tear_down),
		cmocka_unit_test(test_large_manifest_is_read_quickly),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_url_has_1024_bytes),
		cmocka_unit_test(test_url_is_encoded),
		cmocka_unit_test(test_origins),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_first_serial_without_a_reporter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
