# SPDX-License-Identifier: ISC
"""`carnation verify`: each kind of copy, each kind of fault; what it lists for the
next run of a mirror, and --repair."""
import contextlib
import json
import os
import re
import resource
import shutil
import socket
import subprocess

import pytest

import origin as o
from harness import CARNATION
from life import IS_ROOT, NOBODY, carnation, root_only, wrapper
from origin import Origin
from preload import built, hurry, needed  # noqa: F401
from signed import (ARCHIVE, CAPSULE, MANIFEST, Author, Key, archive,
                    check_store, make_store, object_path, opened, sha256,
                    ustar_header, padded)
from tools import tree

ORIGIN = "gemini://example.org/"
GOOD, LATER, USAGE, REFUSED, LOCAL = range(5)
GONE = "mirror/objects/*"


@pytest.fixture
def author():
    return Author(Key.new(), ORIGIN)


def verify(what, *words, status=GOOD, **how):
    """What was told, a list of lines, the last of which sums up."""
    done = carnation("verify", *words, what, **how)
    assert done.returncode == status, (done.stdout, done.stderr)
    verify.said = done.stderr
    if status in (GOOD, REFUSED):
        assert done.stdout.endswith("\n")
    return done.stdout.splitlines()


def told(lines):
    """Without the sum."""
    return [line for line in lines if not line.startswith("verify: ")]


# ------------------------------------------------------ what may not be read

STRANGER = wrapper("user", NOBODY) if IS_ROOT else ()


@contextlib.contextmanager
def closed(*paths, mode=0):
    """Nobody but root may read them."""
    modes = [path.stat().st_mode for path in paths]
    for path in paths:
        path.chmod(mode)
    yield
    for path, old in zip(reversed(paths), reversed(modes)):
        path.chmod(old)


def unread(what, *words, status=LOCAL):
    """What is told to who may not read all of it."""
    return verify(what, *words, status=status, wrapper=STRANGER)


# ------------------------------------------------- a copy in each of its forms

class Directory:
    """DIR: a tree of files."""

    def __init__(self, place, files, key):
        self.what = place / "copy"
        self.words = ["--key", key.public]
        tree(self.what, files)

    def change(self, path, data):
        file = self.what / path
        if data is None:
            file.unlink()
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)

    close = staticmethod(lambda: None)


class Store(Directory):
    """STORE, an author's."""

    def __init__(self, place, files, key):
        self.what = make_store(place / "store", [files])
        write_state(self.what, files, key, mirror=False)
        self.words = []

    def change(self, path, data):
        file = self.what / "current" / path
        if data is not None and file.exists():
            rot(file, data)
        else:
            super().change("current/" + path, data)


class Archive(Directory):
    """TAR: what lies at mirror/capsule.tar, in a file."""

    def __init__(self, place, files, key):
        self.what = place / "capsule.tar"
        self.words = ["--key", key.public]
        self.files = {p: d for p, d in files.items() if p != ARCHIVE}
        self.write()

    def write(self):
        files = {p: d for p, d in self.files.items() if p != MANIFEST}
        self.what.write_bytes(archive(self.files[MANIFEST], files, 1))

    def change(self, path, data):
        if data is None:
            del self.files[path]
        else:
            self.files[path] = data
        self.write()


class Host(Directory):
    """URL: what a server answers."""

    def __init__(self, place, files, key):
        self.origin = Origin(place, files)
        self.what = self.origin.url()
        self.words = ["--key", key.public]

    def change(self, path, data):
        files = dict(self.origin.files)
        if data is None:
            del files[path]
        else:
            files[path] = data
        self.origin.serve(files)

    def close(self):
        self.origin.close()


FORMS = [Directory, Store, Archive, Host]


def rot(file, data=None):
    """Other bytes in the same inode, as a disk does it."""
    old = file.read_bytes()
    if data is None:
        data = bytes([old[0] ^ 1]) + old[1:]
    mode = file.stat().st_mode
    file.chmod(0o644)
    with open(file, "r+b") as f:
        f.write(data)
        f.truncate()
    file.chmod(mode)


def write_state(store, files, signer, mirror=True, upstream=None, **fields):
    text, _, _ = opened(files[MANIFEST], [signer.public])
    serial = re.search(rb"^# serial: (\d+)$", text, re.M)[1].decode()
    origin = re.search(rb"^# origin: (.*)$", text, re.M)[1].decode()
    fields = {"mirror": mirror and "yes", "origin": origin,
              "upstream": upstream, "serial": serial,
              "manifest": sha256(text), "key": signer.public, **fields}
    (store / "state").write_text("carnation-store: 2\n" + "".join(
        f"{name}: {value}\n" for name, value in fields.items() if value))


@pytest.fixture(params=FORMS, ids=lambda form: form.__name__.lower())
def copy(request, place, author):
    it = request.param(place, author.publish(), author.key)
    yield it
    it.close()


def test_a_good_copy(copy):
    size = sum(map(len, CAPSULE.values()))
    lines = verify(copy.what, *copy.words)
    found = re.fullmatch(
        r"verify: example\.org: serial 1 of \d{4}-\d\d-\d\d: "
        rf"{len(CAPSULE)} files, ([\d.]+) KiB, all as signed", lines[0])
    assert len(lines) == 1 and found, lines
    assert abs(float(found[1]) - size / 1024) <= 0.1
    assert verify.said == ""


@pytest.mark.parametrize("path", sorted(CAPSULE))
def test_one_changed_byte_of_each_kind_of_file(copy, path):
    data = CAPSULE[path]
    copy.change(path, data[:-1] + bytes([data[-1] ^ 1]) if data else b"x")
    lines = verify(copy.what, *copy.words, status=REFUSED)
    assert told(lines)[:1] == [f"changed {path}"]
    assert set(told(lines)) <= {f"changed {path}", f"changed {ARCHIVE}"}
    assert "example.org: REFUSED serial 1 of" in lines[-1]


def test_a_missing_file(copy):
    copy.change("page.gmi", None)
    lines = verify(copy.what, *copy.words, status=REFUSED)
    assert told(lines) == ["missing page.gmi"]
    assert "1 missing; 9 files" in lines[-1]


def test_an_extra_file(copy):
    """Only a host does not say what else it serves."""
    copy.change("deep/extra.gmi", b"# Not signed\n")
    copy.change("zz", b"")
    if isinstance(copy, Host):
        verify(copy.what, *copy.words)
        return
    lines = verify(copy.what, *copy.words, status=REFUSED)
    assert told(lines) == ["extra deep/extra.gmi", "extra zz"]
    assert "2 extra; 9 files" in lines[-1]


def test_all_at_once_and_as_json(copy, author):
    copy.change("page.gmi", None)
    copy.change("index.gmi", b"# Home")
    done = carnation("verify", "--json", *copy.words, copy.what)
    assert done.returncode == REFUSED and done.stderr == ""
    got = json.loads(done.stdout)
    assert got["result"] == "refused" and got["why"] == ""
    assert got["origin"] == ORIGIN and got["serial"] == 1
    assert got["key"] == author.key.public and got["final"] is False
    assert got["changed"] == ["index.gmi"]
    assert got["missing"] == ["page.gmi"] and got["extra"] == []
    copy.change("page.gmi", CAPSULE["page.gmi"])
    copy.change("index.gmi", CAPSULE["index.gmi"])
    got = json.loads(carnation("verify", "--json", *copy.words,
                               copy.what).stdout)
    assert got["result"] == "good" and got["files"] == len(CAPSULE)


def test_a_forged_list(copy, author):
    """Each line of it, and what somebody else signed."""
    good = author.manifest().sign(author.key)
    thief = Key(author.key.name, author.key.number, Key.new().private)
    for forged in (author.manifest().sign(Key.new()),
                   author.manifest().sign(thief),
                   *(good[:at] + bytes([good[at] ^ 2]) + good[at + 1:]
                     for at in (0, 30, 60, 130, 200, len(good) - 3)),
                   good + b"\n", good[:-1], b"", b"\n" * 100):
        copy.change(MANIFEST, forged)
        lines = verify(copy.what, *copy.words, status=REFUSED)
        assert "REFUSED" in lines[-1], forged
        assert told(lines) in ([], ["changed mirror/MANIFEST"])


def test_names_that_leave_the_copy(copy, author, place):
    (place / "outside").write_bytes(b"x")
    for name in ("../outside", "/etc/passwd", "a/../../outside", "mirror/x",
                 "./index.gmi", "a\\b"):
        copy.change(MANIFEST, author.forge(
            hashes={name.encode(): sha256(b"x")}, files=1))
        assert "REFUSED" in verify(
            copy.what, *copy.words, status=REFUSED)[-1]


def test_a_key_is_needed(copy, author, place):
    if isinstance(copy, Store):
        (copy.what / "state").unlink()
    assert verify(copy.what, status=USAGE) == []
    assert "missing public key (use --key)" in verify.said
    public, secret = author.key.write(place)
    for key in (author.key.public, public, secret):
        verify(copy.what, "--key", key)
    verify(copy.what, "--key", Key.new().public, "--key", public)
    lines = verify(copy.what, "--key", Key.new().public, status=REFUSED)
    assert "REFUSED" in lines[-1]
    verify(copy.what, "--key", place / "none", status=LOCAL)
    (place / "note").write_text("no key\n")
    verify(copy.what, "--key", place / "note", status=USAGE)
    assert "note: not a signify key" in verify.said


def test_what_is_told_is_safe_to_show(copy):
    if isinstance(copy, Host):
        pytest.skip("a host does not say what else it serves")
    copy.change("a\x1b[2J\nextra b", b"")
    lines = verify(copy.what, *copy.words, status=REFUSED)
    assert told(lines) == [r"extra a\x1b[2J\x0aextra b"]


def test_stale_is_said_and_no_fault(place):
    author = Author(Key.new(), ORIGIN)
    files = author.publish(created=1_000_000_000, refresh=1_000_086_400)
    copy = Directory(place, files, author.key)
    verify(copy.what, *copy.words)
    assert "stale: the author meant to publish again before 2001-09-10" in (
        verify.said)
    files = author.publish(created=1_000_000_000, refresh=None, final=True)
    tree(copy.what, files)
    verify(copy.what, *copy.words)
    assert verify.said == ""


@pytest.mark.parametrize("words, want", [
    ([], USAGE), (["a", "b"], USAGE), (["--kye", "a"], USAGE),
    (["gemini://localhost/page.gmi"], USAGE), (["https://localhost/"], USAGE),
    (["nothing-here"], LOCAL)])
def test_wrong_words(place, words, want):
    verify(words[0] if words else "--json", *words[1:], status=want,
           cwd=place)
    assert verify.said.startswith("carnation verify: error: ")
    assert verify.said.endswith("See 'carnation help verify'.\n") == (
        want == USAGE)
    if words == ["a", "b"]:
        assert "too many arguments: a\n" in verify.said


# ------------------------------------------------------------------ directory

def test_what_else_lies_in_a_directory(place, author):
    copy = Directory(place, author.publish(), author.key)
    tree(copy.what, {"mirror/trace": "host: x\n", "mirror/objects/ab": "x",
                     "empty-directory": None})
    verify(copy.what, *copy.words)  # nobody signs a trace and objects
    tree(copy.what, {"mirror/index.gmi": "x", "mirror/objects2": "x"})
    assert told(verify(copy.what, *copy.words, status=REFUSED)) == [
        "extra mirror/index.gmi", "extra mirror/objects2"]
    (copy.what / "mirror/index.gmi").unlink()
    (copy.what / "mirror/objects2").unlink()
    (copy.what / "link").symlink_to("page.gmi")
    (copy.what / ".hidden").write_text("x")
    os.mkfifo(copy.what / "fifo")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(copy.what / "sock"))
    (copy.what / "up").symlink_to("..")
    assert told(verify(copy.what, *copy.words, status=REFUSED)) == [
        "extra .hidden", "extra fifo", "extra link", "extra sock",
        "extra up"]


def test_other_things_under_a_files_name(place, author):
    copy = Directory(place, author.publish(), author.key)
    (copy.what / "page.gmi").rename(place / "page.gmi")
    (copy.what / "page.gmi").symlink_to("../page.gmi")  # same bytes, outside
    (copy.what / "index.gmi").unlink()
    os.mkfifo(copy.what / "index.gmi")
    (copy.what / "empty.txt").unlink()
    (copy.what / "empty.txt").mkdir()
    assert told(verify(copy.what, *copy.words, status=REFUSED)) == [
        "changed empty.txt", "changed index.gmi", "changed page.gmi"]


def test_a_link_to_equal_bytes(place, author):
    author.files["twin.gmi"] = CAPSULE["page.gmi"]
    copy = Directory(place, author.publish(), author.key)
    (copy.what / "page.gmi").unlink()
    (copy.what / "page.gmi").symlink_to("twin.gmi")
    assert told(verify(copy.what, *copy.words, status=REFUSED)) == [
        "changed page.gmi"]


def test_a_directory_deeper_than_we_look(place, author):
    copy = Directory(place, author.publish(), author.key)
    (copy.what / "/".join("d" * 70)).mkdir(parents=True)
    lines = told(verify(copy.what, *copy.words, status=REFUSED))
    assert len(lines) == 1 and re.fullmatch(r"extra (d/)+d", lines[0])


def test_without_a_manifest(place, author):
    (place / "copy").mkdir()
    lines = verify(place / "copy", "--key", author.key.public,
                   status=REFUSED)
    assert lines[-1].endswith("copy/mirror/MANIFEST: No such file or directory")
    tree(place / "copy", {MANIFEST: b"x" * (17 << 20)})
    lines = verify(place / "copy", "--key", author.key.public,
                   status=REFUSED)
    assert "not a regular file, or too long" in lines[-1]


def test_what_may_not_be_read_is_not_called_missing(place, author):
    copy = Directory(place, author.publish(), author.key)
    with closed(copy.what / "page.gmi", copy.what / "deep"):
        lines = unread(copy.what, *copy.words)
    assert told(lines) == ["unreadable deep/er/page.gmi",
                           "unreadable page.gmi", "unreadable deep"]
    assert "REFUSED" not in lines[-1] and "all as signed" not in lines[-1]


@pytest.mark.parametrize("path, mode, lines", [
    ("zz", 0, ["unreadable zz"]),
    ("deep", 0o111, ["unreadable deep"]),
    ("deep", 0o444, ["unreadable deep/er/page.gmi", "unreadable deep/er"]),
    ("mirror", 0o111, ["unreadable mirror"]),
    ("mirror/objects", 0, [])])
def test_a_directory_that_may_not_be_read(place, author, path, mode, lines):
    """What was not signed may lie there; but not among what nobody signs."""
    copy = Directory(place, author.publish(), author.key)
    tree(copy.what, {"zz/extra.gmi": "x", "mirror/objects/ab/cd": "x"})
    if path != "zz":
        shutil.rmtree(copy.what / "zz")
    with closed(copy.what / path, mode=mode):
        assert told(unread(copy.what, *copy.words,
                           status=LOCAL if lines else GOOD)) == lines


@pytest.mark.parametrize("faulty", [False, True])
def test_an_archive_that_may_not_be_read(place, author, faulty):
    copy = Directory(place, author.publish(), author.key)
    tar = copy.what / ARCHIVE
    tar.write_bytes(tar.read_bytes()[:-20])
    lines = [f"unreadable {ARCHIVE}"]
    status = LOCAL
    if faulty:
        rot(copy.what / "page.gmi")
        lines, status = ["changed page.gmi", *lines], REFUSED
    with closed(tar):
        assert told(unread(copy.what, *copy.words, status=status)) == lines
    tar.unlink()
    tar.symlink_to("nowhere")
    assert f"changed {ARCHIVE}" in verify(copy.what, *copy.words,
                                          status=REFUSED)


@pytest.mark.parametrize("path", [MANIFEST, "mirror"])
def test_a_manifest_that_may_not_be_read(place, author, path):
    copy = Directory(place, author.publish(), author.key)
    with closed(copy.what / path):
        assert unread(copy.what, *copy.words) == [f"unreadable {MANIFEST}"]
    assert verify.said.endswith(f"copy/{MANIFEST}: Permission denied\n")


# read() fails in the file whose path ends with BAD, as on a bad disk.
BAD_DISK = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
ssize_t read(int fd, void *out, size_t n)
{
	char link[64], path[4096] = "";
	const char *bad = getenv("BAD");
	ssize_t len;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (bad != NULL && len >= (ssize_t)strlen(bad) &&
	    strcmp(path + len - strlen(bad), bad) == 0) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_read, fd, out, n);
}
"""


@pytest.fixture(scope="module")
def bad_disk():
    yield from built(BAD_DISK)


@pytest.mark.parametrize("form, path", [
    (Directory, "picture.png"), (Directory, MANIFEST), (Directory, ARCHIVE),
    (Archive, ARCHIVE)])
@needed[0]
@needed[1]
def test_what_a_bad_disk_does_not_give(place, author, bad_disk, form, path):
    """An archive, too, of which nobody knows what it holds."""
    copy = form(place, author.publish(), author.key)
    bad = f"/{path}" if form is Directory else "/capsule.tar"
    lines = verify(copy.what, *copy.words, status=LOCAL,
                   env={"LD_PRELOAD": str(bad_disk), "BAD": bad})
    if form is Directory:
        assert told(lines) == [f"unreadable {path}"]
    else:
        assert verify.said.endswith("capsule.tar: Input/output error\n")


def test_a_manifest_that_is_no_file(place, author):
    copy = Directory(place, author.publish(), author.key)
    (copy.what / MANIFEST).unlink()
    for make in (os.mkdir, os.mkfifo):
        make(copy.what / MANIFEST)
        assert verify(copy.what, *copy.words, status=REFUSED)[-1].endswith(
            "mirror/MANIFEST: not a regular file, or too long")
        shutil.move(copy.what / MANIFEST, place / make.__name__)


def test_a_directory_that_may_not_be_looked_into(place, author):
    """Said before a key is asked for."""
    copy = Directory(place, author.publish(), author.key)
    with closed(copy.what):
        assert unread(copy.what) == []
    assert "copy: Permission denied" in verify.said


def test_the_archive_in_a_directory(place, author):
    copy = Directory(place, author.publish(), author.key)
    good = (copy.what / ARCHIVE).read_bytes()
    for at in (0, 120, 136, 300, 520, 1100, len(good) // 2, len(good) - 1):
        (copy.what / ARCHIVE).write_bytes(
            good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
        assert told(verify(copy.what, *copy.words, status=REFUSED)) == [
            f"changed {ARCHIVE}"]
        # Also when it cannot be made again from the files.
        (copy.what / "page.gmi").unlink()
        lines = told(verify(copy.what, *copy.words, status=REFUSED))
        # (120 and 136 lie in the header, 0 in the first name.)
        assert lines == ["missing page.gmi", f"changed {ARCHIVE}"]
        tree(copy.what, {"page.gmi": CAPSULE["page.gmi"]})
    (copy.what / ARCHIVE).write_bytes(good)
    (copy.what / "page.gmi").unlink()
    assert told(verify(copy.what, *copy.words, status=REFUSED)) == [
        "missing page.gmi"]
    (copy.what / ARCHIVE).unlink()
    tree(copy.what, {"page.gmi": CAPSULE["page.gmi"]})
    verify(copy.what, *copy.words)


# -------------------------------------------------------------------- archive

def test_an_archive_that_is_none(place, author):
    copy = Archive(place, author.publish(), author.key)
    good = copy.what.read_bytes()
    for broken in (b"", good[:5000], good[:-1], good + b"\1" * 10240,
                   bytes(10240), b"x" * 10240, good[:10240]):
        copy.what.write_bytes(broken)
        lines = verify(copy.what, *copy.words, status=REFUSED)
        assert "REFUSED" in lines[-1], len(broken)


def test_names_that_come_twice_in_an_archive(place, author):
    copy = Archive(place, author.publish(), author.key)
    good = copy.what.read_bytes()
    data = CAPSULE["robots.txt"]

    def more(name, data):
        return ustar_header(name, b"", len(data), 1, b"0") + padded(data)

    body = good.rstrip(b"\0")
    body += bytes(-len(body) % 512)
    for name, content in ((b"robots.txt", data), (b"robots.txt", b"other"),
                          (MANIFEST.encode(), copy.files[MANIFEST])):
        copy.what.write_bytes(padded(
            body + more(name, content) + bytes(1024), 10240))
        assert told(verify(copy.what, *copy.words, status=REFUSED)) == [
            f"extra {name.decode()}"]
    first = more(b"robots.txt", b"other")
    copy.what.write_bytes(padded(first + body + bytes(1024), 10240))
    assert "extra robots.txt" in told(
        verify(copy.what, *copy.words, status=REFUSED))


def test_an_archive_may_come_through_a_pipe(place, author):
    """It is read once."""
    copy = Archive(place, author.publish(), author.key)
    os.mkfifo(place / "fifo")
    with subprocess.Popen(["cp", copy.what, place / "fifo"]):
        verify(place / "fifo", *copy.words)


def test_the_order_in_an_archive_is_nothing(place, author):
    copy = Archive(place, author.publish(), author.key)
    parts = [ustar_header(name.encode(), b"", len(data), 1, b"0") +
             padded(data) for name, data in copy.files.items()]
    copy.what.write_bytes(
        padded(b"".join(reversed(parts)) + bytes(1024), 10240))
    verify(copy.what, *copy.words)


def test_memory_stays_flat(place, author):
    """A file of 32 MiB in an archive and in a directory, in 16 MiB."""
    author.files["big.bin"] = bytes(32 << 20)
    files = author.publish()
    limit = 16 << 20

    def small():
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    for form in (Archive, Directory):
        copy = form(place, files, author.key)
        done = subprocess.run(
            [CARNATION, "verify", *copy.words, copy.what],
            capture_output=True, text=True, timeout=60,
            preexec_fn=None if b"__asan_init" in CARNATION.read_bytes()
            else small)
        assert done.returncode == GOOD, done.stderr


# ----------------------------------------------------------------------- host

def test_a_host_that_answers_badly(place, author, hurry):  # noqa: F811
    with Origin(place, author.publish()) as origin:
        words = [origin.url(), "--key", author.key.public]
        for fault, lines in (
                (o.answer("51 Not found"), ["missing page.gmi"]),
                (o.answer("20 text/plain", b"other"), ["changed page.gmi"]),
                (o.added(), ["changed page.gmi"]),
                (o.cut(clean=True), ["changed page.gmi"]),
                (o.endless(), ["changed page.gmi"]),
                (o.redirect("gemini://elsewhere.example/"),
                 ["missing page.gmi"]),
                (o.loop, ["missing page.gmi"])):
            origin.forget()
            origin.on("page.gmi", fault)
            assert told(verify(*words, status=REFUSED)) == lines
        for fault in (o.cut(), o.answer("41 Busy"), o.answer("44 3600"),
                      o.answer("44 x"), o.hang_up, o.raw(b"SSH-2.0\r\n")):
            origin.forget()
            origin.on("page.gmi", fault)
            verify(*words, status=LATER)
            assert "page.gmi: " in verify.said
            assert "files were not looked at" in verify.said
        for fault in (o.no_close_notify, o.redirect("/robots.txt")):
            origin.forget()
            origin.on("index.gmi", fault)
            if fault is o.no_close_notify:
                verify(*words)
        assert told(verify(*words, status=REFUSED)) == ["changed index.gmi"]
        origin.forget()
        origin.on("index.gmi", o.redirect("/elsewhere"))
        origin.on("elsewhere", o.instead(CAPSULE["index.gmi"]))
        origin.on("page.gmi", o.in_turn(o.answer("44 1"), o.hang_up, None))
        verify(*words)


def test_a_host_whose_manifest_is_not_to_be_had(place, author):
    with Origin(place, author.publish()) as origin:
        words = [origin.url(), "--key", author.key.public]
        for fault, status in (
                (o.answer("51 Not found"), REFUSED), (o.endless(), REFUSED),
                (o.answer("40 Later"), LATER), (o.cut(), LATER),
                (o.hang_up, LATER), (o.flip(150), REFUSED)):
            origin.forget()
            origin.on(MANIFEST, fault)
            verify(*words, status=status)
        assert max(talk.sent for talk in origin.log) < 40 << 20
        origin.refuse()
        verify(*words, status=LATER)


def test_a_host_that_trickles(place, author, hurry):  # noqa: F811
    """A byte a second holds nobody forever."""
    with Origin(place, author.publish()) as origin:
        origin.on("page.gmi", o.drip(1 / hurry))
        verify(origin.url(), "--key", author.key.public, status=LATER,
               timeout=120)
        assert "page.gmi: " in verify.said
        assert len([p for p in origin.paths if p == "page.gmi"]) == 2


@pytest.mark.parametrize("header, status", [
    ("51 Not found", REFUSED), ("41 Busy", LATER), ("30 /", REFUSED)])
@pytest.mark.parametrize("path", [MANIFEST, "page.gmi"])
def test_junk_without_end_behind_a_refusal(place, author, path, header,
                                           status):
    """What is no file's bytes has no end that is waited for."""
    with Origin(place, author.publish()) as origin:
        origin.on(path, o.endless(header=header, most=1 << 50))
        verify(origin.url(), "--key", author.key.public, status=status,
               timeout=10)


def test_slow_down_is_obeyed(place, author, hurry):  # noqa: F811
    """Waited for, or not asked again."""
    with Origin(place, author.publish()) as origin:
        words = [origin.url(), "--key", author.key.public]
        origin.on("page.gmi", o.answer("44 2"), times=1)
        verify(*words)
        asked = [t.at for t in origin.log if t.path == "page.gmi"]
        assert len(asked) == 2 and asked[1] - asked[0] >= 1.9 / hurry
        origin.clear()
        origin.on("page.gmi", o.answer("44 3600"))
        verify(*words, status=LATER)
        assert "asks to wait 60 minutes" in verify.said
        assert origin.paths.count("page.gmi") == 1


def test_sessions_are_resumed(place, author):
    with Origin(place, author.publish()) as origin:
        verify(origin.url(), "--key", author.key.public)
        assert origin.paths == [MANIFEST, *sorted(
            CAPSULE, key=lambda p: p.encode())]
        assert origin.resumed >= len(CAPSULE) - 1


# ----------------------------------------------------------- an author's store

def test_a_store_says_what_its_own_keys_say(place, author):
    files = author.publish()
    copy = Store(place, files, author.key)
    write_state(copy.what, files, author.key, mirror=False,
                key=Key.new().public)
    assert "REFUSED" in verify(copy.what, status=REFUSED)[-1]
    verify(copy.what, "--key", author.key.public)
    # A retired key's release is where a rollback leads.
    write_state(copy.what, files, author.key, mirror=False,
                key=Key.new().public, **{"retired-key": author.key.public})
    verify(copy.what)


@pytest.mark.parametrize("mirror", [True, False])
def test_an_older_release_of_a_retired_key(place, author, mirror):
    """The key that is given signed the current release, not each before."""
    old, author.key = author.key, Key.new()
    first = Author(old, ORIGIN).publish()
    second = author.publish({"page.gmi": "# Second\n"}, serial=2)
    store = make_store(place / "store", [first, second])
    write_state(store, second, author.key, mirror=mirror,
                **{"retired-key": old.public})
    assert told(verify(store, "--key", author.key.public)) == []
    write_state(store, second, author.key, mirror=False)
    assert told(verify(store, "--key", author.key.public,
                       status=REFUSED)) == [f"changed releases/1/{MANIFEST}"]


def test_two_of_one_number(place, author):
    """Signed, and yet not what was taken over."""
    copy = Store(place, author.publish(), author.key)
    other = author.publish({"page.gmi": "# Other\n"}, serial=1)
    write_state(copy.what, other, author.key, mirror=False)
    lines = verify(copy.what, status=REFUSED)
    assert told(lines) == [f"changed {MANIFEST}"]
    assert "REFUSED" in lines[-1] and (
        "another one than this store took over, serial 1" in lines[-1])


@pytest.mark.parametrize("fields, want", [
    ({"origin": "gemini://other.example/"}, "another one than this store"),
    ({"serial": 7}, None)])
def test_what_state_remembers(place, author, fields, want):
    files = author.publish()
    copy = Store(place, files, author.key)
    write_state(copy.what, files, author.key, mirror=False, **fields)
    lines = verify(copy.what, status=REFUSED if want else GOOD)
    assert want is None or want in lines[-1]


def test_links_of_a_store(place, author):
    files = author.publish()
    store = Store(place, files, author.key).what
    current = store / "current"
    (store / "releases/1").rename(store / "releases/2")
    assert "current: No such file or directory" in verify(
        store, status=REFUSED)[-1]
    current.unlink()
    current.symlink_to("releases/2")
    assert "another one than this store took over, serial 1" in (
        verify(store, status=REFUSED)[-1])
    (store / "state").write_text("rubbish\n")
    verify(store, status=LOCAL)


@pytest.fixture(params=["author", "mirror"])
def three(request, place, author):
    """A store of three releases; 1 and 2 have other pages than the current."""
    releases = [author.publish(), author.publish({"page.gmi": "# Second\n"}),
                author.publish({"page.gmi": "# Third\n"})]
    store = make_store(place / "store", releases)
    write_state(store, releases[-1], author.key,
                mirror=request.param == "mirror")
    return store


def summed(lines):
    """The last line without what it begins with."""
    return re.sub(r"^verify: example\.org: | of \d{4}-\d\d-\d\d"
                  r"|; \d+ files, [\d.]+ KiB| \d+ files, [\d.]+ KiB,", "",
                  lines[-1])


@pytest.mark.parametrize("path", [
    f"releases/2/{MANIFEST}", "releases/2/mirror", "releases/2"])
def test_an_older_release_that_may_not_be_read(three, path):
    """It may be good: no reason to remove it."""
    with closed(three / path):
        lines = unread(three)
    assert told(lines) == [f"unreadable releases/2/{MANIFEST}"]
    assert verify.said.endswith(
        f"releases/2/{MANIFEST}: Permission denied\n")
    assert summed(lines) == (
        "serial 3: all as signed; serial 2: 1 unreadable")


def test_a_stores_archive_that_may_not_be_read(three):
    tar = three / "current" / ARCHIVE
    rot(tar)
    with closed(tar):
        lines = unread(three)
    assert told(lines) == [f"unreadable {ARCHIVE}"]
    assert summed(lines) == "serial 3: 1 unreadable"


def test_only_the_current_release_has_an_archive(three):
    """carnation 0.1 left others: nobody serves them."""
    rot(three / "releases/1" / ARCHIVE)
    (three / "releases/2" / ARCHIVE).unlink()
    verify(three)
    (three / "releases/3" / ARCHIVE).unlink()
    assert told(verify(three, status=REFUSED)) == [f"missing {ARCHIVE}"]


@pytest.mark.parametrize("serial", [2, 3])
def test_a_stores_directory_that_may_not_be_read(three, serial):
    there = three / f"releases/{serial}/zz"
    there.mkdir()
    (there / "extra.gmi").write_text("# Not signed\n")
    with closed(there):
        assert told(unread(three)) == [
            "unreadable releases/2/zz" if serial == 2 else "unreadable zz"]


@pytest.mark.parametrize("path, lines, said", [
    (f"current/{MANIFEST}", [f"unreadable {MANIFEST}"], "mirror/MANIFEST: "),
    ("current/mirror", [f"unreadable {MANIFEST}"], "mirror/MANIFEST: "),
    ("current", [], "current: "), ("releases", [], "releases: "),
    ("objects", [], "objects: "), ("state", [], "state: ")])
def test_a_store_that_may_not_be_read(three, path, lines, said):
    with closed((three / path).resolve()):
        assert unread(three) == lines
    assert said + "Permission denied" in verify.said


@pytest.mark.parametrize("path", ["releases", "objects"])
def test_a_stores_folder_that_may_be_listed_alone(three, path):
    with closed(three / path, mode=0o444):
        lines = unread(three)
        assert not any(line.startswith(("missing", "changed"))
                       for line in lines)
        assert "all as signed" not in "".join(lines)


def test_the_last_line_tells_which_release_is_bad(three):
    old, page = sha256(b"# Second\n"), three / "releases/2/index.gmi"
    page.unlink()
    lines = verify(three, status=REFUSED)
    assert summed(lines) == (
        "serial 3: all as signed; REFUSED serial 2: 1 missing")
    rot(object_path(three, old))
    rot(three / "releases/1" / MANIFEST)
    lines = verify(three, status=REFUSED)
    assert summed(lines) == (
        "serial 3: all as signed; REFUSED serials 1, 2: 2 changed, 1 missing")
    rot(three / "releases/3" / ARCHIVE)
    lines = verify(three, status=REFUSED)
    assert summed(lines) == ("REFUSED serial 3: 1 changed; REFUSED serials "
                             "1, 2: 2 changed, 1 missing")
    for path in (three / "releases/1" / MANIFEST, object_path(three, old)):
        rot(path)
    os.link(object_path(three, sha256(CAPSULE["index.gmi"])), page)
    lines = verify(three, status=REFUSED)
    assert summed(lines) == "REFUSED serial 3: 1 changed"


def test_an_object_of_two_older_releases_is_told_of_both(place, author):
    releases = [author.publish(), author.publish({"new.gmi": "# New\n"}),
                author.publish({"page.gmi": "# Third\n"})]
    store = make_store(place / "store", releases)
    write_state(store, releases[-1], author.key, mirror=False)
    rot(object_path(store, sha256(CAPSULE["page.gmi"])))
    assert summed(verify(store, status=REFUSED)) == (
        "serial 3: all as signed; REFUSED serials 1, 2: 1 changed")


def test_rollback_goes_not_by_a_release_that_cannot_be_opened(three):
    """The one before that which is served, not the last of all."""
    (three / "current").unlink()
    (three / "current").symlink_to("releases/2")
    give_away(three)
    with closed(three / "releases/2"):
        done = carnation("rollback", three, wrapper=STRANGER)
    assert done.returncode == LOCAL and "current: Permission" in done.stderr
    assert os.readlink(three / "current") == "releases/2"


def give_away(store):
    """To who runs what is run as STRANGER."""
    if IS_ROOT:
        for path in (store, *store.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def test_objects_of_older_releases(place, author):
    first = author.publish()
    second = author.publish({"page.gmi": "# Second\n"})
    store = make_store(place / "store", [first, second])
    write_state(store, second, author.key, mirror=False)
    verify(store)
    old = sha256(CAPSULE["page.gmi"])
    rot(object_path(store, old))
    assert told(verify(store, status=REFUSED)) == [
        f"changed objects/{old[:2]}/{old[2:]}"]
    rot(object_path(store, old))
    verify(store)
    # One of no release is no fault: it is hashed before it is used.
    loose = object_path(store, sha256(b"loose"))
    loose.parent.mkdir(exist_ok=True)
    loose.write_bytes(b"other")
    verify(store)


def test_files_of_older_releases(place, author):
    """A rollback would serve what is altered, or there in excess."""
    releases = [author.publish(),
                author.publish({"page.gmi": "# Second\n"}),
                author.publish({"page.gmi": "# Third\n"})]
    store = make_store(place / "store", releases)
    write_state(store, releases[-1], author.key, mirror=False)
    verify(store)
    for serial in (1, 2):
        page = store / f"releases/{serial}/page.gmi"
        page.unlink()
        page.write_text("# Altered\n")
    (store / "releases/1/extra.gmi").write_text("# Not signed\n")
    (store / "releases/2/index.gmi").unlink()
    assert sorted(told(verify(store, status=REFUSED))) == [
        "changed releases/1/page.gmi", "changed releases/2/page.gmi",
        "extra releases/1/extra.gmi", "missing releases/2/index.gmi"]


def test_a_store_copied_without_hard_links(place, author):
    """Each object is looked at, of whichever release, linked or not."""
    first = author.publish({"old.txt": "only here\n"})
    second = author.publish({"old.txt": None})
    linked = make_store(place / "linked", [first, second])
    write_state(linked, second, author.key, mirror=False)
    store = place / "store"
    shutil.copytree(linked, store, symlinks=True)
    verify(store)
    old = sha256(b"only here\n")
    for digest in (sha256(CAPSULE["page.gmi"]), old):
        rot(object_path(store, digest))
        assert told(verify(store, status=REFUSED)) == [
            f"changed objects/{digest[:2]}/{digest[2:]}"]
        rot(object_path(store, digest))
    object_path(store, old).unlink()
    assert told(verify(store, status=REFUSED)) == [
        f"missing objects/{old[:2]}/{old[2:]}"]


def test_objects_that_several_older_releases_list(place, author):
    """Told once, under how many names and in how many releases whatever."""
    author.files["twin.gmi"] = CAPSULE["page.gmi"]
    releases = [author.publish({"n": str(n)}) for n in range(3)]
    releases.append(author.publish(
        {"twin.gmi": None, "page.gmi": None, "n": "3"}))
    store = make_store(place / "store", releases)
    write_state(store, releases[-1], author.key, mirror=False)
    digests = sorted(map(sha256, (CAPSULE["page.gmi"], b"0", b"1", b"2")))
    for digest in digests:
        object_path(store, digest).unlink()
    assert sorted(told(verify(store, status=REFUSED))) == [
        f"missing objects/{d[:2]}/{d[2:]}" for d in digests]


def test_an_object_that_is_gone(place, author):
    store = Store(place, author.publish(), author.key).what
    digest = sha256(CAPSULE["page.gmi"])
    object_path(store, digest).unlink()
    assert told(verify(store, status=REFUSED)) == [
        f"missing objects/{digest[:2]}/{digest[2:]}"]


# ------------------------------------------------------- what is wrong, listed

class Mirror:
    """A mirror's store of two releases, and where its files come from."""

    def __init__(self, place):
        self.source = Origin(place)
        self.author = Author(Key.new(), self.source.url())
        self.source.author = self.author
        self.first = self.source.publish()
        self.second = self.source.publish({"new.gmi": "# New\n"})
        self.store = make_store(place / "store", [self.first, self.second])
        write_state(self.store, self.second, self.author.key,
                    url=self.source.url())
        self.current = self.store / "current"
        self.words = []

    def repair(self, status=GOOD):
        """What is reported; the line of carnation mirror is not verify's."""
        lines = verify(self.store, "--repair", *self.words, status=status)
        if status == GOOD:
            check_store(self.store, [self.author.key.public])
            assert listed(self.store) is None
        return [line for line in told(lines) if line[:8] != "mirror: "]

    def verify(self, status=GOOD):
        lines = verify(self.store, status=status)
        if status == GOOD:
            check_store(self.store, [self.author.key.public])
        return told(lines)


@pytest.fixture
def mirror(place):
    it = Mirror(place)
    yield it
    it.source.close()


def listed(store):
    """The lines of STORE/wrong; None: there is none."""
    file = store / "wrong"
    return sorted(file.read_text().split()) if file.exists() else None


def held(path):
    """Somebody who has a store's lock."""
    path.touch()
    it = subprocess.Popen(["flock", path, "cat"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE)
    it.stdin.write(b"x\n")
    it.stdin.flush()
    it.stdout.read(1)
    return it


@pytest.mark.parametrize("serial", [1, 2])
def test_a_release_that_is_locked_is_looked_at(mirror, serial):
    """Whoever can read it can lock it."""
    page = mirror.store / "releases" / str(serial) / "robots.txt"
    page.unlink()
    page.write_text("other bytes")
    with subprocess.Popen(
            ["flock", "-x", page.parent, "sh", "-c", "echo; cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE) as it:
        it.stdout.readline()
        mirror.verify(REFUSED)
        it.stdin.close()


def test_what_is_wrong_is_reported_and_listed(mirror):
    """Nothing else is touched, and nobody asked; the list goes with what is
    wrong."""
    files = ["index.gmi", "page.gmi"]
    for path in files:
        rot(mirror.current / path)
    old = object_path(mirror.store, sha256(CAPSULE["picture.png"]))
    data = old.read_bytes()
    old.unlink()
    before = [(mirror.current / path).read_bytes() for path in files]
    assert mirror.verify(REFUSED) == [
        *(f"changed {path}" for path in files),
        f"missing {old.relative_to(mirror.store)}"]
    assert before == [(mirror.current / path).read_bytes() for path in files]
    assert listed(mirror.store) == sorted(
        sha256(mirror.second[path]) for path in [*files, "picture.png"])
    assert mirror.source.log == []
    for path in files:
        rot(mirror.current / path)
    mirror.verify(REFUSED)
    assert listed(mirror.store) == [sha256(data)]
    os.link(mirror.current / "picture.png", old)
    mirror.verify()
    assert listed(mirror.store) is None


@pytest.mark.parametrize("what", [MANIFEST, ARCHIVE])
@pytest.mark.parametrize("how", ["rot", "gone"])
def test_what_lies_under_mirror_is_listed(mirror, what, how):
    """All else is looked at, whatever has become of the manifest."""
    file = mirror.current / what
    if how == "rot":
        rot(file)
    else:
        file.unlink()
    rot(mirror.current / "new.gmi")
    digest = sha256(mirror.second["new.gmi"])
    page = ("new.gmi" if what == ARCHIVE
            else f"objects/{digest[:2]}/{digest[2:]}")
    word = "changed" if how == "rot" else "missing"
    assert sorted(mirror.verify(REFUSED)) == sorted(
        [f"{word} {what}", f"changed {page}"])
    assert listed(mirror.store) == sorted([what, digest])


def test_what_a_file_of_its_own_hides_is_listed(mirror):
    """A release's file that is not its object; an object of older ones alone."""
    page = mirror.current / "page.gmi"
    page.unlink()
    page.write_text("# Altered\n")
    (mirror.current / "deep/er/page.gmi").unlink()
    assert mirror.verify(REFUSED) == ["missing deep/er/page.gmi",
                                      "changed page.gmi"]
    assert listed(mirror.store) == sorted(
        sha256(mirror.second[p]) for p in ("page.gmi", "deep/er/page.gmi"))


@needed[0]
@needed[1]
def test_what_a_disk_has_lost_is_listed(mirror, bad_disk):
    digest = sha256(mirror.second["page.gmi"])
    assert told(verify(mirror.store, status=LOCAL, env={
        "LD_PRELOAD": str(bad_disk), "BAD": digest[2:]})) == [
            "unreadable page.gmi"]
    assert listed(mirror.store) == [digest]


@pytest.mark.parametrize("is_mirror", [True, False])
@pytest.mark.parametrize("key", ["unknown", "retired"])
def test_a_sound_manifest_and_another_key(mirror, is_mirror, key):
    """Nothing is listed: only the store's own keys tell what has rotted."""
    signer, other = mirror.author.key.public, Key.new().public
    fields = {"mirror": is_mirror and "yes"}
    if key == "retired":
        fields["retired-key"] = other
    write_state(mirror.store, mirror.second, mirror.author.key, **fields)
    lines = verify(mirror.store, "--key", other, status=REFUSED)
    assert told(lines) == [f"changed {MANIFEST}"]
    assert "which is not trusted here" in lines[-1]
    assert listed(mirror.store) is None
    verify(mirror.store, "--key", signer)


def test_rot_in_each_part_of_a_signature(mirror):
    """The number of a key, the signature, line 1."""
    file = mirror.current / MANIFEST
    good = file.read_bytes()
    line = good.index(b"\n") + 1
    for at in (0, line - 6, line + 5, line + 60, len(good) - 70):
        rot(file, good[:at] + (b"A" if good[at:at + 1] != b"A" else b"B")
            + good[at + 1:])
        assert mirror.verify(REFUSED) == [f"changed {MANIFEST}"], at


def test_the_manifest_of_an_older_release(mirror):
    """A rollback would want it; nobody else has it still."""
    rot(mirror.store / "releases/1" / MANIFEST)
    lines = verify(mirror.store, status=REFUSED)
    assert told(lines) == [f"changed releases/1/{MANIFEST}"]
    assert lines[-1].endswith(", all as signed; REFUSED serial 1: 1 changed")
    assert "do not roll back to it; carnation prune can remove it" in (
        verify.said)
    assert listed(mirror.store) is None
    os.utime(mirror.store / "releases/1", (0, 0))  # superseded long ago
    assert carnation("prune", "--keep", "1", mirror.store).returncode == 0
    mirror.verify()


def test_a_list_while_another_run_is_at_work(mirror):
    """Said only when there is something to list."""
    other = held(mirror.store / "lock")
    try:
        mirror.verify()
        assert verify.said == ""
        rot(mirror.current / "page.gmi")
        assert mirror.verify(REFUSED) == ["changed page.gmi"]
        assert "could not be listed for the next run" in verify.said
        assert listed(mirror.store) is None
    finally:
        other.kill()
        other.communicate()


def test_who_may_only_look(mirror):
    """Nor does root leave what is in the way of the store's user."""
    mirror.store.chmod(0o755)
    with closed(mirror.store, mode=0o555):
        assert verify(mirror.store, wrapper=STRANGER) and verify.said == ""
        rot(mirror.current / "page.gmi")
        assert told(verify(mirror.store, status=REFUSED,
                           wrapper=STRANGER)) == ["changed page.gmi"]
        assert "could not be listed for the next run" in verify.said
    if IS_ROOT:
        give_away(mirror.store)
        mirror.verify(REFUSED)
        assert "belongs to another user" in verify.said
    assert listed(mirror.store) is None


def test_a_list_longer_than_json_may_be(place, author):
    """It ends with the last entry that has room, and is JSON still."""
    copy = Directory(place, author.publish(), author.key)
    name = "\1" * 240
    deep = copy.what.joinpath(*[name] * 14)
    deep.mkdir(parents=True)
    for n in range(3200):
        (deep / f"{name}{n}").touch()
    done = carnation("verify", "--json", *copy.words, copy.what)
    assert done.returncode == REFUSED
    extra = json.loads(done.stdout)["extra"]
    assert 2000 < len(extra) < 3200


# ------------------------------------------------------ --repair of a store

class Own(Mirror):
    """An author's store, and a mirror of it."""

    def __init__(self, place):
        super().__init__(place)
        write_state(self.store, self.second, self.author.key, mirror=False)
        self.words = ["--from", self.source.url()]


@pytest.fixture
def own(place):
    it = Own(place)
    yield it
    it.source.close()


@pytest.fixture(params=[Own, Mirror], ids=["from", "mirror"])
def ill(request, place):
    """Whatever repairs it."""
    it = request.param(place)
    yield it
    it.source.close()


def test_what_heals_an_authors_store_is_named(own):
    rot(own.current / "page.gmi")
    assert told(verify(own.store, "--repair", status=REFUSED)) == [
        "changed page.gmi"]
    assert ("publish the pages again, or name a mirror that has them: "
            f"carnation verify --repair --from URL {own.store}"
            in verify.said)
    assert own.source.log == []
    rot(own.current / "page.gmi")
    verify(own.store, "--repair")
    assert verify.said == ""


def test_publishing_again_heals_an_authors_store(place):
    """At once, older releases too; what only those have is lost."""
    src = tree(place / "src", {"index.gmi": "# Home\n", "page.gmi": "# 1\n"})
    store, key = place / "store", Key.new()
    public, secret = key.write(place)
    words = ["publish", src, store, "--key", secret, "--origin",
             "gemini://example.org/", "--yes"]
    assert carnation(*words).returncode == GOOD
    (src / "page.gmi").write_text("# 2\n")
    assert carnation(*words).returncode == GOOD
    rot(store / "current/index.gmi")
    rot(store / "current" / ARCHIVE)
    verify(store, status=REFUSED)
    done = carnation(*words)
    assert done.returncode == GOOD and "lack" not in done.stderr
    check_store(store, [key.public])
    assert verify(store) and listed(store) is None
    rot(store / "releases/1/page.gmi")
    verify(store, status=REFUSED)
    done = carnation(*words)
    assert done.returncode == GOOD
    assert "older releases lack 1 file: carnation prune" in done.stderr


@pytest.mark.parametrize("path", ["index.gmi", "a b/café.txt", "new.gmi",
                                  "picture.png", "empty.txt"])
@pytest.mark.parametrize("objects", [True, False], ids=["by-hash", "by-path"])
def test_bit_rot_is_repaired(ill, path, objects):
    file = ill.current / path
    rot(file, None if file.stat().st_size else b"x")
    if not objects:
        ill.source.on(GONE, o.answer("51 Not found"))
    assert ill.repair() == [f"changed {path}", f"repaired {path}"]
    assert file.read_bytes() == ill.second[path]
    old = ill.store / "releases/1" / path
    if path in ill.first:
        assert old.samefile(file)
    asked = len(ill.source.log)
    assert ill.repair() == [] and len(ill.source.log) == asked


def test_all_of_it_is_repaired(ill):
    for path in ill.second:
        if (ill.current / path).stat().st_size and path != MANIFEST:
            rot(ill.current / path)
    lines = ill.repair()
    changed = {x[8:] for x in lines if x.startswith("changed ")}
    repaired = {x[9:] for x in lines if x.startswith("repaired ")}
    assert changed == repaired == set(ill.second) - {"empty.txt", MANIFEST}
    for path, data in ill.second.items():
        assert (ill.current / path).read_bytes() == data


@pytest.mark.parametrize("what", ["gone", "object gone", "directory gone",
                                  "a link", "other inode", MANIFEST, ARCHIVE])
def test_other_harm_is_repaired(ill, what):
    file = ill.current / "deep/er/page.gmi"
    digest = sha256(ill.second["deep/er/page.gmi"])
    if what == "object gone":
        object_path(ill.store, digest).unlink()
    elif what in ill.second:
        (ill.current / what).unlink()
    else:
        file.unlink()
        if what == "directory gone":
            file.parent.rmdir()
        elif what == "a link":
            file.symlink_to("/etc/passwd")
        elif what == "other inode":
            file.write_text("# Other\n")
    lines = ill.repair()
    assert len(lines) == 2 and lines[1].startswith("repaired ")


def test_an_older_release_is_repaired(own):
    """With larger files than the current one has; by hash alone."""
    big = os.urandom(max(map(len, own.second.values())) + 100_000)
    for changes in ({"big.bin": big}, {"big.bin": None}):
        files = own.source.publish(changes)
        make_store(own.store, [files])
        write_state(own.store, files, own.author.key, mirror=False)
    old = object_path(own.store, sha256(big))
    name = old.relative_to(own.store)
    rot(old)
    assert own.repair(LATER) == [f"changed {name}"]
    # It is missing from now on, and the release can be removed.
    lost = ["changed releases/3/big.bin", f"missing {name}"]
    assert own.repair(LATER) == lost
    assert "older releases are not whole: carnation prune" in verify.said
    own.source.serve({**own.source.files, f"mirror/objects/{sha256(big)}": big})
    assert sorted(own.repair()) == sorted(
        [*lost, f"repaired {name}", "repaired releases/3/big.bin"])
    assert (own.store / "releases/3/big.bin").samefile(old)


def test_what_was_retracted_is_not_brought_back(own):
    """Though a mirror has it, and a server holds its release still."""
    page = object_path(own.store, sha256(own.second["new.gmi"]))
    page.unlink()
    files = own.source.publish({"new.gmi": None})
    make_store(own.store, [files])
    write_state(own.store, files, own.author.key, mirror=False, retracted=2)
    own.source.serve({**own.second, **files})
    own.repair(LATER)
    assert not page.exists()


def test_rot_that_cannot_be_fetched(own):
    rot(own.current / "page.gmi")
    rot(own.current / "index.gmi")
    own.source.refuse()
    assert own.repair(LATER) == ["changed index.gmi", "changed page.gmi"]
    own.source.listen()
    # What could be had is put back at once.
    own.source.on(lambda talk: "page.gmi" in talk.path or sha256(
        CAPSULE["page.gmi"]) in talk.path, o.answer("51 Not found"))
    lines = own.repair(LATER)
    assert "repaired index.gmi" in lines and "repaired page.gmi" not in lines
    own.source.forget()
    assert "repaired page.gmi" in own.repair()


def test_a_manifest_that_another_has_not(own):
    rot(own.current / MANIFEST)
    own.source.publish({"page.gmi": "# Third\n"})
    assert own.repair(LATER) == [f"changed {MANIFEST}"]
    assert "another one than this store took over, serial 3" in verify.said
    own.source.serve(own.author.publish({"page.gmi": "# Other\n"}, serial=2))
    assert own.repair(LATER) == [f"changed {MANIFEST}"]
    assert "another one than this store took over, serial 2" in verify.said
    own.source.serve(own.second)
    assert own.repair() == [f"changed {MANIFEST}", f"repaired {MANIFEST}"]


def test_repair_while_another_run_is_at_work(ill):
    rot(ill.current / "page.gmi")
    other = held(ill.store / "lock")
    try:
        assert ill.repair(LATER) == ["changed page.gmi"]
        assert "in use by another run" in verify.said
    finally:
        other.kill()
        other.communicate()
    ill.repair()


def test_an_extra_file_stays(ill):
    (ill.current / "extra.gmi").write_text("x")
    rot(ill.current / "page.gmi")
    assert ill.repair(REFUSED) == [
        "changed page.gmi", "extra extra.gmi", "repaired page.gmi"]


def test_a_repair_as_json(own):
    rot(own.current / "page.gmi")
    rot(own.current / "index.gmi")
    own.source.on(lambda talk: "page.gmi" in talk.path or sha256(
        CAPSULE["page.gmi"]) in talk.path, o.answer("51 Not found"))
    done = carnation("verify", "--repair", "--json", "--from",
                     own.source.url(), own.store)
    got = json.loads(done.stdout)
    assert done.returncode == LATER and got["result"] == "later"
    assert got["changed"] == ["index.gmi", "page.gmi"]
    assert got["repaired"] == ["index.gmi"]


# ------------------------------------------------- --repair of a mirror's store

def test_a_repair_is_a_run_of_mirror(mirror):
    """Which prints its line; and none when nothing is wrong."""
    assert mirror.repair() == [] and mirror.source.log == []
    rot(mirror.current / "page.gmi")
    lines = verify(mirror.store, "--repair")
    assert [line for line in lines if line.startswith("mirror: ")]
    assert "repaired page.gmi" in lines
    assert "1 repaired; 10 files" in lines[-1] and "as signed" in lines[-1]
    rot(mirror.current / "page.gmi")
    done = carnation("verify", "--repair", "--json", mirror.store)
    got = json.loads(done.stdout)
    assert got["result"] == "good" and got["repaired"] == ["page.gmi"]


def test_the_next_run_of_mirror_repairs_what_is_listed(mirror):
    rot(mirror.current / "page.gmi")
    old = object_path(mirror.store, sha256(CAPSULE["index.gmi"]))
    old.unlink()
    mirror.verify(REFUSED)
    assert carnation("mirror", mirror.store).returncode == GOOD
    assert listed(mirror.store) is None
    mirror.verify()
    mirror.source.log.clear()
    assert carnation("mirror", mirror.store).returncode == GOOD
    assert mirror.source.paths == [MANIFEST]


def test_a_newer_release_comes_instead(mirror):
    """What older ones alone have is fetched by its hash, or stays lost."""
    old = object_path(mirror.store, sha256(CAPSULE["page.gmi"]))
    rot(old)
    mirror.source.publish({"page.gmi": "# Third\n"})
    lines = mirror.repair(LATER)
    assert lines[:2] == ["changed page.gmi", "repaired page.gmi"]
    assert os.readlink(mirror.current) == "releases/3"
    assert "carnation prune can remove them" in verify.said
    name = old.relative_to(mirror.store)
    assert f"missing {name}" in mirror.verify(REFUSED)
    mirror.source.serve({**mirror.source.files,
                         f"mirror/objects/{old.parent.name}{old.name}":
                         CAPSULE["page.gmi"]})
    assert f"repaired {name}" in mirror.repair()
    assert old.samefile(mirror.store / "releases/1/page.gmi")


def test_rot_that_nobody_has(mirror):
    rot(mirror.current / "page.gmi")
    rot(mirror.current / "index.gmi")
    for harm in (mirror.source.refuse,
                 lambda: mirror.source.on("*", o.answer("40 Later"))):
        harm()
        assert mirror.repair(LATER) == ["changed index.gmi",
                                         "changed page.gmi"]
        mirror.source.listen()
        mirror.source.forget()
    assert sorted(mirror.repair()) == [
        *(f"{word} {path}" for word in ("changed", "repaired")
          for path in ("index.gmi", "page.gmi"))]


def test_rot_for_which_other_bytes_come(mirror):
    rot(mirror.current / "page.gmi")
    mirror.source.on(lambda talk: talk.path != MANIFEST, o.instead(b"other"))
    assert mirror.repair(REFUSED) == ["changed page.gmi"]
    mirror.source.forget()
    assert "repaired page.gmi" in mirror.repair()


def test_rot_is_mended_by_another_mirror(mirror, place):
    """That mirrors.gmi names, once the origin is gone for good."""
    with Origin(place) as other:
        files = mirror.source.publish({"mirrors.gmi": f"=> {other.url()}\n"})
        other.serve(files)
        make_store(mirror.store, [files])
        write_state(mirror.store, files, mirror.author.key,
                    url=mirror.source.url())
        mirror.source.refuse()
        for what in ("page.gmi", MANIFEST, ARCHIVE):
            rot(mirror.current / what)
        mirror.repair()
    assert (mirror.current / "page.gmi").read_bytes() == files["page.gmi"]


@root_only
def test_root_mends_as_the_stores_owner(mirror):
    rot(mirror.current / "page.gmi")
    give_away(mirror.store)
    assert "repaired page.gmi" in mirror.repair()
    assert {p.lstat().st_uid for p in mirror.store.rglob("*")} == {NOBODY}


def test_repair_is_for_a_store(place, author):
    copy = Directory(place, author.publish(), author.key)
    verify(copy.what, "--repair", status=USAGE)
    verify(copy.what, "--from", "gemini://localhost/", status=USAGE)
    verify(copy.what, "--repair", "--from", "localhost", status=USAGE)
    store = Store(place, author.publish(), author.key).what
    verify(store, "--repair", "--key", author.key.public, status=USAGE)
