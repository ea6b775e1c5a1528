/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/sandbox_internal.h"

/* linux/landlock.h of an older system knows fewer rights than the kernel that
 * the program may run on: these are written out, and the kernel is asked which
 * of them it has. Numbers of calls are the same on every processor but Alpha. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

enum {
	CREATE_RULESET_VERSION = 1,
	RULE_PATH_BENEATH = 1,
};

/* Rights to files; those of the first version, then the version of each. */
enum {
	FS_EXECUTE = 1 << 0,
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_REMOVE_DIR = 1 << 4,
	FS_REMOVE_FILE = 1 << 5,
	FS_MAKE_CHAR = 1 << 6,
	FS_MAKE_DIR = 1 << 7,
	FS_MAKE_REG = 1 << 8,
	FS_MAKE_SOCK = 1 << 9,
	FS_MAKE_FIFO = 1 << 10,
	FS_MAKE_BLOCK = 1 << 11,
	FS_MAKE_SYM = 1 << 12,
	FS_REFER = 1 << 13,     /* version 2 */
	FS_TRUNCATE = 1 << 14,  /* 3 */
	FS_IOCTL_DEV = 1 << 15, /* 5 */

	/* rename(2) asks for them when it moves one of these, and a store moves
	 * whatever is in its way; no filter of ours lets one be made. */
	FS_RENAME = FS_MAKE_CHAR | FS_MAKE_SOCK | FS_MAKE_FIFO | FS_MAKE_BLOCK,

	FS_READ = FS_READ_FILE | FS_READ_DIR,
	FS_WRITE = FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE |
		   FS_MAKE_DIR | FS_MAKE_REG | FS_MAKE_SYM | FS_REFER |
		   FS_TRUNCATE | FS_RENAME,
	/* The kernel refuses others for anything but a directory. */
	FS_OF_FILES = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE |
		      FS_IOCTL_DEV,
};

enum {
	NET_BIND_TCP = 1 << 0, /* version 4 */
	NET_CONNECT_TCP = 1 << 1,
	SCOPE_ABSTRACT_SOCKET = 1 << 0, /* version 6 */
	SCOPE_SIGNAL = 1 << 1,
};

/* struct landlock_ruleset_attr: it has grown, and the size says which it is. */
struct ruleset {
	uint64_t fs;
	uint64_t net;    /* version 4 */
	uint64_t scoped; /* version 6 */
};

/* struct landlock_path_beneath_attr */
struct beneath {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

static int
landlock_version(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0,
	    CREATE_RULESET_VERSION);

	if (version < 0)
		return 0;
	return version > SANDBOX_LANDLOCK_NEWEST ? SANDBOX_LANDLOCK_NEWEST
						 : (int)version;
}

/* Everything that this version can refuse. */
static struct ruleset
ruleset_of(enum sandbox_role role, int version)
{
	struct ruleset set = { .fs = FS_MAKE_SYM | (FS_MAKE_SYM - 1) };

	if (version >= 2)
		set.fs |= FS_REFER;
	if (version >= 3)
		set.fs |= FS_TRUNCATE;
	if (version >= 4)
		set.net = role == SANDBOX_CLIENT
			      ? NET_BIND_TCP
			      : NET_BIND_TCP | NET_CONNECT_TCP;
	if (version >= 5)
		set.fs |= FS_IOCTL_DEV;
	if (version >= 6)
		set.scoped = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
	return set;
}

static size_t
ruleset_size(int version)
{
	if (version < 4)
		return offsetof(struct ruleset, net);
	if (version < 6)
		return offsetof(struct ruleset, scoped);
	return sizeof(struct ruleset);
}

/* What is not there, or not for us to see, need not be allowed. */
static bool
path_is_absent(int error)
{
	return error == ENOENT || error == ENOTDIR || error == EACCES ||
	       error == ELOOP;
}

static bool
ruleset_allow_descriptor(int set, int fd, uint64_t allowed, struct why *why)
{
	struct beneath rule = { .allowed = allowed, .parent = fd };
	struct stat st;

	if (fstat(fd, &st) == -1)
		return why_errno(why, "sandbox");
	if (!S_ISDIR(st.st_mode))
		rule.allowed &= FS_OF_FILES;
	/* EBADFD: a pipe, or something else of the kernel's own, for which no
	 * rule is possible; nothing refuses it either. */
	if (syscall(SYS_landlock_add_rule, set, RULE_PATH_BENEATH, &rule, 0) ==
		-1 &&
	    errno != EBADFD)
		return why_errno(why, "sandbox: landlock_add_rule");
	return true;
}

static bool
ruleset_allow(int set, const struct ruleset *known,
    const struct sandbox_path *p, struct why *why)
{
	uint64_t allowed =
	    known->fs & (p->write ? FS_READ | FS_WRITE : FS_READ);
	bool ok;
	int fd;

	if (p->path == NULL)
		return p->fd == -1 ||
		       ruleset_allow_descriptor(set, p->fd, allowed, why);
	fd = open(p->path, O_PATH | O_CLOEXEC);
	if (fd == -1)
		return path_is_absent(errno) || why_errno(why, p->path);
	ok = ruleset_allow_descriptor(set, fd, allowed, why);
	close(fd);
	return ok;
}

static bool
ruleset_allow_all(int set, const struct ruleset *known,
    const struct sandbox_path *paths, size_t n, struct why *why)
{
	const struct sandbox_path proc = { .path = "/proc" };

	for (size_t i = 0; i < n; i++)
		if (!paths[i].shared &&
		    !ruleset_allow(set, known, &paths[i], why))
			return false;
	return !SANITIZED || ruleset_allow(set, known, &proc, why);
}

bool
landlock_enter(enum sandbox_role role, const struct sandbox_path *paths,
    size_t n, int *version, struct why *why)
{
	int offered = landlock_version();
	struct ruleset rules = ruleset_of(role, offered);
	bool ok;
	int set;

	*version = 0;
	if (offered == 0 || role == SANDBOX_PARENT ||
	    (offered < SANDBOX_LANDLOCK_LINKS && sandbox_writes(paths, n)))
		return true;
	set = (int)syscall(
	    SYS_landlock_create_ruleset, &rules, ruleset_size(offered), 0);
	if (set == -1)
		return why_errno(why, "sandbox: landlock_create_ruleset");
	ok = ruleset_allow_all(set, &rules, paths, n, why);
	if (ok && syscall(SYS_landlock_restrict_self, set, 0) == 0)
		*version = offered;
	else if (ok && errno != EPERM && errno != ENOSYS)
		/* A filter around us may know the first call alone. */
		ok = why_errno(why, "sandbox: landlock_restrict_self");
	close(set);
	return ok;
}
