# SPDX-License-Identifier: ISC
"""How many: connections per address, and slots. How long is measured in
test_connection.py."""
import subprocess
import time

import pytest

from harness import TIMEOUT, Client, Server, tree, wait_for
from life import ended, expect_rest, own_network, rest, silent, sparse

BIG = 12_000_000


def limited(place, workers=1, families=(4,), **limits):
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    sparse(root / "big.bin", BIG)
    limits.setdefault("exempt", [])
    limits.setdefault("rate", 0)
    if limits["exempt"] is None:
        del limits["exempt"]
    return Server([{"host": "localhost", "root": str(root)}], workers=workers,
                  directory=place, listen=families,
                  options={"limits": limits})


def close_all(sockets):
    for s in sockets:
        s.close()


# ----------------------------------------------------------- per address

@pytest.mark.parametrize("workers", [1, 2])
def test_connections_of_one_address_are_limited(place, workers):
    """Counted over all workers; refused before the handshake, without a word;
    others are not concerned."""
    with limited(place, workers, per_address=4) as server:
        held = [silent(server, "127.0.0.2") for _ in range(4)]
        for _ in range(3):
            with silent(server, "127.0.0.2") as s:
                assert ended(s, 1)
        assert not any(ended(s, 0.05) for s in held)
        assert server.ask("/", source="127.0.0.3").whole
        held.pop().close()
        wait_for(lambda: answered(server, "127.0.0.2"), 2)
        close_all(held)


def answered(server, source):
    try:
        return server.ask("/", source=source).whole
    except OSError:  # one too many, still
        return False


def refused_now(server, source):
    with silent(server, source) as s:
        return ended(s, 0.1)


def test_those_who_say_nothing_are_counted_and_closed_as_well(place):
    """The kernel keeps them for a moment (TCP_DEFER_ACCEPT), not for good."""
    with limited(place, per_address=2, handshake=3) as server:
        began = time.monotonic()
        held = [silent(server, "127.0.0.2", first=b"") for _ in range(5)]
        wait_for(lambda: sum(ended(s, 0.01) for s in held) >= 3)
        assert server.ask("/", source="127.0.0.3").whole
        assert all(ended(s, TIMEOUT) for s in held)
        assert time.monotonic() - began > 3, "two had their time"
        assert server.ask("/", source="127.0.0.2").whole


def test_loopback_is_exempt_by_default(place):
    with limited(place, per_address=4, exempt=None) as server:
        crowd = [silent(server, "127.0.0.2") for _ in range(20)]
        assert not ended(crowd[-1], 0.2)
        assert server.ask("/", source="127.0.0.2").whole
        close_all(crowd)


def test_the_default_is_64_and_none_when_zero(place):
    with limited(place) as server:
        crowd = [silent(server, "127.0.0.2") for _ in range(64)]
        assert not ended(crowd[-1], 0.1)
        assert refused_now(server, "127.0.0.2")
        close_all(crowd)
    with limited(place, per_address=0) as server:
        crowd = [silent(server, "127.0.0.2") for _ in range(100)]
        assert not ended(crowd[-1], 0.1)
        close_all(crowd)


def test_exempt_networks(place):
    with limited(place, per_address=2, exempt=["127.0.0.8/29"]) as server:
        for source, limit in (("127.0.0.9", None), ("127.0.0.15", None),
                              ("127.0.0.16", 2), ("127.0.0.7", 2)):
            crowd = [silent(server, source) for _ in range(6)]
            assert server.ask("/", source="127.0.0.9").whole  # behind them
            gone = sum(ended(s, 0.01) for s in crowd)
            assert gone == (0 if limit is None else 6 - limit), source
            close_all(crowd)


@own_network
def test_ipv6_is_counted_by_its_64(place):
    for a in ("fd00:0:0:1::1", "fd00:0:0:1::2", "fd00:0:0:2::1"):
        subprocess.run(["ip", "addr", "add", a + "/128", "dev", "lo"],
                       check=True)
    with limited(place, families=(6,), per_address=4, rate=1,
                 burst=3) as server:
        def quiet(source):
            return silent(server, source, 6)
        crowd = [quiet(f"fd00:0:0:1::{1 + n % 2}") for n in range(4)]
        for source, gone in (("fd00:0:0:1::2", True), ("fd00:0:0:1::1", True),
                             ("fd00:0:0:2::1", False)):
            with quiet(source) as s:
                assert ended(s, 0.2) == gone, source
        close_all(crowd)
        wait_for(lambda: server.settled(server.expected) == server.expected)
        got = [server.ask("/", family=6, source=f"fd00:0:0:1::{1 + n % 2}")
               .status for n in range(5)]
        assert got == [20, 20, 20, 44, 44]
        assert server.ask("/", family=6, source="fd00:0:0:2::1").status == 20
        server.alive = None  # asking counts


# ------------------------------------------------------------------ slots

def test_the_oldest_of_the_greediest_makes_room(place):
    """One that has not asked yet, of the address that has most of those. Its age
    is what is measured, hence the pauses."""
    with limited(place, connections=8, per_address=0) as server:
        modest = [silent(server, "127.0.0.3") for _ in range(2)]
        time.sleep(0.02)
        greedy = []
        for _ in range(5):
            greedy.append(silent(server, "127.0.0.2"))
            time.sleep(0.02)
        greedy.append(Client(server, source="127.0.0.2"))  # in REQUEST
        assert server.ask("/", source="127.0.0.4").whole
        assert ended(greedy[0], 0.5)
        time.sleep(0.05)
        assert [ended(s, 0.05) for s in modest + greedy[1:5]] == [False] * 6
        newcomers = [silent(server, "127.0.0.4") for _ in range(3)]
        assert ended(greedy[1], 0.5) and ended(greedy[2], 0.5)
        assert [ended(s, 0.05) for s in modest + greedy[3:5]] == [False] * 4
        assert greedy[5].ask("/").reply().whole
        close_all(modest + greedy + newcomers)


def test_who_is_being_answered_is_not_dropped(place):
    with limited(place, connections=6, per_address=0) as server:
        downloads = []
        for _ in range(4):
            c = Client(server, source="127.0.0.2", receive_buffer=16384)
            c.ask("/big.bin")
            assert c.read()
            downloads.append(c)
        crowd = [silent(server, "127.0.0.3") for _ in range(20)]
        assert server.ask("/", source="127.0.0.4").whole
        for c in downloads:
            got, clean = rest(c)
            assert got > BIG - 100_000 and clean
        close_all(downloads + crowd)


def test_slots_full_of_downloads_leave_newcomers_waiting(place):
    """Nobody can be dropped: accept waits, without spinning, for a slot."""
    with limited(place, connections=3, per_address=0) as server:
        downloads = []
        for _ in range(3):
            c = Client(server, receive_buffer=16384)
            c.ask("/big.bin")
            assert c.read()
            downloads.append(c)
        late = silent(server)
        worker, = server.workers()
        expect_rest([worker])
        late.close()
        assert rest(downloads.pop())[1]
        assert server.ask("/").whole
        close_all(downloads)
