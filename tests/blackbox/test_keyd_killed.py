# SPDX-License-Identifier: ISC
"""Full handshakes while the process that has the keys is killed every second:
never a wrong answer, and no failure but while it was away. CARNATION_LONG=1: a
hundred thousand of them, and what `make soak` runs."""
import multiprocessing
import os
import signal
import ssl
import time

import pytest

from client import Client, context
from harness import LONG, Server, tree
from tools import end_with_us, wait_for

pytestmark = pytest.mark.soak

HANDSHAKES = 100_000 if LONG else 2_000
CLIENTS = 2
EVERY = 1.0  # seconds between two deaths
# After the successor has come: a worker that has failed three times does not
# ask for a second, and what it had begun before takes a moment.
AFTER = 1.0 + 0.5
SHARE = 0.02  # of all that may fail: they wait for the successor
PAGE = "# Hello\n" * 500
# What a client sees when the server cannot sign: an alert, or the end.
CUT = ("internal error", "eof", "reset", "closed", "broken pipe")


def shake(server, number, count, out):
    """So many handshakes, none resumed; (began, ended, what) of each failure."""
    end_with_us()
    contexts, failures = [context("1.2"), context("1.3")], []
    for i in range(count):
        began = time.monotonic()
        try:
            with Client(server, ctx=contexts[(i + number) % 2]) as c:
                reply = c.ask("/").reply()
            assert reply.whole and reply.text == PAGE, reply
            assert not reply.resumed
        except (OSError, EOFError, ssl.SSLError, AssertionError) as e:
            failures.append((began, time.monotonic(), repr(e)))
    out.put(failures)


def kill_one(server):
    """Kills keyd, waits for another: when it was killed, and when replaced."""
    old = server.keyd()
    at = time.monotonic()
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: server.keyds() and old not in server.keyds())
    server.wait_log("^carnation: keyd started again "
                    rf"\(process {server.keyd()}\)$")
    return at, time.monotonic()


def is_cut(what):
    return any(word in what.lower().replace("_", " ") for word in CUT)


def test_handshakes_while_keyd_is_killed_every_second(place):
    root = tree(place / "capsule", {"index.gmi": PAGE})
    with Server([{"host": "localhost", "root": str(root)}], directory=place,
                listen=(4,), workers=2) as server:
        fork, away = multiprocessing.get_context("fork"), []
        out = fork.Queue()
        clients = [fork.Process(target=shake, args=(
            server, n, HANDSHAKES // CLIENTS, out)) for n in range(CLIENTS)]
        for c in clients:
            c.start()
        while any(c.is_alive() for c in clients) and out.qsize() < CLIENTS:
            away.append(kill_one(server))
            time.sleep(max(0, away[-1][0] + EVERY - time.monotonic()))
        failures = sum((out.get() for _ in clients), [])
        for c in clients:
            c.join()
            assert c.exitcode == 0
        wrong = [f for f in failures if not is_cut(f[2])]
        assert not wrong, (len(wrong), wrong[:5])
        alone = [f for f in failures if not any(
            f[0] <= back + AFTER and at <= f[1] for at, back in away)]
        assert not alone, (len(alone), alone[:5])
        print(f"{HANDSHAKES} handshakes, {len(away)} deaths of keyd, "
              f"{len(failures)} failures")
        assert len(away) > 1
        assert len(failures) <= SHARE * HANDSHAKES + 3 * len(away), (
            len(failures), len(away))
        wait_for(lambda: server.ask("/").whole)
        server.expect_workers()
