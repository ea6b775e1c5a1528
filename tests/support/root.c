/* SPDX-License-Identifier: ISC */
#include "support/root.h"

#include <sys/socket.h>
#include <sys/un.h>

void
root_make_files(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	tree_make_dir("root");
	tree_make_dir("root/dir");
	tree_make_dir("root/dir/sub");
	tree_write("outside", "canary");
	tree_write("root/a.txt", "a");
	tree_write("root/dir/sub/b.txt", "bb");
	tree_symlink("../outside", "root/out");
	tree_symlink("/etc", "root/etc");
	tree_symlink("loop", "root/loop");
	tree_symlink("/proc/self/fd/0", "root/magic");
	tree_symlink("a.txt", "root/in");
	tree_symlink("dir/sub", "root/indir");
	assert_int_equal(mkfifo(tree_path("root/fifo"), 0644), 0);
	snprintf(
	    sun.sun_path, sizeof(sun.sun_path), "%s", tree_path("root/socket"));
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
}

void
root_switch(const char *to)
{
	unlink(tree_path("root/next"));
	tree_symlink(to, "root/next");
	assert_int_equal(
	    rename(tree_path("root/next"), tree_path("root/current")), 0);
}

void
root_make_store(void)
{
	tree_make_dir("root/objects");
	tree_make_dir("root/objects/aa");
	tree_write("root/objects/aa/" DIGEST_REST, "object\n");
	tree_make_dir("root/releases");
	tree_make_dir("root/releases/1");
	tree_make_dir("root/releases/1/mirror");
	tree_write("root/releases/1/index.gmi", "# 1\n");
	tree_write("root/releases/1/mirror/MANIFEST", "list\n");
	tree_write("root/releases/1/mirror/capsule.tar", "archive\n");
	tree_make_dir("root/releases/22");
	tree_write("root/releases/22/index.gmi", "# 22\n");
	tree_write("root/trace", "serial: 1\n");
	tree_write("root/state", "serial: 1\n");
	tree_write("root/lock", "");
	root_switch("releases/1");
}
