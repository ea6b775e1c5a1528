# SPDX-License-Identifier: ISC
"""Calls that a signal interrupts, or that fail: each is made again, or is
reported as what it is."""
import os

import pytest

from life import carnation
from mirroring import fresh, key, origin  # noqa: F401 (fixtures)
from preload import built, needed
from signed import Author, Key, make_store

pytestmark = needed
ORIGIN = "gemini://example.org/"
KEY = Key.new("capsule-1")

# Every other call is interrupted before it has done anything.
INTERRUPTED = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
static unsigned count;
static int interrupts(void)
{
	if (getenv("INTERRUPTED") == NULL || ++count % 2 == 0)
		return 0;
	errno = EINTR;
	return 1;
}
ssize_t read(int fd, void *p, size_t n)
{
	static ssize_t (*next)(int, void *, size_t);
	if (next == NULL)
		next = dlsym(RTLD_NEXT, "read");
	return interrupts() ? -1 : next(fd, p, n);
}
ssize_t pread(int fd, void *p, size_t n, off_t at)
{
	static ssize_t (*next)(int, void *, size_t, off_t);
	if (next == NULL)
		next = dlsym(RTLD_NEXT, "pread");
	return interrupts() ? -1 : next(fd, p, n, at);
}
ssize_t pread64(int fd, void *p, size_t n, off_t at)
{ return pread(fd, p, n, at); }
ssize_t write(int fd, const void *p, size_t n)
{
	static ssize_t (*next)(int, const void *, size_t);
	if (next == NULL)
		next = dlsym(RTLD_NEXT, "write");
	return interrupts() ? -1 : next(fd, p, n);
}
int renameat(int from, const char *name, int to, const char *other)
{
	static int (*next)(int, const char *, int, const char *);
	const char *fails = getenv("FAILS_TO_RENAME");
	if (next == NULL)
		next = dlsym(RTLD_NEXT, "renameat");
	if (fails != NULL && __builtin_strcmp(fails, name) == 0) {
		errno = EIO;
		return -1;
	}
	return next(from, name, to, other);
}
"""


@pytest.fixture(scope="module", name="library")
def library_fixture():
    yield from built(INTERRUPTED)


def make_releases(place):
    author = Author(KEY, ORIGIN, {"index.gmi": b"# Home\n"})
    store = make_store(place / "store", [
        author.publish({"page.gmi": f"# {n}\n"}, serial=n)
        for n in (1, 2, 3)])
    (store / "state").write_text(
        f"carnation-store: 1\norigin: {ORIGIN}\nserial: 3\n"
        f"manifest: {'1' * 64}\nkey: {KEY.public}\n")
    for release in (store / "releases").iterdir():
        os.utime(release, (1, 1))
    return store


def test_interrupted_reads_and_writes_are_made_again(place, library):
    store = make_releases(place)
    env = {"LD_PRELOAD": str(library), "INTERRUPTED": "1"}
    (place / "pages").mkdir()
    (place / "pages/index.gmi").write_text("# Home\n")
    KEY.write(place)
    secret = next(place.glob("*.sec"))
    for words in (["verify", "--key", KEY.public, store / "releases/3"],
                  ["verify", "--key", KEY.public,
                   store / "releases/3/mirror/capsule.tar"],
                  ["rollback", store],
                  ["publish", "--yes", "--key", secret, "--origin", ORIGIN,
                   place / "pages", place / "new"],
                  ["verify", place / "new"]):
        done = carnation(*words, env=env)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        assert "Interrupted" not in done.stderr


def test_interrupted_calls_of_a_mirror(fresh, library):  # noqa: F811
    fresh.first(env={"LD_PRELOAD": str(library), "INTERRUPTED": "1"})
    fresh.sound()


def test_prune_that_fails_counts_nothing_as_removed(place, library):
    store = make_releases(place)
    done = carnation("prune", "--keep", 1, store, env={
        "LD_PRELOAD": str(library), "FAILS_TO_RENAME": "2"})
    assert done.returncode == 4
    assert "releases: Input/output error" in done.stderr
    # What was removed before it failed is; nothing sums up as if all were.
    assert done.stdout == "prune: removed 1\n"
    assert (store / "releases/2").exists()
