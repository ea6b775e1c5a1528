# SPDX-License-Identifier: ISC
"""The private keys are held by a process of their own, which is replaced when it
dies or hangs, and by nobody else."""
import contextlib
import fcntl
import os
import re
import shutil
import signal
import ssl
import time
from pathlib import Path

import pytest

from certs import pair
from harness import Client, Server, parallel, tree, wait_for
from life import (carnation, exists, hup, mark, root_only, settle, status, wrapper)

KILLS = 8
OWN_USER = 64123
PAUSE = 1  # SIGNING_PAUSE_MS


@pytest.fixture
def server(place):
    with Server(directory=place, listen=(4,), workers=2) as s:
        s.count = 2
        yield s


def replaced(server, old):
    """Waits for the successor of keyd; its pid."""
    new = wait_for(lambda: [pid for pid in server.keyds() if pid != old],
                   what="another keyd")
    server.wait_log(
        rf"^carnation: keyd started again \(process {new[0]}\)$")
    return new[0]


def tried(server, **how):
    """The answer to a new handshake; None: it failed."""
    try:
        return server.ask("/", **how)
    except (ssl.SSLError, OSError):
        return None


@contextlib.contextmanager
def held(path):
    fd = os.open(path, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(fd)


def settled(server):
    """After failures: waits until no worker can still be refusing to try, which
    it does for a second after its last one."""
    failed = time.monotonic()

    def steady():
        nonlocal failed
        if tried(server) is None:
            failed = time.monotonic()
        return time.monotonic() - failed > 1.2 * PAUSE

    wait_for(steady, what="workers that sign again")
    server.expect_workers()


# ------------------------------------------------------------ death and silence

@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_handshakes_wait_for_the_successor(server, tls):
    """In their seats, until signing takes too long: but it seldom does."""
    waited = 0
    for _ in range(KILLS):
        old = server.keyd()
        since = mark(server)
        os.kill(old, signal.SIGKILL)
        waited += tried(server, tls=tls) is not None
        server.wait_log(rf"process {old}\) was killed by signal 9", since=since)
        replaced(server, old)
        wait_for(lambda: tried(server, tls=tls), what="an answer")
    assert waited > 0
    settled(server)
    assert server.ask("/", tls=tls).whole


def test_it_dies_under_load(server):
    """Handshakes fail only while there is none; nothing else ever goes wrong."""
    bad, done = [], []

    def ask():
        while not done:
            reply = tried(server)
            if reply is not None and reply.status not in (20, 44):
                bad.append(reply)

    def kill():
        try:
            for _ in range(KILLS):
                old = server.keyd()
                os.kill(old, signal.SIGKILL)
                replaced(server, old)
        finally:
            done.append(True)

    workers = server.workers()
    parallel(ask, ask, ask, kill)
    assert not bad
    settled(server)
    assert server.workers() == workers


def test_a_stopped_one_is_replaced(server):
    """Resumed sessions go on without it; other handshakes fail, and do not make
    the workers wait."""
    sessions = [server.ask("/").session for _ in range(4)]
    old, workers = server.keyd(), server.workers()
    since = mark(server)
    os.kill(old, signal.SIGSTOP)
    assert tried(server) is None
    assert server.keyds() == [old], "it failed before that was noticed"
    for session in sessions:
        reply = server.ask("/", session=session)
        assert reply.resumed and reply.status == 20
    server.wait_log(rf"process {old}\) does not respond: killed", since=since)
    replaced(server, old)
    settled(server)
    assert server.workers() == workers


def test_the_end_of_all(place):
    """TERM ends it last; when the parent is killed, it ends with it."""
    server = Server(directory=place, listen=(4,))
    family = [pid for pid, *_ in server.children()]
    assert server.keyd() in family
    server.stop()
    assert not [p for p in family if Path(f"/proc/{p}").exists()]
    server.start()
    family = [pid for pid, *_ in server.children()]
    Server.running.remove(server)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()

    wait_for(lambda: not any(map(exists, family)), what="the end of all")
    server.remove()


# ----------------------------------------------------------------------- reloads

def test_it_stays_while_certificates_do(place):
    with Server(directory=place, listen=(4,)) as server:
        first = server.keyd()
        hup(server)
        settle(server)
        since = mark(server)
        server.signal(signal.SIGUSR1)
        server.wait_log("^carnation: reloaded: ", since=since)
        settle(server)
        (place / "capsule").rename(place / "old")
        tree(place / "capsule", {"index.gmi": "# New\n"})
        wait_for(lambda: server.ask("/").text == "# New\n")
        settle(server)
        assert server.keyd() == first


def test_other_certificates_bring_another(place):
    """The old one ends with the last of its workers."""
    with Server(directory=place, listen=(4,)) as server:
        old = server.keyd()
        with Client(server) as slow:
            for file in pair(place / "renewed", "localhost"):
                shutil.copy(file, server.certs / file.name)
            hup(server)
            wait_for(lambda: len(server.keyds()) == 2)
            assert old in server.keyds()
            new = ssl.PEM_cert_to_DER_cert(
                (server.certs / "localhost.crt").read_text())

            def renewed():  # the old generation accepts a moment longer
                with Client(server) as c:
                    return c.certificate() == new

            wait_for(renewed)
            assert slow.ask("/").reply().status == 20
        settle(server)
        assert server.keyd() != old
        # back and forth: the same set is not the same process
        old = server.keyd()
        (server.certs / "localhost.key").touch()
        hup(server)
        settle(server)
        assert server.keyd() != old


def test_a_reload_waits_for_a_seat(place):
    """Where descriptors are few there are few seats; each generation that has not
    finished has some."""
    with Server(directory=place, listen=(4,),
                wrapper=["prlimit", "--nofile=64:64"],
                options={"limits": {"per_address": 0}}) as server, \
            contextlib.ExitStack() as stack:
        slow = []
        since = mark(server)

        def delayed():
            return "reload delayed: " in server.log()[since:]

        while not delayed():
            assert len(slow) < 20, "it never waits"
            slow.append(stack.enter_context(Client(server)))
            count = server.log().count("carnation: reloaded: ")
            server.signal(signal.SIGHUP)
            wait_for(lambda: delayed() or server.log().count(
                "carnation: reloaded: ") > count)
        assert len(slow) > 2
        assert len(server.keyds()) == 1
        for c in slow:
            assert c.ask("/").reply().status == 20
            c.close()
        wait_for(lambda: server.log().count("carnation: reloaded: ") > count,
                 what="the delayed reload")
        settle(server)


# ------------------------------------------------- keys that change behind its back

def two_capsules(place):
    tree(place / "one", {"index.gmi": "# One\n"})
    tree(place / "two", {"index.gmi": "# Two\n"})
    return Server([{"host": "localhost", "root": place / "one"},
                   {"host": "two.example", "root": place / "two"}],
                  directory=place, listen=(4,))


def test_a_key_that_no_longer_fits(place):
    """Its capsule cannot be reached, the others can; until it is put right, or
    until a reload that takes the new pair."""
    with two_capsules(place) as server:
        key = server.certs / "two.example.key"
        right = key.read_bytes()
        new_crt, new_key = pair(place / "renewed", "two.example")

        def replace(content):
            (place / "new").write_bytes(content)
            (place / "new").rename(key)

        replace(new_key.read_bytes())
        assert tried(server, sni="two.example"), "nobody looks"
        since = mark(server)
        old = server.keyd()
        os.kill(old, signal.SIGKILL)
        server.wait_log(
            rf"^carnation serve: error: .*{re.escape(str(key))}.*: clients "
            "cannot connect to two.example; .*reload", since=since)
        replaced(server, old)
        assert tried(server, sni="two.example") is None
        assert tried(server, sni="localhost").status == 20
        replace(right)
        server.wait_log("^carnation: two.example: the private key can be used "
                        "again", since=since)
        wait_for(lambda: tried(server, sni="two.example"))
        replace(new_key.read_bytes())
        shutil.copy(new_crt, server.certs / "two.example.crt")
        hup(server)
        settle(server)
        assert tried(server, sni="two.example")


def test_many_pairs_are_made_at_once(place):
    """One process makes them and another looks, in the same directory, in turn.
    Among so many capsules one bad key is no reason to read all the others again
    while nobody signs: that is left to a reload."""
    root = tree(place / "capsule", {"index.gmi": "# Home\n"})
    names = ["localhost", *(f"n{i}.example" for i in range(80))]
    with Server([{"host": name, "root": str(root)} for name in names],
                directory=place, listen=(4,)) as server:
        assert tried(server, sni="n79.example")
        assert len(list(server.certs.glob("*.key"))) == len(names)
        server.may_restart = True
        key = server.certs / "n7.example.key"
        right = key.read_bytes()
        key.write_bytes(b"no key\n")
        os.kill(server.keyd(), signal.SIGKILL)
        server.wait_log(r"clients cannot connect to n7.example; fix it, then")
        wait_for(lambda: tried(server))
        pid = server.keyd()
        key.write_bytes(right)
        assert tried(server, sni="n7.example") is None
        since = mark(server)
        server.signal(signal.SIGHUP)
        server.wait_log("^carnation: reloaded", since=since)
        wait_for(lambda: tried(server, sni="n7.example"))
        assert "keyd started again" not in server.log()[since:]
        wait_for(lambda: pid not in server.keyds())


def test_a_held_directory_of_certificates_stops_no_server(place):
    """The lock under which pairs are made is anybody's who can open it: a reload
    that needs one is refused after a while, and the server goes on."""
    with Server(directory=place, listen=(4,)) as server:
        tree(place / "two", {"index.gmi": "# Two\n"})
        server.options["capsules"].append(
            {"host": "two.example", "root": str(place / "two")})
        server.write_config()
        server.may_restart = True
        with held(server.certs):
            server.signal(signal.SIGHUP)
            os.kill(server.workers()[0], signal.SIGKILL)
            server.wait_log("reload refused", seconds=60)
            assert "another process holds its lock" in server.log()
            server.expect_workers()
            assert tried(server).status == 20
        hup(server)
        wait_for(lambda: tried(server, sni="two.example"))


# ------------------------------------------------------------------ who may do what

def test_it_has_nothing_else(server):
    """Not dumpable, no files but its seats, no memory shared with anyone."""
    pid = server.keyd()
    if os.geteuid() != 0:
        with pytest.raises(PermissionError):
            os.listdir(f"/proc/{pid}/fd")
        return
    kinds = [os.readlink(f"/proc/{pid}/fd/{fd}").split(":")[0]
             for fd in os.listdir(f"/proc/{pid}/fd") if int(fd) > 2]
    assert set(kinds) == {"socket", "pipe"} and kinds.count("pipe") == 1
    shared = [line for line in Path(f"/proc/{pid}/maps").read_text().split("\n")
              if re.search(r" ...s ", line)]
    assert not shared
    assert os.stat(f"/proc/{pid}/mem").st_uid == 0, "not dumpable"
    assert int(status(pid)["CapEff"], 16) == 0
    assert status(pid)["NoNewPrivs"] == "1"


@root_only
def test_it_has_a_user_of_its_own(place):
    passwd = place / "passwd"
    passwd.write_text(Path("/etc/passwd").read_text() +
                      f"carnation-keys:x:{OWN_USER}:{OWN_USER}::/:/bin/false\n")
    with Server(directory=place, listen=(4,),
                wrapper=wrapper("passwd", passwd)) as server:
        pid = server.keyd()
        assert set(status(pid)["Uid"].split()) == {str(OWN_USER)}
        assert set(status(pid)["Gid"].split()) == {str(OWN_USER)}
        assert re.search(
            rf"^  keys +held by keyd: process {pid}, user carnation-keys$",
            server.log(), re.M)
        for worker in server.workers():
            assert str(OWN_USER) not in status(worker)["Uid"].split()
        os.kill(pid, signal.SIGKILL)
        assert set(status(replaced(server, pid))["Uid"].split()) == {
            str(OWN_USER)}
        server.expect_workers()


# root's strace: another sees no names of files of a process that is not dumpable.
strace = pytest.mark.skipif(not shutil.which("strace") or os.geteuid() != 0,
                            reason="needs root and strace")


def key_openers(file):
    """The processes that opened the file of a key, of a trace."""
    return {int(pid) for pid in re.findall(
        r'^(\d+) +open(?:at2?)?\(.*\.key", O_RDONLY', file.read_text(), re.M)}


def traced(file):
    return ["strace", "-DD", "-f", "-o", file, "-e",
            "trace=open,openat,openat2,clone,clone3,fork,vfork"]


@strace
def test_nobody_else_opens_a_key(place):
    """Neither at the first start, when one is made, nor later."""
    file = place / "trace"
    crt, key = pair(place / "mine", "two.example")
    with Server([{"host": "localhost", "root": tree(place / "c", {
                    "index.gmi": "# Hello\n"})},
                 {"host": "two.example", "root": place / "c",
                  "certificate": str(crt), "key": str(key)}],
                directory=place, listen=(4,), wrapper=traced(file),
                env={"ASAN_OPTIONS": "detect_leaks=0"}) as server:
        keyds = {server.keyd()}
        os.kill(server.keyd(), signal.SIGKILL)
        keyds.add(replaced(server, *keyds))
        (place / "certs" / "localhost.key").touch()
        hup(server)
        settle(server)
        keyds.add(server.keyd())
        assert len(keyds) == 3
        wait_for(lambda: keyds <= key_openers(file))
        assert key_openers(file) == keyds


@strace
def test_check_opens_them_in_a_child(place):
    root = tree(place / "c", {"index.gmi": "# Hello\n"})
    pair(place / "certs", "localhost")
    file = place / "trace"
    done = carnation("check", "--certs", place / "certs", "--host", "localhost",
                     root, wrapper=traced(file),
                     env={"ASAN_OPTIONS": "detect_leaks=0"})
    assert done.returncode == 0, done.stdout
    wait_for(lambda: key_openers(file), what="the trace of it")
    first = int(re.match(r"\d+", file.read_text())[0])
    assert first not in key_openers(file)
