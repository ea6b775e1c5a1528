# SPDX-License-Identifier: ISC
"""`carnation mirror` from the source's archive: many files in one request,
whatever the archive holds, and file by file what it does not bring."""
import os
import re

import pytest

import origin as o
from harness import wait_for
from mirroring import fresh, key, mirror, origin, page, second  # noqa: F401
from signed import (ARCHIVE, BLOCK, MANIFEST, RECORD, as_bytes, member,
                    object_path, padded, sha256, ustar_header)
from test_fetch_terminal import Terminal

MTIME = 1790000000
PAGE = 4096


def pages(n, size=PAGE):
    return {f"p/{i:04}.txt": b"%08d" % i * (size // 8) for i in range(n)}


@pytest.fixture
def many(origin):
    """50 files and the author's own."""
    origin.publish(pages(50))
    return origin


def objects(origin):
    """How many files were asked for by themselves."""
    return [p for p in origin.paths if p not in (MANIFEST, ARCHIVE)]


def served(origin, change=lambda path, data: member(path, data, MTIME),
           files=None, end=bytes(2 * BLOCK)):
    """An archive of what is served, each member as change says (b"": not)."""
    files = files or {as_bytes(p): d for p, d in origin.files.items()
                      if p != ARCHIVE}
    return padded(b"".join(change(p, d) for p, d in sorted(files.items()))
                  + end, RECORD)


def special(kind, path, link=b""):
    """The header of a link, a directory or a device."""
    head = bytearray(ustar_header(path, b"", 0, MTIME, kind))
    head[157:157 + len(link)] = link
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


# ----------------------------------------------------------------- first runs

@pytest.mark.parametrize("count", [0, 1, 50, 2000])
def test_first_run_of_any_size(fresh, origin, count):
    if count < 2:
        origin.author.files = pages(count or 1)
    origin.publish(pages(count))
    done = fresh.updated("--key", fresh.pub)
    assert int(done["requests"]) == len(origin.log) <= 5
    assert fresh.visible()[1] == origin.files
    assert objects(origin) == ([] if count > 1 else ["p/0000.txt"])


def test_many_changed(mirror, origin):
    origin.publish(pages(200))
    origin.clear()
    assert mirror.updated()["new"] == "200"
    assert origin.paths == [MANIFEST, ARCHIVE]
    origin.publish({p: d.upper() + b"x" for p, d in pages(180).items()})
    origin.clear()
    mirror.updated()
    assert origin.paths == [MANIFEST, ARCHIVE]


def test_few_of_many_changed(mirror, many):
    """The archive would bring much that is here already."""
    many.publish({"large.bin": bytes(1 << 20)})
    mirror.updated()
    many.publish({p: b"changed " + d for p, d in pages(6).items()})
    many.clear()
    mirror.updated()
    assert sorted(objects(many)) == sorted(pages(6))
    assert ARCHIVE not in many.paths


def test_no_archive(fresh, many):
    many.on(ARCHIVE, o.answer("51 Not found"))
    fresh.updated("--key", fresh.pub)
    assert many.paths.count(ARCHIVE) == 1
    assert len(objects(many)) == 50 + 9


def test_each_file_comes_once(fresh, many):
    """The archive is not heard beyond the last file that is missing."""
    done = fresh.json("--key", fresh.pub)
    assert (done["requests"], done["new"]) == (2, 59)
    assert done["bytes"] <= len(many.files[MANIFEST]) + len(
        many.files[ARCHIVE])


def test_of_another_mirror(fresh, many, second):
    """The archive of the source of the manifest; the origin is asked for its
    own manifest alone."""
    fresh.updated("--key", fresh.pub, url=second.url())
    assert second.paths == [MANIFEST, ARCHIVE]
    assert many.paths == [MANIFEST]


def test_progress(fresh, origin):
    """In bytes, within a file too; what turns out to be wrong does not
    count."""
    origin.publish({f"p/{i}.bin": bytes([i]) * 100_000 for i in range(5)})
    files = {as_bytes(p): d for p, d in origin.files.items() if p != ARCHIVE}
    files[b"p/1.bin"] = b"x" * 100_000
    bad = served(origin, files=files)

    def slow(talk):
        talk.header(f"20 {talk.meta}")
        for at in range(0, len(bad), 20_000):
            talk.send(bad[at:at + 20_000])
            talk.origin.closing.wait(0.05)
    origin.on(ARCHIVE, slow)
    t = Terminal([*map(str, fresh.words("--key", fresh.pub))], os.environ)
    t.read_until(b" s left")
    assert t.finish() == 0
    shown = re.findall(rb"\r(\d+) of 14 files, ([\d.]+) (KiB|B) of "
                       rb"([\d.]+) KiB, ", t.seen)
    assert len({n for n, *_ in shown}) > 1, t.seen
    assert all(float(a) <= float(b) for _, a, unit, b in shown
               if unit == b"KiB"), shown
    assert objects(origin) == ["p/1.bin"]


# -------------------------------------------------------- what archives may be

def whole(fresh, many, archive, singly):
    """The run succeeds; so many files came by themselves."""
    many.on(ARCHIVE, o.instead(archive) if isinstance(archive, bytes)
            else archive)
    fresh.updated("--key", fresh.pub)
    assert many.paths.count(ARCHIVE) == 1
    assert len(objects(many)) == singly, objects(many)
    # Our own archive is the right one.
    assert fresh.visible()[1] == many.files


def test_wrong_members(fresh, many):
    """Other bytes, other sizes, empty."""
    bad = {b"p/0003.txt": b"x" * PAGE, b"p/0004.txt": b"short",
           b"p/0005.txt": b""}
    whole(fresh, many, served(
        many, lambda p, d: member(p, bad.get(p, d), MTIME)), 3)


def test_missing_members(fresh, many):
    whole(fresh, many, served(
        many, lambda p, d: b"" if p < b"p/0010.txt" and p[:2] == b"p/"
        else member(p, d, MTIME)), 10)


def test_extra_members(fresh, many):
    """Names that are not listed, and such as no manifest may list."""
    def change(path, data):
        return (member(b"/" + path, data[:9], MTIME)
                + (member(b"../" + path, data, MTIME)
                   + member(path + b"~", b"extra", MTIME)
                   if path < b"p/0010.txt" else b"")
                + member(path, data, MTIME))
    whole(fresh, many, served(many, change), 0)
    assert not (fresh.store.parent / "p").exists()


def test_doubled_members(fresh, many):
    """A wrong one before the right one, and behind it."""
    def change(path, data):
        return (member(path, data[:9] + b"x", MTIME)
                + member(path, data, MTIME)
                + member(path, b"", MTIME))
    whole(fresh, many, served(many, change), 0)


def test_reversed_members(fresh, many):
    files = {as_bytes(p): d for p, d in many.files.items() if p != ARCHIVE}
    whole(fresh, many, padded(
        b"".join(member(p, files[p], MTIME) for p in sorted(files)[::-1])
        + bytes(2 * BLOCK), RECORD), 0)


def test_names_swapped(fresh, many):
    """Each member has its neighbour's bytes: the manifest decides by name and
    hash, none is taken."""
    other = {b"p/%04d.txt" % i: b"%08d" % (i ^ 1) * (PAGE // 8)
             for i in range(50)}
    whole(fresh, many, served(
        many, lambda p, d: member(p, other.get(p, d), MTIME)), 50)


@pytest.mark.parametrize("kind, link", [
    (b"1", b"index.gmi"), (b"2", b"/etc/passwd"), (b"3", b""), (b"4", b""),
    (b"5", b""), (b"6", b""), (b"7", b""), (b"L", b""), (b"S", b"")])
def test_links_and_devices(fresh, many, kind, link):
    """Are not made; what is behind them is fetched all the same."""
    def change(path, data):
        head = special(kind, path, link) if path == b"p/0040.txt" else b""
        return head + member(path, data, MTIME)
    many.on(ARCHIVE, o.instead(served(many, change)))
    fresh.updated("--key", fresh.pub)
    assert len(objects(many)) <= 20
    assert fresh.visible()[1] == many.files


def test_noise(fresh, many):
    whole(fresh, many, b"\x80" * 100000, 59)


def test_nothing(fresh, many):
    whole(fresh, many, o.instead(b""), 59)


def test_bad_checksum(fresh, many):
    archive = bytearray(many.files[ARCHIVE])
    archive[archive.index(b"p/0020.txt\0") + 120] ^= 1
    behind = [p for p in many.files
              if "p/0020.txt" <= p and not p.startswith("mirror/")]
    whole(fresh, many, bytes(archive), len(behind))


@pytest.mark.parametrize("how", [
    o.cut(100_000), o.cut(100_000, clean=True)], ids=["bare", "clean"])
def test_cut(fresh, many, how):
    many.on(ARCHIVE, how)
    fresh.updated("--key", fresh.pub)
    assert 20 < len(objects(many)) < 50
    assert fresh.visible()[1] == many.files


def test_of_another_serial(fresh, many):
    """As between two publications: what is the same is taken."""
    old = many.files[ARCHIVE]
    many.publish({**page(3), "p/0000.txt": "# New\n"})
    whole(fresh, many, old, 2)


def test_held_open(fresh, many):
    """All is there: nobody waits for the end."""
    def fault(talk):
        talk.answer()
        talk.origin.closing.wait(20)
        return False
    whole(fresh, many, fault, 0)


# -------------------------------------------------------------- what it may cost

def cost(fresh, many, fault):
    """Bytes of the archive that were sent, in a run that succeeds."""
    sent = []

    def counted(talk):
        try:
            return fault(talk)
        finally:
            sent.append(talk.sent)
    many.on(ARCHIVE, counted)
    fresh.updated("--key", fresh.pub)
    assert many.paths.count(ARCHIVE) == 1
    assert fresh.visible()[1] == many.files
    return sent[0]


# Files, headers, records and the list; and what sockets hold.
LISTED = 59 * (PAGE + 3200) + (128 << 10) + (8 << 20)


@pytest.mark.parametrize("piece", [
    bytes(1 << 16), member(b"extra", b"x" * (1 << 16), MTIME),
    member(b"p/0000.txt", b"y" * PAGE, MTIME)],
    ids=["zeros", "members", "doubles"])
def test_endless(fresh, many, piece):
    assert cost(fresh, many, o.endless(piece)) < LISTED


def test_one_member_without_end(fresh, many):
    """8 GiB, its header says."""
    head = ustar_header(b"p/0000.txt", b"", (1 << 33) - 1, MTIME, b"0")

    def fault(talk):
        talk.header(f"20 {talk.meta}")
        talk.send(head)
        while talk.sent < 1 << 30 and not talk.origin.closing.is_set():
            talk.send(bytes(1 << 16))
        return False
    assert cost(fresh, many, fault) < LISTED


REFUSALS = {
    "slow down": o.answer("44 5"), "temporary": o.answer("40"),
    "bad request": o.answer("59"), "certificate": o.answer("60"),
    "elsewhere": o.redirect("/mirror/other.tar"), "loop": o.loop,
    "another host": o.redirect("gemini://example.org/"),
    "nonsense": o.raw(b"nonsense\r\n"), "hung up": o.hang_up}


@pytest.mark.parametrize("how", REFUSALS)
def test_refused_by_its_source(fresh, many, how):
    """As if there were none: the files come."""
    many.on(ARCHIVE, REFUSALS[how], times=1 if how == "slow down" else None)
    fresh.updated("--key", fresh.pub)
    assert (ARCHIVE in many.paths
            and len(objects(many)) == (0 if how == "slow down" else
                                       60 if how == "elsewhere" else 59))
    assert fresh.visible()[1] == many.files


# -------------------------------------------------------------- interruptions

def has(fresh, data):
    return object_path(fresh.store, sha256(data)).exists()


def kept(fresh, origin):
    """How many of the listed files are objects."""
    return sum(has(fresh, d) for p, d in origin.files.items()
               if not p.startswith("mirror/"))


def test_interrupted_is_never_begun_again(fresh, many):
    many.on(ARCHIVE, o.drip(0.2, 8192))
    many.on(lambda talk: talk.path not in (MANIFEST, ARCHIVE), o.delay(0.2))
    done = fresh.run("--key", fresh.pub, "--deadline", "3s")
    assert done.returncode == 1, done
    first = kept(fresh, many)
    assert 0 < first < 59
    assert many.paths == [MANIFEST, ARCHIVE]
    many.clear()
    fresh.run("--deadline", "2s")
    assert ARCHIVE not in many.paths
    assert kept(fresh, many) > first
    many.forget()
    fresh.updated()
    assert ARCHIVE not in many.paths
    # The next serial's archive is another.
    many.publish(pages(100, 2 * PAGE))
    many.clear()
    fresh.updated()
    assert many.paths == [MANIFEST, ARCHIVE]


def test_sources_that_take_turns(mirror, origin):
    """One has a lower serial than the other: neither archive is begun twice."""
    origin.publish(pages(50))
    lower = origin.files
    origin.publish({path: data + b"3" for path, data in pages(50).items()})
    higher = {path: data for path, data in origin.files.items()
              if path[:2] != "p/"}
    higher[ARCHIVE] = higher[ARCHIVE][:20000]
    origin.serve(higher)
    assert mirror.run().returncode == 1 and ARCHIVE in origin.paths
    came = len(list(mirror.store.glob("objects/*/*")))
    origin.serve({path: data for path, data in lower.items()
                  if path != "p/0000.txt"})
    origin.clear()
    assert mirror.run().returncode == 1 and ARCHIVE not in origin.paths
    # nor is lost what has come
    assert len(list(mirror.store.glob("objects/*/*"))) == came + 49
    origin.serve(lower)
    assert mirror.updated()["serial"] == "2"
    assert ARCHIVE not in origin.paths


def test_five_deadlines(fresh, many):
    """A link so slow that it needs five runs: each ends with more."""
    many.on(ARCHIVE, o.drip(0.4, 8192))
    many.on(lambda talk: talk.path not in (MANIFEST, ARCHIVE), o.delay(0.3))
    before, words = 0, ("--key", fresh.pub)
    runs = 0
    while not fresh.serving():
        runs += 1
        done = fresh.run(*words, "--deadline", "2s")
        words = ()
        assert done.returncode in (0, 1), done
        now = kept(fresh, many)
        assert now > before, (runs, before, now)
        before = now
    assert runs >= 5
    assert many.paths.count(ARCHIVE) == 1
    assert fresh.visible()[1] == many.files


def test_killed(fresh, many):
    """A run that is killed leaves what it has, and its successor does not
    begin the archive again."""
    many.on(ARCHIVE, o.drip(0.1, 16384))
    process = fresh.start("--key", fresh.pub)
    wait_for(lambda: kept(fresh, many) > 3)
    process.kill()
    process.communicate()
    many.forget()
    many.clear()
    fresh.updated("--key", fresh.pub)
    assert ARCHIVE not in many.paths


def test_slow_archive_and_a_quicker_source(fresh, many, second):
    """The quicker one is asked for the files."""
    many.on(ARCHIVE, o.drip(0.5, 2000))
    fresh.updated("--key", fresh.pub, "--also", second.url())
    assert len(objects(second)) > 30
