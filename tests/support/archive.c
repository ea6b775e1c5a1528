/* SPDX-License-Identifier: ISC */
#include "support/archive.h"

#include <fcntl.h>
#include <time.h>

struct archive_fixture archive;

void
archive_close(void)
{
	store_close(&archive.s);
}

bool
archive_try_open(bool create)
{
	archive_close();
	archive.s = store_open(tree_path("store"), create, &archive.why);
	return archive.s != NULL;
}

void
archive_open(void)
{
	if (!archive_try_open(true) ||
	    store_lock(archive.s, &archive.why) != RESULT_GOOD)
		fail_msg("no store: %s", archive.why.text);
}

int
archive_set_up(void **state)
{
	if (tree_set_up(state) != 0)
		return -1;
	why_clear(&archive.why);
	archive_open();
	return 0;
}

int
archive_tear_down(void **state)
{
	archive_close();
	return tree_tear_down(state);
}

bool
archive_failed_with(const char *words)
{
	bool reported = strstr(archive.why.text, words) != NULL;

	if (!reported)
		print_message("why: %s\n", archive.why.text);
	why_clear(&archive.why);
	return reported;
}

void
archive_add_object(const char *text, uint8_t digest[DIGEST_SIZE])
{
	struct store_object *o = store_object_new(archive.s, &archive.why);

	assert_non_null(o);
	assert_true(store_object_put(o, slice_str(text), &archive.why));
	assert_int_equal(
	    store_object_keep(&o, NULL, digest, &archive.why), STORE_KEPT);
	assert_null(o);
}

const char *
archive_object_path(const char *text)
{
	static char path[DIGEST_HEX_SIZE + 32];
	char inside[STORE_PATH_SIZE];
	uint8_t digest[DIGEST_SIZE];

	digest_sha256(slice_str(text), digest);
	store_layout_object(digest, inside);
	snprintf(path, sizeof(path), "store/%s", inside);
	return path;
}

void
archive_corrupt_object(const char *text, const char *with)
{
	const char *path = tree_path(archive_object_path(text));
	int fd;

	assert_int_equal(chmod(path, 0644), 0);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd != -1);
	assert_int_equal(write(fd, with, strlen(with)), strlen(with));
	assert_int_equal(close(fd), 0);
}

struct manifest
archive_make_manifest(uint64_t serial, const char *const *words)
{
	struct manifest m = { .serial = serial, .created = 1577836800 };

	while (words[2 * m.n] != NULL)
		m.n++;
	m.entry = calloc(m.n + 1, sizeof(*m.entry));
	assert_non_null(m.entry);
	for (size_t i = 0; i < m.n; i++) {
		m.entry[i].path = strdup(words[2 * i]);
		archive_add_object(words[2 * i + 1], m.entry[i].digest);
	}
	m.files = m.n;
	return m;
}

void
archive_free_manifest(struct manifest *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->entry[i].path);
	free(m->entry);
}

bool
archive_try_build(uint64_t serial, const char *text, const char *const *words)
{
	struct manifest m = archive_make_manifest(serial, words);
	bool ok = store_build(archive.s, &m, slice_str(text), &archive.why);

	archive_free_manifest(&m);
	return ok;
}

void
archive_switch(uint64_t serial)
{
	if (!store_switch(archive.s, serial, &archive.why))
		fail_msg("%s", archive.why.text);
}

void
archive_age_object(const char *text)
{
	archive_age_release(archive_object_path(text), 3600);
}

void
archive_age_release(const char *release, int64_t seconds)
{
	struct timespec times[2] = { 0 };

	clock_gettime(CLOCK_REALTIME, &times[1]);
	times[1].tv_sec -= seconds;
	times[0] = times[1];
	assert_int_equal(utimensat(AT_FDCWD, tree_path(release), times, 0), 0);
}
