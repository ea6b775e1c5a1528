# SPDX-License-Identifier: ISC
"""The threats of carnation-mirror(7): what the network or a bad mirror, the
origin's host without the key, and a thief of the key can do to a mirror, and
what they cannot. Each test leaves a store that is sound, or none."""
import os
import re

import pytest

import origin as o
from harness import LONG, TIMEOUT
from life import carnation
from origin import Origin
from preload import hurry  # noqa: F401
from signed import (ARCHIVE, CAPSULE, MANIFEST, Author, Key, archive,
                    check_store, object_path, read_tree, sha256)

pytestmark = pytest.mark.usefixtures("hurry")
GOOD, LATER, REFUSED, LOCAL = 0, 1, 3, 4
PAGES = {path: data for path, data in CAPSULE.items() if data}


class Mirror:
    """A store, and runs of `carnation mirror` that fill it."""

    def __init__(self, place, key, url):
        self.place, self.store, self.url = place, place / "mirrored", url
        self.key = key
        self.public, _ = key.write(place)

    def run(self, *words, url=None, status=GOOD, timeout=6 * TIMEOUT):
        """One run; what it said. The first one is given the key."""
        if not (self.store / "state").exists():
            words = ("--key", self.public, *words)
        done = carnation("mirror", *words, url or self.url, self.store,
                         env={"XDG_DATA_HOME": str(self.place / "data")},
                         timeout=timeout)
        assert done.returncode == status, (
            done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def sound(self, *keys):
        """The manifest of a store that is in order."""
        return check_store(self.store, [k.public for k in keys or [self.key]])

    def served(self):
        """All that a server of it would answer."""
        return read_tree((self.store / "current").resolve())

    def size(self):
        """Bytes on the disk beneath the store."""
        return sum(p.lstat().st_size for p in self.store.rglob("*")
                   if p.is_file())

    def nothing(self):
        """Nothing has become visible, nothing half-made has stayed."""
        assert not os.path.lexists(self.store / "current")
        if self.store.exists():
            assert not list((self.store / "tmp").glob("*"))
            assert not list((self.store / "releases").glob("*"))


@pytest.fixture
def site(place):
    with Origin(place) as origin:
        origin.author = Author(Key.new(), origin.url())
        origin.publish()
        yield origin


@pytest.fixture
def mirror(place, site):
    return Mirror(place, site.author.key, site.url())


@pytest.fixture
def kept(site, mirror):
    """A mirror that has serial 1, of an origin that has published serial 2."""
    mirror.run()
    mirror.before = mirror.served()
    site.old = site.files
    site.publish({"page.gmi": "# Another\n", "new.txt": "new\n"})
    site.clear()
    return mirror


def test_a_good_run_is_one(site, mirror):
    """What all others here are compared with."""
    mirror.run()
    assert mirror.sound().serial == 1
    assert mirror.served() == site.files, "byte for byte, the archive too"
    assert site.paths == [MANIFEST, ARCHIVE]


class Heard:
    """Of a fault, the body that it sends for this one."""

    def __init__(self, body, fault):
        self.body = self.said = body
        fault(self)

    def answer(self, body):
        self.said = body


def spoil(site, path, fault):
    """A file's every address, as a mirror may ask for it by hash as well; and
    in the archive."""
    alone(site, path, fault)
    said = Heard(site.files[path], fault).said
    files = {**site.files, path: said}
    manifest = files.pop(MANIFEST)
    files.pop(ARCHIVE)
    site.on(ARCHIVE, o.instead(archive(manifest, files, 1790000000)))


def alone(site, path, fault):
    """The same, but for the archive."""
    site.on(path, fault)
    site.on(f"mirror/objects/{sha256(site.files[path])}", fault)


# ------------------------------------------- the network, or a bad mirror, can

def test_it_can_refuse(site, kept):
    site.refuse()
    kept.run(status=LATER)
    assert kept.served() == kept.before
    site.listen()
    site.on("*", o.answer("51 Not found"))
    kept.run(status=LATER)
    site.on("*", o.hang_up)
    kept.run(status=LATER)
    assert kept.sound().serial == 1
    site.forget()
    kept.run()
    assert kept.sound().serial == 2


def test_it_can_show_an_old_state_to_a_newcomer(site, mirror):
    site.old = site.files
    site.publish({"page.gmi": "# Another\n"})
    site.serve(site.old)
    mirror.run()
    assert mirror.sound().serial == 1
    site.publish()
    mirror.run()
    assert mirror.sound().serial == 3, "and not for longer than it is there"


# ---------------------------------------------- it cannot change or add a file

@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("at", [0, -1])
def test_one_flipped_byte_in_each_kind_of_file(site, mirror, path, at):
    spoil(site, path, o.flip(at))
    said = mirror.run(status=REFUSED)
    assert f"{path}: is not what the manifest says" in said
    mirror.nothing()
    site.forget()
    mirror.run()
    assert mirror.sound().serial == 1


@pytest.mark.parametrize("path", PAGES)
def test_one_flipped_byte_that_the_archive_has_right(site, mirror, path):
    alone(site, path, o.flip())
    mirror.run()
    assert mirror.served() == site.files


@pytest.mark.parametrize("path", PAGES)
def test_one_flipped_byte_in_the_archive(site, mirror, path):
    """The file alone is right."""
    spoil(site, path, o.flip())
    for rule in site.rules[1:]:
        site.forget(rule)
    mirror.run()
    assert mirror.served() == site.files
    assert site.paths == [MANIFEST, ARCHIVE, path]


@pytest.mark.parametrize("path, fault", [
    ("page.gmi", o.added()), ("page.gmi", o.cut(clean=True)),
    ("page.gmi", o.instead(b"")), ("empty.txt", o.added()),
    ("page.gmi", o.instead(CAPSULE["index.gmi"])),
    ("page.gmi", o.added(b"\0" * 100)),
], ids=lambda p: getattr(p, "__qualname__", p).split(".")[0])
def test_a_file_of_other_bytes(site, mirror, path, fault):
    spoil(site, path, fault)
    mirror.run(status=REFUSED)
    mirror.nothing()


def test_what_is_wrong_here_is_taken_from_there(place, site, mirror):
    """A right hash is right, from anyone."""
    site.on("page.gmi", o.flip())
    with Origin(place, site.files) as other:
        other.on("index.gmi", o.flip())
        other.on("mirror/objects/*", o.flip())
        mirror.run("--also", other.url())
    assert mirror.sound().serial == 1
    assert mirror.served() == site.files


@pytest.mark.parametrize("place_of", [
    "line 1", "line 2", "# origin", "# serial", "# final", "# signed-with",
    "  index.gmi", "  page.gmi", "end"])
def test_a_flipped_byte_in_the_manifest(site, kept, place_of):
    data = site.files[MANIFEST]
    at = {"line 1": len("untrusted comment: verify with c"),
          "line 2": data.index(b"\n") + 40,
          "end": -2}.get(place_of)
    site.on(MANIFEST, o.flip(
        data.index(place_of.encode()) + 3 if at is None else at))
    kept.run(status=REFUSED)
    assert kept.served() == kept.before
    assert site.paths and set(site.paths) == {MANIFEST}, "nothing but that"


@pytest.mark.parametrize("change", [
    lambda d: d + b"0" * 64 + b"  zzz.txt\n",
    lambda d: re.sub(rb"[0-9a-f]{64}  page.gmi\n", b"", d),
    lambda d: d[d.index(b"# gemini"):],
    lambda d: d.replace(b"\n", b"\r\n"),
    lambda d: b"untrusted comment: verify with other.pub\n" + d.split(
        b"\n", 1)[1],
    lambda d: d + d, lambda d: d[:-1], lambda d: d[:300], lambda d: b"",
], ids=["a file more", "a file less", "no signature", "other line ends",
        "another line 1", "twice", "the last byte", "half", "nothing"])
def test_another_manifest(site, kept, change):
    site.on(MANIFEST, o.instead(change(site.files[MANIFEST])))
    said = kept.run(status=REFUSED)
    assert "still serving 1" in said
    assert kept.served() == kept.before


def test_a_manifest_of_another_key(site, kept):
    other = Author(Key.new(site.author.key.name), site.url(), serial=5)
    site.serve(other.publish())
    kept.run(status=REFUSED)
    same_number = Key(other.key.name, site.author.key.number,
                      other.key.private)
    site.serve(Author(same_number, site.url(), serial=5).publish())
    kept.run(status=REFUSED)
    assert kept.served() == kept.before


def test_a_page_behind_a_redirect_to_somewhere_else(place, site, kept):
    with Origin(place, site.files) as other:
        alone(site, "new.txt", o.redirect(other.url("new.txt")))
        kept.run(status=LATER)
        alone(site, "new.txt", o.redirect("gemini://other.example/new.txt"))
        kept.run(status=LATER)
        assert not other.log, "another port is another server"
    alone(site, "new.txt", o.loop)
    kept.run(status=LATER)
    assert len(site.log) < 100
    alone(site, "new.txt", o.redirect("/index.gmi"))
    kept.run(status=REFUSED)
    assert kept.served() == kept.before
    site.forget()
    site.files["moved.txt"] = site.files["new.txt"]
    alone(site, "new.txt", o.redirect("/moved.txt"))
    kept.run()
    assert kept.sound().serial == 2


# --------------------------------- it cannot roll back a mirror that has a state

def test_an_old_serial(site, kept):
    kept.run()
    assert kept.sound().serial == 2
    now = kept.served()
    site.serve(site.old)
    kept.run()  # the store has that release: the author has gone back to it
    assert kept.served() == now
    site.publish({"page.gmi": "# Never seen here\n"}, serial=1)
    site.old = site.files
    said = kept.run(status=REFUSED)
    assert re.search(r"REFUSED serial 1: older than 2 \(rollback\); "
                     r"still serving 2$", said, re.M), said
    assert kept.served() == now
    kept.run("--allow-serial", 3, status=REFUSED)
    kept.run("--allow-serial", 1)
    assert kept.sound().serial == 1 and kept.served() == site.old


def test_another_manifest_of_the_same_serial(site, kept):
    kept.run()
    now = kept.served()
    site.publish({"page.gmi": "# For you alone\n"}, serial=2)
    assert "equivocation" in kept.run(status=REFUSED)
    assert kept.served() == now


def test_a_serial_that_uses_up_the_numbers(site, kept):
    site.publish(serial=1_000_002)
    kept.run(status=REFUSED)
    assert kept.served() == kept.before
    site.publish(serial=1_000_001)
    kept.run()
    assert kept.sound().serial == 1_000_001


# --------------------------------------------------- it cannot fill the disk

def test_a_body_without_end(site, kept):
    alone(site, "new.txt", o.endless())
    kept.run(status=REFUSED)
    assert kept.size() < 1 << 20
    assert all(talk.sent < 16 << 20 for talk in site.log), "it hung up"
    assert kept.served() == kept.before


def test_a_manifest_without_end(site, kept):
    site.on(MANIFEST, o.endless())
    kept.run(status=REFUSED)
    assert kept.size() < 1 << 20
    assert max(talk.sent for talk in site.log) < 40 << 20
    assert kept.served() == kept.before


def test_a_manifest_of_17_mib(site, kept):
    m = site.author.manifest()
    m.extra = [("padding", "x" * 1000)] * (17 << 10)
    site.on(MANIFEST, o.instead(m.sign(site.author.key)))
    kept.run(status=REFUSED)
    assert kept.served() == kept.before


@pytest.mark.parametrize("fields", [
    {"largest": 65 << 20, "bytes": 70 << 20}, {"bytes": 5 << 30}])
def test_more_than_the_limits_is_not_begun(site, kept, fields):
    site.on(MANIFEST, o.instead(site.author.forge(**fields)))
    kept.run(status=LOCAL)
    assert set(site.paths) == {MANIFEST}
    assert kept.served() == kept.before


# ----------------------------------------------- it cannot hold a run forever

SLOW = {"body": o.drip, "header": lambda s: o.drip(s, header=False),
        "silence": lambda s: o.silence()}


@pytest.mark.soak
@pytest.mark.parametrize("path, slow", [
    (path, slow) for path in ("new.txt", MANIFEST) for slow in SLOW
    if LONG or (path, slow) in (("new.txt", "body"), (MANIFEST, "header"))])
def test_one_byte_a_second(site, kept, path, slow, hurry):  # noqa: F811
    site.publish({"new.txt": "new\n" * 500})
    alone(site, path, SLOW[slow](1 / hurry))
    kept.run(status=LATER, timeout=120)
    assert kept.served() == kept.before


def test_a_server_that_asks_to_wait_forever(site, kept):
    site.on("*", o.answer("44 1000"))
    assert "16 minutes" in kept.run(status=LATER)
    assert len(site.log) < 10
    site.on("*", o.in_turn(o.answer("44 1"), None))
    kept.run()
    assert kept.sound().serial == 2


# -------------------------------- the origin's host, when the key is elsewhere

def test_it_can_stop_updates_and_cannot_do_more(site, kept):
    """It has everything but the key: every forgery above is its own; and what
    it holds of the author's it can withhold or show again."""
    site.serve(site.old)
    kept.run()
    site.author.key = Key.new(site.author.key.name)  # one of its own
    site.publish({"page.gmi": "# Mine\n"})
    kept.run(status=REFUSED)
    assert kept.sound(kept.key).serial == 1
    assert kept.served() == kept.before


def test_it_cannot_name_another_capsule(site, kept):
    """A manifest of the same key for another origin."""
    other = Author(site.author.key, "gemini://other.example/", serial=6)
    site.serve(other.publish())
    kept.run(status=REFUSED)
    assert kept.served() == kept.before


# -------------------------------------------------- a thief of the signing key

NAMES = ["../x", "../../x", "/tmp/x", "a/../../x", "a//b", "./x", "a/./b",
         "a\\b", "a\0b", "a\x01b", "mirror/MANIFEST", "mirror/trace", "a/",
         "", "/", ".", "..", b"\xff\xfe", "x" * 256, "index.gmi/x"]


@pytest.mark.parametrize("name", NAMES, ids=lambda n: repr(n[:9]))
def test_a_name_that_leads_out_of_the_store(site, kept, name):
    raw = name if isinstance(name, bytes) else name.encode()
    m = site.author.manifest(serial=3)
    m.hashes[raw] = sha256(b"mine\n")
    site.on(MANIFEST, o.instead(m.sign(site.author.key)))
    site.on(lambda talk: talk.path != MANIFEST, o.instead(b"mine\n"))
    outside = read_tree(kept.place)
    said = kept.run(status=REFUSED)
    assert set(site.paths) == {MANIFEST}, "refused as a whole"
    assert kept.served() == kept.before and kept.sound().serial == 1
    now = read_tree(kept.place)
    assert not {p for p in now if p not in outside}, said
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", said), "shown escaped"


def test_links_and_devices_cannot_be_expressed(site, kept):
    """Whatever a body says, it becomes a regular file of mode 0444."""
    site.publish({"link": "../../../etc/passwd",
                  "device": b"\0" * 512 + b"ustar\0"})
    kept.run()
    current = (kept.store / "current").resolve()
    for path in current.rglob("*"):
        assert path.is_dir() or (path.is_file() and not path.is_symlink())
    assert (current / "link").read_text() == "../../../etc/passwd"
    assert (current / "link").stat().st_mode & 0o7777 == 0o444


def test_he_publishes_as_the_author_but_the_old_releases_stay(site, kept):
    site.publish({path: None for path in list(site.author.files)
                  if path != "index.gmi"} | {"index.gmi": "# Mine\n"})
    kept.run()
    assert kept.sound().serial == 3
    old = read_tree(kept.store / "releases/1")
    assert ARCHIVE not in old, "the current release has the only one"
    assert old == {p: d for p, d in kept.before.items() if p != ARCHIVE}
    done = carnation("rollback", kept.store, 1)
    assert done.returncode == GOOD, done.stderr
    assert kept.served() == kept.before
    for data in CAPSULE.values():
        assert object_path(kept.store, sha256(data)).read_bytes() == data
