# SPDX-License-Identifier: ISC
"""TERM, INT and USR1; logrotate; a log that cannot be written."""
import contextlib
import os
import re
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

from harness import TIMEOUT, ROOT, Client, Server, connect, tree, wait_for
from life import (IS_ROOT, ended, exists, mark, rest, root_only, settle, silent,
                  sparse, wrapper)

BIG = 12_000_000


@pytest.fixture
def start(place):
    """Starts a server that the test itself will end."""
    started = []

    def run(workers=2, **options):
        root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
        sparse(root / "big.bin", BIG)
        server = Server([{"host": "localhost", "root": str(root)}],
                        directory=place, listen=(4,), workers=workers,
                        options=options)
        Server.running.remove(server)
        started.append(server)
        return server

    yield run
    for server in started:
        if server.process.poll() is None:
            server.kill()
        server.scan()


def download(server):
    c = Client(server, receive_buffer=16384).ask("/big.bin")
    assert c.read()
    return c


def refuses(server):
    try:
        with connect(server) as sock:
            return ended(sock, 0.05)
    except ConnectionRefusedError:
        return True


# ----------------------------------------------------------------- the end

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT],
                         ids=lambda n: n.name)
def test_it_drains_a_download_and_takes_nobody_new(start, number):
    server = start()
    with download(server) as c:
        idle = silent(server)
        server.signal(number)
        wait_for(lambda: refuses(server))
        assert server.process.poll() is None
        got, clean = rest(c)
        assert clean and got > BIG - 100_000
        idle.close()
    assert server.process.wait(TIMEOUT) == 0


def test_it_ends_at_once_when_nobody_is_there(start):
    server = start(limits={"drain": 60})
    workers = server.workers()
    server.signal(signal.SIGTERM)
    assert server.process.wait(TIMEOUT) == 0
    assert not any(exists(p) for p in workers)


def test_who_has_not_asked_yet_may_still_ask(start):
    server = start()
    with Client(server) as c:
        server.signal(signal.SIGTERM)
        wait_for(lambda: refuses(server))
        assert c.ask("/").reply().whole
    assert server.process.wait(TIMEOUT) == 0


def test_drain_has_an_end(start):
    server = start(limits={"drain": 1})
    with download(server), silent(server):
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        assert server.process.wait(TIMEOUT) == 0
        assert 0.7 < time.monotonic() - began


def test_a_second_interrupt_ends_it_at_once(start):
    server = start(limits={"drain": 60})
    workers = server.workers()
    with download(server):
        server.signal(signal.SIGINT)
        wait_for(lambda: refuses(server))
        assert server.process.poll() is None
        server.signal(signal.SIGINT)
        assert server.process.wait(TIMEOUT) >= 0, "by itself, not killed"
    wait_for(lambda: not any(exists(p) for p in workers), 1)


def test_an_end_while_a_reload_is_under_way(start):
    server = start()
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM):
        server.signal(number)
    assert server.process.wait(5) == 0
    server = start()
    server.signal(signal.SIGTERM)
    server.signal(signal.SIGHUP)
    assert server.process.wait(5) == 0


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGXFSZ],
                         ids=lambda n: n.name)
def test_a_signal_without_a_use_ends_nobody(place, number):
    with Server(directory=place, listen=(4,), workers=2) as server:
        workers = server.workers()
        for pid in (server.process.pid, *workers):
            os.kill(pid, number)
        for _ in range(8):
            assert server.ask("/").whole
        assert server.workers() == workers
        assert server.process.poll() is None


def test_cut_connections_are_counted_in_plain_words(start):
    for n, words in ((1, "1 connection did not finish in time and was cut"),
                     (2, "2 connections did not finish in time and were "
                         "cut")):
        server = start(limits={"drain": 1}, workers=1)
        with contextlib.ExitStack() as stack:
            for _ in range(n):
                stack.enter_context(download(server))
            server.signal(signal.SIGTERM)
            assert server.process.wait(5) == 0
        assert words in server.log()


# ----------------------------------------------------------------- the log

def logged(place, workers=1, log=None, **how):
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    return Server(
        [{"host": "localhost", "root": str(root)}], workers=workers,
        directory=place, listen=(4,),
        options={"log": dict({"access": str(place / "logs/access.log")},
                             **log or {})}, **how)


def paths(file):
    """The paths of all complete lines of a log."""
    if not file.exists():
        return []
    return [x.rsplit(" ", 1)[1] for x in file.read_text().splitlines()]


def test_usr1_opens_the_log_anew_and_loses_no_line(place):
    logs = tree(place / "logs", {})
    with logged(place) as server:
        current, old = logs / "access.log", logs / "access.log.1"
        server.ask("/1")
        wait_for(lambda: "/1" in paths(current))
        current.rename(old)
        server.ask("/2")
        wait_for(lambda: paths(old)[-2:] == ["/1", "/2"])
        server.signal(signal.SIGUSR1)
        wait_for(current.exists, 2)

        def arrives():
            server.ask("/new")
            return "/new" in paths(current)
        wait_for(arrives, 2)
        settle(server)
        assert set(paths(current)) <= {"/new", "/"}


def test_usr1_loses_no_request_under_way(place):
    tree(place / "logs", {})
    sparse(place / "capsule/big.bin", BIG)
    with logged(place) as server:
        with download(server) as c:
            since = mark(server)
            server.signal(signal.SIGUSR1)
            server.wait_log("^carnation: reloaded: ", since=since)
            assert rest(c)[1]
        settle(server)


def test_usr1_when_the_file_cannot_be_opened_changes_nothing(place):
    logs = tree(place / "logs", {})
    with logged(place) as server:
        logs.rename(place / "moved")
        since = mark(server)
        server.signal(signal.SIGUSR1)
        server.wait_log(r"^carnation serve: error: .*access\.log", since=since)
        server.wait_log("error: cannot reopen the log: see above; "
                        f"still writing {place}/moved/access.log$",
                        since=since)
        assert "reload refused" not in server.log()[since:]
        server.ask("/still")
        wait_for(lambda: "/still" in paths(place / "moved/access.log"))


@pytest.mark.skipif(not shutil.which("logrotate"), reason="no logrotate here")
def test_our_logrotate_snippet_works(place):
    """As it is installed, but for the place and the owner of the log; a service
    manager of our own sends the signal. The group of the directory remains."""
    logs = tree(place / "logs", {})
    if IS_ROOT:
        shutil.chown(logs, "nobody", "tty")  # a group that is everywhere
        logs.chmod(0o2750)
    snippet = (ROOT / "scripts/packaging/carnation.logrotate").read_text()
    assert "/var/log/carnation/*.log" in snippet
    with logged(place) as server:
        manager = tree(place / "bin", {"rc-service": (
            '#!/bin/sh\n[ "$*" = "carnation reopen" ] && '
            f"kill -USR1 {server.process.pid}\n")}) / "rc-service"
        manager.chmod(0o755)
        config = place / "rotate.conf"
        config.write_text(
            snippet.replace("/var/log/carnation", str(logs))
            .replace("su carnation adm", "su nobody tty"
                     if IS_ROOT else "")
            .replace("/run/systemd/system", str(place / "no-systemd")))
        config.chmod(0o644)
        tree(logs, {"messages": "long ago\n" * 10})
        if IS_ROOT:
            (logs / "messages").chmod(0o640)
            shutil.chown(logs / "messages", "nobody")
            shutil.chown(logs / "access.log", "nobody")
        inode = (logs / "messages").stat().st_ino
        server.ask("/before")
        wait_for(lambda: "/before" in paths(logs / "access.log"))
        done = subprocess.run(
            ["logrotate", "-f", "-s", place / "state", config],
            capture_output=True, text=True, env=dict(
                os.environ, PATH=f"{place}/bin:{os.environ['PATH']}"))
        assert done.returncode == 0, done.stderr
        wait_for((logs / "access.log").exists, 2)

        def arrives():
            server.ask("/after")
            return "/after" in paths(logs / "access.log")
        wait_for(arrives, 2)
        assert "/before" in paths(logs / "access.log.1")
        kept = (logs / "messages").stat()
        assert (kept.st_ino, kept.st_size) == (inode, 0), "cut, not renamed"
        assert "long ago" in subprocess.run(
            ["zcat", "-f", *logs.glob("messages.1*")], text=True,
            capture_output=True).stdout
        if IS_ROOT:
            assert {(p.name.split(".")[0], p.group(), oct(p.stat().st_mode))
                    for p in logs.iterdir()} == {
                        (name, "tty", "0o100640")
                        for name in ("access", "messages")}
        settle(server)


@root_only
def test_a_full_log_disk_stops_nobody_and_is_told_once(place):
    logs = tree(place / "logs", {})
    with logged(place, wrapper=wrapper("tmpfs", logs, 64)) as server:
        inside = Path(f"/proc/{server.process.pid}/root{logs}/access.log")
        since = mark(server)
        long = "/" + "a" * 990
        for _ in range(100):
            assert server.ask(long).status == 51
        size = inside.stat().st_size
        assert 50_000 < size <= 65_536, "full it is"
        server.wait_log(r"^carnation.*: warning: .*log", since=since)
        for _ in range(30):
            assert server.ask("/").whole
        assert told(server, since) == 1, "one warning a minute"
        os.truncate(inside, 0)
        server.ask("/recovered")
        wait_for(lambda: "/recovered" in paths(inside))
        lines = inside.read_text().splitlines()
        assert all(re.match(r"\d{4}-\d\d-\d\dT", x) for x in lines), lines


@pytest.mark.parametrize("kind", ["link", "device", "directory"])
def test_usr1_opens_nothing_but_a_file(place, kind):
    """Who owns the log's directory cannot make the server write elsewhere."""
    logs = tree(place / "logs", {})
    elsewhere = tree(place / "other", {"precious": "precious\n"}) / "precious"
    with logged(place) as server:
        file = logs / "access.log"
        file.rename(logs / "old")
        if kind == "link":
            file.symlink_to(elsewhere)
        elif kind == "directory":
            file.mkdir()
        elif IS_ROOT:
            os.mknod(file, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        else:
            pytest.skip("needs root")
        since = mark(server)
        server.signal(signal.SIGUSR1)
        server.wait_log(r"^carnation serve: error: .*access\.log", since=since)
        server.wait_log("error: cannot reopen the log: see above; "
                        f"still writing {logs}/old$", since=since)
        assert "reload refused" not in server.log()[since:]
        server.ask("/still")
        wait_for(lambda: "/still" in paths(logs / "old"))
        assert elsewhere.read_text() == "precious\n"


@root_only
def test_a_line_cut_by_a_full_disk_ends_with_a_line_feed(place):
    """The next writer, another worker too, begins a line of its own."""
    logs = tree(place / "logs", {})
    with logged(place, workers=2,
                wrapper=wrapper("tmpfs", logs, 128)) as server:
        inside = Path(f"/proc/{server.process.pid}/root{logs}")

        def fill():
            size = -1
            while size != (size := (inside / "access.log").stat().st_size):
                for _ in range(4):
                    assert server.ask("/" + "a" * 990).status == 51
            return (inside / "access.log").read_bytes()

        (inside / "ballast").write_bytes(bytes(65536))
        if fill().endswith(b"\n"):  # a line ended where the disk did
            os.truncate(inside / "ballast", 65536 - 4096)
            fill()
        assert not fill().endswith(b"\n")
        (inside / "ballast").unlink()
        for n in range(8):
            server.ask(f"/recovered/{n}")
        wait_for(lambda: (inside / "access.log").read_text().count(
            "/recovered/") == 8)
        lines = (inside / "access.log").read_text().splitlines()
        for line in lines:
            assert len(re.findall(r"\d{4}-\d\d-\d\dT", line)) <= 1, line
            assert re.match(r"\d{4}-\d\d-\d\dT.* /", line) or (
                "/recovered/" not in line), line


def test_a_log_that_was_left_cut_is_mended_at_the_start(place):
    logs = tree(place / "logs", {"access.log": "2020-01-01T00:00:00.000Z ::"})
    with logged(place) as server:
        server.ask("/next")
        wait_for(lambda: "/next" in paths(logs / "access.log"))
        first, second = (logs / "access.log").read_text().splitlines()[:2]
        assert first == "2020-01-01T00:00:00.000Z ::"
        assert re.match(r"\d{4}-\d\d-\d\dT", second), second


def told(server, since):
    return len(re.findall(r"^carnation.*: warning: ", server.log()[since:],
                          re.M))


def emptied(pipe):
    """What is in it now."""
    got = b""
    with contextlib.suppress(BlockingIOError):
        while True:
            got += os.read(pipe, 1 << 20)
    return got


def test_a_log_pipe_that_nobody_reads_stops_nobody(place):
    """stderr may be a pipe to something that hangs."""
    os.mkfifo(place / "pipe")
    reader = os.open(place / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with logged(place, log={"access": str(place / "pipe")}) as server:
            long = "/" + "a" * 990
            for _ in range(100):  # 64 KiB fit
                assert server.ask(long).status == 51
            assert server.ask("/").whole
            assert b" /aaa" in emptied(reader)
            server.ask("/again")
            wait_for(lambda: b" /again\n" in emptied(reader))
    finally:
        os.close(reader)
