# SPDX-License-Identifier: ISC
"""What a process of carnation's could do if somebody else ran in it: a library that
is loaded before it, waits in its calls that wait, and, when a test asks, tries what
no process should. Test and library share one page of memory, so that a process
without files can be asked as well.

    with Probe(directory, library) as probe:
        server = Server(..., env=probe.env)
        probe.ask(pid, "open", "/etc/passwd")     # 0, or the name of an errno
    carnation(..., env=probe.at_end(...)); probe.ends()   # tried as it ends
"""
import ctypes
import errno
import mmap
import os
import socket
import subprocess
from pathlib import Path

import pytest

from preload import built, preloaded
from tools import end_with_us, wait_for

CANNOT = {"EPERM", "EACCES"}
CAN = {0, "EFAULT"}  # EFAULT: execve would have been done
WHAT = ("open", "write", "exec", "connect", "ptrace", "kill", "listen",
        "assert", "spoil")

SOURCE = """
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct page {
	volatile int target, what, done, error, pid, port, end[7];
	char path[4000];
};
static struct page *page;

static int (*real_poll)(struct pollfd *, nfds_t, int);
static int (*real_ppoll)(struct pollfd *, nfds_t, const struct timespec *,
    const sigset_t *);
static int (*real_epoll_wait)(int, struct epoll_event *, int, int);

__attribute__((constructor)) static void begin(void)
{
	const char *file = getenv("PROBE_PAGE");
	int fd = file != NULL ? open(file, O_RDWR | O_CLOEXEC) : -1;
	real_poll = dlsym(RTLD_NEXT, "poll");
	real_ppoll = dlsym(RTLD_NEXT, "ppoll");
	real_epoll_wait = dlsym(RTLD_NEXT, "epoll_wait");
	if (fd == -1)
		return;
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED,
	    fd, 0);
	if (page == MAP_FAILED)
		page = NULL;
	close(fd);
}

static int tcp(int *fd, int port, struct sockaddr_in *to)
{
	memset(to, 0, sizeof(*to));
	to->sin_family = AF_INET;
	to->sin_port = htons((unsigned short)port);
	to->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return *fd == -1 ? -1 : 0;
}

/* Spoils what later processes get as well: listening sockets, the way to keyd,
 * logs. The number of ways that worked. */
static int spoil(void)
{
	struct sock_filter nothing = { BPF_RET | BPF_K, 0, 0, 0 };
	struct sock_fprog program = { 1, &nothing };
	int worked = 0;
	for (int fd = 1; fd < 64; fd++) {
		int is, type, on = 1;
		socklen_t len = sizeof(is), len2 = sizeof(type);
		struct stat st;
		if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
			worked += ftruncate(fd, 0) == 0;
			worked += fcntl(fd, F_SETFL, 0) == 0;
			continue;
		}
		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is, &len) != 0 ||
		    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len2) != 0 ||
		    (!is && type != SOCK_SEQPACKET))
			continue;
		worked += fcntl(fd, F_SETFL, is ? 0 : O_NONBLOCK) == 0;
		worked += ioctl(fd, FIONBIO, &on) == 0;
		worked += dup(fd) != -1;
		worked += setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &on,
		    sizeof(on)) == 0;
		worked += setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
		    sizeof(program)) == 0;
		worked += setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on,
		    sizeof(on)) == 0;
		worked += shutdown(fd, SHUT_RDWR) == 0;
	}
	return worked;
}

static int probe(void)
{
	struct sockaddr_in to;
	int fd = -1, n = -1, error;
	switch (page->what) {
	case 0:
		n = fd = open(page->path, O_RDONLY | O_CLOEXEC);
		break;
	case 1:
		n = fd = open(page->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		break;
	case 2: /* EFAULT: it would have been done */
		n = execve("/bin/true", (char **)1, NULL);
		break;
	case 3:
		n = tcp(&fd, page->port, &to);
		if (n == 0)
			n = connect(fd, (struct sockaddr *)&to, sizeof(to));
		break;
	case 4:
		n = (int)ptrace(PTRACE_SEIZE, page->pid, 0, 0);
		break;
	case 5:
		n = kill(page->pid, 0);
		break;
	case 6:
		n = tcp(&fd, 0, &to);
		if (n == 0)
			n = bind(fd, (struct sockaddr *)&to, sizeof(to));
		if (n == 0)
			n = listen(fd, 1);
		break;
	case 8:
		return spoil();
	default:
		assert(page->what < 0);
	}
	error = n < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	return error;
}

static void look(void)
{
	int before = errno;
	if (page == NULL || page->done != 0 || page->target != getpid())
		return;
	page->error = probe();
	page->done = 1;
	errno = before;
}

/* The last that a program does: all but the assertion, the first two of them of
 * the path and of a file beside it. */
__attribute__((destructor)) static void end(void)
{
	if (page == NULL || page->target != -1)
		return;
	for (int i = 0; i < 7; i++) {
		page->what = i;
		page->end[i] = probe();
		if (i == 0)
			memcpy(page->path, page->path + 2000, 2000);
	}
	page->done = 1;
}

int poll(struct pollfd *f, nfds_t n, int ms)
{
	look();
	return real_poll(f, n, ms);
}

int ppoll(struct pollfd *f, nfds_t n, const struct timespec *t,
    const sigset_t *mask)
{
	look();
	return real_ppoll(f, n, t, mask);
}

/* What a hardened program calls instead, with the room for f. */
int __poll_chk(struct pollfd *f, nfds_t n, int ms, size_t room)
{
	(void)room;
	return poll(f, n, ms);
}

int epoll_wait(int fd, struct epoll_event *e, int n, int ms)
{
	look();
	return real_epoll_wait(fd, e, n, ms);
}
"""


@pytest.fixture(scope="module")
def library():
    yield from built(SOURCE)


def may_trace():
    """Whether this system lets a process trace another of its user's."""
    try:
        setting = Path("/proc/sys/kernel/yama/ptrace_scope").read_text()
    except FileNotFoundError:
        return True
    return setting.strip() == "0"


def scratch(place):
    """A directory in which anybody may write."""
    path = place / "scratch"
    path.mkdir(exist_ok=True)
    path.chmod(0o1777)
    return path


def key_file(place):
    """A secret key of the same user's."""
    path = place / "secret.key"
    path.write_text("secret\n")
    path.chmod(0o600)
    return path


class Page(ctypes.Structure):
    """As in the library."""
    _fields_ = [(name, ctypes.c_int) for name in
                ("target", "what", "done", "error", "pid", "port")]
    _fields_ += [("end", ctypes.c_int * 7)]
    _fields_ += [("path", ctypes.c_char * 4000)]


class Probe:
    """The page, and what is to be reached or must not be: a stranger of some user,
    a listening socket."""

    def __init__(self, directory, library):
        file = Path(directory) / "probe-page"
        file.write_bytes(bytes(ctypes.sizeof(Page)))
        with open(file, "r+b") as f:
            self.memory = mmap.mmap(f.fileno(), ctypes.sizeof(Page))
        self.page = Page.from_buffer(self.memory)
        self.env = {**preloaded(library), "PROBE_PAGE": str(file)}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.page.port = self.listener.getsockname()[1]
        self.stranger = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.stranger_end()

    def stranger_of(self, user):
        """Another process of the same user, to be signalled and traced."""
        self.stranger_end()
        self.stranger = subprocess.Popen(
            ["sleep", "3600"], preexec_fn=end_with_us,
            user=user if os.geteuid() == 0 else None,
            group=user if os.geteuid() == 0 else None,
            extra_groups=[] if os.geteuid() == 0 else None)
        self.page.pid = self.stranger.pid

    def stranger_end(self):
        if self.stranger is not None:
            self.stranger.kill()
            self.stranger.wait()
        self.stranger = None

    def at_end(self, read, written):
        """The environment of a verb that tries everything when it ends, with these
        paths."""
        self.page.done, self.page.target = 0, -1
        self.page.path = os.fsencode(read)
        at = Page.path.offset + 2000
        self.memory[at:at + 2000] = os.fsencode(written).ljust(2000, b"\0")
        return self.env

    def ends(self):
        """What came of each."""
        assert self.page.done == 1, "it has not ended well"
        return {what: error and errno.errorcode[error]
                for what, error in zip(WHAT, self.page.end)}

    def ask(self, pid, what, path="", wake=lambda: None, gone=None):
        """What came of it in that process: 0, the name of an errno, or "killed".
        wake makes it wait again; gone tells whether it has ended."""
        page = self.page
        page.path, page.what, page.done = os.fsencode(path), WHAT.index(what), 0
        page.target = pid

        def answered():
            wake()
            return page.done == 1 or (gone is not None and gone())

        wait_for(answered, what=f"{what} in {pid}")
        page.target = 0
        if page.done != 1:
            return "killed"
        return page.error and errno.errorcode.get(page.error, page.error)
