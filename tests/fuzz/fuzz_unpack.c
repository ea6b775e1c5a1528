/* SPDX-License-Identifier: ISC */
/* The input is a byte, another one, and an archive: which of the listed files
 * the store has already, in pieces of how many bytes the archive comes. Each
 * header's checksum is mended first, or none would ever pass. What is kept must
 * be what a plain reading of the same archive finds of use. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/download.h"
#include "support/seal.h"

enum { MEMBER_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	const char *path, *text;
} listed[] = {
	{ "a.gmi", "# A\n" },
	{ "b/empty", "" },
	{ "b/twin", "the same\n" },
	{ "c/twin", "the same\n" },
	{ "d.gmi", "# D, a longer one, of more than a few bytes\n" },
};
enum { LISTED = sizeof(listed) / sizeof(listed[0]) };

static struct store *store;
static char place[] = "/tmp/carnation-fuzz-XXXXXX";
static struct manifest list;

/* ------------------------------------------------------- store and manifest */

static void
clear(void)
{
	struct why why;

	for (size_t i = 0; i < list.n; i++)
		assert(store_discard(store, list.entry[i].digest, &why));
}

static void
remove_store(void)
{
	char command[sizeof("rm -rf ") + sizeof(place)];

	store_close(&store);
	snprintf(command, sizeof(command), "rm -rf %s", place);
	if (system(command) != 0)
		perror(place);
}

/* Once in a process: who replays a corpus forks for each input. */
static void
prepare(void)
{
	struct why why;

	if (store != NULL)
		return;
	assert(mkdtemp(place) != NULL);
	store = store_open(place, true, &why);
	assert(store != NULL && store_lock(store, &why) == RESULT_GOOD);
	atexit(remove_store);
	for (size_t i = 0; i < LISTED; i++) {
		struct slice text = slice_str(listed[i].text);
		uint8_t digest[DIGEST_SIZE];

		digest_sha256(text, digest);
		assert(manifest_add(&list, digest, slice_str(listed[i].path)));
		list.bytes += text.len;
		list.largest =
		    text.len > list.largest ? text.len : list.largest;
	}
	list.files = list.n;
}

/* -------------------------------------------------- what should be found */

struct reading {
	const struct download *d;
	struct download_file *file;
	uint64_t size;
	size_t len, left;
	uint8_t bytes[MEMBER_MAX];
	bool found[LISTED]; /* by their places in d->missing */
};

static bool
on_file(void *arg, struct slice path, uint64_t size)
{
	struct reading *r = arg;

	r->file = NULL;
	r->size = size;
	r->len = 0;
	for (size_t i = 0; i < r->d->n_missing; i++)
		if (slice_equal(path, slice_str(r->d->missing[i].path)))
			r->file = &r->d->missing[i];
	return true;
}

static bool
on_bytes(void *arg, struct slice bytes)
{
	struct reading *r = arg;

	if (r->size <= MEMBER_MAX) {
		memcpy(r->bytes + r->len, bytes.ptr, bytes.len);
		r->len += bytes.len;
	}
	return true;
}

static bool
on_end(void *arg)
{
	struct reading *r = arg;
	uint8_t digest[DIGEST_SIZE];

	if (r->file == NULL || r->size > MEMBER_MAX)
		return true;
	digest_sha256(slice_of(r->bytes, r->len), digest);
	if (digest_equal(digest, r->file->digest) &&
	    !r->found[r->file - r->d->missing]) {
		r->found[r->file - r->d->missing] = true;
		r->left--;
	}
	return r->left > 0;
}

static void
read_plainly(struct reading *r, const struct download *d, struct slice archive)
{
	const struct ustar_handler v = { on_file, on_bytes, on_end, r };
	struct ustar_reader *reader = ustar_reader_new(&v);
	struct why why;

	*r = (struct reading){ .d = d, .left = d->n_missing };
	assert(reader != NULL);
	(void)ustar_reader_put(reader, archive, &why);
	ustar_reader_free(&reader);
}

/* ---------------------------------------------------------- what is kept */

static bool
is_listed(void *arg, const uint8_t digest[DIGEST_SIZE], uint64_t links)
{
	bool found = false;

	(void)arg;
	assert(links == 0);
	for (size_t i = 0; i < list.n; i++)
		found = found || digest_equal(digest, list.entry[i].digest);
	assert(found && store_has(store, digest));
	return true;
}

static void
check(const struct download *d, const struct reading *r)
{
	uint64_t files = 0, bytes = 0;
	struct stat st;
	struct why why;

	for (size_t i = 0; i < d->n_missing; i++) {
		const struct download_file *file = &d->missing[i];

		assert(file->is_here == r->found[i]);
		assert(file->is_here == store_has(store, file->digest));
		if (!file->is_here)
			continue;
		assert(store_object_stat(store, file->digest, &st));
		files++;
		bytes += (uint64_t)st.st_size;
	}
	assert(d->files == files && d->bytes == bytes);
	assert(store_objects(store, is_listed, NULL, &why));
}

static void
unpack(uint8_t have, size_t piece, struct slice archive)
{
	struct download d = { .store = store };
	struct reading r;
	struct unpack u;
	struct why why;

	for (size_t i = 0; i < LISTED; i++) {
		struct store_object *o;

		if ((have >> i & 1) == 0)
			continue;
		o = store_object_new(store, &why);
		assert(o != NULL);
		assert(store_object_put(o, slice_str(listed[i].text), &why));
		assert(store_object_keep(&o, NULL, NULL, &why) == STORE_KEPT);
	}
	assert(download_plan(&d, &list));
	read_plainly(&r, &d, archive);
	assert(unpack_start(&u, &d, &why));
	while (archive.len > 0) {
		size_t n = archive.len < piece ? archive.len : piece;

		if (!unpack_bytes(&u, slice_head(archive, n)))
			break;
		archive = slice_skip(archive, n);
	}
	assert(!u.local);
	unpack_stop(&u);
	check(&d, &r);
	download_fini(&d);
	clear();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	if (size < 2)
		return 0;
	prepare();
	copy = malloc(size);
	if (copy == NULL)
		return 0;
	memcpy(copy, data + 2, size - 2);
	seal_archive(copy, size - 2);
	unpack(data[0], (size_t)data[1] * 4 + 1, slice_of(copy, size - 2));
	free(copy);
	return 0;
}
