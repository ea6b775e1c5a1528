# SPDX-License-Identifier: ISC
"""carnation-migrate: what an older installation left, in a root directory of
the test's own. Its users are numbers; without root they are all the same."""
import os
import shutil
import stat
import subprocess
import sys

import pytest

from harness import ROOT, tree
from life import IS_ROOT, root_only

MIGRATE = ROOT / "scripts/packaging/carnation-migrate"
UID, GID, ADM = (901, 902, 903) if IS_ROOT else (
    os.getuid(), os.getgid(), os.getgid())
DYNAMIC = 62345 if IS_ROOT else UID


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


class Machine:
    def __init__(self, place):
        self.root = tree(place / "machine", {
            "etc/passwd": "root:x:0:0::/root:/bin/sh\n"
                          f"carnation:x:{UID}:{GID}::/:/bin/false\n",
            "etc/group": f"root:x:0:\nadm:x:{ADM}:\ncarnation:x:{GID}:\n",
            "var/lib/private": None, "var/log/private": None})

    def path(self, name):
        return self.root / "var" / name

    def make(self, name, files, owner=DYNAMIC):
        top = tree(self.path(name), files)
        for path in (top, *top.rglob("*")):
            path.chmod(0o700 if path.is_dir() else 0o600)
            if IS_ROOT:
                os.chown(path, owner, owner)

    def link(self, name, target="private/carnation"):
        self.path(name).symlink_to(target)

    def run(self, status=0, **env):
        done = subprocess.run([MIGRATE, self.root], capture_output=True,
                              text=True, env={**os.environ, **env})
        assert done.returncode == status, done
        assert (status == 0) == (done.stderr == ""), done
        return done.stdout + done.stderr

    def content(self, name):
        top = self.path(name)
        return {str(p.relative_to(top)): p.read_text()
                for p in top.rglob("*") if p.is_file()}

    def owners(self, name):
        top = self.path(name)
        return {(p.lstat().st_uid, p.lstat().st_gid)
                for p in (top, *top.rglob("*"))}

    def snapshot(self):
        return sorted(
            (str(p), s.st_mode, s.st_uid, s.st_gid, s.st_ino)
            for p in (self.root / "var").rglob("*") for s in (p.lstat(),))

    def settled(self):
        """Another run finds nothing to do."""
        before = self.snapshot()
        assert self.run() == ""
        assert self.snapshot() == before


@pytest.fixture
def machine(place):
    return Machine(place)


PAIR = {"certs/a.example.crt": "certificate", "certs/a.example.key": "key"}


def check_state(machine):
    path = machine.path("lib/carnation")
    assert path.is_dir() and not path.is_symlink()
    assert not machine.path("lib/private/carnation").exists()
    assert machine.content("lib/carnation") == PAIR
    assert machine.owners("lib/carnation") == {(UID, GID)}
    assert mode(path) == 0o700
    assert mode(path / "certs/a.example.key") == 0o600
    machine.settled()


def test_state_of_a_dynamic_user_is_moved(machine):
    machine.make("lib/private/carnation", PAIR)
    machine.link("lib/carnation")
    inode = machine.path("lib/private/carnation").stat().st_ino
    said = machine.run()
    assert (f"moved {machine.path('lib/private/carnation')} "
            f"to {machine.path('lib/carnation')}\n") in said
    assert "gave" in said and "to the user carnation\n" in said
    assert machine.path("lib/carnation").stat().st_ino == inode
    check_state(machine)


@pytest.mark.parametrize("target", ["/var/lib/private/carnation", None])
def test_an_absolute_link_or_none_is_the_same(machine, target):
    """None: a run was interrupted after it had removed the link."""
    machine.make("lib/private/carnation", PAIR)
    if target:
        machine.link("lib/carnation", target)
    machine.run()
    check_state(machine)


def test_an_empty_directory_is_not_in_the_way(machine):
    """systemd-tmpfiles or a package has made it."""
    machine.make("lib/private/carnation", PAIR)
    machine.path("lib/carnation").mkdir()
    machine.run()
    check_state(machine)


@root_only
def test_owners_are_mended_after_an_interruption(machine):
    machine.make("lib/carnation", PAIR)
    said = machine.run()
    assert "moved" not in said and "gave" in said
    check_state(machine)


@root_only
def test_roots_keys_stay_roots(machine):
    """A server that root starts reads them before it becomes another user."""
    machine.make("lib/carnation", PAIR, owner=0)
    assert machine.run() == ""
    assert machine.owners("lib/carnation") == {(0, 0)}


def test_two_sets_of_files_are_left_to_a_person(machine):
    machine.make("lib/private/carnation", PAIR)
    machine.make("lib/carnation", {"certs/b.example.key": "another"}, UID)
    before = machine.snapshot()
    said = machine.run(1)
    assert "error: " in said and "was not moved" in said
    for name in ("lib/private/carnation", "lib/carnation"):
        assert str(machine.path(name)) in said
    assert machine.snapshot() == before


def test_a_link_to_another_disk_is_left_alone(machine, place):
    tree(place / "disk", PAIR)
    machine.link("lib/carnation", place / "disk")
    machine.settled()
    machine.path("lib/private/carnation").mkdir()
    machine.settled()
    tree(machine.path("lib/private/carnation"), PAIR)
    before = machine.snapshot()
    assert "was not moved" in machine.run(1)
    assert machine.snapshot() == before


def test_a_link_that_leads_nowhere_is_removed(machine):
    """The service would not start with it."""
    machine.link("lib/carnation")
    assert "removed" in machine.run()
    assert not machine.path("lib/carnation").is_symlink()
    machine.link("lib/carnation", "private/other")
    machine.settled()
    assert machine.path("lib/carnation").is_symlink()


LOGS = {"access.log": "now\n", "access.log.1": "then\n",
        "access.log.2.gz": "long ago\n"}


def check_logs(machine):
    logs = machine.path("log/carnation")
    assert logs.is_dir() and not logs.is_symlink()
    assert machine.content("log/carnation") == LOGS
    status = logs.stat()
    assert (status.st_uid, status.st_gid) == (UID, ADM)
    assert mode(logs) == 0o2750
    for file in logs.iterdir():
        assert mode(file) == 0o640
        assert (file.stat().st_uid, file.stat().st_gid) == (UID, ADM)
    machine.settled()


def test_logs_of_a_dynamic_user_are_moved_and_readable(machine):
    machine.make("log/private/carnation", LOGS)
    machine.link("log/carnation")
    with open(machine.path("log/carnation") / "access.log", "a",
              encoding="ascii") as log:
        machine.run()
        log.write("what a running server adds\n")
    now = machine.path("log/carnation") / "access.log"
    assert now.read_text() == "now\nwhat a running server adds\n"
    now.write_text(LOGS["access.log"])
    check_logs(machine)


@pytest.mark.parametrize("interrupted", [False, True])
def test_logs_of_a_fixed_user_become_readable(machine, interrupted):
    machine.make("log/carnation", LOGS, UID)
    if interrupted and IS_ROOT:
        os.chown(machine.path("log/carnation"), 0, 0)
    assert "readable for the group adm" in machine.run()
    check_logs(machine)


def test_what_a_link_among_the_logs_leads_to_is_not_touched(machine, place):
    secret = tree(place, {"secret": "secret"}) / "secret"
    secret.chmod(0o600)
    before = secret.stat()
    machine.make("log/private/carnation", {"access.log.1": "then\n"})
    (machine.path("log/private/carnation") / "access.log").symlink_to(secret)
    machine.run()
    after = secret.stat()
    assert (before.st_mode, before.st_uid, before.st_gid) == (
        after.st_mode, after.st_uid, after.st_gid)


# A process of the service's user that had its directory open: when a program
# names the file x in it, or moves it all, x becomes a link to somebody else's.
ATTACKER = """
import os, sys
go, done, victim, uid = sys.argv[1:]
os.setgroups([])
os.setresgid(int(uid), int(uid), int(uid))
os.setresuid(int(uid), int(uid), int(uid))
print("ready", flush=True)
while True:
    with open(go) as pipe:
        pipe.read()
    try:
        os.rename("x", "y")
        os.symlink(victim, "x")
    except OSError:
        pass
    with open(done, "w") as pipe:
        pipe.write("done\\n")
"""
SHIM = r"""#!/bin/sh
case "${{0##*/}} $*" in
mv\ * | */sub/x*) echo go > '{go}'; read -r _ < '{done}' ;;
esac
exec '{real}' "$@"
"""


@root_only
@pytest.mark.parametrize("old", ["log/carnation", "log/private/carnation"])
def test_a_process_of_the_service_cannot_aim_at_other_files(
        machine, place, old):
    secret = tree(place, {"secret": "secret"}) / "secret"
    secret.chmod(0o600)
    before = secret.stat()
    owner = DYNAMIC if "private" in old else UID
    machine.make(old, {"sub/x": "log\n", "sub/deep/z": "log\n"}, owner)
    pipes = {name: place / name for name in ("go", "done")}
    for pipe in pipes.values():
        os.mkfifo(pipe)
        pipe.chmod(0o666)
    place.chmod(0o755)
    for name in ("chmod", "chgrp", "chown", "mv"):
        shim = tree(place / "bin", {name: SHIM.format(
            real=shutil.which(name), **pipes)}) / name
        shim.chmod(0o755)
    with subprocess.Popen(
            [sys.executable, "-c", ATTACKER, *pipes.values(), secret,
             str(owner)], stdout=subprocess.PIPE,
            cwd=machine.path(old) / "sub") as attacker:
        try:
            assert attacker.stdout.readline() == b"ready\n"
            machine.run(PATH=f"{place / 'bin'}:{os.environ['PATH']}")
        finally:
            attacker.kill()
    after = secret.stat()
    assert (before.st_mode, before.st_uid, before.st_gid) == (
        after.st_mode, after.st_uid, after.st_gid)
    sub = machine.path("log/carnation/sub")
    assert sorted(os.listdir(sub)) == ["deep", "x"]
    for path in (sub, sub / "deep"):
        status = path.stat()
        assert (status.st_uid, status.st_gid, mode(path)) == (UID, ADM, 0o2750)
    assert mode(sub / "x") == mode(sub / "deep/z") == 0o640
    machine.settled()


@root_only
@pytest.mark.parametrize("name", ["log/private/carnation", "log/carnation",
                                  "lib/private/carnation", "lib/carnation"])
def test_another_name_of_roots_file_is_not_given_away(machine, place, name):
    """A kernel without fs.protected_hardlinks lets everybody make one."""
    secret = tree(place, {"secret": "secret"}) / "secret"
    secret.chmod(0o600)
    before = secret.stat()
    machine.make(name, {"sub/a.log": "a\n"}, DYNAMIC)
    os.link(machine.path(name) / "sub/a.log", machine.path(name) / "again")
    os.link(secret, machine.path(name) / "sub/b.log")
    said = machine.run(1)
    after = secret.stat()
    assert (before.st_mode, before.st_uid, before.st_gid) == (
        after.st_mode, after.st_uid, after.st_gid)
    assert "hard links" in said
    now = machine.path(name.replace("private/", ""))
    assert (now / "again").stat().st_uid == UID
    assert (now / "sub").stat().st_uid == UID
    (now / "sub/b.log").unlink()
    machine.settled()


def test_an_operators_own_rule_for_the_logs_stands(machine):
    machine.make("log/carnation", LOGS, UID)
    tree(machine.root, {"etc/tmpfiles.d/carnation.conf": "# mine\n"})
    machine.settled()


def test_mirrors_are_moved_too(machine):
    store = {"example/current": "1", "example/objects/ab": "page"}
    machine.make("lib/private/carnation-mirror", store)
    machine.link("lib/carnation-mirror", "private/carnation-mirror")
    machine.run()
    assert not machine.path("lib/carnation-mirror").is_symlink()
    assert machine.content("lib/carnation-mirror") == store
    assert machine.owners("lib/carnation-mirror") == {(UID, GID)}
    machine.settled()


def test_where_nothing_was_left_not_even_a_user_is_needed(machine):
    (machine.root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    machine.settled()
    machine.make("lib/private/carnation", PAIR)
    machine.link("lib/carnation")
    before = machine.snapshot()
    said = machine.run(1)
    assert "error: there is no user carnation" in said
    assert "useradd --system carnation" in said
    assert machine.snapshot() == before


@root_only
@pytest.mark.skipif(not shutil.which("systemd-tmpfiles"),
                    reason="no systemd here")
def test_systemd_makes_the_directory_of_the_logs_the_same(machine):
    """And finds nothing to do in one that carnation-migrate has seen to."""
    words = ["systemd-tmpfiles", f"--root={machine.root}", "--create",
             ROOT / "scripts/packaging/carnation.tmpfiles"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    tree(machine.path("log/carnation"), LOGS)
    for file in machine.path("log/carnation").iterdir():
        assert file.stat().st_gid == ADM, "the group of the directory"
        file.chmod(0o640)
        os.chown(file, UID, -1)
    check_logs(machine)
    subprocess.run(words, check=True)
    check_logs(machine)
