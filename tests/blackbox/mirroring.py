# SPDX-License-Identifier: ISC
"""`carnation mirror` beside an origin in Python, for the tests of mirrors."""
import json
import os
import re
import signal
import subprocess
import threading

import pytest

from harness import CARNATION, TIMEOUT
from life import carnation
from origin import Origin, answer
from signed import ARCHIVE, Author, Key, check_store, read_tree

LINE = re.compile(
    r"mirror: (\S+): serial (?:(\d+) -> )?(\d+): (\d+) new, (\d+) gone, "
    r"(\d+) kept; ([\d.]+ [KMG]?i?B) fetched in (\d+) requests?, \d+\.\d s; "
    r"now serving (\d+)\n")


class Mirror:
    """A store that follows an origin."""

    def __init__(self, place, origin, key, name="store"):
        self.origin, self.key, self.store = origin, key, place / name
        self.pub = key.write(place)[0]

    def words(self, *words, url=None):
        return ["mirror", url or self.origin.url(), self.store, *words]

    def run(self, *words, url=None, **how):
        return carnation(*self.words(*words, url=url), **how)

    def first(self, *words, **how):
        return self.run("--key", self.pub, *words, **how)

    def updated(self, *words, **how):
        """A run that must take something over: its line's numbers."""
        done = self.run(*words, **how)
        assert done.returncode == 0, done
        found = LINE.fullmatch(done.stdout)
        assert found, done
        self.sound()
        return dict(zip(("host", "before", "serial", "new", "gone", "kept",
                         "bytes", "requests", "serving"), found.groups()),
                    said=done.stderr)

    def repaired(self):
        """A run that must make the release whole that is there."""
        done = self.run()
        assert done.returncode == 0 and re.fullmatch(
            r"mirror: \S+: serial \d+: repaired; [\d.]+ [KMG]?i?B fetched in "
            r"\d+ requests?, \d+\.\d s; now serving \d+\n", done.stdout), done
        self.sound()

    def silent(self, *words, **how):
        """A run that must find nothing new, and says nothing."""
        done = self.run(*words, **how)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done

    def fails(self, status, *words, **how):
        """What it said, both ways, when it must end so; and that nothing
        visible has changed."""
        before = self.visible()
        done = self.run(*words, **how)
        assert done.returncode == status, done
        assert self.visible() == before
        assert not list(self.store.glob("tmp/*")), done
        return done.stdout + done.stderr

    def refused(self, *words, **how):
        """The one line on stdout."""
        before = self.visible()
        done = self.run(*words, **how)
        assert done.returncode == 3, done
        assert self.visible() == before
        assert re.fullmatch(r"mirror: \S+: REFUSED.*\n", done.stdout), done
        return done.stdout.rstrip()

    def json(self, *words, status=0, **how):
        done = self.run("--json", *words, **how)
        assert done.returncode == status, done
        return json.loads(done.stdout)

    def start(self, *words, **how):
        return subprocess.Popen(
            [str(CARNATION), *map(str, self.words(*words))],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, **how)

    def visible(self):
        current = self.store / "current"
        return (os.readlink(current), read_tree(current.resolve())) \
            if current.is_symlink() else None

    def sound(self):
        return check_store(self.store, [self.key.public])

    def serving(self):
        link = self.store / "current"
        return int(os.readlink(link).split("/")[1]) if link.is_symlink() else 0

    def state(self):
        return dict(line.split(": ", 1) for line in
                    (self.store / "state").read_text().splitlines())

    def trace(self):
        return dict(line.split(": ", 1) for line in
                    (self.store / "trace").read_text().splitlines())


class AtOnce:
    """A fault that answers honestly after a while and sees how many are
    answered at the same time."""

    def __init__(self, seconds=0.05):
        self.seconds, self.now, self.most = seconds, 0, 0
        self.lock = threading.Lock()

    def __call__(self, talk):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        talk.origin.closing.wait(self.seconds)
        with self.lock:
            self.now -= 1
        talk.answer()


@pytest.fixture
def key():
    return Key.new("capsule-1")


@pytest.fixture
def origin(place, key):
    with Origin(place) as o:
        o.author = Author(key, o.url())
        o.publish()
        yield o


@pytest.fixture
def fresh(place, origin, key):
    """A mirror that has not run yet."""
    return Mirror(place, origin, key)


@pytest.fixture
def mirror(fresh):
    """One that has taken serial 1."""
    done = fresh.first()
    assert done.returncode == 0, done
    fresh.origin.clear()
    return fresh


@pytest.fixture
def second(place, origin):
    """Another mirror of the origin, by its files, as of now."""
    (place / "second").mkdir()
    with Origin(place / "second", origin.files) as o:
        yield o


def wait_for_exit(process, number=signal.SIGTERM):
    process.send_signal(number)
    out, err = process.communicate(timeout=TIMEOUT)
    return process.returncode, out, err


def singly(*origins):
    """They have no archive: files are asked for one by one."""
    for one in origins:
        one.on(ARCHIVE, answer("51 Not found"))


def page(n):
    return {"page.gmi": f"# Version {n}\n"}
