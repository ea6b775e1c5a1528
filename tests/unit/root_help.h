/* SPDX-License-Identifier: ISC */
/* A root that is a store: what the tests of host_root and resolve share. */
#ifndef TESTS_UNIT_ROOT_HELP_H
#define TESTS_UNIT_ROOT_HELP_H

#include "capsule_help.h"

#define DIGEST_A "aa" DIGEST_REST
#define DIGEST_REST                                                            \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd"

/* Makes root/ current's release. */
static inline void
root_switch(const char *to)
{
	(void)unlink(tree_path("root/next"));
	tree_link(to, "root/next");
	assert_int_equal(
	    rename(tree_path("root/next"), tree_path("root/current")), 0);
}

/* root/ is a store of two releases, each with one page, an archive and a list;
 * the first is current, and there is one object more. */
static inline void
root_make_store(void)
{
	tree_dir("root/objects");
	tree_dir("root/objects/aa");
	tree_file("root/objects/aa/" DIGEST_REST, "object\n");
	tree_dir("root/releases");
	tree_dir("root/releases/1");
	tree_dir("root/releases/1/mirror");
	tree_file("root/releases/1/index.gmi", "# 1\n");
	tree_file("root/releases/1/mirror/MANIFEST", "list\n");
	tree_file("root/releases/1/mirror/capsule.tar", "archive\n");
	tree_dir("root/releases/22");
	tree_file("root/releases/22/index.gmi", "# 22\n");
	tree_file("root/trace", "serial: 1\n");
	tree_file("root/state", "serial: 1\n");
	tree_file("root/lock", "");
	root_switch("releases/1");
}

#endif
