/* SPDX-License-Identifier: ISC */
/* The page of a directory: what the tests of listings share. */
#ifndef TESTS_UNIT_LISTING_HELP_H
#define TESTS_UNIT_LISTING_HELP_H

#include "capsule_help.h"

#include "capsule/listing.h"

/* The page of a directory as it now is. */
static inline struct listing *
page_of(struct listings *l, const char *path)
{
	struct listing *page;
	struct stat st;
	char name[512];
	int fd;

	(void)snprintf(name, sizeof(name), "root/%s", path);
	fd = open(tree_path(name), O_RDONLY | O_DIRECTORY);
	assert_int_not_equal(fd, -1);
	assert_int_equal(fstat(fd, &st), 0);
	page = listing_get(l, help_host(), path, fd, &st);
	(void)close(fd);
	return page;
}

#endif
