# SPDX-License-Identifier: ISC
"""Many strangers at once: what they cost, who gives way, and that a client who
asks is answered all the same."""
import re

import pytest

from binary import LONG, TIMEOUT, SANITIZED
from client import Client
from crowd import (Crowd, answered, anywhere, closed, cut, hello, idle_tls,
                   open_one, visits)
from harness import Server, tree, wait_for
from life import silent
from preload import Later, later_clock, needed  # noqa: F401
from tools import raise_descriptor_limit

BIG = 20_000_000
# A handshake under a sanitizer costs ten times as much.
MANY = 600 if SANITIZED else 3000
SECONDS = 20 if LONG else 1


@pytest.fixture(autouse=True, scope="module")
def descriptors():
    raise_descriptor_limit()


def crowded(place, env=None, workers=1, **limits):
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    return Server([{"host": "localhost", "root": str(root)}],
                  directory=place, listen=(4,), workers=workers, env=env,
                  options={"limits": dict({"rate": 0}, **limits)})


def half_open(server, n, payload):
    found = [open_one(server.port(), payload, anywhere()) for _ in range(n)]
    assert None not in found
    return found


def leave(sockets):
    for s in sockets:
        s.close()


@pytest.mark.skipif(SANITIZED, reason="memory of the program alone")
@pytest.mark.parametrize("size", [1, 40])
def test_a_ClientHello_in_small_records_costs_nothing(place, size):
    """While it is not whole: no TLS object waits for the rest."""
    with crowded(place) as server:
        before = server.memory()
        pieces = half_open(server, 500, cut(hello(), size)[:-1])
        with Client(server) as c:  # they have been looked at by then
            assert c.ask("/").reply().whole
        assert server.memory() - before < 2_000_000
        # The last byte makes it a hello like any other.
        pieces[0].send(cut(hello(), size)[-1:])
        wait_for(lambda: answered(pieces[0]))
        assert not any(answered(s) for s in pieces[1:])
        leave(pieces)


def test_half_open_handshakes_of_all_workers_are_bounded(place):
    """1,024 are kept; the oldest give way, and a client is answered."""
    with crowded(place, workers=2, handshake=60) as server:
        strangers = []
        for _ in range(9):
            strangers += half_open(server, 150, hello())
            with Client(server) as c:
                assert c.ask("/").reply().whole

        # two workers may go beyond it at the same time, until the next comes
        wait_for(lambda: server.ask("/").whole and len(
            [s for s in strangers if not closed(s)]) <= 1024)
        kept = [s for s in strangers if not closed(s)]
        assert len(kept) >= 1024 - 2 * 16
        assert server.ask("/").whole
        leave(strangers)


@pytest.mark.parametrize("hangs_up", [False, True])
@pytest.mark.parametrize("sources", [50, None])
def test_replayed_ClientHellos_cut_no_client(place, sources, hangs_up):
    with crowded(place, workers=2) as server:
        assert server.ask("/").whole
        with Crowd(server.port(), MANY, hello(), sources, hangs_up) as crowd:
            wait_for(lambda: crowd.opened.value > MANY)
            for got, _ in visits(server, SECONDS):
                assert got == 20


def test_few_connections_are_enough_for_a_client(place):
    """A household's share is no flood, however few connections there are."""
    with crowded(place, workers=2, connections=100) as server:
        assert server.ask("/").whole
        with Crowd(server.port(), 1000, hello()) as crowd:
            wait_for(lambda: crowd.opened.value > 1000)
            for got, _ in visits(server, SECONDS):
                assert got == 20


@pytest.mark.parametrize("sources", [94, None])
def test_silent_connections_cut_no_client(place, sources):
    """Though each may have an address of its own, and the client is new at
    first."""
    with crowded(place, workers=2) as server:
        with Crowd(server.port(), 2 * MANY, b"", sources) as crowd:
            wait_for(lambda: crowd.opened.value > 2 * MANY)
            for got, _ in visits(server, SECONDS, source="127.0.0.9"):
                assert got == 20


@pytest.mark.skipif(SANITIZED, reason="memory of the program alone")
def test_memory_is_given_back(place):
    """What a burst of handshakes needed, and what its connections held."""
    with crowded(place, connections=3000, request=60) as server:
        before = server.memory()
        held = idle_tls(server, 2000, 500)
        top = server.memory()
        leave(held)
        wait_for(lambda: server.memory() - before < (top - before) / 4,
                 TIMEOUT, f"memory: {before}, {top}, {server.memory()}")


def readers(server, n):
    """Downloads that have begun and are read no further."""
    found = []
    for _ in range(n):
        c = Client(server, receive_buffer=4096)
        c.ask("/big.bin")
        assert c.read()
        found.append(c)
    return found


def cuts(server):
    return len(re.findall(r" cut /big\.bin", server.log()))


@needed[0]
@needed[1]
def test_a_slow_reader_gives_way_when_slots_are_scarce(
        place, later_clock):  # noqa: F811
    """Less than 1 KiB a second for 30 s, above 80 % of the slots; one for each
    newcomer, and nobody who reads faster."""
    later = Later(place, later_clock)
    with crowded(place, later.env, connections=10, stall=3600) as server:
        tree(place / "capsule", {"big.bin": b"x" * BIG})
        fast, *slow = readers(server, 7)
        later.pass_by(90)  # what the kernel took at once counts as read
        for _ in range(16):  # 256 KiB
            fast.read(1 << 14)
        # The first finds 7 connections of 10, and needs nobody to go.
        waiting = [silent(server), silent(server)]
        wait_for(lambda: cuts(server) == 1)
        waiting.append(silent(server))
        wait_for(lambda: cuts(server) == 2)
        assert server.ask("/").whole
        assert cuts(server) == 3
        assert fast.read(1 << 15)
        leave([fast, *slow, *waiting])


@needed[0]
@needed[1]
def test_newcomers_wait_until_a_reader_is_too_slow(
        place, later_clock):  # noqa: F811
    """All slots are being answered; nothing else happens meanwhile."""
    later = Later(place, later_clock)
    with crowded(place, later.env, connections=3, stall=3600) as server:
        tree(place / "capsule", {"big.bin": b"x" * BIG})
        slow = readers(server, 3)
        late = silent(server)
        assert cuts(server) == 0
        later.pass_by(90)
        wait_for(lambda: cuts(server) == 1)
        late.close()
        assert server.ask("/").whole
        leave(slow)
