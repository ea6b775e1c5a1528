# SPDX-License-Identifier: ISC
"""Started as root: workers are somebody else, for good. Started by somebody
else: that is enough."""
import grp
import os
import pwd
import re
import shutil

import pytest

from harness import CARNATION, Server, tree
from life import (NOBODY, Plain, hup, refused, root_only, settle, status,
                  wrapper)

pytestmark = root_only


def site(place, **options):
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    return Server([{"host": "localhost", "root": str(root)}], workers=2,
                  directory=place, listen=(4,), options=options)


def expect(pid, uid, gid):
    s = status(pid)
    assert s["Uid"].split() == [str(uid)] * 4, s["Uid"]
    assert s["Gid"].split() == [str(gid)] * 4, s["Gid"]
    assert set(s["Groups"].split()) <= {str(gid)}, s["Groups"]
    assert s["NoNewPrivs"].strip() == "1"
    for capabilities in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
        assert int(s[capabilities], 16) == 0, capabilities


def not_dumpable(pid):
    """proc(5): the files of a process that is not dumpable are root's."""
    return os.stat(f"/proc/{pid}/environ").st_uid == 0


def default_user():
    try:
        return pwd.getpwnam("carnation")
    except KeyError:
        return pwd.getpwnam("nobody")


def test_workers_drop_everything_and_the_parent_stays_root(place):
    user = default_user()
    with site(place) as server:
        for pid in server.workers():
            expect(pid, user.pw_uid, user.pw_gid)
        assert status(server.process.pid)["Uid"].split() == ["0"] * 4
        assert server.ask("/").whole
        hup(server)  # keys are read again, by root
        server.count = 2
        settle(server)
        for pid in server.workers():
            expect(pid, user.pw_uid, user.pw_gid)


def test_user_and_group_as_configured(place):
    user = pwd.getpwnam("daemon")
    with site(place, user="daemon") as server:
        for pid in server.workers():
            expect(pid, user.pw_uid, user.pw_gid)
    with site(place, user="daemon", group="games") as server:
        for pid in server.workers():
            expect(pid, user.pw_uid, grp.getgrnam("games").gr_gid)


@pytest.mark.parametrize("options", [
    'user = "no-such-user";', 'group = "no-such-group";', 'user = "root";'])
def test_an_unknown_user_and_root_are_refused(place, options):
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    (place / "c.conf").write_text(
        f'{options}\nlisten = ["127.0.0.1:0"];\n'
        f'capsules = ({{ host = "localhost"; root = "{root}"; }});\n')
    said = refused("-c", place / "c.conf", "--certs", place / "certs")
    assert re.search("no-such|root", said)


def test_a_worker_holds_no_way_back(place):
    """Nothing that is open in a worker leads to keys, or anywhere that can
    be written but the log."""
    with site(place) as server:
        for pid in server.workers():
            for fd in os.listdir(f"/proc/{pid}/fd"):
                target = os.readlink(f"/proc/{pid}/fd/{fd}")
                flags = int(re.search(
                    r"flags:\s+(\d+)",
                    open(f"/proc/{pid}/fdinfo/{fd}").read())[1], 8)
                assert ".key" not in target and "certs" not in target
                if target.startswith(str(place)) and \
                        target != str(server.log_path):
                    assert flags & os.O_ACCMODE == os.O_RDONLY, target


def test_roots_beneath_a_closed_directory_are_served(place):
    """The parent opens them: the worker could not even find them."""
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    root = tree(closed / "capsule", {"index.gmi": "# Hello\n"})
    with Server([{"host": "localhost", "root": str(root)}], directory=place,
                listen=(4,)) as server:
        assert server.ask("/").whole


def test_what_the_worker_cannot_read_is_51(place):
    with site(place) as server:
        (place / "capsule/secret.gmi").write_text("x\n")
        (place / "capsule/secret.gmi").chmod(0o600)
        assert server.ask("/secret.gmi").status == 51


def somebody(place, *words, **how):
    program = shutil.copy(CARNATION, place / "carnation")
    (place / "certs").mkdir()
    os.chown(place / "certs", NOBODY, NOBODY)
    root = tree(place / "capsule", {"index.gmi": "# Hello\n"})
    return dict(words=("--certs", place / "certs", "--listen", "127.0.0.1:0",
                       *words, root),
                program=program, wrapper=wrapper("user", NOBODY))


def test_nobody_may_serve_too(place):
    how = somebody(place)
    with Plain(*how.pop("words"), directory=place, **how) as server:
        for pid in (server.process.pid, *server.workers()):
            assert status(pid)["Uid"].split() == [str(NOBODY)] * 4
        for pid in server.workers():
            assert status(pid)["NoNewPrivs"].strip() == "1"
        assert server.ask("/").whole


POWER = "+net_bind_service,+dac_read_search"


@pytest.mark.skipif(not shutil.which("setpriv"), reason="no setpriv here")
@pytest.mark.parametrize("how", ["ambient", "inheritable"])
def test_a_worker_keeps_no_capability(place, how):
    """Not even what a unit's AmbientCapabilities= gave to the parent, nor what
    root has marked as inheritable."""
    server = somebody(place)
    words, program = server["words"], server["program"]
    launcher = ["setpriv", "--inh-caps", POWER]
    if how == "ambient":
        launcher += ["--reuid", str(NOBODY), "--regid", str(NOBODY),
                     "--clear-groups", "--ambient-caps", POWER]
    with Plain(*words, directory=place, program=program,
               wrapper=launcher) as server:
        held = {"ambient": "CapAmb", "inheritable": "CapInh"}[how]
        assert int(status(server.process.pid)[held], 16) != 0, "it was given"
        user = pwd.getpwuid(NOBODY) if how == "ambient" else default_user()
        for pid in server.workers():
            s = status(pid)
            assert s["Uid"].split() == [str(user.pw_uid)] * 4
            for held in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
                assert int(s[held], 16) == 0, held
            assert not_dumpable(pid)
        assert server.ask("/").whole


def test_who_is_not_root_cannot_become_another_user(place):
    how = somebody(place)
    (place / "c.conf").write_text(
        'user = "daemon";\nlisten = ["127.0.0.1:0"];\n'
        f'capsules = ({{ host = "localhost"; root = "{place}/capsule"; }});\n')
    server = Plain("-c", place / "c.conf", "--certs", place / "certs",
                   directory=place, program=how["program"],
                   wrapper=how["wrapper"], ready=False)
    Server.running.remove(server)
    assert server.process.wait(10) == 1
    assert "c.conf:1: user" in server.log()
