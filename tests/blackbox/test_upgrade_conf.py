# SPDX-License-Identifier: ISC
"""Every configuration that carnation 0.1 accepted is accepted, and means the
same: carnation.conf, capsule.conf, and the words of serve and check. What 0.1
made of those in upgrading.py is in conf-0.1.json."""
import pytest

from harness import CARNATION, own_directory, remove
from life import IS_ROOT
from upgrading import CONFS, CONTENTS, LINES, Machine, flat, recorded

OLD = recorded()
# Options that 0.1 did not have: as it was without them.
NEW = {"sandbox": '"on"', "log.handshakes": "false"}
# What changed for a reason (src/CHANGES), and the words of the error.
REFUSED = {
    # A path could have named another host: in the rest of "/old/.evil.com".
    "redirects-star-host": "'*' could name another host",
    # Each request would pay for it.
    "gone-long-glob": "longer than 255 bytes, from its first wildcard on",
    # The owner of its directory chose what root appended to.
    "log.access-link": "a symbolic link, which is not followed",
    # Clients could read it.
    "log.access-in-root": "is inside the root",
}
# The same in a capsule.conf, which may be a stranger's.
BOUNDED = {
    "index-many": "index: too many entries: 301 (limit 256)",
    "paths-many": "paths: too many entries: 301 (limit 256)",
}
# A directory alone is for a look at it: loopback, unless --host or --listen.
LOOPBACK = {"dir": '["127.0.0.1", "[::1]"]', "dir-slash": '["127.0.0.1", "[::1]"]'}


def rows(kind, names=None):
    return pytest.mark.parametrize("name", [
        pytest.param(n, marks=pytest.mark.skipif(
            not IS_ROOT and n.startswith(("user", "group")),
            reason="only root may name a user")) for n in names or OLD[kind]])


@pytest.fixture(name="machine", scope="module")
def machine_of_all():
    place = own_directory()
    yield Machine(CARNATION, place)
    remove(place)


def same(machine, dump, old):
    assert dump is not None, machine.said
    new = flat(dump)
    assert {k: v for k, v in new.items() if k not in NEW} == old
    assert {k: v for k, v in new.items() if k not in old} == NEW


@rows("confs")
def test_carnation_conf(machine, name):
    dump = machine.conf(CONFS[name])
    if name in REFUSED:
        assert dump is None and REFUSED[name] in machine.said
    else:
        same(machine, dump, OLD["confs"][name])


@rows("contents")
def test_settings_of_a_capsule_in_carnation_conf(machine, name):
    dump = machine.content(CONTENTS[name])
    if name in REFUSED:
        assert dump is None and REFUSED[name] in machine.said
    else:
        same(machine, dump, OLD["contents"][name])


@rows("lines")
def test_command_lines(machine, name):
    old = OLD["lines"][name]
    if name in LOOPBACK:
        old = dict(old, listen=LOOPBACK[name])
    for verb in ([], ["-n"]):
        same(machine, machine.line([*LINES[name], *verb]), old)


def test_what_a_capsule_conf_makes_of_requests(machine):
    old = dict(OLD["capsules"])
    for name, why in {**REFUSED, **BOUNDED}.items():
        if old.pop(name, None):
            assert not machine.capsule_is_good(CONTENTS[name])
            assert why in machine.said, machine.said
    new = machine.answers({name: CONTENTS[name] for name in old})
    for name, answers in new.items():
        was = dict(old[name])
        # A redirect from "/old/*" answers "/old", too, where nothing was.
        if was["/old"] == "51 Not found" and answers["/old"][0] == "3":
            was["/old"] = answers["/old"]
        assert answers == was, (name, CONTENTS[name])


def test_nothing_that_was_accepted_is_forgotten():
    """What is recorded is still asked, and the other way round most is."""
    for kind, now in (("confs", CONFS), ("contents", CONTENTS),
                      ("capsules", CONTENTS), ("lines", LINES)):
        assert set(OLD[kind]) <= set(now)
        assert len(OLD[kind]) > len(now) * 2 // 3
    assert {*REFUSED, *BOUNDED} <= {*OLD["confs"], *OLD["contents"]}
