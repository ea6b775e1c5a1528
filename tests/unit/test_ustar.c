/* SPDX-License-Identifier: ISC */
/* The writer, and what tar(1) and our own reader make of it. */
#include "support/tar.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "archive/ustar.h"
#include "support/tree.h"
#include "tls/digest.h"

static struct buf archive;
static struct ustar_writer writer;

static int
set_up(void **state)
{
	buf_init(&archive, TAR_MAX);
	writer = (struct ustar_writer){ .sink = tar_append, .arg = &archive };
	return tree_set_up(state);
}

static int
tear_down(void **state)
{
	buf_fini(&archive);
	return tree_tear_down(state);
}

/* Paths in each form of header. */
static struct {
	const char *how;
	size_t parts[8]; /* bytes of each part, '/' between them */
	bool pax;
} shapes[] = {
	{ "100 bytes in one part", { 100 }, false },
	{ "101 bytes in one part", { 101 }, true },
	{ "255 bytes in one part", { 255 }, true },
	{ "100 bytes in two parts", { 49, 50 }, false },
	{ "101 bytes in two parts", { 50, 50 }, false },
	{ "a prefix of 155 bytes", { 155, 100 }, false },
	{ "a prefix of 156 bytes", { 156, 100 }, true },
	{ "a last part of 101 bytes", { 20, 101 }, true },
	{ "a cut between", { 100, 54, 100 }, false },
	{ "one byte too far", { 101, 54, 100 }, true },
	{ "no cut will do", { 60, 100, 60 }, true },
	{ "no more than a URL holds", { 200, 200, 200, 200, 200 }, true },
};

enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

static void
shape_path(size_t i, char out[USTAR_PATH_MAX + 1])
{
	size_t at = 0;

	for (size_t k = 0; k < 8 && shapes[i].parts[k] > 0; k++) {
		if (k > 0)
			out[at++] = '/';
		memset(out + at, (int)('a' + i), shapes[i].parts[k]);
		at += shapes[i].parts[k];
	}
	out[at] = '\0';
}

static void
test_header_follows_posix(void **state)
{
	const struct ustar_header *h;

	(void)state;
	tar_add_file(&writer, "a/b.gmi", SLICE("# b\n"));
	assert_true(ustar_end(&writer));
	assert_int_equal(archive.len, USTAR_RECORD);
	assert_int_equal(writer.written, archive.len);
	h = (const struct ustar_header *)archive.ptr;
	assert_string_equal(h->name, "a/b.gmi");
	assert_string_equal(h->mode, "0000644");
	assert_string_equal(h->uid, "0000000");
	assert_string_equal(h->gid, "0000000");
	assert_string_equal(h->size, "00000000004");
	assert_string_equal(h->mtime, "15254235600");
	assert_int_equal(h->type, '0');
	assert_memory_equal(h->magic, "ustar\00000", 8);
	assert_string_equal(h->user, "");
	assert_string_equal(h->group, "");
	assert_string_equal(h->prefix, "");
	assert_memory_equal(archive.ptr + USTAR_BLOCK, "# b\n\0", 5);
}

/* A change here changes every archive there is, and every mirror's must be the
 * origin's: think twice. */
static void
test_same_bytes_forever(void **state)
{
	char path[USTAR_PATH_MAX + 1], hex[DIGEST_HEX_SIZE];
	uint8_t digest[DIGEST_SIZE];

	(void)state;
	tar_add_file(&writer, "empty", SLICE(""));
	for (size_t i = 0; i < SHAPES; i++) {
		shape_path(i, path);
		tar_add_file(&writer, path, slice_str(path));
	}
	tar_add_file(
	    &writer, "\xc3\xa9/\xf0\x9f\x8c\xb9.gmi", SLICE("# \xc3\xa9\n"));
	assert_true(ustar_end(&writer));
	digest_sha256(buf_view(&archive), digest);
	digest_hex(digest, hex);
	assert_string_equal(hex,
	    "1cedcdf42ba9f6195598d7638ccea91443f49f1c746d339d9fddfa7debe39fac");
}

static void
test_names_in_pax_records_when_needed(void **state)
{
	char path[USTAR_PATH_MAX + 1];

	(void)state;
	for (size_t i = 0; i < SHAPES; i++) {
		uint64_t before = writer.written;
		char type;

		shape_path(i, path);
		tar_add_file(&writer, path, SLICE("x"));
		type =
		    ((const struct ustar_header *)(archive.ptr + before))->type;
		check_row((type == USTAR_PAX) == shapes[i].pax, shapes[i].how);
		check_row(writer.written % USTAR_BLOCK == 0, shapes[i].how);
		check_row(shapes[i].pax == (writer.written - before >
					       (size_t)2 * USTAR_BLOCK),
		    shapes[i].how);
	}
}

/* The header after a pax record: no directory, no half of a character. */
static void
test_readers_without_pax(void **state)
{
	char path[301];
	const struct ustar_header *h;

	(void)state;
	memset(path, 'a', 300);
	path[300] = '\0';
	path[98] = path[99] = '/';
	tar_add_file(&writer, path, SLICE(""));
	h = (const struct ustar_header *)(archive.ptr + archive.len -
					  USTAR_BLOCK);
	assert_int_equal(strnlen(h->name, sizeof(h->name)), 98);
	path[98] = 'a';
	memcpy(path + 99, "\xc3\xa9", 2);
	tar_add_file(&writer, path, SLICE(""));
	h = (const struct ustar_header *)(archive.ptr + archive.len -
					  USTAR_BLOCK);
	assert_int_equal(strnlen(h->name, sizeof(h->name)), 99);
}

static void
test_reader_accepts_it(void **state)
{
	const size_t pieces[] = { 1, 7, 511, 512, 513, 10240, 1 << 20 };
	char path[USTAR_PATH_MAX + 1];
	struct buf output, wanted;
	struct why why;

	(void)state;
	buf_init(&output, TAR_MAX);
	buf_init(&wanted, TAR_MAX);
	for (size_t i = 0; i < SHAPES; i++) {
		shape_path(i, path);
		tar_add_file(&writer, path, slice_str(path));
		buf_printf(&wanted, "%s:%zu=%s;", path, strlen(path), path);
	}
	tar_add_file(&writer, "empty", SLICE(""));
	buf_str(&wanted, "empty:0=;");
	assert_true(ustar_end(&writer));
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		buf_reset(&output);
		assert_true(
		    tar_read(buf_view(&archive), pieces[i], &output, &why));
		check_slice(buf_view(&output), buf_view(&wanted));
	}
	buf_fini(&output);
	buf_fini(&wanted);
}

static size_t
rounded(size_t n, size_t unit)
{
	return (n + unit - 1) / unit * unit;
}

static void
test_sizes(void **state)
{
	const size_t sizes[] = { 0, 1, 511, 512, 513, 9728, 10240 };
	static const uint8_t bytes[USTAR_RECORD];
	size_t members = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct ustar_writer w;

		tar_add_file(&writer, "a", slice_of(bytes, sizes[i]));
		members += USTAR_BLOCK + rounded(sizes[i], USTAR_BLOCK);
		assert_int_equal(writer.written, members);
		w = writer;
		assert_true(ustar_end(&w));
		assert_int_equal(w.written,
		    rounded(members + (size_t)2 * USTAR_BLOCK, USTAR_RECORD));
	}
}

static void
test_values_out_of_range_are_refused(void **state)
{
	char path[USTAR_PATH_MAX + 2];
	struct ustar_writer w = writer;

	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	path[USTAR_PATH_MAX + 1] = '\0';
	assert_false(ustar_begin(&w, "", 0, 0));
	assert_false(ustar_begin(&w, path, 0, 0));
	assert_false(ustar_begin(&w, "a", USTAR_NUMBER_MAX + 1, 0));
	assert_false(ustar_begin(&w, "a", 0, -1));
	assert_false(ustar_begin(&w, "a", 0, (int64_t)USTAR_NUMBER_MAX + 1));
	assert_int_equal(archive.len, 0);
	path[USTAR_PATH_MAX] = '\0';
	assert_true(ustar_begin(&w, path, 0, (int64_t)USTAR_NUMBER_MAX));
	assert_true(ustar_begin(&w, "a", USTAR_NUMBER_MAX, 0));
	assert_string_equal(
	    ((const struct ustar_header *)(archive.ptr + archive.len -
					   USTAR_BLOCK))
		->size,
	    "77777777777");
}

static void
test_only_the_announced_bytes(void **state)
{
	(void)state;
	assert_true(ustar_begin(&writer, "a", 3, 0));
	assert_true(ustar_bytes(&writer, SLICE("ab")));
	assert_false(ustar_begin(&writer, "b", 0, 0));
	assert_false(ustar_end(&writer));
	assert_false(ustar_bytes(&writer, SLICE("cd")));
	assert_true(ustar_bytes(&writer, SLICE("c")));
	assert_int_equal(archive.len, 2 * USTAR_BLOCK);
	assert_false(ustar_bytes(&writer, SLICE("d")));
	assert_true(ustar_bytes(&writer, SLICE("")));
	assert_true(ustar_end(&writer));
}

static void
test_full_sink_stops_the_writer(void **state)
{
	(void)state;
	archive.max = USTAR_BLOCK;
	assert_true(ustar_begin(&writer, "a", 3, 0));
	assert_false(ustar_bytes(&writer, SLICE("abc")));
	assert_false(ustar_end(&writer));
}

/* Runs tar in the tree, silent when it is content; its lines on stdout. */
static void
tar(const char *arguments, struct buf *out)
{
	char command[2048], line[4096];
	FILE *pipe;

	snprintf(command, sizeof(command),
	    "cd '%s' && LC_ALL=C.UTF-8 TZ=UTC tar %s 2>&1", tree_path(""),
	    arguments);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	while (fgets(line, sizeof(line), pipe) != NULL)
		buf_str(out, line);
	assert_int_equal(pclose(pipe), 0);
}

static void
check_unpacked(const char *path, struct slice bytes)
{
	char file[USTAR_PATH_MAX + 8], got[2048];
	struct stat st;
	size_t n;
	FILE *f;

	snprintf(file, sizeof(file), "out/%s", path);
	assert_int_equal(stat(tree_path(file), &st), 0);
	assert_int_equal(st.st_mtime, 1790000000);
	assert_int_equal(st.st_mode & 07777, 0644);
	f = fopen(tree_path(file), "r");
	assert_non_null(f);
	n = fread(got, 1, sizeof(got), f);
	assert_int_equal(fclose(f), 0);
	check_slice(slice_of(got, n), bytes);
}

/* GNU tar lists exactly the members, and makes the same files of them. */
static void
test_tar_unpacks_it(void **state)
{
	const char *const odd[] = { "a b", "-rf", "*", "\xc3\xa9/x", "a\"'$(x)",
		"\xf0\x9f\x8c\xb9", " ", "~", "%41" };
	char path[USTAR_PATH_MAX + 1];
	struct buf listed, wanted;
	mode_t old = umask(022); /* tar(1) obeys it */

	(void)state;
	buf_init(&listed, TAR_MAX);
	buf_init(&wanted, TAR_MAX);
	for (size_t i = 0; i < SHAPES; i++) {
		shape_path(i, path);
		tar_add_file(&writer, path, slice_str(path));
		buf_printf(&wanted, "%s\n", path);
	}
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		tar_add_file(&writer, odd[i], slice_str(odd[i]));
		buf_printf(&wanted, "%s\n", odd[i]);
	}
	assert_true(ustar_end(&writer));
	tree_write_bytes("a.tar", buf_view(&archive));
	tree_make_dir("out");
	tar("--quoting-style=literal -tf a.tar", &listed);
	check_slice(buf_view(&listed), buf_view(&wanted));
	buf_reset(&listed);
	tar("-C out --no-same-owner --no-same-permissions --mode=0644 "
	    "-xf a.tar",
	    &listed);
	check_slice(buf_view(&listed), SLICE(""));
	for (size_t i = 0; i < SHAPES; i++) {
		shape_path(i, path);
		check_unpacked(path, slice_str(path));
	}
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		check_unpacked(odd[i], slice_str(odd[i]));
	buf_fini(&listed);
	buf_fini(&wanted);
	umask(old);
}

/* What tar makes of the same files is read too, whatever owner and mode. */
static void
test_output_of_tar_is_read(void **state)
{
	const char *const formats[] = { "ustar", "pax" };
	char command[512];
	struct buf listed, output;
	struct why why;
	uint8_t *bytes = malloc(TAR_MAX);

	(void)state;
	assert_non_null(bytes);
	buf_init(&listed, TAR_MAX);
	buf_init(&output, TAR_MAX);
	tree_write("b", "bb");
	tree_write("empty", "");
	tree_write("\xc3\xa9.gmi", "# e\n");
	for (size_t i = 0; i < 2; i++) {
		FILE *f;
		size_t n;

		buf_reset(&output);
		snprintf(command, sizeof(command),
		    "--format=%s --mode=0600 --owner=me:1000 -cf a.tar b empty "
		    "\xc3\xa9.gmi",
		    formats[i]);
		tar(command, &listed);
		f = fopen(tree_path("a.tar"), "r");
		assert_non_null(f);
		n = fread(bytes, 1, TAR_MAX, f);
		assert_int_equal(fclose(f), 0);
		if (!tar_read(slice_of(bytes, n), 512, &output, &why))
			fail_msg("%s: %s", formats[i], why.text);
		assert_string_equal(
		    buf_cstr(&output), "b:2=bb;empty:0=;\xc3\xa9.gmi:4=# e\n;");
	}
	free(bytes);
	buf_fini(&listed);
	buf_fini(&output);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_header_follows_posix, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_same_bytes_forever, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_names_in_pax_records_when_needed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_readers_without_pax, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_reader_accepts_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sizes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_values_out_of_range_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_only_the_announced_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_full_sink_stops_the_writer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_tar_unpacks_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_output_of_tar_is_read, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
