# SPDX-License-Identifier: ISC
"""`rate` and `burst`: 44 with whole seconds, and recovery."""
import re
import time

import pytest

from harness import Server, tree, wait_for
from life import hup, settle


def limited(place, workers=1, **limits):
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    # alive: asking counts
    return Server([{"host": "localhost", "root": str(root)}], workers=workers,
                  directory=place, listen=(4,), alive=None,
                  options={"limits": dict({"exempt": []}, **limits)})


def statuses(server, number, source="127.0.0.2"):
    return [server.ask("/", source=source).status for _ in range(number)]


def test_after_the_burst_comes_44_and_then_recovery(place):
    with limited(place, rate=1, burst=5) as server:
        assert statuses(server, 5) == [20] * 5
        reply = server.ask("/", source="127.0.0.2")
        assert reply.status == 44 and reply.whole
        assert re.fullmatch("[1-9][0-9]*", reply.meta), "whole seconds"
        assert int(reply.meta) <= 2
        assert server.ask("/nothing", source="127.0.0.2").status == 44, (
            "before any file is looked at")
        assert statuses(server, 1, "127.0.0.3") == [20], "others go free"
        wait_for(lambda: statuses(server, 1) == [20])


def test_a_rate_is_what_it_says(place):
    """10 a second, counted over both workers: never more, and no fewer."""
    with limited(place, workers=2, rate=10, burst=5) as server:
        began = time.monotonic()
        for good in range(1, 26):
            wait_for(lambda: statuses(server, 1) == [20])
            elapsed = time.monotonic() - began
            assert good <= 5 + 10 * elapsed + 1, (good, elapsed)


def test_waiting_is_not_prolonged_by_asking(place):
    with limited(place, rate=2, burst=1) as server:
        assert statuses(server, 1) == [20]
        wait_for(lambda: statuses(server, 1) == [20])


def test_the_default_is_60_then_10_a_second(place):
    with limited(place) as server:
        began = time.monotonic()
        got = statuses(server, 100)
        elapsed = time.monotonic() - began
        assert got[:60] == [20] * 60
        assert got.count(20) <= 60 + 10 * elapsed + 1
        if elapsed < 2:
            assert 44 in got


@pytest.mark.parametrize("limits", [
    {"rate": 0, "burst": 1}, {"rate": 1, "burst": 1, "exempt": ["127.0.0.2"]}],
    ids=["rate 0", "exempt"])
def test_no_limit(place, limits):
    with limited(place, **limits) as server:
        assert statuses(server, 20) == [20] * 20


def test_loopback_is_exempt_by_default(place):
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    with Server([{"host": "localhost", "root": str(root)}], directory=place,
                listen=(4, 6),
                options={"limits": {"rate": 1, "burst": 1}}) as server:
        assert statuses(server, 10) == [20] * 10
        assert [server.ask("/", family=6).status for _ in range(10)] \
            == [20] * 10


def test_a_reload_does_not_forgive(place):
    with limited(place, rate=1, burst=5) as server:
        statuses(server, 8)
        hup(server)
        assert statuses(server, 5).count(44) >= 3
        settle(server)
