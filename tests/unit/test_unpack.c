/* SPDX-License-Identifier: ISC */
#include "archive/download.h"

#include <glob.h>

#include "check.h"
#include "support/archive.h"
#include "support/seal.h"
#include "support/tar.h"

/* ------------------------------------------- an archive, or single files */

static void
test_archive_or_single_files(void **state)
{
	static const uint64_t kib = 1024, mib = 1024 * 1024;
	const struct {
		uint64_t files, bytes, largest; /* of the manifest */
		uint64_t missing, to_come;
		bool archive;
	} rows[] = {
		/* A first run. */
		{ 1, mib, mib, 1, mib, false },
		{ 3, mib, mib, 3, mib, false },
		{ 4, mib, mib, 4, mib, true },
		{ 2000, 8 * mib, 4 * kib, 2000, 8 * mib, true },
		{ 100000, 0, 0, 100000, 0, true },
		/* Nothing new; a few of many. */
		{ 2000, 8 * mib, 4 * kib, 0, 0, false },
		{ 2000, 8 * mib, 4 * kib, 3, 12 * kib, false },
		{ 2000, 8 * mib, 4 * kib, 200, 800 * kib, false },
		/* 10 MiB of archive for 1.2 MiB and 9 MiB's worth of requests,
		 * and for one request more. */
		{ 2048, 8 * mib, 4 * kib, 284, 1136 * kib, false },
		{ 2048, 8 * mib, 4 * kib, 285, 1140 * kib, true },
		/* One large file among small ones: where it is counts. */
		{ 100, 100 * mib, 99 * mib, 50, 500 * kib, false },
		{ 100, 100 * mib, 99 * mib, 50, 99 * mib + 500 * kib, true },
		/* Five files, listed 2,000 times each. */
		{ 10000, 10000 * mib, mib, 5, 10000 * mib, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct manifest m = { .n = (size_t)rows[i].files,
			.files = rows[i].files,
			.bytes = rows[i].bytes,
			.largest = rows[i].largest };

		if (unpack_is_worth(&m, (size_t)rows[i].missing,
			rows[i].to_come) != rows[i].archive)
			fail_msg("row %zu", i);
	}
}

/* --------------------------------------------- members against a manifest */

enum { PIECE = 100 };

/* What is wanted: path, text, path, text ..., NULL; and the archive so far. */
static struct {
	struct manifest m;
	struct download d;
	struct unpack u;
	struct buf tar;
	struct ustar_writer writer;
} unpacking;

static void
want(const char *const *words)
{
	struct manifest *m = &unpacking.m;

	*m = (struct manifest){ .serial = 1 };
	for (; words[0] != NULL; words += 2) {
		uint8_t digest[DIGEST_SIZE];
		size_t size = strlen(words[1]);

		digest_sha256(slice_str(words[1]), digest);
		assert_true(manifest_add(m, digest, slice_str(words[0])));
		m->files++;
		m->bytes += size;
		if (size > m->largest)
			m->largest = size;
	}
	unpacking.d = (struct download){ .store = archive.s };
	assert_true(download_plan(&unpacking.d, m));
	buf_init(&unpacking.tar, TAR_MAX);
	unpacking.writer =
	    (struct ustar_writer){ .sink = tar_append, .arg = &unpacking.tar };
	assert_true(unpack_start(&unpacking.u, &unpacking.d, &archive.why));
}

#define WANT(...) want((const char *const[]){ __VA_ARGS__, NULL })

static void
add(const char *path, const char *text)
{
	tar_add_file(&unpacking.writer, path, slice_str(text));
}

/* Whether it asked for more until the end. */
static bool
unpack_all(void)
{
	struct slice rest = buf_view(&unpacking.tar);
	bool more = true;

	while (more && rest.len > 0) {
		size_t n = rest.len < PIECE ? rest.len : PIECE;

		more = unpack_bytes(&unpacking.u, slice_head(rest, n));
		rest = slice_skip(rest, n);
	}
	assert_false(unpacking.u.local);
	return more;
}

static bool
has(const char *text)
{
	uint8_t digest[DIGEST_SIZE];

	digest_sha256(slice_str(text), digest);
	return store_has(archive.s, digest);
}

/* That so many files, and bytes of them, came. */
static void
end(uint64_t files, uint64_t bytes)
{
	uint64_t here = 0;
	glob_t left;

	unpack_stop(&unpacking.u);
	for (size_t i = 0; i < unpacking.d.n_missing; i++)
		here += unpacking.d.missing[i].is_here;
	assert_int_equal(here, files);
	assert_int_equal(unpacking.d.files, files);
	assert_int_equal(unpacking.d.bytes, bytes);
	assert_int_equal(
	    glob(tree_path("store/tmp/*"), 0, NULL, &left), GLOB_NOMATCH);
	download_fini(&unpacking.d);
	manifest_fini(&unpacking.m);
	buf_fini(&unpacking.tar);
}

static void
test_whole(void **state)
{
	(void)state;
	WANT("a", "one", "dir/b", "", "z", "three");
	add("a", "one");
	add("dir/b", "");
	add("mirror/MANIFEST", "the list");
	add("z", "three");
	ustar_end(&unpacking.writer);
	/* No sense in the padding. */
	assert_false(unpack_all());
	assert_true(has("one") && has("") && has("three"));
	assert_false(has("the list"));
	end(3, 8);
}

static void
test_only_what_is_lacking(void **state)
{
	uint8_t digest[DIGEST_SIZE];

	(void)state;
	archive_add_object("one", digest);
	WANT("a", "one", "b", "two", "c", "two");
	add("a", "one");
	add("b", "two");
	/* Its twin needs no second look. */
	assert_false(unpack_all());
	end(1, 3);
}

static void
test_any_order_and_any_guests(void **state)
{
	(void)state;
	WANT("a", "one", "b", "two", "c", "three", "d", "four");
	add("c", "three");
	add("../a", "one");
	add("/etc/passwd", "x");
	add("b", "tow");
	add("b", "much too long for any file");
	add("b", "two");
	add("b", "tow");
	add("aa", "one");
	add("a", "one");
	add("ab", "two");
	assert_true(unpack_all());
	assert_true(has("one") && has("two") && has("three"));
	assert_false(has("tow") || has("x") || has("four"));
	end(3, 11);
}

static void
test_cut_in_a_file(void **state)
{
	(void)state;
	WANT("a", "one", "b", "a longer one");
	add("a", "one");
	assert_true(ustar_begin(&unpacking.writer, "b", 12, 0));
	assert_true(ustar_bytes(&unpacking.writer, SLICE("a longer")));
	assert_true(unpack_all());
	assert_true(has("one"));
	end(1, 3);
}

static void
test_no_archive(void **state)
{
	(void)state;
	WANT("a", "one");
	for (int i = 0; i < USTAR_BLOCK; i++)
		assert_true(buf_byte(&unpacking.tar, 'x'));
	assert_false(unpack_all());
	end(0, 0);
}

static void
test_a_link_ends_it(void **state)
{
	(void)state;
	WANT("a", "one", "b", "two");
	add("a", "one");
	add("b", "two");
	/* The second header becomes a symbolic link's. */
	struct ustar_header *h =
	    (struct ustar_header *)(void *)(unpacking.tar.ptr +
					    2 * USTAR_BLOCK);
	h->type = '2';
	seal_header(h);
	(void)unpack_all();
	assert_true(has("one"));
	assert_false(has("two"));
	end(1, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_archive_or_single_files),
		archive_test(test_whole),
		archive_test(test_only_what_is_lacking),
		archive_test(test_any_order_and_any_guests),
		archive_test(test_cut_in_a_file),
		archive_test(test_no_archive),
		archive_test(test_a_link_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
