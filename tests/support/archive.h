/* SPDX-License-Identifier: ISC */
/* A locked store at store/ in the test's tree, and releases made from lists of
 * paths and texts. */
#ifndef TESTS_SUPPORT_ARCHIVE_H
#define TESTS_SUPPORT_ARCHIVE_H

#include "archive/store_internal.h"
#include "support/tree.h"

/* The store, and the last failure. */
struct archive_fixture {
	struct store *s;
	struct why why;
};
extern struct archive_fixture archive;

/* cmocka fixtures: a tree with a new store, open and locked. */
int archive_set_up(void **state);
int archive_tear_down(void **state);
#define archive_test(test)                                                     \
	cmocka_unit_test_setup_teardown(test, archive_set_up, archive_tear_down)

/* Opens the store, without the lock; with create, makes a missing one. */
bool archive_try_open(bool create);

/* Opens or makes it and takes the lock, or fails the test. */
void archive_open(void);
void archive_close(void);

/* Whether archive.why has words in it; clears it. */
bool archive_failed_with(const char *words);

/* Puts text into the store as an object; digest receives its hash. */
void archive_add_object(const char *text, uint8_t digest[DIGEST_SIZE]);

/* "store/objects/ab/cd...": where the object of a text is. Valid until the next
 * call. */
const char *archive_object_path(const char *text);

/* Overwrites the first bytes of an object in place. */
void archive_corrupt_object(const char *text, const char *with);

/* A manifest of path, text, path, text ..., NULL, with all objects in the
 * store. archive_free_manifest frees its entries. */
struct manifest
archive_make_manifest(uint64_t serial, const char *const *words);
void archive_free_manifest(struct manifest *m);

/* Builds a release of such a list; text is the file MANIFEST. */
bool
archive_try_build(uint64_t serial, const char *text, const char *const *words);

/* The same of arguments; a failure fails the test. */
#define archive_build(serial, ...)                                             \
	do {                                                                   \
		static const char *const words_[] = { __VA_ARGS__, NULL };     \
		if (!archive_try_build((serial), "manifest\n", words_))        \
			fail_msg("%s", archive.why.text);                      \
	} while (0)

/* Makes a release the current one. */
void archive_switch(uint64_t serial);

/* As if a release had been superseded so long ago. */
void archive_age_release(const char *release, int64_t seconds);

/* As if the object of a text had been written by an earlier run. */
void archive_age_object(const char *text);

#endif
