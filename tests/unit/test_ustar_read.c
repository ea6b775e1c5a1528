/* SPDX-License-Identifier: ISC */
/* Archives that the reader must refuse, each a step away from one that
 * passes. */
#include "support/seal.h"
#include "support/tar.h"

#include <stdio.h>
#include <string.h>

#include "archive/ustar.h"

static uint8_t memory[4 * USTAR_RECORD];
static struct buf archive, output;
static struct why why;
static char heard_memory[8192];

/* One file, "a/b" with "hello", header at 0, bytes at 512, the end at 1024. */
static void
make(void)
{
	struct ustar_writer w = { .sink = tar_append, .arg = &archive };

	buf_wrap(&archive, memory, sizeof(memory));
	tar_add_file(&w, "a/b", SLICE("hello"));
	assert_true(ustar_end(&w));
}

static struct ustar_header *
header(void)
{
	return (struct ustar_header *)memory;
}

static bool
read_it(void)
{
	bool ok[2];

	for (size_t i = 0; i < 2; i++) {
		buf_wrap(&output, heard_memory, sizeof(heard_memory));
		why_clear(&why);
		ok[i] = tar_read(
		    buf_view(&archive), i == 0 ? 1 : 100000, &output, &why);
		assert_int_equal(ok[i], why.text[0] == '\0');
	}
	assert_int_equal(ok[0], ok[1]); /* whatever its pieces */
	return ok[0];
}

/* With a checksum that fits. */
static bool
read_mended(void)
{
	seal_header(header());
	return read_it();
}

/* Sets a byte of the header, checksum mended. */
static const struct {
	const char *rule;
	size_t at;
	char byte;
	const char *fault; /* NULL: passes */
} bytes[] = {
	{ "a hard link", offsetof(struct ustar_header, type), '1', "regular" },
	{ "a symbolic link", offsetof(struct ustar_header, type), '2',
	    "regular" },
	{ "a device", offsetof(struct ustar_header, type), '3', "regular" },
	{ "a block device", offsetof(struct ustar_header, type), '4',
	    "regular" },
	{ "a directory", offsetof(struct ustar_header, type), '5', "regular" },
	{ "a fifo", offsetof(struct ustar_header, type), '6', "regular" },
	{ "contiguous", offsetof(struct ustar_header, type), '7', "regular" },
	{ "global records", offsetof(struct ustar_header, type), 'g',
	    "regular" },
	{ "GNU's long name", offsetof(struct ustar_header, type), 'L',
	    "regular" },
	{ "sparse", offsetof(struct ustar_header, type), 'S', "regular" },
	{ "the old type", offsetof(struct ustar_header, type), '\0',
	    "regular" },
	{ "a file that links", offsetof(struct ustar_header, link), 'x',
	    "link" },
	{ "GNU's magic", offsetof(struct ustar_header, magic) + 5, ' ',
	    "not the header" },
	{ "another version", offsetof(struct ustar_header, version), '1',
	    "not the header" },
	{ "a size that is not a number",
	    offsetof(struct ustar_header, size) + 3, 'x', "number" },
	{ "a size beyond octal", offsetof(struct ustar_header, size), '\x80',
	    "number" },
	{ "a size in twelve digits", offsetof(struct ustar_header, size) + 11,
	    '0', "number" },
	{ "a size with a blank after it",
	    offsetof(struct ustar_header, size) + 11, ' ', NULL },
	{ "a blank before a size", offsetof(struct ustar_header, size), ' ',
	    "number" },
	{ "eight", offsetof(struct ustar_header, size) + 9, '8', "number" },
	{ "a time beyond octal", offsetof(struct ustar_header, mtime), '\xff',
	    "number" },
	{ "another time", offsetof(struct ustar_header, mtime) + 10, '7',
	    NULL },
	{ "another owner", offsetof(struct ustar_header, uid) + 6, '7', NULL },
	{ "an owner beyond octal", offsetof(struct ustar_header, uid), '\x80',
	    "number" },
	{ "another group", offsetof(struct ustar_header, gid) + 6, '7', NULL },
	{ "another mode", offsetof(struct ustar_header, mode) + 6, '0', NULL },
	{ "an owner's name", offsetof(struct ustar_header, user), 'x', NULL },
	{ "bytes after an owner's name",
	    offsetof(struct ustar_header, user) + 9, 'x', "stray" },
	{ "bytes at the end", offsetof(struct ustar_header, zeros) + 11, 'x',
	    "stray" },
	{ "bytes after the name", offsetof(struct ustar_header, name) + 99, 'x',
	    "name" },
	{ "no name", offsetof(struct ustar_header, name), '\0', "name" },
	{ "another name", offsetof(struct ustar_header, name), 'x', NULL },
	{ "bytes after the prefix", offsetof(struct ustar_header, prefix) + 154,
	    'x', "name" },
};

static void
test_headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
		bool ok;

		make();
		memory[bytes[i].at] = (uint8_t)bytes[i].byte;
		ok = read_mended();
		check_row(ok == (bytes[i].fault == NULL), bytes[i].rule);
		if (!ok)
			check_row(strstr(why.text, bytes[i].fault) != NULL,
			    bytes[i].rule);
		if (!ok)
			check_row(slice_starts(
				      slice_str(why.text), SLICE("byte 0: ")),
			    bytes[i].rule);
	}
}

static void
test_checksums(void **state)
{
	(void)state;
	make();
	assert_true(read_it());
	assert_string_equal(buf_cstr(&output), "a/b:5=hello;");
	for (size_t i = 0; i < USTAR_BLOCK; i++) {
		memory[i] ^= 1;
		assert_false(read_it());
		memory[i] ^= 1;
	}
	assert_true(read_it());
}

static void
test_padding_must_be_zeros(void **state)
{
	(void)state;
	make();
	for (size_t i = USTAR_BLOCK; i < archive.len; i++) {
		bool in_file = i < USTAR_BLOCK + 5;

		memory[i] ^= 0x20;
		assert_int_equal(read_it(), in_file);
		memory[i] ^= 0x20;
	}
}

static void
test_ends(void **state)
{
	size_t whole;

	(void)state;
	make();
	whole = archive.len;
	assert_int_equal(whole, USTAR_RECORD);
	for (size_t n = 0; n < whole; n++) {
		archive.len = n;
		assert_false(read_it());
		assert_non_null(strstr(why.text, "cut short"));
	}
	archive.len = whole;
	assert_true(read_it());
	for (size_t more = 1; more <= USTAR_RECORD; more *= 2) {
		archive.len = whole + more;
		assert_false(read_it()); /* zeros after the end */
		assert_string_equal(
		    why.text, "byte 10240: bytes after the end");
	}
}

/* The records before a file. */
static const struct {
	const char *rule;
	const char *records;
	const char *output; /* NULL: refused */
} records[] = {
	{ "a path", "10 path=x\n", "x:5=hello;" },
	{ "a longer one", "15 path=x/y/zz\n", "x/y/zz:5=hello;" },
	{ "what tar adds", "13 mtime=1.5\n22 atime=1700000000.5\n",
	    "a/b:5=hello;" },
	{ "both", "10 path=x\n11 mtime=1.5\n", NULL },
	{ "both, counted well", "10 path=x\n13 mtime=1.5\n", "x:5=hello;" },
	{ "an equals sign in it", "12 path=x=y\n", "x=y:5=hello;" },
	{ "two paths", "10 path=x\n10 path=y\n", NULL },
	{ "an empty path", "8 path=\n", NULL },
	{ "another size", "9 size=1\n", NULL },
	{ "a link's path", "14 linkpath=x\n", NULL },
	{ "a sparse file", "22 GNU.sparse.major=1\n", NULL },
	{ "a character set", "20 hdrcharset=ascii\n", NULL },
	{ "a count of one digit", "9 path=x\n", "x:5=hello;" },
	{ "too short a count", "8 path=x\n", NULL },
	{ "too long a count", "11 path=x\n", NULL },
	{ "far too long", "99999999999999999999 path=x\n", NULL },
	{ "nothing", "0 path=x\n", NULL },
	{ "no count", " path=x\n", NULL },
	{ "no blank", "10\n", NULL },
	{ "no equals sign", "7 path\n", NULL },
	{ "no line feed", "10 path=x ", NULL },
};

/* Puts records before the one file. */
static void
make_pax(const char *text)
{
	struct ustar_writer w = { .sink = tar_append, .arg = &archive };

	buf_wrap(&archive, memory, sizeof(memory));
	tar_add_file(&w, "PaxHeader", slice_str(text));
	header()->type = USTAR_PAX;
	tar_add_file(&w, "a/b", SLICE("hello"));
	assert_true(ustar_end(&w));
}

static void
test_records(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		bool ok;

		make_pax(records[i].records);
		ok = read_mended();
		check_row(ok == (records[i].output != NULL), records[i].rule);
		if (ok)
			assert_string_equal(
			    buf_cstr(&output), records[i].output);
	}
}

static void
test_records_out_of_place(void **state)
{
	struct ustar_writer w = { .sink = tar_append, .arg = &archive };
	char text[8192];

	(void)state;
	make_pax("10 path=x\n");
	memset(memory + 2 * (size_t)USTAR_BLOCK, 0,
	    archive.len - 2 * (size_t)USTAR_BLOCK);
	assert_false(read_mended());
	assert_string_equal(
	    why.text, "byte 1024: no file after its pax record");
	make_pax("");
	assert_false(read_mended());
	/* A path of 1,024 bytes passes, one of 1,025 does not. */
	snprintf(text, sizeof(text), "1035 path=%01024d\n", 0);
	make_pax(text);
	assert_true(read_mended());
	snprintf(text, sizeof(text), "1036 path=%01025d\n", 0);
	make_pax(text);
	assert_false(read_mended());
	/* Records of records. */
	buf_wrap(&archive, memory, sizeof(memory));
	tar_add_file(&w, "PaxHeader", SLICE("10 path=x\n"));
	header()->type = USTAR_PAX;
	(void)read_mended();
	assert_true(buf_put(&archive, slice_of(memory, 2 * USTAR_BLOCK)));
	assert_false(read_it());
	assert_string_equal(why.text, "byte 1024: pax records out of place");
	/* More of them than anybody needs. */
	memset(text, ' ', sizeof(text));
	buf_wrap(&archive, memory, sizeof(memory));
	w.written = 0;
	tar_add_file(&w, "PaxHeader", slice_of(text, 4097));
	header()->type = USTAR_PAX;
	assert_false(read_mended());
	assert_string_equal(why.text, "byte 0: pax records out of place");
}

static bool
no_file(void *arg, struct slice path, uint64_t size)
{
	(void)arg;
	(void)path;
	(void)size;
	return false;
}

static bool
no_bytes(void *arg, struct slice part)
{
	(void)arg;
	(void)part;
	return false;
}

static bool
no_end(void *arg)
{
	(void)arg;
	return false;
}

static void
test_handler_stops_the_reader(void **state)
{
	const struct ustar_handler handlers[] = {
		{ no_file, tar_append, tar_on_end, &output },
		{ tar_on_file, no_bytes, tar_on_end, &output },
		{ tar_on_file, tar_append, no_end, &output },
	};

	(void)state;
	make();
	for (size_t i = 0; i < 3; i++) {
		struct ustar_reader *r = ustar_reader_new(&handlers[i]);

		buf_wrap(&output, heard_memory, sizeof(heard_memory));
		assert_false(ustar_reader_put(r, buf_view(&archive), &why));
		assert_string_equal(why.text, "stopped");
		assert_false(ustar_reader_put(r, SLICE("x"), &why));
		assert_false(ustar_reader_end(r, &why));
		ustar_reader_free(&r);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_checksums),
		cmocka_unit_test(test_padding_must_be_zeros),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_records_out_of_place),
		cmocka_unit_test(test_handler_stops_the_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
