# SPDX-License-Identifier: ISC
"""What a store promises when a run in it dies, finds the disk full, or is not
alone: what is served stays whole, and the next run goes on (mirroring.md 4)."""
import contextlib
import ctypes
import functools
import os
import random
import re
import shutil
import signal
import subprocess
import time

import pytest

from harness import CARNATION, LONG, parallel, tree, wait_for
from life import carnation, root_only
from origin import Origin
from signed import (ARCHIVE, CAPSULE, MANIFEST, Author, Key, archive,
                    check_files, check_store, read_tree)
from tools import end_with_us

ROUNDS = 200 if LONG else 8
FEWER = 40 if LONG else 4
URL = "gemini://example.org/"
KEY = Key.new("capsule-1")
# Enough of them that a run takes its time.
PAGES = {**{p: d for p, d in CAPSULE.items() if p != "capsule.conf"},
         "capsule.conf": b'title = "Home"; feed = "page.gmi";\n',
         "page.gmi": b"# A page\n\n=> x.gmi 2026-01-20 An entry\n",
         "x.gmi": b"# An entry\n",
         **{f"part/{n:03}.txt": b"%d\n" % n * 300 for n in range(150)}}


# -------------------------------------------------------------------- helpers

def whole(store):
    """That all of what current leads to is what its signed list says, the
    archive too; the serial, 0 when nothing was ever published."""
    link = store / "current"
    if not link.is_symlink():
        return 0
    files = read_tree(link.resolve())
    m = check_files(files[MANIFEST], [KEY.public], files)
    pages = {p: d for p, d in files.items() if p not in (MANIFEST, ARCHIVE)}
    assert files[ARCHIVE] == archive(files[MANIFEST], pages, m.created)
    assert os.readlink(link) == f"releases/{m.serial}"
    for name in ("state", "trace"):
        if (store / name).exists():
            text = (store / name).read_bytes()
            # a first run's has no serial yet
            assert text.endswith(b"\n") and \
                (b"serial: " in text or b"\narchive-begun: " in text), text
    return m.serial


class Killer:
    """Runs verbs and kills them with -9: every other time at any moment
    between their start and the end that an undisturbed run came to, else soon
    after they begin to change a store, where it hurts most."""

    def __init__(self, *words):
        began = time.monotonic()
        done = carnation(*words)
        assert done.returncode == 0, done.stderr
        self.seconds = time.monotonic() - began
        self.seed = random.randrange(1 << 32)
        self.random = random.Random(self.seed)
        self.killed = self.aimed = 0

    def remaining(self, process, store):
        """Seconds that are left to a run."""
        self.aimed += 1
        releases = store / "releases"
        if self.aimed % 2 or not releases.exists():
            return self.random.uniform(0, self.seconds)
        before = releases.stat().st_mtime_ns
        wait_for(lambda: process.poll() is not None
                 or releases.stat().st_mtime_ns != before, every=0.0005)
        return self.random.uniform(0, 0.04)

    def run(self, store, *words):
        """False when it was killed."""
        with subprocess.Popen(
                [CARNATION, *map(str, words)], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                preexec_fn=end_with_us) as p:
            try:
                _, said = p.communicate(
                    timeout=self.remaining(p, store))
            except subprocess.TimeoutExpired:
                p.kill()
                _, said = p.communicate()
        if p.returncode == -signal.SIGKILL:
            self.killed += 1
            return False
        # That first run may have been slow: what comes too late comes sooner.
        self.seconds = max(0.8 * self.seconds, 0.005)
        assert p.returncode == 0, (self.seed, p.returncode, said)
        return True


def publish(src, store):
    return ("publish", src, store, "--key", src.parent / "capsule-1.sec",
            "--origin", URL, "--yes")


def mirror(origin, store):
    return ("mirror", origin.url(), store, "--key", KEY.public)


def source(place, files=None):
    """SRC beside the key that signs it."""
    KEY.write(place)
    return tree(place / "src", PAGES if files is None else files)


def change(src, n):
    """What a release has of its own: one page again, one gone, one come."""
    (src / "page.gmi").write_text(
        f"# Version {n}\n\n=> x.gmi 2026-01-20 An entry\n")
    (src / f"part/new-{n}.txt").write_text(f"{n}\n" * 500)
    (src / f"part/new-{n - 1}.txt").unlink(missing_ok=True)


def end_well(store, *words):
    """An undisturbed run sets all right. The serial."""
    done = carnation(*words)
    assert done.returncode == 0, done.stderr
    assert list((store / "tmp").iterdir()) == []
    m = check_store(store, [KEY.public])
    assert whole(store) == m.serial
    return m.serial


# ----------------------------------------------------------------- kill -9

@pytest.mark.soak
def test_publish_killed_at_any_time(place):
    src, store = source(place), place / "store"
    killer = Killer(*publish(src, store))
    before = whole(store)
    for n in range(ROUNDS):
        change(src, n)
        came = killer.run(store, *publish(src, store))
        after = whole(store)
        assert after >= before, (killer.seed, n)
        if came:
            assert after > before, (killer.seed, n)
        # Never the old list over new pages, or the other way round.
        page = (store / "current/page.gmi").read_text()
        assert page == (src / "page.gmi").read_text() or after == before
        before = after
    assert killer.killed > 0
    change(src, ROUNDS)
    assert end_well(store, *publish(src, store)) > before
    assert (store / "current/page.gmi").read_text().startswith(
        f"# Version {ROUNDS}\n")


@pytest.mark.soak
def test_the_first_publish_killed_at_any_time(place):
    """There is no store yet, then half of one."""
    src = source(place)
    killer = Killer(*publish(src, place / "measure"))
    for n in range(FEWER // 2):
        store = place / f"store-{n}"
        for _ in range(2):
            killer.run(store, *publish(src, store))
            whole(store)
        end_well(store, *publish(src, store))
        shutil.rmtree(store)
    assert killer.killed > 0


@pytest.mark.soak
def test_mirror_killed_at_any_time(place):
    with Origin(place) as origin:
        origin.author = Author(KEY, origin.url(), PAGES)
        origin.publish()
        store = place / "store"
        killer = Killer(*mirror(origin, store))
        before = whole(store)
        for n in range(ROUNDS):
            if n % 3 != 2:  # else the same serial is gone on with
                origin.publish({
                    "page.gmi": f"# Version {n}\n",
                    **{f"part/{i:03}.txt": f"{n} {i}\n" * 90
                       for i in range(n % 40, n % 40 + 20)}})
            came = killer.run(store, *mirror(origin, store))
            after = whole(store)
            assert before <= after <= origin.author.serial, (killer.seed, n)
            assert not came or after == origin.author.serial
            before = after
        assert killer.killed > 0
        assert end_well(store, *mirror(origin, store)) == origin.author.serial


@pytest.mark.soak
def test_a_killed_first_mirror_run_is_gone_on_with(place):
    """Nothing that came whole is fetched again."""
    with Origin(place) as origin:
        origin.author = Author(KEY, origin.url(), PAGES)
        origin.publish()
        killer = Killer(*mirror(origin, place / "measure"))
        for n in range(FEWER * 9):
            if n >= FEWER // 2 and killer.killed > 0:
                break  # what was too quick to be killed will be slower
            store = place / f"store-{n}"
            while not killer.run(store, *mirror(origin, store)):
                whole(store)
                killer.seconds *= 1.05  # it must end some day
            have = sum(1 for p in (store / "objects").rglob("*")
                       if p.is_file())
            assert have == len({bytes(d) for d in
                                origin.author.files.values()})
            end_well(store, *mirror(origin, store))
        assert killer.killed > 0


@pytest.mark.soak
def test_rollback_and_prune_killed_at_any_time(place):
    src, store = source(place), place / "store"
    old = time.time() - 3600
    killer = Killer(*publish(src, store))
    killer.seconds /= 4  # they are quicker
    for n in range(FEWER):
        change(src, n)
        done = carnation(*publish(src, store))
        assert done.returncode == 0, done.stderr
        killer.run(store, *killer.random.choice(
            [("rollback", store), ("prune", store, "--keep", 2)]))
        whole(store)
        for release in (store / "releases").iterdir():
            os.utime(release, (old, old))
        killer.run(store, "prune", store, "--keep", 2)
        whole(store)
    assert killer.killed > 0
    end_well(store, "prune", store, "--keep", 2)
    assert len(list((store / "releases").iterdir())) in (2, 3)


# ---------------------------------------------------------------- disk full

CLONE_NEWNS = 0x00020000
_libc = ctypes.CDLL(None, use_errno=True)


def small_disk(kib):
    """The test is given a file system of so many KiB at place/disk, which
    nobody else sees: mounts belong to a thread here, and its children inherit
    them."""
    def decorate(test):
        @functools.wraps(test)
        def run(place):
            parallel(lambda: inside(test, place))
        return root_only(run)

    def inside(test, place):
        (place / "disk").mkdir()
        if _libc.unshare(CLONE_NEWNS) != 0:
            pytest.skip("no mount namespaces here: "
                        + os.strerror(ctypes.get_errno()))
        for words in (["--make-rprivate", "/"],
                      ["-t", "tmpfs", "-o", f"size={kib}k", "none",
                       place / "disk"]):
            subprocess.run(["mount", *words], check=True)
        test(place)
    return decorate


SMALL = {"index.gmi": b"# Home\n", "page.gmi": b"# A page\n"}


def full_at_every_point(store, run):
    """run(size) is a run that brings so many bytes: each ends well, or with 4,
    the reason, the old release whole and nothing left of itself."""
    before, full = whole(store), 0
    assert before > 0
    for size in [*range(100, 50_000, 3000), 200_000]:
        done = run(size)
        after = whole(store)
        assert done.returncode in (0, 4), (size, done.stderr)
        if done.returncode == 4:
            full += 1
            assert re.search("No space left on device|disk has room for",
                             done.stderr), done.stderr
            assert after == before, size
        assert list((store / "tmp").iterdir()) == []
        assert not list((store / "releases").glob("*.new"))
        before = after
    assert full > 0
    return before


def fill(filler, but):
    """Takes all that is left, but so many bytes."""
    with open(filler, "wb", buffering=0) as f:
        with contextlib.suppress(OSError):
            while True:
                f.write(bytes(4096))
        f.truncate(max(f.tell() - but, 0))


def make_room(store):
    """Only what is served, without waiting for two minutes."""
    for release in (store / "releases").iterdir():
        os.utime(release, (0, 0))
    done = carnation("prune", store, "--keep", 1)
    assert done.returncode == 0, done.stderr


@small_disk(64)
def test_publish_on_a_full_disk(place):
    src, store = source(place, SMALL), place / "disk/store"
    done = carnation(*publish(src, store))
    assert done.returncode == 0, done.stderr

    def run(size):
        (src / "big.txt").write_bytes(os.urandom(size // 2).hex().encode())
        return carnation(*publish(src, store))

    last = full_at_every_point(store, run)
    (src / "big.txt").unlink()
    # What is served and its archive may take all there was.
    make_room(store)
    subprocess.run(["mount", "-o", "remount,size=128k", place / "disk"],
                   check=True)
    assert end_well(store, *publish(src, store)) > last


@small_disk(256)
def test_rollback_on_a_full_disk(place):
    """What is to be taken back is taken back: the archive can wait."""
    src, store = source(place, SMALL), place / "disk/store"
    for text in ("one", "two"):
        (src / "index.gmi").write_text(f"# {text}\n")
        done = carnation(*publish(src, store))
        assert done.returncode == 0, done.stderr
    fill(place / "disk/filler", 0)
    done = carnation("rollback", store)
    assert done.returncode == 0 and "now serving 1" in done.stdout, done
    assert "without its archive" in done.stderr
    assert (store / "current/index.gmi").read_text() == "# one\n"
    assert list((store / "tmp").iterdir()) == []
    assert not (store / "current/mirror/capsule.tar").exists()
    (place / "disk/filler").unlink()
    assert end_well(store, *publish(src, store)) == 3


@small_disk(64)
def test_mirror_that_would_not_fit_begins_nothing(place):
    store = place / "disk/store"
    with Origin(place) as origin:
        origin.author = Author(KEY, origin.url(), SMALL)
        origin.publish({"big.txt": bytes(60_000)})
        done = carnation(*mirror(origin, store))
        assert done.returncode == 4 and "disk has room for" in done.stderr
        assert origin.paths == [MANIFEST]
        assert list((store / "tmp").iterdir()) == []
        assert list((store / "releases").iterdir()) == []


@small_disk(384)
def test_mirror_on_a_full_disk(place):
    store = place / "disk/store"
    with Origin(place) as origin:
        origin.author = Author(KEY, origin.url(), SMALL)
        origin.publish()
        done = carnation(*mirror(origin, store))
        assert done.returncode == 0, done.stderr

        def run(size):
            origin.publish({"big.txt": os.urandom(size)})
            return carnation(*mirror(origin, store))

        full_at_every_point(store, run)
        origin.publish({"big.txt": None})
        make_room(store)
        assert end_well(store, *mirror(origin, store)) == origin.author.serial


@small_disk(512)
def test_a_disk_that_fills_up_while_a_mirror_runs(place):
    """Free room was looked at before; then somebody else took it, all but a
    few pages, while the first file came."""
    store, filler = place / "disk/store", place / "disk/filler"
    failed = []
    with Origin(place) as origin:
        origin.author = Author(KEY, origin.url(), SMALL)
        origin.publish()
        before = end_well(store, *mirror(origin, store))
        for left in range(12):
            origin.publish({"page.gmi": f"# Left: {left}\n"})
            origin.on("page.gmi", lambda talk: (
                fill(filler, left * 4096), talk.answer()), times=1)
            done = carnation(*mirror(origin, store))
            filler.unlink()
            assert list((store / "tmp").iterdir()) == []
            assert not list((store / "releases").glob("*.new"))
            after = whole(store)
            if done.returncode == 4:
                assert "No space left on device" in done.stderr, done.stderr
                failed.append(left)
            else:
                assert done.returncode == 0, (left, done.stderr)
                assert after == origin.author.serial
            assert before <= after
            before = after
            make_room(store)
        # Little was not enough, plenty was.
        assert 0 in failed and 11 not in failed, failed
        assert end_well(store, *mirror(origin, store)) == origin.author.serial


# ---------------------------------------------------------------- two at once

def test_of_many_publishes_at_once_each_is_whole_or_waits(place):
    src, store = source(place), place / "store"
    for _ in range(3):
        done = parallel(*[lambda: carnation(*publish(src, store))] * 4)
        status = [d.returncode for d in done]
        assert set(status) <= {0, 1} and 0 in status, done
        for d in done:
            assert d.returncode == 0 or re.search(
                "in use by another run|another run has just "
                "published", d.stderr)
    end_well(store, *publish(src, store))


def test_of_two_mirror_runs_the_second_gives_way(place):
    store = place / "store"
    with Origin(place) as origin:
        origin.author = Author(KEY, origin.url(), PAGES)
        origin.publish()
        second = []

        def meanwhile(talk):
            if not second:
                second.append(carnation(*mirror(origin, store)))
            talk.answer()

        origin.on(ARCHIVE, meanwhile)
        first = carnation(*mirror(origin, store))
        assert first.returncode == 0, first.stderr
        assert second[0].returncode == 1, second[0].stderr
        assert "in use by another run" in second[0].stderr
        end_well(store, *mirror(origin, store))
