# SPDX-License-Identifier: ISC
"""Rough handling: signals at the wrong moment, logs that nobody reads, floods,
resources that run out, roots made to be hard to survey, workers that die while
the ground moves under them."""
import contextlib
import fcntl
import os
import re
import resource
import shutil
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from OpenSSL import SSL

from harness import (CARNATION, TIMEOUT, SANITIZED, Client, Server, parallel,
                     settings, tree, wait_for)
from life import (at_rest, busy, carnation, cpu, exists, expect_rest, hup,
                  hup_refused, mark, refused, root_only, settle, status)
from preload import Later, later_clock, needed  # noqa: F401
from rawtls import Puppet

BROKEN = "x = = ;\n"
SLOW = 10 if SANITIZED else 1


def capsule_conf(server):
    return server.directory / "capsule" / "capsule.conf"


def replaced(server, victims):
    """Kills workers; waits until as many others are there."""
    n = len(server.workers())
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(server.workers()) == n
             and not set(victims) & set(server.workers()), 3)


def users(server):
    """Whom the workers are, once they are no longer the parent's user."""
    parent = status(server.process.pid)["Uid"]

    def changed():
        now = {status(pid)["Uid"] for pid in server.workers()}
        return parent not in now and now

    return wait_for(changed, 3, "workers of another user")


@contextlib.contextmanager
def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


# --------------------------------------------------------- reloads and signals

def children(server):
    pid = server.process.pid
    return set(map(int, Path(
        f"/proc/{pid}/task/{pid}/children").read_text().split()))


def hup_seen(server, old):
    """HUP; the first children beside the old ones. Waits for them without a
    pause, and until something is said, for they may be gone already."""
    said = server.log_path.stat().st_size
    server.signal(signal.SIGHUP)
    found = []

    def seen():
        found[:] = children(server) - old
        return found or server.log_path.stat().st_size != said

    wait_for(seen, what="a new worker", every=0)
    return set(found)


def send(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def two_HUPs(server):
    """A reload that fails, with another one that waits behind it."""
    server.options["log"] = {"access": "nowhere/access.log"}
    server.write_config()
    since, old = mark(server), set(server.workers())
    new = hup_seen(server, children(server))  # they inspect what is served
    send(new, signal.SIGSTOP)
    del server.options["log"]
    server.write_config()
    server.signal(signal.SIGHUP)
    wait_for(lambda: at_rest(server.process.pid), what="HUP taken note of")
    send(new, signal.SIGCONT)
    wait_for(lambda: len(re.findall(
        "reload refused: |^carnation: reloaded: ", server.log()[since:],
        re.M)) == 2, what="what became of both")
    assert "reload refused: " in server.log()[since:]
    server.count = len(old)
    settle(server)


def test_a_second_HUP_while_a_reload_fails(place):
    """What waits behind the failed one is started, on the same listeners."""
    with Server(directory=place, listen=(4,), workers=2) as server:
        for _ in range(6):  # at times it fails before it is seen
            two_HUPs(server)
        assert server.ask("/").whole
        for number in (signal.SIGUSR1, signal.SIGHUP):
            since = mark(server)
            server.signal(number)
            server.wait_log("^carnation: reloaded: ", since=since)
            for _ in range(4):
                assert server.ask("/").whole
        assert "listening on" not in server.log()[since:]
        server.count = 2
        settle(server)


def end_between_generations(directory):
    """TERM and the new generation's word arrive together, while the old one
    has no worker: its seat waits for the end of a back-off."""
    server = Server(directory=directory, listen=(4,))
    for n in range(5):  # the next wait is long
        victim, = wait_for(server.workers, 3)
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: len(re.findall(
            r"^carnation serve: .*worker.*signal", server.log(), re.M)) > n, 3)
    new = hup_seen(server, set())
    with stopped(server.process.pid):
        expect_rest(new)  # it says that it is ready
        server.signal(signal.SIGTERM)
    server.process.wait(TIMEOUT)
    server.stop()
    return server.log()


def test_reload_and_TERM_while_the_old_generation_is_empty(place):
    tries = [place / str(n) for n in range(5)]
    for directory in tries:
        directory.mkdir()
    for log in parallel(*[lambda d=d: end_between_generations(d)
                          for d in tries]):
        assert "did not exit in time" not in log


@root_only
def test_a_refused_reload_does_not_change_the_user(place):
    """All was good but the log, which comes last: a worker that is filled in is
    of the old configuration."""
    with Server(directory=place, listen=(4,),
                options={"user": "nobody"}) as server:
        before = users(server)
        server.options["user"] = "daemon"
        server.options["log"] = {"access": "nowhere/access.log"}
        server.write_config()
        hup_refused(server)
        replaced(server, server.workers())
        assert users(server) == before
        server.expect_workers()


@root_only
def test_roots_after_a_refused_reload_are_the_old_users(place):
    """USR1 changes neither configuration nor user."""
    with Server(directory=place, listen=(4,),
                options={"user": "nobody"}) as server:
        before = users(server)
        server.options["user"] = "daemon"
        server.options["log"] = {"access": "nowhere/access.log"}
        server.write_config()
        hup_refused(server)
        del server.options["log"]
        server.write_config()
        since = mark(server)
        server.signal(signal.SIGUSR1)
        server.wait_log("^carnation: reloaded: ", since=since)
        settle(server)
        assert users(server) == before
        hup(server)
        settle(server)
        assert users(server) != before, "asked for now"


def test_a_worker_is_replaced_over_a_spoiled_capsule_conf(place):
    with Server(directory=place, listen=(4,), workers=2) as server:
        capsule_conf(server).write_text(BROKEN)
        replaced(server, server.workers())
        for _ in range(8):
            assert server.ask("/").whole
        capsule_conf(server).unlink()
        server.expect_workers()


@root_only
def test_a_stopped_worker_goes_with_its_parent(place):
    """A change of user clears the parent-death signal: it is set after it."""
    server = Server(directory=place, listen=(4,), options={"user": "nobody"})
    worker, = server.workers()
    Server.running.remove(server)
    os.kill(worker, signal.SIGSTOP)
    try:
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        wait_for(lambda: not exists(worker), 2, "the worker's end")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)


# ------------------------------------------------------------------------ logs

def test_a_stderr_that_nobody_reads(place):
    """A pipe with room for a part of a line, which is too long to be written
    whole or not at all: nobody waits for the reader."""
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    reader, writer = os.pipe()
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 8192)
    process = subprocess.Popen(
        [CARNATION, "serve", "--listen", "127.0.0.1:0", "--workers", "1",
         "--certs", place / "certs", root],
        stdin=subprocess.DEVNULL, stdout=writer, stderr=writer)
    try:
        said = b""
        while b"ready:" not in said:
            piece = os.read(reader, 65536)
            assert piece, said
            said += piece
        os.write(writer, b"x" * 4090)  # of the two pages
        port = int(re.search(rb"listening on 127\.0\.0\.1:(\d+)", said)[1])
        server = SimpleNamespace(host="localhost", port=lambda family: port)

        def ask(line):
            with Client(server, timeout=4) as c:
                return c.send(line + b"\r\n").reply()

        for _ in range(5):
            assert ask(b"\x01" * 1020).status == 59
        for _ in range(3):
            assert ask(b"gemini://localhost:%d/" % port).whole
        process.send_signal(signal.SIGTERM)
        assert process.wait(3 * SLOW) == 0
    finally:
        process.kill()
        process.wait()
        os.close(reader)
        os.close(writer)


def test_a_log_without_a_reader_is_refused(place):
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    os.mkfifo(place / "pipe")
    (place / "c").write_text(settings({
        "listen": ["127.0.0.1:0"], "log": {"access": place / "pipe"},
        "capsules": [{"host": "localhost", "root": root}]}))
    said = refused("-c", place / "c", "--certs", place / "certs")
    assert re.search(rf"error: .*{place}/pipe: ", said), said


# ---------------------------------------------------------------------- floods

def test_a_flood_of_KeyUpdates_freezes_nobody(place):
    """OpenSSL reads them all within one call, megabytes if it is let."""
    with Server(directory=place, listen=(4,)) as server:
        worker, = server.workers()
        with Puppet(server) as flooder:
            flooder.handshake()
            data = flooder.queue(80_000, b"gemini://localhost/\r\n")
            assert len(data) > 2_000_000
            before = cpu(worker)

            def flood():
                with contextlib.suppress(OSError):
                    flooder.sock.sendall(data)

            def honest():
                for _ in range(15):
                    assert server.ask("/").whole

            parallel(flood, honest)
            with contextlib.suppress(SSL.Error, OSError):
                assert b"# Home" not in flooder.read_all()
            assert server.ask("/").whole
            assert cpu(worker) - before < 0.2 * SLOW


@needed[1]
def test_a_worker_that_cannot_be_replaced(place, later_clock):  # noqa: F811
    """No descriptor for its control socket: the parent tries again in peace,
    also for a worker that had lived long; and succeeds when it can."""
    later = Later(place, later_clock)
    with Server(directory=place, listen=(4,), env=later.env) as server:
        pid = server.process.pid
        later.pass_by(30)
        had = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, had[1]))
        since = mark(server)
        victim, = server.workers()
        os.kill(victim, signal.SIGKILL)
        assert busy([pid], 1.2) < 0.1 * SLOW, "it spins"
        assert server.workers() == []
        said = server.log()[since:]
        assert 2 <= said.count("\n") < 15, said
        resource.prlimit(pid, resource.RLIMIT_NOFILE, had)
        wait_for(server.workers, 2.5, "a new worker")
        server.expect_workers()
        assert server.ask("/").whole


def test_links_that_multiply(place):
    """24 directories, 2^23 ways: each is surveyed once."""
    files = {f"d{i}/page.gmi": "# Page\n" for i in range(24)}
    root = tree(place / "capsule", {"index.gmi": "# Home\n", **files})
    for i in range(23):
        for name in "ab":
            (root / f"d{i}" / name).symlink_to(f"../d{i + 1}")
    with Server([{"host": "localhost", "root": root}], directory=place,
                listen=(4,)) as server:
        hup(server)
        assert server.ask("/d0/" + "a/b/" * 11 + "page.gmi").status == 20
        settle(server)


# ----------------------------------------------------------------- descriptors

def links(pid):
    """What each descriptor of a process is."""
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return found


def sockets(pid):
    return {x for x in links(pid) if x.startswith("socket:")}


@root_only
def test_a_worker_holds_nothing_of_older_generations(place):
    for name in ("v1", "v2"):
        tree(place / name, {"index.gmi": f"# {name}\n"})
    (place / "now").symlink_to("v1")
    with Server([{"host": "localhost", "root": place / "now"}], workers=2,
                directory=place, listen=(4,),
                args=("--log", place / "access")) as server:
        slow = Client(server)  # keeps the first generation, and its root
        (place / "access").unlink()
        (place / "new").symlink_to("v2")
        os.rename(place / "new", place / "now")
        shutil.rmtree(place / "v1")
        old, since = set(server.workers()), mark(server)
        server.signal(signal.SIGHUP)
        server.wait_log("^carnation: reloaded: ", since=since)
        fresh = set(server.workers()) - old
        assert len(fresh) == 2
        listening = sockets(server.process.pid)
        for pid in fresh:
            held = [x for x in links(pid) if not x.startswith("/memfd:")]
            assert not [x for x in held if "(deleted)" in x], held
            assert not [x for x in held if x.startswith(f"{place}/v1")], held
            assert f"{place}/v2" in held
            assert len([x for x in held if "eventpoll" in x]) == 1, held
            assert len(sockets(pid) & listening) == 2, (
                "the listener and its seat, no control socket of another")
            listening |= sockets(pid) - listening
        assert slow.ask("/").reply().status is not None
        slow.close()
        server.count = 2
        settle(server)
        assert server.ask("/").text == "# v2\n"
