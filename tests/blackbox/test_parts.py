# SPDX-License-Identifier: ISC
"""The parts of the TLS code that can be off: CARNATION_WITHOUT."""
import re

import pytest

from harness import SANITIZED, Client, Server
from life import refused

PARTS = ("sessions", "key-schedule", "sending", "memory", "context",
         "key-pair")


@pytest.mark.skipif(SANITIZED, reason="has no allocator of its own")
def test_nothing_is_printed_when_all_are_on():
    with Server() as server:
        assert "fast path" not in server.log()


def test_an_unknown_part_is_refused(place):
    said = refused(place, status=2, env={"CARNATION_WITHOUT": "memory,speed"})
    assert 'CARNATION_WITHOUT: unknown part: "speed"' in said


@pytest.mark.parametrize("without", [*PARTS, ",".join(PARTS)])
def test_it_serves_without(without):
    with Server(env={"CARNATION_WITHOUT": without}) as server:
        line = re.search(r"^  fast path +without (.*)$", server.log(), re.M)
        off = set(without.split(","))
        if off == {"context"}:
            off.add("key-pair (needs context)")
        if SANITIZED and "memory" not in off:
            off.add("memory (memory is watched)")
        assert set(line[1].split(", ")) == off
        for version in "1.2", "1.3":
            with Client(server, tls=version) as c:
                c.send(server.line("/") + b"\r\n")
                assert c.reply().status == 20
