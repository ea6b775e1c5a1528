/* SPDX-License-Identifier: ISC */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "archive/manifest.h"
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
	{ "behind the directory's end", { "a/b", "a/c", "a0", "b/a" }, NULL },
	{ "a name's rule", { "../x" }, "line 8: a part of dots alone: ../x" },
	{ "shown harmlessly", { "a\033[2J" },
	    "line 8: a control byte: a\\x1b[2J" },
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
test_the_urls_of_the_origin_must_fit(void **state)
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
	(void)buf_printf(arg, "%s=%s ", a, b);
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
	(void)snprintf(command, sizeof(command),
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
test_large_ones_are_read_in_one_go(void **state)
{
	const char *const none[] = { NULL };
	struct manifest m;
	char path[1024];

	(void)state;
	make(&m, none);
	for (unsigned i = 0; i < MANIFEST_FILES_MAX; i++) {
		(void)snprintf(path, sizeof(path), "chapter/%02u/page-%05u.gmi",
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
		(void)snprintf(path + 980, sizeof(path) - 980, "%05u", i);
		assert_true(manifest_add(&m, some_digest, slice_str(path)));
	}
	m.files = m.n;
	check_time(&m);
	manifest_fini(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_counts_agree_with_the_list),
		cmocka_unit_test(test_the_urls_of_the_origin_must_fit),
		cmocka_unit_test(test_finding),
		cmocka_unit_test(test_names_equal_but_for_case),
		cmocka_unit_test_setup_teardown(
		    test_sha256sum_checks_it, tree_set_up, tree_tear_down),
		cmocka_unit_test(test_large_ones_are_read_in_one_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
