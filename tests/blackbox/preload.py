# SPDX-License-Identifier: ISC
"""System calls and allocations that fail when a test wants them to, and a clock
that is fast: C that is loaded before the program's own library."""
import functools
import mmap
import os
import shutil
import subprocess

import pytest

from binary import SANITIZED
from life import carnation
from tools import own_directory, remove

needed = [
    pytest.mark.skipif(SANITIZED, reason="a sanitizer has its own calls"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs cc"),
]


def preloaded(library):
    """The environment that loads it, before a sanitizer's own library too."""
    options = os.environ.get("ASAN_OPTIONS", "")
    return {"LD_PRELOAD": str(library),
            "ASAN_OPTIONS": f"verify_asan_link_order=0:{options}"}


def built(text):
    """Yields a shared library; for a fixture."""
    directory = own_directory()
    source, library = directory / "calls.c", directory / "calls.so"
    source.write_text(text)
    made = subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"],
        capture_output=True, text=True, check=False)
    if made.returncode != 0 or carnation(
            "help", env=preloaded(library)).returncode != 0:
        pytest.skip(f"this C library's calls cannot be replaced: {made.stderr}")
    yield library
    remove(directory)


# ------------------------------------------ a clock that can be put forward

AHEAD = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *now)
{
	static volatile const unsigned char *ahead;
	long done = syscall(SYS_clock_gettime, id, now);
	if (ahead == NULL && getenv("CLOCK_AHEAD") != NULL)
		ahead = mmap(NULL, 1, PROT_READ, MAP_SHARED,
		    open(getenv("CLOCK_AHEAD"), O_RDONLY | O_CLOEXEC), 0);
	if (ahead != NULL && id == CLOCK_MONOTONIC)
		now->tv_sec += ahead[0];
	return (int)done;
}
"""


@pytest.fixture(scope="module")
def later_clock():
    yield from built(AHEAD)


class Later:
    """A clock of the server's that can be put forward."""

    def __init__(self, place, library):
        path = place / "ahead"
        path.write_bytes(b"\0")
        with open(path, "r+b") as f:
            self.ahead = mmap.mmap(f.fileno(), 1)
        self.env = {**preloaded(library), "CLOCK_AHEAD": str(path)}

    def pass_by(self, seconds):
        self.ahead[0] += seconds


# ------------------------------------------------------------- a fast clock

HURRY = 5
CLOCK = """
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
enum { BILLION = 1000000000 };
static long long total(const struct timespec *t)
{
	return (long long)t->tv_sec * BILLION + t->tv_nsec;
}
static void set(struct timespec *t, long long ns)
{
	t->tv_sec = ns / BILLION;
	t->tv_nsec = ns % BILLION;
}
int clock_gettime(clockid_t id, struct timespec *t)
{
	static long long first;
	int done = (int)syscall(SYS_clock_gettime, id, t);
	if (done != 0 || id != CLOCK_MONOTONIC)
		return done;
	if (first == 0)
		first = total(t);
	set(t, first + HURRY * (total(t) - first));
	return 0;
}
int ppoll(struct pollfd *f, nfds_t n, const struct timespec *t,
    const sigset_t *mask)
{
	struct timespec less;
	if (t != NULL)
		set(&less, total(t) / HURRY);
	return (int)syscall(SYS_ppoll, f, n, t == NULL ? NULL : &less, mask,
	    (size_t)8);
}
int poll(struct pollfd *f, nfds_t n, int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };
	return ppoll(f, n, ms < 0 ? NULL : &t, NULL);
}
/* What a hardened program calls instead, with the room for f. */
int __poll_chk(struct pollfd *f, nfds_t n, int ms, size_t room)
{
	(void)room;
	return poll(f, n, ms);
}
"""


@functools.lru_cache(maxsize=None)
def fast_clock():
    """The library, built once per process; None where it has no effect."""
    directory = own_directory()
    source, library = directory / "clock.c", directory / "clock.so"
    source.write_text(CLOCK)
    try:
        subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE",
                        f"-DHURRY={HURRY}", "-o", library, source],
                       capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return library


@pytest.fixture
def hurry(monkeypatch):
    """What mirror, verify and fetch wait for comes sooner by this factor: their
    seconds are that much shorter. Servers of ours ask the kernel itself."""
    library = fast_clock()
    if library is None:
        return 1
    for name, value in preloaded(library).items():
        monkeypatch.setenv(name, value)
    return HURRY
