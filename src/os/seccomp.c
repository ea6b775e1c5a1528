/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/sandbox_internal.h"

/* Calls are refused by name, and all others allowed: which harmless calls a
 * process makes depends on the C library, its version and the processor, and a
 * list of what is allowed has to follow them all. The harmful ones are known,
 * and numbers that were given out later than this list was written answer
 * ENOSYS, as on the kernels before. keyd alone makes so few calls that they can be
 * listed.
 *
 * What a filter cannot see: openat2(2) takes its flags in memory. Without
 * Landlock a worker could open files for writing where its user may. */

enum {
	/* set_mempolicy_home_node(2), Linux 5.17. To raise it, read what has
	 * come since, and list what harms. */
	NEWEST_KNOWN = 450,
	REFUSED = EPERM,

	/* A call that means nothing, prctl(MARK), answers this where the
	 * parent's filter is in force. */
	MARK = 0x63617231,
	MARK_ANSWER = EUNATCH,
};

/* To no process of ours. */
static const char *const harmful[] = {
	/* other processes */
	"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise",
	"process_mrelease", "kcmp", "pidfd_getfd", "get_robust_list",
	/* the kernel's own code and memory */
	"bpf", "perf_event_open", "userfaultfd", "io_uring_setup",
	"io_uring_enter", "io_uring_register", "init_module", "finit_module",
	"delete_module", "create_module", "get_kernel_syms", "query_module",
	"kexec_load", "kexec_file_load", "lookup_dcookie", "nfsservctl",
	"modify_ldt", "iopl", "ioperm", "vm86", "vm86old", "uselib", "sysfs",
	"_sysctl", "move_pages", "migrate_pages", "mbind", "set_mempolicy",
	"set_mempolicy_home_node",
	/* keys of the kernel's */
	"add_key", "request_key", "keyctl",
	/* what there is to see */
	"mount", "umount", "umount2", "pivot_root", "chroot", "mount_setattr",
	"move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick",
	"unshare", "setns", "name_to_handle_at", "open_by_handle_at",
	"fanotify_init", "fanotify_mark", "mknod", "mknodat",
	/* the machine */
	"reboot", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd",
	"syslog", "vhangup", "sethostname", "setdomainname", "settimeofday",
	"stime", "adjtimex", "clock_settime", "clock_settime64",
	"clock_adjtime", "clock_adjtime64", NULL
};

/* To none that is confined. */
static const char *const powerful[] = { "execve", "execveat", "fork", "vfork",
	/* other processes */
	"kill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open",
	"pidfd_send_signal", "sched_setaffinity", "sched_setattr",
	"sched_setparam", "sched_setscheduler", "setpriority", "ioprio_set",
	"setpgid", "setsid", "listen",
	/* what was given up before */
	"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid",
	"setgroups", "setfsuid", "setfsgid", "setuid32", "setgid32",
	"setreuid32", "setregid32", "setresuid32", "setresgid32", "setgroups32",
	"setfsuid32", "setfsgid32", "capset", "personality",
	/* memory that others can reach, or that can be executed */
	"shmget", "shmat", "msgget", "semget", "mq_open", "mq_unlink",
	"memfd_create", "memfd_secret", "remap_file_pages", NULL };

static const char *const of_sockets[] = { "socket", "socketpair", "connect",
	"bind", NULL };

static const char *const of_servers[] = { "accept", "accept4", NULL };

/* What changes files, but open and openat, which depend on their flags. */
static const char *const changing[] = { "creat", "truncate", "truncate64",
	"unlink", "unlinkat", "rename", "renameat", "renameat2", "link",
	"linkat", "symlink", "symlinkat", "mkdir", "mkdirat", "rmdir", "chmod",
	"fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat",
	"chown32", "fchown32", "lchown32", "setxattr", "lsetxattr", "fsetxattr",
	"removexattr", "lremovexattr", "fremovexattr", "utime", "utimes",
	"futimesat", "utimensat", "utimensat_time64", "fallocate", "ftruncate",
	"ftruncate64", NULL };

/* What reconfigures the descriptor in its first argument. */
static const char *const preparing[] = { "setsockopt", "shutdown", "fcntl",
	"fcntl64", "ioctl", "flock", "dup", "dup2", "dup3", NULL };

/* keyd signs (read, write, poll), OpenSSL checks whether it was forked (getpid)
 * and once an hour asks for new randomness (getrandom); memory may be taken and
 * given back, but never executed. The rest ends it, and says why: an assertion
 * is printed. */
static const char *const of_keyd[] = { "read", "write", "writev", "recv",
	"recvfrom", "recvmsg", "send", "sendto", "sendmsg", "poll", "ppoll",
	"ppoll_time64", "getpid", "gettid", "getrandom", "clock_gettime",
	"clock_gettime64", "gettimeofday", "time", "brk", "munmap", "madvise",
	"futex", "futex_time64", "restart_syscall", "rt_sigreturn", "sigreturn",
	"rt_sigprocmask", "rt_sigaction", "exit", "exit_group", "close",
#if SANITIZED
	"mremap", "sched_yield", "sigaltstack", "getrusage", "nanosleep",
	"clock_nanosleep",
#endif
	NULL };

enum {
	IOCTL_TIOCSTI = 0x5412,   /* types on a terminal */
	IOCTL_TIOCLINUX = 0x541c, /* the same, pasting */
	IOCTL_FIOSETOWN = 0x8901, /* signals to somebody else */
	IOCTL_SIOCSPGRP = 0x8902,
	FCNTL_SETOWN = 8,
	FCNTL_SETSIG = 10,
	FCNTL_SETOWN_EX = 15,
	PRCTL_SET_PTRACER = 0x59616d61,
	CLONE_FLAGS_ARGUMENT = 0,
};

/* On 32-bit x86, C libraries make these through socketcall(2), whose arguments lie
 * in memory. libseccomp would refuse them there whatever those are. */
static const char *const multiplexed[] = { "socket", "setsockopt", "shutdown",
	"sendto", "sendmsg", "sendmmsg", NULL };

/* A rule with one argument; adding stops at the first error, kept in error. */
struct filter {
	scmp_filter_ctx ctx;
	bool multiplexes; /* socket calls, so that their arguments are hidden */
	int error;        /* 0, or negative */
};

static bool
filter_sees_arguments(const struct filter *f, const char *call)
{
	const char *const *name = multiplexed;

	while (*name != NULL && strcmp(*name, call) != 0)
		name++;
	return !f->multiplexes || *name == NULL;
}

static void
filter_add(struct filter *f, uint32_t action, const char *name,
    const struct scmp_arg_cmp *condition)
{
	int number = seccomp_syscall_resolve_name(name);

	/* Unknown to the library, or to every processor of this filter: there
	 * is nothing to refuse, but for NEWEST_KNOWN. */
	if (f->error != 0 || number == __NR_SCMP_ERROR ||
	    (condition != NULL && !filter_sees_arguments(f, name)))
		return;
	f->error = seccomp_rule_add_array(
	    f->ctx, action, number, condition != NULL ? 1 : 0, condition);
	if (f->error == -EDOM || f->error == -EACCES)
		f->error = 0;
}

static void
filter_add_all(struct filter *f, uint32_t action, const char *const *names)
{
	for (; *names != NULL; names++)
		filter_add(f, action, *names, NULL);
}

/* Refuses a call when the bits of mask in an argument are value. The kernel reads
 * most as 32 bits wide, whatever stands above. */
static void
filter_refuse_bits(struct filter *f, const char *name, unsigned argument,
    uint64_t mask, uint64_t value)
{
	const struct scmp_arg_cmp condition = { argument, SCMP_CMP_MASKED_EQ,
		mask, value };

	filter_add(f, SCMP_ACT_ERRNO(REFUSED), name, &condition);
}

static void
filter_refuse_value(
    struct filter *f, const char *name, unsigned argument, uint32_t value)
{
	filter_refuse_bits(f, name, argument, UINT32_MAX, value);
}

static void
filter_refuse_other(
    struct filter *f, const char *name, unsigned argument, pid_t value)
{
	const struct scmp_arg_cmp condition = { argument, SCMP_CMP_NE,
		(uint64_t)value, 0 };

	filter_add(f, SCMP_ACT_ERRNO(REFUSED), name, &condition);
}

/* Flags of clone(2); those of clone3(2) lie in memory: it does not exist, and C
 * libraries use clone then. */
static void
filter_refuse_clone(struct filter *f, bool threads_only)
{
	static const uint64_t namespaces[] = { CLONE_NEWNS, CLONE_NEWCGROUP,
		CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID,
		CLONE_NEWNET };
	const unsigned flags = CLONE_FLAGS_ARGUMENT;

	filter_add(f, SCMP_ACT_ERRNO(ENOSYS), "clone3", NULL);
	for (size_t i = 0; i < sizeof(namespaces) / sizeof(*namespaces); i++)
		filter_refuse_bits(
		    f, "clone", flags, namespaces[i], namespaces[i]);
	if (threads_only)
		filter_refuse_bits(f, "clone", flags, CLONE_THREAD, 0);
}

static void
filter_refuse_writing(struct filter *f)
{
	static const uint64_t flags[] = { O_WRONLY, O_RDWR, O_CREAT, O_TRUNC };

	filter_add_all(f, SCMP_ACT_ERRNO(REFUSED), changing);
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		filter_refuse_bits(f, "open", 1, flags[i], flags[i]);
		filter_refuse_bits(f, "openat", 2, flags[i], flags[i]);
	}
}

/* Memory that can be executed. */
static void
filter_refuse_code(struct filter *f)
{
	static const char *const names[] = { "mmap", "mmap2", "mprotect",
		"pkey_mprotect" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		filter_refuse_bits(f, names[i], 2, PROT_EXEC, PROT_EXEC);
}

/* Connecting with the first bytes that are sent: no call of connect(2), and to
 * some versions of Landlock no connection. */
static void
filter_refuse_fast_open(struct filter *f)
{
	filter_refuse_bits(f, "sendto", 3, MSG_FASTOPEN, MSG_FASTOPEN);
	filter_refuse_bits(f, "sendmsg", 2, MSG_FASTOPEN, MSG_FASTOPEN);
	filter_refuse_bits(f, "sendmmsg", 3, MSG_FASTOPEN, MSG_FASTOPEN);
}

/* No unix sockets: Landlock cannot tell one from another, and a message bus starts
 * programs for any client. Names are looked up by files and DNS then; the C
 * library passes over nscd, systemd-resolved's own protocol and Avahi. */
static void
filter_refuse_families(struct filter *f)
{
	const struct scmp_arg_cmp newer = { 0, SCMP_CMP_GT, AF_NETLINK, 0 };

	for (uint32_t family = 0; family < AF_NETLINK; family++)
		if (family != AF_INET && family != AF_INET6)
			filter_refuse_value(f, "socket", 0, family);
	filter_add(f, SCMP_ACT_ERRNO(REFUSED), "socket", &newer);
	filter_add(f, SCMP_ACT_ERRNO(REFUSED), "socketpair", NULL);
}

/* The next process with this descriptor must find it as it was. */
static void
filter_refuse_preparing(struct filter *f, int fd)
{
	for (const char *const *name = preparing; *name != NULL; name++)
		filter_refuse_value(f, *name, 0, (uint32_t)fd);
}

static void
filter_refuse_signals(struct filter *f)
{
	static const char *const names[] = { "fcntl", "fcntl64" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		filter_refuse_value(f, names[i], 1, FCNTL_SETOWN);
		filter_refuse_value(f, names[i], 1, FCNTL_SETOWN_EX);
		filter_refuse_value(f, names[i], 1, FCNTL_SETSIG);
	}
	filter_refuse_value(f, "ioctl", 1, IOCTL_FIOSETOWN);
	filter_refuse_value(f, "ioctl", 1, IOCTL_SIOCSPGRP);
}

static void
filter_confine(struct filter *f)
{
	filter_add_all(f, SCMP_ACT_ERRNO(REFUSED), powerful);
	/* abort(3) signals itself. */
	filter_refuse_other(f, "tgkill", 0, getpid());
	filter_refuse_other(f, "tkill", 0, (pid_t)syscall(SYS_gettid));
	filter_refuse_other(f, "prlimit64", 0, 0);
	filter_refuse_value(f, "prctl", 0, PR_SET_MM);
	filter_refuse_value(f, "prctl", 0, PRCTL_SET_PTRACER);
	filter_refuse_signals(f);
	/* LeakSanitizer's process must end with the one that it looks at. */
	if (!SANITIZED) {
		filter_refuse_value(f, "prctl", 0, PR_SET_PDEATHSIG);
		filter_refuse_value(f, "prctl", 0, PR_SET_DUMPABLE);
	}
}

static void
filter_mark(struct filter *f)
{
	const struct scmp_arg_cmp condition = { 0, SCMP_CMP_MASKED_EQ,
		UINT32_MAX, MARK };

	filter_add(f, SCMP_ACT_ERRNO(MARK_ANSWER), "prctl", &condition);
}

/* A worker and the inspection have loaded all their libraries; a verb may load more
 * (getaddrinfo(3)). */
static bool
role_runs_no_new_code(enum sandbox_role role)
{
	return role == SANDBOX_WORKER || role == SANDBOX_CHILD;
}

static void
filter_fill(struct filter *f, enum sandbox_role role,
    const struct sandbox_path *paths, size_t n)
{
	bool confined = role != SANDBOX_PARENT;

	for (const char *const *name = harmful; *name != NULL; name++)
		if (!SANITIZED || strcmp(*name, "ptrace") != 0)
			filter_add(f, SCMP_ACT_ERRNO(REFUSED), *name, NULL);
	filter_refuse_value(f, "ioctl", 1, IOCTL_TIOCSTI);
	filter_refuse_value(f, "ioctl", 1, IOCTL_TIOCLINUX);
	filter_refuse_clone(f, confined && !SANITIZED);
	if (!confined) {
		filter_mark(f);
		return;
	}
	filter_confine(f);
	if (role == SANDBOX_CLIENT) {
		filter_refuse_families(f);
	} else {
		filter_add_all(f, SCMP_ACT_ERRNO(REFUSED), of_sockets);
		filter_refuse_fast_open(f);
	}
	if (role != SANDBOX_WORKER)
		filter_add_all(f, SCMP_ACT_ERRNO(REFUSED), of_servers);
	if (!sandbox_writes(paths, n))
		filter_refuse_writing(f);
	for (size_t i = 0; i < n; i++)
		if (paths[i].shared)
			filter_refuse_preparing(f, paths[i].fd);
	if (role_runs_no_new_code(role))
		filter_refuse_code(f);
}

/* All but these end the process. */
static void
filter_fill_keyd(struct filter *f)
{
	static const char *const maps[] = { "mmap", "mmap2", "mprotect" };
	const struct scmp_arg_cmp data = { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC,
		0 };
	const struct scmp_arg_cmp self = { 0, SCMP_CMP_EQ, (uint64_t)getpid(),
		0 };

	filter_add_all(f, SCMP_ACT_ALLOW, of_keyd);
	for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++)
		filter_add(f, SCMP_ACT_ALLOW, maps[i], &data);
	filter_add(f, SCMP_ACT_ALLOW, "tgkill", &self);
	/* musl's raise(3); a process's first thread has its number. */
	filter_add(f, SCMP_ACT_ALLOW, "tkill", &self);
}

/* NULL: out of memory. Before Linux 4.14 only a thread can be ended, which here
 * is all of the process; the library asks the kernel. */
static scmp_filter_ctx
filter_new(bool keyd)
{
	scmp_filter_ctx ctx =
	    seccomp_init(keyd ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ALLOW);

	return ctx == NULL && keyd ? seccomp_init(SCMP_ACT_KILL_THREAD) : ctx;
}

/* NULL and a negative error. */
static scmp_filter_ctx
filter_make(enum sandbox_role role, const struct sandbox_path *paths, size_t n,
    uint32_t arch, int *error)
{
	bool keyd = role == SANDBOX_KEYD;
	struct filter f = { .ctx = filter_new(keyd) };

	*error = -ENOMEM;
	if (f.ctx == NULL)
		return NULL;
	/* The kernel's own errno; no search through the list call by call; the
	 * calls of another processor's mode are not ours. */
	seccomp_attr_set(f.ctx, SCMP_FLTATR_API_SYSRAWRC, 1);
	seccomp_attr_set(f.ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	seccomp_attr_set(f.ctx, SCMP_FLTATR_CTL_NNP, 0);
	seccomp_attr_set(f.ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (arch != 0 && arch != seccomp_arch_native()) {
		f.error = seccomp_arch_add(f.ctx, arch);
		if (f.error == 0)
			f.error =
			    seccomp_arch_remove(f.ctx, seccomp_arch_native());
	}
	f.multiplexes =
	    (arch != 0 ? arch : seccomp_arch_native()) == SCMP_ARCH_X86;
	if (keyd)
		filter_fill_keyd(&f);
	else
		filter_fill(&f, role, paths, n);
	*error = f.error;
	if (f.error != 0) {
		seccomp_release(f.ctx);
		return NULL;
	}
	return f.ctx;
}

/* Where the numbers of calls begin at 0 and no others lie far above them. */
static bool
arch_is_plain(uint32_t arch)
{
	return arch == SCMP_ARCH_X86_64 || arch == SCMP_ARCH_AARCH64 ||
	       arch == SCMP_ARCH_X86 || arch == SCMP_ARCH_RISCV64 ||
	       arch == SCMP_ARCH_PPC64LE || arch == SCMP_ARCH_S390X;
}

/* A second filter: of both answers the kernel takes the graver. 0, or errno. */
static int
newer_refuse(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, NEWEST_KNOWN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {
		.len = sizeof(filter) / sizeof(filter[0]),
		.filter = filter,
	};

	if (!arch_is_plain(seccomp_arch_native()))
		return 0;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == -1
		   ? errno
		   : 0;
}

/* The kernel was built without, or a filter around us refuses it; libseccomp
 * makes EFAULT of errors that it does not document, such as ENOSYS. */
static bool
seccomp_is_missing(int error)
{
	return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP ||
	       error == EPERM || error == EACCES || error == EFAULT ||
	       error == ECANCELED;
}

static bool
mark_is_there(void)
{
	return prctl(MARK, 0, 0, 0, 0) == -1 && errno == MARK_ANSWER;
}

bool
seccomp_enter(enum sandbox_role role, const struct sandbox_path *paths,
    size_t n, bool *in_force, struct why *why)
{
	scmp_filter_ctx ctx;
	int error = 0;

	*in_force = role == SANDBOX_PARENT && mark_is_there();
	if (*in_force)
		return true;
	ctx = filter_make(role, paths, n, 0, &error);
	if (ctx == NULL)
		return why_set(
		    why, "sandbox: libseccomp: %s", strerror(-error));
	/* The parent's filter outlives a new version of the program, which may
	 * know newer calls; keyd's list is short anyway. */
	if (role != SANDBOX_PARENT && role != SANDBOX_KEYD)
		error = newer_refuse();
	if (error == 0)
		error = -seccomp_load(ctx);
	seccomp_release(ctx);
	*in_force = error == 0;
	return error == 0 || seccomp_is_missing(error) ||
	       why_set(why, "sandbox: seccomp: %s", strerror(error));
}

bool
seccomp_export(enum sandbox_role role, bool writes, uint32_t arch, int fd)
{
	const struct sandbox_path place = { .fd = -1, .write = writes };
	int error;
	scmp_filter_ctx ctx = filter_make(role, &place, 1, arch, &error);

	if (ctx == NULL)
		return false;
	error = seccomp_export_bpf(ctx, fd);
	seccomp_release(ctx);
	return error == 0;
}
