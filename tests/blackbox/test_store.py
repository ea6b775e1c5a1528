# SPDX-License-Identifier: ISC
"""carnation rollback and carnation prune: a store's releases, old and new."""
import contextlib
import fcntl
import os
import re
import shutil
import time

import pytest

from life import carnation, root_only, wrapper
from signed import (MANIFEST, Author, Key, check_store, make_store,
                    object_path, sha256)

ORIGIN = "gemini://example.org/"
KEY = Key.new("capsule-1")
LONG_AGO = time.time() - 3600


def store_of(place, serials=(1, 2, 3, 4, 5), old=True):
    """A store of releases that differ in one page; none of them recent."""
    author = Author(KEY, ORIGIN, {"index.gmi": b"# Home\n", "same.txt": b"s\n"})
    trees = [author.publish({"page.gmi": f"# Page {n}\n"}, serial=n)
             for n in serials]
    store = make_store(place / "store", trees)
    if old:
        for release in (store / "releases").iterdir():
            os.utime(release, (LONG_AGO, LONG_AGO))
    return store


def served(store):
    """The serial, whose every file was hashed."""
    return check_store(store, [KEY.public]).serial


def releases(store):
    return sorted(int(p.name) for p in (store / "releases").iterdir())


def snapshot(store):
    return sorted((str(p), p.lstat().st_ino) for p in store.rglob("*")
                  if p.name not in ("lock", "tmp"))


def done(*words, status=0, **how):
    result = carnation(*words, **how)
    assert result.returncode == status, (result.stdout, result.stderr)
    return result


# ------------------------------------------------------------------- rollback

def test_rollback_serves_the_release_before(place):
    store = store_of(place)
    result = done("rollback", store)
    assert result.stdout == "rollback: serial 5 -> 4; now serving 4\n"
    assert re.search(r"mirrors accept only higher serials: they keep 5 "
                     r"until .* as 6\n", result.stderr)
    assert served(store) == 4
    assert done("rollback", store).stdout.endswith("now serving 3\n")
    assert served(store) == 3
    assert releases(store) == [1, 2, 3, 4, 5]


def test_rollback_to_a_serial_and_forward_again(place):
    store = store_of(place)
    done("rollback", store, 2)
    assert served(store) == 2
    result = done("rollback", store, "5")
    assert result.stdout == "rollback: serial 2 -> 5; now serving 5\n"
    assert result.stderr == ""
    assert served(store) == 5


def test_rollback_to_what_is_served_changes_nothing(place):
    store = store_of(place)
    done("rollback", store, 5)
    before = snapshot(store)
    done("rollback", store, 5)
    assert snapshot(store) == before


def test_rollback_knows_of_serials_that_are_pruned(place):
    """The highest ever, and not of those that are left, is what mirrors
    have."""
    store = store_of(place)
    (store / "state").write_text(
        f"carnation-store: 1\norigin: {ORIGIN}\nserial: 9\n"
        f"manifest: {'1' * 64}\n")
    state = (store / "state").read_bytes()
    assert "as 10\n" in done("rollback", store).stderr
    assert (store / "state").read_bytes() == state


def test_rollback_on_a_mirror(place):
    store = store_of(place)
    (store / "state").write_text(
        f"carnation-store: 1\nmirror: yes\norigin: {ORIGIN}\nserial: 5\n"
        f"manifest: {'1' * 64}\n")
    said = done("rollback", store).stderr
    assert "this mirror will accept only serials above 5" \
        in said


def test_rollback_tells_the_trace(place):
    """The trace is of what is served, and the state of the highest serial."""
    store = store_of(place)
    (store / "state").write_text(
        f"carnation-store: 1\norigin: {ORIGIN}\nserial: 5\n"
        f"manifest: {'1' * 64}\nhost: example.org\nkey: {KEY.public}\n")
    state = (store / "state").read_bytes()
    (store / "trace").write_text("serial: 5\n")
    for serial in (4, 2, 5):
        done("rollback", store, serial)
        trace = (store / "trace").read_text()
        part = (store / "current" / MANIFEST).read_bytes().split(b"\n", 2)[2]
        assert f"\nserial: {serial}\n" in trace
        assert f"\nmanifest: {sha256(part)}\n" in trace
        assert "host: example.org\n" in trace
    assert (store / "state").read_bytes() == state


@pytest.mark.parametrize("fault", ["no list", "no signature", "another's",
                                   "another serial", "a file is lost",
                                   "empty"])
def test_rollback_to_what_is_no_release_of_the_author(place, fault):
    store = store_of(place)
    (store / "state").write_text(
        f"carnation-store: 1\nmirror: yes\norigin: {ORIGIN}\nserial: 5\n"
        f"manifest: {'1' * 64}\nkey: {KEY.public}\n")
    release = store / "releases/4"
    if fault == "no list":
        (release / MANIFEST).unlink()
    elif fault == "no signature":
        text = (release / MANIFEST).read_bytes()
        (release / MANIFEST).unlink()
        (release / MANIFEST).write_bytes(text.replace(b"Page", b"page") + b"x")
    elif fault == "another's":
        thief = Author(Key.new("capsule-1"), ORIGIN, {"index.gmi": b"# Ha\n"})
        (release / MANIFEST).unlink()
        (release / MANIFEST).write_bytes(thief.publish(serial=4)[MANIFEST])
    elif fault == "another serial":
        (release / MANIFEST).unlink()
        (release / MANIFEST).write_bytes(
            (store / "releases/3" / MANIFEST).read_bytes())
    elif fault == "a file is lost":
        (release / "page.gmi").unlink()
    else:
        shutil.rmtree(release)
        release.mkdir()
    before = os.readlink(store / "current")
    said = done("rollback", store, status=4).stderr
    assert "releases/4: " in said and "not served" in said
    assert os.readlink(store / "current") == before
    done("rollback", store, 3)
    assert served(store) == 3


@pytest.mark.parametrize("fault", ["rot", "another file", "a link", "extra"])
def test_rollback_hashes_what_it_switches_to(place, fault):
    store = store_of(place)
    (store / "state").write_text(
        f"carnation-store: 1\norigin: {ORIGIN}\nserial: 5\n"
        f"manifest: {'1' * 64}\nkey: {KEY.public}\n")
    page = store / "releases/4/page.gmi"
    if fault == "rot":
        page.chmod(0o644)
        with page.open("r+b") as file:
            file.write(b"@")
    elif fault == "another file":
        page.unlink()
        page.write_text("# Page 3\n")
    elif fault == "a link":
        page.rename(store / "page")
        page.symlink_to(store / "page")
    else:
        page.with_name("extra.gmi").write_text("# Not signed\n")
    said = done("rollback", store, status=4).stderr
    name = "extra.gmi" if fault == "extra" else "page.gmi"
    assert f"releases/4: not served: {name}: " in said
    assert os.readlink(store / "current") == "releases/5"
    done("rollback", store, 3)
    assert os.readlink(store / "current") == "releases/3"


def test_rollback_makes_the_archive_again(place):
    """Whatever carnation 0.1, or a bad disk, has left there."""
    store = store_of(place)
    archive = store / "releases/4/mirror/capsule.tar"
    data = archive.read_bytes()
    archive.unlink()
    archive.write_bytes(data.replace(b"Page", b"page"))
    done("rollback", store)
    assert served(store) == 4 and archive.read_bytes() == data


def test_rollback_to_what_is_not_there(place):
    store = store_of(place, (3, 5))
    said = done("rollback", store, 4, status=1).stderr
    assert ": no release 4\n" in said and "3, 5" in said
    done("rollback", store)
    said = done("rollback", store, status=1).stderr
    assert "no release before 3" in said and served(store) == 3


def test_rollback_when_current_leads_nowhere(place):
    store = store_of(place)
    (store / "current").unlink()
    (store / "current").symlink_to("releases/77")
    assert done("rollback", store).stdout == "rollback: now serving 5\n"
    assert served(store) == 5


def test_rollback_with_a_broken_state(place):
    """It is no time to refuse: the author wants something gone."""
    store = store_of(place)
    (store / "state").write_text("nonsense\n")
    assert "state: line 1" in done("rollback", store).stderr
    assert served(store) == 4


# ---------------------------------------------------------------------- prune

def test_prune_keeps_the_newest(place):
    store = store_of(place)
    result = done("prune", store, "--keep", 2)
    assert result.stdout == (
        "prune: removed 1\nprune: removed 2\nprune: removed 3\n"
        "prune: 3 releases and 3 objects removed; now serving 5\n")
    assert releases(store) == [4, 5] and served(store) == 5
    assert not object_path(store, sha256(b"# Page 3\n")).exists()
    assert object_path(store, sha256(b"# Page 4\n")).exists()
    assert done("prune", store, "--keep=2").stdout == (
        "prune: 0 releases and 0 objects removed; now serving 5\n")


def test_prune_keeps_three_if_not_told(place):
    store = store_of(place)
    done("prune", store)
    assert releases(store) == [3, 4, 5]


def test_prune_never_removes_what_is_served(place):
    store = store_of(place)
    done("rollback", store, 2)
    os.utime(store / "releases/5", (LONG_AGO, LONG_AGO))
    result = done("prune", store, "--keep", "1")
    assert "prune: kept 2: it is being served\n" in result.stdout
    assert releases(store) == [2, 5] and served(store) == 2


def test_prune_keeps_what_was_served_a_moment_ago(place):
    store = store_of(place)
    done("rollback", store, 1)
    done("rollback", store, 5)
    result = done("prune", store, "--keep", "1")
    assert re.search(r"^prune: kept 1: superseded less than 120 s ago",
                     result.stdout, re.M)
    assert releases(store) == [1, 5]
    os.utime(store / "releases/1", (time.time() - 121,) * 2)
    done("prune", store, "--keep", "1")
    assert releases(store) == [5]


@contextlib.contextmanager
def held(release):
    """A lock as a server has on a release that it may still serve."""
    fd = os.open(release, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        yield
    finally:
        os.close(fd)


def test_prune_leaves_a_release_that_is_held(place):
    store = store_of(place)
    with held(store / "releases/2"), held(store / "releases/2"):
        result = done("prune", store, "--keep", "1")
        assert releases(store) == [2, 5]
        assert (store / "releases/2/page.gmi").read_text() == "# Page 2\n"
        assert "prune: kept 2: in use\n" in result.stdout
        assert "prune: 3 releases and 3 objects removed" in result.stdout
        # It is left as often as it is asked, and is no failure.
        assert "prune: kept 2: in use\n" in done(
            "prune", store, "--keep", "1").stdout
    assert done("prune", store, "--keep", "1").stdout == (
        "prune: removed 2\n"
        "prune: 1 release and 1 object removed; now serving 5\n")


def test_prune_drops_what_no_release_has(place):
    store = store_of(place)
    loose = object_path(store, sha256(b"loose"))
    loose.parent.mkdir(exist_ok=True)
    loose.write_bytes(b"loose")
    (store / "releases/6.new").mkdir()
    (store / "tmp/x").write_text("x")
    assert "0 releases and 1 object removed" in done("prune", store, "--keep",
                                                     "9").stdout
    assert not loose.exists() and served(store) == 5


def test_prune_does_not_guess_what_is_served(place):
    store = store_of(place)
    (store / "current").unlink()
    (store / "current").symlink_to(store / "releases/1")
    said = done("prune", store, "--keep", "1", status=4)
    assert "nothing is pruned" in said.stderr
    assert releases(store) == [1, 2, 3, 4, 5]


# ----------------------------------------------------------------------- both

VERBS = pytest.mark.parametrize("verb", ["rollback", "prune"])


@VERBS
@pytest.mark.parametrize("rest", [
    [], ["--unknown", "STORE"], ["STORE", "0"], ["STORE", "-1"],
    ["STORE", "x"], ["STORE", "1", "2"], ["STORE", "9007199254740992"],
    ["STORE", "--keep", "0"], ["STORE", "--keep", "x"], ["STORE", "--keep"],
])
def test_wrong_usage(verb, rest, place):
    store = store_of(place)
    if verb == "rollback" and "--keep" in rest:
        rest = ["STORE", "1", "--keep"]
    before = snapshot(store)
    said = done(verb, *[store if w == "STORE" else w for w in rest], status=2)
    assert said.stderr.endswith(f"See 'carnation help {verb}'.\n")
    assert said.stdout == ""
    assert snapshot(store) == before


@VERBS
def test_another_run_holds_the_lock(verb, place):
    store = store_of(place)
    before = snapshot(store)
    with open(store / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = done(verb, store, status=1)
    assert "in use by another run" in said.stderr and said.stdout == ""
    assert snapshot(store) == before
    done(verb, store)


@VERBS
def test_what_is_no_store(verb, place):
    (place / "dir").mkdir()
    for path, words in (("dir", "not a store"), ("none", "no such store"),
                        ("file", "Not a directory")):
        (place / "file").write_text("x")
        said = done(verb, place / path, status=4)
        assert words in said.stderr and said.stdout == ""
    assert list((place / "dir").iterdir()) == []


@root_only
@VERBS
def test_without_the_right_to_write(verb, place):
    store = store_of(place)
    before = snapshot(store)
    said = done(verb, store, status=4, wrapper=wrapper("user", 65534))
    assert "Permission denied" in said.stderr and said.stdout == ""
    assert snapshot(store) == before


@VERBS
def test_a_file_system_without_hard_links(verb, place):
    store = store_of(place)
    before = snapshot(store)
    said = done(verb, store, status=4, wrapper=wrapper("no-links"))
    assert "no hard links" in said.stderr
    assert snapshot(store) == before
    assert list((store / "tmp").iterdir()) == []


@VERBS
@pytest.mark.parametrize("part", ["objects", "releases", "tmp"])
def test_nothing_is_done_through_a_planted_link(verb, part, place):
    store = store_of(place)
    (store / part).rename(place / "elsewhere")
    (store / part).symlink_to(place / "elsewhere")
    before = snapshot(place)
    said = done(verb, store, status=4)
    assert "symbolic link: " in said.stderr
    assert snapshot(place) == before


def test_a_release_that_is_pruned_takes_nothing_else_along(place):
    """A link in a release leads somewhere: it is removed, and not what it
    leads to."""
    store = store_of(place)
    (place / "precious").mkdir()
    (place / "precious/x").write_text("x")
    (store / "releases/1/link").symlink_to(place / "precious")
    (store / "releases/1/mirror/link").symlink_to("../../2")
    os.utime(store / "releases/1", (LONG_AGO, LONG_AGO))
    done("prune", store)
    assert releases(store) == [3, 4, 5]
    assert (place / "precious/x").read_text() == "x"
    assert (store / "releases/5" / MANIFEST).exists()
