/* SPDX-License-Identifier: ISC */
#include "support/tree.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "os/sandbox_internal.h"

/* Statuses of a child that checks by itself: 0 is good. */
#define want(condition)                                                        \
	do {                                                                   \
		if (!(condition)) {                                            \
			fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__,          \
			    __LINE__, #condition, strerror(errno));            \
			return __LINE__ % 200 + 1;                             \
		}                                                              \
	} while (0)

/* Whether the filter sees the arguments of socket calls: os/seccomp.c. */
#ifdef __i386__
enum { SEES_SOCKETS = 0 };
#else
enum { SEES_SOCKETS = 1 };
#endif

static struct sandbox_state offered;

static int
find_offered(void **state)
{
	(void)state;
	assert_true(sandbox_probe(&offered));
	return 0;
}

static bool
enter(enum sandbox_role role, const struct sandbox_path *paths, size_t n)
{
	struct sandbox_state state;
	struct why why;

	why_clear(&why);
	if (!sandbox_enter(role, paths, n, &state, &why)) {
		fprintf(stderr, "%s\n", why.text);
		return false;
	}
	if (state.seccomp != offered.seccomp)
		return false;
	if (role == SANDBOX_PARENT)
		return state.landlock == 0;
	return state.landlock == offered.landlock;
}

/* What a child must have, to be confined here at all. */
static void
need(bool landlock, bool seccomp)
{
	if ((landlock && offered.landlock == 0) ||
	    (seccomp && !offered.seccomp))
		skip();
}

static bool
refused(long result, int error)
{
	return result == -1 && errno == error;
}

/* A way to reach what is none of this process's business. */
#define REFUSED(call) want(refused((long)(call), EPERM))
#define NEWER(call) want(refused((long)(call), ENOSYS))

/* ------------------------------------------------------------------- files */

static void
make_tree(void)
{
	tree_make_dir("root");
	tree_write("root/page", "in");
	tree_make_dir("root/sub");
	tree_write("root/sub/page", "in");
	tree_write("outside", "out");
	tree_write("alone", "in");
}

static int
read_only_places(void *arg)
{
	int root = open(tree_path("root"), O_RDONLY | O_DIRECTORY);
	const struct sandbox_path paths[] = {
		{ .fd = root },
		{ .path = tree_path("alone") },
		{ .path = tree_path("not there") },
		{ .fd = -1 },
	};
	int open_before = open(tree_path("outside"), O_RDONLY);
	char byte;

	(void)arg;
	want(enter(SANDBOX_WORKER, paths, 4));
	want(openat(root, "page", O_RDONLY) != -1);
	want(openat(root, "sub/page", O_RDONLY) != -1);
	want(openat(root, "sub", O_RDONLY | O_DIRECTORY) != -1);
	want(open(tree_path("alone"), O_RDONLY) != -1);
	want(refused(open(tree_path("outside"), O_RDONLY), EACCES));
	want(refused(open("/etc/passwd", O_RDONLY), EACCES));
	want(refused(open(tree_path(""), O_RDONLY | O_DIRECTORY), EACCES));
	want(read(open_before, &byte, 1) == 1 && byte == 'o');
	return 0;
}

static void
test_files_outside_are_refused(void **state)
{
	(void)state;
	need(true, false);
	make_tree();
	assert_int_equal(tree_run_as_nobody(read_only_places, NULL), 0);
}

static int
shared_descriptors(void *arg)
{
	int listening = socket(AF_INET, SOCK_STREAM, 0);
	int ends[2], log, spare, on = 1;
	struct sandbox_path paths[64 + 2] = { { .fd = -1 } };

	(void)arg;
	want(listening != -1 && listen(listening, 1) == 0);
	want(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
	log = open(tree_path("outside"), O_WRONLY | O_APPEND);
	want(log != -1 && (spare = dup(ends[1])) != -1);
	paths[0] = (struct sandbox_path){ .fd = listening, .shared = true };
	paths[1] = (struct sandbox_path){ .fd = ends[0], .shared = true };
	/* As many as a server can have. */
	for (size_t i = 2; i < 66; i++)
		paths[i] =
		    (struct sandbox_path){ .fd = i == 2 ? log : 1000 + (int)i,
			    .shared = true };
	want(enter(SANDBOX_WORKER, paths, 66));
	for (int i = 0; i < 2; i++) {
		int fd = paths[i].fd;

		if (SEES_SOCKETS) {
			REFUSED(setsockopt(
			    fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)));
			REFUSED(setsockopt(
			    fd, SOL_SOCKET, SO_DETACH_FILTER, &on, sizeof(on)));
			REFUSED(shutdown(fd, SHUT_RD));
		}
		REFUSED(fcntl(fd, F_SETFL, 0));
		REFUSED(ioctl(fd, FIONBIO, &on));
		REFUSED(dup(fd));
		REFUSED(dup2(fd, 500));
		REFUSED(fcntl(fd, F_DUPFD, 0));
	}
	REFUSED(ftruncate(log, 0));
	REFUSED(fcntl(log, F_SETFL, 0));
	want(write(log, "y", 1) == 1);
	want(send(ends[0], "x", 1, 0) == 1);
	/* Its own it may still prepare, but never to signal anybody. */
	want(setsockopt(spare, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) == 0);
	want(shutdown(spare, SHUT_WR) == 0);
	REFUSED(fcntl(spare, F_SETSIG, SIGKILL));
	REFUSED(ioctl(spare, FIOSETOWN, &on));
	REFUSED(ioctl(spare, SIOCSPGRP, &on));
	if (!SANITIZED)
		REFUSED(prctl(PR_SET_PDEATHSIG, 0));
	return 0;
}

static void
test_shared_descriptors_stay_as_they_are(void **state)
{
	(void)state;
	need(false, true);
	make_tree();
	assert_int_equal(tree_run_child(shared_descriptors, NULL, false), 0);
	tree_check_file("outside", SLICE("outy"));
}

static int
no_writing(void *arg)
{
	const struct sandbox_path place = { .path = tree_path("root") };
	const char *page = tree_path("root/page");
	const char *new = tree_path("root/new");
	int dir = open(tree_path("root"), O_RDONLY | O_DIRECTORY);
	int before = open(page, O_RDWR);

	(void)arg;
	want(enter(SANDBOX_READER, &place, 1));
	REFUSED(open(page, O_WRONLY));
	REFUSED(open(page, O_RDWR));
	REFUSED(openat(dir, "page", O_RDWR));
	REFUSED(openat(dir, "page", O_RDONLY | O_TRUNC));
	REFUSED(openat(dir, "new", O_RDONLY | O_CREAT, 0600));
	REFUSED(unlink(page));
	REFUSED(rename(page, new));
	REFUSED(link(page, new));
	REFUSED(symlink(page, new));
	REFUSED(mkdir(new, 0700));
	REFUSED(rmdir(tree_path("root/sub")));
	REFUSED(chmod(page, 0600));
	REFUSED(chown(page, getuid(), getgid()));
	REFUSED(truncate(page, 0));
	REFUSED(ftruncate(before, 0));
	REFUSED(mknod(new, S_IFIFO | 0600, 0));
	want(open(page, O_RDONLY) != -1);
	return 0;
}

static void
test_without_a_writable_place_nothing_changes(void **state)
{
	(void)state;
	need(false, true);
	make_tree();
	assert_int_equal(tree_run_child(no_writing, NULL, false), 0);
}

static int
one_writable(void *arg)
{
	const struct sandbox_path place = { .path = tree_path("root"),
		.write = true };
	const char *outside = tree_path("outside");
	int dir = open(tree_path("root"), O_RDONLY | O_DIRECTORY);
	int fd;

	(void)arg;
	want(enter(SANDBOX_AUTHOR, &place, 1));
	fd = openat(dir, "new", O_RDWR | O_CREAT | O_EXCL, 0600);
	want(fd != -1 && write(fd, "x", 1) == 1 && ftruncate(fd, 0) == 0);
	want(truncate(tree_path("root/new"), 0) == 0);
	want(renameat(dir, "new", dir, "sub/new") == 0);
	want(linkat(dir, "sub/new", dir, "linked", 0) == 0);
	want(symlinkat("linked", dir, "symbolic") == 0);
	want(unlinkat(dir, "sub/new", 0) == 0);
	want(mkdirat(dir, "made", 0700) == 0);
	want(unlinkat(dir, "made", AT_REMOVEDIR) == 0);
	want(refused(open(outside, O_WRONLY), EACCES));
	want(refused(open(outside, O_RDONLY), EACCES));
	want(refused(open(tree_path("x"), O_WRONLY | O_CREAT, 0600), EACCES));
	want(refused(unlink(outside), EACCES));
	want(refused(mknod(tree_path("root/p"), S_IFIFO | 0600, 0), EPERM));
	return 0;
}

static void
test_a_writable_place(void **state)
{
	(void)state;
	need(true, true);
	make_tree();
	assert_int_equal(tree_run_child(one_writable, NULL, false), 0);
	tree_check_file("outside", SLICE("out"));
}

/* ------------------------------------------------------------ what remains */

static int
worker(void *arg)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = 1 };
	const pid_t *stranger = arg;
	int listening = socket(AF_INET, SOCK_STREAM, 0);
	int client = socket(AF_INET, SOCK_STREAM, 0);
	int fresh = socket(AF_INET, SOCK_STREAM, 0);
	struct msghdr fast = { .msg_name = &to, .msg_namelen = sizeof(to) };
	struct mmsghdr many = { .msg_hdr = fast };
	socklen_t len = sizeof(to);
	char *const none[] = { NULL };
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	to.sin_port = 0;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	want(bind(listening, (struct sockaddr *)&to, len) == 0);
	want(listen(listening, 1) == 0);
	want(getsockname(listening, (struct sockaddr *)&to, &len) == 0);
	want(connect(client, (struct sockaddr *)&to, len) == 0);
	want(enter(SANDBOX_WORKER, NULL, 0));
	want(accept4(listening, NULL, NULL, SOCK_CLOEXEC) != -1);
	REFUSED(execve("/bin/true", none, none));
	REFUSED(syscall(SYS_execveat, -1, "/bin/true", none, none, 0));
	REFUSED(socket(AF_INET, SOCK_STREAM, 0));
	REFUSED(socket(AF_UNIX, SOCK_STREAM, 0));
	REFUSED(connect(client, (struct sockaddr *)&to, len));
	REFUSED(bind(client, (struct sockaddr *)&to, len));
	REFUSED(listen(listening, 1));
	if (SEES_SOCKETS) { /* connect(2) by another name */
		REFUSED(sendto(
		    fresh, "", 1, MSG_FASTOPEN, (struct sockaddr *)&to, len));
		REFUSED(sendmsg(fresh, &fast, MSG_FASTOPEN));
		REFUSED(sendmmsg(fresh, &many, 1, MSG_FASTOPEN));
	}
	REFUSED(kill(*stranger, 0));
	REFUSED(kill(-1, 0));
	REFUSED(syscall(SYS_tgkill, *stranger, *stranger, 0));
	REFUSED(syscall(SYS_tkill, *stranger, 0));
	want(syscall(SYS_tgkill, getpid(), getpid(), 0) == 0);
	REFUSED(syscall(SYS_pidfd_open, *stranger, 0));
	REFUSED(syscall(SYS_process_vm_readv, *stranger, 0, 0, 0, 0, 0));
	REFUSED(syscall(SYS_bpf, 0, NULL, 0));
	REFUSED(syscall(SYS_io_uring_setup, 1, NULL));
	REFUSED(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
	REFUSED(syscall(SYS_mount, "", "/", "tmpfs", 0, NULL));
	REFUSED(syscall(SYS_unshare, CLONE_NEWUSER));
	REFUSED(syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0));
	REFUSED(syscall(SYS_memfd_create, "", 0));
	REFUSED(setuid(getuid()));
	REFUSED(ioctl(STDIN_FILENO, 0x5412, "x"));
	REFUSED(ioctl(STDIN_FILENO, (long)0x100005412, "x"));
	REFUSED(mmap(NULL, 4096, PROT_READ | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	REFUSED(mprotect(page, 4096, PROT_READ | PROT_EXEC));
	want(mprotect(page, 4096, PROT_READ) == 0);
	want(munmap(page, 4096) == 0);
	NEWER(syscall(451, 0, 0, 0, 0));
	NEWER(syscall(9999));
	return 0;
}

static void
test_a_worker_keeps_accepting_alone(void **state)
{
	pid_t self = getpid();

	(void)state;
	need(false, true);
	assert_int_equal(tree_run_as_nobody(worker, &self), 0);
}

/* In builds with a sanitizer these are left to it. */
static int
no_fork_no_trace(void *arg)
{
	const pid_t *stranger = arg;

	want(enter(SANDBOX_CHILD, NULL, 0));
	REFUSED(fork());
	REFUSED(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
	NEWER(syscall(SYS_clone3, NULL, 0));
	REFUSED(ptrace(PTRACE_ATTACH, *stranger, 0, 0));
	REFUSED(ptrace(PTRACE_TRACEME, 0, 0, 0));
	REFUSED(prctl(PR_SET_DUMPABLE, 1));
	return 0;
}

static void
test_no_fork_no_trace(void **state)
{
	pid_t self = getpid();

	(void)state;
	need(false, true);
	if (SANITIZED)
		skip();
	assert_int_equal(tree_run_as_nobody(no_fork_no_trace, &self), 0);
}

static int
client(void *arg)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fd;

	(void)arg;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons(1);
	want(enter(SANDBOX_CLIENT, NULL, 0));
	fd = socket(AF_INET, SOCK_STREAM, 0);
	want(fd != -1);
	want(refused(connect(fd, (struct sockaddr *)&to, sizeof(to)),
		 ECONNREFUSED) ||
	     errno == ENETUNREACH);
	want(socket(AF_INET6, SOCK_STREAM, 0) != -1 || errno == EAFNOSUPPORT);
	/* A message bus would start programs for anybody who asks. */
	if (SEES_SOCKETS) {
		REFUSED(socket(AF_UNIX, SOCK_STREAM, 0));
		REFUSED(socket(AF_UNIX, SOCK_DGRAM, 0));
		REFUSED(socket(AF_PACKET, SOCK_DGRAM, 0));
		REFUSED(socket(AF_VSOCK, SOCK_STREAM, 0));
		REFUSED(socket(AF_ALG, SOCK_SEQPACKET, 0));
	}
	REFUSED(socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){ 0 }));
	REFUSED(listen(fd, 1));
	REFUSED(execl("/bin/true", "true", (char *)NULL));
	REFUSED(kill(getppid(), 0));
	return 0;
}

static void
test_a_client_connects_and_never_listens(void **state)
{
	(void)state;
	need(false, true);
	assert_int_equal(tree_run_as_nobody(client, NULL), 0);
}

static int
count_filters(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	int n = -1;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "Seccomp_filters:", 16) == 0)
			n = (int)strtol(line + 16, NULL, 10);
	if (f != NULL)
		fclose(f);
	return n;
}

static int
parent(void *arg)
{
	int filters;
	pid_t child;
	int status;

	(void)arg;
	want(enter(SANDBOX_PARENT, NULL, 0));
	filters = count_filters();
	/* As after the program was executed again. */
	want(enter(SANDBOX_PARENT, NULL, 0));
	want(count_filters() == filters);
	REFUSED(syscall(SYS_process_vm_readv, getppid(), 0, 0, 0, 0, 0));
	REFUSED(syscall(SYS_bpf, 0, NULL, 0));
	REFUSED(syscall(SYS_io_uring_setup, 1, NULL));
	REFUSED(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
	REFUSED(syscall(SYS_mount, "", "/", "tmpfs", 0, NULL));
	REFUSED(syscall(SYS_clone, SIGCHLD | CLONE_NEWUSER, 0, 0, 0, 0));
	want(open("/etc/passwd", O_RDONLY) != -1);
	want(socket(AF_INET, SOCK_STREAM, 0) != -1);
	child = fork();
	if (child == 0) {
		/* A child of its own, confined further. */
		if (!enter(SANDBOX_WORKER, NULL, 0))
			_exit(1);
		_exit(refused(socket(AF_INET, SOCK_STREAM, 0), EPERM) ? 0 : 2);
	}
	want(child != -1 && waitpid(child, &status, 0) == child);
	want(status == 0);
	child = fork();
	if (child == 0) {
		(void)execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	want(child != -1 && waitpid(child, &status, 0) == child);
	want(status == 0);
	return 0;
}

static void
test_a_parent_forks_and_executes(void **state)
{
	(void)state;
	need(false, true);
	assert_int_equal(tree_run_as_nobody(parent, NULL), 0);
}

/* -------------------------------------------------------------------- keyd */

/* How a process in keyd's jail ends that does this: as waitpid(2) says. */
static int
keyd_status(void (*job)(void), char *said, size_t size)
{
	int status, pair[2];
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(pair), 0);
	pid = fork();
	if (pid == 0) {
		const struct rlimit none = { 0, 0 };

		setrlimit(RLIMIT_CORE, &none);
		dup2(pair[1], STDERR_FILENO);
		close(pair[1]);
		if (!enter(SANDBOX_KEYD, NULL, 0))
			_exit(99);
		job();
		_exit(0);
	}
	close(pair[1]);
	assert_true(pid > 0);
	n = read(pair[0], said, size - 1);
	said[n > 0 ? n : 0] = '\0';
	close(pair[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
keyd_signs(void)
{
	char bytes[16];
	struct timespec now;
	void *memory = malloc(1 << 20);

	if (syscall(SYS_getrandom, bytes, sizeof(bytes), 0) != sizeof(bytes) ||
	    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now) != 0 ||
	    syscall(SYS_getpid) != getpid())
		_exit(1);
	free(memory);
	if (write(STDERR_FILENO, "x", 1) != 1)
		_exit(2);
}

static void
keyd_asserts(void)
{
	assert(offered.landlock == -1);
}

static void
keyd_opens(void)
{
	(void)!open("/dev/null", O_RDONLY);
}

static void
keyd_makes_a_socket(void)
{
	(void)!socket(AF_UNIX, SOCK_STREAM, 0);
}

static void
keyd_executes(void)
{
	(void)execl("/bin/true", "true", (char *)NULL);
}

static void
keyd_forks(void)
{
	(void)!fork();
}

static void
keyd_kills(void)
{
	(void)kill(getppid(), 0);
}

static void
keyd_maps_code(void)
{
	(void)!mmap(NULL, 4096, PROT_READ | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void
keyd_calls_what_is_new(void)
{
	(void)syscall(9999);
}

static void
test_keyd_is_killed_for_all_else(void **state)
{
	static const struct {
		const char *what;
		void (*job)(void);
	} rows[] = {
		{ "opens a file", keyd_opens },
		{ "makes a socket", keyd_makes_a_socket },
		{ "executes", keyd_executes },
		{ "forks", keyd_forks },
		{ "signals its parent", keyd_kills },
		{ "maps code", keyd_maps_code },
		{ "a new call", keyd_calls_what_is_new },
	};
	char said[4096];
	int status;

	(void)state;
	need(false, true);
	status = keyd_status(keyd_signs, said, sizeof(said));
	assert_int_equal(status, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		status = keyd_status(rows[i].job, said, sizeof(said));
		check_row(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS,
		    rows[i].what);
	}
}

static void
test_an_assertion_of_keyd_is_printed(void **state)
{
	char said[4096];
	int status;

	(void)state;
	need(false, true);
	status = keyd_status(keyd_asserts, said, sizeof(said));
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(said, "keyd_asserts"));
}

/* --------------------------------------------------- kernels without either */

/* As a kernel without them, or in a container whose filter refuses them. */
static bool
hide(bool landlock, bool seccomp, unsigned answer)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, landlock ? 444 : ~0u, 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, seccomp ? SYS_seccomp : ~0u,
		    4, 0),
		BPF_JUMP(
		    BPF_JMP | BPF_JEQ | BPF_K, seccomp ? SYS_prctl : ~0u, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_SECCOMP, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | answer),
	};
	const struct sock_fprog program = {
		.len = sizeof(filter) / sizeof(filter[0]),
		.filter = filter,
	};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

struct kernel {
	const char *name;
	bool landlock, seccomp; /* hidden */
	unsigned answer;
};

static int
on_kernel(void *arg)
{
	const struct kernel *k = arg;
	struct sandbox_state state;
	struct why why;

	want(hide(k->landlock, k->seccomp, k->answer));
	want(sandbox_probe(&state));
	want(k->landlock ? state.landlock == 0 : state.landlock > 0);
	want(state.seccomp == !k->seccomp);
	for (int role = SANDBOX_PARENT; role <= SANDBOX_AUTHOR; role++) {
		pid_t child;
		int status;

		if (role == SANDBOX_KEYD)
			continue;
		child = fork();
		if (child == 0) {
			if (!sandbox_enter(
				(enum sandbox_role)role, NULL, 0, &state, &why))
				_exit(1);
			_exit(state.seccomp == !k->seccomp ? 0 : 2);
		}
		want(child != -1 && waitpid(child, &status, 0) == child);
		want(status == 0);
	}
	want(sandbox_enter(SANDBOX_KEYD, NULL, 0, &state, &why));
	want(state.seccomp == !k->seccomp);
	return 0;
}

static void
test_kernels_without(void **state)
{
	static struct kernel rows[] = {
		{ "all of it", false, false, ENOSYS },
		{ "no Landlock", true, false, ENOSYS },
		{ "Landlock not enabled", true, false, EOPNOTSUPP },
		{ "Landlock refused", true, false, EPERM },
		{ "no seccomp", false, true, ENOSYS },
		{ "seccomp not built in", false, true, EINVAL },
		{ "seccomp refused", false, true, EPERM },
		{ "neither", true, true, ENOSYS },
	};

	(void)state;
	need(true, true);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check_row(
		    tree_run_as_nobody(on_kernel, &rows[i]) == 0, rows[i].name);
}

/* ------------------------------------------------------- other processors */

enum { PROGRAM_MAX = 4096 };

struct program {
	struct sock_filter step[PROGRAM_MAX];
	size_t n;
};

static void
program_load(
    struct program *p, enum sandbox_role role, bool writes, uint32_t arch)
{
	FILE *f = tmpfile();

	assert_non_null(f);
	assert_true(seccomp_export(role, writes, arch, fileno(f)));
	rewind(f);
	p->n = fread(p->step, sizeof(p->step[0]), PROGRAM_MAX, f);
	assert_true(p->n > 0 && p->n < PROGRAM_MAX);
	fclose(f);
}

static bool
jumps(const struct sock_filter *s, uint32_t a)
{
	switch (BPF_OP(s->code)) {
	case BPF_JEQ:
		return a == s->k;
	case BPF_JGT:
		return a > s->k;
	case BPF_JGE:
		return a >= s->k;
	case BPF_JSET:
		return (a & s->k) != 0;
	default:
		fail();
		return false;
	}
}

/* What the kernel would answer: linux/filter.h, as far as libseccomp uses it. */
static uint32_t
program_run(const struct program *p, const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t at = 0; at < p->n; at++) {
		const struct sock_filter *s = &p->step[at];

		switch (BPF_CLASS(s->code)) {
		case BPF_LD:
			assert_int_equal(s->code, BPF_LD | BPF_W | BPF_ABS);
			assert_true(s->k <= sizeof(*data) - sizeof(a));
			memcpy(&a, (const char *)data + s->k, sizeof(a));
			break;
		case BPF_ALU:
			assert_int_equal(s->code, BPF_ALU | BPF_AND | BPF_K);
			a &= s->k;
			break;
		case BPF_JMP:
			if (BPF_OP(s->code) == BPF_JA)
				at += s->k;
			else
				at += jumps(s, a) ? s->jt : s->jf;
			break;
		case BPF_RET:
			return BPF_RVAL(s->code) == BPF_A ? a : s->k;
		default:
			fail();
		}
	}
	fail();
	return 0;
}

enum { ALLOW, REFUSE, ABSENT, KILL };

static int
program_answer(const struct program *p, const struct seccomp_data *data)
{
	switch (program_run(p, data)) {
	case SECCOMP_RET_ALLOW:
		return ALLOW;
	case SECCOMP_RET_ERRNO | EPERM:
		return REFUSE;
	case SECCOMP_RET_ERRNO | ENOSYS:
		return ABSENT;
	case SECCOMP_RET_KILL_PROCESS:
		return KILL;
	default:
		return -1;
	}
}

/* One call, by its numbers on either processor (-1: it has none). */
static const struct call {
	const char *name;
	int x86_64, aarch64;
	uint64_t args[3];
	int worker, keyd;
} calls[] = {
	{ "read", 0, 63, { 0 }, ALLOW, ALLOW },
	{ "write", 1, 64, { 0 }, ALLOW, ALLOW },
	{ "poll", 7, -1, { 0 }, ALLOW, ALLOW },
	{ "ppoll", 271, 73, { 0 }, ALLOW, ALLOW },
	{ "getpid", 39, 172, { 0 }, ALLOW, ALLOW },
	{ "getrandom", 318, 278, { 0 }, ALLOW, ALLOW },
	{ "clock_gettime", 228, 113, { 0 }, ALLOW, ALLOW },
	{ "brk", 12, 214, { 0 }, ALLOW, ALLOW },
	{ "rt_sigreturn", 15, 139, { 0 }, ALLOW, ALLOW },
	{ "exit_group", 231, 94, { 0 }, ALLOW, ALLOW },
	{ "accept4", 288, 242, { 0 }, ALLOW, KILL },
	{ "epoll_wait", 232, -1, { 0 }, ALLOW, KILL },
	{ "epoll_pwait", 281, 22, { 0 }, ALLOW, KILL },
	{ "openat2", 437, 437, { 0 }, ALLOW, KILL },
	{ "open to read", 2, -1, { 0, O_RDONLY }, ALLOW, KILL },
	{ "open to write", 2, -1, { 0, O_WRONLY }, REFUSE, KILL },
	{ "openat to read", 257, 56, { 0, 0, O_CLOEXEC }, ALLOW, KILL },
	{ "openat to write", 257, 56, { 0, 0, O_RDWR }, REFUSE, KILL },
	{ "openat to create", 257, 56, { 0, 0, O_CREAT }, REFUSE, KILL },
	{ "unlinkat", 263, 35, { 0 }, REFUSE, KILL },
	{ "fchmodat", 268, 53, { 0 }, REFUSE, KILL },
	{ "renameat2", 316, 276, { 0 }, REFUSE, KILL },
	{ "execve", 59, 221, { 0 }, REFUSE, KILL },
	{ "execveat", 322, 281, { 0 }, REFUSE, KILL },
	{ "fork", 57, -1, { 0 }, REFUSE, KILL },
	{ "clone a namespace", 56, 220, { CLONE_THREAD | CLONE_NEWUSER },
	    REFUSE, KILL },
	{ "clone3", 435, 435, { 0 }, ABSENT, KILL },
	{ "socket", 41, 198, { AF_INET }, REFUSE, KILL },
	{ "connect", 42, 203, { 0 }, REFUSE, KILL },
	{ "bind", 49, 200, { 0 }, REFUSE, KILL },
	{ "kill", 62, 129, { 1 }, REFUSE, KILL },
	{ "tgkill init", 234, 131, { 1 }, REFUSE, KILL },
	{ "process_vm_readv", 310, 270, { 0 }, REFUSE, KILL },
	{ "mount", 165, 40, { 0 }, REFUSE, KILL },
	{ "bpf", 321, 280, { 0 }, REFUSE, KILL },
	{ "keyctl", 250, 219, { 0 }, REFUSE, KILL },
	{ "io_uring_setup", 425, 425, { 0 }, REFUSE, KILL },
	{ "mmap data", 9, 222, { 0, 0, PROT_READ }, ALLOW, ALLOW },
	{ "mmap code", 9, 222, { 0, 0, PROT_READ | PROT_EXEC }, REFUSE, KILL },
	{ "mprotect code", 10, 226, { 0, 0, PROT_EXEC }, REFUSE, KILL },
	{ "ioctl TIOCSTI", 16, 29, { 0, 0x5412 }, REFUSE, KILL },
	{ "ioctl FIONREAD", 16, 29, { 0, 0x541b }, ALLOW, KILL },
	{ "setsockopt", 54, 208, { 0 }, ALLOW, KILL },
	{ "landlock_create_ruleset", 444, 444, { 0 }, ALLOW, KILL },
};

static void
check_processor(uint32_t arch, uint32_t other, bool arm)
{
	static struct program worker_program, keyd_program;

	program_load(&worker_program, SANDBOX_WORKER, false, arch);
	program_load(&keyd_program, SANDBOX_KEYD, false, arch);
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		const struct call *c = &calls[i];
		struct seccomp_data data = {
			.nr = arm ? c->aarch64 : c->x86_64,
			.arch = arch,
			.args = { c->args[0], c->args[1], c->args[2] },
		};

		if (data.nr == -1)
			continue;
		check_row(program_answer(&worker_program, &data) == c->worker,
		    c->name);
		check_row(
		    program_answer(&keyd_program, &data) == c->keyd, c->name);
		data.arch = other;
		check_row(
		    program_answer(&worker_program, &data) == KILL, c->name);
		check_row(
		    program_answer(&keyd_program, &data) == KILL, c->name);
	}
}

/* Socket calls of C libraries on 32-bit x86: one number, the call in the first
 * argument, its own arguments in memory. */
static void
test_socket_calls_through_socketcall(void **state)
{
	enum { SOCKETCALL = 102 };
	static const struct {
		const char *name;
		uint64_t call; /* linux/net.h */
		int worker, client;
	} rows[] = {
		{ "socket", 1, REFUSE, ALLOW },
		{ "bind", 2, REFUSE, ALLOW },
		{ "connect", 3, REFUSE, ALLOW },
		{ "listen", 4, REFUSE, REFUSE },
		{ "socketpair", 8, REFUSE, REFUSE },
		{ "send", 9, ALLOW, ALLOW },
		{ "sendto", 11, ALLOW, ALLOW },
		{ "shutdown", 13, ALLOW, ALLOW },
		{ "setsockopt", 14, ALLOW, ALLOW },
		{ "sendmsg", 16, ALLOW, ALLOW },
		{ "accept4", 18, ALLOW, REFUSE },
	};
	static struct program worker_program, client_program;

	(void)state;
	need(false, true);
	program_load(&worker_program, SANDBOX_WORKER, false, AUDIT_ARCH_I386);
	program_load(&client_program, SANDBOX_CLIENT, false, AUDIT_ARCH_I386);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct seccomp_data data = { .nr = SOCKETCALL,
			.arch = AUDIT_ARCH_I386,
			.args = { rows[i].call } };

		check_row(
		    program_answer(&worker_program, &data) == rows[i].worker,
		    rows[i].name);
		check_row(
		    program_answer(&client_program, &data) == rows[i].client,
		    rows[i].name);
	}
}

static void
test_the_filter_of_each_processor(void **state)
{
	(void)state;
	need(false, true);
	check_processor(AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, false);
	check_processor(AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM, true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_files_outside_are_refused,
		    tree_set_up, tree_tear_down),
		cmocka_unit_test_setup_teardown(
		    test_without_a_writable_place_nothing_changes, tree_set_up,
		    tree_tear_down),
		cmocka_unit_test_setup_teardown(
		    test_a_writable_place, tree_set_up, tree_tear_down),
		cmocka_unit_test_setup_teardown(
		    test_shared_descriptors_stay_as_they_are, tree_set_up,
		    tree_tear_down),
		cmocka_unit_test(test_a_worker_keeps_accepting_alone),
		cmocka_unit_test(test_no_fork_no_trace),
		cmocka_unit_test(test_a_client_connects_and_never_listens),
		cmocka_unit_test(test_a_parent_forks_and_executes),
		cmocka_unit_test(test_keyd_is_killed_for_all_else),
		cmocka_unit_test(test_an_assertion_of_keyd_is_printed),
		cmocka_unit_test(test_kernels_without),
		cmocka_unit_test(test_socket_calls_through_socketcall),
		cmocka_unit_test(test_the_filter_of_each_processor),
	};

	return cmocka_run_group_tests(tests, find_offered, NULL);
}
