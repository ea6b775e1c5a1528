# SPDX-License-Identifier: ISC
"""What the verbs that read other people's files and answers cannot do, tried in these
very processes; that they can without the sandbox; and that a kernel without it is no
obstacle."""
import os

import pytest

import signed
from harness import tool, tree
from life import carnation
from mirroring import (fresh, key, mirror,  # noqa: F401
                       origin, singly)
from preload import needed
from probe import (CAN, CANNOT, Probe, key_file, library,  # noqa: F401
                   may_trace, scratch)
from signed import sha256
from test_confinement import confined  # noqa: F401

pytestmark = [*needed, pytest.mark.usefixtures("confined")]


@pytest.fixture
def probe(place, library):
    with Probe(place, library) as p:
        p.stranger_of(os.geteuid())
        yield p


# ---------------------------------------------------------------------- a mirror

class Held:
    """An answer that comes a byte at a time, while the mirror that waits for it is
    asked."""

    def __init__(self, probe, tries):
        self.probe, self.tries, self.done, self.pid = probe, tries, {}, None

    def __call__(self, talk):
        left = bytearray(talk.body)
        talk.header(f"20 {talk.meta}")

        def wake():
            if len(left) > 1:
                talk.send(bytes([left.pop(0)]))

        for name, words in self.tries.items():
            self.done[name] = self.probe.ask(self.pid, *words, wake=wake)
        talk.send(bytes(left))


def mirror_tries(fresh, probe, **env):
    """What came of each, in a first run, which must succeed."""
    place = fresh.store.parent
    secret = key_file(place)
    held = Held(probe, {
        "passwd": ("open", "/etc/passwd"), "key": ("open", secret),
        "write": ("write", scratch(place) / "mirror"),
        "beside": ("write", place / "beside"),
        **{what: (what,) for what in ("exec", "listen", "kill", "ptrace")},
        "connect": ("connect",), "hosts": ("open", "/etc/hosts"),
        "store": ("write", fresh.store / "tmp" / "probe")})
    page = b"x" * 4000
    fresh.origin.publish({"long.txt": page})
    singly(fresh.origin)
    fresh.origin.on(
        lambda talk: talk.path.endswith(("long.txt", sha256(page))), held,
        times=1)
    run = fresh.start("--key", fresh.pub,
                      env=dict(os.environ, **probe.env, **env))
    held.pid = run.pid
    out, err = run.communicate(timeout=60)
    assert run.returncode == 0, (out, err)
    fresh.sound()
    assert [held.done.pop(name) for name in ("connect", "hosts", "store")] == [
        0, 0, 0], held.done
    return held.done


def test_a_mirror_has_its_store_and_the_network(fresh, probe):
    done = mirror_tries(fresh, probe)
    assert set(done.values()) <= CANNOT, done


def test_a_mirror_without_a_sandbox_can_do_it(fresh, probe):
    done = mirror_tries(fresh, probe, CARNATION_SANDBOX="off")
    if not may_trace():
        del done["ptrace"]
    assert set(done.values()) <= CAN, done


def test_a_sandbox_is_on_off_or_required(fresh):
    done = fresh.first(env={"CARNATION_SANDBOX": "no"})
    assert done.returncode == 4
    assert ('CARNATION_SANDBOX: invalid value "no" (on, required or off)'
            in done.stderr)
    assert fresh.serving() == 0


@pytest.mark.parametrize("missing, named", [
    (["-l"], "Landlock"), (["-s"], "seccomp"),
    (["-l", "-s"], "Landlock and no seccomp")])
def test_a_mirror_on_a_kernel_without_it(fresh, missing, named):
    """It copies all the same, unless a sandbox is required."""
    words = {"wrapper": [tool("nosandbox"), *missing]}
    done = fresh.first(env={"CARNATION_SANDBOX": "required"}, **words)
    assert done.returncode == 4, done
    assert (f'CARNATION_SANDBOX is "required", but this kernel offers no '
            f"{named}\n") in done.stderr
    assert fresh.serving() == 0
    fresh.updated("--key", fresh.pub, **words)


# ----------------------------------------------------------------- all the others

class Scene:
    """What verbs are run on."""

    def __init__(self, taken):
        self.place, self.store = taken.store.parent, taken.store
        self.origin, self.pub = taken.origin, taken.pub
        self.out = tree(self.place / "out", {})
        self.secret = taken.pub.with_suffix(".sec")
        self.src = tree(self.place / "src", {
            "index.gmi": "# Home\n=> news.gmi News\n",
            "news.gmi": "# News\n=> index.gmi 2026-01-02 - Home\n",
            "picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
            "capsule.conf": 'lang = "en"; feed = "news.gmi"; '
                            'origin = "gemini://capsule.example";\n'})


VERBS = {
    "publish": lambda s: ["publish", s.src, s.out / "own", "--key", s.secret],
    "publish --unsigned": lambda s: [
        "publish", s.src, s.out / "own", "--unsigned", s.out / "list"],
    "lint": lambda s: ["lint", s.src],
    "feed": lambda s: ["feed", s.src],
    "verify STORE": lambda s: ["verify", s.store],
    "verify DIR": lambda s: ["verify", "--key", s.pub, s.store / "current/"],
    "verify ARCHIVE": lambda s: [
        "verify", "--key", s.pub, s.store / "current/mirror/capsule.tar"],
    "verify URL": lambda s: ["verify", "--key", s.pub, s.origin.url()],
    "verify --repair": lambda s: ["verify", "--repair", s.store],
    "rollback": lambda s: ["rollback", s.store],
    "prune": lambda s: ["prune", s.store],
    "mirror": lambda s: ["mirror", s.store],
    "mirror --survey": lambda s: ["mirror", "--survey", s.store],
    "mirror --show": lambda s: ["mirror", "--show", s.store],
    "mirror --add-key": lambda s: [
        "mirror", "--add-key", signed.Key.new("other").write(s.place)[0],
        s.store],
    "fetch": lambda s: [
        # Not even beside its own files: another process writes them.
        "fetch", "--known-hosts", scratch(s.place) / "hosts", "--output",
        scratch(s.place) / "page", s.origin.url("index.gmi")],
}
CONNECT = ("fetch", "mirror", "mirror --survey", "verify URL",
           "verify --repair")


def verb_tries(mirror, probe, name, **env):
    """What came of each at its end."""
    mirror.origin.publish({"page.gmi": "# Another\n"})
    assert mirror.run().returncode == 0
    scene = Scene(mirror)
    elsewhere = scratch(mirror.store.parent) / "file"
    done = carnation(*VERBS[name](scene), cwd=mirror.store.parent, env={
        **probe.at_end("/etc/passwd", elsewhere), **env})
    assert done.returncode == 0, done
    return probe.ends()


@pytest.mark.parametrize("name", VERBS)
def test_each_verb_is_confined(mirror, probe, name):
    done = verb_tries(mirror, probe, name)
    if name in CONNECT:
        assert done.pop("connect") == 0
    assert set(done.values()) <= CANNOT, done


@pytest.mark.parametrize("name", ["publish", "verify STORE", "fetch"])
def test_and_could_do_all_of_it(mirror, probe, name):
    done = verb_tries(mirror, probe, name, CARNATION_SANDBOX="off")
    if not may_trace():
        del done["ptrace"]
    assert set(done.values()) <= CAN, done
