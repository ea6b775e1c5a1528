# SPDX-License-Identifier: ISC
"""When memory runs out, a verb fails: what it could not check is not taken for
good."""
import os
import shutil

import pytest

from binary import LONG
from life import carnation
from preload import built, needed
from signed import Author, Key, make_store

ORIGIN = "gemini://example.org/"
KEY = Key.new("capsule-1")

# The FAIL_FROM-th allocation and the FAIL_MORE after it fail. When many fail, the
# program has no memory for its message either.
LIBRARY = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
static long left = -1, more;
static int ready;
/* Since 3.2, OpenSSL reports what it could not allocate, and in the middle of its
 * own first initialisation waits for itself then: that is done before. */
static void begin_openssl(void)
{
	unsigned long (*version)(void) =
	    dlsym(RTLD_DEFAULT, "OpenSSL_version_num");
	int (*init)(uint64_t, const void *) =
	    dlsym(RTLD_DEFAULT, "OPENSSL_init_crypto");
	if (version != NULL && init != NULL && version() >= 0x30200000UL)
		init(2, NULL); /* OPENSSL_INIT_LOAD_CRYPTO_STRINGS */
}
__attribute__((constructor)) static void begin(void)
{
	begin_openssl();
	const char *text = getenv("FAIL_FROM");
	const char *after = getenv("FAIL_MORE");
	left = text == NULL ? -1 : atol(text);
	more = after == NULL ? 0 : atol(after);
	ready = 1;
}
static int fails(void)
{
	if (!ready || left < 0)
		return 0;
	if (left > 1) {
		left--;
		return 0;
	}
	if (more-- <= 0)
		left = -1;
	errno = ENOMEM;
	return 1;
}
void *malloc(size_t n) { return fails() ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t size)
{ return fails() ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t n)
{ return fails() ? NULL : __libc_realloc(p, n); }
"""

pytestmark = [*needed, pytest.mark.soak]


@pytest.fixture(scope="module", name="library")
def library_fixture():
    yield from built(LIBRARY)


MORE = [0, 1, 10 ** 6]
failing = pytest.mark.parametrize("more", MORE)

# Each of our own allocations, then some of the thousands that OpenSSL makes.
NUMBERS = [*range(1, 200), *(int(200 * 1.2 ** i) for i in range(30))]


def numbers(more):
    """In the short form a third for each of MORE."""
    return NUMBERS if LONG else NUMBERS[MORE.index(more)::len(MORE)]


def short(library, number, more):
    return {"LD_PRELOAD": str(library), "FAIL_FROM": str(number),
            "FAIL_MORE": str(more)}


def each_failure(library, more, *words):
    """Runs a verb again and again, with another allocation that fails."""
    for number in numbers(more):
        yield number, carnation(*words, env=short(library, number, more))


def make_releases(place):
    author = Author(KEY, ORIGIN, {"index.gmi": b"# Home\n"})
    store = make_store(place / "store", [
        author.publish({"page.gmi": f"# {n}\n"}, serial=n) for n in (1, 2)])
    (store / "state").write_text(
        f"carnation-store: 1\norigin: {ORIGIN}\nserial: 2\n"
        f"manifest: {'1' * 64}\nkey: {KEY.public}\n")
    return store


@failing
def test_rollback_serves_nothing_that_it_could_not_check(place, library, more):
    store = make_releases(place)
    (store / "releases/1/page.gmi").unlink()
    before = os.readlink(store / "current")
    for allowed, done in each_failure(library, more, "rollback", store):
        assert done.returncode != 0, (allowed, done.stdout, done.stderr)
        assert os.readlink(store / "current") == before, allowed


@failing
def test_publish_writes_no_list_into_what_it_could_not_check(place, library, more):
    source = place / "pages"
    source.mkdir()
    (source / "index.gmi").write_text("# Home\n")
    KEY.write(place)
    public = next(place.glob("*.pub"))
    out = source / "list"
    words = ["publish", "--unsigned", out, "--key", public, "--origin", ORIGIN,
             source, place / "store"]
    assert "which is not written to" in carnation(*words).stderr
    for allowed, done in each_failure(library, more, *words):
        assert done.returncode != 0, (allowed, done.stdout, done.stderr)
        assert not out.exists(), allowed


@failing
def test_prune_counts_no_release_that_was_taken_back(place, library, more):
    """Serial 1 is what a mirror goes by, and 2 a thief's: to prune as if
    the state were not there would leave the thief's."""
    store = make_releases(place)
    text = (store / "state").read_text()
    (store / "state").write_text(
        text.replace("origin:", "mirror: yes\norigin:", 1).replace(
            "serial: 2", "serial: 1"))
    assert carnation("rollback", store, 1).returncode == 0
    for release in (store / "releases").iterdir():
        os.utime(release, (1, 1))
    copy = place / "copy"
    for allowed in numbers(more):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(store, copy, symlinks=True)
        done = carnation("prune", "--keep", 1, copy, env=short(
            library, allowed, more))
        if done.returncode == 0:
            assert not (copy / "releases/2").exists(), (allowed, done.stdout)
        assert (copy / "releases/1").exists()
