# SPDX-License-Identifier: ISC
"""A root that leads elsewhere: the next generation, without a signal."""
import bisect
import os
import random
import re
import time

import pytest

from certs import pair
from harness import LONG, TIMEOUT, Server, tree, wait_for
from life import Load, has_looked, hup, mark, settle

TIMEOUT_S = 2.0 + TIMEOUT  # after a switch, the old release is gone


def release(place, number, size=2000):
    """A release all of whose pages say which one they are of, as does the
    language that its capsule.conf sets."""
    line = f"release {number}\n"
    return tree(place / f"release-{number}", {
        "index.gmi": line * size, "deep/page.gmi": line * 5,
        "capsule.conf": f'lang = "en-x-r{number}";\n'})


def switch(place, number):
    """As `ln -sfn` does with -T: atomically."""
    fresh = place / "current.new"
    fresh.symlink_to(f"release-{number}")
    os.replace(fresh, place / "current")


def number_of(reply):
    """The one release that an answer is of; None when it is mixed."""
    lines = reply.text.splitlines()
    said = re.fullmatch(r"text/gemini; lang=en-x-r(\d+)", reply.meta or "")
    if not said or set(lines) != {f"release {said[1]}"}:
        return None
    return int(said[1]) if len(lines) in (5, 2000) else None


def served(place, first=0, workers=1, **how):
    release(place, first)
    switch(place, first)
    return Server([{"host": "localhost", "root": str(place / "current")}],
                  workers=workers, directory=place, listen=(4,), **how)


def test_a_switched_link_is_followed_within_two_seconds(place):
    with served(place) as server:
        for number in range(1, 4):
            release(place, number)
            switch(place, number)
            wait_for(lambda: number_of(server.ask("/")) == number, TIMEOUT_S,
                     f"release {number}")
        settle(server)


def test_a_directory_that_was_exchanged_is_followed(place):
    root = tree(place / "capsule", {"index.gmi": "# Old\n"})
    fresh = tree(place / "fresh", {"index.gmi": "# New\n"})
    with Server([{"host": "localhost", "root": str(root)}], directory=place,
                listen=(4,)) as server:
        root.rename(place / "old")
        fresh.rename(root)
        wait_for(lambda: server.ask("/").text == "# New\n", TIMEOUT_S)
        settle(server)


def test_a_link_further_up_the_path_is_followed(place):
    for n in (1, 2):
        tree(place / f"r{n}/capsule", {"index.gmi": f"# {n}\n"})
    (place / "now").symlink_to("r1")
    with Server([{"host": "localhost", "root": str(place / "now/capsule")}],
                directory=place, listen=(4,)) as server:
        (place / "next").symlink_to("r2")
        os.replace(place / "next", place / "now")
        wait_for(lambda: server.ask("/").text == "# 2\n", TIMEOUT_S)
        settle(server)


def test_a_link_to_nowhere_changes_nothing(place):
    with served(place) as server:
        workers = server.workers()
        switch(place, 99)
        server.wait_log("its last good content is still served")
        assert number_of(server.ask("/")) == 0
        assert server.workers() == workers
        release(place, 1)
        switch(place, 1)
        wait_for(lambda: number_of(server.ask("/")) == 1, TIMEOUT_S)
        settle(server)


def spoil_secret(place, root):
    _, key = pair(place / "keys", "localhost")
    (root / "oops.pem").write_bytes(key.read_bytes())
    return "oops.pem"


def spoil_capsule_conf(place, root):
    (root / "capsule.conf").write_text("lang = 7;\n")
    return r"capsule\.conf:1: "


@pytest.mark.parametrize("spoil", [spoil_secret, spoil_capsule_conf])
def test_a_release_that_does_not_load_is_not_followed(place, spoil):
    with served(place) as server:
        expected = spoil(place, release(place, 1))
        since = mark(server)
        switch(place, 1)
        server.wait_log(expected, since=since)
        has_looked(server)
        assert number_of(server.ask("/")) == 0
        assert len(re.findall(expected, server.log()[since:])) == 1, (
            "said once, not every time it is looked at")
        release(place, 2)
        switch(place, 2)
        wait_for(lambda: number_of(server.ask("/")) == 2, TIMEOUT_S)
        settle(server)


def test_a_switch_and_a_reload_at_once(place):
    with served(place) as server:
        for number in range(1, 6):
            release(place, number)
            switch(place, number)
            hup(server)
            wait_for(lambda: number_of(server.ask("/")) == number, TIMEOUT_S)
        settle(server)


@pytest.mark.soak
def test_switches_under_load_mix_and_lose_nothing(place):
    """Whenever an answer begins, it is wholly of one release, which was the
    current one at some moment of the two seconds before."""
    rng = random.Random(1990)
    moments, numbers = [time.monotonic()], [0]

    def good(reply, began):
        if reply.status != 20:
            return "not a page"
        number = number_of(reply)
        if number is None:
            return "mixed"
        oldest = numbers[max(
            0, bisect.bisect(moments, began - TIMEOUT_S) - 1)]
        if number < oldest:
            return f"release {number}, {oldest} was current 2 s before"

    times = 200 if LONG else 60
    for number in range(1, times + 1):
        release(place, number)
    with served(place, workers=2) as server:
        server.count = 2
        with Load(server, good, ("/", "/deep/page.gmi"), clients=2) as load:
            for number in range(1, times + 1):
                switch(place, number)
                moments.append(time.monotonic())
                numbers.append(number)
                if LONG:
                    wait_for(lambda: number_of(server.ask("/")) == number,
                             TIMEOUT_S, f"release {number}")
                else:
                    load.more(rng.choice((3, 6, 12, 20, 40)))
            wait_for(lambda: number_of(server.ask("/")) == times, TIMEOUT_S)
        settle(server)
