/* SPDX-License-Identifier: ISC */
#include "os/privs.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A worker's user when none is configured: the first that exists. */
static const char *const default_users[] = { "carnation", "nobody" };

static const struct passwd *
user_find(const char *user, struct why *why)
{
	const struct passwd *pw = NULL;
	size_t i;

	if (user != NULL) {
		pw = getpwnam(user);
		if (pw == NULL)
			why_set(why, "unknown user \"%s\"", user);
		return pw;
	}
	for (i = 0; pw == NULL && i < 2; i++)
		pw = getpwnam(default_users[i]);
	if (pw == NULL)
		why_set(why, "neither user \"carnation\" nor user "
			     "\"nobody\" exists: set \"user\"");
	return pw;
}

static bool
group_find(const char *group, gid_t *gid, struct why *why)
{
	const struct group *gr;

	if (group == NULL)
		return true;
	gr = getgrnam(group);
	if (gr == NULL)
		return why_set(why, "unknown group \"%s\"", group);
	*gid = gr->gr_gid;
	return true;
}

/* Only root can become another user: a configured one must be our own. */
static bool
user_is_ours(uid_t uid, gid_t gid, const char *group, struct why *why)
{
	if (uid != geteuid())
		return why_set(why, "only root can change to another user: "
				    "start as root or remove \"user\"");
	if (group != NULL && gid != getegid())
		return why_set(why, "only root can change to another group: "
				    "start as root or remove \"group\"");
	return true;
}

/* For messages: a number where the user has no name. */
static void
privs_name_user(struct privs *p)
{
	const struct passwd *pw = getpwuid(p->uid);

	if (pw != NULL)
		snprintf(p->user, sizeof(p->user), "%s", pw->pw_name);
	else
		snprintf(p->user, sizeof(p->user), "%ju", (uintmax_t)p->uid);
}

bool
privs_find(
    const char *user, const char *group, struct privs *out, struct why *why)
{
	const struct passwd *pw;
	bool root = geteuid() == 0;
	gid_t gid = getegid();

	*out = (struct privs){ .uid = geteuid(), .gid = getegid() };
	privs_name_user(out);
	if (!root && user == NULL)
		return group_find(group, &gid, why) &&
		       user_is_ours(geteuid(), gid, group, why);
	pw = user_find(user, why);
	if (pw == NULL)
		return false;
	out->wanted = root;
	out->uid = pw->pw_uid;
	out->gid = pw->pw_gid;
	snprintf(out->user, sizeof(out->user), "%s", pw->pw_name);
	if (!group_find(group, &out->gid, why))
		return false;
	if (!root)
		return user_is_ours(out->uid, out->gid, group, why);
	if (out->uid == 0 || out->gid == 0)
		return why_set(why, "workers never run as %s: set another",
		    out->uid == 0 ? "root" : "group 0");
	return true;
}

/* Checks every identity as the kernel reports it, and that root cannot be
 * regained: trusting the result of setuid() alone has been a mistake often. */
static bool
privs_prove_dropped(uid_t uid, gid_t gid)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid, groups[2];

	if (getresuid(&ruid, &euid, &suid) == -1 || ruid != uid ||
	    euid != uid || suid != uid)
		return false;
	if (getresgid(&rgid, &egid, &sgid) == -1 || rgid != gid ||
	    egid != gid || sgid != gid)
		return false;
	if (getgroups(2, groups) != 1 || groups[0] != gid)
		return false;
	return setuid(0) == -1 && seteuid(0) == -1 && setgid(0) == -1 &&
	       setegid(0) == -1;
}

/* Whether the kernel reports all our capability sets as empty, except the
 * inheritable one when that is allowed. */
static bool
capabilities_prove_none(bool inheritable)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	size_t i;

	if (syscall(SYS_capget, &header, data) == -1)
		return false;
	for (i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		if (data[i].effective != 0 || data[i].permitted != 0 ||
		    (!inheritable && data[i].inheritable != 0))
			return false;
	return true;
}

/* A service manager may have given some to a user who is not root, and root's
 * inheritable ones survive a change of user. The ambient set is never more than
 * what is permitted and inheritable: capabilities(7). */
static bool
capabilities_drop(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {
		{ 0 }
	};

	/* EINVAL before Linux 4.3, which has no ambient set. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1 &&
	    errno != EINVAL)
		return false;
	/* A service manager's filter may refuse this, of a service that has none
	 * (SystemCallFilter=~@privileged): what counts is what the kernel
	 * reports. */
	(void)syscall(SYS_capset, &header, none);
	return capabilities_prove_none(false);
}

bool
privs_drop(const struct privs *p)
{
	if (p->wanted) {
		if (p->uid == 0 || p->gid == 0)
			return false;
		if (setgroups(1, &p->gid) == -1 ||
		    setresgid(p->gid, p->gid, p->gid) == -1 ||
		    setresuid(p->uid, p->uid, p->uid) == -1)
			return false;
		/* Root's capabilities can be kept across a change of user. */
		if (!privs_prove_dropped(p->uid, p->gid) ||
		    !capabilities_prove_none(true))
			return false;
	}
	/* A change of user sets dumpable to fs.suid_dumpable: proc(5). */
	return capabilities_drop() && prctl(PR_SET_DUMPABLE, 0) == 0 &&
	       prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

bool
privs_die_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1)
		return false;
	/* It may have died before we asked for the signal. */
	return getppid() == parent;
}

void
privs_ignore_signals(void)
{
	static const int ignored[] = { SIGPIPE, SIGUSR2, SIGXFSZ };

	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
}

void
privs_quiet_signals(void)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1 };
	sigset_t none;

	privs_ignore_signals();
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void
privs_no_core(void)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

size_t
privs_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		return _POSIX_OPEN_MAX;
	if (limit.rlim_cur < limit.rlim_max) {
		rlim_t before = limit.rlim_cur;

		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
			limit.rlim_cur = before;
	}
	return limit.rlim_cur > INT_MAX ? INT_MAX : (size_t)limit.rlim_cur;
}

void
privs_standard_descriptors(void)
{
	int fd;

	/* The lowest free descriptor is the one that is missing. */
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}
