# SPDX-License-Identifier: ISC
"""Sessions of TLS 1.3 in memory that all workers share: each is resumed once,
by any worker, of the same server and capsule; whatever that memory holds, all
clients are answered."""
import os
import random
import re
import signal
import time
from pathlib import Path

import pytest

from harness import Server, tree, wait_for
from life import hup, root_only, settle

ROWS, ROW = 4096, 128  # tls/session_table.h


@pytest.fixture(scope="module")
def table():
    with Server(listen=(4,)) as server:
        yield server


def again(server, reply, **how):
    """The same client, with the session that an earlier reply came with."""
    reply = server.ask("/", tls="1.3", session=reply.session, **how)
    assert reply.whole and reply.status == 20
    return reply


def test_each_is_resumed_once(table):
    first = table.ask("/", tls="1.3")
    assert not first.resumed
    second = again(table, first)
    assert second.resumed
    assert not again(table, first).resumed
    assert again(table, second).resumed


def test_without_the_table_a_ticket_lasts():
    """Which shows that the other tests are about the table."""
    with Server(listen=(4,), env={"CARNATION_WITHOUT": "sessions"}) as server:
        first = server.ask("/", tls="1.3")
        assert again(server, first).resumed
        assert again(server, first).resumed


def test_TLS_1_2_has_tickets_that_last(table):
    session = table.ask("/", tls="1.2").session
    assert session.has_ticket
    for _ in range(2):
        assert table.ask("/", tls="1.2", session=session).resumed


def test_they_outlive_the_worker_that_made_them(place):
    with Server(listen=(4,), workers=2, directory=place) as server:
        replies = [server.ask("/", tls="1.3") for _ in range(8)]
        for pid in server.workers():
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: pid not in server.workers()
                     and len(server.workers()) == 2, what="a new worker")
        server.expect_workers()
        assert all(again(server, reply).resumed for reply in replies)


def test_they_outlive_generations(place):
    with Server(listen=(4,), directory=place) as server:
        reply = server.ask("/", tls="1.3")
        for _ in range(3):
            hup(server)
            settle(server)
        reply = again(server, reply)
        assert reply.resumed
        assert again(server, reply).resumed


def test_they_end_with_the_server(place):
    with Server(listen=(4,), directory=place) as server:
        reply = server.ask("/", tls="1.3")
    with Server(listen=(4,), directory=place) as server:
        assert not again(server, reply).resumed


def test_one_capsule_s_are_not_another_s(place):
    root = tree(place / "capsule", {"index.gmi": "x"})
    hosts = ("a.example", "b.example")
    with Server([{"host": host, "root": root} for host in hosts],
                listen=(4,), directory=place, alive=None) as server:
        def ask(host, session=None):
            return server.ask(f"gemini://{host}:{{P}}/", sni=host, tls="1.3",
                              session=session)

        for host, other in (hosts, hosts[::-1]):
            reply = ask(host)
            assert not ask(other, reply.session).resumed
            reply = ask(host)
            assert ask(host, reply.session).resumed


# ------------------------------------------------------------- hostile memory

def table_of(pid):
    """Where the table lies in a process: the shared mapping of its size."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        found = re.match(r"(\w+)-(\w+) rw-s ", line)
        if found:
            start, end = (int(word, 16) for word in found.groups())
            if 0 < end - start - ROWS * ROW <= 4096:
                return start
    raise AssertionError("no table")


def overwrite(pid, data, offset=0):
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        memory.seek(table_of(pid) + offset)
        assert memory.write(data) == len(data)


def read_table(pid):
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(table_of(pid))
        return memory.read(ROWS * ROW)


@root_only
def test_nothing_stays_in_memory_of_what_was_resumed(place):
    with Server(listen=(4,), workers=2, directory=place) as server:
        reply = server.ask("/", tls="1.3")
        before = read_table(server.process.pid)
        rows = [at for at in range(0, len(before), ROW)
                if any(before[at + 8:at + ROW])]
        secrets = [before[at + 72:at + 104] for at in rows]
        again(server, reply)
        after = read_table(server.process.pid)
        assert sum(secret not in after for secret in secrets) == 1


@root_only
def test_random_bytes_in_the_table(place):
    """As a worker that an attacker controls could write them."""
    with Server(listen=(4,), workers=2, directory=place) as server:
        for seed in range(20):
            replies = [server.ask("/", tls="1.3") for _ in range(3)]
            overwrite(server.process.pid,
                      random.Random(seed).randbytes(ROWS * ROW))
            for reply in replies:
                assert not again(server, reply).resumed
        server.expect_workers()


@root_only
def test_rows_that_nobody_unlocks(place):
    """As workers leave them that die while they write."""
    with Server(listen=(4,), workers=2, directory=place) as server:
        reply = server.ask("/", tls="1.3")
        locked = (1).to_bytes(4, "little") + bytes(ROW - 4)
        overwrite(server.process.pid, locked * ROWS)
        reply = again(server, reply)
        assert not reply.resumed
        for _ in range(10):
            reply = again(server, reply)
            assert reply.resumed


@root_only
def test_all_processes_share_one(place):
    with Server(listen=(4,), workers=2, directory=place) as server:
        sizes = {pid: table_of(pid)
                 for pid in (server.process.pid, *server.workers())}
        assert len(set(sizes.values())) == 1, sizes


@pytest.mark.soak
def test_a_flood_of_handshakes_does_no_harm(place):
    """It replaces sessions: those clients are answered without."""
    with Server(listen=(4,), workers=2, directory=place) as server:
        reply, end = server.ask("/", tls="1.3"), time.monotonic() + 30
        while time.monotonic() < end:
            assert server.ask("/", tls="1.3").whole
        reply = again(server, reply)
        assert again(server, reply).resumed
        server.expect_workers()
