/* SPDX-License-Identifier: ISC */
/* Temporary directories for unit tests, and a look at them as nobody. */
#ifndef TESTS_TREE_H
#define TESTS_TREE_H

#include "check.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char tree_root[PATH_MAX / 4];

/* "<the temporary directory>/name"; valid until the eighth call after. */
static inline const char *
tree_path(const char *name)
{
	static char paths[8][PATH_MAX];
	static unsigned turn;
	char *path = paths[turn++ % 8];

	(void)snprintf(path, PATH_MAX, "%s%s%s", tree_root,
	    name[0] == '\0' ? "" : "/", name);
	return path;
}

/* cmocka fixtures: a new directory, that everybody may enter; all of it gone. */
static inline int
tree_set_up(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	(void)snprintf(tree_root, sizeof(tree_root), "%s/carnation-test.XXXXXX",
	    tmp == NULL ? "/tmp" : tmp);
	return mkdtemp(tree_root) != NULL && chmod(tree_root, 0755) == 0 ? 0
									 : -1;
}

static inline int
tree_tear_down(void **state)
{
	pid_t child = fork();
	int status = -1;

	(void)state;
	/* rm finds its way down paths that are longer than PATH_MAX. */
	if (child == 0) {
		(void)execlp("rm", "rm", "-rf", "--", tree_root, (char *)NULL);
		_exit(127);
	}
	(void)waitpid(child, &status, 0);
	return status;
}

static inline void
tree_dir(const char *name)
{
	assert_int_equal(mkdir(tree_path(name), 0755), 0);
}

static inline void
tree_bytes(const char *name, struct slice bytes)
{
	FILE *f = fopen(tree_path(name), "w");

	assert_non_null(f);
	if (bytes.len > 0)
		assert_int_equal(fwrite(bytes.ptr, 1, bytes.len, f), bytes.len);
	assert_int_equal(fclose(f), 0);
}

static inline void
tree_file(const char *name, const char *text)
{
	tree_bytes(name, slice_str(text));
}

static inline void
tree_link(const char *to, const char *name)
{
	assert_int_equal(symlink(to, tree_path(name)), 0);
}

/* Counts lines in builds that do; in others it is not there. */
extern void __gcov_exit(void) __attribute__((weak));

static inline bool
tree_become_nobody(void)
{
	return geteuid() != 0 || (setgroups(0, NULL) == 0 &&
				     setgid(65534) == 0 && setuid(65534) == 0);
}

/* What f returns in a child, as nobody when that is wanted and we are root. */
static inline int
tree_child(int (*f)(void *), void *arg, bool nobody)
{
	pid_t child = fork();
	int status = 0;

	assert_int_not_equal(child, -1);
	if (child == 0) {
		status = nobody && !tree_become_nobody() ? 127 : f(arg);
		if (__gcov_exit != NULL)
			__gcov_exit();
		_exit(status);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* What f returns when an ordinary user calls it. */
static inline int
tree_as_nobody(int (*f)(void *), void *arg)
{
	return tree_child(f, arg, true);
}

#endif
