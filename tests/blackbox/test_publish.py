# SPDX-License-Identifier: ISC
"""`carnation publish`: the next signed release of a store, from a folder that is
never written to. What it makes is held against signed.py, which is written from
the format alone, and against signify, sha256sum and tar."""
import contextlib
import fcntl
import hashlib
import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

import signed
from harness import CARNATION, LONG, tree, wait_for
from life import IS_ROOT, NOBODY, Plain, carnation, root_only, wrapper

ORIGIN = "gemini://example.org"
YEAR = 365 * 86400
CONF = ('title = "The capsule"; lang = "en"; feed = "updates.gmi"; '
        'copy = "all.txt";')
PAGES = {
    "index.gmi": "# Home\n=> night.gmi The night\n=> about.gmi About\n"
                 "=> updates.gmi Updates\n=> atom.xml Feed\n=> all.txt Copy\n"
                 "=> mirror/capsule.tar Archive\n=> mirror/MANIFEST List\n"
                 "=> mirror/trace Trace\n",
    "night.gmi": "# The night\n",
    "about.gmi": "# About\n=> night.gmi The night\n",
    "updates.gmi": "# Updates\n=> night.gmi 2026-01-02 The night\n"
                   "=> about.gmi 2026-01-03 About\n",
    "capsule.conf": CONF,
    "note.txt": "no page\n",
    "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 300,
    ".well-known/security.txt": "Contact: mailto:a@example.org\n"
                                "Expires: 2036-01-01T00:00:00Z\n",
    "robots.txt": "User-agent: *\nDisallow: /mirror/objects/\n",
}
MADE = {"atom.xml", "all.txt"}


class Author:
    """A folder, a store, a key, and the verb over them."""

    def __init__(self, place, pages=None, key="capsule-1"):
        self.place = place
        self.src = tree(place / "src", PAGES if pages is None else pages)
        self.store = place / "store"
        self.key = self.new_key(key)
        self.pub = self.key.with_suffix(".pub")

    def new_key(self, name):
        (self.place / "keys").mkdir(exist_ok=True)
        done = carnation("key", "new", self.place / "keys" / name)
        assert done.returncode == 0, done.stderr
        return self.place / "keys" / f"{name}.sec"

    def run(self, *words, status=0, key=True, **how):
        before = look(self.src)
        how.setdefault("env", {}).setdefault(
            "XDG_DATA_HOME", str(self.place / "data"))
        signs = ("--key", self.key) if key else ()
        done = carnation("publish", self.src, self.store, *signs, *words,
                         **how)
        assert done.returncode == status, (
            done.returncode, done.stdout, done.stderr)
        assert look(self.src) == before, "the folder was written to"
        return done

    def first(self, *words, **how):
        return self.run("--origin", ORIGIN, *words, **how)

    def keys(self, *files):
        return [p.read_text().split("\n")[1] for p in files or [self.pub]]

    def check(self, serial, keys=None):
        m = signed.check_store(self.store, keys or self.keys())
        assert m.serial == serial
        return m

    @property
    def current(self):
        return self.store / "current"

    def write(self, name, text):
        (self.src / name).parent.mkdir(parents=True, exist_ok=True)
        (self.src / name).write_bytes(
            text if isinstance(text, bytes) else text.encode())


def look(root):
    """All there is to see of a tree, but for access times."""
    if not root.exists():
        return None
    found = {}
    for path in [root, *sorted(root.rglob("*"))]:
        st = path.lstat()
        what = (st.st_mode, st.st_size, st.st_mtime_ns, st.st_ino)
        if path.name == "tmp":  # taking the lock tries it out
            what = (st.st_mode, st.st_ino)
        if path.is_symlink():
            what += (os.readlink(path),)
        elif path.is_file():
            with contextlib.suppress(PermissionError):
                what += (hashlib.sha256(path.read_bytes()).hexdigest(),)
        found[str(path)] = what
    return found


@pytest.fixture
def author(place):
    return Author(place)


def last_line(done):
    return done.stdout.splitlines()[-1]


# ------------------------------------------------------------------- releases

def test_a_first_release(author):
    done = author.first()
    m = author.check(1)
    assert set(m.hashes) == {
        n.encode() for n in set(PAGES) | MADE}
    assert (m.origin, m.final, m.signed_with) == (
        f"{ORIGIN}/", False, "capsule-1.pub")
    assert m.refresh - m.created == YEAR
    assert abs(m.created - time.time()) < 600
    assert "added    night.gmi\n" in done.stdout
    assert last_line(done) == (
        "publish: example.org: serial 1: 11 added, 0 kept; published")
    state = (author.store / "state").read_text()
    assert "\nserial: 1\n" in state and f"\norigin: {ORIGIN}/\n" in state
    assert author.keys()[0] in state
    trace = (author.store / "trace").read_text()
    assert "host: example.org\n" in trace and "serial: 1\n" in trace
    # The feed and the copy are of this origin.
    assert f'href="{ORIGIN}/night.gmi"' in (
        author.current / "atom.xml").read_text()
    assert f"<{ORIGIN}/>" in (author.current / "all.txt").read_text()


def test_the_feed_names_the_author(author):
    def names():
        return re.findall(r"<name>(.*)</name>",
                          (author.current / "atom.xml").read_text())

    author.first("--author", "A & <B>")
    assert names() == ["A &amp; &lt;B&gt;"]
    feed = Path(shutil.copytree(author.src, author.place / "other"))
    done = carnation("feed", "--origin", ORIGIN, "--author", "A & <B>", feed)
    assert done.returncode == 0, done.stderr
    assert (feed / "atom.xml").read_bytes() \
        == (author.current / "atom.xml").read_bytes()
    author.run()
    assert names() == ["The capsule"]
    # What is signed elsewhere is the feed with its author.
    author.run("--author", "C", "--unsigned", author.place / "list")
    sealed = sign(author)
    done = author.run("--signed", sealed, key=False, status=3)
    assert "changed atom.xml" in done.stderr
    author.run("--signed", sealed, "--author", "C", key=False)
    assert names() == ["C"]
    author.check(3)


@pytest.mark.parametrize("name", ["", " "])
def test_an_author_without_a_name_is_a_mistake(author, name):
    done = author.first("--author", name, status=2)
    assert "carnation publish: error: --author: empty value\n" in done.stderr
    assert not author.store.exists()


def test_the_tools_that_people_have_accept_it(author):
    author.first()
    author.write("night.gmi", "# The night\nOne more line.\n")
    author.run()
    sums = author.place / "SUMS"
    subprocess.run(
        ["signify-openbsd", "-V", "-e", "-p", author.pub, "-x",
         author.current / "mirror/MANIFEST", "-m", sums], check=True)
    subprocess.run(["sha256sum", "-c", "--strict", "--quiet", sums],
                   cwd=author.current, check=True)
    out = author.place / "out"
    out.mkdir()
    subprocess.run(
        ["tar", "-xf", author.current / "mirror/capsule.tar", "-C", out],
        check=True)
    assert signed.read_tree(out) == {
        n: d for n, d in signed.read_tree(author.current).items()
        if n != "mirror/capsule.tar"}
    listed = subprocess.run(
        ["tar", "--numeric-owner", "-tvf",
         author.current / "mirror/capsule.tar"], check=True,
        capture_output=True, text=True).stdout.splitlines()
    assert all(line.startswith("-rw-r--r-- 0/0 ") for line in listed)
    names = [line.split()[-1] for line in listed]
    assert names == sorted(names, key=os.fsencode)
    assert "mirror/MANIFEST" in names


def test_the_next_serial_says_what_changed(author):
    author.first()
    author.write("night.gmi", "# The night\nOne more line.\n")
    author.write("new.gmi", "# New\n=> index.gmi Home\n")
    author.write("index.gmi", PAGES["index.gmi"] + "=> new.gmi New\n")
    (author.src / "note.txt").unlink()
    done = author.run()
    assert done.stdout.splitlines() == [
        "changed  all.txt", "changed  index.gmi", "added    new.gmi",
        "changed  night.gmi", "gone     note.txt",
        "publish: example.org: serial 1 -> 2: 1 added, 3 changed, 1 gone, "
        "7 kept; published"]
    author.check(2)
    assert not (author.current / "note.txt").exists()
    # The old release is whole: it can be gone back to.
    assert (author.store / "releases/1/note.txt").read_text() == "no page\n"


def test_nothing_changed_is_said_and_is_a_serial_all_the_same(author):
    author.first()
    done = author.run()
    assert done.stdout == ("publish: example.org: serial 1 -> 2: nothing "
                           "changed, 11 kept; published\n")
    author.check(2)


def test_a_long_list_is_cut(author):
    for i in range(60):
        author.write(f"many/{i:02}.txt", f"{i}\n")
    done = author.first()
    lines = done.stdout.splitlines()
    assert len(lines) == 42 and lines[40] == "... and 31 more"


def test_json(author):
    author.first()
    author.write("note.txt", "other\n")
    author.write('odd "name".txt', "x\n")
    (author.src / "picture.png").unlink()
    out = json.loads(author.run("--json").stdout)
    size = out.pop("bytes")
    assert size == sum(len(d) for n, d in signed.read_tree(
        author.current).items() if not n.startswith("mirror/"))
    assert out.pop("lint_warnings") > 0
    assert out == {
        "origin": f"{ORIGIN}/", "serial": 2, "previous": 1,
        "published": True, "final": False, "files": 11,
        "added": ['odd "name".txt'], "changed": ["note.txt"],
        "gone": ["picture.png"], "kept": 9, "left_out": 0,
        "retracted": []}
    out = json.loads(author.run("--json", "--dry-run").stdout)
    assert (out["published"], out["serial"], out["previous"]) == (False, 3, 2)


def test_the_same_pages_at_the_same_time_are_the_same_bytes(place):
    key, bytes_of = None, []
    for name in "ab":
        (place / name).mkdir()
        author = Author(place / name)
        if key is None:
            key = author.key
        author.key, author.pub = key, key.with_suffix(".pub")
        for path in author.src.rglob("*"):
            os.utime(path, (1, ord(name)))
        author.first(env={"SOURCE_DATE_EPOCH": "1700000000"},
                     wrapper=() if name == "a" else ["sh", "-c",
                                                     'umask 077; exec "$@"',
                                                     "sh"])
        assert author.check(1).created == 1700000000
        bytes_of.append(signed.read_tree(author.current))
    assert bytes_of[0] == bytes_of[1]
    files = {n: d for n, d in bytes_of[0].items()
             if not n.startswith("mirror/")}
    assert bytes_of[0]["mirror/capsule.tar"] == signed.archive(
        bytes_of[0]["mirror/MANIFEST"], files, 1700000000)


@pytest.mark.parametrize("text", ["", "x", "-1", "1e9", "99999999999999"])
def test_a_time_that_is_none(author, text):
    done = author.first(env={"SOURCE_DATE_EPOCH": text}, status=2)
    assert "SOURCE_DATE_EPOCH" in done.stderr
    assert not author.store.exists()


def test_whatever_the_umask_others_can_read_it(author):
    (author.src / "note.txt").chmod(0o600)
    author.first(wrapper=["sh", "-c", 'umask 077; exec "$@"', "sh"])
    for path in [author.store, *author.store.rglob("*")]:
        if path.is_symlink() or path.name == "lock":
            continue
        mode = path.stat().st_mode & 0o777
        want = 0o755 if path.is_dir() else 0o444
        assert mode & want == want, (path, oct(mode))
    assert {p.stat().st_mode & 0o777 for p in (
        author.store / "objects").rglob("*") if p.is_file()} == {0o444}
    with Plain("--listen", "127.0.0.1:0", "--certs", author.place / "certs",
               "--host", "localhost", author.store,
               directory=author.place) as server:
        assert server.ask("/note.txt").body == b"no page\n"
        assert server.ask("/mirror/MANIFEST").body == (
            author.current / "mirror/MANIFEST").read_bytes()
        assert b"serial: 1\n" in server.ask("/mirror/trace").body


# -------------------------------------------------------- options in the list

def test_final_and_refresh_are_in_the_list(author):
    author.first("--refresh", "30")
    m = author.check(1)
    assert m.refresh - m.created == 30 * 86400
    author.run("--final")
    m = author.check(2)
    assert (m.final, m.refresh) == (True, None)


def test_before_a_closed_series_goes_on(author):
    author.first("--final")
    before = look(author.store)
    for words in ([], ["--final"]):
        done = author.run(*words, status=1)
        assert "serial 1 was published as the final one" in done.stderr
        assert "not a terminal; use --yes to proceed" in done.stderr
    done = author.run("--dry-run")
    assert "serial 1 was published as the final one" in done.stderr
    status, _, err = ask(author, "n\n")
    assert status == 1 and "all the same? [y/N]" in err
    assert look(author.store) == before
    status, _, _ = ask(author, "y\n")
    assert status == 0 and not author.check(2).final
    author.run("--final")
    done = author.run("--yes")
    assert "serial 3 was published as the final one" in done.stderr
    author.check(4)
    done = author.run()
    assert "final" not in done.stderr


@pytest.mark.parametrize("words", [
    ["--refresh", "0"], ["--refresh", "36501"], ["--refresh", "x"],
    ["--final", "--refresh", "3"], ["--unsigned", "o", "--signed", "o"],
    ["--unsigned", "o", "--dry-run"], ["--signed", "o", "--final"],
    ["--origin", "https://example.org"], ["--origin", "gemini://[::1]"],
    ["--nonsense"], ["one", "more"]])
def test_wrong_usage(author, words):
    done = author.run(*words, status=2)
    assert done.stderr.endswith("See 'carnation help publish'.\n")
    assert not author.store.exists()


def test_a_key_is_wanted(author):
    done = author.first(key=False, status=2)
    assert "--key" in done.stderr
    author.first("--dry-run", key=False)
    (author.place / "note.sec").write_text("no key\n")
    for name, status in (("none.sec", 4), ("note.sec", 2)):
        for words in (["--key"], ["--unsigned", author.place / "o", "--key"]):
            done = author.first(*words, author.place / name, key=False,
                                status=status)
            assert name in done.stderr
        done = author.first("--next-key", author.place / name, status=status)
        assert name in done.stderr
    done = author.first("--key", author.pub, key=False, status=2)
    assert "capsule-1.pub" in done.stderr
    assert not author.store.exists()


def test_a_secret_key_that_others_can_read(author):
    other = author.new_key("other")
    done = author.first("--next-key", other)
    assert "users can read" not in done.stderr
    author.key.chmod(0o640)
    done = author.run()
    want = f"warning: {author.key}: other users can read this secret key"
    assert done.stderr.count(want) == 1
    done = author.run("--unsigned", author.place / "list")
    assert done.stderr.count(want) == 1
    author.key.chmod(0o600)
    other.chmod(0o604)
    done = author.run("--next-key", other)
    assert "other.sec: other users can read" in done.stderr
    assert want not in done.stderr


def test_the_origin_is_remembered(author):
    done = author.run(status=2)
    assert "--origin gemini://example.org" in done.stderr
    author.first()
    author.run()
    author.run("--origin", "gemini://EXAMPLE.org:1965/")
    author.check(3)
    done = author.run("--origin", "gemini://example.net", status=2)
    assert f"belongs to {ORIGIN}/" in done.stderr
    author.check(3)


def test_the_origin_of_capsule_conf(author):
    author.write("capsule.conf", CONF + 'origin = "gemini://c.example";')
    author.run()
    assert author.check(1).origin == "gemini://c.example/"
    author.write("capsule.conf", CONF)
    author.run()
    author.write("capsule.conf", CONF + 'origin = "gemini://d.example";')
    done = author.run(status=2)
    assert ("belongs to gemini://c.example/: another origin, as in "
            "capsule.conf, needs a store") in done.stderr
    author.run("--origin", "gemini://c.example")
    shutil.rmtree(author.store)
    author.first()
    assert author.check(1).origin == f"{ORIGIN}/"


@pytest.mark.parametrize("conf, words", [
    (CONF, ""),
    ('origin = "c.example";', 'capsule.conf:1: origin: invalid value "c.'),
    ("origin = ;", "capsule.conf:1: origin: missing value")])
def test_what_hides_the_origin_of_capsule_conf(author, conf, words):
    author.write("capsule.conf", conf)
    done = author.run(status=2)
    assert words in done.stderr
    assert "missing origin: the first time, set origin in capsule.conf" in (
        done.stderr)
    assert done.stderr.splitlines()[-1].startswith(
        "carnation publish: error: nothing was published: ")
    assert not author.store.exists()


# ----------------------------------------------------------------------- keys

def test_another_key_is_refused(author):
    author.first()
    other = author.new_key("other")
    before = look(author.store)
    done = author.run("--key", other, key=False, status=3)
    assert "pins another key" in done.stderr
    assert look(author.store) == before
    author.check(1)


def test_the_next_key(author):
    second, third = author.new_key("capsule-2"), author.new_key("capsule-3")
    done = author.first("--next-key", author.pub, status=2)
    assert "signs already" in done.stderr
    author.first("--next-key", second.with_suffix(".pub"))
    assert author.check(1).next_key == author.keys(
        second.with_suffix(".pub"))[0]
    # Both may sign until the new one has; a secret file does as well.
    author.run("--next-key", second)
    done = author.run("--key", second, key=False)
    assert "retires" in done.stderr
    author.check(3, author.keys(second.with_suffix(".pub")))
    done = author.run(status=3)
    assert "retired" in done.stderr
    author.run("--key", third, key=False, status=3)
    done = author.run("--key", second, key=False)
    assert "retires" not in done.stderr
    author.check(4, author.keys(second.with_suffix(".pub")))


def test_the_next_key_is_announced_until_it_signs(author):
    """A mirror may miss the serial that said so first."""
    second, third = author.new_key("capsule-2"), author.new_key("capsule-3")
    pub = [k.with_suffix(".pub") for k in (author.key, second, third)]
    _, next_one, last = author.keys(*pub)
    author.first()
    assert author.check(1).next_key is None
    author.run("--next-key", second)
    author.run()
    assert author.check(3).next_key == next_one
    out = author.place / "list"
    author.run("--unsigned", out, key=False)
    assert signed.parse(out.read_bytes()).next_key == next_one
    author.run("--unsigned", out, "--key", pub[1], key=False)
    assert signed.parse(out.read_bytes()).next_key is None
    # The last one that was announced, not each.
    author.run("--next-key", third)
    author.run()
    assert author.check(5).next_key == last
    author.run("--key", third, key=False)
    assert author.check(6, [last]).next_key is None
    author.run("--key", third, key=False)
    assert author.check(7, [last]).next_key is None


def test_a_key_that_is_announced_no_more_does_not_sign(author):
    """A mirror that took the last serial alone would refuse it forever."""
    second, third = author.new_key("capsule-2"), author.new_key("capsule-3")
    pub = [k.with_suffix(".pub") for k in (second, third)]
    one, other = author.keys(*pub)
    author.first("--next-key", second)
    done = author.run("--next-key", second)
    assert "announced no more" not in done.stderr
    done = author.run("--next-key", third)
    assert f"the key {one}, announced so far, is announced no more" in \
        done.stderr
    before = look(author.store)
    done = author.run("--key", second, key=False, status=3)
    assert "does not announce this key" in done.stderr
    done = author.run("--key", second, "--dry-run", key=False, status=3)
    assert look(author.store) == before
    # Announced again it may, and the other one may not then.
    author.run("--next-key", second)
    assert author.check(4).next_key == one
    author.run()
    assert author.check(5).next_key == one
    author.run("--key", third, key=False, status=3)
    author.run("--key", second, key=False)
    assert author.check(6, [one]).next_key is None
    done = author.run("--key", third, key=False, status=3)
    assert "does not announce this key" in done.stderr


def test_a_retired_key_is_not_announced(author):
    second = author.new_key("capsule-2")
    author.first("--next-key", second)
    before = look(author.store)
    # This very release would retire it.
    done = author.run("--key", second, "--next-key", author.key, key=False,
                      status=3)
    assert "--next-key: this key is retired" in done.stderr
    assert look(author.store) == before
    author.run("--key", second, key=False)
    author.run("--key", second, "--next-key", author.pub, key=False, status=3)
    author.run("--unsigned", author.place / "list", "--next-key", author.pub,
               key=False, status=3)
    author.check(2, author.keys(second.with_suffix(".pub")))


def test_a_signed_list_announces_like_any(author):
    second, third = author.new_key("capsule-2"), author.new_key("capsule-3")
    pub = [k.with_suffix(".pub") for k in (second, third)]
    out = author.place / "list"
    author.first("--next-key", second)
    # As if the second one signed it, but the first one does.
    author.run("--unsigned", out, "--key", pub[0], key=False)
    text = out.read_text().replace("signed-with: capsule-2",
                                   "signed-with: capsule-1")
    out.write_text(text)
    done = author.run("--signed", sign(author), key=False)
    assert "is announced no more" in done.stderr
    assert author.check(2).next_key is None
    author.run("--unsigned", out, "--key", pub[0], key=False, status=3)
    author.run("--unsigned", out, key=False)
    done = author.run("--signed", sign(author, key=second), key=False,
                      status=3)
    assert "not trusted here" in done.stderr
    author.run("--next-key", third)
    assert author.check(3).next_key == author.keys(pub[1])[0]
    author.run("--unsigned", out, "--key", pub[1], key=False)
    done = author.run("--signed", sign(author, key=third), key=False)
    assert "retires the earlier ones" in done.stderr
    author.check(4, author.keys(pub[1]))


def sign(author, name="list", key=None):
    subprocess.run(["signify-openbsd", "-S", "-e", "-s", key or author.key,
                    "-m", author.place / name,
                    "-x", author.place / f"{name}.sig"], check=True)
    return author.place / f"{name}.sig"


def test_signed_elsewhere(author):
    out = author.place / "list"
    done = author.first("--unsigned", out, "--final", key=False)
    assert "not published" in last_line(done)
    assert not author.store.exists()
    assert signed.parse(out.read_bytes()).signed_with is None
    sealed = sign(author)
    done = author.first("--signed", sealed, key=False, status=2)
    assert "--key" in done.stderr and not author.store.exists()
    author.first("--signed", sealed, "--key", author.pub, key=False)
    assert author.check(1).final
    assert (author.current / "mirror/MANIFEST").read_bytes() \
        == sealed.read_bytes()
    # From now on the store knows the key; a name in the list is held to.
    author.write("note.txt", "other\n")
    author.run("--unsigned", out, "--key", author.pub, key=False)
    sealed = sign(author)
    author.run("--signed", sealed, key=False, status=1)  # the first was final
    author.run("--signed", sealed, "--yes", key=False)
    assert author.check(2).signed_with == "capsule-1.pub"


def test_what_was_signed_must_be_what_is_there(author):
    author.first()
    out = author.place / "list"
    author.run("--unsigned", out, key=False)
    sealed = sign(author)
    before = look(author.store)
    author.write("note.txt", "other\n")
    done = author.run("--signed", sealed, key=False, status=3)
    assert "changed note.txt" in done.stderr
    assert look(author.store) == before
    author.write("note.txt", PAGES["note.txt"])
    other = author.new_key("other")
    done = author.run("--signed", sign(author, key=other), key=False, status=3)
    assert look(author.store) == before
    text = sign(author).read_bytes()
    (author.place / "bad").write_bytes(text.replace(b"serial: 2", b"serial: 3"))
    author.run("--signed", author.place / "bad", key=False, status=3)
    for name in ("none", "empty"):
        (author.place / "empty").touch()
        author.run("--signed", author.place / name, key=False, status=4)
    assert look(author.store) == before
    author.run("--signed", sealed, key=False)
    done = author.run("--signed", sealed, key=False, status=3)
    assert "is of serial 2, and the next one is 3" in done.stderr
    author.check(2)


def test_the_list_goes_where_a_link_leads(author):
    """A link stays one; what it leads to is written, be it there or not."""
    target = author.place / "target"
    out = author.place / "list"
    out.symlink_to("target")
    author.first("--unsigned", out, key=False)
    assert os.readlink(out) == "target"
    assert signed.parse(target.read_bytes()).serial == 1
    target.unlink()
    (author.place / "again").symlink_to("list")
    author.first("--unsigned", author.place / "again", key=False)
    assert os.readlink(out) == "target"
    assert signed.parse(target.read_bytes()).serial == 1


def test_the_list_goes_into_a_pipe(author):
    os.mkfifo(author.place / "pipe")
    (author.place / "list").symlink_to("pipe")
    with open(author.place / "pipe", "rb",
              opener=lambda p, f: os.open(p, f | os.O_NONBLOCK)) as pipe:
        author.first("--unsigned", author.place / "list", key=False)
        assert signed.parse(pipe.read()).serial == 1
    assert os.readlink(author.place / "list") == "pipe"
    assert (author.place / "pipe").is_fifo()


@pytest.mark.parametrize("name", ["-", "fd"])
def test_the_list_on_the_standard_output(author, name):
    """Nothing else goes there then; a name of our own for it does as well."""
    if name == "fd":
        (author.place / "fd").symlink_to("/proc/self/fd/1")
    done = author.first("--unsigned", name, key=False, cwd=author.place)
    assert signed.parse(done.stdout.encode()).serial == 1
    assert "sign it (signify" in done.stderr
    assert not (author.place / "-").exists()
    if name == "fd":
        assert (author.place / "fd").is_symlink()
    done = author.first("--unsigned", name, "--json", key=False, status=2,
                        cwd=author.place)
    assert "--json" in done.stderr and done.stdout == ""


def test_the_list_takes_nothings_place(author):
    """Neither a key's, nor the store's, nor that of a page; no link there."""
    author.first()
    other = author.new_key("other").with_suffix(".pub")
    os.link(author.key, author.place / "hard")
    links = {"l1": author.key, "l2": author.store / "state",
             "l3": author.src / "new.gmi"}
    for name, to in links.items():
        (author.place / name).symlink_to(to)
    rows = [(author.key, "--key"), (author.place / "hard", "--key"),
            (author.place / "l1", "--key"), (other, "--next-key"),
            (author.store / "state", "store"), (author.place / "l2", "store"),
            (author.store / "new", "store"), (author.src / "new.gmi", "src"),
            (author.current / "new", "store"), (author.place / "l3", "src")]
    before = look(author.place)
    for out, why in rows:
        done = author.run("--unsigned", out, "--next-key", other, status=4)
        assert f"--unsigned {out}: " in done.stderr and why in done.stderr
        assert "usage:" not in done.stderr
        assert look(author.place) == before, out


# ------------------------------------------------------------ what stops it

def test_an_error_of_the_linter_stops_it(author):
    author.write("about.gmi", "# About\n=> nowhere.gmi Nowhere\n")
    done = author.first(status=1)
    assert "about.gmi:2: G007: link to nowhere.gmi" in done.stderr
    assert not author.store.exists()
    author.write("about.gmi", "# About\n")
    author.first()
    before = look(author.store)
    author.write("capsule.conf", "nonsense = 1;")
    author.run(status=1)
    assert look(author.store) == before
    author.write("capsule.conf", 'feed = "updates.gmi"; order = ["no.gmi"];')
    author.run(status=1)
    assert look(author.store) == before


def test_errors_come_first_and_the_verdict_last(author):
    author.write("a.gmi", "# A\n" + "####\n" * 1005)
    author.write("about.gmi", "# About\n=> no.gmi No\n=> none.gmi None\n")
    done = author.first(status=1)
    lines = done.stderr.splitlines()
    assert "about.gmi:2: G007: link to no.gmi" in lines[0]
    assert "about.gmi:3: G007: link to none.gmi" in lines[1]
    assert " warning: " in lines[2]
    assert lines[-2].endswith(" further problems are not shown")
    assert lines[-1].endswith("error: nothing was published: 2 errors")
    assert not author.store.exists()


def test_levels_of_the_linter(author):
    """What the person sets wins, but for what makes a release invalid."""
    author.write("about.gmi", "# About\n=> nowhere.gmi Nowhere\n")
    author.first(status=1)
    author.first("-W", "G007=error", "--level=G007=off", "--dry-run")
    author.first("-W", "G014=error", "-WG007=warn")
    author.write("about.gmi", "# About\n=> gemini://example.org/ Home\n")
    done = author.run("-W", "G014=error", status=1)
    assert "about.gmi:2: G014: " in done.stderr
    author.write("about.gmi", "# About\n")
    author.write("capsule.conf", "nonsense = 1;")
    for level in "off", "warn":
        done = author.run("-W", f"C006={level}", status=2)
        assert f"--level: C006={level}: an error in capsule.conf" in done.stderr
    done = author.run("-W", "C006=error", status=1)
    assert "C006: unknown option" in done.stderr.splitlines()[0]
    author.write("capsule.conf", CONF)
    # A page that no copy can be made of.
    author.write("about.gmi", b"# About\n\xff\n")
    done = author.run("-W", "G001=off", status=1)
    assert "about.gmi:2: not UTF-8" in done.stderr
    for level, words in (("G00=off", 'unknown check "G00"'),
                         ("G007", 'invalid level "G007" (CODE=off, ')):
        done = author.run("-W", level, status=2)
        assert f"error: --level: {words}" in done.stderr


@pytest.mark.parametrize("rule,path", [
    ('gone = ["/x",\n"/mirror/MANIFEST"];', "mirror/MANIFEST"),
    ('gone = ["/x",\n"/*.tar"];', "mirror/capsule.tar"),
    ('gone = ["/x",\n"/mirror/trace"];', "mirror/trace"),
    ('gone = ["/x",\n"/mirror/objects/*"];', "mirror/objects/"),
    ('redirects = ({ from = "/x/*"; to = "/"; },\n'
     '{ from = "/mirror/*"; to = "gemini://b.example/*"; });', "mirror/MANIFEST"),
    ('redirects = ({ from = "/x/*"; to = "/"; }, {\n'
     'from = "/mirror/objects/*"; to = "/*"; });', "mirror/objects/")])
def test_what_no_mirror_could_fetch(author, rule, path):
    author.write("index.gmi", "# Home\n=> about.gmi About\n"
                 "=> updates.gmi Updates\n=> note.txt Note\n")
    author.write("capsule.conf", CONF + "\n" + rule)
    done = author.first(status=1)
    assert re.search(rf'error: {author.src}/capsule\.conf:3: "[^"]+" is also '
                     rf"about {path}", done.stderr), done.stderr
    assert not author.store.exists()
    author.write("capsule.conf", CONF + 'gone = ["/mirror/other", "/mirror"];')
    author.first()


def test_warnings_are_shown_and_counted(author):
    author.write("lonely.gmi", "# Lonely\n")
    done = author.first()
    assert "warning: " in done.stderr and "lonely.gmi" in done.stderr
    assert "1 warning of the linter" in done.stderr
    author.check(1)


def test_older_feed_and_copy_need_not_be_right(author):
    author.write("atom.xml", "<feed")
    author.write("all.txt", "a letter\n")
    author.first(status=1)  # not ours to write over
    (author.src / "all.txt").unlink()
    carnation("feed", author.src)
    author.write("night.gmi", "# The night\nMuch more.\n")
    (author.src / "atom.xml").write_text("<feed")
    done = author.first()
    assert "atom.xml" not in done.stderr
    author.check(1)
    assert "Much more." in (author.current / "all.txt").read_text()
    assert (author.current / "atom.xml").read_text().startswith("<?xml")


def test_a_dry_run_writes_nothing(author):
    done = author.first("--dry-run")
    assert last_line(done).endswith("not published")
    assert not author.store.exists()
    author.first()
    before = look(author.store)
    author.write("note.txt", "other\n")
    done = author.run("--dry-run")
    assert "changed  note.txt" in done.stdout
    assert look(author.store) == before


def ask(author, answer, *words):
    """Publishes on a terminal, answering what it asks."""
    leader, follower = pty.openpty()
    with subprocess.Popen(
            [CARNATION, "publish", author.src, author.store, "--key",
             author.key, *words], stdin=follower, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True) as p:
        os.write(leader, answer.encode())
        out, err = p.communicate(timeout=60)
    os.close(leader)
    os.close(follower)
    return p.returncode, out, err


def without_night(author):
    """No page links to it any more, and it is gone."""
    author.write("index.gmi", PAGES["index.gmi"].replace(
        "=> night.gmi The night\n", ""))
    author.write("about.gmi", "# About\n")
    author.write("updates.gmi",
                 "# Updates\n=> about.gmi 2026-01-03 About\n")
    (author.src / "night.gmi").unlink()


def test_before_a_page_goes_that_others_link_to(author):
    author.first()
    without_night(author)
    before = look(author.store)
    done = author.run(status=1)
    assert "night.gmi goes, and about.gmi:2 links to it; 3 links" in done.stderr
    assert "--yes" in done.stderr
    status, _, err = ask(author, "n\n")
    assert status == 1 and "[y/N]" in err
    status, _, _ = ask(author, "\n")
    assert status == 1 and look(author.store) == before
    status, out, _ = ask(author, "y\n")
    assert status == 0 and "gone     night.gmi" in out
    author.check(2)


def test_yes_does_not_ask(author):
    author.first()
    without_night(author)
    done = author.run("--yes")
    assert "night.gmi goes" in done.stderr
    author.check(2)


def test_pages_that_are_not_missed(author):
    """What nothing links to, what is no page, and what has moved."""
    author.write("lonely.gmi", "# Lonely\n=> lonely.gmi Itself\n")
    author.write("index.gmi", PAGES["index.gmi"] + "=> note.txt Note\n")
    author.first()
    (author.src / "lonely.gmi").unlink()
    author.write("index.gmi", PAGES["index.gmi"])
    (author.src / "note.txt").unlink()
    author.run()
    author.check(2)
    (author.src / "night.gmi").rename(author.src / "darkness.gmi")
    author.write("capsule.conf", CONF + 'redirects = ({ from = "/night.gmi"; '
                 'to = "/darkness.gmi"; });')
    author.run()
    author.check(3)


# -------------------------------------------------------------- what is named

def test_links_that_fail_a_mirrors_readers(author):
    author.write("about.gmi", "# About\n=> gemini://example.org/night.gmi N\n"
                 "=> //example.org:1965/ Home\n=> gemini://example.net/ Other\n"
                 "=> linked.gmi Linked\n=> https://example.org/ Web\n")
    (author.src / "linked.gmi").symlink_to("night.gmi")
    done = author.first()
    told = [line for line in done.stderr.splitlines() if "about.gmi:" in line
            and ("origin" in line or "manifest" in line)]
    assert [line.split("about.gmi:")[1].split(":")[0] for line in told] == [
        "2", "3", "5"], told
    assert "takes a mirror's readers" in told[0]
    assert "lists no such file" in told[2]


def test_links_to_an_origin_with_a_port(author):
    """Another port is another server, and so is the usual one."""
    author.write("about.gmi", "# About\n=> gemini://example.org:1966/ Home\n"
                 "=> gemini://example.org/no.gmi Other\n"
                 "=> //example.org:1965/no.gmi Other\n=> night.gmi Own\n")
    author.write("index.gmi", PAGES["index.gmi"] + "=> no-page.gmi No\n")
    words = ("--origin", f"{ORIGIN}:1966")
    done = author.run(*words, status=1)
    assert "index.gmi:10: G007" in done.stderr
    author.write("index.gmi", PAGES["index.gmi"])
    done = author.run(*words)
    told = [line for line in done.stderr.splitlines() if "mirror's" in line]
    assert len(told) == 1 and "about.gmi:2: link to" in told[0]


def test_what_is_left_out_is_named(author):
    (author.src / "in.txt").symlink_to("note.txt")
    (author.src / "out.txt").symlink_to("/etc/passwd")
    (author.src / "indir").symlink_to("deep")
    os.mkfifo(author.src / "fifo")
    author.write(".git/config", "secret of a kind\n")
    author.write(".hidden", "hidden\n")
    author.write("mirror/other.txt", "other\n")
    if not IS_ROOT:
        author.write("closed.txt", "closed\n")
        (author.src / "closed.txt").chmod(0)
    with contextlib.ExitStack() as stack:
        s = stack.enter_context(socket.socket(socket.AF_UNIX))
        s.bind(str(author.src / "sock"))
        done = author.first("--strict", status=3)
        assert not author.store.exists()
        strict = done.stderr
        done = author.first()
    left = {"in.txt", "out.txt", "indir", "fifo", "sock", ".git", ".hidden",
            "mirror/other.txt"} | (set() if IS_ROOT else {"closed.txt"})
    for name in left:
        assert f"warning: {author.src}/{name}: left out" in done.stderr, name
        assert f"error: {author.src}/{name}: left out" in strict, name
    assert set(author.check(1).hashes) == {
        n.encode() for n in set(PAGES) | MADE}


@root_only
def test_files_that_cannot_be_read_are_left_out(author):
    author.write("closed.txt", "closed\n")
    (author.src / "closed.txt").chmod(0)
    author.place.chmod(0o777)
    author.key.chmod(0o644)
    done = author.first(wrapper=wrapper("user", NOBODY))
    assert f"{author.src}/closed.txt: left out" in done.stderr
    assert b"closed.txt" not in author.check(1).hashes


ODD = ["a b.txt", "caf\u00e9 \u6f22.txt", "x" * 200, "d" * 200 + "/" + "e" * 200,
       "%41.txt", "q?m#x&y.txt", "-n", "#.txt", "'\".txt"]


def test_odd_names(author):
    for name in ODD:
        author.write(name, name)
    author.first()
    m = author.check(1)
    for name in ODD:
        assert m.hashes[name.encode()] == signed.sha256(name.encode())
    sums = author.place / "SUMS"
    sums.write_bytes((author.current / "mirror/MANIFEST").read_bytes()
                     .split(b"\n", 2)[2])
    subprocess.run(["sha256sum", "-c", "--strict", "--quiet", sums],
                   cwd=author.current, check=True)
    out = author.place / "out"
    out.mkdir()
    subprocess.run(["tar", "-xf", author.current / "mirror/capsule.tar",
                    "-C", out], check=True)
    assert all((out / n).read_text() == n for n in ODD)


@pytest.mark.parametrize("name", [
    b"back\\slash.txt", b"line\nfeed.txt", b"escape\x1b.txt",
    b"latin\xe9.txt", b"mirror"])
def test_names_that_no_manifest_can_list(author, name):
    path = os.fsencode(author.src) + b"/" + name
    with open(path, "wb") as f:
        f.write(b"x")
    done = author.first(status=3)
    assert "no manifest can list this name" in done.stderr
    assert not author.store.exists()


def test_names_that_differ_in_case_alone(author):
    author.write("Note.txt", "another\n")
    done = author.first()
    assert "note.txt: differs from Note.txt in case alone" in done.stderr


def test_letters_of_other_scripts_have_a_case_too(author):
    """The C library reads a file about them, inside the sandbox."""
    author.write("Äther.txt", "one\n")
    author.write("äther.txt", "another\n")
    said = [author.first("--dry-run", env={"CARNATION_SANDBOX": how}).stderr
            for how in ("on", "off")]
    assert said[0] == said[1]
    if "differs from" not in said[1]:
        pytest.skip("this C library knows no letters but ASCII's")



# ------------------------------------------------------------- where things lie

def test_folders_that_must_not_lie_in_one_another(author):
    for store in (author.src / "store", author.place, author.src):
        done = carnation("publish", author.src, store, "--key", author.key,
                         "--origin", ORIGIN)
        assert done.returncode == 4, done.stderr
        assert "must not lie in one another" in done.stderr
    assert not (author.src / "store").exists()
    certs = author.place / "data" / "carnation" / "certs"
    if not IS_ROOT:
        certs.mkdir(parents=True)
        done = carnation("publish", author.place / "data", author.store,
                         "--key", author.key, "--origin", ORIGIN,
                         env={"XDG_DATA_HOME": str(author.place / "data")})
        assert done.returncode == 4 and "certificates" in done.stderr


@pytest.mark.parametrize("name", ["my.sec", ".hidden/my.sec"])
def test_a_folder_with_a_key_in_it(author, name):
    author.write(name, author.key.read_bytes())
    done = author.first(status=4)
    assert "holds a private key" in done.stderr and name in done.stderr
    assert not author.store.exists()


def test_no_folder(author):
    shutil.rmtree(author.src)
    done = author.first(status=4)
    assert "No such file" in done.stderr


def test_a_name_with_a_control_of_two_bytes(author):
    """sha256sum and tar would write it to the reader's terminal."""
    author.write("a\x9b2J.txt", "x\n")
    done = author.first(status=3)
    assert "control" in done.stderr and "\x9b" not in done.stderr
    assert not author.store.exists()


def test_a_folder_that_is_no_store(author):
    author.store.mkdir()
    (author.store / "letter.txt").write_text("dear")
    done = author.first(status=4)
    assert "neither a store nor an empty directory" in done.stderr
    assert [p.name for p in author.store.iterdir()] == ["letter.txt"]


def test_a_store_without_its_state(author):
    author.first()
    (author.store / "state").unlink()
    done = author.first(status=4)
    assert '"state" is missing' in done.stderr
    (author.store / "state").write_text("nonsense\n")
    author.first(status=4)
    assert not (author.store / "releases/2").exists()


@pytest.mark.parametrize("how", ["rotten", "gone", "empty"])
def test_a_last_manifest_that_has_rotten(author, how):
    """The next serial mends it: the store alone knows which that is."""
    author.first()
    author.run()
    manifest = author.current / "mirror/MANIFEST"
    data = manifest.read_bytes()
    manifest.unlink()
    if how != "gone":
        manifest.write_bytes(
            data.replace(b"serial: 2", b"serial: 9") if how == "rotten"
            else b"")
    author.write("note.txt", "other\n")
    done = author.run()
    assert "the manifest of serial 2 cannot be used" in done.stderr
    assert "serial 3: 11 added, 0 kept; published" in last_line(done)
    author.check(3)
    done = author.run()
    assert "cannot be used" not in done.stderr
    assert "serial 3 -> 4: nothing changed" in last_line(done)


@root_only
def test_a_store_of_somebody_else(author):
    author.first()
    author.key.chmod(0o644)
    how = {"wrapper": wrapper("user", NOBODY)}
    done = author.run(status=4, **how)
    assert "Permission denied" in done.stderr
    author.store.chmod(0o700)
    done = author.run(status=4, **how)
    assert "Permission denied" in done.stderr
    author.store.chmod(0o755)
    author.check(1)


def test_somebody_else_is_writing(author):
    author.first()
    with open(author.store / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = author.run(status=1)
        assert "try again later" in done.stderr
        author.run("--dry-run")
    author.run()
    author.check(2)


def test_a_serial_is_never_used_twice(author):
    """Killed between the release and the state: that serial may have been
    seen."""
    author.first()
    old = (author.store / "state").read_bytes()
    author.run()
    (author.store / "state").write_bytes(old)
    author.run()
    author.check(3)


def test_a_serial_that_the_store_does_not_know(author):
    """The store was lost: mirrors have 42 already."""
    done = author.first("--serial", "43")
    assert "serial 43: " in last_line(done)
    author.check(43)
    author.run()
    author.check(44)
    before = look(author.store)
    for serial in ("43", "44"):
        done = author.run("--serial", serial, status=2)
        assert (f"--serial {serial}: mirrors that have 44 accept only higher"
                in done.stderr)
    done = author.run("--serial", str(44 + 1000001), status=2)
    assert "higher ones, by 1000000 at most" in done.stderr
    for serial in ("0", "-1", "x", str(2 ** 53)):
        author.run("--serial", serial, status=2)
    assert look(author.store) == before
    author.run("--serial", str(44 + 1000000))
    author.check(44 + 1000000)


def test_a_serial_that_was_signed_elsewhere(author):
    author.first()
    out = author.place / "list"
    author.run("--unsigned", out, "--serial", "9", key=False)
    done = author.run("--signed", sign(author), key=False, status=3)
    assert "of serial 9, and the next one is 2" in done.stderr
    author.run("--signed", sign(author), "--serial", "9", key=False)
    author.check(9)


@pytest.mark.soak
def test_many_files(author):
    n = 10_000 if LONG else 1000
    for i in range(n):
        if i % 100 == 0:
            (author.src / f"many/{i // 100}").mkdir(parents=True)
        (author.src / f"many/{i // 100}/{i}.txt").write_text(f"{i % (n // 2)}\n")
    done = author.first(timeout=300)
    assert f"{n + 11} added, 0 kept; published" in last_line(done)
    m = signed.parse((author.current / "mirror/MANIFEST").read_bytes()
                     .split(b"\n", 2)[2])
    assert len(m.hashes) == n + 11
    done = author.run(timeout=300)
    assert f"nothing changed, {n + 11} kept" in last_line(done)


def publishing(author, name):
    """The verb at work, stopped while it hashes that large file of SRC: others
    that open it read no more than its beginning."""
    p = subprocess.Popen(
        [CARNATION, "publish", author.src, author.store, "--key", author.key,
         "--origin", ORIGIN], stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: os.nice(10))
    target = str(author.src / name)

    def has_read(fd):
        info = Path(f"/proc/{p.pid}/fdinfo/{fd}").read_text()
        return int(re.search(r"^pos:\s*(\d+)", info, re.M)[1])

    def has_it():
        with contextlib.suppress(OSError):
            return any(os.readlink(f"/proc/{p.pid}/fd/{fd}") == target
                       and has_read(fd) > 1 << 20
                       for fd in os.listdir(f"/proc/{p.pid}/fd"))
        return False

    def stopped():
        p.send_signal(signal.SIGSTOP)
        if has_it():
            return True
        p.send_signal(signal.SIGCONT)
        return p.poll() is not None

    wait_for(stopped, what=name)
    return p


@pytest.mark.parametrize("change", ["written", "replaced", "removed",
                                    "as before"])
def test_a_page_that_changes_behind_the_copy(author, change):
    """The text copy is made, hashing is at a large file, and a page that stands
    behind it in the list becomes another."""
    with open(author.src / "a.bin", "wb") as f:
        f.truncate(150 << 20)
    p = publishing(author, "a.bin")
    page = author.src / "night.gmi"
    if change == "written":
        page.write_text("# The night\nAnother line.\n")
    elif change == "replaced":
        (author.place / "new").write_text("# The day!!\n")
        os.utime(author.place / "new", ns=(0, page.stat().st_mtime_ns))
        (author.place / "new").rename(page)
    elif change == "removed":
        page.unlink()
    else:  # who knows what was read meanwhile
        text, ns = page.read_bytes(), page.stat().st_mtime_ns
        page.write_text("# The day!!\n")
        page.write_bytes(text)
        os.utime(page, ns=(ns, ns))
    p.send_signal(signal.SIGCONT)
    _, err = p.communicate(timeout=120)
    assert p.returncode == 1, err
    assert "night.gmi" in err
    assert not author.store.exists()


@pytest.mark.soak
def test_a_file_that_changes_meanwhile_is_no_wrong_release(author):
    """Whatever is published is what its manifest says, and the copy is made of
    the pages beside it."""
    stop, statuses = threading.Event(), []
    author.first()

    def scribble():
        n = 0
        while not stop.is_set():
            n += 1
            author.write("night.gmi", f"# The night\nword{n}\n")

    writer = threading.Thread(target=scribble)
    writer.start()
    try:
        deadline = time.monotonic() + (30 if LONG else 3)
        while time.monotonic() < deadline:
            done = carnation("publish", author.src, author.store, "--key",
                             author.key)
            statuses.append(done.returncode)
            assert done.returncode in (0, 1), done.stderr
            m = signed.check_store(author.store, author.keys())
            assert m.serial == 1 + statuses.count(0)
            words = (author.current / "night.gmi").read_text().split()
            copy = (author.current / "all.txt").read_text()
            assert all(w in copy for w in words[-1:]), words
    finally:
        stop.set()
        writer.join()
    assert 1 in statuses
