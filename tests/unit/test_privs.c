/* SPDX-License-Identifier: ISC */
#include "support/tree.h"

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "os/privs.h"

static bool
find(const char *user, const char *group, struct privs *out)
{
	struct why why;
	bool ok;

	why_clear(&why);
	ok = privs_find(user, group, out, &why);
	assert_int_equal(ok, why.text[0] == '\0');
	return ok;
}

/* Statuses of a child that checks by itself: 0 is good. */
#define want(condition)                                                        \
	do {                                                                   \
		if (!(condition))                                              \
			return __LINE__ % 200 + 1;                             \
	} while (0)

/* Not root: nothing to drop, and no other user to become. */
static int
as_ordinary_user(void *arg)
{
	const struct passwd *pw = getpwuid(getuid());
	struct privs p;

	(void)arg;
	want(find(NULL, NULL, &p) && !p.wanted);
	want(pw == NULL || strcmp(p.user, pw->pw_name) == 0);
	want(p.uid == getuid() && p.gid == getgid());
	want(!find("root", NULL, &p));
	want(!find("no such user", NULL, &p));
	want(!find(NULL, "root", &p));
	want(!find(NULL, "no such group", &p));
	want(pw == NULL || (find(pw->pw_name, NULL, &p) && !p.wanted));
	want(pw == NULL || !find(pw->pw_name, "root", &p));
	p.wanted = false;
	want(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
	want(privs_drop(&p));
	want(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	want(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	/* A user who is not root cannot become another. */
	p.wanted = true;
	p.uid = p.gid = 1;
	want(!privs_drop(&p));
	return 0;
}

static void
test_unprivileged_user_is_kept(void **state)
{
	(void)state;
	assert_int_equal(tree_run_as_nobody(as_ordinary_user, NULL), 0);
}

static void
test_root_drops_to_another_user(void **state)
{
	struct privs p;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_true(find(NULL, NULL, &p));
	assert_true(p.wanted);
	assert_int_not_equal(p.uid, 0);
	assert_true(find("nobody", NULL, &p));
	assert_string_equal(p.user, "nobody");
	assert_int_equal(p.uid, getpwnam("nobody")->pw_uid);
	assert_true(find("nobody", "mail", &p));
	assert_int_not_equal(p.gid, getpwnam("nobody")->pw_gid);
	assert_false(find("root", NULL, &p));
	assert_false(find("nobody", "root", &p));
	assert_false(find("no such user", NULL, &p));
	assert_false(find("nobody", "no such group", &p));
}

static int
drop(void *arg)
{
	struct privs p;
	gid_t groups[4];

	(void)arg;
	want(find("nobody", NULL, &p));
	want(privs_drop(&p));
	want(getuid() == p.uid && geteuid() == p.uid);
	want(getgid() == p.gid && getegid() == p.gid);
	want(getgroups(4, groups) == 1 && groups[0] == p.gid);
	want(setuid(0) == -1 && setgid(0) == -1);
	want(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	want(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	return 0;
}

/* A process that keeps its powers through the change can take root back: the
 * proof must see it. */
static int
drop_that_keeps_powers(void *arg)
{
	struct privs p;

	(void)arg;
	want(find("nobody", NULL, &p));
	want(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);
	want(!privs_drop(&p));
	return 0;
}

static int
drop_to_root(void *arg)
{
	struct privs p = { .wanted = true, .uid = 0, .gid = 1 };

	(void)arg;
	want(!privs_drop(&p));
	return 0;
}

static void
test_drop_is_final(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(tree_run_child(drop, NULL, false), 0);
	assert_int_equal(
	    tree_run_child(drop_that_keeps_powers, NULL, false), 0);
	assert_int_equal(tree_run_child(drop_to_root, NULL, false), 0);
}

/* Child and grandchild: the grandchild goes when the child does. */
static int
die_with_parent(void *arg)
{
	pid_t self = getpid();
	pid_t grandchild;
	int ready[2];
	char byte;

	(void)arg;
	want(!privs_die_with(self)); /* no process is its own parent */
	want(pipe(ready) == 0);
	grandchild = fork();
	if (grandchild == 0) {
		if (!privs_die_with(self))
			_exit(1);
		(void)!write(ready[1], "x", 1);
		for (;;)
			(void)pause();
	}
	want(grandchild != -1 && read(ready[0], &byte, 1) == 1);
	return 0;
}

static void
test_die_with(void **state)
{
	int alive[2];
	char byte;

	(void)state;
	assert_int_equal(pipe(alive), 0);
	assert_int_equal(tree_run_child(die_with_parent, NULL, false), 0);
	/* The pipe closes when the last process with its other end has
	 * exited. */
	close(alive[1]);
	alarm(10);
	assert_int_equal(read(alive[0], &byte, 1), 0);
	alarm(0);
	close(alive[0]);
}

static int
no_core(void *arg)
{
	struct rlimit limit;

	(void)arg;
	privs_no_core();
	want(getrlimit(RLIMIT_CORE, &limit) == 0);
	want(limit.rlim_cur == 0 && limit.rlim_max == 0);
	want(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	return 0;
}

static int
descriptors(void *arg)
{
	struct rlimit limit = { 32, 64 };

	(void)arg;
	want(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	want(privs_descriptors() == 64);
	want(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur == 64);
	want(privs_descriptors() == 64);
	return 0;
}

static int
standard_descriptors(void *arg)
{
	int before = dup(STDERR_FILENO);
	int after;

	(void)arg;
	close(STDIN_FILENO);
	close(STDERR_FILENO);
	privs_standard_descriptors();
	want(fcntl(STDIN_FILENO, F_GETFD) != -1);
	want(fcntl(STDERR_FILENO, F_GETFD) != -1);
	want(write(STDERR_FILENO, "x", 1) == 1);
	privs_standard_descriptors(); /* nothing is missing: nothing stays */
	after = dup(STDERR_FILENO);
	want(after == before + 1);
	return 0;
}

static void
test_limits(void **state)
{
	(void)state;
	assert_int_equal(tree_run_child(no_core, NULL, false), 0);
	assert_int_equal(tree_run_child(descriptors, NULL, false), 0);
	assert_int_equal(tree_run_child(standard_descriptors, NULL, false), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unprivileged_user_is_kept),
		cmocka_unit_test(test_root_drops_to_another_user),
		cmocka_unit_test(test_drop_is_final),
		cmocka_unit_test(test_die_with),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
