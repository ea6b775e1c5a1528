# SPDX-License-Identifier: ISC
"""Workers that die, a parent that dies, descriptors that run out."""
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import VIAS

from harness import LONG, Client, Server, tree, wait_for
from life import (exists, expect_rest, holder, limit, mark, rest, root_only,
                  silent, sparse, status, wrapper)

BIG = 12_000_000


@pytest.fixture
def two(place):
    """Two workers; sanitizers leave their deaths alone."""
    tree(place / "capsule", {"index.gmi": "# Hello\n"})
    sparse(place / "capsule/big.bin", BIG)
    with Server([{"host": "localhost", "root": str(place / "capsule")}],
                workers=2, directory=place, listen=(4,), env={
                    "ASAN_OPTIONS": "handle_segv=0:handle_abort=0:"
                    + os.environ.get("ASAN_OPTIONS", "")}) as server:
        yield server


def kill(server, pid, number):
    """Kills a worker and waits until another one has taken its place."""
    others = set(server.workers()) - {pid}
    os.kill(pid, number)
    wait_for(lambda: pid not in server.workers()
             and len(server.workers()) == len(others) + 1,
             what="a new worker")
    assert others < set(server.workers()), "others unharmed"


@pytest.mark.parametrize("number", [
    signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT], ids=lambda n: n.name)
def test_a_worker_that_dies_is_replaced(two, number):
    since = mark(two)
    kill(two, two.workers()[0], number)
    two.wait_log(r"^carnation serve: (warning|error): .*worker.*(signal|SIG).*",
                 since=since)
    two.expect_workers()
    for _ in range(10):
        assert two.ask("/").whole


@root_only
def test_other_workers_never_notice(two):
    """Downloads on one worker go on while the other one is killed; clients
    who wait in the queue meanwhile are served."""
    clients = [Client(two, receive_buffer=16384).ask("/big.bin")
               for _ in range(8)]
    held = {}
    for c in clients:
        assert c.read()
        held.setdefault(holder(two, c), []).append(c)
    assert None not in held
    victim = min(held, key=lambda p: len(held[p]))
    os.kill(victim, signal.SIGKILL)
    for _ in range(10):
        assert two.ask("/").whole
    for pid, theirs in held.items():
        for c in theirs:
            got, clean = rest(c)
            if pid != victim:
                assert got and clean
            else:
                assert not clean, "cut, and seen to be cut"
            c.close()
    wait_for(lambda: len(two.workers()) == 2)
    two.expect_workers()


def test_a_worker_that_loops_is_held_back_then_comes_back(two):
    since = mark(two)
    two.may_restart = True
    keep = two.workers()[0]
    killed, times = set(), []

    def another():
        return [p for p in two.workers()
                if p != keep and p not in killed and exists(p)]

    for _ in range(7):
        pid, = wait_for(another, what="a new worker", every=0.005)
        os.kill(pid, signal.SIGKILL)
        killed.add(pid)
        times.append(time.monotonic())
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert max(gaps) > 4 * gaps[0] or max(gaps) > 0.4, "no back-off"
    assert keep in two.workers()
    wait_for(lambda: len(two.workers()) == 2)
    lines = two.log()[since:].count("\n")
    assert lines < 100, "one death, a line or two"
    assert two.ask("/").whole


@pytest.mark.soak
def test_deaths_under_load(two):
    """Only clients of the worker that died may notice."""
    two.may_restart = True
    served = 0
    for n in range(40 if LONG else 6):
        os.kill(two.workers()[n % 2], signal.SIGSEGV)
        for _ in range(5):
            try:
                served += two.ask("/").whole
            except OSError:  # it was that worker's
                pass
        wait_for(lambda: len(two.workers()) == 2)
    assert served >= 20


def listening(port):
    """Inodes of the sockets that listen there: another server may have been
    given the port a moment after it became free."""
    rows = (row.split() for row in
            Path("/proc/net/tcp").read_text().splitlines()[1:])
    return {row[9] for row in rows
            if row[3] == "0A" and int(row[1].split(":")[1], 16) == port}


def test_the_parent_takes_all_with_it(place):
    server = Server(directory=place, listen=(4,), workers=2)
    workers, sockets = server.workers(), listening(server.port())
    assert sockets
    Server.running.remove(server)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    wait_for(lambda: not any(exists(p) for p in workers))
    # the kernel closes them in its own time
    wait_for(lambda: not sockets & listening(server.port()))


def test_a_zombie_is_never_left(two):
    for _ in range(3):
        kill(two, two.workers()[0], signal.SIGKILL)
    wait_for(lambda: all(state != "Z" for _, state in two.pids()))
    two.expect_workers()


# ----------------------------------------------------- descriptors exhausted

def highest_descriptor(pid):
    return max(int(fd) for fd in os.listdir(f"/proc/{pid}/fd"))


def squeeze(pid, room):
    """From now on the process may open so many more descriptors."""
    uid = status(pid)["Uid"].split()[0]  # only its own user may
    subprocess.run(
        [*wrapper("user", uid), "prlimit", "--pid", str(pid),
         f"--nofile={highest_descriptor(pid) + 1 + room}:"], check=True)


@root_only
def test_descriptors_run_out_under_way(place):
    """accept pauses and does not spin; who is in is served; it recovers."""
    tree(place / "capsule", {"index.gmi": "# Hello\n"})
    sparse(place / "capsule/big.bin", BIG)
    with Server([{"host": "localhost", "root": str(place / "capsule")}],
                directory=place, listen=(4,)) as server:
        worker, = server.workers()
        download = Client(server, receive_buffer=16384).ask("/big.bin")
        assert download.read()
        waiting = Client(server)
        squeeze(worker, 8)
        crowd = [silent(server) for _ in range(30)]
        expect_rest([worker])
        assert waiting.ask("/").reply().status == 20
        got, clean = rest(download)
        assert clean and got > BIG - 100_000
        assert server.workers() == [worker] and server.process.poll() is None
        expect_rest([worker, server.process.pid])
        for s in crowd:
            s.close()
        assert server.ask("/").whole
        for c in (download, waiting):
            c.close()


@root_only
def test_R1_3_40_when_the_spare_descriptors_are_used_up_too(place):
    """Who is in already and asks for a page gets it with the help of a spare
    one; when there are none left, 40: a page that is there is not missing."""
    tree(place / "capsule", {"index.gmi": "# Hello\n"})
    sparse(place / "capsule/big.bin", BIG)
    with Server([{"host": "localhost", "root": str(place / "capsule")}],
                directory=place) as server:
        worker, = server.workers()
        here = [Client(server, tls=v.tls, family=v.family,
                       receive_buffer=16384) for v in VIAS * 10]
        squeeze(worker, 0)
        downloads, refused = [], 0
        for c in here:
            path = "/" if refused % 2 else "/big.bin"
            header = c.ask(path).read()
            if header.startswith(b"20 "):
                assert not refused, "a descriptor from where?"
                downloads.append(c)
                continue
            assert header.startswith(b"40 "), header
            reply = c.reply()
            assert reply.raw == b"" and reply.clean and reply.end == "fin"
            refused += 1
        assert len(downloads) >= 8 and refused >= 8, (len(downloads), refused)
        for c in downloads[:len(VIAS)]:
            got, clean = rest(c)
            assert clean and got > BIG - 100_000
        open_then = len(os.listdir(f"/proc/{worker}/fd"))
        for c in here:
            c.close()
        wait_for(lambda: len(os.listdir(f"/proc/{worker}/fd"))
                 < open_then - len(VIAS))
        assert server.ask("/").whole
        server.wait_log(r" 40 \d+ \d+ TLSv1\.[23] \S+ complete /", 2)


@root_only
def test_few_descriptors_from_the_start(place):
    """Slots are clamped to what there is: an idle crowd makes room, and no
    request fails for want of a descriptor."""
    with Server(directory=place, listen=(4,),
                wrapper=["prlimit", "--nofile=64:64"],
                options={"limits": {"per_address": 0}}) as server:
        worker, = server.workers()
        crowd = [silent(server) for _ in range(200)]
        for _ in range(10):
            assert server.ask("/", source="127.0.0.9").whole
        assert len(os.listdir(f"/proc/{worker}/fd")) < 64
        expect_rest([worker])
        for s in crowd:
            s.close()
        assert server.ask("/").whole


def test_the_soft_limit_is_raised_to_the_hard_one(place):
    with Server(directory=place, listen=(4,),
                wrapper=["prlimit", "--nofile=64:512"]) as server:
        for pid in server.workers():
            assert limit(pid, "Max open files") == ("512", "512")


def test_no_core_and_no_sigpipe(two):
    for pid in (two.process.pid, *two.workers()):
        assert limit(pid, "Max core file size")[0] == "0", (
            "keys in a core file")
        ignored = int(status(pid)["SigIgn"], 16)
        assert ignored >> (signal.SIGPIPE - 1) & 1
    for pid in two.workers():
        os.kill(pid, signal.SIGPIPE)
    assert two.ask("/").whole


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM],
                         ids=lambda n: n.name)
def test_a_signal_to_the_whole_group_ends_all_cleanly(place, number):
    """As Ctrl-C and timeout(1) send it: workers leave it to the parent."""
    server = Server(directory=place, listen=(4,), workers=2)
    workers = server.workers()
    Server.running.remove(server)
    os.killpg(server.process.pid, number)
    assert server.process.wait(5) == 0
    assert not any(exists(p) for p in workers)
    assert not re.search("error|warning.*worker", server.log()), server.log()
