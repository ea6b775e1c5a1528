/* SPDX-License-Identifier: ISC */
/* Addresses out of texts, for the tests of os/listen. */
#ifndef TESTS_UNIT_LISTEN_HELP_H
#define TESTS_UNIT_LISTEN_HELP_H

#include "tree.h"

#include "os/listen.h"

static inline struct listen_address
address(const char *text)
{
	struct listen_address a[2];
	struct why why;
	size_t n;

	assert_true(listen_parse(text, a, &n, &why));
	return a[0];
}

static inline struct listen_address
unix_address(const char *name)
{
	char text[PATH_MAX + 8];

	(void)snprintf(text, sizeof(text), "unix:%s", tree_path(name));
	return address(text);
}

#endif
