/* SPDX-License-Identifier: ISC */
#include "support/capsule.h"

#include <fcntl.h>

#include "capsule/mime.h"

struct row {
	const char *name;
	const char *type; /* "": the table does not know */
};

/* Rules 1.4.39 and 1.4.42. */
static const struct row rows[] = {
	{ "a.gmi", "text/gemini" },
	{ "a.gemini", "text/gemini" },
	{ "A.GMI", "text/gemini" },
	{ "dir.d/a.GmI", "text/gemini" },
	{ "robots.txt", "text/plain" },
	{ "favicon.txt", "text/plain" },
	{ "capsule.conf", "text/plain" },
	{ "a.md", "text/markdown" },
	{ "atom.xml", "application/atom+xml" },
	{ "log/Feed.XML", "application/atom+xml" },
	{ "a.atom", "application/atom+xml" },
	{ "rss.xml", "application/rss+xml" },
	{ "a.rss", "application/rss+xml" },
	{ "a.xml", "text/xml" },
	{ "a.svg", "image/svg+xml" },
	{ "a.gz", "application/gzip" },
	{ "a.tar.gz", "application/gzip" },
	{ "a.gmi.gz", "application/gzip" },
	{ "a.tgz", "application/gzip" },
	{ "a.7z", "application/x-7z-compressed" },
	{ "a.woff2", "font/woff2" },
	{ "a.zst", "application/zstd" },
	{ "a.jpeg", "image/jpeg" },
	{ "a.opus", "audio/ogg" },
	{ "README", "" },
	{ "gmi", "" },
	{ "a.", "" },
	{ "", "" },
	{ "dir.gmi/a", "" },
	{ "a.gmix", "" },
	{ "a.a-very-long-extension-indeed", "" },
};

static void
test_by_name(void **state)
{
	struct mime *m;
	size_t i;

	(void)state;
	capsule_open_one("");
	m = mime_new(capsule.conf, &capsule.report);
	assert_non_null(m);
	assert_int_equal(capsule.report.n, 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(slice_equal(mime_by_name(m, rows[i].name),
			      slice_str(rows[i].type)),
		    rows[i].name);
	mime_free(&m);
	assert_null(m);
	mime_free(&m);
}

/* What lacks a text was reported, but check goes on with it. */
static void
test_types_that_lack_a_text_are_skipped(void **state)
{
	static char foo[] = "foo";
	struct conf_type types[] = { { .type.text = foo },
		{ .extension.text = foo } };
	struct mime *m;

	(void)state;
	capsule_open_one("");
	capsule.conf->types = types;
	capsule.conf->n_types = 2;
	m = mime_new(capsule.conf, &capsule.report);
	check_slice(mime_by_name(m, "a.foo"), SLICE(""));
	mime_free(&m);
	capsule.conf->n_types = 0;
}

static void
test_operator_types_override(void **state)
{
	struct mime *m;

	(void)state;
	capsule_open(
	    "types = ( { extension = \"foo\"; type = \"text/x-foo\"; },\n"
	    "{ extension = \".bz2\"; type = \"text/x-bar\"; },\n"
	    "{ extension = \"MD\"; type = \"text/plain\"; } );\n"
	    "capsules = ({ host = \"a.example\"; root = \"root\"; });");
	m = mime_new(capsule.conf, &capsule.report);
	check_slice(mime_by_name(m, "a.foo"), SLICE("text/x-foo"));
	check_slice(mime_by_name(m, "d/A.FOO"), SLICE("text/x-foo"));
	check_slice(mime_by_name(m, "a.tar.BZ2"), SLICE("text/x-bar"));
	check_slice(mime_by_name(m, "a.gz"), SLICE("application/gzip"));
	check_slice(mime_by_name(m, "a.md"), SLICE("text/plain"));
	check_slice(mime_by_name(m, "foo"), SLICE(""));
	check_slice(mime_by_name(m, "afoo"), SLICE(""));
	mime_free(&m);
}

/* The type of what now lies at name. */
static struct slice
type_of(struct mime *m, const char *name)
{
	struct stat st;
	int fd = open(tree_path(name), O_RDONLY);
	struct slice type;

	assert_int_not_equal(fd, -1);
	assert_int_equal(fstat(fd, &st), 0);
	type = mime_type(m, name, fd, &st);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	close(fd);
	return type;
}

static const char png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\10\6"
			  "\0\0\0\x1f\x15\xc4\x89";
#define PNG slice_of(png, sizeof(png) - 1)

static void
test_by_content(void **state)
{
	struct mime *m;

	(void)state;
	capsule_open_one("");
	m = mime_new(capsule.conf, &capsule.report);
	tree_write_bytes("picture", PNG);
	tree_write_bytes("page.gmi", PNG);
	tree_write("words", "Plain words,\nas people write them.\n");
	tree_write("gemtext", "# A page\n\n=> /a A link\n");
	tree_write("empty", "");
	tree_write("empty.gmi", "");
	tree_write_bytes(
	    "noise", SLICE("\x01\x02\xff\xfe\x80\x81\x00\x03\x9c"));
	check_slice(type_of(m, "picture"), SLICE("image/png"));
	check_slice(type_of(m, "page.gmi"), SLICE("text/gemini"));
	check_slice(type_of(m, "words"), SLICE("text/plain"));
	check_slice(type_of(m, "gemtext"), SLICE("text/plain"));
	check_slice(type_of(m, "noise"), SLICE("application/octet-stream"));
	/* Rule 1.4.43. */
	check_slice(type_of(m, "empty"), SLICE("application/octet-stream"));
	check_slice(type_of(m, "empty.gmi"), SLICE("text/gemini"));
	mime_free(&m);
}

static void
test_cache_checks_fstat(void **state)
{
	const struct timespec before[2] = { { 1000, 1 }, { 1000, 1 } };
	const struct timespec after[2] = { { 1000, 2 }, { 1000, 2 } };
	char words[sizeof(png)];
	struct mime *m;
	int fd;

	(void)state;
	capsule_open_one("");
	m = mime_new(capsule.conf, &capsule.report);
	tree_write_bytes("f", PNG);
	assert_int_equal(utimensat(AT_FDCWD, tree_path("f"), before, 0), 0);
	check_slice(type_of(m, "f"), SLICE("image/png"));
	/* As many other bytes in the same file, with the same mtime: the answer
	 * kept is given, so it was not looked at. */
	memset(words, 'w', sizeof(words));
	fd = open(tree_path("f"), O_WRONLY);
	assert_int_equal(write(fd, words, sizeof(png) - 1), sizeof(png) - 1);
	close(fd);
	assert_int_equal(utimensat(AT_FDCWD, tree_path("f"), before, 0), 0);
	check_slice(type_of(m, "f"), SLICE("image/png"));
	assert_int_equal(utimensat(AT_FDCWD, tree_path("f"), after, 0), 0);
	check_slice(type_of(m, "f"), SLICE("text/plain"));
	mime_free(&m);
}

/* What libmagic alone takes for something else. */
static void
test_small_texts_and_pages(void **state)
{
	static const struct {
		const char *text;
		const char *type;
	} files[] = {
		{ "7", "text/plain" },
		{ "a", "text/plain" },
		{ "\n", "text/plain" },
		{ "{", "text/plain" },
		{ "\xc3\xa9", "text/plain" },
		{ "7\r\n", "text/plain" },
		{ "\xff", "application/octet-stream" },
		{ "\x01", "application/octet-stream" },
		{ "\n\n<script>\nimport x from \"y\";\n"
		  "export function a(){}\n</script>\n<!DOCTYPE html>\n"
		  "<html></html>\n",
		    "text/html" },
		{ "<script src=\"a.js\"></script>\n"
		  "<script>\nvar a = function(){ return 1; }\n</script>\n"
		  "<html><body></body></html>\n",
		    "text/html" },
		{ "\xef\xbb\xbf<!-- a\n-->\n<SCRIPT\nsrc=a></SCRIPT>x",
		    "text/html" },
		{ "<link rel=x>\n<meta charset=utf-8><p>x", "text/html" },
		{ "<!-- a comment alone", "text/plain" },
		{ "<scripture> is no element\n", "text/plain" },
		{ "<?xml version=\"1.0\"?>\n<html></html>\n", "text/xml" },
	};
	struct mime *m;

	(void)state;
	capsule_open_one("");
	m = mime_new(capsule.conf, &capsule.report);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "small%zu", i);
		tree_write(name, files[i].text);
		check_row(
		    slice_equal(type_of(m, name), slice_str(files[i].type)),
		    files[i].text);
	}
	mime_free(&m);
}

static void
test_more_files_than_the_cache_holds(void **state)
{
	struct mime *m;
	char name[32];
	int round, i;

	(void)state;
	capsule_open_one("");
	m = mime_new(capsule.conf, &capsule.report);
	for (i = 0; i < 2 * MIME_CACHE_SIZE; i++) {
		snprintf(name, sizeof(name), "root/%d", i);
		tree_write_bytes(
		    name, i % 2 == 0 ? PNG : SLICE("words and words\n"));
	}
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 2 * MIME_CACHE_SIZE; i++) {
			snprintf(name, sizeof(name), "root/%d", i);
			check_slice(
			    type_of(m, name), i % 2 == 0 ? SLICE("image/png")
							 : SLICE("text/plain"));
		}
	}
	mime_free(&m);
}

static void
test_only_a_bounded_prefix_is_looked_at(void **state)
{
	static char big[MIME_SNIFF_MAX + 512];
	struct mime *m;

	(void)state;
	capsule_open_one("");
	m = mime_new(capsule.conf, &capsule.report);
	memset(big, 'w', sizeof(big));
	big[MIME_SNIFF_MAX] = '\1'; /* words no more, had it been seen */
	tree_write_bytes("big", slice_of(big, sizeof(big)));
	check_slice(type_of(m, "big"), SLICE("text/plain"));
	mime_free(&m);
}

static void
test_unreadable(void **state)
{
	struct mime *m;
	struct stat st;
	int fd;

	(void)state;
	capsule_open_one("");
	m = mime_new(capsule.conf, &capsule.report);
	tree_write_bytes("f", PNG);
	fd = open(tree_path("f"), O_WRONLY);
	assert_int_equal(fstat(fd, &st), 0);
	check_slice(
	    mime_type(m, "f", fd, &st), SLICE("application/octet-stream"));
	close(fd);
	check_slice(type_of(m, "f"), SLICE("image/png"));
	mime_free(&m);
}

static void
test_without_a_database(void **state)
{
	struct mime *m;

	(void)state;
	capsule_open_one("");
	setenv("MAGIC", tree_path("none"), 1);
	m = mime_new(capsule.conf, &capsule.report);
	unsetenv("MAGIC");
	assert_non_null(m);
	assert_true(capsule_reported(REPORT_WARNING, 0, "libmagic"));
	tree_write_bytes("picture", PNG);
	check_slice(type_of(m, "picture"), SLICE("application/octet-stream"));
	mime_free(&m);
}

static void
test_database_with_invalid_types(void **state)
{
	struct mime *m;
	char magic[PATH_MAX];

	(void)state;
	capsule_open_one("");
	tree_write("strange", "0 string one x\n!:mime text/gemini\n"
			      "0 string two x\n!:mime inode/x\n"
			      "0 string three x\n!:mime text/x-fine\n");
	snprintf(magic, sizeof(magic), "%s", tree_path("strange"));
	setenv("MAGIC", magic, 1);
	m = mime_new(capsule.conf, &capsule.report);
	unsetenv("MAGIC");
	assert_int_equal(capsule.report.n, 0);
	tree_write("1", "one\n");
	tree_write("2", "two\n");
	tree_write("3", "three\n");
	check_slice(type_of(m, "1"), SLICE("application/octet-stream"));
	check_slice(type_of(m, "2"), SLICE("application/octet-stream"));
	check_slice(type_of(m, "3"), SLICE("text/x-fine"));
	mime_free(&m);
}

static void
test_library(void **state)
{
	(void)state;
	assert_in_range(mime_library(), 500, 9999);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		capsule_test(test_by_name),
		capsule_test(test_types_that_lack_a_text_are_skipped),
		capsule_test(test_operator_types_override),
		capsule_test(test_by_content),
		capsule_test(test_cache_checks_fstat),
		capsule_test(test_small_texts_and_pages),
		capsule_test(test_more_files_than_the_cache_holds),
		capsule_test(test_only_a_bounded_prefix_is_looked_at),
		capsule_test(test_unreadable),
		capsule_test(test_without_a_database),
		capsule_test(test_database_with_invalid_types),
		cmocka_unit_test(test_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
