/* SPDX-License-Identifier: ISC */
#include "support/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/wait.h>

#include "os/file.h"

/* Writes the line counters of a build that has them, which _exit() does not;
 * in other builds it is NULL. */
extern void __gcov_exit(void) __attribute__((weak));

static char tree_root[PATH_MAX / 4];
static struct rlimit descriptors_before;

const char *
tree_path(const char *name)
{
	static char paths[8][PATH_MAX];
	static unsigned turn;
	char *path = paths[turn++ % 8];

	snprintf(path, PATH_MAX, "%s%s%s", tree_root,
	    name[0] == '\0' ? "" : "/", name);
	return path;
}

int
tree_set_up(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(tree_root, sizeof(tree_root), "%s/carnation-test.XXXXXX",
	    tmp == NULL ? "/tmp" : tmp);
	return mkdtemp(tree_root) != NULL && chmod(tree_root, 0755) == 0 ? 0
									 : -1;
}

int
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
	waitpid(child, &status, 0);
	return status;
}

void
tree_make_dir(const char *name)
{
	assert_int_equal(mkdir(tree_path(name), 0755), 0);
}

void
tree_write_bytes(const char *name, struct slice bytes)
{
	FILE *f = fopen(tree_path(name), "w");

	assert_non_null(f);
	if (bytes.len > 0)
		assert_int_equal(fwrite(bytes.ptr, 1, bytes.len, f), bytes.len);
	assert_int_equal(fclose(f), 0);
}

void
tree_write(const char *name, const char *text)
{
	tree_write_bytes(name, slice_str(text));
}

void
tree_symlink(const char *to, const char *name)
{
	assert_int_equal(symlink(to, tree_path(name)), 0);
}

static bool
tree_become_nobody(void)
{
	return geteuid() != 0 || (setgroups(0, NULL) == 0 &&
				     setgid(65534) == 0 && setuid(65534) == 0);
}

int
tree_run_child(int (*f)(void *), void *arg, bool nobody)
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

int
tree_run_as_nobody(int (*f)(void *), void *arg)
{
	return tree_run_child(f, arg, true);
}

size_t
tree_count_entries(const char *name)
{
	DIR *dir = opendir(tree_path(name));
	const struct dirent *entry;
	size_t n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		n += strcmp(entry->d_name, ".") != 0 &&
		     strcmp(entry->d_name, "..") != 0;
	closedir(dir);
	return n;
}

bool
tree_exists(const char *name)
{
	struct stat st;

	return lstat(tree_path(name), &st) == 0;
}

struct stat
tree_stat(const char *name)
{
	struct stat st;

	if (lstat(tree_path(name), &st) == -1)
		fail_msg("%s: %s", name, strerror(errno));
	return st;
}

void
tree_check_file(const char *name, struct slice want)
{
	struct buf got;

	buf_init(&got, 1 << 20);
	if (!file_read_path(tree_path(name), &got))
		fail_msg("%s: %s", name, strerror(errno));
	check_slice(buf_view(&got), want);
	buf_fini(&got);
}

void
tree_truncate(const char *name, off_t size)
{
	assert_int_equal(chmod(tree_path(name), 0644), 0);
	assert_int_equal(truncate(tree_path(name), size), 0);
}

void
limit_file_size(rlim_t bytes)
{
	struct rlimit limit = { .rlim_cur = bytes, .rlim_max = RLIM_INFINITY };

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

void
descriptors_limit(unsigned n)
{
	struct rlimit limit;
	int lowest = dup(STDERR_FILENO);

	assert_true(lowest != -1);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &descriptors_before), 0);
	limit = descriptors_before;
	limit.rlim_cur = (rlim_t)lowest + n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

void
descriptors_unlimit(void)
{
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &descriptors_before), 0);
}
