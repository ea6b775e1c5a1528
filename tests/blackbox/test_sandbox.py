# SPDX-License-Identifier: ISC
"""What workers, keyd and a mirror cannot do, tried in these very processes; that
they can without the sandbox; and that a kernel without it is no obstacle."""
import os
import signal

import pytest

from harness import Server, tool, tree, wait_for
from life import status
from preload import needed
from probe import (CAN, CANNOT, Probe, library,  # noqa: F401
                   may_trace, scratch)
from test_confinement import confined, offered  # noqa: F401

pytestmark = [*needed, pytest.mark.usefixtures("confined")]
ASSERTION = r"Assertion .* failed"

@pytest.fixture
def probe(place, library):
    with Probe(place, library) as p:
        yield p


def served(place, probe, wrapper=(), **options):
    root = tree(place / "capsule", {"index.gmi": "# Home\n"})
    return Server([{"host": "localhost", "root": str(root)}],
                  directory=place, listen=(4,), options=options,
                  wrapper=wrapper, env=probe.env)


def serves(server):
    """Again: a handshake fails while keyd is away for longer than it waits."""
    try:
        return server.ask("/").whole
    except (OSError, AssertionError):  # ssl.SSLError is an OSError
        return False


def user_of(pid):
    return int(status(pid)["Uid"].split()[0])


# ---------------------------------------------------------------------- a worker

def worker_tries(server, probe, place):
    """What came of each."""
    key_file = server.certs / "localhost.key"
    key_file.chmod(0o644)  # rights of files are not to be what refuses
    server.certs.chmod(0o755)
    pid = server.workers()[0]
    probe.stranger_of(user_of(pid))
    tries = {"passwd": ("open", "/etc/passwd"),
             "key": ("open", key_file),
             "write": ("write", scratch(place) / "worker"),
             **{what: (what,) for what in
                ("exec", "connect", "listen", "kill", "ptrace")}}
    return {name: probe.ask(pid, *words, wake=lambda: server.ask("/"))
            for name, words in tries.items()}


def test_a_worker_can_do_none_of_it(place, probe):
    with served(place, probe) as server:
        done = worker_tries(server, probe, place)
        assert set(done.values()) <= CANNOT, done
        assert server.ask("/").whole


def test_a_worker_without_a_sandbox_can(place, probe):
    with served(place, probe, sandbox="off") as server:
        done = worker_tries(server, probe, place)
        if not may_trace():
            del done["ptrace"]
        assert set(done.values()) <= CAN, done
        assert "files: all; system calls: all (off)" in server.log()
        assert server.ask("/").whole


def test_a_worker_behind_landlock_alone(place, probe):
    """Each of the two refuses all of it, as far as it can see it."""
    with served(place, probe, [tool("nosandbox"), "-s"]) as server:
        done = worker_tries(server, probe, place)
        assert set(done.values()) <= CANNOT | version_needed(done), done
        assert "system calls: all (no seccomp here)" in server.log()


def version_needed(done):
    """What a Landlock before version 6 does not refuse."""
    if offered()["landlock"] >= 6:
        return set()
    return {done["connect"], done["listen"], done["kill"]}


def test_a_worker_behind_seccomp_alone(place, probe):
    with served(place, probe, [tool("nosandbox"), "-l"]) as server:
        done = worker_tries(server, probe, place)
        assert done.pop("passwd") == done.pop("key") == 0
        assert set(done.values()) <= CANNOT, done
        assert "files: all (no Landlock here)" in server.log()


def test_a_worker_spoils_nothing_of_its_successors(place, probe):
    """They get the same listening sockets, seats with keyd and log."""
    with served(place, probe) as server:
        server.may_restart = True
        pid = server.workers()[0]
        assert probe.ask(pid, "spoil", wake=lambda: server.ask("/")) == 0
        before = len(server.access())
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: pid not in server.workers())
        assert server.ask("/").whole
        wait_for(lambda: len(server.access()) > before > 0)


def test_an_assertion_in_a_worker_is_printed(place, probe):
    with served(place, probe) as server:
        server.may_restart = True
        pid = server.workers()[0]
        assert probe.ask(pid, "assert", wake=lambda: None,
                         gone=lambda: pid not in server.workers()) == "killed"
        server.wait_log(ASSERTION)
        server.scanned = server.log_path.stat().st_size  # it was meant
        assert server.ask("/").whole


# -------------------------------------------------------------------------- keyd

def keyd_tries(server, probe, place):
    """What came of each, in whichever process holds the keys then. It is ended for
    trying, and replaced."""
    key = server.certs / "localhost.key"
    done = {}
    for name, words in {
            "passwd": ("open", "/etc/passwd"), "key": ("open", key),
            "write": ("write", scratch(place) / "keyd"),
            **{what: (what,) for what in
               ("exec", "connect", "listen", "kill", "ptrace")}}.items():
        pid = wait_for(server.keyds)[0]
        probe.stranger_of(user_of(pid))
        done[name] = probe.ask(pid, *words,
                               gone=lambda p=pid: p not in server.keyds())
        wait_for(lambda: serves(server))
    return done


def test_keyd_is_ended_when_it_tries_any_of_it(place, probe):
    with served(place, probe) as server:
        server.may_restart = True
        done = keyd_tries(server, probe, place)
        assert set(done.values()) == {"killed"}
        assert server.log().count("killed by signal 31 ") == len(done)


@pytest.mark.parametrize("how", ["off", "no seccomp"])
def test_keyd_without_the_filter(place, probe, how):
    """It does not end for trying; without descriptors it can open nothing anyway.
    Landlock still refuses it the rest."""
    off = how == "off"
    with served(place, probe, [] if off else [tool("nosandbox"), "-s"],
                sandbox="off" if off else "on") as server:
        pid = server.keyds()[0]
        done = keyd_tries(server, probe, place)
        assert server.keyds() == [pid], "it lives"
        for what in ("passwd", "key", "write", "connect", "listen"):
            assert done.pop(what) in CAN | CANNOT | {"EMFILE"}
        if not may_trace():
            del done["ptrace"]
        assert set(done.values()) <= (CAN if off else CANNOT), done


def test_an_assertion_in_keyd_is_printed(place, probe):
    with served(place, probe) as server:
        server.may_restart = True
        pid = server.keyds()[0]
        assert probe.ask(pid, "assert",
                         gone=lambda: pid not in server.keyds()) == "killed"
        server.wait_log(ASSERTION)
        server.scanned = server.log_path.stat().st_size  # it was meant
        wait_for(lambda: serves(server))
