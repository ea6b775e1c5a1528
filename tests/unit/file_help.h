/* SPDX-License-Identifier: ISC */
/* A root with one of everything that can lie below it: what the tests of os/file
 * share. */
#ifndef TESTS_UNIT_FILE_HELP_H
#define TESTS_UNIT_FILE_HELP_H

#include "tree.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "os/file.h"
#include "os/file_internal.h"

static inline void
make_tree(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	tree_dir("root");
	tree_dir("root/dir");
	tree_dir("root/dir/sub");
	tree_file("outside", "canary");
	tree_file("root/a.txt", "a");
	tree_file("root/dir/sub/b.txt", "bb");
	tree_link("../outside", "root/out");
	tree_link("/etc", "root/etc");
	tree_link("loop", "root/loop");
	tree_link("/proc/self/fd/0", "root/magic");
	tree_link("a.txt", "root/in");
	tree_link("dir/sub", "root/indir");
	assert_int_equal(mkfifo(tree_path("root/fifo"), 0644), 0);
	(void)snprintf(
	    sun.sun_path, sizeof(sun.sun_path), "%s", tree_path("root/socket"));
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	(void)close(fd);
}

#endif
