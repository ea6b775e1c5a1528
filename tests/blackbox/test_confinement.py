# SPDX-License-Identifier: ISC
"""What is in force: said at the start, seen in the processes, and what happens
on kernels that have none of it."""
import functools
import json
import re

import pytest

from harness import tool, tree, wait_for
from life import Plain, carnation, hup, refused, settle
from preload import built, needed, preloaded
from tools import own_directory, remove

CONFIG = """listen = ["127.0.0.1:0"];
workers = 1;
sandbox = "%s";
capsules = ({ host = "localhost"; root = "%s"; });
"""
LINE = re.compile(r"^  sandbox +(.*)$", re.M)


@functools.lru_cache(maxsize=None)
def offered():
    """What this kernel offers, as check reports it."""
    root = tree(own_directory(), {"index.gmi": "# Home\n"})
    done = carnation("check", "--json", "--listen", "127.0.0.1:0", root)
    remove(root)
    return json.loads(done.stdout)


@pytest.fixture
def confined():
    if not (offered()["landlock"] and offered()["seccomp"]):
        pytest.skip("this kernel has no Landlock, or no seccomp")


def without(*words):
    return [tool("nosandbox"), *words]


@pytest.fixture
def start(place):
    root = tree(place / "capsule", {"index.gmi": "# Home\n"})
    config = place / "c.conf"

    def run(mode="on", wrapper=(), **how):
        config.write_text(CONFIG % (mode, root))
        return Plain("-c", config, "--certs", place / "certs",
                     directory=place, wrapper=wrapper, **how)
    run.config = config
    run.certs = place / "certs"
    run.write = lambda mode: config.write_text(CONFIG % (mode, root))
    return run


def status(pid, field):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(rf"^{field}:\s*(\d+)", f.read(), re.M)[1])


def filters(pid):
    return status(pid, "Seccomp_filters")


# ------------------------------------------------------------------- in force

def test_the_start_says_what_is_in_force(start, confined):
    with start() as server:
        version = offered()["landlock"]
        assert LINE.search(server.log())[1] == (
            f"keys apart; files: Landlock {version}; system calls: seccomp")
        assert server.ask("/").whole


def test_each_process_is_confined(start, confined):
    with start() as server:
        parent = server.process.pid
        assert status(parent, "Seccomp") == 2
        assert status(parent, "NoNewPrivs") == 1
        for pid in [*server.workers(), *server.keyds()]:
            assert status(pid, "Seccomp") == 2
            assert filters(pid) > filters(parent)
        before = filters(parent)
        hup(server)
        settle(server)
        assert filters(parent) == before, "added once"
        assert all(filters(pid) > before for pid in server.workers())


def test_a_reload_may_name_new_places(start, confined, place):
    """The parent's files stay its own: a sandbox only shrinks."""
    with start() as server:
        elsewhere = tree(place / "elsewhere", {"index.gmi": "# There\n"})
        start.config.write_text(CONFIG % ("on", elsewhere))
        hup(server)
        settle(server)
        assert server.ask("/").body == b"# There\n"


def test_off_is_off(start):
    with start("off") as server:
        for pid in [server.process.pid, *server.keyds(),
                    *server.workers()]:
            assert status(pid, "Seccomp") == 0
        assert "(off)" in LINE.search(server.log())[1]
        assert server.ask("/").whole


def test_it_can_be_turned_on_by_a_reload(start, confined):
    with start("off") as server:
        start.write("on")
        hup(server)
        settle(server)
        assert status(server.process.pid, "Seccomp") == 2
        parent = server.process.pid
        assert all(filters(pid) > filters(parent)
                   for pid in [*server.workers(), *server.keyds()])
        start.write("off")
        hup(server)
        settle(server)
        assert status(parent, "Seccomp") == 2, "it cannot be taken back"
        assert all(filters(pid) == filters(parent)
                   for pid in [*server.workers(), *server.keyds()])


# -------------------------------------------------------- kernels without it

@pytest.mark.parametrize("words, said", [
    (["-l"], "files: all (no Landlock here); system calls: seccomp"),
    (["-s"], "files: Landlock %d; system calls: all (no seccomp here)"),
    (["-l", "-s"],
     "files: all (no Landlock here); system calls: all (no seccomp here)"),
    (["-l", "-s", "-e", "EPERM"],
     "files: all (no Landlock here); system calls: all (no seccomp here)"),
])
def test_without_it_the_server_serves_and_says_so(start, confined, words,
                                                  said):
    with start(wrapper=without(*words)) as server:
        assert server.ask("/").whole
        said = said % offered()["landlock"] if "%d" in said else said
        assert LINE.search(server.log())[1].endswith(said)
        hup(server)
        settle(server)
        assert server.ask("/").whole


@pytest.mark.parametrize("words, lacking", [
    (["-l"], "no Landlock "), (["-s"], "no seccomp "),
    (["-l", "-s"], "no Landlock and no seccomp ")])
def test_required_refuses_a_kernel_without_it(start, confined, words,
                                              lacking):
    start.write("required")
    said = refused("-c", start.config, "--certs", start.certs,
                   wrapper=without(*words))
    assert 'sandbox = "required"' in said and lacking in said
    done = carnation("check", "--json", "-c", start.config,
                     wrapper=without(*words))
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert [lacking in p["text"] for p in found["problems"]] == [True], (
        "said once, and what a capsule is like is another matter")
    assert "not in force" not in done.stderr
    assert found["sandbox"] == "required"
    assert (found["landlock"] == 0) == ("-l" in words)
    assert found["seccomp"] == ("-s" not in words)


def test_required_is_content_with_all_of_it(start, confined):
    with start("required") as server:
        assert server.ask("/").whole


# ------------------------------------------------- an assertion in a worker

FAULT = """
#define _GNU_SOURCE
#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
fault(void)
{
	const char *name = getenv("FAULT");

	return name == NULL || access(name, F_OK) != 0;
}

int
accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
	int made = (int)syscall(SYS_accept4, fd, address, size, flags);

	if (made != -1)
		assert(fault());
	return made;
}
"""


@pytest.fixture(scope="module")
def faulty():
    yield from built(FAULT)


def with_marks(test):
    for mark in needed:
        test = mark(test)
    return test


@with_marks
def test_an_assertion_in_a_worker_is_printed(start, confined, faulty, place):
    env = {**preloaded(faulty), "FAULT": str(place / "capsule/fault")}
    with start(env=env) as server:
        server.may_restart = True
        (place / "capsule/fault").write_text("")
        with pytest.raises((OSError, AssertionError)):
            assert server.ask("/").whole
        server.wait_log("Assertion `fault\\(\\)' failed")
        server.wait_log("was killed by signal 6")
        (place / "capsule/fault").unlink()
        wait_for(server.workers, what="a worker")
        assert server.ask("/").whole
        server.scanned = server.log_path.stat().st_size
