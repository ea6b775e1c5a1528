/* SPDX-License-Identifier: ISC */
/* A store in a temporary directory, and releases made from tables: what the tests of
 * src/archive share. Depends on archive. */
#ifndef TESTS_UNIT_STORE_HELP_H
#define TESTS_UNIT_STORE_HELP_H

#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "archive/store_internal.h"
#include "os/file.h"

/* store.s is locked, at store/; what went wrong is in store.why. */
static struct {
	struct store *s;
	struct why why;
} help;

static inline void
help_close(void)
{
	store_close(&help.s);
}

/* Opens the store, or makes it. */
static inline bool
help_try_open(bool create)
{
	help_close();
	help.s = store_open(tree_path("store"), create, &help.why);
	return help.s != NULL;
}

static inline void
help_open(void)
{
	if (!help_try_open(true) ||
	    store_lock(help.s, &help.why) != STORE_LOCKED)
		fail_msg("no store: %s", help.why.text);
}

static inline int
help_set_up(void **state)
{
	if (tree_set_up(state) != 0)
		return -1;
	why_clear(&help.why);
	help_open();
	return 0;
}

static inline int
help_tear_down(void **state)
{
	help_close();
	return tree_tear_down(state);
}

/* Whether why has words in it; forgets it. */
static inline bool
help_told(const char *words)
{
	bool told = strstr(help.why.text, words) != NULL;

	if (!told)
		print_message("why: %s\n", help.why.text);
	why_clear(&help.why);
	return told;
}

/* Entries of a directory of the tree, without "." and "..". */
static inline size_t
help_entries(const char *name)
{
	DIR *dir = opendir(tree_path(name));
	const struct dirent *entry;
	size_t n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		n += strcmp(entry->d_name, ".") != 0 &&
		     strcmp(entry->d_name, "..") != 0;
	(void)closedir(dir);
	return n;
}

static inline bool
help_is_there(const char *name)
{
	struct stat st;

	return lstat(tree_path(name), &st) == 0;
}

static inline struct stat
help_stat(const char *name)
{
	struct stat st;

	if (lstat(tree_path(name), &st) == -1)
		fail_msg("%s: %s", name, strerror(errno));
	return st;
}

static inline void
help_check_file(const char *name, struct slice want)
{
	struct buf got;

	buf_init(&got, 1 << 20);
	if (!file_read_path(tree_path(name), &got))
		fail_msg("%s: %s", name, strerror(errno));
	check_slice(buf_view(&got), want);
	buf_fini(&got);
}

/* Puts text into the store as an object. */
static inline void
help_object(const char *text, uint8_t digest[DIGEST_SIZE])
{
	struct store_object *o = store_object_new(help.s, &help.why);

	assert_non_null(o);
	assert_true(store_object_put(o, slice_str(text), &help.why));
	assert_int_equal(
	    store_object_keep(&o, NULL, digest, &help.why), STORE_KEPT);
	assert_null(o);
}

/* "store/objects/ab/cd...": where the object of a text is. Valid until the next. */
static inline const char *
help_object_path(const char *text)
{
	static char path[DIGEST_HEX_SIZE + 32];
	char inside[DIGEST_HEX_SIZE + 16];
	uint8_t digest[DIGEST_SIZE];

	digest_sha256(slice_str(text), digest);
	store_object_path(digest, inside);
	(void)snprintf(path, sizeof(path), "store/%s", inside);
	return path;
}

/* Overwrites an object's bytes where they lie. */
static inline void
help_rot(const char *text, const char *with)
{
	const char *path = tree_path(help_object_path(text));
	int fd;

	assert_int_equal(chmod(path, 0644), 0);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd != -1);
	assert_int_equal(write(fd, with, strlen(with)), strlen(with));
	assert_int_equal(close(fd), 0);
}

/* Cuts a file of the store, which nobody may write, to size, or lengthens it. */
static inline void
help_cut(const char *name, off_t size)
{
	assert_int_equal(chmod(tree_path(name), 0644), 0);
	assert_int_equal(truncate(tree_path(name), size), 0);
}

/* A manifest of "path" and "text" in turns, NULL at the end, objects and all. */
static inline struct manifest
help_manifest(uint64_t serial, const char *const *words)
{
	struct manifest m = { .serial = serial, .created = 1577836800 };

	while (words[2 * m.n] != NULL)
		m.n++;
	m.entry = calloc(m.n + 1, sizeof(*m.entry));
	assert_non_null(m.entry);
	for (size_t i = 0; i < m.n; i++) {
		m.entry[i].path = strdup(words[2 * i]);
		help_object(words[2 * i + 1], m.entry[i].digest);
	}
	m.files = m.n;
	return m;
}

static inline void
help_manifest_free(struct manifest *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->entry[i].path);
	free(m->entry);
}

/* Builds a release, whose manifest's bytes are just text. */
static inline bool
help_try_build(uint64_t serial, const char *text, const char *const *words)
{
	struct manifest m = help_manifest(serial, words);
	bool ok = store_build(help.s, &m, slice_str(text), &help.why);

	help_manifest_free(&m);
	return ok;
}

#define help_build(serial, ...)                                                \
	do {                                                                   \
		static const char *const words_[] = { __VA_ARGS__, NULL };     \
		if (!help_try_build((serial), "manifest\n", words_))           \
			fail_msg("%s", help.why.text);                         \
	} while (0)

static inline void
help_switch(uint64_t serial)
{
	if (!store_switch(help.s, serial, &help.why))
		fail_msg("%s", help.why.text);
}

/* As if a release had been superseded so long ago. */
static inline void
help_age(const char *release, int64_t seconds)
{
	struct timespec times[2] = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &times[1]);
	times[1].tv_sec -= seconds;
	times[0] = times[1];
	assert_int_equal(utimensat(AT_FDCWD, tree_path(release), times, 0), 0);
}

/* No file may grow beyond so many bytes; SIZE_MAX: any. In a child. */
static inline void
help_no_room(rlim_t bytes)
{
	struct rlimit limit = { .rlim_cur = bytes, .rlim_max = RLIM_INFINITY };

	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

#define in_a_store(test)                                                       \
	cmocka_unit_test_setup_teardown(test, help_set_up, help_tear_down)

#endif
